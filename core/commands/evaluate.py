"""`n2c evaluate`: score predicted crystals against the true ones, or crystals from nothing by themselves."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from core.commands.arguments import CommandError, input_file, keep_inputs, output_file, parser, refusing, whole
from core.metrics.evaluation import census, census_table, evaluate, pairs, table
from core.structures.arrays import ArrayFileError, CrystalArrays, load_arrays

DESCRIPTION = """Score predicted crystals against the true ones, by the protocol of DiffCSP. Without TRUTH: crystals made from nothing.

PRED.npz holds K structures for each of TRUTH's, samples of one truth next to each other (as `n2c generate` writes them);
every sample is scored and averaged.

A pair counts as matched when StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3) finds a map; "filtered" also asks
both sides to be valid (SMACT composition, distances of at least 0.5 Å, volume of at least 0.1 Å^3). The rate divides
by all pairs, RMSE averages over the matches alone, so read the two together with the share of tight matches
(rms < 0.15) and cRMSE, where a miss counts 0.5. Uniqueness is the share of predictions that no earlier prediction is the same
as, novelty (with --reference, say the training data) the share that no crystal of the reference is the same as, by the same matcher."""
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
    found: dict[str, float] = {}
    with refusing(ValueError):  # ArrayFileError, or a structure that is none
        predictions = load_arrays(args.predictions)
        made = [predictions.crystal(i) for i in range(len(predictions))]
        reference = load_arrays(args.reference) if args.reference else None
        if args.truth:
            result = evaluate(pairs(predictions, _truths(args.truth, args.dev, args.limit)), workers=args.workers, progress=True)
            print(table(result), end="\n\n")
            found |= asdict(result)
        counted = census(made, reference, workers=args.workers, progress=True)
    print(census_table(counted))
    if args.json:
        args.json.write_text(json.dumps(strict(found | asdict(counted)), indent=1, allow_nan=False) + "\n")
    return 0


def _truths(path: Path, dev: bool, limit: int | None) -> CrystalArrays:
    truths = load_arrays(path)
    if dev and "dev" not in truths.columns:
        raise ArrayFileError(f"{path}: no column named dev")
    chosen = np.flatnonzero(truths.dev) if dev else np.arange(len(truths))
    return truths.select(chosen[:limit])


def strict(numbers: dict) -> dict:
    """What JSON cannot say, NaN, as null."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in numbers.items()}
