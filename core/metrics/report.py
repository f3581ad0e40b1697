"""How good are predicted crystals: averages over pairs of prediction and truth, by the protocol of DiffCSP.

filtered    a match counts only where both sides are valid (`metrics.validity`)
RMSE        mean rms of the matches; cRMSE: of all pairs, a miss counted as 0.5
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.metrics.matching import MISS, TIGHT, found_rms
from core.metrics.validity import composition_valid, structure_valid
from core.structures.crystal import Crystal


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


def score(prediction: Crystal | None, truth: Crystal) -> Score:
    """A prediction the matcher cannot handle (atoms on top of each other, a degenerate cell) is a miss; one that is no crystal an invalid
    one.
    """
    return Score(
        None if prediction is None else found_rms(prediction, truth),
        prediction is not None and structure_valid(prediction) and composition_valid(prediction.numbers),
        structure_valid(truth) and composition_valid(truth.numbers),
    )


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
