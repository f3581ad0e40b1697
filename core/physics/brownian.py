"""Brownian motion: a walk of many small steps, whatever the law of the step, spreads as a Gaussian.

equation -> name
    x_{k+1} = x_k + sigma sqrt(dt) xi_k,  E xi = 0, E xi^2 = 1         -> walk, sample
    p(x, t) = exp(-x^2 / 2 sigma^2 t) / sqrt(2 pi sigma^2 t)           -> heat_kernel   (variance sigma^2 t, not t)
    <|x(t) - x(0)|^2> = d sigma^2 t = 2 d D t                          -> mean_square, slope
    D = kT / (6 pi eta r)                                              -> stokes_einstein
    max |F_n - Phi| ~ c n^-r                                           -> convergence, numerics.steps.clt_distance

Sources: Einstein, Ann. Phys. 17, 549 (1905); Feller, An Introduction to Probability Theory II (1971), ch. XVI.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import overload

import torch
from torch import Tensor

from core.numerics.checks import one_of, positive
from core.numerics.distances import ExactSampler, Floor, Truth, floor, ks_1d, ks_floor, measure, sliced
from core.numerics.steps import STEPS, StepLaw, clt_distance
from core.numerics.trajectory import Trajectory, collect

BOLTZMANN = 1.380649e-23  # J/K, exact since 2019
BLOCK = 1 << 18  # numbers drawn at a time; fixed, so that the stored frames never change the path


def walk(law: StepLaw, x: Tensor, times: Tensor, *, sigma: float, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the (N, D) positions at each of the evenly spaced `times`, the first being `x` itself.

    Every coordinate of every step is an independent draw: coins walk on a square lattice.
    """
    yield x
    scale = sigma * math.sqrt(float(times[1] - times[0]))
    remaining, block = len(times) - 1, max(1, BLOCK // x.numel())
    while remaining:
        n = min(block, remaining)
        path = law.draw((n, *x.shape), generator).mul_(scale).cumsum_(0).add_(x)
        yield from path
        x, remaining = path[-1], remaining - n


def sample(
    *,
    step: str = "gaussian",
    sigma: float = 1.0,
    t_end: float = 1.0,
    n_steps: int = 200,
    n_particles: int = 2000,
    dim: int = 1,
    seed: int = 0,
    n_frames: int = 200,
) -> Trajectory:
    """Walkers that start together at the origin and take `n_steps` steps of the named law until `t_end`.

    sigma: spread after unit time, length/sqrt(time). Raises ValueError when a number makes no walk.
    """
    one_of("step", step, STEPS)
    positive(sigma=sigma, t_end=t_end)
    if min(n_steps, n_particles, dim, n_frames - 1) < 1:
        raise ValueError("steps, particles and dimensions must be at least 1, frames 2")
    generator = torch.Generator().manual_seed(seed)
    times = torch.linspace(0, t_end, n_steps + 1, dtype=torch.float64)
    start = torch.zeros(n_particles, dim)
    return collect(walk(STEPS[step], start, times, sigma=sigma, generator=generator), times, n_frames=n_frames)


@overload
def variance(t: float, sigma: float) -> float: ...
@overload
def variance(t: Tensor, sigma: float) -> Tensor: ...
def variance(t: float | Tensor, sigma: float) -> float | Tensor:
    """sigma^2 t, of one coordinate. (A slide that writes N(0, t) has set sigma = 1.)"""
    return sigma**2 * t


def lattice_spacing(*, step: str, sigma: float, t_end: float, n_steps: int) -> float:
    """Distance between positions that can occur at one time: 2 sigma sqrt(dt) for coins, 0 for continuous steps."""
    return 2 * sigma * math.sqrt(t_end / n_steps) if step == "coin" else 0.0


def heat_kernel(x: Tensor, t: float | Tensor, sigma: float) -> Tensor:
    """Exact density of one coordinate at time t > 0; x and t broadcast. In D dimensions multiply one per coordinate."""
    spread = _spread(t, sigma)
    return torch.exp(-x.square() / (2 * spread)) / (2 * math.pi * spread).sqrt()


def heat_kernel_cdf(x: Tensor, t: float | Tensor, sigma: float) -> Tensor:
    """Exact P(coordinate <= x) at time t > 0."""
    return torch.special.ndtr(x / _spread(t, sigma).sqrt())


@dataclass(frozen=True)
class MeanSquare:
    """Mean squared displacement, its standard error over walkers and the exact line, all (T,), length^2."""

    times: Tensor
    value: Tensor
    error: Tensor
    exact: Tensor


def mean_square(trajectory: Trajectory, sigma: float) -> MeanSquare:
    """Errors of different times are correlated: each walker carries its past along. `slope` accounts for it."""
    square = (trajectory.positions - trajectory.positions[0]).square().sum(-1).double()
    elapsed = trajectory.times - trajectory.times[0]
    return MeanSquare(trajectory.times, square.mean(1), _error(square), trajectory.dim * variance(elapsed, sigma))


@dataclass(frozen=True)
class Slope:
    """d<|x|^2>/dt with its standard error, and the exact d sigma^2, length^2/time."""

    value: float
    error: float
    exact: float
    dim: int

    @property
    def diffusion(self) -> float:
        """D = slope / 2 d."""
        return self.value / (2 * self.dim)


def slope(trajectory: Trajectory, sigma: float, *, method: str = "increments") -> Slope:
    """Slope of the mean squared displacement; one number per walker, so that the error needs no model of correlations.

    increments: sum of squared moves between frames / time; moves are independent, error sigma^2 sqrt(2 d/(N frames)).
    line: least squares through the origin on each walker's own |x(t)|^2, what a ruler laid on the curve gives; its
    points are correlated and its error is larger by a factor of about sqrt(frames).
    Both are unbiased. For heavy tails the error itself is uncertain (no fourth moment), for Lévy steps meaningless.
    """
    x, t = trajectory.positions, (trajectory.times - trajectory.times[0]).double()
    if method == "increments":
        each = x.diff(dim=0).square().sum(-1).double().sum(0) / t[-1]
    elif method == "line":
        square = (x - x[0]).square().sum(-1).double()
        each = (t[:, None] * square).sum(0) / t.square().sum()
    else:
        raise ValueError(f"method is 'increments' or 'line', not {method!r}")
    return Slope(float(each.mean()), float(_error(each[None])[0]), trajectory.dim * sigma**2, trajectory.dim)


@dataclass(frozen=True)
class Convergence:
    """Kolmogorov distance of the walkers to the heat kernel after n_steps steps (T,), and the floor it cannot pass."""

    n_steps: Tensor
    distance: Tensor
    floor: Floor


def convergence(trajectory: Trajectory, *, sigma: float, n_steps: int, n_points: int = 40) -> Convergence:
    """Distance of the first coordinate at up to n_points log-spaced frames; n_steps: of the whole walk."""
    steps = (trajectory.times[1:] / trajectory.times[-1] * n_steps).round().long()
    wanted = torch.logspace(0, math.log10(n_steps), n_points)
    frames = torch.searchsorted(steps, wanted.round().long().clamp(max=int(steps[-1]))).unique()
    distances = [
        ks_1d(trajectory.positions[f + 1, :, 0], partial(heat_kernel_cdf, t=trajectory.times[f + 1], sigma=sigma)) for f in frames.tolist()
    ]
    return Convergence(steps[frames], torch.tensor(distances), ks_floor(trajectory.n_particles))


def typical_distance(*, step: str, sigma: float, t_end: float, n_steps: int, n_particles: int = 4000, seed: int = 0) -> float:
    """How far walkers on a line are from their start: the mean of |x|, of Lévy walkers, whose |x| has no mean, the median."""
    x = sample(step=step, sigma=sigma, t_end=t_end, n_steps=n_steps, n_particles=n_particles, seed=seed, n_frames=2).final.double().abs()
    return float(x.median() if step == "levy" else x.mean())


def smaller_steps(step: str, n_steps: int, factor: int = 4) -> tuple[float, float]:
    """Exact Kolmogorov distance of one coordinate to the bell: of n_steps steps, and of `factor` times as many (and shorter) ones."""
    return clt_distance(step, n_steps), clt_distance(step, factor * n_steps)


def truth(trajectory: Trajectory, *, sigma: float) -> Truth:
    """How far the last frame is from the heat kernel: Kolmogorov-Smirnov in 1-D, sliced Wasserstein in more dimensions.

    Positions are measured in units of the exact spread sigma sqrt(t), so the floor depends on N and D alone.
    """
    elapsed = float(trajectory.times[-1] - trajectory.times[0])
    scaled = (trajectory.final - trajectory.positions[0]) / math.sqrt(variance(elapsed, sigma))
    n, dim = scaled.shape
    if dim == 1:
        return Truth("Kolmogorov–Smirnov distance", ks_1d(scaled, torch.special.ndtr), ks_floor(n))
    return measure(sliced, scaled, _gaussian_sampler(dim), name="sliced Wasserstein distance", known_floor=_gaussian_floor(n, dim))


@dataclass(frozen=True)
class Grain:
    """A sphere in a liquid. diffusion: um^2/s; sigma: um/sqrt(s), sigma^2 = 2 D; times in seconds."""

    diffusion: float
    sigma: float
    own_radius_time: float
    velocity_memory: float


def stokes_einstein(
    *, radius: float = 0.5, viscosity: float = 1.0, temperature: float = 293.15, dim: int = 3, density: float = 1.0
) -> Grain:
    """D = kT / (6 pi eta r). radius in um, viscosity in mPa s, temperature in K, density of the grain in g/cm^3.

    own_radius_time: r^2 / (2 d D), when the mean squared displacement is r^2. velocity_memory: m / (6 pi eta r), after
    which the grain has forgotten its velocity: Brownian motion is the picture above that time.
    """
    if min(radius, viscosity, temperature, density) <= 0:
        raise ValueError("radius, viscosity, temperature and density must be positive")
    r, eta = radius * 1e-6, viscosity * 1e-3
    diffusion = BOLTZMANN * temperature / (6 * math.pi * eta * r) * 1e12
    return Grain(diffusion, math.sqrt(2 * diffusion), radius**2 / (2 * dim * diffusion), 2 * density * 1e3 * r * r / (9 * eta))


def water_viscosity(temperature: float) -> float:
    """mPa s, 2.414e-2 * 10^(247.8/(T - 140)), within 2.5 % from 273 to 643 K (Al-Shemmeri, Engineering Fluid Mechanics)."""
    if not 273 <= temperature <= 643:
        raise ValueError(f"liquid water needs 273 to 643 K, got {temperature:g} K")
    return 2.414e-2 * 10 ** (247.8 / (temperature - 140))


def _spread(t: float | Tensor, sigma: float) -> Tensor:
    spread = torch.as_tensor(variance(t, sigma))
    if not (spread > 0).all():
        raise ValueError("the heat kernel is a spike at t = 0: it has a density only for t > 0 and sigma > 0")
    return spread


def _error(values: Tensor) -> Tensor:
    """Standard error of the mean over the last axis; infinite for a single walker."""
    n = values.shape[-1]
    return values.std(-1) / math.sqrt(n) if n > 1 else torch.full_like(values[..., 0], math.inf)


def _gaussian_sampler(dim: int) -> ExactSampler:
    return lambda n, generator: torch.randn(n, dim, generator=generator)


@lru_cache(maxsize=64)
def _gaussian_floor(n: int, dim: int) -> Floor:
    return floor(sliced, _gaussian_sampler(dim), n)
