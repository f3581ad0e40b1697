"""Which version of the project is running, and of a checkout which commit."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib import metadata
from pathlib import Path

NAME = "noise-to-crystals"
ROOT = Path(__file__).resolve().parents[1]
SHOWN = 7  # digits of a commit, as git shows them


@lru_cache(maxsize=8)
def version(root: Path = ROOT) -> str:
    """The version in pyproject.toml, where it is written once; of an installed copy the same number from its metadata.

    A checkout is asked first: the metadata of an editable installation keep the number that was in force when it was made.
    """
    try:
        return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    except FileNotFoundError:
        return metadata.version(NAME)


@lru_cache(maxsize=8)
def commit(root: Path = ROOT) -> str:
    """First digits of the commit that is checked out at `root`, read once and from git's files; empty if there are none to read."""
    try:
        home = root / ".git"
        if home.is_file():  # a worktree or a submodule: the file says where its own folder is
            home = (root / home.read_text(encoding="utf-8").removeprefix("gitdir:").strip()).resolve()
        head = (home / "HEAD").read_text(encoding="utf-8").strip()
        digits = _resolved(home, head.removeprefix("ref:").strip()) if head.startswith("ref:") else head
    except OSError:
        return ""
    return digits[:SHOWN] if re.fullmatch(r"[0-9a-f]{40,64}", digits) else ""


def _resolved(home: Path, ref: str) -> str:
    """The commit of a branch: from a file of its name, or from a line in `packed-refs`; empty for a branch without commits."""
    shared = home / "commondir"
    common = (home / shared.read_text(encoding="utf-8").strip()).resolve() if shared.is_file() else home
    if (common / ref).is_file():
        return (common / ref).read_text(encoding="utf-8").strip()
    packed = common / "packed-refs"
    lines = packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {ref}")), "")
