"""`n2c train system NAME POOL`: the miniatures of the chapter on the systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from core.commands.arguments import input_file, keep_inputs, output_file, output_folder, parser, refusing, whole
from core.generator.registry import ModelMissing
from core.generator.systems import autoregressive, captions, space_groups, train_captions, train_space_groups, train_writer
from core.numerics.training import CheckpointError
from core.structures.arrays import ArrayFileError

RUNS = Path("runs")
WEIGHTS = {"space-groups": space_groups.WEIGHTS, "captions": captions.WEIGHTS, "writer": autoregressive.WEIGHTS}


def system(arguments: Sequence[str] | None = None) -> int:
    words = """Train one of the miniatures of published systems on a pool of crystals; the card with what was measured is written beside the
weights. A stopped run of the writer goes on from its checkpoint."""
    example = """
n2c train system space-groups train.npz
n2c train system captions train.npz
n2c train system writer train.npz --epochs 24
"""
    command = parser("train system", words, example)
    command.add_argument("name", choices=list(WEIGHTS), help="space group first, captions and crystals, or crystals as text")
    command.add_argument("pool", type=input_file, help="as `n2c data prepare --dev N` writes it; rows marked `dev` are only measured on")
    command.add_argument("--out", type=output_file, metavar="WEIGHTS", help="default: assets/models/system_NAME.safetensors")
    command.add_argument("--steps", type=whole(1), help="of space-groups and captions, instead of the miniature's own budget")
    command.add_argument("--epochs", type=whole(1), default=train_writer.EPOCHS, help="of the writer")
    command.add_argument("--seed", type=whole(0, 2**31 - 1), default=0)
    command.add_argument("--checkpoint", type=output_file, help="of the writer; default: runs/writer.checkpoint.safetensors")
    args = command.parse_args(arguments)
    torch.set_num_threads(1)
    out = args.out or output_file(str(WEIGHTS[args.name]))
    keep_inputs(out, [args.pool])
    with refusing(ArrayFileError, CheckpointError, ModelMissing):
        if args.name == "writer":
            checkpoint = args.checkpoint or output_folder(str(RUNS)) / "writer.checkpoint.safetensors"
            keep_inputs(checkpoint, [args.pool])
            train_writer.train(args.pool, out, checkpoint, epochs=args.epochs, seed=args.seed)
        elif args.name == "captions":
            train_captions.train(args.pool, out, steps=args.steps or train_captions.STEPS, seed=args.seed)
        else:
            train_space_groups.train(args.pool, out, steps=args.steps or train_space_groups.STEPS, seed=args.seed)
    print(f"wrote {out} and {out.with_suffix('.md').name}")
    return 0
