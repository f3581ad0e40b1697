"""The law p^(1/kT)/Z of a plane density on a grid, and its basins: which mode a place belongs to, and how much law it holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from core.numerics.mixture import Density

BARRIER = 0.5  # kT; thermal walkers step over anything lower, so it does not make two modes


@dataclass(frozen=True, eq=False)
class GridLaw:
    """p^(1/kT)/Z by quadrature on square cells; at kT = 1 it is p itself.

    log_p: (n, n) float64, ln of the normalised law at the cell centres, row 0 at y = -half. half: the grid spans +-half.
    log_z: ln of the integral that was divided out, 0 at kT = 1 for a normalised p up to what the grid cuts off.
    """

    log_p: Tensor
    half: float
    log_z: float

    @classmethod
    def of(cls, density: Density, *, kT: float = 1.0, half: float = 6.0, n: int = 200) -> GridLaw:
        """Raises ValueError unless kT > 0."""
        if not kT > 0:
            raise ValueError(f"a law needs kT > 0, got {kT:g}")
        axis = -half + (torch.arange(n, dtype=torch.float64) + 0.5) * (2 * half / n)
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
        exponent = density.to(torch.float32).log_prob(grid.float()).double() / kT
        log_z = float(exponent.logsumexp(0)) + 2 * math.log(2 * half / n)
        return cls((exponent - log_z).reshape(n, n), half, log_z)

    @property
    def n(self) -> int:
        return len(self.log_p)

    @property
    def cell(self) -> float:
        return 2 * self.half / self.n

    @cached_property
    def mass(self) -> Tensor:
        """(n, n): probability of each cell; sums to 1."""
        mass = self.log_p.exp() * self.cell**2
        return mass / mass.sum()

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, 2) float32: a cell by its probability, a place inside it evenly."""
        index = torch.multinomial(self.mass.reshape(-1), n, replacement=True, generator=generator)
        corner = torch.stack([index % self.n, index // self.n], 1)
        return ((corner + torch.rand(n, 2, generator=generator)) * self.cell - self.half).float()

    def marginal(self, axis: int, points: Tensor) -> Tensor:
        """(M,): density of one coordinate (0: x, 1: y) at `points`, linear between cell centres."""
        centres = (np.arange(self.n) + 0.5) * self.cell - self.half
        line = self.mass.sum(axis).numpy() / self.cell
        return torch.from_numpy(np.interp(points.numpy(), centres, line, left=0.0, right=0.0))

    def cells_of(self, x: Tensor) -> Tensor:
        """(N,): flat index of the cell that holds each point; what lies outside counts for the nearest cell."""
        place = ((x.double() + self.half) / self.cell).nan_to_num(0.0).floor().long().clamp(0, self.n - 1)
        return place[:, 1] * self.n + place[:, 0]


@dataclass(frozen=True, eq=False)
class Basins:
    """A partition of the plane by modes, heaviest first.

    peaks: (B, 2) where each mode is highest; mass: (B,) share of the law; label: (n*n,) which basin a cell belongs to.
    """

    law: GridLaw
    peaks: Tensor
    mass: Tensor
    label: Tensor

    def shares(self, x: Tensor) -> Tensor:
        """(B,): the share of the points x (N, 2) in each basin."""
        return self.label[self.law.cells_of(x)].bincount(minlength=len(self.mass)).double() / len(x)


def find_basins(law: GridLaw, *, barrier: float = BARRIER, negligible: float = 1e-3) -> Basins:
    """Cells join the basin of their highest neighbour; basins join over any saddle lower than `barrier` (in kT) above it.

    Cells are visited from the densest down. A cell with no visited neighbour founds a basin; one that touches two of them
    is the saddle between them, and the lower peak keeps its own basin only if it rises by `barrier` over the saddle
    (persistence: Chazal et al., J. ACM 60, 41 (2013)). Basins with less than `negligible` of the law join the nearest peak.
    """
    log_p, n = law.log_p.reshape(-1).numpy(), law.n
    order = np.argsort(-log_p, kind="stable")
    order = order[log_p[order] > log_p[order[0]] - 30]  # below e^-30 of the peak nothing is decided
    root = np.full(n * n, -1)
    padded = np.pad(np.arange(n * n).reshape(n, n), 1, constant_values=-1)
    around = np.stack([padded[1 + i : n + 1 + i, 1 + j : n + 1 + j].reshape(-1) for i, j in ((-1, 0), (0, -1), (0, 1), (1, 0))], 1)
    parent: dict[int, int] = {}

    def peak_of(cell: int) -> int:
        while parent[cell] != cell:
            parent[cell] = cell = parent[parent[cell]]
        return cell

    neighbours, height = around.tolist(), log_p.tolist()
    labels = root.tolist()
    for cell in order.tolist():
        touching = {peak_of(labels[k]) for k in neighbours[cell] if k >= 0 and labels[k] >= 0}
        if not touching:
            parent[cell] = labels[cell] = cell
            continue
        highest = max(touching, key=height.__getitem__)
        uphill = max((k for k in neighbours[cell] if k >= 0 and labels[k] >= 0), key=height.__getitem__)
        labels[cell] = peak_of(labels[uphill])
        for peak in touching - {highest}:
            if height[peak] - height[cell] < barrier:
                parent[peak] = highest
    known = np.array([peak_of(k) if k >= 0 else -1 for k in labels])
    mass = law.mass.reshape(-1).numpy()
    peaks = sorted(set(known[known >= 0].tolist()), key=lambda peak: -mass[known == peak].sum())
    peaks = [p for p in peaks if mass[known == p].sum() >= negligible] or peaks[:1]
    where = (torch.stack([torch.tensor(peaks) % n, torch.tensor(peaks) // n], 1) + 0.5) * law.cell - law.half
    number = np.full(n * n + 1, -1)
    number[peaks] = np.arange(len(peaks))
    label = torch.from_numpy(number[known])
    lost = (label < 0).nonzero()[:, 0]
    centres = (torch.stack([lost % n, lost // n], 1) + 0.5) * law.cell - law.half
    label[lost] = torch.cdist(centres.double(), where.double()).argmin(1) if len(lost) else label[lost]
    shares = torch.zeros(len(peaks), dtype=torch.float64).index_add_(0, label, law.mass.reshape(-1))
    return Basins(law, where, shares, label)
