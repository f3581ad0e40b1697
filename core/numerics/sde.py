"""Stochastic differential equations dx = drift(x, t) dt + diffusion(t) dB, and their reversal in time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.numerics.potentials import Potential
from core.numerics.schedules import Schedule

Score = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class SDE:
    """dx = drift(x, t) dt + diffusion(t) dB; drift (N, D) -> (N, D), diffusion a number >= 0.

    Integrated over descending times, the same equation with the score in it runs backwards:

    | equation                                       | method               | Song et al. 2021 |
    |------------------------------------------------|----------------------|------------------|
    | dx = (drift - g^2 score) dt + g dB, dt < 0     | reverse(score)       | eq. 6            |
    | dx = (drift - g^2 score / 2) dt                | probability_flow(..) | eq. 13           |
    """

    drift: Callable[[Tensor, float], Tensor]
    diffusion: Callable[[float], float]

    def reverse(self, score: Score) -> SDE:
        """The SDE with the same laws, to be run over descending times (Anderson 1982)."""
        return SDE(self._with_score(score, 1.0), self.diffusion)

    def probability_flow(self, score: Score) -> SDE:
        """The noiseless equation with the same laws, forwards and backwards."""
        return SDE(self._with_score(score, 0.5), no_noise)

    def _with_score(self, score: Score, share: float) -> Callable[[Tensor, float], Tensor]:
        def drift(x: Tensor, t: float) -> Tensor:
            return torch.add(self.drift(x, t), score(x, t), alpha=-share * self.diffusion(t) ** 2)

        return drift


def no_noise(t: float) -> float:
    return 0.0


def forward_sde(schedule: Schedule) -> SDE:
    """dx = f(t) x dt + g(t) dB, whose law at t is x_t = alpha x_0 + sigma eps."""
    return SDE(lambda x, t: x * schedule.f(t), lambda t: math.sqrt(schedule.g2(t)))


def langevin(potential: Potential, kT: float, friction: float = 1.0) -> SDE:
    """Overdamped Langevin: dx = force/friction dt + sqrt(2 kT/friction) dB; stationary law exp(-U/kT)/Z.

    potential: has force(x) = -grad U, (N, D) -> (N, D). kT in the unit of U.
    Raises ValueError unless kT >= 0 and friction > 0.
    """
    if kT < 0 or friction <= 0:
        raise ValueError("kT must not be negative and friction must be positive")
    return SDE(lambda x, t: potential.force(x) / friction, lambda t: math.sqrt(2 * kT / friction))
