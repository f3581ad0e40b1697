"""Crystal flow matching: straight paths from noise to the crystal, and one step along the learned velocity.

part          path at time t (0 = crystal, 1 = noise)                       velocity u = d/dt
coordinates   f_t = f_0 + t d mod 1, d = shortest(f_1 - f_0), f_1 uniform    d, mean over the atoms removed
cell          x_t = (1 - t) x_0 + t eps                                      eps - x_0
species       kept (the formula is given)

The network is the one of the diffusion model; only what its two outputs mean differs: `coords` and `lattice` are the
velocities in units of their own spread. With the mean of many paths as its target it learns the velocity of the
marginal law (Lipman et al. 2023, eq. 9; on the torus Chen & Lipman 2024, and for crystals Miller et al. 2024, FlowMM).

equation                                                       name
x_{t - h} = x_t - h u(x_t, t)                                  Flow.step
h = min((1 + sharpen (1 - t)) (t - t_next), t)                 anti-annealing of the coordinates, never past t = 0
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from core.crystals.network import Denoiser, Prediction
from core.crystals.state import Cells, Losses
from core.numerics.torus import shortest, wrap

COORDS_SPREAD = 12**-0.5  # of a uniform displacement in [-1/2, 1/2)
CELL_SPREAD = 2**0.5


@dataclass(frozen=True)
class Flow:
    """lattice_weight: of the cell's loss beside that of the coordinates, both about 1 for a network that says nothing."""

    lattice_weight: float = 0.5

    def noise(self, clean: Cells, t: Tensor, *, generator: torch.Generator, shared: bool = False) -> tuple[Cells, Prediction]:
        """A draw of x_t given x_0, and what the network should say about it; t (B,). shared: one draw for all cells."""
        batch = 1 if shared else len(clean.frac)
        end = torch.rand(batch, *clean.frac.shape[1:], generator=generator).expand_as(clean.frac)
        eps = torch.randn(batch, 6, generator=generator).expand_as(clean.cell)
        return self.between(clean, Cells(clean.numbers, end, eps), t)

    def between(self, clean: Cells, noise: Cells, t: Tensor) -> tuple[Cells, Prediction]:
        """The point at t (B,) of the straight path from `clean` to `noise`, and its velocity in the network's units."""
        d = shortest(clean.frac, noise.frac)
        state = Cells(clean.numbers, wrap(clean.frac + t[:, None, None] * d),
                      (1 - t[:, None]) * clean.cell + t[:, None] * noise.cell)
        d = d - d.mean(1, keepdim=True)  # the density does not depend on the origin
        return state, Prediction(d / COORDS_SPREAD, (noise.cell - clean.cell) / CELL_SPREAD, torch.empty(0))

    def loss(self, network: Denoiser, clean: Cells, t: Tensor, *, generator) -> Losses:
        """Mean squared errors of coordinates and cell, each about 1 for a network that says nothing."""
        state, target = self.noise(clean, t, generator=generator)
        said = network(state.numbers, state.frac, state.cell, t)
        return Losses(F.mse_loss(said.coords, target.coords), F.mse_loss(said.lattice, target.lattice), torch.zeros(()))

    def total(self, losses: Losses) -> Tensor:
        """What training makes small."""
        return losses.coords + self.lattice_weight * losses.lattice

    def start(self, clean: Cells, t: Tensor, *, noise) -> Cells:
        """A known crystal blurred to the time t (a number): where a refinement begins."""
        end = Cells(clean.numbers, noise.uniform(*clean.frac.shape[1:]), noise.normal(6))
        return self.between(clean, end, t.expand(len(clean.frac)))[0]

    def step(self, state: Cells, said: Prediction, t: Tensor, t_next: Tensor, *, config, noise) -> Cells:
        """x_t -> x_{t_next}: Euler along the velocity. `config.sharpen` speeds the coordinates up, see the table above."""
        h = t - t_next
        stride = torch.minimum((1 + config.sharpen * (1 - t)) * h, t)
        return Cells(state.numbers, wrap(state.frac - stride * COORDS_SPREAD * said.coords),
                     state.cell - h * CELL_SPREAD * said.lattice)

    def path(self, clean: Cells, times: Tensor, *, noise) -> list[Cells]:
        """The states at ascending `times` of one path that ends in a fresh draw of noise."""
        end = Cells(clean.numbers, noise.uniform(*clean.frac.shape[1:]), noise.normal(6))
        return [self.between(clean, end, t.expand(len(clean.frac)))[0] for t in times]
