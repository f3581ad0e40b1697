"""A vector field of the plane or the torus, worked out once on a grid and read off between its points.

A field that does not change in time is asked for at every step of a dynamics; the network need be run on the grid only. The bilinear
rule is off by at most h^2/8 times the sum of the field's second derivatives along the axes, h the spacing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Field = Callable[[Tensor], Tensor]  # (N, 2) -> (N, 2)


@dataclass(frozen=True, eq=False)
class VectorTable:
    """values (M, M, 2) on the square [-half, half]^2 (row = y). periodic: the last point is followed by the first.

    Beyond the edge of a table that is not periodic the field is that of the nearest point of the edge.
    """

    values: Tensor
    half: float
    periodic: bool = False

    @classmethod
    def of(cls, field: Field, *, half: float, size: int = 256, periodic: bool = False, block: int = 8192) -> VectorTable:
        """`field` at size x size points, so many of them at a time."""
        points = grid_points(half, size, periodic=periodic)
        return cls(torch.cat([field(part) for part in points.split(block)]).reshape(size, size, 2), half, periodic)

    @property
    def spacing(self) -> float:
        return 2 * self.half / (len(self.values) - (0 if self.periodic else 1))

    def __call__(self, x: Tensor) -> Tensor:
        """(N, 2): the field at x (N, 2), bilinear between grid points; NaN where x is no number."""
        size = len(self.values)
        place = (x + self.half) / self.spacing
        place = place.remainder(size) if self.periodic else place.clamp(0, size - 1)
        low = place.floor()
        share = place - low
        low = low.nan_to_num(0.0).clamp(0, size - 1).long()  # rounding may give the far edge, a lost particle anything
        high = (low + 1).remainder(size) if self.periodic else (low + 1).clamp(max=size - 1)
        flat = self.values.reshape(-1, 2)
        (x0, y0), (x1, y1), (fx, fy) = low.unbind(1), high.unbind(1), share.split(1, 1)
        below = torch.lerp(flat[y0 * size + x0], flat[y0 * size + x1], fx)
        above = torch.lerp(flat[y1 * size + x0], flat[y1 * size + x1], fx)
        return torch.lerp(below, above, fy)

    def force(self, x: Tensor) -> Tensor:
        """The same: a table serves where a `Potential` is asked for its force."""
        return self(x)


def grid_points(half: float, size: int, *, periodic: bool = False) -> Tensor:
    """(size^2, 2) float32, row by row from the lowest y: the points of a table; those of a periodic one leave out the upper edges."""
    axis = (
        torch.linspace(-half, half, size + 1, dtype=torch.float64)[:-1]
        if periodic
        else torch.linspace(-half, half, size, dtype=torch.float64)
    )
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2).float()
