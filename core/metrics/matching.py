"""Is it the right crystal: the matcher of the crystal-generation benchmarks, as published.

match    StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3) finds a map               DiffCSP, compute_metrics.py
rms      root-mean-square distance of that map in units of (V/N)^(1/3)                pymatgen

The matcher rescales both cells to one volume: volume errors are never scored. `metrics.structure_matcher` makes it quicker, not different.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from core.structures.crystal import Crystal
from core.structures.formula import reduced

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher

TIGHT = 0.15  # rms below which a match is the structure itself, not a distant relative
MISS = 0.5  # what a miss counts in cRMSE: the matcher's own tolerance


@lru_cache(maxsize=1)
def matcher() -> StructureMatcher:
    from core.metrics.structure_matcher import Matcher

    return Matcher(stol=0.5, angle_tol=10, ltol=0.3)


def match_rms(prediction: Crystal, truth: Crystal) -> float | None:
    """rms of the best map of one crystal onto the other, None if there is none within the tolerances."""
    from core.metrics.structure_matcher import searchable

    if not (searchable(prediction.lattice) and searchable(truth.lattice)):
        return None
    found = matcher().get_rms_dist(*(_of_common_size(crystal).to_pymatgen() for crystal in (prediction, truth)))
    return None if found is None else float(found[0])


def _of_common_size(crystal: Crystal) -> Crystal:
    """A cell of thousands of Å, or of hundredths, at 20 Å^3 for each atom: the matcher rescales it anyhow, but reduces it first, where
    pymatgen's absolute tolerances would list millions of vectors. Others as they are.
    """
    volume = crystal.volume / crystal.n_atoms
    if 0.1 <= volume <= 1e6:
        return crystal
    return Crystal(crystal.numbers, crystal.frac_coords, crystal.lattice * (20 / volume) ** (1 / 3))


def found_rms(one: Crystal, other: Crystal) -> float | None:
    """As `match_rms`, but never raises: what the matcher cannot handle (atoms on top of each other, a degenerate cell) is no match."""
    try:
        return match_rms(one, other)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        return None


def same(one: Crystal, other: Crystal) -> bool:
    """Does the benchmark's matcher take them for one structure, in one order or the other? Its verdict alone depends on the order."""
    return found_rms(one, other) is not None or found_rms(other, one) is not None


def match_known(crystal: Crystal, known: Sequence[Crystal]) -> tuple[int, float] | None:
    """(index, rms) of the closest of `known` that StructureMatcher maps onto `crystal`, or None.

    rms in units of (V/N)^(1/3), after both are brought to one volume.
    """
    content = reduced(crystal.numbers)
    found = [
        (rms, i) for i, other in enumerate(known) if reduced(other.numbers) == content and (rms := found_rms(crystal, other)) is not None
    ]
    return (min(found)[1], min(found)[0]) if found else None


def first_of_kind(crystals: Sequence[Crystal]) -> np.ndarray:
    """(N,) bool: True for each crystal that no earlier one of the list is the same as. Its mean is the uniqueness."""
    kept: dict[tuple, list[Crystal]] = {}
    answer = []
    for crystal in crystals:
        before = kept.setdefault(reduced(crystal.numbers), [])
        answer.append(not any(same(other, crystal) for other in before))
        if answer[-1]:
            before.append(crystal)
    return np.array(answer, dtype=bool)
