"""The stage of `score_matching`: the exact score and the learned one carry the same noise back to data; behind it, where it errs."""

from __future__ import annotations

import torch

from core.figures.payload import Panel, pack_player
from core.learning.score_matching import SCHEDULE, Snapshot, data, plane_errors
from core.numerics.frames import cell_centres
from core.numerics.trajectory import Trajectory, held_frames

HALF = 3.0
BOUNDS = (-HALF, HALF, -HALF, HALF)
CELLS, ARROWS, MOMENTS = 48, 13, 24


def exact_scene(dataset: str, times: torch.Tensor) -> dict:
    """Exact density, marginals and score at some moments, held in between; depends on no network: cache it."""
    keys, held = held_frames(len(times), MOMENTS)
    laws = [data(dataset).diffused(SCHEDULE, t) for t in times[keys].tolist()]
    density = torch.stack([law.log_prob(cell_centres(BOUNDS, CELLS)).exp() for law in laws]).reshape(-1, CELLS, CELLS)
    arrows = torch.stack([law.score(cell_centres(BOUNDS, ARROWS)) for law in laws]).reshape(-1, ARROWS, ARROWS, 2)
    cell = 2 * HALF / CELLS
    return {
        "density": density[held],
        "arrows": arrows[held],
        "marginals_exact": ((density.sum(1) * cell)[held], (density.sum(2) * cell)[held]),
    }


def payload(shot: Snapshot, exact: Trajectory, learned: Trajectory, scene: dict) -> bytes:
    """Two panels on one clock. The second shows the learned arrows and sigma |s - exact| behind the particles, each frame on its scale."""
    dataset = shot.settings.dataset
    keys, held = held_frames(learned.n_frames, MOMENTS)
    moments = learned.times[keys]
    error = plane_errors(shot.field, dataset, moments, cell_centres(BOUNDS, CELLS)).reshape(-1, CELLS, CELLS)
    with torch.no_grad():
        arrows = torch.stack([shot.field(cell_centres(BOUNDS, ARROWS), torch.full((1, 1), t)) for t in moments.tolist()])
    arrows = arrows.reshape(-1, ARROWS, ARROWS, 2)
    name = f"network after {shot.step:,} steps" if shot.step else "untrained network"
    panels = [
        Panel(exact.positions, title="exact score", name="particles", role="data", arrow_role="score", **scene),
        Panel(
            learned.positions,
            title=name,
            name="particles, learned score",
            role="sample",
            arrow_role="score",
            arrows=arrows[held],
            density=error.clamp(max=3.0)[held],
            density_name="error of the score",
            density_role="accent",
            marginals_exact=scene["marginals_exact"],
        ),
    ]
    return pack_player(
        panels,
        times=exact.times,
        bounds=BOUNDS,
        x_label="x₁",
        y_label="x₂",
        time_label="time t",
        alt="Particles walk from noise to data, led by the exact score on the left and by the network on the right; the "
        "error of the network is drawn behind them.",
    )
