"""`n2c train flow|diffusion|adapter|steering|reranker|ranker|selector|composition`: the crystal models, from a pool of known crystals."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace

import torch

from core.commands.arguments import input_file, input_folder, keep_inputs, output_folder, parser, real, refusing, whole
from core.generator.registry import FOLDER, MODELS, ModelMissing, load_model
from core.generator.training import adapter as adapter_training
from core.generator.training import composition as composition_training
from core.generator.training import denoiser
from core.generator.training import ranker as ranker_training
from core.generator.training import reranker as reranker_training
from core.generator.training import selector as selector_training
from core.generator.training import steering as steering_training
from core.generator.weights import WeightsError
from core.numerics.training import CheckpointError
from core.structures.arrays import ArrayFileError

POOL = "known crystals, as `n2c data prepare` writes them; rows marked `dev` are never learned from"


def _parser(name: str, words: str, example: str, *, workers: bool = True) -> ArgumentParser:
    """With the arguments that all these commands share."""
    command = parser(f"train {name}", words, example)
    command.add_argument("--data", type=input_file, required=True, metavar="POOL.npz", help=POOL)
    command.add_argument("--out", type=output_folder, required=True, metavar="FOLDER", help="folder of this run")
    command.add_argument("--seed", type=whole(0, 2**31 - 1), default=0)
    if workers:
        command.add_argument("--workers", type=whole(1, 1024), default=1, help="processes")
    return command


def _parse(command: ArgumentParser, arguments: Sequence[str] | None) -> Namespace:
    args = command.parse_args(arguments)
    torch.set_num_threads(getattr(args, "threads", 1))
    return args


def flow(arguments: Sequence[str] | None = None) -> int:
    return _denoiser("flow", arguments)


def diffusion(arguments: Sequence[str] | None = None) -> int:
    return _denoiser("diffusion", arguments)


def _denoiser(method: str, arguments: Sequence[str] | None) -> int:
    words = """Train the network of crystals. FOLDER gets log.jsonl, checkpoint.safetensors (all that is needed to go on) and
model.safetensors (the averaged weights).

The learning rate follows the budget, so that a resumed run ends where an uninterrupted one would; with --steps on the very same weights."""
    example = f"""
n2c train {method} --data train.npz --model mp20 --minutes 400 --exchange 0.5 --dropout 0.05 --out runs/mp20
n2c train {method} --data train.npz --model mp20 --minutes 400 --exchange 0.5 --dropout 0.05 --out runs/mp20 --resume
"""
    command = _parser(method, words, example, workers=False)
    command.add_argument("--model", choices=sorted(denoiser.SIZES), required=True)
    budget = command.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=real(0, above=True), help="of training")
    budget.add_argument("--steps", type=whole(1), help="of the optimiser")
    command.add_argument("--resume", action="store_true", help="go on from the checkpoint in FOLDER, if it is there")
    command.add_argument(
        "--probe", type=whole(0), default=0, help="every ten minutes grow crystals for so many held-out formulas, log scores"
    )
    command.add_argument("--init", type=input_file, metavar="WEIGHTS", help="weights to start from")
    command.add_argument("--threads", type=whole(1, 1024), default=1)
    command.add_argument("--learning-rate", type=real(0, above=True), default=denoiser.TrainConfig.learning_rate)
    command.add_argument("--augment", action="store_true", help="show each cell in all descriptions that its shape allows")
    command.add_argument("--exchange", type=real(0, 1), default=0.0, help="share of cells in which elements make place for related ones")
    command.add_argument("--bf16", action="store_true", help="matrix products in bfloat16, a third faster where the processor has units")
    command.add_argument("--dropout", type=real(0, 1), help="in the blocks; without it that of the model")
    args = _parse(command, arguments)
    keep_inputs(args.out / "model.safetensors", [args.init])
    config = denoiser.TrainConfig(
        seed=args.seed, learning_rate=args.learning_rate, augment=args.augment, exchange=args.exchange, bf16=args.bf16
    )
    sizes = denoiser.SIZES[args.model]
    with refusing(ArrayFileError, CheckpointError, WeightsError):
        denoiser.train(
            args.data,
            args.model,
            args.out,
            method=method,
            n_probe=args.probe,
            minutes=args.minutes,
            steps=args.steps,
            resume=args.resume,
            config=config,
            sizes=sizes if args.dropout is None else replace(sizes, dropout=args.dropout),
            init=args.init,
        )
    return 0


def reranker(arguments: Sequence[str] | None = None) -> int:
    words = """Train the reranker of a flow's own crystals: grow some for known compositions, label them by the benchmark's matcher,
