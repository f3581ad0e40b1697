"""Train the autoencoder, then the same denoiser in its latent space and in pixels: python -m core.learning.train_latent.

Seeded; the pictures are POOL exact draws, made in two seconds at the start; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import nn

from core.learning import lattice_images
from core.learning.latent_networks import LATENT, PIXELS, labelled_loss, networks, save_networks, weights_path
from core.numerics.randomness import seeded
from core.numerics.training import Trainer, TrainingPlan

BATCH, POOL = 256, 16384
STEPS = {"autoencoder": 1500, "latent": 2500, "pixel": 2500}


@torch.no_grad()
def trainer(name: str, made: dict[str, nn.Module], *, steps: int, batch: int = BATCH, pool: int = POOL, seed: int = 0) -> Trainer:
    """A trainer of one of the networks; "latent" needs a trained autoencoder in `made`."""
    pictures, kinds = lattice_images.sample(pool, torch.Generator().manual_seed(seed))
    seen = made["autoencoder"].encode(pictures) if name == "latent" else pictures

    def some(generator):
        return torch.randint(pool, (batch,), generator=generator)

    def autoencoder(net, generator):
        return net.loss(seen[some(generator)], generator)

    def denoiser(net, generator):
        at = some(generator)
        return labelled_loss(net, seen[at], kinds[at], generator)

    plan = TrainingPlan(n_steps=steps, learning_rate=2e-3, ema=0.998, seed=seed)
    return Trainer(made[name], autoencoder if name == "autoencoder" else denoiser, plan)


def model_card(made: dict[str, nn.Module], seconds: dict[str, float], steps: dict[str, int]) -> str:
    """Markdown: what, from what, how."""
    rows = "\n".join(
        f"| {name} | {sum(p.numel() for p in net.parameters()):,} | {steps[name]:,} | {seconds[name]:.0f} |" for name, net in made.items()
    )
    return f"""# Latent diffusion of lattice pictures

What it is: an autoencoder ({PIXELS} pixels <-> {LATENT} numbers) and one denoiser shape trained twice, on its latents and on raw pixels
(`core.learning.latent_networks`), stored in half precision.

Data: {POOL:,} pictures from `core.learning.lattice_images`, made at the start; nothing downloaded.

| network | weights | steps of {BATCH} pictures | processor seconds |
|---|---|---|---|
{rows}

Adam, learning rate 0.002 with cosine decay, averaged weights (decay 0.998), seed 0; a fifth of the points come without their word.
Reproduce:

    python -m core.learning.train_latent

The page measures distance to the exact law, its floor, the answer to the word and the cost per picture live.

Limits: {lattice_images.SIDE} x {lattice_images.SIDE} pixels, one atom kind, four kinds of lattice.
"""


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m core.learning.train_latent", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="weights file (default: assets/models/latent_lattices.safetensors)")
    parser.add_argument("--steps", type=int, help="for each network, instead of its own budget")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.steps is not None and args.steps < 1:
        parser.error("--steps must be at least 1")
    torch.set_num_threads(1)
    out = args.out or weights_path()
    out.parent.mkdir(parents=True, exist_ok=True)
    with seeded(args.seed):
        made = networks()
    seconds, steps = {}, {name: args.steps or STEPS[name] for name in made}
    for name in made:
        run, start = trainer(name, made, steps=steps[name], seed=args.seed), time.process_time()
        run.run_aloud(name)
        made[name] = run.averaged.eval()
        if name == "autoencoder":
            made[name].to_unit(lattice_images.sample(4096, torch.Generator().manual_seed(args.seed + 1))[0])
        seconds[name] = round(time.process_time() - start, 1)
    save_networks(made, out, seconds)
    out.with_suffix(".md").write_text(model_card(made, seconds, steps))
    print(f"wrote {out.name}: {sum(seconds.values()):.0f} s of processor time")


if __name__ == "__main__":
    main()
