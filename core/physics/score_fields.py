"""Score fields: a density of the plane edited by hand, its score, and two walks along it from the same points.

equation -> name
    p_sigma = p * N(0, sigma^2)                                   -> field           (exact: mixtures and blurred histograms)
    U = -ln p_sigma,  force = -grad U                             -> potential
    score of p^(1/kT)/Z = force / kT                              -> exact_law, rescaled
    dx = force dt                          (greedy)               -> sample(kT=0)
    dx = force dt + sqrt(2 kT) dB          (Langevin)             -> sample(kT>0)
    grad ln(c p) = grad ln p, whatever c                          -> rescaled
    Euler's stationary variance kT w^2 / (1 - dt / 2 w^2)         -> stationary_variance
The slide's dx = score dt + sqrt(2) dB is the case kT = 1. Lengths have no unit; time is length^2.

Sources: Roberts & Tweedie, Bernoulli 2, 341 (1996), for the Euler scheme; Song & Ermon, arXiv 1907.05600, for noise and scores.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict, Unpack

import torch
from torch import Tensor

from core.numerics.checks import one_of
from core.numerics.densities import get_dataset
from core.numerics.distances import Floor, Truth, floor, measure, sliced
from core.numerics.histogram import Histogram
from core.numerics.integrators import euler_maruyama
from core.numerics.mixture import Density, GaussianMixture
from core.numerics.schedules import EDM
from core.numerics.sde import langevin
from core.numerics.trajectory import Trajectory, collect
from core.physics.basins import Basins, GridLaw, find_basins

Mode = tuple[float, float, float, float]  # x, y, weight, width
Points = tuple[tuple[float, float], ...]
Known = GaussianMixture | Histogram


class FieldSpec(TypedDict, total=False):
    """Which density of the plane: the arguments of `field`."""

    source: str
    modes: tuple[Mode, ...]
    points: Points
    sigma: float


SHAPES = ("ring", "two moons", "spirals", "checkerboard")
SOURCES = ("by hand", *SHAPES, "your points")
STARTS = ("spread", "one corner")
MODES: tuple[Mode, ...] = ((-1.2, -0.8, 0.5, 0.5), (1.3, -0.7, 0.3, 0.45), (0.2, 1.3, 0.2, 0.6))
REACH, MAX_MODES, MAX_POINTS = 3.0, 12, 400
WIDTHS, WEIGHTS = (0.1, 1.5), (0.01, 10.0)
LEAST_NOISE = {"checkerboard": 0.05, "your points": 0.1}  # without noise their score does not exist


def parse_modes(text: str) -> tuple[Mode, ...]:
    """`x y weight width; x y weight width; ...` -> modes. Raises ValueError with words for a reader."""
    rows = [row for row in re.split(r"[;\n]", text) if row.strip()]
    if not 1 <= len(rows) <= MAX_MODES:
        raise ValueError(f"there must be 1 to {MAX_MODES} modes, not {len(rows)}")
    modes = []
    for i, row in enumerate(rows, 1):
        try:
            x, y, weight, width = (float(word) for word in row.replace(",", " ").split())
        except ValueError:
            raise ValueError(f"mode {i}, “{row.strip()[:40]}”, is not four numbers: x, y, weight, width") from None
        for name, value, (low, high) in (
            ("x", x, (-REACH, REACH)),
            ("y", y, (-REACH, REACH)),
            ("weight", weight, WEIGHTS),
            ("width", width, WIDTHS),
        ):
            if not low <= value <= high:
                raise ValueError(f"mode {i}: {name} must be from {low:g} to {high:g}, not {value:g}")
        modes.append((x, y, weight, width))
    return tuple(modes)


def format_modes(modes: Iterable[Sequence[float]]) -> str:
    """The inverse of `parse_modes`, to two decimals; numbers out of range are brought to its edge."""

    def held(value: float, low: float, high: float) -> str:
        return f"{round(min(max(float(value), low), high), 2) + 0.0:g}"

    ranges = ((-REACH, REACH), (-REACH, REACH), WEIGHTS, WIDTHS)
    return "; ".join(" ".join(held(v, *r) for v, r in zip(mode, ranges, strict=True)) for mode in list(modes)[:MAX_MODES])


def parse_points(text: str) -> Points:
    """Two numbers a line, separated by comma, semicolon, tab or space; a header line is skipped.

    The points are shifted to mean 0 and scaled to mean variance 1 per axis, like every data set here; of more than
    MAX_POINTS every k-th is kept. Raises ValueError with words for a reader.
    """
    rows, bad = [], []
    for i, line in enumerate(text.splitlines(), 1):
        words = [word for word in re.split(r"[,;\s]+", line.strip()) if word]
        try:
            x, y = (float(word) for word in words[:2])
        except ValueError:
            bad += [i] if words else []
            continue
        if not (math.isfinite(x) and math.isfinite(y) and max(abs(x), abs(y)) < 1e12):
            raise ValueError(f"line {i} holds a number that is not finite")
        rows.append((x, y))
    if [i for i in bad if i > 1]:
        raise ValueError(f"line {[i for i in bad if i > 1][0]} is not two numbers; one point a line, for example 0.5, 1.2")
    if len(rows) < 2:
        raise ValueError("at least two points are needed")
    points = torch.tensor(rows[:: math.ceil(len(rows) / MAX_POINTS)], dtype=torch.float64)
    points = points - points.mean(0)
    spread = float(points.square().mean().sqrt())
    if spread == 0:
        raise ValueError("all points lie on one spot")
    return tuple((round(x, 4), round(y, 4)) for x, y in (points / spread).tolist())


def heart(n: int = 60) -> Points:
    """Points to begin with, on a closed curve."""
    t = torch.arange(n, dtype=torch.float64) * 2 * math.pi / n
    x, y = 16 * t.sin() ** 3, 13 * t.cos() - 5 * (2 * t).cos() - 2 * (3 * t).cos() - (4 * t).cos()
    return parse_points("\n".join(f"{a} {b}" for a, b in zip(x.tolist(), y.tolist())))


def field(*, source: str = "by hand", modes: tuple[Mode, ...] = MODES, points: Points = (), sigma: float = 0.0) -> Known:
    """The density p_sigma = p * N(0, sigma^2) of the plane; its score is exact.

    modes: for source "by hand". points: for "your points" (a heart when empty); with noise the density of n points is exactly a mixture
    of n Gaussians. sigma >= 0 is raised to LEAST_NOISE where p alone has no score. Raises ValueError for an unknown source.
    """
    one_of("source", source, SOURCES)
    if sigma < 0:
        raise ValueError(f"sigma must not be negative, got {sigma:g}")
    sigma = noise_in_force(source, sigma)
    if source == "your points":
        return GaussianMixture.of(1.0, list(points or heart()), sigma)
    if source == "by hand":
        x, y, weights, widths = zip(*modes)
        density: Known = GaussianMixture.of(list(weights), list(zip(x, y)), list(widths))
    else:
        density = get_dataset(source)
    clock = EDM()  # its time is the noise level itself, and it leaves x_0 alone: x_t = x_0 + sigma eps
    return density.diffused(clock, sigma / clock.sigma_max) if sigma else density


def noise_in_force(source: str, sigma: float) -> float:
    """sigma, raised to what the source needs to have a score at all."""
    return max(sigma, LEAST_NOISE.get(source, 0.0))


def finest(density: Known) -> float:
    """The width of the finest detail: the narrowest mode, or the blur of an edge. Sets the time step."""
    return density.blur if isinstance(density, Histogram) else float(density.scales.min())


@dataclass(frozen=True)
class LogPotential:
    """U = -ln p of a density: force = score at kT = 1."""

    density: Density

    def energy(self, x: Tensor) -> Tensor:
        return -self.density.log_prob(x)

    def force(self, x: Tensor) -> Tensor:
        return self.density.score(x)


def starting_points(start: str, n: int, generator: torch.Generator) -> Tensor:
    """(n, 2): spread evenly over the view, or a small cloud in its lower left corner."""
    one_of("start", start, STARTS)
    if start == "spread":
        return (torch.rand(n, 2, generator=generator) * 2 - 1) * REACH
    return torch.randn(n, 2, generator=generator) * 0.2 - 2.3


def sample(
    *,
    source: str = "by hand",
    modes: tuple[Mode, ...] = MODES,
    points: Points = (),
    sigma: float = 0.0,
    kT: float = 1.0,
    start: str = "spread",
    step: float = 0.2,
    n_steps: int = 400,
    n_particles: int = 1000,
    seed: int = 0,
    n_frames: int = 120,
    first: int | None = None,
) -> Trajectory:
    """Walk along the score: kT = 0 climbs greedily, kT > 0 is Langevin dynamics on U = -ln p_sigma, by Euler's method.

    step: dt in units of the finest detail squared (Euler is stable below 2, see `stationary_variance`).
    The same seed gives every kT the same starting points. first: move only the first so many of the walkers, on the paths that they
    have in the crowd. Raises ValueError for numbers that make no walk.
    """
    if min(n_steps, n_particles, n_frames - 1) < 1 or not (0 < step < math.inf and 0 <= kT < math.inf):
        raise ValueError("step must be positive, kT not negative; steps and particles at least 1, frames 2")
    density = field(source=source, modes=modes, points=points, sigma=sigma)
    dt = step * finest(density) ** 2
    times = torch.arange(n_steps + 1, dtype=torch.float64) * dt
    x = starting_points(start, n_particles, torch.Generator().manual_seed(seed))[:first]
    noise = torch.Generator().manual_seed(seed + 1_000_003)
    states = euler_maruyama(langevin(LogPotential(density), kT), x, times, generator=noise, n_drawn=n_particles)
    return collect(states, times, n_frames=n_frames)


def stationary_variance(width: float, kT: float, dt: float) -> float:
    """Variance per axis that Euler's Langevin walk settles to in one Gaussian mode: kT w^2 / (1 - dt / 2 w^2).

    From v = (1 - dt/w^2)^2 v + 2 kT dt; infinite from dt = 2 w^2 on. The exact law has kT w^2.
    """
    slack = 1 - dt / (2 * width**2)
    return kT * width**2 / slack if slack > 0 else math.inf


def wandered(trajectory: Trajectory, kT: float) -> float:
    """How far noise alone carries a walker in the time of this run, along a level ridge: sqrt(2 kT t), Einstein's law."""
    return math.sqrt(2 * kT * float(trajectory.times[-1] - trajectory.times[0]))


