"""`n2c evaluate`: score predicted crystals against the true ones, or crystals from nothing by themselves."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from core.commands.arguments import CommandError, input_file, keep_inputs, output_file, parser, refusing, whole
from core.metrics.evaluation import best, best_table, census, census_table, judged, pairs, readable, summary, table
from core.metrics.validity import composition_test
from core.structures.arrays import ArrayFileError, CrystalArrays, load_arrays
from core.structures.crystal import Crystal
from core.structures.formula import reduced

DESCRIPTION = """Score predicted crystals against the true ones, by the protocol of DiffCSP. Without TRUTH: crystals made from nothing.

PRED.npz holds K structures for each of TRUTH's, samples of one truth next to each other (as `n2c generate` writes them);
every sample is scored and averaged.

A pair counts as matched when StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3) finds a map; "filtered" also asks
both sides to be valid (SMACT composition, distances of at least 0.5 Å, volume of at least 0.1 Å^3). The rate divides
by all pairs, RMSE averages over the matches alone, so read the two together with the share of tight matches
(rms < 0.15) and cRMSE, where a miss counts 0.5. METRe asks, for each true structure, whether any prediction of its composition matches
it, so that polymorphs are not punished (arXiv 2509.12178). With --reference (say the training data) the share of true structures
whose composition recurs there is given, and the scores of the others alone. Uniqueness is the share of predictions that no earlier
prediction is the same as, novelty the share that no crystal of the reference is the same as; two crystals are the same if the matcher
finds a map in either order.

A prediction that is no crystal (numbers that are not finite, a flat cell, masked atoms) is named and counts as an invalid miss."""
TOLD = 10  # lines about predictions that are no crystals
EXAMPLE = """
n2c evaluate crystals.npz truth.npz --workers 2
n2c evaluate new.npz --reference train.npz --json numbers.json
"""


def main(arguments: Sequence[str] | None = None) -> int:
    command = parser("evaluate", DESCRIPTION, EXAMPLE)
    command.add_argument("predictions", type=input_file, metavar="PRED.npz")
    command.add_argument("truth", type=input_file, nargs="?", metavar="TRUTH.npz", help="absent for crystals made from nothing")
    command.add_argument("--reference", type=input_file, metavar="REF.npz", help="known crystals: novelty is counted against them")
    command.add_argument("--dev", action="store_true", help="only the true structures marked dev")
    command.add_argument("--limit", type=whole(1), help="only the first so many true structures")
    command.add_argument("--workers", type=whole(1, 1024), default=1, help="processes")
    command.add_argument("--json", type=output_file, metavar="FILE", help="also write the numbers here")
    args = command.parse_args(arguments)
    if not args.truth and (args.dev or args.limit):
        raise CommandError(f"{'--dev' if args.dev else '--limit'} chooses among the true structures, and none are given")
    if args.json:
        keep_inputs(args.json, [args.predictions, args.truth, args.reference])
    found: dict[str, Any] = {}
    with refusing(ArrayFileError):
        predictions = load_arrays(args.predictions, as_predicted=True)
        reference = load_arrays(args.reference) if args.reference else None
        truths: list[Crystal] = []
        if args.truth:
            predictions, chosen = cut_alike(predictions, load_arrays(args.truth), args.truth, dev=args.dev, limit=args.limit)
            truths = _all_readable(chosen, args.truth)
        made, faults = readable(predictions)
        for line in [*faults[:TOLD], *([f"and {len(faults) - TOLD} more"] if len(faults) > TOLD else [])]:
            print(f"{args.predictions}: {line}: counted as an invalid miss", file=sys.stderr)
        known = {reduced(one.numbers) for one in _all_readable(reference, args.reference)} if reference is not None else None
        if args.truth:
            found |= _against(made, truths, known, args.workers)
        counted = census(made, reference, workers=args.workers, progress=True)
    print(census_table(counted))
    if args.json:
        args.json.write_text(
            json.dumps(strict(found | asdict(counted) | {"composition_test": composition_test()}), indent=1, allow_nan=False)
        )
    return 0


def _against(made: list[Crystal | None], truths: list[Crystal], known: set | None, workers: int) -> dict[str, Any]:
    """Print the tables of predictions against truths, and give their numbers. known: reduced compositions of the reference."""
    work = pairs(made, truths)
    samples = len(made) // len(truths)
    results = judged(work, workers=workers, progress=True)
    result, reached = summary(results), best(work, results, samples=samples, workers=workers, progress=True)
    print(table(result), end="\n\n")
    print(best_table(reached), end="\n\n")
    numbers: dict[str, Any] = asdict(result) | {"best": asdict(reached)}
    if known is not None:
        recurring = np.array([reduced(truth.numbers) in known for truth in truths])
        numbers["recurring"] = float(recurring.mean())
        print(f"{100 * recurring.mean():.1f} % of the true structures have a composition of the reference.", end=" ")
        if recurring.all():
            print("None is left for a score on the others.\n")
            return numbers
        kept = np.flatnonzero(~np.repeat(recurring, samples))
        part, outcome = [work[i] for i in kept], [results[i] for i in kept]
        apart = summary(outcome), best(part, outcome, samples=samples, workers=workers)
        print("The others alone (polymorph-safe):\n")
        print(table(apart[0]), best_table(apart[1]), sep="\n\n", end="\n\n")
        numbers["polymorph_safe"] = asdict(apart[0]) | {"best": asdict(apart[1])}
    return numbers


def cut_alike(
    predictions: CrystalArrays, truths: CrystalArrays, path: Path, *, dev: bool, limit: int | None
) -> tuple[CrystalArrays, CrystalArrays]:
    """The predictions of the chosen truths, and these. Predictions may be there for all truths, or for the chosen ones alone; numbers of
    atoms tell. Raises ArrayFileError.
    """
    if dev and "dev" not in truths.columns:
        raise ArrayFileError(f"{path}: no column named dev")
    chosen = (np.flatnonzero(truths.dev) if dev else np.arange(len(truths)))[:limit]
    fewer = truths.select(chosen)
    if not len(truths) or len(predictions) % len(truths) or len(predictions) == 0:
        return predictions, fewer
    samples = len(predictions) // len(truths)
    if len(fewer) and len(predictions) % len(fewer) == 0 and not _one_content(predictions, truths) and _one_content(predictions, fewer):
        return predictions, fewer
    return predictions.select((chosen[:, None] * samples + np.arange(samples)).ravel()), fewer


def _one_content(predictions: CrystalArrays, truths: CrystalArrays) -> bool:
    """Have predictions and truths the same numbers of atoms, one by one?"""
    return np.array_equal(predictions.num_atoms, np.repeat(truths.num_atoms, len(predictions) // len(truths)))


def _all_readable(arrays: CrystalArrays, path: Path) -> list[Crystal]:
    """Every crystal of a file. Raises ArrayFileError naming file and structure."""
    crystals, faults = readable(arrays)
    if faults:
        raise ArrayFileError(f"{path}: {faults[0]}")
    return [one for one in crystals if one is not None]


def strict(value: Any) -> Any:
    """What JSON cannot say, NaN, as null; in nested dictionaries too."""
    if isinstance(value, dict):
        return {name: strict(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
