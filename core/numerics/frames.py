"""Exact densities of a diffusion on a grid, moment by moment, in units in which every schedule fits one picture."""

from __future__ import annotations

import torch
from torch import Tensor

from core.numerics.mixture import Density
from core.numerics.schedules import Schedule

Bounds = tuple[float, float, float, float]


def stage_scale(schedule: Schedule, times: Tensor) -> Tensor:
    """(T,): sqrt(alpha^2 + sigma^2), the width of x_t for data of unit variance; 1 everywhere for VP."""
    return torch.sqrt(schedule.alpha(times) ** 2 + schedule.sigma(times) ** 2)


def cell_centres(bounds: Bounds, shape: int | tuple[int, int], *, dtype: torch.dtype = torch.float32) -> Tensor:
    """(H*W, 2): centres of H x W cells over (x_min, x_max, y_min, y_max), row by row from y_min. shape: (H, W), or H = W.

    What is worked out here and reshaped to (H, W) is what the player draws.
    """
    height, width = (shape, shape) if isinstance(shape, int) else shape
    x_min, x_max, y_min, y_max = bounds
    x = x_min + (torch.arange(width, dtype=torch.float64) + 0.5) * (x_max - x_min) / width
    y = y_min + (torch.arange(height, dtype=torch.float64) + 0.5) * (y_max - y_min) / height
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2).to(dtype)


def density_frames(
    density: Density, path: Schedule, times: Tensor, bounds: Bounds, shape: int | tuple[int, int] = 96, *, on_stage: bool = False
) -> Tensor:
    """(T, H, W) float32: the exact p_t at the cell centres of a grid, row 0 at y_min.

    on_stage: the density of x_t / stage_scale.
    """
    height, width = (shape, shape) if isinstance(shape, int) else shape
    grid = cell_centres(bounds, shape)
    frames = []
    for t in times.tolist():
        scale = float(stage_scale(path, torch.tensor(t, dtype=torch.float64))) if on_stage else 1.0
        frames.append(density.diffused(path, t).log_prob(grid * scale).exp_().mul_(scale**2))
    return torch.stack(frames).reshape(len(frames), height, width)
