"""Crystal flow matching: straight paths from noise to the crystal, and one step along the learned velocity.

part          path at time t (0 = crystal, 1 = noise)                       velocity u = d/dt
coordinates   f_t = f_0 + t d mod 1, d = shortest(f_1 - f_0), f_1 uniform    d, mean over the atoms removed
              paired: like atoms change names and the whole moves first,
              so that sum |d|^2 is small                                    the same
cell          x_t = (1 - t) x_0 + t eps                                      eps - x_0
species       kept (the formula is given)

The network is the one of the diffusion model; only what its two outputs mean differs: `coords` and `lattice` are the
velocities in units of their own spread. With the mean of many paths as its target it learns the velocity of the
marginal law (Lipman et al. 2023, eq. 9; on the torus Chen & Lipman 2024, and for crystals Miller et al. 2024, FlowMM).

Atoms of one element have no names and the cell has no origin, so which place of the noise belongs to which atom is free:
the pairing with the shortest way makes paths that hardly cross, and a velocity with half the scatter (equivariant flow
matching, Klein et al. 2023, sec. 4; f_1 stays uniform up to these symmetries, which the network has).

equation                                                       name
pi, s = argmin sum_i |shortest(f_0i, f_1,pi(i) + s)|^2         pair: assignment and shift in turn
x_{t - h} = x_t - h u(x_t, t)                                  Flow.step
h = min((1 + anti_annealing (1 - t)) (t - t_next), t)          stride of the coordinates, never past t = 0
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.generator.model.network import Denoiser, Prediction
from core.generator.model.state import Cells, Losses, Noise, StepSettings
from core.numerics.torus import shortest, wrap

COORDS_SPREAD = 12**-0.5  # of a uniform displacement in [-1/2, 1/2)
CELL_SPREAD = 2**0.5
ROUNDS = 2  # of `pair`; three more shorten the mean square of the way by at most 3 % (cells of 2 to 20 atoms)
SHIFTS = torch.tensor([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2  # where `pair` starts: the best of them is kept
FORBIDDEN = 1e3  # cost of pairing atoms of different elements; the worst allowed one is 3/4


def pair(numbers: Tensor, frac: Tensor, end: Tensor) -> Tensor:
    """`end` (B, N, 3) with like atoms renamed and moved as a whole so that the way from `frac` (B, N, 3) is short; numbers (B, N)."""
    from scipy.optimize import linear_sum_assignment  # needed in training and ranking only

    unlike = FORBIDDEN * (numbers[:, :, None] != numbers[:, None])
    ends = end[:, None] + SHIFTS.to(end)[:, None]  # (B, 4, N, 3)
    for _ in range(ROUNDS):
        cost = shortest(frac[:, None, :, None], ends[:, :, None]).square().sum(-1) + unlike[:, None]
        order = np.stack([linear_sum_assignment(one)[1] for one in cost.flatten(0, 1).cpu().numpy()])
        ends = ends.take_along_dim(torch.from_numpy(order).to(end.device).view(*ends.shape[:3], 1), 2)
        ends = ends - shortest(frac[:, None], ends).mean(2, keepdim=True)
    best = shortest(frac[:, None], ends).square().sum((2, 3)).argmin(1)
    return wrap(ends[torch.arange(len(ends)), best])


@dataclass(frozen=True)
class Flow:
    """lattice_weight: of the cell's loss beside that of the coordinates, both about 1 for a network that says nothing.

    paired: draw the noise end of each path with `pair`; weights are made for one of the two.
    """

    lattice_weight: float = 0.5
    paired: bool = False

    def noise(self, clean: Cells, t: Tensor, *, generator: torch.Generator, shared: bool = False) -> tuple[Cells, Prediction]:
        """A draw of x_t given x_0, and what the network should say about it; t (B,). shared: one draw for all cells."""
        batch = 1 if shared else len(clean.frac)
        end = torch.rand(batch, *clean.frac.shape[1:], generator=generator).expand_as(clean.frac)
        eps = torch.randn(batch, 6, generator=generator).expand_as(clean.cell)
        return self.between(clean, Cells(clean.numbers, end, eps), t)

    def between(self, clean: Cells, noise: Cells, t: Tensor) -> tuple[Cells, Prediction]:
        """The point at t (B,) of the straight path from `clean` to `noise`, and its velocity in the network's units."""
        far = pair(clean.numbers, clean.frac, noise.frac) if self.paired else noise.frac
        d = shortest(clean.frac, far)
        state = Cells(clean.numbers, wrap(clean.frac + t[:, None, None] * d), (1 - t[:, None]) * clean.cell + t[:, None] * noise.cell)
        d = d - d.mean(1, keepdim=True)  # the density does not depend on the origin
        return state, Prediction(d / COORDS_SPREAD, (noise.cell - clean.cell) / CELL_SPREAD, torch.empty(0))

    def loss(self, network: Denoiser, clean: Cells, t: Tensor, *, generator: torch.Generator) -> Losses:
        """Mean squared errors of coordinates and cell, each about 1 for a network that says nothing."""
        state, target = self.noise(clean, t, generator=generator)
        prediction = network(state.numbers, state.frac, state.cell, t)
        return Losses(F.mse_loss(prediction.coords, target.coords), F.mse_loss(prediction.lattice, target.lattice), torch.zeros(()))

    def total(self, losses: Losses) -> Tensor:
        """What training makes small."""
        return losses.coords + self.lattice_weight * losses.lattice

    def start(self, clean: Cells, t: Tensor, *, noise: Noise) -> Cells:
        """A known crystal blurred to the time t (a number): where a refinement begins."""
        end = Cells(clean.numbers, noise.uniform(*clean.frac.shape[1:]), noise.normal(6))
        return self.between(clean, end, t.expand(len(clean.frac)))[0]

    def step(self, state: Cells, prediction: Prediction, t: Tensor, t_next: Tensor, *, config: StepSettings, noise: Noise) -> Cells:
        """x_t -> x_{t_next}: Euler along the velocity. `config.anti_annealing` speeds the coordinates up, see the table above."""
        h = t - t_next
        stride = torch.minimum((1 + config.anti_annealing * (1 - t)) * h, t)
        return Cells(
            state.numbers, wrap(state.frac - stride * COORDS_SPREAD * prediction.coords), state.cell - h * CELL_SPREAD * prediction.lattice
        )

    def path(self, clean: Cells, times: Tensor, *, noise: Noise) -> list[Cells]:
        """The states at ascending `times` of one path that ends in a fresh draw of noise."""
        end = Cells(clean.numbers, noise.uniform(*clean.frac.shape[1:]), noise.normal(6))
        return [self.between(clean, end, t.expand(len(clean.frac)))[0] for t in times]
