"""The curse of dimensionality: where volume goes when d grows, what a grid and a rejection cost, and what a score is worth.

equation -> name
    V_ball/V_cube = pi^(d/2) / (d 2^(d-1) Gamma(d/2))                     -> log_ball_share   (of the ball inscribed in the cube)
    1 - (1 - eps)^d                                                       -> peel_share       (of a ball's volume, outer eps of its radius)
    E[min r] = N B(N, 1 + 1/d),  E[max r] = N d/(N d + 1)                 -> nearest_share    (N uniform points of a ball, from its centre)
    |x| ~ chi_d,  sd/mean ~ 1/sqrt(2 d)                                   -> shell_width      (of N(0, I_d))
    acceptance s^-d: N(0, I) from N(0, s^2 I)                             -> rejection_share
    m^d                                                                   -> log_grid_points
    <min(1, p(y)/p(x))> = 2 F_t(-h sqrt(d)/2; d),  y = x + h z            -> walk_acceptance  (t law with d degrees of freedom)
    <|y - x|^2>/2d = h^2 E[chi_d^2 Phi(-h chi_d/2)]/d                     -> walk_progress
    the same for MALA, d -> inf: l^2 d^(-1/3) Phi(-l^3/8)                 -> mala_progress

walk_acceptance: <min(1, r)> = 2 P(p(y) > p(x)) for a symmetric proposal, = 2 P(x.z/|z| < -h |z|/2), a normal over a chi.
Sources: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning (2009), sec. 2.5; Beyer et al., ICDT 1999;
Roberts, Gelman & Gilks, Ann. Appl. Probab. 7, 110 (1997); Roberts & Rosenthal, J. R. Stat. Soc. B 60, 255 (1998), K = 1/4 for a Gaussian.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import special, stats
from torch import Tensor

from core.numerics.distances import Truth, ks_floor
from core.numerics.potentials import Harmonic
from core.numerics.samplers import BAOAB, MALA, RandomWalkMetropolis
from core.numerics.trajectory import Trajectory

MAX_DIM = 1000
SCAN = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
WALK, WALK_MALA = 2.38, 1.65  # step times d^(1/2), d^(1/6): optimal for many dimensions (Roberts et al.)
METHODS = {
    "direct": "drawn directly",
    "grid": "grid",
    "rejection": "rejection",
    "walk": "random walk",
    "score": "with the score",
}
WELL = Harmonic(1.0)  # U = |x|^2/2: the Gaussian N(0, I_d) at kT = 1


def log_ball_share(d: ArrayLike) -> np.ndarray:
    """ln of the share of a cube's volume inside its inscribed ball."""
    d = np.asarray(d, dtype=float)
    return d / 2 * math.log(math.pi) - d * math.log(2) - _lgamma(d / 2 + 1)


def peel_share(d: ArrayLike, eps: float) -> np.ndarray:
    """Share of a ball's volume within eps (of the radius) of its surface."""
    return -np.expm1(np.asarray(d, dtype=float) * math.log1p(-eps)) if eps < 1 else np.ones_like(np.asarray(d, dtype=float))


def nearest_share(d: ArrayLike, n_points: int) -> np.ndarray:
    """Mean distance of the nearest of n uniform points of a ball from its centre, over that of the farthest."""
    d = np.asarray(d, dtype=float)
    nearest = np.exp(_lgamma(n_points + 1.0) + _lgamma(1 + 1 / d) - _lgamma(n_points + 1 + 1 / d))
    return nearest * (n_points * d + 1) / (n_points * d)


def shell_radius(d: ArrayLike) -> np.ndarray:
    """E|x| of N(0, I_d): sqrt(2) Gamma((d + 1)/2)/Gamma(d/2), close to sqrt(d - 1/2)."""
    d = np.asarray(d, dtype=float)
    return math.sqrt(2) * np.exp(_lgamma((d + 1) / 2) - _lgamma(d / 2))


def shell_width(d: ArrayLike) -> np.ndarray:
    """Standard deviation of |x| over its mean, for N(0, I_d)."""
    mean = shell_radius(d)
    return np.sqrt(np.asarray(d, dtype=float) - mean**2) / mean


def rejection_share(d: ArrayLike, wide: float) -> np.ndarray:
    """Acceptance of N(0, I_d) out of N(0, wide^2 I_d) with the tightest envelope."""
    return np.exp(-np.asarray(d, dtype=float) * math.log(wide))


def log_grid_points(d: ArrayLike, per_axis: int) -> np.ndarray:
    """ln of the number of points of a grid."""
    return np.asarray(d, dtype=float) * math.log(per_axis)