learn which come out right. FOLDER gets the labels (kept, so that a stopped run goes on) and model.safetensors: the same network
with a reranker."""
    example = """
n2c train reranker runs/mp20/model.safetensors --data train.npz --out runs/reranker --workers 2
n2c train reranker runs/new/model.safetensors --data train.npz --out runs/second --also runs/reranker
"""
    command = _parser("reranker", words, example)
    command.add_argument("weights", type=input_file, help="of the flow, as `n2c train flow` writes them")
    command.add_argument(
        "--also", type=input_folder, nargs="*", default=[], metavar="FOLDER", help="labels of earlier weights for the same compositions"
    )
    command.add_argument("--compositions", type=whole(2), help="only so many (default: all)")
    command.add_argument("--candidates", type=whole(1, 64), default=2, help="crystals grown for each composition")
    command.add_argument("--epochs", type=whole(1), default=40)
    args = _parse(command, arguments)
    keep_inputs(args.out / "model.safetensors", [args.weights])
    with refusing(ArrayFileError, WeightsError):
        learned = reranker_training.train(
            args.weights,
            args.data,
            args.out,
            also=args.also,
            compositions=args.compositions,
            candidates=args.candidates,
            epochs=args.epochs,
            workers=args.workers,
            seed=args.seed,
        )
    shares = learned["held_out"]
    print(
        f"on a tenth of {learned['compositions']} compositions, kept aside: first crystal {shares['first']:.1%}, "
        f"reranker's choice {shares['chosen']:.1%}, best of {learned['candidates']} {shares['any']:.1%}"
    )
    return 0


def adapter(arguments: Sequence[str] | None = None) -> int:
    words = """Train adapters beside a flow that stays as it is: crystals of a given density, band gap, formation energy, crystal system
or space group. FOLDER gets log.jsonl, checkpoint.safetensors and model.safetensors, which `n2c generate --adapter` takes.

Formation energy and band gap are learned where the pool has the columns formation_energy_per_atom (eV/atom) and band_gap (eV)."""
    command = _parser("adapter", words, "n2c train adapter --data train.npz --minutes 60 --out runs/adapter", workers=False)
    command.add_argument("--model", choices=sorted(MODELS), default="mp20", help="the flow")
    budget = command.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=real(0, above=True), help="of training")
    budget.add_argument("--steps", type=whole(1), help="of the optimiser")
    command.add_argument("--resume", action="store_true", help="go on from the checkpoint in FOLDER, if it is there")
    command.add_argument("--models-folder", type=input_folder, default=FOLDER, help="where the weights of the flow are")
    command.add_argument("--threads", type=whole(1, 1024), default=1)
    args = _parse(command, arguments)
    with refusing(ArrayFileError, CheckpointError, ModelMissing):
        run = adapter_training.train(
            args.data,
            load_model(args.model, args.models_folder, kind="flow"),
            args.out,
            minutes=args.minutes,
            steps=args.steps,
            resume=args.resume,
            config=replace(adapter_training.AdapterTrainConfig(), seed=args.seed),
        )
    print(f"{run.step} steps, {run.epoch} epochs")
    return 0


def steering(arguments: Sequence[str] | None = None) -> int:
    words = """Train what steers crystals from nothing: adapters of the composition model, templates of how the sites of a space group
fill, and a predictor of formation energy and band gap. FOLDER gets MODEL_steering.safetensors and its card.

