"""`n2c generate`: crystals of given cell contents, or from nothing."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from core.commands.arguments import CommandError, input_file, input_folder, keep_inputs, output_file, parser, real, refusing, whole
from core.generator.baselines.library import open_library
from core.generator.cell_contents import cell_content, draw_sizes, with_species
from core.generator.model.adapter import UNITS, VOLUMES, conditions, guided
from core.generator.predict import answer_by_prototype, answer_by_refinement, load_ranker, load_selector
from core.generator.registry import FOLDER, MODELS, PRECISIONS, Model, ModelMissing, in_precision, load_model, unreadable
from core.generator.sampling.best_of import Progress
from core.generator.sampling.config import CANDIDATES, FLOW, METHODS, SamplerConfig, from_stored, published_config
from core.generator.sampling.loop import Guide
from core.generator.sampling.parallel import sample_in_parallel
from core.generator.steering.grow import grow
from core.generator.steering.request import Request, parse_stoichiometry
from core.generator.steering.store import load_steering, paths
from core.generator.weights import WeightsError, load_adapter
from core.structures.arrays import ArrayFileError, from_crystals
from core.structures.crystal import Crystal, symbol
from core.structures.formula import FormulaError, parse_elements
from core.structures.space_groups import N_GROUPS

DESCRIPTION = """Generate crystals for a list of cell contents, or from nothing.

--method flow        the flow-matching model, from noise (the default)
         diffusion   the diffusion model, from noise (--sampler ancestral, ddim or langevin)
         prototype   the nearest known crystal of --library with the elements exchanged; no network
         refine      structure types of --library, ranked by one small network and weighed against the flow's crystals by another;
                     the flow model where that is trusted more or no type has the stoichiometry
--de-novo N          N crystals of whatever composition: the flow is given formulas that a composition model makes up,
                     the diffusion model decides on species, places and cell together
--library FILE.npz   known crystals, as `n2c data prepare` writes them; rows marked `dev` are never used.
                     Without it: the AFLOW prototypes that pymatgen carries and the crystals built in code.

