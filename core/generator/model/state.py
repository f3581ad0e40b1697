"""A batch of cells with the same number of atoms, as the process and the network see it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Cells(NamedTuple):
    """numbers (B, N) atomic numbers, frac (B, N, 3) in [0, 1), cell (B, 6) standardised log-metric."""

    numbers: Tensor
    frac: Tensor
    cell: Tensor


class Losses(NamedTuple):
    """What a network is told after a batch: mean errors of coordinates, cell and (where they are masked) species."""

    coords: Tensor
    lattice: Tensor
    species: Tensor
