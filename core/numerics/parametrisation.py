"""One model, three names for its output: score, noise eps, clean data x0 (all at noise level t).

x = alpha x0 + sigma eps, and for the best predictions given x:
score = -eps / sigma = (alpha x0 - x) / sigma^2   (Ho et al. 2020, eq. 15; Efron 2011, eq. 1.4).
A model is a function (x (N, D), t float) -> (N, D). Samplers take scores; these turn the others into one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.numerics.mixture import Density
from core.numerics.schedules import Schedule
from core.numerics.sde import Score


def exact_score(density: Density, schedule: Schedule) -> Score:
    """The score of the diffused density, as a model."""
    return lambda x, t: density.diffused(schedule, t).score(x)


def x0_from_score(score: Tensor, x: Tensor, alpha: float, sigma: float) -> Tensor:
    return torch.add(x, score, alpha=sigma**2).div_(alpha)


def score_from_x0(x0: Tensor, x: Tensor, alpha: float, sigma: float) -> Tensor:
    return torch.sub(alpha * x0, x).div_(sigma**2)


def from_noise_model(eps_model: Score, schedule: Schedule) -> Score:
    """A noise-predicting model as a score model."""
    return lambda x, t: eps_model(x, t) * (-1 / schedule.sigma(t))


def from_data_model(x0_model: Score, schedule: Schedule) -> Score:
    """A data-predicting model as a score model."""
    return lambda x, t: score_from_x0(x0_model(x, t), x, schedule.alpha(t), schedule.sigma(t))


def to_noise_model(score: Score, schedule: Schedule) -> Score:
    return lambda x, t: score(x, t) * (-schedule.sigma(t))


def to_data_model(score: Score, schedule: Schedule) -> Score:
    return lambda x, t: x0_from_score(score(x, t), x, schedule.alpha(t), schedule.sigma(t))


def clipped(score: Score, schedule: Schedule, bound: float) -> Score:
    """The same model, its x0 held inside [-bound, bound] per coordinate ("clip denoised", Ho et al. 2020)."""
    x0_model = to_data_model(score, schedule)
    return from_data_model(lambda x, t: x0_model(x, t).clamp_(-bound, bound), schedule)


def scaled(score: Score, factor: float) -> Score:
    """factor * score: -1 is the wrong-sign mistake, above 1 sharpens."""
    return lambda x, t: score(x, t) * factor


def guided(free: Score, given: Score, gamma: float) -> Score:
    """(1 - gamma) free + gamma given = free + gamma grad log p_t(y|x) (Ho & Salimans 2022, arXiv 2207.12598, with gamma = w + 1)."""
    return lambda x, t: torch.lerp(free(x, t), given(x, t), gamma)


def pushed(free: Score, classifier_gradient: Score, gamma: float) -> Score:
    """free + gamma grad log p_t(y|x), the gradient from a classifier (Dhariwal & Nichol 2021, arXiv 2105.05233, eq. 14)."""
    return lambda x, t: torch.add(free(x, t), classifier_gradient(x, t), alpha=gamma)
