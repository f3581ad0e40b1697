"""Generate crystals for a list of cell contents, or from nothing.

    python -m core.commands.generate --model mp20 --compositions FILE --samples K --seed S --out OUT.npz
    python -m core.commands.generate --model mp20 --de-novo N --seed S --out OUT.npz

--method flow        the flow-matching model, from noise (the default)
         diffusion   the diffusion model, from noise (--sampler ancestral, ddim or langevin)
         prototype   the nearest known crystal of --library with the elements exchanged; no network
         refine      structure types of --library, ranked by one small network and weighed against the flow's crystals by another;
                     the flow model where that is trusted more or no type has the stoichiometry
--de-novo N          N crystals of whatever composition: the flow is given formulas that a composition model makes up,
                     the diffusion model decides on species, places and cell together
--library FILE.npz   known crystals in the layout of core/structures/arrays.py (see core.structures.dataset); rows marked `dev` are never
                     used. Without it: the AFLOW prototypes that pymatgen carries and the crystals built in code.

FILE has one full cell content a line (`Na4 Cl4`, `Sr1 Ti1 O3`); empty lines and lines that begin with # are skipped.
OUT.npz has the layout of core/structures/arrays.py: structures in the order of the file, the samples of one line next
to each other, the atoms of a structure in the order of its line. Every line is checked before anything is
generated; a bad one is named with its number, and nothing is written (exit code 2). An element that the model never saw
is no mistake of the line: the most similar one that it saw stands in for it while the crystal grows, and this is said.
Where a library has no crystal of the stoichiometry, the flow model answers alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from core.generator.baselines.library import open_library
from core.generator.cell_contents import cell_content, draw_sizes, with_species
from core.generator.predict import answer_by_prototype, answer_by_refinement, load_ranker, load_selector
from core.generator.registry import FOLDER, MODELS, PRECISIONS, Model, ModelMissing, in_precision, load_model
from core.generator.sampling.config import FLOW, METHODS, SamplerConfig, from_stored, published_config
from core.generator.sampling.parallel import sample_in_parallel
from core.structures.arrays import ArrayFileError, from_crystals
from core.structures.crystal import Crystal, symbol
from core.structures.formula import FormulaError

DE_NOVO = {"steps": 100, "eta": 1.0}  # of a diffusion model whose weights do not say with what they were measured


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
    parser = argparse.ArgumentParser(
        prog="python -m core.commands.generate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=sorted(MODELS), required=True)
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--compositions", type=Path, help="one full cell content a line")
    wanted.add_argument("--de-novo", type=_positive, metavar="N", help="N crystals from nothing, species included")
    parser.add_argument("--samples", type=_positive, default=1, help="crystals for each line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=_positive, help="steps of the reverse process (default: those of the published scores)")
    parser.add_argument("--method", choices=("flow", "diffusion", "prototype", "refine"), default="flow")
    parser.add_argument("--sampler", choices=sorted(set(METHODS) - {FLOW}), help="of the diffusion model")
    parser.add_argument("--library", type=Path, help="known crystals for prototype and refine")
    parser.add_argument("--candidates", type=_positive, help="crystals grown for each answer, of which the model keeps one; 1 is quickest")
    parser.add_argument("--rounds", type=_positive, help="in each after the first, the best candidate so far is blurred and grown again")
    parser.add_argument("--temperature", type=float, default=None)
    parser.add_argument("--threads", type=_positive, default=1, help="of each worker")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="of matrix products; auto: bfloat16 where the processor has units for it (nearly half again as fast)",
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        help="parts of a long list that are grown side by side",
    )
    parser.add_argument("--models-folder", type=Path, default=FOLDER, help="where the weight files are")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    try:
        if not args.out.resolve().parent.is_dir():
            raise CompositionsError(f"{args.out}: the folder does not exist")
        if args.de_novo:
            made = _de_novo(args)
        else:
            made = _answers(args)
    except (ModelMissing, CompositionsError, FormulaError, ArrayFileError) as error:
        print(error, file=sys.stderr)
        return 2
    from_crystals(made).save(args.out)
    return 0


def _model(args, kind: str) -> Model:
    """The model asked for, in the precision asked for."""
    return in_precision(load_model(args.model, args.models_folder, kind=kind), args.precision)


def _settings(args, default: SamplerConfig) -> SamplerConfig:
    """`default`, or the sampler named, with what else was asked for."""
    chosen = {name: value for name in ("steps", "candidates", "temperature") if (value := getattr(args, name)) is not None}
    if args.rounds is not None:
        chosen["n_refinements"] = args.rounds - 1
    return replace(METHODS[args.sampler] if args.sampler else default, **chosen)


def _answers(args) -> list[Crystal]:
    """The crystals for every line, by the method asked for."""
    model = _model(args, "diffusion" if args.method == "diffusion" else "flow")
    cells = [cell for cell in read_compositions(args.compositions, model) for _ in range(args.samples)]
    stand_ins = [tuple(model.stand_in(z) for z in cell) for cell in cells]
    with _bar() as show:
        if args.method in ("flow", "diffusion"):
            made = sample_in_parallel(
                model, stand_ins, _settings(args, published_config(model.about)), workers=args.workers, seed=args.seed, progress=show
            )
        else:
            library = open_library(args.library and str(args.library))
            if args.method == "prototype":
                made = answer_by_prototype(cells, stand_ins, library, model, seed=args.seed, progress=show)
            else:
                selector = load_selector(args.models_folder) if model.reranker else None
                made = answer_by_refinement(
                    cells,
                    stand_ins,
                    library,
                    load_ranker(args.models_folder),
                    model,
                    selector=selector,
                    workers=args.workers,
                    seed=args.seed,
                    progress=show,
                )
    for z in sorted({z for cell in cells for z in cell} - model.known):
        print(f"{symbol(z)} was not in the training data: {symbol(model.stand_in(z))} stood in for it.", file=sys.stderr)
    return [Crystal(cell, one.frac_coords, one.lattice) for cell, one in zip(cells, made, strict=True)]


def _de_novo(args) -> list[Crystal]:
    """Flow: a formula by its composition model, then a crystal of it. Diffusion: species, places and cell together."""
    if args.method not in ("flow", "diffusion"):
        raise CompositionsError(f"--method {args.method} needs --compositions: without a formula there is no prototype to look for")
    model = _model(args, args.method)
    settings = _settings(args, published_config(model.about) if args.method == "flow" else from_stored(model.about.get("de_novo", DE_NOVO)))
    cells = with_species(model, [cell_content(model, n) for n in draw_sizes(model, args.de_novo, seed=args.seed)], seed=args.seed)
    with _bar() as show:
        return sample_in_parallel(model, cells, settings, workers=args.workers, seed=args.seed, progress=show)


@contextmanager
def _bar():
    """A progress function that draws a bar."""
    with tqdm(unit="step") as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
