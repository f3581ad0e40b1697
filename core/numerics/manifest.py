"""What the weight files of a release are: size and sha256 of each, in `manifest.json` beside them, checked when they are loaded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from core.numerics.files import whole

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "models"
NAME = "manifest.json"
SUFFIXES = (".npz", ".safetensors")
LARGEST, TOTAL = 25_000_000, 100_000_000  # bytes: of one file, of all together (CONTRIBUTING.md, "Weights")


class ManifestError(ValueError):
    """A shipped file that is not the one of the release, or a list that cannot be read; the message says what differs and what helps."""


@dataclass(frozen=True)
class Entry:
    """size: bytes; sha256: 64 hexadecimal digits."""

    size: int
    sha256: str


def compute(folder: Path = SHIPPED) -> dict[str, Entry]:
    """Name -> entry of every weight file that lies in `folder` itself, in the order of the alphabet."""
    files = sorted(path for path in Path(folder).iterdir() if path.suffix in SUFFIXES)
    return {path.name: Entry(path.stat().st_size, digest(path)) for path in files}


def read(folder: Path = SHIPPED) -> dict[str, Entry]:
    """Name -> entry as listed. Raises ManifestError when there is no list or it is not one."""
    path = Path(folder) / NAME
    try:
        return _listed(path, path.stat().st_mtime_ns)
    except OSError as error:
        reason = error.strerror
    except (ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
    raise ManifestError(f"the list of weight files, {path}, cannot be read ({reason}); `git checkout -- {path}` brings it back")


def write(folder: Path = SHIPPED) -> dict[str, Entry]:
    """List what lies in `folder` now; whole or not at all. Returns the entries. Raises ManifestError for weights that are too large."""
    entries = compute(folder)
    if large := [name for name, entry in entries.items() if entry.size > LARGEST]:
        raise ManifestError(f"above {LARGEST / 1e6:.0f} MB: {', '.join(large)}")
    if (total := sum(entry.size for entry in entries.values())) > TOTAL:
        raise ManifestError(f"{total / 1e6:.1f} MB in all, and {TOTAL / 1e6:.0f} MB are allowed")
    with whole(Path(folder) / NAME) as part:
        part.write_text(json.dumps({name: asdict(entry) for name, entry in entries.items()}, indent=1) + "\n", encoding="utf-8")
    return entries


def difference(path: Path, entry: Entry) -> str:
    """What is wrong with a file that should be `entry`, in words; empty if nothing is."""
    path = Path(path)
    if not path.is_file():
        return "is not there"
    size = path.stat().st_size
    if size != entry.size:
        return f"has {size:,} bytes where the release has {entry.size:,}: half a download, or a pointer to the file"
    if digest(path) != entry.sha256:
        return "has the right size but other content than the release (its sha256 differs)"
    return ""


def differences(folder: Path = SHIPPED) -> dict[str, str]:
    """Name -> what is wrong, for each file that is listed or lies there. Raises ManifestError when there is no list."""
    entries = read(folder)
    unlisted = {name: f"is not listed in {NAME}" for name in compute(folder) if name not in entries}
    listed = {name: difference(Path(folder) / name, entry) for name, entry in entries.items()}
    return {name: wrong for name, wrong in (listed | unlisted).items() if wrong}


def check(path: Path) -> None:
    """Raise ManifestError if `path` is a shipped file that is listed and differs. One that is not there is left to who opens it.

    A file is hashed once per process, and again only when its size or time of change is another.
    """
    path = Path(path)
    if not shipped(path) or not path.exists() or path.name not in (entries := read(SHIPPED)):
        return
    if wrong := difference(path, entries[path.name]):
        raise ManifestError(f"it {wrong}; if you have trained it yourself, `n2c weights manifest` lists it anew")


def place(path: Path) -> str:
    """How a message names a weight file: a shipped one by its place in the project, another one by its path."""
    path = Path(path)
    return f"assets/models/{path.name}" if shipped(path) else str(path)


def shipped(path: Path) -> bool:
    """Does it belong into the folder that comes with the app?"""
    return Path(path).resolve().parent == SHIPPED.resolve()


def digest(path: Path) -> str:
    """sha256 of a file as hexadecimal digits; kept as long as path, size and time of change are the same."""
    status = Path(path).stat()
    return _digest(Path(path).resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=4)
def _listed(path: Path, modified: int) -> dict[str, Entry]:
    return {name: Entry(**entry) for name, entry in json.loads(path.read_text(encoding="utf-8")).items()}
