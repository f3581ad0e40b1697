"""A generated crystal beside a known one: the distance, and what pure chance would score with the same tolerance.

The tolerance of the benchmarks is wide (StructureMatcher, stol 0.5): atoms thrown at random into the right box are
sometimes "matched". So the same matcher is asked about such random crystals too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from core.metrics.matching import MISS, TIGHT, match_known
from core.structures.builtin import STRUCTURES
from core.structures.crystal import Crystal, symbol
from core.structures.formula import reduced


@dataclass(frozen=True)
class Comparison:
    """rms: of the best map, in units of (V/N)^(1/3), None if there is none; chance_*: the same for random atoms."""

    name: str
    rms: float | None
    chance_matches: int
    chance_total: int
    chance_rms: float

    @property
    def score(self) -> float:
        """rms, a miss counted as 0.5 (the cRMSE of one crystal)."""
        return MISS if self.rms is None else self.rms

    @property
    def tight(self) -> bool:
        """Would one call it the same crystal?"""
        return self.rms is not None and self.rms < TIGHT

    @property
    def label(self) -> str:
        """A few characters for a gallery."""
        return "no match" if self.rms is None else f"rms {self.rms:.2f}"

    @property
    def verdict(self) -> str:
        """One sentence for the page."""
        if self.rms is None:
            return f"Not {self.name}: no map takes one onto the other."
        return f"This is {self.name}." if self.tight else f"Roughly {self.name}: a match only at the benchmark's wide tolerance."

    @property
    def chance(self) -> str:
        """What the tolerance is worth, in words; nothing where nobody asked."""
        if not self.chance_total:
            return ""
        matched = f"{self.chance_matches} of {self.chance_total}"
        mean = f", at {self.chance_rms:.2f} on average" if self.chance_matches else ""
        return f"Of random arrangements of the same atoms in the same box, {matched} pass as a match{mean}."


@cache
def _built(name: str) -> Crystal:
    return STRUCTURES[name]()


def known_like(crystal: Crystal) -> dict[str, Crystal]:
    """The well-known crystals built in code that have the same reduced formula, by name.

    Only those with the same elements are built: expanding all space groups takes seconds, one takes none.
    """
    elements = {symbol(number) for number in crystal.numbers}
    named = [name for name, prototype in STRUCTURES.items() if {element for element, _ in prototype.sites} == elements]
    return same_content(crystal, {name: _built(name) for name in named})


def origin(crystal: Crystal, known: Crystal | None = None) -> np.ndarray:
    """(3,): the shift that puts the first atom of the rarest element where `known` has its first one, or into the corner of the cell.

    The model does not know an origin; for the eye one is better than another.
    """
    numbers, counts = np.unique(crystal.numbers, return_counts=True)
    rarest = min(crystal.numbers, key=lambda number: counts[numbers == number][0])
    first = lambda one: one.frac_coords[np.flatnonzero(one.numbers == rarest)[0]]  # noqa: E731
    return (0.0 if known is None or rarest not in known.numbers else first(known)) - first(crystal)


def same_content(crystal: Crystal, known: Mapping[str, Crystal]) -> dict[str, Crystal]:
    """Those of `known` with the same reduced formula."""
    return {name: other for name, other in known.items() if reduced(other.numbers) == reduced(crystal.numbers)}


def compare(crystal: Crystal, known: Mapping[str, Crystal], *, n_random: int = 12, seed: int = 0) -> Comparison | None:
    """The closest of `known`, by the benchmark's matcher; None when none has this content.

    n_random: how many random crystals the matcher is asked about; they cost as much each as the crystal itself.
    """
    candidates = same_content(crystal, known)
    if not candidates:
        return None
    names, others = list(candidates), list(candidates.values())
    found = match_known(crystal, others)
    random = np.random.default_rng(seed)
    lots = [Crystal(crystal.numbers, random.random((crystal.n_atoms, 3)), crystal.lattice) for _ in range(n_random)]
    lucky = [match[1] for lot in lots if (match := match_known(lot, others))]
    return Comparison(
        names[found[0] if found else 0], found[1] if found else None, len(lucky), n_random, float(np.mean(lucky)) if lucky else float("nan")
    )