FILE has one full cell content a line (`Na4 Cl4`, `Sr1 Ti1 O3`); empty lines and lines that begin with # are skipped.
OUT.npz has the layout of core/structures/arrays.py: structures in the order of the file, the samples of one line next
to each other, the atoms of a structure in the order of its line. Every line is checked before anything is
generated; a bad one is named with its number, and nothing is written (exit code 2). An element that the model never saw
is no mistake of the line: the most similar one that it saw stands in for it while the crystal grows, and this is said.
Where a library has no crystal of the stoichiometry, the flow model answers alone, with the settings of its published scores."""
EXAMPLE = """
n2c generate --model mp20 --compositions list.txt --samples 4 --seed 0 --out crystals.npz
n2c generate --model mp20 --compositions list.txt --method refine --library train.npz --out crystals.npz
n2c generate --model mp20 --de-novo 1000 --method diffusion --out new.npz
n2c generate --model mp20 --compositions list.txt --condition density=5.5 --guidance 2 --out dense.npz
n2c generate --model mp20 --de-novo 100 --elements Li,Mn,O --spacegroup 225 --stoichiometry AB2 --out cathodes.npz
"""
FROM_NOISE = ("flow", "diffusion")  # the other methods answer from a library
STEERED = replace(CANDIDATES, steps=20)
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


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parse(arguments)
    torch.set_num_threads(args.threads)
    with refusing(ModelMissing, CompositionsError, FormulaError, ArrayFileError, WeightsError):
        made = _de_novo(args) if args.de_novo else _answers(args)
    from_crystals(made).save(args.out)
    return 0


def _parse(arguments: Sequence[str] | None) -> Namespace:
    command = parser("generate", DESCRIPTION, EXAMPLE)
    command.add_argument("--model", choices=sorted(MODELS), required=True)
    wanted = command.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--compositions", type=input_file, metavar="FILE", help="one full cell content a line")
    wanted.add_argument("--de-novo", type=whole(1, 1_000_000), metavar="N", help="N crystals from nothing, species included")
    command.add_argument("--samples", type=whole(1, 100_000), help="crystals for each line (default: 1)")
    command.add_argument("--seed", type=whole(-(2**63), 2**63 - 1), default=0)
    command.add_argument("--steps", type=whole(1, 10_000), help="steps of the reverse process (default: those of the published scores)")
    command.add_argument("--method", choices=(*FROM_NOISE, "prototype", "refine"), default="flow")
    command.add_argument("--sampler", choices=sorted(set(METHODS) - {FLOW}), help="of the diffusion model")
    command.add_argument("--library", type=input_file, metavar="FILE.npz", help="known crystals for prototype and refine")
    command.add_argument(
        "--candidates", type=whole(1, 1000), help="crystals grown for each answer, of which the model keeps one; 1 is quickest"
    )
    command.add_argument(
        "--rounds", type=whole(1, 1000), help="in each after the first, the best candidate so far is blurred and grown again"
    )
    command.add_argument("--temperature", type=real(0, 100), help="factor on the variance of the noise")
    command.add_argument(
        "--condition",
        type=_condition,
        action="append",
        metavar="NAME=VALUE",
        help=f"{', '.join(f'{name} ({unit})' for name, unit in UNITS.items())}, crystal_system or space_group; may be given more than once",
    )
    command.add_argument("--elements", metavar="Li,Mn,O", help="with --de-novo: nothing else is in the crystals")
    command.add_argument("--spacegroup", type=whole(1, N_GROUPS), metavar="1..230", help="with --de-novo: grown inside this group")
    command.add_argument("--stoichiometry", metavar="ABX3", help="with --de-novo: capital letters for kinds of atoms, whichever they are")
    command.add_argument("--adapter", type=input_file, metavar="WEIGHTS", help="of `n2c train adapter`, instead of the shipped ones")
    command.add_argument("--guidance", type=real(0, 100), help="gamma: 0 is the flow by itself, 1 as learned (the default), 2 exaggerated")
    command.add_argument("--threads", type=whole(1, 1024), default=1, help="of each worker")
    command.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="of matrix products; auto: bfloat16 where the processor has units for it (nearly half again as fast)",
    )
    command.add_argument(
        "--workers",
        type=whole(1, 1024),
        default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        help="parts of a long list that are grown side by side",
    )
    command.add_argument("--models-folder", type=input_folder, default=FOLDER, help="where the weight files are")
    command.add_argument("--out", type=output_file, required=True, metavar="OUT.npz")
    args = command.parse_args(arguments)
    _refuse_what_has_no_effect(args)
    keep_inputs(args.out, [args.compositions, args.library])
    args.samples = args.samples or 1
    return args


def _condition(text: str) -> tuple[str, str]:
    """NAME=VALUE. Raises CommandError with what may be asked, before anything is grown."""
    name, equals, value = (part.strip() for part in text.partition("="))
    try:
        if not equals:
            raise ValueError(f"{text!r} is no NAME=VALUE, as in density=5.5 or crystal_system=cubic")
        conditions({name: value})
    except ValueError as error:
        raise CommandError(str(error)) from None
    return name, value


def _guide(args: Namespace, model: Model) -> Guide | None:
    """How the conditions steer; None without any. Raises WeightsError."""
    if not args.condition:
        return None
    path = args.adapter or paths(model.name, args.models_folder)[0]
    if not path.exists():
        raise unreadable(path, FileNotFoundError("it is not there"))
    return guided(model.network, load_adapter(path, model.network), conditions(dict(args.condition)), _gamma(args))


def _gamma(args: Namespace) -> float:
    return 1.0 if args.guidance is None else args.guidance


def _request(args: Namespace, model: Model) -> Request | None:
    """What is asked of crystals from nothing; None where nothing is, or nothing that would change them. Raises FormulaError."""
    wanted = dict(args.condition or ())
    group, system = int(args.spacegroup or wanted.pop("space_group", 0)), str(wanted.pop("crystal_system", ""))
    certain = args.elements is not None or args.stoichiometry is not None or group or system
    if not certain and not (wanted and _gamma(args)):
        return None
    return Request(
        {name: float(value) for name, value in wanted.items()},
        system=system,
        group=group,
        elements=() if args.elements is None else parse_elements(args.elements, model.known),
        stoichiometry=() if args.stoichiometry is None else parse_stoichiometry(args.stoichiometry),
    )


def _refuse_what_has_no_effect(args: Namespace) -> None:
    """Raises CommandError for arguments that mean nothing together."""
    certain = [name for name in ("elements", "spacegroup", "stoichiometry") if getattr(args, name) is not None]
    for name in (*certain, *(["condition"] if args.condition else [])):
        if args.method != "flow":
            raise CommandError(f"--{name} steers the flow (--method flow); with --method {args.method} it has no effect")
    if certain and not args.de_novo:
        raise CommandError(f"--{certain[0]} is asked of crystals from nothing (--de-novo N); the lines of --compositions say it already")
    if args.de_novo and (certain or args.condition):
        if once := next((name for name in ("candidates", "rounds") if getattr(args, name) is not None), None):
            raise CommandError(f"crystals that are asked for are grown once: --{once} has no effect with --{(certain or ['condition'])[0]}")
    if args.condition:
        names = [name for name, _ in args.condition]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise CommandError(f"{twice} is asked for twice")
        if set(VOLUMES) <= set(names):
            raise CommandError("density and volume_per_atom are the same demand on a given formula: ask for one of them")
        if len({"space_group", "crystal_system"} & set(names)) + (args.spacegroup is not None) > 1:
            raise CommandError("a space group belongs to one crystal system: ask for one of the two, once")
    elif args.adapter or args.guidance is not None and not certain:
        raise CommandError(f"--{'adapter' if args.adapter else 'guidance'} has no effect without --condition")
    if args.sampler and args.method != "diffusion":
        raise CommandError(f"--sampler {args.sampler} belongs to --method diffusion; with --method {args.method} it has no effect")
    if args.samples and args.de_novo:
        raise CommandError("--samples counts crystals for each line of --compositions; with --de-novo the number stands there")
    if args.method in FROM_NOISE:
        if args.library:
            raise CommandError(f"--library is for the methods prototype and refine; with --method {args.method} it has no effect")
        return
    if args.de_novo:
        raise CommandError(f"--method {args.method} needs --compositions: without a formula there is no prototype to look for")
    if given := [name for name in ("steps", "candidates", "rounds", "temperature") if getattr(args, name) is not None]:
        raise CommandError(
            f"--{given[0]} is for crystals grown from noise (--method flow or diffusion); with --method {args.method} it has no effect"
        )


def _model(args: Namespace, kind: str) -> Model:
    """The model asked for, in the precision asked for."""
    return in_precision(load_model(args.model, args.models_folder, kind=kind), args.precision)


def _settings(args: Namespace, default: SamplerConfig) -> SamplerConfig:
    """`default`, or the sampler named, with what else was asked for."""
    chosen = {name: value for name in ("steps", "candidates", "temperature") if (value := getattr(args, name)) is not None}
    if args.rounds is not None:
        chosen["n_refinements"] = args.rounds - 1
    return replace(METHODS[args.sampler] if args.sampler else default, **chosen)


def _answers(args: Namespace) -> list[Crystal]:
    """The crystals for every line, by the method asked for."""
    model = _model(args, "diffusion" if args.method == "diffusion" else "flow")
    cells = [cell for cell in read_compositions(args.compositions, model) for _ in range(args.samples)]
    stand_ins = [tuple(model.stand_in(z) for z in cell) for cell in cells]
    with _bar() as show:
        if args.method in FROM_NOISE:
            made = sample_in_parallel(
                model,
                stand_ins,
                _settings(args, published_config(model.about)),
                workers=args.workers,
                seed=args.seed,
                guide=_guide(args, model),
                progress=show,
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
    return [Crystal(np.array(cell), one.frac_coords, one.lattice) for cell, one in zip(cells, made, strict=True)]


def _de_novo(args: Namespace) -> list[Crystal]:
    """Flow: a formula by its composition model, then a crystal of it. Diffusion: species, places and cell together."""
    model = _model(args, args.method)
    if args.method == "flow" and (request := _request(args, model)) is not None:
        steering = load_steering(model, args.models_folder, adapter=args.adapter)
        with _bar() as show:
            settings = _settings(args, STEERED)
            return grow(steering, request, args.de_novo, settings, gamma=_gamma(args), seed=args.seed, progress=show).crystals
    settings = _settings(args, published_config(model.about) if args.method == "flow" else from_stored(model.about.get("de_novo", DE_NOVO)))
    cells = with_species(model, [cell_content(model, n) for n in draw_sizes(model, args.de_novo, seed=args.seed)], seed=args.seed)
    with _bar() as show:
        return sample_in_parallel(model, cells, settings, workers=args.workers, seed=args.seed, progress=show)


@contextmanager
def _bar() -> Iterator[Progress]:
    """A progress function that draws a bar."""
    with tqdm(unit="step") as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