def walk_acceptance(d: ArrayLike, h: ArrayLike) -> np.ndarray:
    """Mean acceptance of the random walk y = x + h z in N(0, I_d), exact in every dimension."""
    d = np.asarray(d, dtype=float)
    return 2 * special.stdtr(d, -np.asarray(h) * np.sqrt(d) / 2)


def walk_progress(d: int, h: float) -> float:
    """Mean squared move of one coordinate in one step over 2: what the step takes off its autocorrelation; 1 for a fresh draw.

    By the same symmetry as walk_acceptance; the integral over chi_d by quadrature.
    """
    chi = _chi_grid(d)
    return h**2 * float((chi**2 * special.ndtr(-h * chi / 2)).mean()) / d


def mala_progress(d: ArrayLike, length: float = WALK_MALA) -> np.ndarray:
    """The same for MALA with noise of width length d^(-1/6), in the limit of many dimensions."""
    return length**2 * np.asarray(d, dtype=float) ** (-1 / 3) * special.ndtr(-(length**3) / 8)


@dataclass(frozen=True)
class Count:
    """A share counted in n trials; low, high: Clopper-Pearson bounds at two standard deviations (95.4 %), also for none of n."""

    dim: int
    value: float
    low: float
    high: float
    n: int

    @property
    def error(self) -> float:
        """Standard error of the share."""
        return math.sqrt(self.value * (1 - self.value) / self.n)


def count(hits: int, n: int, dim: int) -> Count:
    tail = special.ndtr(-2)
    low = special.betaincinv(hits, n - hits + 1, tail) if hits else 0.0
    high = special.betaincinv(hits + 1, n - hits, 1 - tail) if hits < n else 1.0
    return Count(dim, hits / n, float(low), float(high), n)


@dataclass(frozen=True)
class Average:
    """A mean over repetitions with its standard error."""

    dim: int
    value: float
    error: float


@dataclass(frozen=True)
class Census:
    """Monte Carlo beside every closed form, one entry per dimension of `dims`."""

    dims: tuple[int, ...]
    ball: tuple[Count, ...]
    rejection: tuple[Count, ...]
    peel: tuple[Count, ...]
    nearest: tuple[Average, ...]
    shell: tuple[Average, ...]


@lru_cache(maxsize=16)
def census(
    *, dims: tuple[int, ...] = SCAN, n: int = 10_000, eps: float = 0.05, wide: float = 1.2, n_points: int = 1000, seed: int = 0
) -> Census:
    """Throw n points for each share and each dimension; the points of d dimensions are the first d coordinates of one set.

    nearest: 200 repetitions of n_points points. Raises ValueError for numbers that make no experiment.
    """
    if n < 2 or n_points < 2 or not 0 < eps < 1 or not wide > 1 or not all(1 <= d <= MAX_DIM for d in dims):
        raise ValueError(f"n and n_points must be 2 or more, 0 < eps < 1, wide > 1 and dimensions in 1..{MAX_DIM}")
    generator = torch.Generator().manual_seed(seed)
    wanted = set(dims)
    cube, gauss = torch.zeros(n), torch.zeros(n)
    balls, rejections, shells = {}, {}, {}
    coin = torch.rand(n, generator=generator).log()
    for d in range(1, max(dims) + 1):
        cube += torch.rand(n, generator=generator).mul_(2).sub_(1).square_()
        gauss += torch.randn(n, generator=generator).square_()
        if d in wanted:
            balls[d] = count(int((cube < 1).sum()), n, d)
            kept = coin < gauss * ((1 - wide**2) / 2)  # p/(M q) at x = wide z: exp(-(wide^2 - 1)|z|^2/2)
            rejections[d] = count(int(kept.sum()), n, d)
            radius = gauss.sqrt().double()
            mean, spread = float(radius.mean()), float(radius.std())
            shells[d] = Average(d, spread / mean, spread / mean * math.sqrt(0.5 / n + (spread / mean) ** 2 / n))
    log_u = torch.rand(n, generator=generator, dtype=torch.float64).log()
    peel = tuple(count(int((log_u / d > math.log1p(-eps)).sum()), n, d) for d in dims)
    log_r = torch.rand(200, n_points, generator=generator, dtype=torch.float64).log()
    near, far = log_r.min(1).values, log_r.max(1).values
    nearest = tuple(_ratio((near / d).exp(), (far / d).exp(), d) for d in dims)
    return Census(
        tuple(dims), tuple(balls[d] for d in dims), tuple(rejections[d] for d in dims), peel, nearest, tuple(shells[d] for d in dims)
    )


