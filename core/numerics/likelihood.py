"""Log-likelihood of a point from the probability-flow ODE, with the exact divergence."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from core.numerics.integrators import heun
from core.numerics.mixture import LOG_2PI
from core.numerics.schedules import Schedule
from core.numerics.sde import SDE, Score, forward_sde, no_noise

Divergence = Callable[[Tensor, float], Tensor]


def trace_divergence(score: Score) -> Divergence:
    """(x (N, D), t) -> (N,): div score by one backward pass per dimension, exact for scores that act row by row."""

    def divergence(x: Tensor, t: float) -> Tensor:
        x = x.detach().requires_grad_(True)
        s = score(x, t)
        columns = (torch.autograd.grad(s[:, d].sum(), x, retain_graph=True)[0][:, d] for d in range(x.shape[1]))
        return sum(columns)

    return divergence


def log_likelihood(score: Score, schedule: Schedule, x: Tensor, times: Tensor, *,
                   divergence: Divergence | None = None) -> Tensor:
    """(N,): log p(x) of points x (N, D) at times[0], carried to times[-1] = 1 (ascending), in nats.

    log p_0(x_0) = log p_1(x_1) + int div(drift) dt along dx = drift dt, drift = f x - g^2 score / 2
    (Song et al. 2021, eq. 39; Chen et al. 2018, eq. 8). The integral rides along as one more coordinate of the
    state, so that Heun's method (order 2) serves both. p_1 is the sampler's prior N(0, sigma(1)^2).
    Raises ValueError unless times ascend.
    """
    if not float(times[-1]) > float(times[0]):
        raise ValueError("a likelihood is carried from data to noise: times must ascend")
    dim = x.shape[1]
    divergence = divergence or trace_divergence(score)
    flow = forward_sde(schedule).probability_flow(score)

    def drift(state: Tensor, t: float) -> Tensor:
        here = state[:, :dim]
        growth = dim * schedule.f(t) - 0.5 * schedule.g2(t) * divergence(here, t)
        return torch.cat([flow.drift(here, t), growth[:, None]], 1)

    *_, state = heun(SDE(drift, no_noise), torch.cat([x, x.new_zeros(len(x), 1)], 1), times)
    x_1, gained = state[:, :dim], state[:, dim]
    width = schedule.sigma(float(times[-1]))
    log_prior = -0.5 * (x_1 / width).square().sum(1) - dim * (math.log(width) + 0.5 * LOG_2PI)
    return log_prior + gained
