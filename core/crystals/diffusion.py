"""Crystal diffusion: how a cell is blurred, and one step of blurring undone.

part          forward law at time t                                          reference
coordinates   f_t = f_0 + sigma(t) eps mod 1, sigma = .005 (.5/.005)^t       Jiao et al. 2023 (DiffCSP), eq. 5
cell          x_t = alpha(t) x_0 + sqrt(1 - alpha^2) eps on log(L L^T)/2     Ho et al. 2020, eq. 4
species       kept (the formula is given)                                    DiffCSP's CSP task

The network's `coords` is the score divided by its root-mean-square (DiffCSP, eq. 6), `lattice` is the velocity
v = alpha eps - sigma x_0 (Salimans & Ho 2022, app. D), which is as easy at t = 1 as at t = 0.

equation                                                           name
x_0 = x + sigma^2 s, x' = x_0 - sigma_down sigma s + sigma_up z    Diffusion.step
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from core.crystals.network import Denoiser, Prediction
from core.crystals.state import Cells, wrap


@dataclass(frozen=True)
class Diffusion:
    """sigma_min, sigma_max in units of the cell edge; offset s of the cosine schedule."""

    sigma_min: float = 0.005
    sigma_max: float = 0.5
    offset: float = 0.008
    lattice_weight: float = 0.5

    def sigma(self, t: Tensor) -> Tensor:
        return self.sigma_min * (self.sigma_max / self.sigma_min) ** t

    def alpha(self, t: Tensor) -> Tensor:
        return torch.cos(torch.pi / 2 * (t + self.offset) / (1 + self.offset)) / self._alpha_0

    @property
    def _alpha_0(self) -> float:
        return float(torch.cos(torch.tensor(torch.pi / 2 * self.offset / (1 + self.offset), dtype=torch.float64)))

    def noise(self, clean: Cells, t: Tensor, *, generator: torch.Generator) -> tuple[Cells, Prediction]:
        """A draw of x_t given x_0, and what the network should say about it; t (B,)."""
        sigma, alpha = self.sigma(t)[:, None, None], self.alpha(t)[:, None]
        eps = torch.randn(clean.frac.shape, generator=generator)
        eps_cell = torch.randn(clean.cell.shape, generator=generator)
        target = wrapped_normal_score(sigma * eps, sigma) / wrapped_normal_score_rms(sigma)
        target = target - target.mean(1, keepdim=True)  # the density does not depend on the origin
        beta = (1 - alpha**2).sqrt()
        noised = Cells(clean.numbers, wrap(clean.frac + sigma * eps), alpha * clean.cell + beta * eps_cell)
        return noised, Prediction(target, alpha * eps_cell - beta * clean.cell, torch.empty(0))

    def loss(self, network: Denoiser, clean: Cells, t: Tensor, *, generator) -> tuple[Tensor, Tensor]:
        """Mean squared errors (coordinates, cell), each 1 for a network that says nothing."""
        noised, target = self.noise(clean, t, generator=generator)
        said = network(noised.numbers, noised.frac, noised.cell, t)
        return F.mse_loss(said.coords, target.coords), F.mse_loss(said.lattice, target.lattice)


def wrapped_normal_score(delta: Tensor, sigma: Tensor) -> Tensor:
    images = torch.arange(-4, 5).to(delta)
    shifted = (delta - delta.round()).unsqueeze(-1) + images
    weight = (-0.5 * (shifted / sigma.unsqueeze(-1)) ** 2).softmax(-1)
    return -(weight * shifted).sum(-1) / sigma**2


_LOG_SIGMA = torch.linspace(-7.0, 0.0, 561, dtype=torch.float64)
_grid = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000 - 0.5


def _rms(sigma):
    # exact for narrow sigma by scaling; quadrature otherwise
    if sigma < 0.02:
        return 1.0 / sigma
    images = torch.arange(-6, 7, dtype=torch.float64)
    z = (_grid.unsqueeze(-1) + images)
    density = torch.exp(-0.5 * (z / sigma) ** 2).sum(-1)
    density = density / density.sum()
    score = wrapped_normal_score(_grid, torch.full_like(_grid, float(sigma)))
    return float((density * score**2).sum().sqrt())


_RMS = None


def wrapped_normal_score_rms(sigma: Tensor) -> Tensor:
    global _RMS
    if _RMS is None:
        _RMS = torch.tensor([_rms(s) for s in _LOG_SIGMA.exp()], dtype=torch.float64).log()
    x = (sigma.double().log() + 7.0) / 7.0 * 560
    i = x.floor().clamp(0, 559).long()
    w = x - i
    return (_RMS[i] * (1 - w) + _RMS[i + 1] * w).exp().to(sigma)
