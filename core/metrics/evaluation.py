"""Predicted crystals against the true ones, by the protocol of DiffCSP, and crystals from nothing by themselves (`n2c evaluate`).

A pair counts as matched when StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3) finds a map; "filtered" also asks
both sides to be valid (SMACT composition, distances of at least 0.5 Å, volume of at least 0.1 Å^3). The rate divides
by all pairs, RMSE averages over the matches alone. Uniqueness is the share of predictions that no earlier prediction is the same
as, novelty the share that no crystal of a reference is the same as; two crystals are the same if the matcher finds a map in either order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from core.metrics.matching import MISS, first_of_kind, found_rms, same
from core.metrics.report import Report, Score, report, score
from core.metrics.validity import composition_test, composition_valid, structure_valid
from core.numerics.cards import table as markdown_table
from core.numerics.processes import shared_out
from core.structures.arrays import ArrayFileError, CrystalArrays
from core.structures.crystal import Crystal
from core.structures.elements import MASKED
from core.structures.formula import reduced

Judged = tuple[Score, bool, bool]  # of one pair: rms and validity of both sides, prediction structurally valid, its composition valid


def _one(pair: tuple[Crystal | None, Crystal]) -> Judged:
    prediction, truth = pair
    charged = prediction is not None and composition_valid(prediction.numbers)
    return score(prediction, truth), prediction is not None and structure_valid(prediction), charged


def readable(arrays: CrystalArrays) -> tuple[list[Crystal | None], list[str]]:
    """The crystals of a file of predictions, None for what is none (numbers that are not finite, a flat cell, masked or unknown atoms), and
    one line for each of these. The benchmark's code counts them as invalid, and so does everything here.
    """
    crystals: list[Crystal | None] = []
    faults = []
    for i in range(len(arrays)):
        try:
            crystal = arrays.crystal(i)
            if (crystal.numbers == MASKED).any():
                raise ValueError("an atom is masked")
            crystals.append(crystal)
        except ValueError as error:
            crystals.append(None)
            faults.append(f"structure {i}: {error}")
    return crystals, faults


def pairs(predictions: Sequence[Crystal | None], truths: Sequence[Crystal]) -> list[tuple[Crystal | None, Crystal]]:
    """Each prediction with its truth. Raises ArrayFileError when the numbers do not fit or a composition differs."""
    if not truths or not predictions or len(predictions) % len(truths):
        raise ArrayFileError(f"{len(predictions)} predictions cannot be K for each of {len(truths)} true structures")
    samples = len(predictions) // len(truths)
    for i, prediction in enumerate(predictions):
        truth = truths[i // samples]
        if prediction is not None and sorted(prediction.numbers) != sorted(truth.numbers):
            raise ArrayFileError(
                f"prediction {i} is {prediction.formula}, but the true structure {i // samples} is "
                f"{truth.formula}: are both files in the same order?"
            )
    return [(prediction, truths[i // samples]) for i, prediction in enumerate(predictions)]


def judged(work: Sequence[tuple[Crystal | None, Crystal]], *, workers: int = 1, progress: bool = False) -> list[Judged]:
    """What the protocol says of each pair; `workers` processes share the work."""
    return list(tqdm(shared_out(_one, work, workers=workers, chunk=8), total=len(work), unit="pair", disable=not progress))


def summary(results: Sequence[Judged]) -> Report:
    """The report over pairs that were judged."""
    return report([r[0] for r in results], structures_valid=[r[1] for r in results], compositions_valid=[r[2] for r in results])


def evaluate(pairs_of_crystals: Iterable[tuple[Crystal | None, Crystal]], *, workers: int = 1, progress: bool = False) -> Report:
    """The report over all pairs; a prediction that is None is an invalid miss."""
    return summary(judged(list(pairs_of_crystals), workers=workers, progress=progress))


@dataclass(frozen=True)
class Best:
    """For every true structure the best of its K samples, and the best of all predictions of its composition (METRe: match everyone to
    reference, arXiv 2509.12178). Rates in 0..1, over all truths; crmse with a miss counted as 0.5, rmse over matches only.
    """

    truths: int
    samples: int
    match_rate_k: float
    crmse_k: float
    metre: float
    metre_filtered: float
    metre_rmse: float
    metre_crmse: float


def _cross(work: tuple[Crystal | None, Crystal]) -> float | None:
    prediction, truth = work
    return None if prediction is None else found_rms(prediction, truth)


def best(
    work: Sequence[tuple[Crystal | None, Crystal]], results: Sequence[Judged], *, samples: int, workers: int = 1, progress: bool = False
) -> Best:
    """work: the pairs, K = `samples` of one truth next to each other; results: as `judged` gives them.

    Only predictions whose reduced composition several truths share are compared with more than their own truth.
    """
    truths = [truth for _, truth in work[::samples]]
    places: dict[tuple, list[int]] = {}
    for j, truth in enumerate(truths):
        places.setdefault(reduced(truth.numbers), []).append(j)
    others = [
        (i, j)
        for i, (prediction, truth) in enumerate(work)
        for j in places[reduced(truth.numbers)]
        if j != i // samples and prediction is not None
    ]
    asked = [(work[i][0], truths[j]) for i, j in others]
    found = tqdm(shared_out(_cross, asked, workers=workers, chunk=8), total=len(asked), unit="pair", disable=not progress or not asked)
    every = [(i, i // samples, result[0].rms) for i, result in enumerate(results)]
    every += [(i, j, rms) for (i, j), rms in zip(others, found, strict=True)]
    own, reached, valid = (np.full(len(truths), np.inf) for _ in range(3))
    for i, j, rms in every:
        if rms is None:
            continue
        reached[j] = min(reached[j], rms)
        if j == i // samples:
            own[j] = min(own[j], rms)
        if results[i][0].prediction_valid and results[j * samples][0].truth_valid:
            valid[j] = min(valid[j], rms)
    mean = lambda values: float(np.mean(values)) if len(values) else float("nan")  # noqa: E731
    hit = np.isfinite(reached)
    return Best(
        len(truths),
        samples,
        mean(np.isfinite(own)),
        mean(np.where(np.isfinite(own), own, MISS)),
        mean(hit),
        mean(np.isfinite(valid)),
        mean(reached[hit]),
        mean(np.where(hit, reached, MISS)),
    )


@dataclass(frozen=True)
class Census:
    """Predictions by themselves, shares in 0..1 of all n; novelty is NaN without a reference. valid_unique_novel: all at once."""

    n: int
    structure_validity: float
    composition_validity: float
    validity: float
    uniqueness: float
    novelty: float
    valid_unique_novel: float


def _family(family: tuple[list[Crystal], list[Crystal]]) -> tuple[np.ndarray, np.ndarray]:
    """Crystals of one composition and the reference's: (first of its kind, not in the reference)."""
    crystals, known = family
    return first_of_kind(crystals), np.array([not any(same(other, crystal) for other in known) for crystal in crystals], dtype=bool)


