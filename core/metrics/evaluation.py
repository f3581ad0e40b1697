"""Predicted crystals against the true ones, by the protocol of DiffCSP, and crystals from nothing by themselves (`n2c evaluate`).

A pair counts as matched when StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3) finds a map; "filtered" also asks
both sides to be valid (SMACT composition, distances of at least 0.5 Å, volume of at least 0.1 Å^3). The rate divides
by all pairs, RMSE averages over the matches alone. Uniqueness is the share of predictions that no earlier prediction is the same
as, novelty the share that no crystal of a reference is the same as, by the same matcher.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from core.metrics.matching import first_of_kind, same
from core.metrics.report import Report, Score, report, score
from core.metrics.validity import composition_valid, structure_valid
from core.numerics.cards import table as markdown_table
from core.numerics.processes import shared_out
from core.structures.arrays import ArrayFileError, CrystalArrays
from core.structures.crystal import Crystal
from core.structures.formula import reduced


def _one(pair: tuple[Crystal, Crystal]) -> tuple[Score, bool, bool]:
    prediction, truth = pair
    return score(prediction, truth), structure_valid(prediction), composition_valid(prediction.numbers)


def pairs(predictions: CrystalArrays, truths: CrystalArrays) -> Iterator[tuple[Crystal, Crystal]]:
    """Each prediction with its truth. Raises ArrayFileError when the numbers do not fit or a composition differs."""
    if len(truths) == 0 or len(predictions) % len(truths):
        raise ArrayFileError(f"{len(predictions)} predictions cannot be K for each of {len(truths)} true structures")
    samples = len(predictions) // len(truths)
    for i in range(len(predictions)):
        try:
            prediction, truth = predictions.crystal(i), truths.crystal(i // samples)
        except ValueError as error:
            raise ArrayFileError(f"structure {i}: {error}") from None
        if sorted(prediction.numbers) != sorted(truth.numbers):
            raise ArrayFileError(
                f"prediction {i} is {prediction.formula}, but the true structure {i // samples} is "
                f"{truth.formula}: are both files in the same order?"
            )
        yield prediction, truth


def evaluate(pairs_of_crystals: Iterable[tuple[Crystal, Crystal]], *, workers: int = 1, progress: bool = False) -> Report:
    """The report over all pairs; `workers` processes share the work."""
    work = list(pairs_of_crystals)
    results = list(tqdm(shared_out(_one, work, workers=workers, chunk=8), total=len(work), unit="pair", disable=not progress))
    return report([r[0] for r in results], structures_valid=[r[1] for r in results], compositions_valid=[r[2] for r in results])


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


def census(crystals: Sequence[Crystal], reference: CrystalArrays | None = None, *, workers: int = 1, progress: bool = False) -> Census:
    """Validity, uniqueness and novelty; crystals are compared only with those of the same reduced composition."""
    n = len(crystals)
    if n == 0:
        raise ArrayFileError("there are no structures to judge")
    places: dict[tuple, list[int]] = {}
    for i, crystal in enumerate(crystals):
        places.setdefault(reduced(crystal.numbers), []).append(i)
    known: dict[tuple, list[Crystal]] = {}
    for crystal in (reference.crystal(i) for i in range(len(reference))) if reference is not None else ():
        if (key := reduced(crystal.numbers)) in places:
            known.setdefault(key, []).append(crystal)
    families = [([crystals[i] for i in rows], known.get(key, [])) for key, rows in places.items()]
    done = shared_out(_family, families, workers=workers, chunk=8)
    results = tqdm(done, total=len(families), unit="composition", disable=not progress)
    first, fresh = np.zeros(n, bool), np.zeros(n, bool)
    for rows, (unique, novel) in zip(places.values(), results, strict=True):
        first[rows], fresh[rows] = unique, novel
    sound = np.array([structure_valid(c) for c in crystals])
    charged = np.array([composition_valid(c.numbers) for c in crystals])
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
        ("valid compositions (SMACT)", f"{100 * result.composition_validity:.1f} %"),
        ("both", f"{100 * result.validity:.1f} %"),
        ("unique", f"{100 * result.uniqueness:.1f} %"),
        ("not in the reference", f"{100 * result.novelty:.1f} %"),
        ("valid, unique and not in the reference", f"{100 * result.valid_unique_novel:.1f} %"),
    )
    return markdown_table(("measure", "value"), [row for row in rows if "nan" not in row[1]])


def table(result: Report, *more: tuple[str, str]) -> str:
    """The report as a Markdown table, with more rows (name, value) at its end."""
    rows = (
        ("pairs", f"{result.n}"),
        ("match rate, filtered", f"{100 * result.match_rate_filtered:.1f} %"),
        ("match rate, unfiltered", f"{100 * result.match_rate:.1f} %"),
        ("RMSE of the matches, filtered", f"{result.rmse_filtered:.4f}"),
        ("RMSE of the matches, unfiltered", f"{result.rmse:.4f}"),
        ("share with rms < 0.15", f"{100 * result.tight_share:.1f} %"),
        ("cRMSE (a miss counts 0.5)", f"{result.crmse:.4f}"),
        ("structurally valid predictions", f"{100 * result.structure_validity:.1f} %"),
        ("valid compositions (SMACT)", f"{100 * result.composition_validity:.1f} %"),
        ("true structures that are valid: ceiling of the filtered rate", f"{100 * result.truth_validity:.1f} %"),
    )
    return markdown_table(("measure", "value"), [*rows, *more])
