"""The forward process: data to noise, step by step and in one jump, along every schedule.

equation -> name
    dx = f(t) x dt + g(t) dB, x_{k+1} = x_k + f x_k dt + g sqrt(dt) z            -> sample(rule="Euler")
    q(x_{k+1} | x_k) = N((alpha'/alpha) x_k, sigma'^2 - (alpha'/alpha)^2 sigma^2) -> sample(rule="transition")
    x_t = alpha(t) x_0 + sigma(t) eps                                             -> sample(rule="jump")
    mean factor a_k and noise variance v_k of the stepped chain, exactly          -> chain_moments
    beta_k = 1 - (alpha'/alpha)^2, DDPM's noise variance of one step              -> chain_moments
    KL(p_t || N(0, 1)) of one coordinate against t and against log-SNR            -> collapse
    the way back from pure noise, though x_T is not                               -> price_of_too_little_noise

Sources: Song et al. 2021 (arXiv 2011.13456), eq. 5, 11, 12, 29; Ho et al. 2020 (arXiv 2006.11239), eq. 2, 4; Nichol & Dhariwal
2021 (arXiv 2102.09672), eq. 17 and the clipping below it; Kingma et al. 2021 (arXiv 2107.00630), for log-SNR as the clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from core.numerics.densities import get_dataset
from core.numerics.distances import ExactSampler, Floor, Truth, against, enough, floor, measure, sliced
from core.numerics.frames import stage_scale
from core.numerics.integrators import Times, dpm_solver_pp_2m, euler_maruyama, steps
from core.numerics.mixture import LOG_2PI
from core.numerics.parametrisation import exact_score
from core.numerics.schedules import SCHEDULES, VARIANTS, FiniteTime, Schedule
from core.numerics.sde import forward_sde
from core.numerics.trajectory import Trajectory, collect, frame_indices

CLOCKS: dict[str, Schedule] = {name: SCHEDULES[name] for name in ("linear", "cosine", "exponential", "sigmoid", "EDM")} | {
    "finite time": FiniteTime()
}
RULES = ("Euler", "transition", "jump")
MAX_STEPS = 2000


def clock(schedule: str, variant: str = "VP") -> Schedule:
    """The schedule called `schedule`, in `variant`. Raises ValueError for unknown names."""
    if schedule not in CLOCKS:
        raise ValueError(f"schedule {schedule!r} is not one of {', '.join(CLOCKS)}")
    return replace(CLOCKS[schedule], variant=variant)


def transition(path: Schedule, x: Tensor, times: Times, *, generator: torch.Generator) -> Iterator[Tensor]:
    """The Markov chain q(x_next | x) whose laws are exact at every one of the ascending `times`; DDPM's forward chain for VP."""
    yield x
    for t, t_next in steps(times):
        kept = path.alpha(t_next) / path.alpha(t)
        spread = math.sqrt(max(0.0, path.sigma(t_next) ** 2 - kept**2 * path.sigma(t) ** 2))
        x = torch.mul(x, kept).add_(torch.randn(x.shape, generator=generator, dtype=x.dtype), alpha=spread)
        yield x


def jump(path: Schedule, x_0: Tensor, times: Tensor, *, generator: torch.Generator) -> Iterator[Tensor]:
    """alpha(t) x_0 + sigma(t) eps at each of `times`, one eps per particle: no step needs the one before."""
    eps = torch.randn(x_0.shape, generator=generator, dtype=x_0.dtype)
    for t in times.tolist():
        yield torch.mul(x_0, path.alpha(t)).add_(eps, alpha=path.sigma(t))


