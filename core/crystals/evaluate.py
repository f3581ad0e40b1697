"""Score predicted crystals against the true ones, by the protocol of DiffCSP.

    python -m core.crystals.evaluate PRED.npz TRUTH.npz [--workers W] [--dev] [--limit N] [--json FILE]

Both files have the layout of core/crystals/arrays.py. PRED holds K structures for each of TRUTH's, samples of one
truth next to each other (as `core.crystals.generate` writes them); every sample is scored and averaged.

A pair counts as matched when StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3) finds a map; "filtered" also asks
both sides to be valid (SMACT composition, distances of at least 0.5 Å, volume of at least 0.1 Å^3). The rate divides
by all pairs, RMSE averages over the matches alone, so read the two together with the share of tight matches
(rms < 0.15) and cRMSE, where a miss counts 0.5.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from core.crystals.arrays import ArrayFileError, CrystalArrays, load_arrays
from core.crystals.metrics import Report, Score, composition_valid, report, score, structure_valid
from core.crystals.types import Crystal


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
            raise ArrayFileError(f"prediction {i} is {prediction.formula}, but the true structure {i // samples} is "
                                 f"{truth.formula}: are both files in the same order?")
        yield prediction, truth


def evaluate(pairs_of_crystals: Iterable[tuple[Crystal, Crystal]], *, workers: int = 1, progress: bool = False) -> Report:
    """The report over all pairs; `workers` processes share the work."""
    work = list(pairs_of_crystals)
    bar = partial(tqdm, total=len(work), unit="pair", disable=not progress)
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            results = list(bar(pool.map(_one, work, chunksize=8)))
    else:
        results = list(bar(map(_one, work)))
    return report([r[0] for r in results], structures_valid=[r[1] for r in results],
                  compositions_valid=[r[2] for r in results])


def table(result: Report) -> str:
    """The report as a Markdown table."""
    rows = (("pairs", f"{result.n}"),
            ("match rate, filtered", f"{100 * result.match_rate_filtered:.1f} %"),
            ("match rate, unfiltered", f"{100 * result.match_rate:.1f} %"),
            ("RMSE of the matches, filtered", f"{result.rmse_filtered:.4f}"),
            ("RMSE of the matches, unfiltered", f"{result.rmse:.4f}"),
            ("share with rms < 0.15", f"{100 * result.tight_share:.1f} %"),
            ("cRMSE (a miss counts 0.5)", f"{result.crmse:.4f}"),
            ("structurally valid predictions", f"{100 * result.structure_validity:.1f} %"),
            ("valid compositions (SMACT)", f"{100 * result.composition_validity:.1f} %"),
            ("true structures that are valid: ceiling of the filtered rate", f"{100 * result.truth_validity:.1f} %"))
    return "\n".join(["| measure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m core.crystals.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("predictions", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--dev", action="store_true", help="only the true structures marked dev")
    parser.add_argument("--limit", type=int, help="only the first so many true structures")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    args = parser.parse_args(arguments)
    try:
        truths = load_arrays(args.truth)
        if args.dev:
            if "dev" not in truths.columns:
                raise ArrayFileError(f"{args.truth}: no column named dev")
            truths = truths.select(truths.columns["dev"].astype(bool))
        truths = truths.select(np.arange(len(truths))[: args.limit])
        result = evaluate(pairs(load_arrays(args.predictions), truths), workers=args.workers, progress=True)
    except ArrayFileError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(result))
    if args.json:
        args.json.write_text(json.dumps(asdict(result), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
