"""The stage of `dimensions`: a ball and a Gaussian while coordinates are added; the clock is the dimension."""

from __future__ import annotations

import torch

from core.figures.payload import Panel, pack_player
from core.foundations.dimensions import ball_density, shell_density
from core.numerics.frames import cell_centres
from core.numerics.trajectory import Trajectory

HALF, CELLS = 1.75, 90


def payload(ball: Trajectory, gauss: Trajectory) -> bytes:
    """Player payload; behind the points the exact density of distances, wrapped around the circle."""
    bounds = (-HALF, HALF, -HALF, HALF)
    radius = cell_centres(bounds, CELLS, dtype=torch.float64).norm(dim=1)
    panels = []
    for title, name, run, density in (
        ("Ball: |x| / radius", "points", ball, ball_density),
        ("Gaussian: |x| / √d", "points", gauss, shell_density),
    ):
        behind = torch.stack([density(radius, d).reshape(CELLS, CELLS) for d in run.times.tolist()])
        panels.append(Panel(run.positions, title=title, name=name, role="sample", density=behind))
    return pack_player(
        panels,
        times=ball.times,
        bounds=bounds,
        time_label="dimension d",
        fps=12,
        marginals=False,
        alt="Points of a ball and of a Gaussian cloud at their true distances from the centre while dimensions are added: "
        "both clouds empty their middle and become thin rings.",
    )