def sample(*, d: int = 100, n_points: int = 600, seed: int = 0, n_frames: int = 90) -> tuple[Trajectory, Trajectory]:
    """The stage: points of a ball and of a Gaussian while coordinates are added one by one, from 1 to d.

    Each point is drawn at its true distance from the centre (in units of the radius, and of sqrt(d)), at an angle of its own that
    it keeps and that means nothing. Times are dimensions. Raises ValueError unless 1 <= d <= 1000.
    """
    if not 1 <= d <= MAX_DIM or n_points < 1:
        raise ValueError(f"d must be in 1..{MAX_DIM} and n_points at least 1")
    generator = torch.Generator().manual_seed(seed)
    u, turn = torch.rand(2, n_points, generator=generator)
    x = torch.randn(n_points, d, generator=generator)
    angle = 2 * math.pi * turn
    direction = torch.stack([angle.cos(), angle.sin()], 1)
    dims = torch.logspace(0, math.log10(d), n_frames, dtype=torch.float64).round().unique() if d > 1 else torch.ones(1, dtype=torch.float64)
    radius = x.square().cumsum(1).sqrt()[:, (dims - 1).long()].T / dims[:, None].sqrt()
    ball = torch.exp(u.log()[None] / dims[:, None])
    of_ball, of_gaussian = (Trajectory(dims, (r[..., None] * direction).float()) for r in (ball, radius))
    return of_ball, of_gaussian


def ball_density(r: Tensor, d: float) -> Tensor:
    """Density per area of the ball's points on the stage: d r^(d-2) / 2 pi inside."""
    return torch.where(r <= 1, d * r.clamp(1e-3, 1) ** (d - 2) / (2 * math.pi), 0.0)


def shell_density(r: Tensor, d: float) -> Tensor:
    """Density per area of the Gaussian's points on the stage, at r = |x|/sqrt(d)."""
    r = r.clamp(min=1e-3)
    x = (r * math.sqrt(d)).double()
    log_pdf = (1 - d / 2) * math.log(2) - math.lgamma(d / 2) + (d - 1) * x.log() - x.square() / 2  # of the chi law
    return log_pdf.exp() * math.sqrt(d) / (2 * math.pi * r)


@dataclass(frozen=True)
class Spent:
    """What n looks at the density gave a method: radii (K,) with weights (K,) that sum to 1; K = 0 if nothing came of them."""

    radii: Tensor
    weights: Tensor
    looks: int


