"""Samplers as generators: each yields the state (N, D) at every one of `times`, the first yield being x itself.

Ascending times run forwards, descending times backwards. A yielded tensor is never written to again, and
neither is the caller's x. `generator` is the only source of noise; a sampler that uses one normal vector per
step draws the same one as every other such sampler with an equally seeded generator.

n_drawn: so many particles are given noise although only the first of them, x, move: these go where they go among all (None: x is all).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

from core.numerics.parametrisation import x0_from_score
from core.numerics.schedules import Schedule, ancestral_sigmas
from core.numerics.sde import SDE, Score

Times = Iterable[float] | Tensor


def _room(x: Tensor, n_drawn: int | None) -> Tensor:
    """Where the noise of one step is drawn, (n_drawn, D) or of the shape of x; the first rows are for x."""
    return torch.empty_like(x) if n_drawn is None else x.new_empty(n_drawn, *x.shape[1:])


def steps(times: Times) -> Iterator[tuple[float, float]]:
    """(now, next) for every step between `times`, as floats."""
    return pairwise(times.tolist() if isinstance(times, Tensor) else times)


def euler_maruyama(
    sde: SDE,
    x: Tensor,
    times: Times,
    *,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    n_drawn: int | None = None,
) -> Iterator[Tensor]:
    """x += drift dt + diffusion sqrt(|dt|) z. Strong order 1/2 (1 for this additive noise), weak order 1.

    temperature scales the variance of the injected noise; 0 leaves the drift alone. With an SDE that has no
    noise this is Euler's method, and no generator is needed.
    """
    noise = _room(x, n_drawn)
    yield x
    for t, t_next in steps(times):
        dt = t_next - t
        x = torch.add(x, sde.drift(x, t), alpha=dt)
        width = sde.diffusion(t) * math.sqrt(temperature * abs(dt))
        if width:
            x.add_(noise.normal_(generator=generator)[: len(x)], alpha=width)
        yield x


def heun(ode: SDE, x: Tensor, times: Times) -> Iterator[Tensor]:
    """Euler to t_next, then again with the mean of both slopes. Order 2, two drift evaluations per step.

    Raises ValueError for an equation with noise.
    """
    yield x
    for t, t_next in steps(times):
        if ode.diffusion(t):
            raise ValueError("heun integrates noiseless equations; take sde.probability_flow(score)")
        d_cur = ode.drift(x, t)
        d_prime = ode.drift(torch.add(x, d_cur, alpha=t_next - t), t_next)
        x = torch.add(x, d_cur.add(d_prime), alpha=0.5 * (t_next - t))
        yield x


def ancestral(
    score: Score,
    schedule: Schedule,
    x: Tensor,
    times: Times,
    *,
    eta: float = 1.0,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    n_drawn: int | None = None,
) -> Iterator[Tensor]:
    """Guess x0, then jump to the next time: eta = 1 is DDPM, eta = 0 is DDIM. First order in log-SNR.

    | paper                                             | here                                             |
    |---------------------------------------------------|--------------------------------------------------|
    | predicted x0 (Song 2021b, arXiv 2010.02502 eq. 12)| x0 = (x + sigma^2 score) / alpha                 |
    | direction to x_t, eq. 12                          | sigma_down eps, eps = -sigma score               |
    | sigma_tau(eta), eq. 16; at eta = 1 the posterior  | sigma_up                                         |
    | beta tilde of Ho et al. 2020, eq. 7               |                                                  |
    """
    noise = _room(x, n_drawn)
    yield x
    for t, t_next in steps(times):
        a, s = schedule.alpha(t), schedule.sigma(t)
        a_next, s_next = schedule.alpha(t_next), schedule.sigma(t_next)
        sigma_down, sigma_up = ancestral_sigmas(s, s_next, eta, alpha=a, alpha_next=a_next)
        x = torch.mul(x, a_next / a).add_(score(x, t), alpha=a_next / a * s**2 - s * sigma_down)
        if sigma_up:
            x.add_(noise.normal_(generator=generator)[: len(x)], alpha=sigma_up * math.sqrt(temperature))
        yield x


def dpm_solver_pp_2m(score: Score, schedule: Schedule, x: Tensor, times: Times) -> Iterator[Tensor]:
    """DPM-Solver++(2M), Lu et al. 2022 (arXiv 2211.01095), Algorithm 2. Order 2, one evaluation per step.

    lambda = log(alpha/sigma), h = lambda_next - lambda, r = h_last / h,
    D = (1 + 1/2r) x0 - 1/2r x0_last,  x <- sigma_next/sigma x - alpha_next (exp(-h) - 1) D.
    """
    last: tuple[Tensor, float] | None = None  # x0 and h of the step before
    yield x
    for t, t_next in steps(times):
        a, s = schedule.alpha(t), schedule.sigma(t)
        a_next, s_next = schedule.alpha(t_next), schedule.sigma(t_next)
        h = math.log(a_next / s_next) - math.log(a / s)
        x0 = x0_from_score(score(x, t), x, a, s)
        D = x0 if last is None else torch.lerp(last[0], x0, 1 + 0.5 * h / last[1])
        x = torch.mul(x, s_next / s).add_(D, alpha=-a_next * math.expm1(-h))
        last = x0, h
        yield x


def edm_stochastic(
    score: Score,
    schedule: Schedule,
    x: Tensor,
    times: Times,
    *,
    S_churn: float = 40.0,
    S_min: float = 0.0,
    S_max: float = math.inf,
    S_noise: float = 1.0,
    generator: torch.Generator | None = None,
    n_drawn: int | None = None,
) -> Iterator[Tensor]:
    """Karras et al. 2022, Algorithm 2: a pinch of fresh noise, then a Heun step of the probability flow.

    Works in the paper's variables x/alpha and sigma/alpha, so that it serves every schedule; S_churn = 0 is
    their deterministic sampler (Algorithm 1). Two evaluations per step, order 2 without churn.
    """
    times = list(times.tolist() if isinstance(times, Tensor) else times)
    gamma_most = min(S_churn / max(1, len(times) - 1), math.sqrt(2) - 1)

    def slope(x_: Tensor, t_: float, time: float) -> Tensor:  # eq. 1: dx/dsigma = -sigma grad log p(x; sigma)
        alpha = schedule.alpha(time)
        return score(x_ * alpha, time) * (-t_ * alpha)

    noise = _room(x, n_drawn)
    yield x
    x = x / schedule.alpha(times[0])
    for time, time_next in pairwise(times):
        t_cur, t_next = schedule.noise_ratio(time), schedule.noise_ratio(time_next)
        gamma = gamma_most if S_min <= t_cur <= S_max else 0.0
        t_hat, x_hat = t_cur * (1 + gamma), x
        if gamma:
            noise.normal_(generator=generator)
            x_hat = torch.add(x, noise[: len(x)], alpha=S_noise * math.sqrt(t_hat**2 - t_cur**2))
        d_cur = slope(x_hat, t_hat, schedule.time_at(t_hat) if gamma else time)
        x_next = torch.add(x_hat, d_cur, alpha=t_next - t_hat)
        d_prime = slope(x_next, t_next, time_next)
        x = torch.add(x_hat, d_cur.add_(d_prime), alpha=0.5 * (t_next - t_hat))
        yield x * schedule.alpha(time_next)


Predictor = Callable[[Tensor, float, float], Tensor]


def langevin_corrector(score: Score, schedule: Schedule, x: Tensor, t: float, *, snr: float, generator: torch.Generator) -> Tensor:
    """One Langevin step at fixed t (Song et al. 2021, Algorithms 4 and 5): x + epsilon score + sqrt(2 epsilon) z.

    epsilon = 2 (snr |z| / |score|)^2 with norms averaged over the particles, times the alpha of the paper's VP
    algorithm: the factor alpha_i = 1 - beta_i of one step, which tends to 1 in continuous time and is left out.
    """
    grad = score(x, t)
    z = torch.empty_like(x).normal_(generator=generator)
    ratio = float(z.norm(dim=1).mean() / grad.norm(dim=1).mean().clamp_min(1e-12))
    epsilon = 2 * (snr * ratio) ** 2
    return torch.add(x, grad, alpha=epsilon).add_(z, alpha=math.sqrt(2 * epsilon))


def predictor_corrector(
    score: Score,
    schedule: Schedule,
    x: Tensor,
    times: Times,
    *,
    predictor: Predictor,
    n_corrector: int = 1,
    snr: float = 0.16,
    order: str = "predictor-first",
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """Song et al. 2021, Algorithm 1: after every predictor step to t_next, Langevin steps at t_next.

    predictor(x, t, t_next) -> x. order "corrector-first" corrects at t and then predicts, as the authors' code
    and many after it do: the same chain of moves, shifted by one, so that only the two ends differ
    (one correction of x_T instead of one of the result). The corrector has a noise stream of its own.
    Raises ValueError for any other order.
    """
    if order not in ("predictor-first", "corrector-first"):
        raise ValueError(f"order {order!r} must be 'predictor-first' or 'corrector-first'")
    corrector_noise = torch.Generator().manual_seed(generator.initial_seed() + 1)

    def correct(x: Tensor, t: float) -> Tensor:
        for _ in range(n_corrector):
            x = langevin_corrector(score, schedule, x, t, snr=snr, generator=corrector_noise)
        return x

    yield x
    for t, t_next in steps(times):
        if order == "predictor-first":
            x = correct(predictor(x, t, t_next), t_next)
        else:
            x = predictor(correct(x, t), t, t_next)
        yield x
