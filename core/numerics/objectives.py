r"""Five objectives with one minimum: a network s(x, t) that is the score of every noised density p_t.

With J = E_t lambda(t) 1/2 E|s - grad log p_t|^2, the error that is meant, each equals J + constant; what differs is what it needs
to know, what it costs, and how noisy it is.

| equation (per point of x_t = alpha x_0 + sigma eps)   | name       | constant      | source                               |
|-------------------------------------------------------|------------|---------------|--------------------------------------|
| 1/2 abs(s - grad log p_t)^2                           | explicit   | 0             |                                      |
| tr(grad s) + 1/2 abs(s)^2                             | implicit   | -F            | Hyvarinen 2005                       |
| v.(grad s) v + 1/2 abs(s)^2,    v = +-1               | Hutchinson | -F            | Hutchinson 1989                      |
| v.(grad s) v + 1/2 (v.s)^2,     v ~ N(0, I)           | sliced     | -F            | Song et al. 2019, arXiv 1905.07088   |
| 1/2 abs(s + eps/sigma)^2                              | denoising  | E - F         | Vincent 2011                         |

F = E_t lambda/2 E|grad log p_t|^2 and E = E_t lambda/2 D/sigma^2.
The constant of denoising is what no network can remove: eps is not a function of x_t. It is the trace of the posterior covariance of
x_0, times lambda alpha^2 / 2 sigma^4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.numerics.mixture import GaussianMixture
from core.numerics.schedules import Schedule

Model = Callable[[Tensor, Tensor], Tensor]  # (x (N, D), t (N, 1)) -> s (N, D)


@dataclass(frozen=True)
class Batch:
    """Noised points x (N, D) with what made them: t, alpha, sigma (N, 1), eps (N, D); and probes v (N, D) on demand."""

    x: Tensor
    eps: Tensor
    t: Tensor
    alpha: Tensor
    sigma: Tensor
    data: GaussianMixture
    generator: torch.Generator


def draw(data: GaussianMixture, schedule: Schedule, n: int, generator: torch.Generator, t_min: float) -> Batch:
    """n fresh points of the data, each noised to a level of its own; t is uniform on [t_min, 1], one point in each of n equal parts."""
    t = (torch.arange(n) + torch.rand(n, generator=generator))[:, None] / n
    t = t_min + (1 - t_min) * t
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    x0 = data.sample(n, generator)
    eps = torch.randn(x0.shape, generator=generator)
    return Batch(alpha * x0 + sigma * eps, eps, t, alpha, sigma, data, generator)


def _explicit(model: Model, b: Batch) -> Tensor:
    _, exact = b.data.along(b.x, b.alpha, b.sigma)
    return 0.5 * (model(b.x, b.t) - exact).square().sum(1)


def _denoising(model: Model, b: Batch) -> Tensor:
    return 0.5 * (model(b.x, b.t) + b.eps / b.sigma).square().sum(1)


def _implicit(model: Model, b: Batch) -> Tensor:
    x = b.x.detach().requires_grad_(True)
    s = model(x, b.t)
    trace = sum(torch.autograd.grad(s[:, d].sum(), x, create_graph=True)[0][:, d] for d in range(x.shape[1]))
    return trace + 0.5 * s.square().sum(1)


def _projected(model: Model, b: Batch, v: Tensor) -> tuple[Tensor, Tensor]:
    """s (N, D) and v.(grad s) v (N,): one backward pass, whatever the dimension."""
    x = b.x.detach().requires_grad_(True)
    s = model(x, b.t)
    (gradient,) = torch.autograd.grad((s * v).sum(), x, create_graph=True)
    return s, (gradient * v).sum(1)


def _hutchinson(model: Model, b: Batch) -> Tensor:
    v = torch.randint(0, 2, b.x.shape, generator=b.generator).mul_(2).sub_(1).to(b.x.dtype)
    s, curvature = _projected(model, b, v)
    return curvature + 0.5 * s.square().sum(1)


def _sliced(model: Model, b: Batch) -> Tensor:
    v = torch.randn(b.x.shape, generator=b.generator)
    s, curvature = _projected(model, b, v)
    return curvature + 0.5 * (s * v).sum(1).square()


@dataclass(frozen=True)
class Objective:
    """terms: (model, batch) -> (N,), before the weight lambda. needs: what it must know besides samples.

    offset: (fisher, noise) -> what it exceeds J by, with fisher = E|score|^2 and noise = D / sigma^2 at one t.
    """

    label: str
    needs: str
    terms: Callable[[Model, Batch], Tensor]
    offset: Callable[[Tensor, Tensor], Tensor]


def _below(fisher: Tensor, noise: Tensor) -> Tensor:
    return -0.5 * fisher


OBJECTIVES: dict[str, Objective] = {
    "denoising": Objective(
        "denoising",
        "the noise it added itself",
        _denoising,
        lambda fisher, noise: 0.5 * (noise - fisher),
    ),
    "explicit": Objective(
        "explicit",
        "the exact score, which nobody has",
        _explicit,
        lambda fisher, noise: 0 * fisher,
    ),
    "implicit": Objective("implicit, exact trace", "D backward passes", _implicit, _below),
    "Hutchinson": Objective(
        "implicit, Hutchinson",
        "one backward pass, a coin per coordinate",
        _hutchinson,
        _below,
    ),
    "sliced": Objective(
        "sliced",
        "one backward pass, a Gaussian direction",
        _sliced,
        _below,
    ),
}

WEIGHTINGS: dict[str, Callable[[Schedule, Tensor], Tensor]] = {
    "σ²": lambda schedule, t: schedule.sigma(t) ** 2,
    "1": lambda schedule, t: torch.ones_like(t),
    "g²": lambda schedule, t: schedule.g2(t),
}


def loss(objective: str, weighting: str, model: Model, batch: Batch, schedule: Schedule) -> Tensor:
    """E_t lambda(t) (objective), a scalar. Raises KeyError for names that are not in OBJECTIVES and WEIGHTINGS.

    lambda = sigma^2: every level counts alike, Ho et al. 2020 eq. 14; g^2: a bound on the likelihood, Song et al. 2021 (2101.09258).
    """
    weight = WEIGHTINGS[weighting](schedule, batch.t)[:, 0]
    return (weight * OBJECTIVES[objective].terms(model, batch)).mean()