@lru_cache(maxsize=64)
def exact_law(
    *, source: str = "by hand", modes: tuple[Mode, ...] = MODES, points: Points = (), sigma: float = 0.0, kT: float = 1.0, n: int = 200
) -> GridLaw:
    """p_sigma^(1/kT)/Z, what Langevin dynamics at kT settles to, by quadrature; its score is force/kT."""
    density = field(source=source, modes=modes, points=points, sigma=sigma)
    if isinstance(density, Histogram):
        widest, far = density.blur, 1.8
    else:
        widest, far = float(density.scales.max()), float(density.means.abs().max())
    return GridLaw.of(density, kT=kT, half=max(REACH, far + 4.5 * math.sqrt(max(kT, 1.0)) * widest), n=n)


@lru_cache(maxsize=64)
def basins(*, kT: float = 1.0, **spec: Unpack[FieldSpec]) -> Basins:
    """The modes of the law at kT that are at least half a kT apart, heaviest first; spec as for `field`."""
    return find_basins(exact_law(kT=kT, n=96, **spec))


def truth(trajectory: Trajectory, *, kT: float = 1.0, **spec: Unpack[FieldSpec]) -> Truth:
    """How far the walkers at the end are from p^(1/kT)/Z: sliced Wasserstein distance. spec as for `field`."""
    law = exact_law(kT=kT, **spec)
    known = _floor(kT, trajectory.n_particles, tuple(sorted(spec.items())))
    return measure(sliced, trajectory.final, law.sample, name="sliced Wasserstein distance", known_floor=known)


