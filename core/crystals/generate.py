"""Generate crystals for a list of cell contents.

    python -m core.crystals.generate --model mp20 --compositions FILE --samples K --seed S --out OUT.npz

FILE has one full cell content a line (`Na4 Cl4`, `Sr1 Ti1 O3`); empty lines and lines that begin with # are skipped.
OUT.npz has the layout of core/crystals/arrays.py: structures in the order of the file, the samples of one line next
to each other, the atoms of a structure in the order of its line. Every line is checked before anything is
generated; a bad one is named with its number, and nothing is written (exit code 2). An element that the model never saw
is no mistake of the line: the most similar one that it saw stands in for it while the crystal grows, and this is said.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from core.crystals.arrays import from_crystals
from core.crystals.formula import FormulaError
from core.crystals.generation import METHODS, generate
from core.crystals.models import FOLDER, MODELS, Model, ModelMissing, load_model
from core.crystals.sampler import DEFAULT_STEPS
from core.crystals.types import Crystal, symbol


class CompositionsError(ValueError):
    """A file of compositions with bad lines; one line of message for each."""


def read_compositions(path: Path, model: Model) -> list[tuple[int, ...]]:
    """Atomic numbers of every cell in the file. Raises CompositionsError naming every bad line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CompositionsError(f"{path}: {error}") from None
    cells, bad = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            cells.append(model.composition(line, unseen=True))
        except FormulaError as error:
            bad.append(f"{path}, line {number} ({line.strip()[:60]}): {error}")
    if bad:
        raise CompositionsError("\n".join(bad))
    if not cells:
        raise CompositionsError(f"{path}: no composition in it")
    return cells


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m core.crystals.generate", description=__doc__.split("\n")[0])
    parser.add_argument("--model", choices=sorted(MODELS), required=True)
    parser.add_argument("--compositions", type=Path, required=True, help="one full cell content a line")
    parser.add_argument("--samples", type=_positive, default=1, help="crystals for each line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=_positive, help=f"steps of the reverse process (default {DEFAULT_STEPS})")
    parser.add_argument("--method", choices=sorted(METHODS), default=None)
    parser.add_argument("--temperature", type=float, default=None)
    parser.add_argument("--threads", type=_positive, default=1)
    parser.add_argument("--models-folder", type=Path, default=FOLDER, help="where the weight files are")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    try:
        model = load_model(args.model, args.models_folder)
        cells = read_compositions(args.compositions, model)
        if not args.out.resolve().parent.is_dir():
            raise CompositionsError(f"{args.out}: the folder does not exist")
    except (ModelMissing, CompositionsError) as error:
        print(error, file=sys.stderr)
        return 2
    settings = METHODS[args.method] if args.method else model.scoring
    settings = replace(settings, steps=args.steps or settings.steps)
    if args.temperature is not None:
        settings = replace(settings, temperature=args.temperature)
    with tqdm(unit="step") as bar:
        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        stand_ins = [tuple(model.stand_in(z) for z in cell) for cell in cells]
        grown = generate(model, stand_ins, n_samples=args.samples, seed=args.seed, n_frames=1, settings=settings, progress=show)
    wanted = [cell for cell in cells for _ in range(args.samples)]
    finals = [path.final for path in grown]
    from_crystals([Crystal(cell, one.frac_coords, one.lattice) for cell, one in zip(wanted, finals, strict=True)]).save(args.out)
    for z in sorted({z for cell in cells for z in cell} - model.known):
        print(f"{symbol(z)} was not in the training data: {symbol(model.stand_in(z))} stood in for it.", file=sys.stderr)
    return 0


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
