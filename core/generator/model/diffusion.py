"""Crystal diffusion: how a cell is blurred, and one step of blurring undone.

part          forward law at time t                                          reference
coordinates   f_t = f_0 + sigma(t) eps mod 1, sigma = .005 (.5/.005)^t       Jiao et al. 2023 (DiffCSP), eq. 5
cell          x_t = alpha(t^p) x_0 + sqrt(1 - alpha^2) eps on log(L L^T)/2   Ho et al. 2020, eq. 4
species       kept (CSP), or masked with probability m(t) = max(0, 2t - 1)    Austin et al. 2021 (D3PM), absorbing

The network's `coords` is the score divided by its root-mean-square (DiffCSP, eq. 6), `lattice` is the velocity
v = alpha eps - sigma x_0 (Salimans & Ho 2022, app. D), which is as easy at t = 1 as at t = 0.

equation                                                           name
x_0 = x + sigma^2 s, x' = x_0 - sigma_down sigma s + sigma_up z    Diffusion.step
q(a_s | a_t = mask, a_0) = Cat((m_t - m_s)/m_t a_0 + m_s/m_t mask) Diffusion.reveal
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from core.generator.model.network import Denoiser, Prediction
from core.generator.model.state import Cells, Losses, Noise, StepSettings
from core.numerics.schedules import Cosine, Geometric, ancestral_sigmas
from core.numerics.torus import wrap, wrapped_normal_score, wrapped_normal_score_rms
from core.structures.elements import MASKED

RARE = 0.05  # m(t) below which a masked species counts no more than here


@dataclass(frozen=True)
class Diffusion:
    """sigma_min, sigma_max in units of the cell edge; offset s of the cosine schedule.

    lattice_power p: the cell's clock is t^p. With p > 1 the cell takes shape before the atoms find their places.
    """

    sigma_min: float = 0.005
    sigma_max: float = 0.5
    offset: float = 0.008
    lattice_weight: float = 0.5
    lattice_power: float = 1.0
    species_weight: float = 0.0  # of the cross-entropy of masked species; 0 = the species are always given

    def sigma(self, t: Tensor) -> Tensor:
        """Noise of the coordinates, in units of the cell edge; sigma(0) = sigma_min."""
        return Geometric(self.sigma_min, self.sigma_max).sigma(t)

    def alpha(self, t: Tensor) -> Tensor:
        """What is left of the cell's signal."""
        return Cosine(self.offset).alpha(t**self.lattice_power)

    def masked(self, t: Tensor) -> Tensor:
        """m(t): the share of the species that is masked. They are decided first, while the atoms are still adrift."""
        return (2 * t - 1).clamp(0, 1)

    def noise(self, clean: Cells, t: Tensor, *, generator: torch.Generator, shared: bool = False) -> tuple[Cells, Prediction]:
        """A draw of x_t given x_0, and what the network should say about it; t (B,). shared: one eps for all cells."""
        sigma, alpha = self.sigma(t)[:, None, None], self.alpha(t)[:, None]
        batch = 1 if shared else len(clean.frac)
        eps = torch.randn(batch, *clean.frac.shape[1:], generator=generator).expand_as(clean.frac)
        eps_cell = torch.randn(batch, 6, generator=generator).expand_as(clean.cell)
        target = wrapped_normal_score(sigma * eps, sigma) / wrapped_normal_score_rms(sigma)
        target = target - target.mean(1, keepdim=True)  # the density does not depend on the origin
        beta = (1 - alpha**2).sqrt()
        noised = Cells(clean.numbers, wrap(clean.frac + sigma * eps), alpha * clean.cell + beta * eps_cell)
        return noised, Prediction(target, alpha * eps_cell - beta * clean.cell, torch.empty(0))

    def loss(self, network: Denoiser, clean: Cells, t: Tensor, *, generator: torch.Generator) -> Losses:
        """Mean squared errors of coordinates and cell, each about 1 for a network that says nothing; nats per masked species.

        Coordinates are weighted by sigma rms(score): 1 while the normal is narrow, 0 where it has become uniform and
        nothing is left to learn. A masked species counts 1 / m(t), as in the bound on -log p (MDLM, Sahoo et al. 2024): without it the
        few that are still masked late, when the formula has to come out even, hardly count.
        """
        noised, target = self.noise(clean, t, generator=generator)
        numbers = self._hide(clean.numbers, t, generator) if self.species_weight else clean.numbers
        prediction = network(numbers, noised.frac, noised.cell, t)
        sigma = self.sigma(t)
        error = (prediction.coords - target.coords).square().mean((1, 2))
        hidden = numbers != clean.numbers
        nats = prediction.species[hidden].logsumexp(-1) - prediction.species[hidden].gather(-1, clean.numbers[hidden, None]).squeeze(-1)
        weight = (1 / self.masked(t).clamp(min=RARE)).unsqueeze(1).expand_as(numbers)[hidden]
        return Losses(
            (sigma * wrapped_normal_score_rms(sigma) * error).mean(),
            F.mse_loss(prediction.lattice, target.lattice),
            (weight * nats).sum() / weight.sum().clamp(min=1),
        )

    def total(self, losses: Losses) -> Tensor:
        """What training makes small."""
        return losses.coords + self.lattice_weight * losses.lattice + self.species_weight * losses.species

    def _hide(self, numbers: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """Half of the cells keep their species (CSP); in the others each is masked with probability m(t) (de novo)."""
        kept = torch.rand(len(numbers), 1, generator=generator) < 0.5
        hidden = torch.rand(numbers.shape, generator=generator) < self.masked(t)[:, None]
        return torch.where(hidden & ~kept, torch.full_like(numbers, MASKED), numbers)

    def step(self, state: Cells, prediction: Prediction, t: Tensor, t_next: Tensor, *, config: StepSettings, noise: Noise) -> Cells:
        """x_t -> x_{t_next}. config.eta = 1 is the ancestral (DDPM) step, 0 the deterministic (DDIM) one.

        Both parts move to the denoised place and put noise back, part of it old (direction), part fresh (z).
        """
        eta, temperature = config.eta, config.temperature
        sigma, sigma_next = self.sigma(t), self.sigma(t_next) if t_next > 0 else torch.zeros(())
        sigma_down, sigma_up = ancestral_sigmas(sigma, sigma_next, eta)
        score = prediction.coords * (1 + config.anti_annealing * (1 - t)) * wrapped_normal_score_rms(sigma)
        frac = state.frac + (sigma**2 - sigma_down * sigma) * score
        alpha, alpha_next = self.alpha(t), self.alpha(t_next)
        beta, beta_next = (1 - alpha**2).clamp(min=0).sqrt(), (1 - alpha_next**2).clamp(min=0).sqrt()
        clean = alpha * state.cell - beta * prediction.lattice
        direction = beta * state.cell + alpha * prediction.lattice
        beta_up = eta * beta_next / beta.clamp(min=1e-6) * (1 - (alpha / alpha_next) ** 2).clamp(min=0).sqrt()  # DDIM, eq. 16, where VP
        cell = alpha_next * clean + (beta_next**2 - beta_up**2).clamp(min=0).sqrt() * direction
        if eta > 0:
            frac = frac + temperature**0.5 * sigma_up * noise.normal(*state.frac.shape[1:])
            cell = cell + temperature**0.5 * beta_up * noise.normal(6)
        return Cells(
            self.reveal(state.numbers, prediction.species, t, t_next, temperature=config.species_temperature, noise=noise), wrap(frac), cell
        )

    def reveal(self, numbers: Tensor, logits: Tensor, t: Tensor, t_next: Tensor, *, temperature: float, noise: Noise) -> Tensor:
        """Decide each masked species with probability (m_t - m_s) / m_t, by the network's softmax(logits / temperature)."""
        hidden = numbers == MASKED
        if not hidden.any():
            return numbers
        share = 1 - self.masked(t_next) / self.masked(t).clamp(min=1e-9)
        now = hidden & (noise.uniform(numbers.shape[1]) < share)
        gumbel = -(-noise.uniform(*logits.shape[1:]).clamp(1e-20, 1 - 1e-7).log()).log()
        return torch.where(now, (logits / max(temperature, 1e-6) + gumbel).argmax(-1), numbers)

    def start(self, clean: Cells, t: Tensor, *, noise: Noise) -> Cells:
        """A known crystal blurred to the time t (a number): where a refinement begins."""
        return self.diffuse(clean, torch.zeros(()), t, noise=noise, first=True)

    def path(self, clean: Cells, times: Tensor, *, noise: Noise) -> list[Cells]:
        """The states at ascending `times`, from 0, of one path of the forward SDE."""
        states = [clean]
        for i, (t, t_next) in enumerate(zip(times[:-1], times[1:], strict=True)):
            states.append(self.diffuse(states[-1], t, t_next, noise=noise, first=i == 0))
        return states

    def langevin(self, state: Cells, prediction: Prediction, t: Tensor, *, size: float, temperature: float, noise: Noise) -> Cells:
        """One step of overdamped Langevin dynamics of the coordinates at fixed t: dt = size sigma^2."""
        sigma = self.sigma(t)
        dt = size * sigma**2
        score = prediction.coords * wrapped_normal_score_rms(sigma)
        kick = (2 * dt * temperature).sqrt() * noise.normal(*state.frac.shape[1:])
        return Cells(state.numbers, wrap(state.frac + dt * score + kick), state.cell)

    def diffuse(self, state: Cells, t: Tensor, t_next: Tensor, *, noise: Noise, first: bool = False) -> Cells:
        """x_t -> x_{t_next} forward in time, a draw from q(x_{t_next} | x_t). `first`: x_t has no noise at all yet."""
        variance = self.sigma(t_next) ** 2 - (0 if first else self.sigma(t) ** 2)
        ratio = self.alpha(t_next) / self.alpha(t)
        spread = (1 - ratio**2).clamp(min=0).sqrt()
        frac = state.frac + variance.sqrt() * noise.normal(*state.frac.shape[1:])
        return Cells(state.numbers, wrap(frac), ratio * state.cell + spread * noise.normal(6))
