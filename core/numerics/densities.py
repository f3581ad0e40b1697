"""Densities that stay exact at every noise level, and the named two-dimensional data sets made of them.

Every data set has mean near 0 and variance near 1 per axis, so that one noise scale suits them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from core.numerics.checks import one_of
from core.numerics.histogram import Histogram
from core.numerics.mixture import Density, GaussianMixture

__all__ = ["Density", "GaussianMixture", "Histogram", "DATASETS", "get_dataset", "get_mixture"]


def _unit(points: torch.Tensor, scale: float) -> GaussianMixture:
    """Equal narrow modes on `points` (K, 2), moved and stretched so that mean 0 and mean variance per axis 1."""
    points = points - points.mean(0)
    points = points * math.sqrt((1 - scale**2) / points.var(0, correction=0).mean())
    return GaussianMixture.of(1.0, points.float(), scale)


def three_modes(scale: float = 0.3) -> GaussianMixture:
    """Three round modes with weights 1/2, 0.3, 0.2."""
    angle = torch.tensor([90.0, 210.0, 330.0]).deg2rad()
    return GaussianMixture.of([0.5, 0.3, 0.2], 1.4 * torch.stack([angle.cos(), angle.sin()], 1), scale)


def ring(n_modes: int = 48, scale: float = 0.08) -> GaussianMixture:
    angle = torch.arange(n_modes, dtype=torch.float64) * 2 * math.pi / n_modes
    return _unit(torch.stack([angle.cos(), angle.sin()], 1), scale)


def two_moons(n_modes: int = 24, scale: float = 0.1) -> GaussianMixture:
    """Two interleaved half circles of `n_modes` Gaussians each."""
    angle = torch.linspace(0, math.pi, n_modes, dtype=torch.float64)
    upper = torch.stack([angle.cos(), angle.sin()], 1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], 1)
    return _unit(torch.cat([upper, lower]), scale)


def spirals(n_modes: int = 48, scale: float = 0.07, turns: float = 1.25) -> GaussianMixture:
    """Two arms, each `n_modes` Gaussians at equal distances along an Archimedean spiral."""
    fine = torch.linspace(0.2, 1, 4000, dtype=torch.float64)
    arm = torch.stack([fine * (2 * math.pi * turns * fine).cos(), fine * (2 * math.pi * turns * fine).sin()], 1)
    length = torch.cat([torch.zeros(1, dtype=torch.float64), arm.diff(dim=0).norm(dim=1).cumsum(0)])
    wanted = torch.linspace(0, 1, n_modes, dtype=torch.float64) * length[-1]
    arm = arm[torch.searchsorted(length, wanted).clamp(max=len(arm) - 1)]
    return _unit(torch.cat([arm, -arm]), scale)


def lattice(side: int = 4, scale: float = 0.1) -> GaussianMixture:
    """A square lattice of narrow Gaussians: what a crystal looks like to a diffusion model."""
    i = torch.arange(side, dtype=torch.float64)
    return _unit(torch.cartesian_prod(i, i), scale)


def checkerboard(side: int = 4) -> Histogram:
    """Every other square of a side x side board, uniform inside, exact edges."""
    half = math.sqrt(3.0)  # a uniform law on [-sqrt(3), sqrt(3)] has variance 1
    edges = torch.linspace(-half, half, side + 1)
    cells = torch.tensor([(i, j) for i in range(side) for j in range(side) if (i + j) % 2 == 0])
    return Histogram((edges, edges), cells, torch.full((len(cells),), 1.0 / len(cells)))


DATASETS: dict[str, Callable[[], GaussianMixture | Histogram]] = {
    "three modes": three_modes,
    "ring": ring,
    "two moons": two_moons,
    "spirals": spirals,
    "checkerboard": checkerboard,
    "lattice": lattice,
}


def get_dataset(name: str) -> GaussianMixture | Histogram:
    """The data set called `name`; ValueError if there is none."""
    one_of("data set", name, DATASETS)
    return DATASETS[name]()


def get_mixture(name: str) -> GaussianMixture:
    """The same for those that are Gaussian mixtures; ValueError for another."""
    density = get_dataset(name)
    if not isinstance(density, GaussianMixture):
        raise ValueError(f"data set {name!r} is not a Gaussian mixture")
    return density
