"""Boltzmann laws of two-dimensional landscapes by quadrature: the exact answer that samples are held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from core.numerics.potentials import Potential


@dataclass(frozen=True, eq=False)
class GridLaw:
    """exp(-U/kT)/Z on the midpoints of even cells, float64; the midpoint rule converges faster than any power of the cell here.

    x (W,), y (H,): midpoints; probability (H, W), summing to 1, row 0 at the lowest y.
    """

    x: Tensor
    y: Tensor
    probability: Tensor

    @cached_property
    def cell(self) -> tuple[float, float]:
        """Width and height of a cell."""
        return float(self.x[1] - self.x[0]), float(self.y[1] - self.y[0])

    @property
    def edge_weight(self) -> float:
        """Probability of the outermost cells: what lies beyond the grid is of this order or less."""
        p = self.probability
        return float(p[0].sum() + p[-1].sum() + p[:, 0].sum() + p[:, -1].sum())

    def mean(self, f: Callable[[Tensor], Tensor]) -> float:
        """<f>, f: (N, 2) -> (N,)."""
        return float((f(self._points) * self.probability.reshape(-1)).sum())

    def marginal(self, axis: int) -> tuple[Tensor, Tensor]:
        """Midpoints and density (1/length) of x (axis 0) or y (axis 1)."""
        return (self.x, self.y)[axis], self.probability.sum(axis) / self.cell[axis]

    def cdf(self, value: Tensor, axis: int = 0) -> Tensor:
        """P(coordinate <= value), linear inside a cell."""
        at, density = self.marginal(axis)
        width = self.cell[axis]
        total = torch.cat([torch.zeros(1, dtype=density.dtype), (density * width).cumsum(0)])
        place = ((value.double() - at[0]) / width + 0.5).clamp(0, len(at))
        whole = place.floor().clamp(max=len(at) - 1).long()
        return torch.lerp(total[whole], total[whole + 1], place - whole)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, 2) float32: independent draws, uniform inside a cell."""
        index = torch.multinomial(self.probability.reshape(-1), n, replacement=True, generator=generator)
        jitter = (torch.rand(n, 2, generator=generator, dtype=torch.float64) - 0.5) * torch.tensor(self.cell, dtype=torch.float64)
        return (self._points[index] + jitter).float()

    @cached_property
    def _points(self) -> Tensor:
        return torch.stack(torch.meshgrid(self.x, self.y, indexing="xy"), -1).reshape(-1, 2)


def boltzmann_law(potential: Potential, kT: float, bounds: tuple[float, float, float, float], size: int = 240) -> GridLaw:
    """The law of `potential` at kT over bounds (x_low, x_high, y_low, y_high), size x size cells.

    Raises ValueError unless kT > 0. What lies outside the bounds is not counted: look at `edge_weight`.
    """
    if not kT > 0:
        raise ValueError(f"kT must be positive, got {kT:g}")
    x, y = (low + (torch.arange(size, dtype=torch.float64) + 0.5) * ((high - low) / size) for low, high in (bounds[:2], bounds[2:]))
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)
    return GridLaw(x, y, torch.softmax(-potential.energy(points) / kT, 0).reshape(size, size))
