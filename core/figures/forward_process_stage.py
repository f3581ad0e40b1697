"""The stage of `forward_process`: stepped and jumped particles over the exact p_t, in one place on one clock, for the player."""

from __future__ import annotations

import torch

from core.figures.payload import Panel, pack_player
from core.learning.forward_process import clock
from core.numerics.densities import get_dataset
from core.numerics.frames import density_frames, stage_scale
from core.numerics.trajectory import Trajectory, held_frames

HALF = 3.2
BOUNDS = (-HALF, HALF, -HALF, HALF)
CELLS, MOMENTS, EDGES = 72, 40, 97
RULES = {"Euler": "stepped, Euler", "transition": "stepped, exact transition"}


def background(dataset: str, schedule: str, variant: str, times: torch.Tensor, *, n_moments: int = MOMENTS) -> dict:
    """Exact density (T, H, W) and marginals of x_t / stage_scale, at n_moments of the times and held in between. Cache it."""
    keys, held = held_frames(len(times), n_moments)
    moments, path, data = times[keys], clock(schedule, variant), get_dataset(dataset)
    density = density_frames(data, path, moments, BOUNDS, CELLS, on_stage=True)
    edges = torch.linspace(-HALF, HALF, EDGES)[:, None]
    marginals = []
    for axis in (0, 1):
        rows = []
        for t, scale in zip(moments.tolist(), stage_scale(path, moments).tolist()):
            rows.append(data.marginal(axis).diffused(path, t).log_prob(edges * scale).exp() * scale)
        marginals.append(torch.stack(rows)[held])
    return {"density": density[held], "marginals_exact": tuple(marginals)}


def payload(stepped: Trajectory, jumped: Trajectory, scene: dict, *, rule: str = "Euler", scaled: bool = False) -> bytes:
    """Player payload of two runs on stage, one over the other.

    scaled: say on the axes that they are x / sqrt(alpha^2 + sigma^2), which is x only for VP.
    """
    panels = [
        Panel(stepped.positions, name=RULES[rule], role="sample", **scene),
        Panel(jumped.positions, name="jumped: α x₀ + σ ε", role="data"),
    ]
    names = ("x₁ / √(α²+σ²)", "x₂ / √(α²+σ²)") if scaled else ("x₁", "x₂")
    return pack_player(
        panels,
        times=stepped.times,
        bounds=BOUNDS,
        x_label=names[0],
        y_label=names[1],
        time_label="time t",
        overlay=True,
        fps=24,
        alt="Two crowds leave the data together, one step by step and one by jumps; both dissolve into the same Gaussian cloud.",
    )
