"""A two-dimensional density known on a grid, exact at every noise level: for laws that have no other closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from core.numerics.mixture import LOG_2PI, Density
from core.numerics.schedules import Schedule

RESOLVED = 0.7  # a sum of Gaussians on a grid is smooth to 1e-4 when their width is this share of the spacing
FINE = 8  # grid spacings in a width beyond which every second point, every third, ... serves as well


@dataclass(frozen=True, eq=False)
class Tabulated(Density):
    """Weights (M, M) on the points of a square grid (row = y), blurred: p(x) = sum_ij w_ij N(x; scale a_ij, width^2 I).

    axis (M,) even; weights sum to 1. The double sum is two matrix products, p = A W A^T with A_kj = N(a_k; scale a_j, width^2); between
    grid points log p and the score are interpolated linearly. A width below RESOLVED grid spacings is raised to it; one of more than FINE
    is computed on a coarser grid (`diffused`). Beyond the edge of the grid the law goes on as the tail of a single Gaussian of that width.
    Raises ValueError on other shapes.
    """

    axis: Tensor
    weights: Tensor
    scale: float = 1.0
    blur: float = 0.0

    def __post_init__(self) -> None:
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

    def fields(self, xs: Tensor | None = None, ys: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """p, dp/dx, dp/dy, exact at the points of the grid xs (W,) times ys (H,), by default the law's own: (H, W) each, row = y."""

        def kernel(at: Tensor) -> tuple[Tensor, Tensor]:
            z = (at.double()[:, None] - self.scale * self.axis[None]) / self.width
            value = torch.exp(-0.5 * (z * z + LOG_2PI)) / self.width
            return value, value * (-z / self.width)

        (in_x, slope_x), (in_y, slope_y) = (kernel(self.axis if at is None else at) for at in (xs, ys))
        along_x = self.weights @ in_x.T
        return in_y @ along_x, in_y @ (self.weights @ slope_x.T), slope_y @ along_x

    def _at(self, x: Tensor, tables: Callable[..., tuple[Tensor, ...]]) -> Tensor:
        """(N, F): tables(p, dp/dx, dp/dy) interpolated at x (N, 2), which lies in the grid; computed only around x."""
        last = len(self.axis) - 1
        place = ((x - self.axis[0]) / self.spacing).nan_to_num(0.0).clamp(0, last - 1e-9)
        low = place.long()
        first, end = low.amin(0), low.amax(0) + 2
        p, px, py = self.fields(*(self.axis[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True)))
        (fx, fy), (ix, iy) = (place - low).unbind(1), (low - first).unbind(1)
        corners = ((iy, ix, (1 - fy) * (1 - fx)), (iy, ix + 1, (1 - fy) * fx), (iy + 1, ix, fy * (1 - fx)), (iy + 1, ix + 1, fy * fx))
        found = (reduce(torch.add, (table[i, j] * share for i, j, share in corners)) for table in tables(p.clamp_min(1e-300), px, py))
        return torch.stack(list(found), 1)

    def log_prob(self, x: Tensor) -> Tensor:
        inside, beyond = self._edge(x)
        log_p, slope_x, slope_y = self._at(inside, lambda p, px, py: (p.log(), px / p, py / p)).unbind(1)
        past = beyond[:, 0] * slope_x + beyond[:, 1] * slope_y - 0.5 * (beyond / self.width).square().sum(1)
        return (log_p + past).to(x.dtype)

    def score(self, x: Tensor) -> Tensor:
        inside, beyond = self._edge(x)
        return (self._at(inside, lambda p, px, py: (px / p, py / p)) - beyond / self.width**2).to(x.dtype)

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
        blur = math.hypot(alpha * self.blur, sigma)
        every = max(1, int(blur / (FINE * self.spacing)))
        weights = self.weights[::every, ::every]
        return Tabulated(self.axis[::every], weights if every == 1 else weights / weights.sum(), alpha * self.scale, blur)

    def mean(self, values: Callable[[Tensor], Tensor]) -> Tensor:
        """E[values(x)] of the weights themselves (scale 1, no blur): values (M*M, 2) -> (M*M, F)."""
        grid = torch.stack(torch.meshgrid(self.axis, self.axis, indexing="xy"), -1).reshape(-1, 2)
        return self.weights.reshape(-1) @ values(grid).double()
