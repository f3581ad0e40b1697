"""How far a sample is from the truth, and how far an exact sample of the same size would be.

Every distance here is a V-statistic (pairs of a particle with itself count): never negative, but positive even for
a perfect sampler. That positive score is the finite-sample floor, and `floor` measures it by scoring independent
exact samples of the same size in the same way.

equation -> name
    sqrt(2 E|X-Y| - E|X-X'| - E|Y-Y'|)      -> energy_distance   (Szekely & Rizzo 2013, eq. 2.5)
    sqrt(mean over directions of W_2^2)     -> sliced_wasserstein (Bonneel et al. 2015, eq. 9)
    max |F_n - F|                           -> ks_1d
    sum p_n ln(p_n / p)                     -> histogram_kl
    sum |p_n - p| / 2                       -> total_variation
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

WITHIN = 2.5  # standard deviations of the floor; an exact sample stays inside about 19 times in 20 (see the tests)
CLOSE = 2.0  # times the floor
MANY = 32  # dimensions from which distances are computed as a matrix product

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Distance = Callable[[Tensor, Tensor], float]
ExactSampler = Callable[[int, torch.Generator], Tensor]


def compared(value: float, exact: float, error: float) -> int:
    """0: below the exact value, 1: within three standard errors of it, 2: above it (or no number at all)."""
    return 1 if abs(value - exact) <= 3 * error else 0 if value < exact else 2


@dataclass(frozen=True)
class Truth:
    """A distance to the exact answer beside what an exact sampler of the same size would score.

    value, floor_mean, floor_std: in `unit` (empty for a pure number); n: particles in the sample, or what `of` calls them.
    """

    name: str
    value: float
    floor_mean: float
    floor_std: float
    n: int
    unit: str = ""
    of: str = "particles"

    @property
    def ratio(self) -> float:
        """How many times the floor the sample scores."""
        return self.value / self.floor_mean if self.floor_mean > 0 else (0.0 if self.value == 0 else math.inf)

    @property
    def z(self) -> float:
        """How many standard deviations above the floor the sample scores."""
        excess = self.value - self.floor_mean
        return excess / self.floor_std if self.floor_std > 0 else math.copysign(math.inf, excess) if excess else 0.0

    @property
    def within(self) -> bool:
        """True when the sample cannot be told from an exact one of this size."""
        return self.z <= WITHIN

    @property
    def verdict(self) -> str:
        """One sentence for the page."""
        unit = f" {self.unit}" if self.unit else ""
        exact = f"an exact sampler with {self.n:,} {self.of} scores {_plus_minus(self.floor_mean, self.floor_std)}{unit}"
        if not math.isfinite(self.value):
            return f"Blown up: some particles are no longer finite numbers, while {exact}."
        if self.within:
            return f"As good as exact: {exact}."
        times = f"{self.ratio:.1f}" if self.ratio < 10 else f"{self.ratio:,.0f}" if self.ratio < 1e4 else "more than 10,000"
        return f"{'Close' if self.ratio <= CLOSE else 'Far'}: {times} times the floor; {exact}."


@dataclass(frozen=True)
class Floor:
    """Mean and standard deviation of the score of exact samples of `n` particles."""

    mean: float
    std: float
    n: int


def as_points(x: Tensor) -> Tensor:
    """(N,) or (N, D) -> (N, D). Raises ValueError for anything else or for no particles."""
    if x.ndim not in (1, 2) or x.numel() == 0:
        raise ValueError(f"expected a non-empty sample (N,) or (N, D), got shape {tuple(x.shape)}")
    return x[:, None] if x.ndim == 1 else x


def energy_distance(x: Tensor, y: Tensor, *, block: int = 512) -> float:
    """Energy distance between samples x (N, D) and y (M, D); zero in the limit only for equal laws.

    Unit: square root of the unit of x (as scipy.stats.energy_distance, which is the case D = 1).
    A sample with a non-finite entry is infinitely far. Raises ValueError when the dimensions differ.
    """
    x, y = _pair(x, y)
    if not (x.isfinite().all() and y.isfinite().all()):
        return math.inf
    if x.shape[1] == 1:
        return math.sqrt(max(2 * _squared_cdf_gap(x[:, 0], y[:, 0]), 0.0))
    between, within_x, within_y = (_mean_distance(a, b, block) for a, b in ((x, y), (x, x), (y, y)))
    return math.sqrt(max(2 * between - within_x - within_y, 0.0))


def sliced_wasserstein(x: Tensor, y: Tensor, *, generator: torch.Generator, n_directions: int = 64) -> float:
    """Root mean square over random directions of the 2-Wasserstein distance of the projections.

    x: (N, D), y: (M, D); unit of x. In one dimension the single direction is exact.
    """
    x, y = _pair(x, y)
    if not (x.isfinite().all() and y.isfinite().all()):
        return math.inf
    if x.shape[1] > 1:
        directions = torch.randn(x.shape[1], n_directions, generator=generator, dtype=x.dtype)
        directions = directions / directions.norm(dim=0)
        x, y = x @ directions, y @ directions
    n, m = len(x), len(y)
    x, y = (torch.from_numpy(np.sort(s.detach().T.numpy(), axis=1)) for s in (x, y))  # numpy sorts numbers several times faster than torch
    if n != m:
        levels = torch.cat([torch.arange(1, k + 1, dtype=torch.float64) / k for k in (n, m)]).sort().values
        widths = levels.diff(prepend=levels.new_zeros(1))
        middle = levels - widths / 2
        x, y = (s[:, (middle * k).long().clamp(max=k - 1)] for s, k in ((x, n), (y, m)))
        return math.sqrt(float((widths * (x - y).double().square()).sum(1).mean()))
    return math.sqrt(float((x - y).square().mean()))


def sliced(x: Tensor, y: Tensor) -> float:
    """`sliced_wasserstein` along the same 32 directions in every call: n log n, so 10,000 particles are measured at once."""
    return sliced_wasserstein(x, y, generator=torch.Generator().manual_seed(0), n_directions=32)


def ks_1d(x: Tensor, cdf: Callable[[Tensor], Tensor]) -> float:
    """Kolmogorov-Smirnov distance max |F_n - F| of a sample x (N,) or (N, 1) to an exact, continuous `cdf`."""
    x = as_points(x)
    if x.shape[1] != 1:
        raise ValueError(f"the Kolmogorov-Smirnov distance is one-dimensional, got D = {x.shape[1]}")
    if not x.isfinite().all():
        return math.inf
    exact = cdf(x[:, 0].double().sort().values)
    steps = torch.arange(len(x) + 1, dtype=torch.float64) / len(x)
    return float(torch.maximum(steps[1:] - exact, exact - steps[:-1]).max())


def ks_floor(n: int) -> Floor:
    """Floor of `ks_1d` for n independent particles in closed form: Kolmogorov's law, valid for n of 30 or more."""
    mean = math.sqrt(math.pi / 2) * math.log(2)
    return Floor(mean / math.sqrt(n), math.sqrt((math.pi**2 / 12 - mean**2) / n), n)