def sample(
    *,
    dataset: str = "three modes",
    schedule: str = "linear",
    variant: str = "VP",
    rule: str = "Euler",
    t_end: float = 1.0,
    n_steps: int = 100,
    n_particles: int = 2000,
    seed: int = 0,
    on_stage: bool = False,
    n_frames: int = 120,
) -> Trajectory:
    """Particles from the data at t = 0 to t_end in n_steps even steps, by one of RULES; the same seed gives every rule the same x_0.

    on_stage: divide each frame by `stage_scale`, so that VE paths fit the same picture as VP paths.
    Raises ValueError for unknown names, t_end outside (0, 1], n_steps outside 1..2000 or no particles.
    """
    if rule not in RULES:
        raise ValueError(f"rule {rule!r} is not one of {', '.join(RULES)}")
    if not 0 < t_end <= 1 or not 1 <= n_steps <= MAX_STEPS or n_particles < 1:
        raise ValueError(f"t_end must be in (0, 1], n_steps in 1..{MAX_STEPS}, n_particles at least 1")
    path = clock(schedule, variant)
    times = torch.linspace(0, t_end, n_steps + 1, dtype=torch.float64)
    x_0 = get_dataset(dataset).sample(n_particles, torch.Generator().manual_seed(seed))
    noise = torch.Generator().manual_seed(seed + 1_000_003)
    if rule == "Euler":
        states = euler_maruyama(forward_sde(path), x_0, times, generator=noise)
    else:
        states = (transition if rule == "transition" else jump)(path, x_0, times, generator=noise)
    run = collect(states, times, n_frames=n_frames)
    if not on_stage:
        return run
    return Trajectory(run.times, run.positions / stage_scale(path, run.times)[:, None, None].to(run.positions.dtype))


def frame_times(t_end: float, n_steps: int, n_frames: int = 120) -> Tensor:
    """(T,): the times at which `sample` keeps a frame."""
    return torch.linspace(0, t_end, n_steps + 1, dtype=torch.float64)[frame_indices(n_steps + 1, n_frames)]


@dataclass(frozen=True)
class Chain:
    """The stepped chain in closed form; times (n + 1,), steps (n,).

    kept: factor of x_0 in the mean; variance: of the noise around it, for Euler's rule; both (n + 1,) beside the exact alpha and
    sigma^2. erased: Euler's -f dt, the share of x that one step takes away (above 1 it overshoots, above 2 it explodes);
    beta: 1 - (alpha'/alpha)^2, DDPM's noise variance of one exact transition, always below 1.
    """

    times: Tensor
    kept: Tensor
    variance: Tensor
    alpha: Tensor
    sigma2: Tensor
    erased: Tensor
    beta: Tensor


def chain_moments(*, schedule: str = "linear", variant: str = "VP", t_end: float = 1.0, n_steps: int = 100) -> Chain:
    """a' = (1 + f dt) a and v' = (1 + f dt)^2 v + g^2 dt: Euler's chain is linear, so x_k given x_0 is exactly N(a x_0, v)."""
    path = clock(schedule, variant)
    times = torch.linspace(0, t_end, n_steps + 1, dtype=torch.float64)
    dt = t_end / n_steps
    a, v = [1.0], [0.0]
    for t, _ in steps(times):
        factor = 1 + path.f(t) * dt
        a.append(factor * a[-1])
        v.append(factor**2 * v[-1] + path.g2(t) * dt)
    alpha = path.alpha(times)
    return Chain(
        times,
        torch.tensor(a, dtype=torch.float64),
        torch.tensor(v, dtype=torch.float64),
        alpha,
        path.sigma(times) ** 2,
        -path.f(times[:-1]) * dt,
        1 - (alpha[1:] / alpha[:-1]) ** 2,
    )


def truth(run: Trajectory, *, dataset: str, schedule: str = "linear", variant: str = "VP") -> Truth:
    """How far the particles (on stage) are from the exact p_t at the end: sliced Wasserstein distance in widths of x_t."""
    t = float(run.times[-1])
    exact = _on_stage(dataset, schedule, variant, t)
    known = _floor(dataset, schedule, variant, t, run.n_particles)
    return measure(sliced, run.final, exact, name="sliced Wasserstein distance", known_floor=known)


def prior_width(path: Schedule, t: float) -> float:
    """What a sampler that begins at t draws its noise with: 1 for VP and sub-VP, sigma(t) for VE."""
    return path.sigma(t) if path.variant == "VE" else 1.0


