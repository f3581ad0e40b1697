"""Log-likelihood of a point from the probability-flow ODE, with the exact divergence."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

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
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            s = score(x, t)
            columns = [torch.autograd.grad(s[:, d].sum(), x, retain_graph=True)[0][:, d] for d in range(x.shape[1])]
        return reduce(torch.add, columns).detach()

    return divergence


def flow_log_likelihood(
    drift: Callable[[Tensor, float], Tensor], x: Tensor, times: Tensor, *, width: float, divergence: Divergence | None = None
) -> Tensor:
    """(N,): log p(x), in nats, of points x (N, D) at times[0], carried by dx = drift dt to times[-1], where p = N(0, width^2).

    log p(x_first) = log p(x_last) + int div(drift) dt (Chen et al. 2018, eq. 8). The integral rides along as one more
    coordinate of the state, so that Heun's method (order 2) serves both. divergence: that of the drift, by autograd if None.
    """
    dim = x.shape[1]
    divergence = divergence or trace_divergence(drift)

    def carried(state: Tensor, t: float) -> Tensor:
        here = state[:, :dim]
        return torch.cat([drift(here, t), divergence(here, t)[:, None]], 1)

    *_, state = heun(SDE(carried, no_noise), torch.cat([x, x.new_zeros(len(x), 1)], 1), times)
    last, gained = state[:, :dim], state[:, dim]
    return -0.5 * (last / width).square().sum(1) - dim * (math.log(width) + 0.5 * LOG_2PI) + gained


def log_likelihood(score: Score, schedule: Schedule, x: Tensor, times: Tensor, *, divergence: Divergence | None = None) -> Tensor:
    """(N,): log p(x) of points x (N, D) at times[0], carried to times[-1] = 1 (ascending), in nats.

    The drift is that of the probability flow, f x - g^2 score / 2 (Song et al. 2021, eq. 39); p_1 is the sampler's prior
    N(0, sigma(1)^2). divergence: that of the score. Raises ValueError unless times ascend.
    """
    if not float(times[-1]) > float(times[0]):
        raise ValueError("a likelihood is carried from data to noise: times must ascend")
    dim, of_score = x.shape[1], divergence or trace_divergence(score)

    def of_drift(here: Tensor, t: float) -> Tensor:
        return dim * schedule.f(t) - 0.5 * schedule.g2(t) * of_score(here, t)

    drift = forward_sde(schedule).probability_flow(score).drift
    return flow_log_likelihood(drift, x, times, width=schedule.sigma(float(times[-1])), divergence=of_drift)
