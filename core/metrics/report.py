"""Is it a crystal, and is it the right one: the checks of the crystal-generation benchmarks, as published.

structurally valid    all distances >= 0.5 Å, volume >= 0.1 Å^3                        CDVAE, eval_utils.py
valid composition     charge-neutral and Pauling-ordered in common oxidation states,   CDVAE, `smact_validity`
                      or all metals, or one element
match                 StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3) finds a map   DiffCSP, compute_metrics.py
rms                   root-mean-square distance of that map in units of (V/N)^(1/3)    pymatgen

The matcher rescales both cells to one volume: volume errors are never scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np

from core.numerics.charges import composition_valid
from core.structures.crystal import Crystal

__all__ = ["MISS", "TIGHT", "Report", "Score", "composition_valid", "match_rms", "matcher", "report", "score", "structure_valid"]

MIN_DISTANCE = 0.5  # Å
MIN_VOLUME = 0.1  # Å^3
TIGHT = 0.15  # rms below which a match is the structure itself, not a distant relative
MISS = 0.5  # what a miss counts in cRMSE: the matcher's own tolerance


@dataclass(frozen=True)
class Score:
    """One prediction against one truth. rms is None when the matcher finds no map."""

    rms: float | None
    prediction_valid: bool
    truth_valid: bool

    @property
    def counted(self) -> float | None:
        """rms under the benchmark's filter: None as well when either side is not valid."""
        return self.rms if self.prediction_valid and self.truth_valid else None


@dataclass(frozen=True)
class Report:
    """Averages over n pairs. Rates in 0..1; rmse over matches only; crmse with a miss counted as 0.5."""

    n: int
    match_rate: float
    match_rate_filtered: float
    rmse: float
    rmse_filtered: float
    tight_share: float
    crmse: float
    structure_validity: float
    composition_validity: float
    truth_validity: float


def structure_valid(crystal: Crystal) -> bool:
    return crystal.volume >= MIN_VOLUME and crystal.nearest_distance >= MIN_DISTANCE


@lru_cache(maxsize=1)
def matcher():
    from pymatgen.analysis.structure_matcher import StructureMatcher

    return StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3)


def match_rms(prediction: Crystal, truth: Crystal) -> float | None:
    """rms of the best map of one crystal onto the other, None if there is none within the tolerances."""
    found = matcher().get_rms_dist(prediction.to_pymatgen(), truth.to_pymatgen())
    return None if found is None else float(found[0])


def found_rms(one: Crystal, other: Crystal) -> float | None:
    """As `match_rms`, but never raises: what the matcher cannot handle (atoms on top of each other, a degenerate cell) is no match."""
    try:
        return match_rms(one, other)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        return None


def score(prediction: Crystal, truth: Crystal) -> Score:
    """A prediction the matcher cannot handle (atoms on top of each other, a degenerate cell) is a miss."""
    valid = structure_valid(prediction)
    return Score(
        found_rms(prediction, truth),
        valid and composition_valid(prediction.numbers),
        structure_valid(truth) and composition_valid(truth.numbers),
    )


def reduced_key(crystal: Crystal) -> tuple[tuple[int, int], ...]:
    """The reduced composition as something to group by."""
    kinds, counts = np.unique(crystal.numbers, return_counts=True)
    divisor = gcd(*counts.tolist())
    return tuple(zip(kinds.tolist(), (counts // divisor).tolist()))


def same(one: Crystal, other: Crystal) -> bool:
    """Does the benchmark's matcher take them for one structure?"""
    return found_rms(one, other) is not None


def first_of_kind(crystals: Sequence[Crystal]) -> np.ndarray:
    """(N,) bool: True for each crystal that no earlier one of the list is the same as. Its mean is the uniqueness."""
    kept: dict[tuple, list[Crystal]] = {}
    answer = []
    for crystal in crystals:
        before = kept.setdefault(reduced_key(crystal), [])
        answer.append(not any(same(other, crystal) for other in before))
        if answer[-1]:
            before.append(crystal)
    return np.array(answer, dtype=bool)


def report(scores: list[Score], *, structures_valid: list[bool], compositions_valid: list[bool]) -> Report:
    """Averages; the denominator of every rate is all pairs. NaN where there is nothing to average."""
    rms = np.array([np.nan if s.rms is None else s.rms for s in scores])
    counted = np.array([np.nan if s.counted is None else s.counted for s in scores])
    hit = ~np.isnan(rms)
    mean = lambda values: float(np.mean(values)) if len(values) else float("nan")  # noqa: E731
    return Report(
        len(scores),
        mean(hit),
        mean(~np.isnan(counted)),
        mean(rms[hit]),
        mean(counted[~np.isnan(counted)]),
        mean(np.nan_to_num(rms, nan=np.inf) < TIGHT),
        mean(np.where(hit, rms, MISS)),
        mean(structures_valid),
        mean(compositions_valid),
        mean([s.truth_valid for s in scores]),
    )