def gaussian_gap(run: Trajectory, *, schedule: str = "linear", variant: str = "VP") -> Truth:
    """How far the particles (on stage) at the end are from the Gaussian that the way back will start from."""
    path, t = clock(schedule, variant), float(run.times[-1])
    width = prior_width(path, t) / float(stage_scale(path, torch.tensor(t, dtype=torch.float64)))
    known = _gaussian_floor(run.n_particles)
    scaled = Floor(known.mean * width, known.std * width, known.limit * width, known.n)

    def prior(n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, 2, generator=generator) * width

    return measure(sliced, run.final, prior, name="distance of x_T to the Gaussian", known_floor=scaled)


def _on_stage(dataset: str, schedule: str, variant: str, t: float) -> ExactSampler:
    path = clock(schedule, variant)
    density, scale = get_dataset(dataset).diffused(path, t), float(stage_scale(path, torch.tensor(t, dtype=torch.float64)))
    return lambda n, generator: density.sample(n, generator) / scale


@lru_cache(maxsize=128)
def _floor(dataset: str, schedule: str, variant: str, t: float, n: int) -> Floor:
    return floor(sliced, _on_stage(dataset, schedule, variant, t), n)


@lru_cache(maxsize=32)
def _gaussian_floor(n: int) -> Floor:
    return floor(sliced, lambda m, generator: torch.randn(m, 2, generator=generator), n)


@dataclass(frozen=True)
class Collapse:
    """Relative entropy of one coordinate of x_t to N(0, 1), in nats, for every clock of one variant. (VE: of x_t on stage.)

    log_snr (L,), on_path: name -> (L,) at those log-SNR; times (T,), in_time: name -> (T,) at those t.
    deviation: the largest difference of on_path between any two clocks, over the largest value; density_deviation: the same for the
    densities themselves, at every x of the quadrature.
    """

    log_snr: Tensor
    on_path: dict[str, Tensor]
    times: Tensor
    in_time: dict[str, Tensor]
    deviation: float
    density_deviation: float


@lru_cache(maxsize=32)
def collapse(*, dataset: str = "three modes", variant: str = "VP", n: int = 33) -> Collapse:
    """Each clock is asked for its t at a given log-SNR and the law is computed there: nothing is interpolated."""
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r} is not one of {', '.join(VARIANTS)}")
    marginal = get_dataset(dataset).to(torch.float64).marginal(0)
    x = torch.linspace(-6, 6, 481, dtype=torch.float64)[:, None]
    gaussian = -0.5 * (x[:, 0] ** 2 + LOG_2PI)

    def law(path: Schedule, t: float) -> Tensor:
        scale = float(stage_scale(path, torch.tensor(t, dtype=torch.float64))) if variant == "VE" else 1.0
        return marginal.diffused(path, t).log_prob(x * scale) + math.log(scale)

    def entropy(log_p: Tensor) -> float:
        return float(torch.trapezoid(log_p.exp() * (log_p - gaussian), x[:, 0]))

    log_snr = torch.linspace(5, -6, n, dtype=torch.float64)
    times = torch.linspace(0.02, 1, n, dtype=torch.float64)
    laws, in_time = {}, {}
    for name in CLOCKS:
        path = clock(name, variant)
        at = path.time_at(torch.exp(-log_snr / 2))
        laws[name] = torch.stack([law(path, t) for t in at.tolist()])
        in_time[name] = torch.tensor([entropy(law(path, t)) for t in times.tolist()], dtype=torch.float64)
    on_path = {name: torch.tensor([entropy(log_p) for log_p in law_], dtype=torch.float64) for name, law_ in laws.items()}
    curves, densities = torch.stack(list(on_path.values())), torch.stack(list(laws.values())).exp()

    def spread(stack: Tensor) -> float:
        return float((stack.amax(0) - stack.amin(0)).max() / stack.max())

    return Collapse(log_snr, on_path, times, in_time, spread(curves), spread(densities))


