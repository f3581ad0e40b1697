"""`n2c publish`: measure trained weights on held-out crystals and put them, with a card, where the app looks."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from core.commands.arguments import CommandError, input_file, output_folder, parser, real, refusing, whole
from core.generator.registry import FOLDER, MODELS, ModelMissing
from core.generator.sampling.config import SamplerConfig
from core.generator.training.publish import PublishError, publish
from core.generator.weights import WeightsError
from core.metrics.evaluation import table
from core.structures.arrays import ArrayFileError

DESCRIPTION = """Measure trained weights on the held-out crystals of a pool and put them, with a model card, where the app looks.

One answer for each crystal marked `dev` (never trained on), with the settings given; the protocol is that of `n2c evaluate`.
The numbers go into the header of MODEL_KIND.safetensors, from which the page reads them, and into MODEL_KIND.md.
The settings are those of core/generator/sampling/config.py."""
EXAMPLE = """
n2c publish runs/reranker/model.safetensors --data train.npz --model mp20 --steps 10 --candidates 4 --n-refinements 6 --de-novo 1000
n2c publish runs/diff/model.safetensors --data train.npz --model mp20 --steps 50 --eta 1 --folder cards
"""
WHOLE = {"steps": whole(1, 10_000), "corrector": whole(0, 100), "candidates": whole(1, 1000), "n_refinements": whole(0, 1000)}
REAL = {"power": real(0, above=True), "start": real(0, 1, above=True), "temperature": real(0, 100)}
OF_REFINEMENTS = ("renoise_fraction", "accept_threshold")


def main(arguments: Sequence[str] | None = None) -> int:
    command = parser("publish", DESCRIPTION, EXAMPLE)
    command.add_argument("weights", type=input_file, help="as `n2c train flow|diffusion|reranker` writes them")
    command.add_argument("--data", type=input_file, required=True, metavar="POOL.npz", help="the pool of the training, with its column dev")
    command.add_argument("--model", choices=sorted(MODELS), required=True)
    command.add_argument("--limit", type=whole(1), help="only the first so many held-out crystals")
    command.add_argument("--seed", type=whole(0, 2**31 - 1), default=0)
    command.add_argument("--workers", type=whole(1, 1024), default=1, help="processes")
    for name in SamplerConfig.__annotations__:
        command.add_argument(f"--{name.replace('_', '-')}", type=WHOLE.get(name) or REAL.get(name) or real(0))
    command.add_argument("--de-novo", type=whole(1, 1_000_000), metavar="N", help="also make N crystals from nothing and judge them")
    command.add_argument("--data-note", default="", help="where the data come from, for the card")
    command.add_argument("--training-note", default="", help="on what machine it was trained, for the card")
    command.add_argument("--folder", type=output_folder, default=FOLDER, help="default: where the app looks")
    args = command.parse_args(arguments)
    chosen = {name: value for name in SamplerConfig.__annotations__ if (value := getattr(args, name)) is not None}
    settings = SamplerConfig(**chosen)
    _refuse_what_has_no_effect(chosen, settings)
    torch.set_num_threads(1)
    with refusing(ArrayFileError, WeightsError, ModelMissing, PublishError):
        result, path = publish(
            args.weights,
            args.data,
            args.model,
            args.folder,
            settings=settings,
            limit=args.limit,
            seed=args.seed,
            workers=args.workers,
            de_novo=args.de_novo,
            data_note=args.data_note,
            training_note=args.training_note,
        )
    print(table(result))
    print(f"{path} written" + ("; `n2c weights manifest` lists it anew" if args.folder.resolve() == FOLDER.resolve() else ""))
    return 0


def _refuse_what_has_no_effect(chosen: dict, settings: SamplerConfig) -> None:
    """Raises CommandError for settings that mean nothing together."""
    for name in OF_REFINEMENTS:
        if name in chosen and not settings.n_refinements:
            raise CommandError(f"--{name.replace('_', '-')} is of refinements; without --n-refinements it has no effect")
    if "corrector_size" in chosen and not settings.corrector:
        raise CommandError("--corrector-size is of the corrector; without --corrector it has no effect")
