"""The stage of `generative_models`: six families at work on the same noise, or one of them beside what it believes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch

from core.figures.payload import Panel, pack_player
from core.learning.generative_models import FAMILIES, belief, on_clock
from core.numerics.densities import get_dataset
from core.numerics.frames import cell_centres
from core.numerics.trajectory import Trajectory

HALF = 2.8
BOUNDS = (-HALF, HALF, -HALF, HALF)
CELLS, BELIEF_CELLS, FRAMES, MAX_RACE = 72, 48, 61, 200
LABEL = {"own pace": "share of the way", "race": "network evaluations"}


@lru_cache(maxsize=4)
def _exact(dataset: str) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Exact density (1, H, W) of the data and its marginals."""
    density = get_dataset(dataset)
    grid = cell_centres(BOUNDS, CELLS)
    line = torch.linspace(-HALF, HALF, 161)[:, None]
    of_x, of_y = (density.marginal(axis).log_prob(line).exp()[None].numpy() for axis in (0, 1))
    return density.log_prob(grid).exp().reshape(1, CELLS, CELLS).numpy(), (of_x, of_y)


@lru_cache(maxsize=16)
def _belief(dataset: str, family: str) -> np.ndarray | None:
    """Density (1, H, W) that the family gives the plane; None if it gives none."""
    own = belief(dataset=dataset, family=family, points=cell_centres(BOUNDS, BELIEF_CELLS))
    return None if own is None else own.reshape(1, BELIEF_CELLS, BELIEF_CELLS).numpy()


def moments(runs: Mapping[str, Trajectory], clock: str) -> torch.Tensor:
    """(M,): the readings of the clock at the frames."""
    if clock == "own pace":
        return torch.linspace(0, 1, FRAMES, dtype=torch.float64)
    last = int(max(float(run.times[-1]) for run in runs.values()))
    return torch.linspace(0, last, min(last, MAX_RACE) + 1, dtype=torch.float64)


def payload(runs: Mapping[str, Trajectory], *, dataset: str, clock: str) -> bytes:
    """Every family of `runs` on the exact density, on one clock."""
    density, _ = _exact(dataset)
    times = moments(runs, clock)
    panels = [Panel(on_clock(run, clock, times), title=FAMILIES[name].label, name="samples", density=density) for name, run in runs.items()]
    return pack_player(
        panels,
        times=times,
        bounds=BOUNDS,
        time_label=LABEL[clock],
        marginals=False,
        fps=20 if clock == "own pace" else 10,
        alt="Six families of generative models carry the same noise to the data, each on its own way.",
    )


def payload_of_one(run: Trajectory, *, dataset: str, family: str, clock: str, seed: int, n_drawn: int | None = None) -> bytes:
    """One family on the exact density; beside it exact data on what the model believes to be the density.

    n_drawn: of how many particles the run's are the first, and so the data shown; all of them by default.
    """
    density, marginals = _exact(dataset)
    times = moments({family: run}, clock)
    data = get_dataset(dataset).sample(n_drawn or run.n_particles, torch.Generator().manual_seed(seed))[: run.n_particles]
    own = _belief(dataset, family)
    label = FAMILIES[family].label
    beside = "It has no density" if own is None else "What it believes"
    panels = [
        Panel(on_clock(run, clock, times), title=f"{label}: what it makes", name="samples", density=density, marginals_exact=marginals),
        Panel(
            data.expand(len(times), -1, -1),
            title=beside,
            name="data",
            role="data",
            marginals_exact=marginals,
            density_role="sample",
            density_name=f"density of the {label} model",
            density=own,
        ),
    ]
    return pack_player(
        panels,
        times=times,
        bounds=BOUNDS,
        x_label="x₁",
        y_label="x₂",
        time_label=LABEL[clock],
        fps=20 if clock == "own pace" else 10,
        alt=f"{label} carries noise to the data; beside it the density that it believes in.",
    )