def spend(method: str, *, d: int, n: int = 10_000, wide: float = 1.2, seed: int = 0) -> Spent:
    """Spend n looks at exp(-|x|^2/2) in d dimensions in one of METHODS. Chains: 100, from the mode, their second half is kept.

    grid: floor(n^(1/d)) points per axis over [-4, 4]. walk: Metropolis at step 2.38/sqrt(d). score: BAOAB (friction 2, dt 1.4).
    Raises ValueError for an unknown method or d outside 1..1000.
    """
    if method not in METHODS or not 1 <= d <= MAX_DIM or n < 100:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, d in 1..{MAX_DIM} and n at least 100")
    generator = torch.Generator().manual_seed(seed)
    match method:
        case "grid":
            return _grid(d, n)
        case "walk" | "score":
            sampler = RandomWalkMetropolis(WELL, 1.0, WALK / math.sqrt(d)) if method == "walk" else BAOAB(WELL, 1.0, 1.4, 2.0)
            states = [state.position.norm(dim=1) for state, _ in sampler.run(torch.zeros(100, d), n // 100, generator)]
            radii = torch.cat(states[len(states) // 2 :])
        case _:
            square = _squares(d, n, seed)
            if method == "rejection":
                kept = torch.rand(n, generator=generator.manual_seed(seed + 1)).log() < square * ((1 - wide**2) / 2)
                square = square[kept] * wide**2
            radii = square.sqrt()
    radii = radii.double()
    return Spent(radii, torch.full_like(radii, 1 / max(1, len(radii))), n)


def distance(spent: Spent, d: int) -> float:
    """Kolmogorov-Smirnov distance of the weighted radii to the chi law with d degrees of freedom; 1 when there is nothing."""
    if len(spent.radii) == 0:
        return 1.0
    order = spent.radii.argsort()
    exact = torch.as_tensor(special.gammainc(d / 2, spent.radii[order].numpy() ** 2 / 2))
    total = spent.weights[order].cumsum(0)
    return float(torch.maximum(total - exact, exact - total + spent.weights[order]).max())


def truth(spent: Spent, d: int) -> Truth:
    """The distance beside what as many direct draws as there were looks would score."""
    return Truth("distance of |x| to its exact law", distance(spent, d), ks_floor(spent.looks))


def compared_with_direct(measured: Truth) -> int:
    """Points from looks beside as many direct draws: 0 closer to the law, 2 less close (by chance once in a thousand), 1 else."""
    n = measured.floor.n
    return 0 if stats.kstwo.cdf(measured.value, n) < 0.001 else 2 if stats.kstwo.sf(measured.value, n) < 0.001 else 1


@lru_cache(maxsize=16)
def bought(*, n: int = 10_000, wide: float = 1.2, seed: int = 0, dims: tuple[int, ...] = SCAN) -> dict[str, list[float]]:
    """method -> distance for each of `dims`, all with n looks."""
    return {method: [_scored(method, d, n, seed, **({"wide": wide} if method == "rejection" else {})) for d in dims] for method in METHODS}


@lru_cache(maxsize=512)
def _scored(method: str, d: int, n: int, seed: int, **wide: float) -> float:
    return distance(spend(method, d=d, n=n, seed=seed, **wide), d)


@dataclass(frozen=True)
class Progress:
    """Counted progress of one step per dimension (see walk_progress), with and without the score."""

    dims: tuple[int, ...]
    walk: tuple[Average, ...]
    mala: tuple[Average, ...]


@lru_cache(maxsize=8)
def progress(*, dims: tuple[int, ...] = SCAN, n: int = 1500, seed: int = 0) -> Progress:
    """One step of n chains that start in the exact law, with the step lengths that are best in many dimensions."""
    found: dict[str, list[Average]] = {"walk": [], "mala": []}
    for d in dims:
        x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
        for name, sampler in (
            ("walk", RandomWalkMetropolis(WELL, 1.0, WALK / math.sqrt(d))),
            ("mala", MALA(WELL, 1.0, 0.5 * WALK_MALA**2 * d ** (-1 / 3))),
        ):
            *_, (state, _) = sampler.run(x, 1, torch.Generator().manual_seed(seed + 1))
            each = (state.position - x).square().sum(1).double() / (2 * d)
            found[name].append(Average(d, float(each.mean()), float(each.std()) / math.sqrt(n)))
    return Progress(tuple(dims), tuple(found["walk"]), tuple(found["mala"]))


def affordable(d: int, n: int) -> int:
    """Points per axis of the finest grid in d dimensions that n looks pay for, at least one."""
    return max(1, int(n ** (1 / d) + 1e-9))


def _grid(d: int, n: int) -> Spent:
    per_axis = affordable(d, n)
    axis = 8 * (torch.arange(per_axis, dtype=torch.float64) + 0.5) / per_axis - 4
    square, weight = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    for _ in range(d if per_axis > 1 else 1):
        square = (square[:, None] + axis.square()).reshape(-1)
        weight = (weight[:, None] * torch.exp(-0.5 * axis.square())).reshape(-1)
    return Spent(square.sqrt(), weight / weight.sum(), n)


@lru_cache(maxsize=32)
def _squares(d: int, n: int, seed: int) -> Tensor:
    """(n,): |z|^2 of n draws of N(0, I_d)."""
    generator, square = torch.Generator().manual_seed(seed), torch.zeros(n)
    for block in _blocks(d, n):
        square += torch.randn(n, block, generator=generator).square_().sum(1)
    return square


def _blocks(d: int, n: int) -> list[int]:
    """Coordinates drawn at a time, so that a million numbers are in memory at once."""
    size = max(1, 1_000_000 // n)
    return [size] * (d // size) + ([d % size] if d % size else [])


def _ratio(near: Tensor, far: Tensor, d: int) -> Average:
    """Ratio of two means with its standard error (delta method)."""
    a, b = float(near.mean()), float(far.mean())
    rest = near / b - far * (a / b**2)
    return Average(d, a / b, float(rest.std()) / math.sqrt(len(near)))


@lru_cache(maxsize=64)
def _chi_grid(d: int, n: int = 4000) -> np.ndarray:
    """Midpoints of n equal parts of probability of chi_d: an average over them is an expectation."""
    return np.sqrt(2 * special.gammaincinv(d / 2, (np.arange(n) + 0.5) / n))


def _lgamma(x: ArrayLike) -> np.ndarray:
    return torch.lgamma(torch.as_tensor(x, dtype=torch.float64)).numpy()
