"""Train the autoencoder, then the same denoiser in its latent space and in pixels (`n2c train latent`).

Seeded; the pictures are POOL exact draws, made in two seconds at the start; nothing is downloaded.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import Tensor, nn

from core.learning import lattice_images
from core.learning.latent_networks import (
    LATENT,
    PIXELS,
    Autoencoder,
    LabelledNetwork,
    autoencoder,
    labelled_loss,
    networks,
    save_networks,
)
from core.numerics.cards import Card, table
from core.numerics.networks import n_parameters
from core.numerics.randomness import seeded
from core.numerics.training import Trainer, TrainingPlan

BATCH, POOL = 256, 16384
STEPS = {"autoencoder": 1500, "latent": 2500, "pixel": 2500}


@torch.no_grad()
def trainer(name: str, made: dict[str, nn.Module], *, steps: int, batch: int = BATCH, pool: int = POOL, seed: int = 0) -> Trainer:
    """A trainer of one of the networks; "latent" needs a trained autoencoder in `made`."""
    pictures, kinds = lattice_images.sample(pool, torch.Generator().manual_seed(seed))
    seen = autoencoder(made).encode(pictures) if name == "latent" else pictures

    def some(generator: torch.Generator) -> Tensor:
        return torch.randint(pool, (batch,), generator=generator)

    def of_autoencoder(net: Autoencoder, generator: torch.Generator) -> Tensor:
        return net.loss(seen[some(generator)], generator)

    def of_denoiser(net: LabelledNetwork, generator: torch.Generator) -> Tensor:
        at = some(generator)
        return labelled_loss(net, seen[at], kinds[at], generator)

    plan = TrainingPlan(n_steps=steps, learning_rate=2e-3, ema=0.998, seed=seed)
    return Trainer(made[name], of_autoencoder if name == "autoencoder" else of_denoiser, plan)


def model_card(made: dict[str, nn.Module], seconds: dict[str, float], steps: dict[str, int], seed: int) -> str:
    """Markdown: what, from what, how."""
    rows = [(name, f"{n_parameters(net):,}", f"{steps[name]:,}", f"{seconds[name]:.0f}") for name, net in made.items()]
    return Card(
        "Latent diffusion of lattice pictures",
        f"An autoencoder ({PIXELS} pixels <-> {LATENT} numbers) and one denoiser shape trained twice, on its latents and on raw pixels.",
        {
            "Network": "`core.learning.latent_networks`, stored in half precision.",
            "Data": f"{POOL:,} pictures from `core.learning.lattice_images`, made at the start; nothing downloaded.",
            "Training": f"Adam, learning rate 0.002 with cosine decay, averaged weights (decay 0.998), seed {seed}; a fifth of the points "
            "come without their word.",
        },
        f"{lattice_images.SIDE} x {lattice_images.SIDE} pixels, one atom kind, four kinds of lattice.",
        networks=table(("network", "weights", f"steps of {BATCH} pictures", "processor seconds"), rows),
        command="n2c train latent",
        measured=("The page measures distance to the exact law, its floor, the answer to the word and the cost per picture live.",),
    ).markdown()


def train(out: Path, *, steps: int | None = None, seed: int = 0) -> dict[str, float]:
    """Write the weights `out` and the card beside them; returns the processor seconds of every network. steps: instead of STEPS."""
    with seeded(seed):
        made = networks()
    seconds, budgets = {}, {name: steps or STEPS[name] for name in made}
    for name in made:
        run, start = trainer(name, made, steps=budgets[name], seed=seed), time.process_time()
        run.run_aloud(name)
        made[name] = run.averaged
        if name == "autoencoder":
            autoencoder(made).to_unit(lattice_images.sample(4096, torch.Generator().manual_seed(seed + 1))[0])
        seconds[name] = round(time.process_time() - start, 1)
    save_networks(made, out, seconds)
    out.with_suffix(".md").write_text(model_card(made, seconds, budgets, seed))
    return seconds
