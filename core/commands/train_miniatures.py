"""`n2c train score|families|guidance|latent|formulas`: the small networks of the chapters, trained on what the app draws itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from core.commands.arguments import input_file, keep_inputs, output_file, output_folder, parser, refusing, whole
from core.learning import train_families, train_formulas, train_guidance, train_latent, train_score
from core.learning.families import MODELS as FAMILIES
from core.learning.formulas import WEIGHTS
from core.learning.labelled import LABELLED
from core.learning.latent_networks import weights_path as latent_weights
from core.numerics.densities import DATASETS
from core.numerics.networks import MODELS, slug, weights_path
from core.numerics.training import CheckpointError
from core.structures.arrays import ArrayFileError

SEED = whole(0, 2**31 - 1)
RUNS = Path("runs")


def score(arguments: Sequence[str] | None = None) -> int:
    words = """Train the small score network of one density. A stopped run goes on from its checkpoint and ends on the same weights.
The card with the measured errors is written beside the weights."""
    command = parser("train score", words, 'n2c train score --dataset "two moons"')
    command.add_argument("--dataset", required=True, choices=list(DATASETS))
    command.add_argument("--out", type=output_file, metavar="WEIGHTS", help="default: assets/models/score_NAME.safetensors")
    command.add_argument("--steps", type=whole(1), default=6000)
    command.add_argument("--batch", type=whole(1), default=1024, help="points in a step")
    command.add_argument("--width", type=whole(1), default=96, help="of the network")
    command.add_argument("--seed", type=SEED, default=0)
    command.add_argument("--checkpoint", type=output_file, help="default: runs/score_NAME.checkpoint.safetensors")
    command.add_argument("--every", type=whole(1), default=500, help="steps between checkpoints")
    args = command.parse_args(arguments)
    out = args.out or output_file(str(weights_path(args.dataset)))
    checkpoint = args.checkpoint or output_folder(str(RUNS)) / f"score_{slug(args.dataset)}.checkpoint.safetensors"
    keep_inputs(out, [checkpoint])
    with refusing(CheckpointError):
        train_score.train(
            args.dataset, out, checkpoint, steps=args.steps, batch=args.batch, width=args.width, seed=args.seed, every=args.every
        )
    print(f"wrote {out} and {out.with_suffix('.md').name}")
    return 0


def families(arguments: Sequence[str] | None = None) -> int:
    words = "Train the six generative families on one data set, each on its own budget. A card is written beside the weights."
    example = """
n2c train families --dataset "two moons"
n2c train families --dataset "two moons" --family GAN
"""
    command = parser("train families", words, example)
    command.add_argument("--dataset", required=True, choices=list(DATASETS))
    command.add_argument("--family", action="append", choices=list(FAMILIES), help="only these; the others in the file are kept")
    command.add_argument("--out", type=output_file, metavar="WEIGHTS", help="default: assets/models/families_NAME.safetensors")
    command.add_argument("--steps", type=whole(1), help="instead of the family's own budget")
    command.add_argument("--seed", type=SEED, default=0)
    args = command.parse_args(arguments)
    torch.set_num_threads(1)
    out = args.out or output_file(str(train_families.weights_path(args.dataset)))
    seconds = train_families.train(args.dataset, out, families=args.family or (), steps=args.steps, seed=args.seed)
    print(f"wrote {out}; processor seconds: " + ", ".join(f"{name} {taken:.0f}" for name, taken in seconds.items()))
    return 0


def guidance(arguments: Sequence[str] | None = None) -> int:
    words = "Train, for labelled densities, a score network with conditioning dropout and a classifier of noised points, with their card."
    command = parser("train guidance", words, "n2c train guidance --dataset island")
    command.add_argument("--dataset", choices=list(LABELLED), help="default: all")
    command.add_argument("--steps", type=whole(1), default=3000)
    command.add_argument("--seed", type=SEED, default=0)
    command.add_argument("--out", type=output_folder, default=MODELS, metavar="FOLDER", help="default: assets/models")
    args = command.parse_args(arguments)
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    for dataset in [args.dataset] if args.dataset else list(LABELLED):
        print(train_guidance.train(dataset, args.out, steps=args.steps, seed=args.seed))
    return 0


def latent(arguments: Sequence[str] | None = None) -> int:
    words = "Train the autoencoder of pictures of lattices, then one denoiser in its latent space and one in pixels, with their card."
    command = parser("train latent", words, "n2c train latent")
    command.add_argument("--out", type=output_file, metavar="WEIGHTS", help="default: assets/models/latent_lattices.safetensors")
    command.add_argument("--steps", type=whole(1), help="for each network, instead of its own budget")
    command.add_argument("--seed", type=SEED, default=0)
    args = command.parse_args(arguments)
    torch.set_num_threads(1)
    out = args.out or output_file(str(latent_weights()))
    seconds = train_latent.train(out, steps=args.steps, seed=args.seed)
    print(f"wrote {out}: {sum(seconds.values()):.0f} s of processor time")
    return 0


def formulas(arguments: Sequence[str] | None = None) -> int:
    words = """Train the denoiser of chemical formulas on the reduced formulas of known crystals, each once. A stopped run goes on from its
checkpoint. The card with the measured shares is written beside the weights."""
    command = parser("train formulas", words, "n2c train formulas train.npz")
    command.add_argument("pool", type=input_file, help="as `n2c data prepare --dev N` writes it; rows marked `dev` are only measured on")
    command.add_argument("--out", type=output_file, default=WEIGHTS, metavar="WEIGHTS", help="default: assets/models/formulas.safetensors")
    command.add_argument("--steps", type=whole(1), default=6000)
    command.add_argument("--batch", type=whole(1), default=256, help="formulas in a step")
    command.add_argument("--width", type=whole(1), default=96, help="of the network")
    command.add_argument("--seed", type=SEED, default=0)
    command.add_argument("--checkpoint", type=output_file, help="default: runs/formulas.checkpoint.safetensors")
    command.add_argument("--every", type=whole(1), default=200, help="steps between checkpoints")
    args = command.parse_args(arguments)
    checkpoint = args.checkpoint or output_folder(str(RUNS)) / "formulas.checkpoint.safetensors"
    for place in (args.out, checkpoint):
        keep_inputs(place, [args.pool])
    with refusing(ArrayFileError, CheckpointError):
        train_formulas.train(
            args.pool, args.out, checkpoint, steps=args.steps, batch=args.batch, width=args.width, seed=args.seed, every=args.every
        )
    print(f"wrote {args.out} and {args.out.with_suffix('.md').name}")
    return 0