def histogram_kl(counts: Tensor, probabilities: Tensor) -> float:
    """Relative entropy sum p_n ln(p_n/p), in nats, of counted bins to their exact probabilities (same shape).

    Probability left over (1 - sum p) belongs to no bin; count what fell outside as one more bin to include it.
    Infinite when something was counted where nothing can be. Raises ValueError for shapes or an empty count.
    """
    if counts.shape != probabilities.shape or counts.sum() <= 0:
        raise ValueError("counts and probabilities need one shape, and something must have been counted")
    share, exact = counts.double() / counts.sum(), probabilities.double()
    return float(torch.xlogy(share, share).sub(torch.xlogy(share, exact)).sum())


def histogram_kl_floor(n: int, n_bins: int) -> Floor:
    """Floor of `histogram_kl`: 2 n KL follows chi-square with n_bins - 1 degrees of freedom (n p >> 1 in each bin)."""
    return Floor((n_bins - 1) / (2 * n), math.sqrt((n_bins - 1) / 2) / n, n)


def total_variation(counts: Tensor, probabilities: Tensor) -> float:
    """Total variation distance sum |p_n - p| / 2 of counted outcomes to their exact probabilities (same shape); 0 to 1.

    Raises ValueError for shapes or an empty count.
    """
    if counts.shape != probabilities.shape or counts.sum() <= 0:
        raise ValueError("counts and probabilities need one shape, and something must have been counted")
    return float((counts.double() / counts.sum() - probabilities.double()).abs().sum()) / 2


