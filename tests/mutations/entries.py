"""The list of mutations: `*.toml` beside this file, one for each room of core. CONTRIBUTING.md says how to add one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Mutation:
    """`old`, which stands exactly once in `path` (relative to the root), becomes `new`; the test with this node id must then fail."""

    path: str
    old: str
    new: str
    test: str

    @property
    def label(self) -> str:
        return f"{self.path}: {self.old}  ->  {self.new}  ({self.test})".replace("\n", "\\n")

    def applied(self, source: str) -> str:
        """The mutated source. Raises ValueError unless `old` occurs exactly once."""
        if (n := source.count(self.old)) != 1:
            raise ValueError(f"{self.path}: {self.old!r} occurs {n} times, not once")
        return source.replace(self.old, self.new)


def mirrored(path: str) -> str:
    """The test file that belongs to a file of core: core/physics/langevin.py -> tests/core/physics/test_langevin.py."""
    folder, name = path.rsplit("/", 1)
    return f"tests/{folder}/test_{name}"


def load(folder: Path = HERE) -> list[Mutation]:
    """All entries. Raises ValueError for one that is not [old, new, test] or changes nothing."""
    found = []
    for file in sorted(folder.glob("*.toml")):
        for path, rows in tomllib.loads(file.read_text(encoding="utf-8")).items():
            for row in rows:
                if len(row) != 3 or row[0] == row[1]:
                    raise ValueError(f"{file.name}, {path}: {row} is not [old, new, test]")
                old, new, test = row
                found.append(Mutation(path, old, new, test if "::" in test else f"{mirrored(path)}::{test}"))
    return found


def exists(node: str) -> bool:
    """Is there a function of this name in the file of a node id? Classes and parameters are not looked at."""
    file, *_, function = node.split("[")[0].split("::")
    return (ROOT / file).exists() and f"def {function}(" in (ROOT / file).read_text(encoding="utf-8")


def misfits(mutations: Iterable[Mutation]) -> dict[Mutation, str]:
    """Those whose text does not stand exactly once in its file, or whose test does not exist, and why."""
    found = {}
    for mutation in mutations:
        try:
            mutation.applied((ROOT / mutation.path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            found[mutation] = str(error)
        else:
            if not exists(mutation.test):
                found[mutation] = f"{mutation.path}: {mutation.old!r} names a test that does not exist: {mutation.test}"
    return found
