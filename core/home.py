"""The chain on the home page: the same particles walk, settle, dissolve and come back; then a crystal grows.

Three links in one payload, on one clock: Brownian motion from a point, Langevin dynamics in the landscape of the
data, and the reverse process from noise to the data. The data are the sites of a small square crystal.
"""

from __future__ import annotations

import torch

from core.crystals import generation
from core.figures.crystal_payload import pack_crystals
from core.figures.payload import Panel, pack_player
from core.generator.registry import ModelMissing
from core.learning import reverse_process
from core.numerics.densities import DATASETS
from core.numerics.integrators import euler_maruyama
from core.numerics.sde import SDE
from core.numerics.trajectory import Trajectory, collect
from core.physics import brownian

__all__ = ["ModelMissing", "chain_payload", "crystal_payload"]

BOUNDS = (-3.0, 3.0, -3.0, 3.0)
DATASET = "lattice"


def _langevin(*, n_particles: int, n_steps: int, t_end: float, seed: int, n_frames: int) -> Trajectory:
    """dx = grad log p dt + sqrt(2) dB towards the data, from a broad Gaussian. Roberts & Tweedie, Bernoulli 2, 341 (1996)."""
    generator = torch.Generator().manual_seed(seed)
    density = DATASETS[DATASET]()
    langevin = SDE(drift=lambda x, t: density.score(x), diffusion=lambda t: 2.0**0.5)
    start = 1.2 * torch.randn(n_particles, 2, generator=generator)
    times = torch.linspace(0, t_end, n_steps + 1)
    return collect(euler_maruyama(langevin, start, times, generator=generator), times, n_frames=n_frames)


def chain_payload(*, seed: int, n_particles: int = 1500, n_frames: int = 120) -> bytes:
    """Player payload of the three two-dimensional links."""
    walk = brownian.sample(
        step="gaussian", sigma=1.0, t_end=1.0, n_steps=n_frames - 1, n_particles=n_particles, dim=2, seed=seed, n_frames=n_frames
    )
    settle = _langevin(n_particles=n_particles, n_steps=4 * (n_frames - 1), t_end=0.5, seed=seed, n_frames=n_frames)
    back = reverse_process.sample(
        dataset=DATASET,
        schedule="cosine",
        method="ODE Heun",
        score="exact",
        n_steps=n_frames - 1,
        n_particles=n_particles,
        seed=seed,
        n_frames=n_frames,
    )
    panels = [
        Panel(walk.positions, title="1 · A walk forgets", role="noise"),
        Panel(settle.positions, title="2 · A force orders", role="sample"),
        Panel(back.positions, title="3 · The score returns", role="sample"),
    ]
    return pack_player(
        panels,
        times=walk.times,
        mode="2d",
        bounds=BOUNDS,
        time_label="clock",
        marginals=False,
        alt="Three clouds of particles on one clock: diffusing, settling on a lattice by Langevin dynamics, and "
        "returning from noise to the lattice by the reverse process.",
    )


def crystal_payload(*, seed: int, formula: str = "Sr1 Ti1 O3") -> bytes:
    """Crystal-player payload of the last link: one structure grown by the shipped model. Raises ModelMissing."""
    trajectories = generation.sample("perov5", [formula], seed=seed, n_frames=51)
    return pack_crystals(trajectories, titles=["4 · A crystal grows"], alt=f"{formula} growing from noise", loop=True)
