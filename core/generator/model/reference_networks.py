"""Three small networks that answer one question, where each atom should go, with three amounts of built-in symmetry.

| network | sees                                              | source                                        |
|---------|---------------------------------------------------|-----------------------------------------------|
| MLP     | Cartesian positions and cell, in a fixed order    |                                               |
| EGNN    | distances between the atoms as they are listed    | Satorras et al. 2021 (arXiv 2102.09844), eq. 3-6 |
| CSPNet  | sin, cos of 2 pi k (f_j - f_i) and L L^T          | Jiao et al. 2023 (DiffCSP, arXiv 2309.04475)   |

All map numbers (B, N), frac (B, N, 3), lattice (B, 3, 3) in Å (rows) to Cartesian displacements (B, N, 3) in Å. The weights are
random, drawn from a seed: a symmetry that holds for random weights holds for every training. FLAWS names one slip each.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.numerics.randomness import seeded
from core.structures.elements import element_features

FLAWS = ("none", "absolute positions", "raw differences", "bare lattice")


def _mlp(n_in: int, width: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, width), nn.SiLU(), nn.Linear(width, n_out))


class MLP(nn.Module):
    """Everything in one row, everything out of it: no symmetry at all."""

    properties: Tensor

    def __init__(self, n_atoms: int, width: int = 64):
        super().__init__()
        self.register_buffer("properties", torch.tensor(element_features()))
        self.net = nn.Sequential(
            nn.Linear(n_atoms * (3 + self.properties.shape[1]) + 9, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 3 * n_atoms),
        )

    def forward(self, numbers: Tensor, frac: Tensor, lattice: Tensor) -> Tensor:
        seen = torch.cat([(frac @ lattice).flatten(1), lattice.flatten(1), self.properties[numbers].flatten(1)], dim=1)
        return self.net(seen).view_as(frac)


class EGNN(nn.Module):
    """m_ij = phi_e(h_i, h_j, |x_i - x_j|^2); x_i += mean_j (x_i - x_j) phi_x(m_ij); h_i += phi_h(h_i, mean_j m_ij).

    It knows nothing of the cell: an atom listed at the other wall is far away. flaw "absolute positions": h starts with x_i.
    """

    properties: Tensor

    def __init__(self, width: int = 32, depth: int = 3, flaw: str = "none"):
        super().__init__()
        self.register_buffer("properties", torch.tensor(element_features()))
        self.absolute = flaw == "absolute positions"
        self.embed = nn.Linear(self.properties.shape[1] + 3 * self.absolute, width)
        self.edge = nn.ModuleList(_mlp(2 * width + 1, width, width) for _ in range(depth))
        self.move = nn.ModuleList(_mlp(width, width, 1) for _ in range(depth))
        self.node = nn.ModuleList(_mlp(2 * width, width, width) for _ in range(depth))

    def forward(self, numbers: Tensor, frac: Tensor, lattice: Tensor) -> Tensor:
        x = start = frac @ lattice
        seen = self.properties[numbers]
        h = self.embed(torch.cat([seen, x / 5], dim=-1) if self.absolute else seen)
        n = x.shape[1]
        for edge, move, node in zip(self.edge, self.move, self.node, strict=True):
            apart = x.unsqueeze(2) - x.unsqueeze(1)
            squared = apart.square().sum(-1, keepdim=True)
            m = edge(torch.cat([h.unsqueeze(2).expand(-1, n, n, -1), h.unsqueeze(1).expand(-1, n, n, -1), squared.log1p()], dim=-1))
            x = x + (apart * move(m)).mean(2)
            h = h + node(torch.cat([h, m.mean(2)], dim=-1))
        return x - start


class CSPNet(nn.Module):
    """m_ij = phi_m(h_i, h_j, L L^T, psi(f_j - f_i)); h_i += phi_h(h_i, mean_j m_ij); the answer is phi_F(h_i) in fractions of the cell.

    psi: sin and cos of 2 pi k (f_j - f_i). flaw "raw differences": f_j - f_i itself; "bare lattice": L in place of L L^T.
    """

    properties: Tensor
    k: Tensor

    def __init__(self, width: int = 32, depth: int = 3, frequencies: int = 4, flaw: str = "none"):
        super().__init__()
        self.register_buffer("properties", torch.tensor(element_features()))
        self.register_buffer("k", 2 * math.pi * torch.arange(1, frequencies + 1))
        self.flaw = flaw
        size = 3 if flaw == "raw differences" else 6 * frequencies
        self.embed = nn.Linear(self.properties.shape[1], width)
        self.edge = nn.ModuleList(_mlp(2 * width + 9 + size, width, width) for _ in range(depth))
        self.node = nn.ModuleList(_mlp(2 * width, width, width) for _ in range(depth))
        self.out = nn.Linear(width, 3, bias=False)

    def forward(self, numbers: Tensor, frac: Tensor, lattice: Tensor) -> Tensor:
        n = frac.shape[1]
        difference = frac.unsqueeze(1) - frac.unsqueeze(2)  # (B, N, N, 3): f_j - f_i
        phase = (difference.unsqueeze(-1) * self.k).flatten(-2)
        pair = difference if self.flaw == "raw differences" else torch.cat([phase.sin(), phase.cos()], dim=-1)
        cell = lattice / 5 if self.flaw == "bare lattice" else lattice @ lattice.mT / 25
        cell = cell.flatten(1)[:, None, None].expand(-1, n, n, -1)
        h = self.embed(self.properties[numbers])
        for edge, node in zip(self.edge, self.node, strict=True):
            m = edge(torch.cat([h.unsqueeze(2).expand(-1, n, n, -1), h.unsqueeze(1).expand(-1, n, n, -1), cell, pair], dim=-1))
            h = h + node(torch.cat([h, m.mean(2)], dim=-1))
        return self.out(h) @ lattice


def build(n_atoms: int, *, flaw: str = "none", seed: int = 0) -> dict[str, nn.Module]:
    """The three with weights from `seed`, for cells of n_atoms. Raises ValueError for an unknown flaw."""
    if flaw not in FLAWS:
        raise ValueError(f"flaw {flaw!r} is none of {', '.join(FLAWS)}")
    with seeded(seed):
        made = {"MLP": MLP(n_atoms), "EGNN": EGNN(flaw=flaw), "CSPNet": CSPNet(flaw=flaw)}
    return {name: network.eval().requires_grad_(False) for name, network in made.items()}