The pool needs the columns formation_energy_per_atom (eV/atom), band_gap (eV) and spacegroup."""
    command = _parser("steering", words, "n2c train steering --data train.npz --out runs/steering", workers=False)
    command.add_argument("--model", choices=sorted(MODELS), default="mp20", help="the flow")
    command.add_argument("--epochs", type=whole(1), default=steering_training.SteeringTrainConfig.epochs)
    command.add_argument("--models-folder", type=input_folder, default=FOLDER, help="where the weights of the flow are")
    command.add_argument("--threads", type=whole(1, 1024), default=1)
    args = _parse(command, arguments)
    with refusing(ArrayFileError, ModelMissing):
        about = steering_training.train(
            args.data,
            load_model(args.model, args.models_folder, kind="flow"),
            args.out,
            config=steering_training.SteeringTrainConfig(epochs=args.epochs, seed=args.seed),
        )
    print(
        f"{about['templates']} templates; mean absolute error on {about['beside']}: formation energy "
        f"{about['properties']['formation_energy']['mae']:.3f} eV/atom, band gap {about['properties']['band_gap']['mae']:.3f} eV"
    )
    return 0


def ranker(arguments: Sequence[str] | None = None) -> int:
    words = """Train the ranker of structure types. Labels first (hours of one core for 10,000 crystals; kept in FOLDER, so that a stopped
run goes on), then minutes of training. FOLDER gets ranker.safetensors and ranker.md."""
    command = _parser("ranker", words, "n2c train ranker --data train.npz --out runs/ranker --workers 2")
    command.add_argument("--targets", type=whole(10), help="learn from so many crystals only (default: all)")
    command.add_argument("--epochs", type=whole(1), default=8)
    args = _parse(command, arguments)
    with refusing(ArrayFileError):
        about = ranker_training.train(args.data, args.out, targets=args.targets, epochs=args.epochs, workers=args.workers, seed=args.seed)
    if "dev" in about:
        dev = about["dev"]
        print(
            f"first choice right on {dev['n']} held-out crystals: nearest by distance {dev['first_by_distance']:.1%}, "
            f"ranker {dev['first_by_ranker']:.1%}, any of the types considered {dev['any']:.1%}"
        )
    return 0


def selector(arguments: Sequence[str] | None = None) -> int:
    words = """Train the selector between a library's structure types and the flow's own crystals. Labels first (a quarter of an hour of one
core; kept in FOLDER, so that a stopped run goes on), then a minute of training. FOLDER gets selector.safetensors and selector.md."""
    command = _parser("selector", words, "n2c train selector --data train.npz --out runs/selector --workers 2")
    command.add_argument("--models-folder", type=input_folder, default=FOLDER, help="where flow, reranker and ranker are")
    command.add_argument("--label-models", type=input_folder, help="where those that make the labels are, if others")
    command.add_argument("--compositions", type=whole(10), default=4000, help="learn from so many")
    command.add_argument("--epochs", type=whole(1), default=60)
    args = _parse(command, arguments)
    with refusing(ArrayFileError, ModelMissing):
        about = selector_training.train(
            args.data,
            args.out,
            models_folder=args.models_folder,
            label_models=args.label_models,
            compositions=args.compositions,
            epochs=args.epochs,
            workers=args.workers,
            seed=args.seed,
        )
    for name, one in about.get("dev", {}).items():
        print(f"{selector_training.ROWS[name]}: {one['match']:.1%}, rms {one['rms']:.4f}, {one['tight']:.1%} tight")
    return 0


def composition(arguments: Sequence[str] | None = None) -> int:
    words = """Train the composition model, which makes up formulas for a flow: five minutes of one core. FOLDER gets
MODEL_composition.safetensors and MODEL_composition.md."""
    command = _parser("composition", words, "n2c train composition --data train.npz --model mp20 --out runs/composition", workers=False)
    command.add_argument("--model", choices=sorted(MODELS), required=True)
    command.add_argument("--epochs", type=whole(1), default=composition_training.CompositionTrainConfig.epochs)
    args = _parse(command, arguments)
    with refusing(ArrayFileError):
        about = composition_training.train(args.data, args.model, args.out, epochs=args.epochs, seed=args.seed)
    print(f"{about['dev']:.2f} nats for the elements of a formula ({about['beside']}); {about['by_frequency']:.2f} by frequency alone")
    print(", ".join(f"{name} {value:.3g}" for name, value in about["made"].items()))
    return 0
