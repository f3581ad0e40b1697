"""A two-dimensional density known on a grid, exact at every noise level: for laws that have no other closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.numerics.mixture import LOG_2PI, Density
from core.numerics.schedules import Schedule

RESOLVED = 0.7  # a sum of Gaussians on a grid is smooth to 1e-4 when their width is this share of the spacing


@dataclass(frozen=True, eq=False)
class Tabulated(Density):
    """Weights (M, M) on the points of a square grid (row = y), blurred: p(x) = sum_ij w_ij N(x; scale a_ij, width^2 I).

    axis (M,) even; weights sum to 1. The double sum is two matrix products, p = A W A^T with A_kj = N(a_k; scale a_j, width^2); between
    grid points log p and the score are interpolated linearly. A width below RESOLVED grid spacings is raised to it. Beyond the edge of
    the grid the law goes on as the tail of a single Gaussian of that width.
    Raises ValueError on other shapes.
    """

    axis: Tensor
    weights: Tensor
    scale: float = 1.0
    blur: float = 0.0

    def __post_init__(self):
        if self.axis.ndim != 1 or self.weights.shape != (len(self.axis),) * 2:
            raise ValueError(f"weights {tuple(self.weights.shape)} need one row and column for each of {len(self.axis)} grid points")

    @classmethod
    def of(cls, log_density: Callable[[Tensor], Tensor], *, half: float = 4.0, size: int = 256) -> Tabulated:
        """From log p up to a constant, (N, 2) -> (N,), on [-half, half]^2; normalised there."""
        axis = torch.linspace(-half, half, size, dtype=torch.float64)
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
        return cls(axis, log_density(grid).double().softmax(0).reshape(size, size))

    @property
    def dim(self) -> int:
        return 2

    @property
    def spacing(self) -> float:
        return float(self.axis[1] - self.axis[0])

    @property
    def width(self) -> float:
        return max(self.blur, RESOLVED * self.scale * self.spacing)

    def fields(self) -> tuple[Tensor, Tensor, Tensor]:
        """p, dp/dx, dp/dy at the grid points, (M, M) each."""
        z = (self.axis[:, None] - self.scale * self.axis[None]) / self.width
        kernel = torch.exp(-0.5 * (z * z + LOG_2PI)) / self.width
        slope = kernel * (-z / self.width)
        along_x, slope_x = self.weights @ kernel.T, self.weights @ slope.T
        return kernel @ along_x, kernel @ slope_x, slope @ along_x

    def _at(self, x: Tensor, *tables: Tensor) -> Tensor:
        """(N, F): tables interpolated at x, which lies in the grid."""
        last = len(self.axis) - 1
        place = ((x.double() - self.axis[0]) / self.spacing).clamp(0, last - 1e-9)
        low = place.long()
        (fx, fy), (ix, iy) = (place - low).unbind(1), low.unbind(1)
        corners = ((iy, ix, (1 - fy) * (1 - fx)), (iy, ix + 1, (1 - fy) * fx), (iy + 1, ix, fy * (1 - fx)), (iy + 1, ix + 1, fy * fx))
        return torch.stack([sum(table[i, j] * share for i, j, share in corners) for table in tables], 1)

    def log_prob(self, x: Tensor) -> Tensor:
        (inside, beyond), (p, px, py) = self._edge(x), self.fields()
        p = p.clamp_min(1e-300)
        log_p, slope_x, slope_y = self._at(inside, p.log(), px / p, py / p).unbind(1)
        past = beyond[:, 0] * slope_x + beyond[:, 1] * slope_y - 0.5 * (beyond / self.width).square().sum(1)
        return (log_p + past).to(x.dtype)

    def score(self, x: Tensor) -> Tensor:
        p, px, py = self.fields()
        p = p.clamp_min(1e-300)
        inside, beyond = self._edge(x)
        return (self._at(inside, px / p, py / p) - beyond / self.width**2).to(x.dtype)

    def _edge(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, 2) moved into the grid, and by how much it was outside."""
        inside = x.double().clamp(float(self.axis[0]), float(self.axis[-1]))
        return inside, x.double() - inside

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        cell = torch.multinomial(self.weights.reshape(-1), n, replacement=True, generator=generator)
        points = torch.stack([self.axis[cell % len(self.axis)], self.axis[cell // len(self.axis)]], 1)
        inside = torch.rand(points.shape, generator=generator, dtype=torch.float64) - 0.5
        noise = torch.randn(points.shape, generator=generator, dtype=torch.float64)
        return (self.scale * (points + self.spacing * inside) + self.blur * noise).float()

    def diffused(self, schedule: Schedule, t: float) -> Tabulated:
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        return Tabulated(self.axis, self.weights, alpha * self.scale, math.hypot(alpha * self.blur, sigma))

    def mean(self, values: Callable[[Tensor], Tensor]) -> Tensor:
        """E[values(x)] of the weights themselves (scale 1, no blur): values (M*M, 2) -> (M*M, F)."""
        grid = torch.stack(torch.meshgrid(self.axis, self.axis, indexing="xy"), -1).reshape(-1, 2)
        return self.weights.reshape(-1) @ values(grid).double()