def census(
    crystals: Sequence[Crystal | None], reference: CrystalArrays | None = None, *, workers: int = 1, progress: bool = False
) -> Census:
    """Validity, uniqueness and novelty; crystals are compared only with those of the same reduced composition. None is neither."""
    n = len(crystals)
    if n == 0:
        raise ArrayFileError("there are no structures to judge")
    places: dict[tuple, list[int]] = {}
    for i, crystal in enumerate(crystals):
        if crystal is not None:
            places.setdefault(reduced(crystal.numbers), []).append(i)
    known: dict[tuple, list[Crystal]] = {}
    for crystal in (reference.crystal(i) for i in range(len(reference))) if reference is not None else ():
        if (key := reduced(crystal.numbers)) in places:
            known.setdefault(key, []).append(crystal)
    families = [([one for i in rows if (one := crystals[i]) is not None], known.get(key, [])) for key, rows in places.items()]
    done = shared_out(_family, families, workers=workers, chunk=8)
    results = tqdm(done, total=len(families), unit="composition", disable=not progress)
    first, fresh = np.zeros(n, bool), np.zeros(n, bool)
    for rows, (unique, novel) in zip(places.values(), results, strict=True):
        first[rows], fresh[rows] = unique, novel
    sound = np.array([c is not None and structure_valid(c) for c in crystals])
    charged = np.array([c is not None and composition_valid(c.numbers) for c in crystals])
    share = lambda x: float(np.mean(x)) if reference is not None else float("nan")  # noqa: E731
    return Census(
        n,
        sound.mean().item(),
        charged.mean().item(),
        (sound & charged).mean().item(),
        first.mean().item(),
        share(fresh),
        share(sound & charged & first & fresh),
    )


def census_table(result: Census) -> str:
    """The census as a Markdown table."""
    rows = (
        ("predictions", f"{result.n}"),
        ("structurally valid", f"{100 * result.structure_validity:.1f} %"),
        (f"valid compositions ({composition_test()})", f"{100 * result.composition_validity:.1f} %"),
        ("both", f"{100 * result.validity:.1f} %"),
        ("unique", f"{100 * result.uniqueness:.1f} %"),
        ("not in the reference", f"{100 * result.novelty:.1f} %"),
        ("valid, unique and not in the reference", f"{100 * result.valid_unique_novel:.1f} %"),
    )
    return markdown_table(("measure", "value"), [row for row in rows if "nan" not in row[1]])


def table(result: Report, *more: tuple[str, str], judged_by: str = "") -> str:
    """The report as a Markdown table, with more rows (name, value) at its end. judged_by: the test of compositions, by default today's."""
    rows = (
        ("pairs", f"{result.n}"),
        ("match rate, filtered", f"{100 * result.match_rate_filtered:.1f} %"),
        ("match rate, unfiltered", f"{100 * result.match_rate:.1f} %"),
        ("RMSE of the matches, filtered", f"{result.rmse_filtered:.4f}"),
        ("RMSE of the matches, unfiltered", f"{result.rmse:.4f}"),
        ("share with rms < 0.15", f"{100 * result.tight_share:.1f} %"),
        ("cRMSE (a miss counts 0.5)", f"{result.crmse:.4f}"),
        ("structurally valid predictions", f"{100 * result.structure_validity:.1f} %"),
        (f"valid compositions ({judged_by or composition_test()})", f"{100 * result.composition_validity:.1f} %"),
        ("true structures that are valid: ceiling of the filtered rate", f"{100 * result.truth_validity:.1f} %"),
    )
    return markdown_table(("measure", "value"), [*rows, *more])


def best_table(result: Best) -> str:
    """Best of K and METRe as a Markdown table."""
    of_k = [(f"match rate, best of {result.samples}", f"{100 * result.match_rate_k:.1f} %"), ("its cRMSE", f"{result.crmse_k:.4f}")]
    rows = [
        ("true structures", f"{result.truths}"),
        *(of_k if result.samples > 1 else []),
        ("METRe, filtered", f"{100 * result.metre_filtered:.1f} %"),
        ("METRe, unfiltered: truths that some prediction of their composition matches", f"{100 * result.metre:.1f} %"),
        ("RMSE of these matches", f"{result.metre_rmse:.4f}"),
        ("cRMSE of METRe (a miss counts 0.5)", f"{result.metre_crmse:.4f}"),
    ]
    return markdown_table(("for each true structure", "value"), rows)