@dataclass(frozen=True)
class Price:
    """t_end (E,); gap: distance of x_T to the Gaussian; back: distance of what the way back makes of that Gaussian to the data;
    drift: how far its mean is from the data's. Distances in units of x; floor: what exact samples of n score. All (E,)."""

    t_end: Tensor
    gap: Tensor
    back: Tensor
    drift: Tensor
    floor: Floor
    n: int


@lru_cache(maxsize=32)
def price_of_too_little_noise(
    *,
    dataset: str = "three modes",
    schedule: str = "linear",
    variant: str = "VP",
    n_particles: int = 1000,
    n_steps: int = 25,
    ends: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
) -> Price:
    """Use only the first part of a schedule, to t_end, and start the way back from pure noise all the same.

    The way back is DPM-Solver++(2M) with the exact score, so that nothing but the wrong start is to blame.
    """
    path, data = clock(schedule, variant), get_dataset(dataset)
    score = exact_score(data, path)
    law = data.diffused(path, path.t_min).sample
    distance = against(sliced, law, n_particles)
    middle = law(enough(sliced, n_particles), torch.Generator().manual_seed(17)).mean(0)
    gap, back, drift = [], [], []
    for t_end in ends:
        x_t = data.diffused(path, t_end).sample(n_particles, torch.Generator().manual_seed(3))
        pure = torch.randn(n_particles, 2, generator=torch.Generator().manual_seed(5)) * prior_width(path, t_end)
        scale = float(stage_scale(path, torch.tensor(t_end, dtype=torch.float64)))
        gap.append(sliced(x_t / scale, pure / scale))
        ratios = torch.logspace(
            math.log10(path.noise_ratio(t_end)), math.log10(path.noise_ratio(path.t_min)), n_steps + 1, dtype=torch.float64
        )
        times = path.time_at(ratios)
        times[0], times[-1] = t_end, path.t_min
        *_, x = dpm_solver_pp_2m(score, path, pure, times)
        back.append(distance(x))
        drift.append(float((x.mean(0) - middle).norm()))
    known = floor(sliced, law, n_particles)
    return Price(torch.tensor(ends), torch.tensor(gap), torch.tensor(back), torch.tensor(drift), known, n_particles)


def noise_of_euler(*, schedule: str = "linear", variant: str = "VP", t_end: float = 1.0, n_steps: int = 100) -> tuple[int, str]:
    """Variance of the noise in Euler's chain at t_end against sigma^2: 0 too little by more than 1 %, 1 right to 1 %, 2 too much."""
    chain = chain_moments(schedule=schedule, variant=variant, t_end=t_end, n_steps=n_steps)
    stepped, exact = float(chain.variance[-1]), float(chain.sigma2[-1])
    return (0 if stepped < 0.99 * exact else 2 if stepped > 1.01 * exact else 1), (
        f"With n = {n_steps} the variance of its noise is {stepped:.4g}, where σ² = {exact:.4g}; the ratio is {stepped / exact:.4g}."
    )


def data_left(t: float, *, schedule: str = "linear", variant: str = "VP") -> tuple[int, str]:
    """Share alpha^2/(alpha^2 + sigma^2) of the variance of x_t that data of variance 1 have: 0 below 1/4, 1 to 3/4, 2 more."""
    path = clock(schedule, variant)
    alpha, sigma = path.alpha(t), path.sigma(t)
    share = alpha**2 / (alpha**2 + sigma**2)
    return (0 if share < 0.25 else 1 if share < 0.75 else 2), (
        f"α({t:g}) = {alpha:.3g} and σ({t:g}) = {sigma:.3g} for the {schedule} schedule in {variant} form: α²/(α² + σ²) = {share:.3f}."
    )


def time_of_balance(*, schedule: str = "linear", variant: str = "VP") -> tuple[int, str]:
    """When signal and noise are equally strong, log-SNR = 0: 0 in the first third of the time, 1 in the second, 2 in the last or never."""
    t = float(clock(schedule, variant).time_at(torch.tensor(1.0, dtype=torch.float64)))
    when = f"at t = {t:.3f}" if t <= 1 else "not before the end, t = 1,"
    return min(int(3 * t), 2), f"α = σ {when} for the {schedule} schedule in {variant} form."