def total_variation_floor(n: int, probabilities: Tensor, *, n_repeats: int = 400, seed: int = 0) -> Floor:
    """Floor of `total_variation`: `n_repeats` multinomial counts of n exact draws. Rare outcomes need no care."""
    p = probabilities.double().flatten().numpy()
    counts = np.random.default_rng(seed).multinomial(n, p / p.sum(), size=n_repeats)
    scores = np.abs(counts / n - p).sum(1) / 2
    return Floor(float(scores.mean()), float(scores.std(ddof=1)), n)


def floor(
    distance: Distance, exact_sampler: ExactSampler, n: int, *, n_repeats: int = 8, seed: int = 0, n_reference: int | None = None
) -> Floor:
    """Score `n_repeats` independent pairs of exact samples: n particles against n_reference (default: n).

    exact_sampler(n, generator) -> (n, D). Cache the answer: it does not depend on the sample being judged.
    """
    if n_repeats < 2:
        raise ValueError("a floor with an uncertainty needs at least two repeats")
    generator = torch.Generator().manual_seed(seed)
    scores = torch.tensor(
        [distance(exact_sampler(n, generator), exact_sampler(n_reference or n, generator)) for _ in range(n_repeats)], dtype=torch.float64
    )
    return Floor(float(scores.mean()), float(scores.std()), n)


def measure(
    distance: Distance,
    sample: Tensor,
    exact_sampler: ExactSampler,
    *,
    n_repeats: int = 8,
    seed: int,
    name: str = "energy distance",
    unit: str = "",
    known_floor: Floor | None = None,
    n_reference: int | None = None,
) -> Truth:
    """Distance of `sample` (N, D) to a fresh exact sample, with the floor for N particles.

    known_floor: pass a cached one to save the n_repeats exact scorings; same N and n_reference.
    """
    n = len(sample)
    if known_floor is not None and known_floor.n != n:
        raise ValueError(f"this floor is for {known_floor.n} particles, the sample has {n}")
    exact = known_floor or floor(distance, exact_sampler, n, n_repeats=n_repeats, seed=seed + 1, n_reference=n_reference)
    reference = exact_sampler(n_reference or n, torch.Generator().manual_seed(seed))
    return Truth(name, distance(sample, reference), exact.mean, exact.std, n, unit)


def _plus_minus(mean: float, std: float) -> str:
    """`0.040 ± 0.005`: both to the first digit of the uncertainty; `(4.0 ± 0.5)·10⁻⁷` when small, 0 when it is round-off."""
    if mean < 1e-12 and std < 1e-12:
        return "0 but for round-off"
    if 0 < mean < 1e-4 and std < 1e-4:
        power = math.floor(math.log10(mean))
        return f"({mean / 10.0**power:.1f} ± {std / 10.0**power:.1f})·10{str(power).translate(RAISED)}"
    digits = max(0, -math.floor(math.log10(std))) if 0 < std < math.inf else 3
    return f"{mean:.{digits}f} ± {std:.{digits}f}"


def _pair(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    x, y = as_points(x), as_points(y)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"samples live in {x.shape[1]} and {y.shape[1]} dimensions")
    return x, y.to(x.dtype)


def _mean_distance(x: Tensor, y: Tensor, block: int) -> float:
    """Mean of |x_i - y_j| over all pairs, a block of rows at a time; summed in float64.

    The matrix-product form |x|^2 + |y|^2 - 2 x.y loses small distances to cancellation. In many dimensions, where it is many times
    faster, there are none but those of a point to itself; in float64 these come out below 1e-6 of the others.
    """
    mode = "donot_use_mm_for_euclid_dist"
    if x.shape[1] > MANY:
        x, y, mode = x.double(), y.double(), "use_mm_for_euclid_dist"
    total = sum(torch.cdist(rows, y, compute_mode=mode).sum(1).double().sum() for rows in x.split(block))
    return float(total) / (len(x) * len(y))


def _squared_cdf_gap(x: Tensor, y: Tensor) -> float:
    """Integral of (F_x - F_y)^2, both empirical: half the squared energy distance in one dimension, by one sort."""
    pooled, order = torch.cat([x, y]).double().sort()
    weights = torch.cat([x.new_full((len(x),), 1 / len(x), dtype=torch.float64), y.new_full((len(y),), -1 / len(y), dtype=torch.float64)])
    gap = weights[order].cumsum(0)[:-1]
    return float((gap.square() * pooled.diff()).sum())
