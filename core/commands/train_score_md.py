"""`n2c train score-md`: the networks of the chapter on one score for sampling and dynamics, trained on what the app draws itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from core.commands.arguments import keep_inputs, output_folder, parser, real, refusing, whole
from core.crystals import train_score_md as training
from core.crystals.score_networks import FOLDER, MODELS, SLUGS, weights_path
from core.numerics.training import CheckpointError

RUNS = Path("runs")


def score_md(arguments: Sequence[str] | None = None) -> int:
    words = """Train the networks that sample a small molecular landscape and drive its dynamics: a plain score network, an energy network,
the same with the Fokker-Planck regulariser, and two experts over time. A stopped run goes on from its checkpoint and ends on the
same weights. A card for each landscape, with the measured free energies, is written beside the weights."""
    example = """
n2c train score-md
n2c train score-md --landscape dihedrals --model regularised --weight 1e-3
"""
    command = parser("train score-md", words, example)
    command.add_argument("--landscape", choices=list(SLUGS.values()), help="default: both")
    command.add_argument("--model", action="append", choices=list(MODELS), help="only these; default: all")
    command.add_argument("--steps", type=whole(1), default=training.STEPS)
    command.add_argument("--batch", type=whole(1), default=training.Recipe.batch, help="points in a step")
    command.add_argument("--points", type=whole(1), default=training.Recipe.points, help="in the training set")
    command.add_argument("--weight", type=real(), default=training.Recipe.weight, help="of the Fokker-Planck residual, where it is used")
    command.add_argument("--seed", type=whole(0, 2**31 - 1), default=0)
    command.add_argument("--out", type=output_folder, default=FOLDER, metavar="FOLDER", help="default: assets/models")
    command.add_argument("--runs", type=output_folder, metavar="FOLDER", help="of the checkpoints; default: runs")
    command.add_argument("--every", type=whole(1), default=500, help="steps between checkpoints")
    args = command.parse_args(arguments)
    torch.set_num_threads(1)
    runs = args.runs or output_folder(str(RUNS))
    recipe = training.Recipe(points=args.points, batch=args.batch, weight=args.weight)
    for landscape, slug in SLUGS.items():
        if args.landscape not in (None, slug):
            continue
        for model in args.model or list(MODELS):
            out = weights_path(landscape, model, args.out)
            checkpoint = runs / f"{out.stem}_seed{args.seed}.checkpoint.safetensors"
            keep_inputs(out, [checkpoint])
            args.out.mkdir(parents=True, exist_ok=True)
            with refusing(CheckpointError):
                training.train(landscape, model, out, checkpoint, steps=args.steps, recipe=recipe, seed=args.seed, every=args.every)
            training.measure(landscape, model, args.out)
            print(f"wrote {out}", flush=True)
        card = training.card_path(landscape, args.out)
        card.write_text(training.model_card(landscape, args.out), encoding="utf-8")
        print(f"wrote {card}")
    return 0