@lru_cache(maxsize=64)
def _floor(kT: float, n: int, spec: tuple) -> Floor:
    return floor(sliced, exact_law(kT=kT, **dict(spec)).sample, n)


@dataclass(frozen=True)
class Rescaled:
    """A line through the plane, before and after p -> c p. All (M,) float64; x along the line y = `y`.

    log_p, log_cp: logarithms of p and c p; score, score_c: their slopes along x, by automatic differentiation of the products;
    deviation: the largest difference of the two fields over the whole plane, relative to the longest arrow; integral: of c p.
    """

    x: Tensor
    y: float
    log_p: Tensor
    log_cp: Tensor
    score: Tensor
    score_c: Tensor
    deviation: float
    integral: float


def rescaled(constant: float, *, kT: float = 1.0, n: int = 241, **spec: Unpack[FieldSpec]) -> Rescaled:
    """Multiply p^(1/kT) by a constant > 0 and differentiate again, in float64 and without using that ln(c p) = ln c + ln p."""
    if not 0 < constant < math.inf:
        raise ValueError(f"the constant must be positive and finite, got {constant:g}")
    law = exact_law(kT=kT, **spec)
    density = field(**spec).to(torch.float64)
    peak = int(law.log_p.argmax())
    y = (peak // law.n + 0.5) * law.cell - law.half
    x = torch.linspace(-REACH, REACH, n, dtype=torch.float64)
    line = torch.stack([x, torch.full_like(x, y)], 1)
    axis = torch.linspace(-REACH, REACH, 40, dtype=torch.float64)
    plane = torch.cartesian_prod(axis, axis)

    def differentiated(factor: float, where: Tensor) -> tuple[Tensor, Tensor]:
        where = where.clone().requires_grad_(True)
        top = float(density.log_prob(where).detach().max()) / kT  # keeps exp away from underflow, as any sampler's code must
        weight = factor * (density.log_prob(where) / kT - top).exp().clamp_min(1e-290)
        log = weight.log()
        return log.detach() + top, torch.autograd.grad(log.sum(), where)[0]

    (log_p, score), (log_cp, score_c) = differentiated(1.0, line), differentiated(constant, line)
    before, after = differentiated(1.0, plane)[1], differentiated(constant, plane)[1]
    deviation = float((before - after).abs().max() / before.abs().max())
    integral = constant * math.exp(law.log_z)
    return Rescaled(x, y, log_p, log_cp, score[:, 0], score_c[:, 0], deviation, integral)


def noise_levels(source: str = "by hand", n: int = 40, largest: float = 2.5) -> Tensor:
    """(n,) rising noise levels in equal factors, from where the score exists to where little of the data is left."""
    least = max(LEAST_NOISE.get(source, 0.0), 0.02)
    return torch.logspace(math.log10(least), math.log10(largest), n, dtype=torch.float64)
