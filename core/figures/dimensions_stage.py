"""The stage of `dimensions`: a ball and a Gaussian while coordinates are added, and what a method finds; the clock is the dimension."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.figures.dimensions import power
from core.figures.payload import Panel, pack_player
from core.foundations.dimensions import METHODS, Spent, affordable, ball_density, log_grid_points, peel_share, shell_density
from core.numerics.frames import cell_centres
from core.numerics.trajectory import Trajectory

HALF, CELLS = 1.75, 90
SHOWN = 600  # points of what a method found


def payload(ball: Trajectory, gauss: Trajectory, *, eps: float, method: str, found: Spent, per_axis: int = 10, fps: float = 12) -> bytes:
    """Player payload of three panels. Behind the points the exact density of distances, wrapped around the circle; of the ball, within
    eps of its surface. The third panel stands still: what `method` found in as many dimensions as the clock ends with; of a grid it
    says how many points per axis its looks paid for, and what `per_axis` of them would take.
    """
    bounds, d = (-HALF, HALF, -HALF, HALF), int(ball.times[-1])
    radius = cell_centres(bounds, CELLS, dtype=torch.float64).norm(dim=1)
    peel = (radius >= 1 - eps).double()
    dims = ball.times.tolist()
    in_peel = torch.stack([(peel * ball_density(radius, k)).reshape(CELLS, CELLS) for k in dims])
    shells = torch.stack([shell_density(radius, k).reshape(CELLS, CELLS) for k in dims])
    panels = [
        Panel(
            ball.positions,
            title=f"Ball, its peel at d = {d}: {_percent(float(peel_share(d, eps)))}",
            name="points",
            role="sample",
            density=in_peel,
            density_name="exact density in the peel",
        ),
        Panel(gauss.positions, title="Gaussian: |x| / √d", name="points", role="sample", density=shells),
        Panel(
            _points(found, d).expand(len(dims), -1, -1),
            title=f"{METHODS[method].capitalize()}, d = {d}" + _bought(method, found, d, per_axis),
            name="points",
            role="sample",
            density=shells[-1:],
        ),
    ]
    return pack_player(
        panels,
        times=ball.times,
        bounds=bounds,
        time_label="dimension d",
        fps=fps,
        marginals=False,
        alt="Points of a ball and of a Gaussian cloud at their true distances from the centre while dimensions are added: "
        f"both clouds empty their middle and become thin rings. Beside them, what the method ({METHODS[method]}) finds of the Gaussian.",
    )


def _bought(method: str, found: Spent, d: int, per_axis: int) -> str:
    """What the title of the third panel says of a grid, and of a method that found nothing."""
    if method == "grid":
        looks = power(float(log_grid_points(d, per_axis)) / math.log(10))
        return f": {affordable(d, found.looks)} per axis; {per_axis} would take {looks} looks"
    return "" if len(found.radii) else ": nothing"


def _points(found: Spent, d: int) -> Tensor:
    """(N, 2): SHOWN of the points by their weights, at |x|/sqrt(d) and angles that mean nothing; one that is nowhere if there are none."""
    if len(found.radii) == 0:
        return torch.full((1, 2), math.nan)
    generator = torch.Generator().manual_seed(1)
    place = (torch.arange(SHOWN, dtype=torch.float64) + 0.5) / SHOWN
    total = found.weights.cumsum(0)
    radii = found.radii[torch.searchsorted(total, place * total[-1]).clamp(max=len(total) - 1)] / math.sqrt(d)
    angle = 2 * math.pi * torch.rand(SHOWN, generator=generator, dtype=torch.float64)
    return (radii[:, None] * torch.stack([angle.cos(), angle.sin()], 1)).float()


def _percent(share: float) -> str:
    """A share in words that never round to all or nothing: 5 %, 99.4 %, over 99.9 %."""
    if share > 0.999:
        return "over 99.9 %"
    return f"{100 * share:.3g} %" if share >= 0.001 else "under 0.1 %"
