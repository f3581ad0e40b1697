"""The stage of `brownian`: walkers and heat kernel as a payload for the player."""

from __future__ import annotations

from functools import partial

import torch

from core.figures.payload import Panel, pack_player
from core.numerics.trajectory import Trajectory
from core.physics.brownian import heat_kernel, variance

WIDTHS = 4.0  # half the height of the view, in exact standard deviations at the end


def _exact(points: torch.Tensor, times: torch.Tensor, sigma: float) -> torch.Tensor:
    """(T, M): heat kernel of one coordinate; the spike at t = 0 is drawn as the first moment after it."""
    first = times[times > 0].min()
    return heat_kernel(points[None].double(), times.clamp(min=first)[:, None].double(), sigma)


def _cells(half: float, n: int) -> torch.Tensor:
    return -half + (torch.arange(n) + 0.5) * (2 * half / n)


def payload(trajectory: Trajectory, *, sigma: float, length: str = "", time: str = "", title: str = "") -> bytes:
    """Player payload: 1-D walks fan out over time, 2-D walks spread in the plane, the exact density behind.

    length, time: units for the axes, such as "µm" and "s"; empty for the walker without units.
    """
    times = trajectory.times
    half = WIDTHS * float(variance(times[-1], sigma)) ** 0.5
    x_label, y_label, t_label = (
        f"{name} ({unit})" if unit else name for name, unit in (("position x", length), ("position y", length), ("time t", time))
    )
    edge_to_edge = _exact(torch.linspace(-half, half, 129), times, sigma).float()
    walkers = partial(Panel, trajectory.positions, title=title, name="walkers", role="sample")
    if trajectory.dim == 1:
        panel = walkers(density=_exact(_cells(half, 160), times, sigma).float(), marginals_exact=edge_to_edge)
        return pack_player(
            [panel],
            times=times,
            mode="1d",
            bounds=(-half, half),
            x_label=t_label,
            y_label=x_label,
            time_label="time t",
            alt=f"{trajectory.n_particles} walkers start at zero and fan out; their histogram turns into a bell.",
        )
    cells = _exact(_cells(half, 56), times, sigma).float()
    panel = walkers(density=cells[:, :, None] * cells[:, None, :], marginals_exact=(edge_to_edge, edge_to_edge))
    return pack_player(
        [panel],
        times=times,
        bounds=(-half, half, -half, half),
        x_label=x_label,
        y_label=y_label,
        time_label="time t",
        trail=12,
        alt=f"{trajectory.n_particles} walkers start together and spread over the plane as a round cloud.",
    )
