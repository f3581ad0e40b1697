"""How far a sample is from the truth, and how far an exact sample of the same size would be.

Every distance here is a V-statistic (pairs of a particle with itself count): never negative, but positive even for
a perfect sampler. That positive score is the finite-sample floor, and `floor` measures it by scoring independent
exact samples of the same size in the same way. A sample is told from an exact one when it scores more than LEVEL of
them do: a test of that level, whatever the distance and the law (Besag & Clifford, Biometrika 76, 633 (1989)).

equation -> name
    sqrt(2 E|X-Y| - E|X-X'| - E|Y-Y'|)      -> energy_distance   (Szekely & Rizzo 2013, eq. 2.5)
    sqrt(mean over directions of W_2^2)     -> SlicedWasserstein (Bonneel et al. 2015, eq. 9)
    max |F_n - F|                           -> ks_1d
    sum p_n ln(p_n / p)                     -> histogram_kl
    sum |p_n - p| / 2                       -> total_variation
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from scipy import stats
from torch import Tensor

LEVEL = 0.95  # share of exact samples that are found as good as exact
N_REPEATS = 399  # exact samples behind a floor: (N_REPEATS + 1) LEVEL is whole, so the limit below has the level exactly
N_COUNTS = 1999  # the same where one is a row of counts and costs next to nothing
DRAWN = 100_000  # particles drawn at once for a floor
CLOSE = 2.0  # times the floor
RUNS = 5  # of a sampler, seed by seed, where a question compares two
SEED = 917_017  # of the exact sample that others are compared with: no reader's seed
MANY = 32  # dimensions from which distances are computed as a matrix product

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Distance = Callable[[Tensor, Tensor], float]
Score = Callable[[Tensor], float]
ExactSampler = Callable[[int, torch.Generator], Tensor]


def compared(value: float, exact: float, error: float) -> int:
    """0: below the exact value, 1: within three standard errors of it, 2: above it (or no number at all)."""
    return 1 if abs(value - exact) <= 3 * error else 0 if value < exact else 2


def told_apart(first: Sequence[float], second: Sequence[float]) -> int:
    """Sign of the mean of first - second, pairs of independent runs, where Student's t tells it from zero: of 100 equal pairs of sets 99
    give 0. Runs that blew up (infinite) are farther than any that did not.
    """
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return int(np.isfinite(second).sum() > np.isfinite(first).sum()) - int(np.isfinite(first).sum() > np.isfinite(second).sum())
    gaps = np.subtract(first, second)
    error = float(gaps.std(ddof=1)) / math.sqrt(len(gaps))
    return int(np.sign(gaps.mean())) if abs(gaps.mean()) > float(stats.t.ppf(0.995, len(gaps) - 1)) * error else 0


def with_error(values: Sequence[float]) -> str:
    """Mean of independent runs and its standard error, in words."""
    return f"{np.mean(values):.3g} ± {np.std(values, ddof=1) / math.sqrt(len(values)):.2g}"


@dataclass(frozen=True)
class Floor:
    """What exact samples of `n` particles score: mean, standard deviation, and the `limit` that LEVEL of them do not exceed."""

    mean: float
    std: float
    limit: float
    n: int


@dataclass(frozen=True)
class Truth:
    """A distance to the exact answer beside what an exact sampler of the same size would score.

    value and floor: in `unit` (empty for a pure number); of: what the floor's n counts.
    """

    name: str
    value: float
    floor: Floor
    unit: str = ""
    of: str = "particles"

    @property
    def ratio(self) -> float:
        """How many times the floor the sample scores."""
        return self.value / self.floor.mean if self.floor.mean > 0 else (0.0 if self.value == 0 else math.inf)

    @property
    def z(self) -> float:
        """How many standard deviations above the floor the sample scores."""
        excess = self.value - self.floor.mean
        return excess / self.floor.std if self.floor.std > 0 else math.copysign(math.inf, excess) if excess else 0.0

    @property
    def within(self) -> bool:
        """True when the sample cannot be told from an exact one of this size; LEVEL of exact ones cannot."""
        return self.value <= self.floor.limit

    @property
    def level(self) -> str:
        """What is known of exact samples, in words."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{100 * LEVEL:.0f} of 100 exact samples of {self.floor.n:,} {self.of} score {_rounded(self.floor.limit)}{unit} or less"

    @property
    def verdict(self) -> str:
        """One sentence for the page."""
        if not math.isfinite(self.value):
            return f"Blown up: some particles are no longer finite numbers; {self.level}."
        if self.within:
            return f"As good as exact: {self.level}."
        times = f"{self.ratio:.1f}" if self.ratio < 10 else f"{self.ratio:,.0f}" if self.ratio < 1e4 else "more than 10,000"
        of = f"the {_rounded(self.floor.mean)} that exact samples score on average"
        return f"{'Close' if self.ratio <= CLOSE else 'Far'}: {times} times {of}; {self.level}."


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


@dataclass(frozen=True)
class SlicedWasserstein:
    """Root mean square over `n_directions` random directions, the same in every call, of the 2-Wasserstein distance of the projections.

    x: (N, D), y: (M, D); unit of x. n log n, so 10,000 particles are measured at once. In one dimension the single direction is exact.
    A sample with a non-finite entry is infinitely far. Raises ValueError when the dimensions differ.
    """

    n_directions: int = 32
    seed: int = 0
    embed: Callable[[Tensor], Tensor] = as_points  # where the points of both samples are taken to be

    def __call__(self, x: Tensor, y: Tensor) -> float:
        return self.to(y)(x)

    def to(self, y: Tensor) -> Score:
        """x -> the distance to y. What depends on y and on the size of x alone is computed once."""
        fixed, steps = self._sorted(y), {}

        def distance(x: Tensor) -> float:
            _pair(x, y)
            moving = self._sorted(x)
            n = moving.shape[1]
            if n not in steps:
                steps[n] = _steps(fixed, n)
            return _gap(moving, *steps[n]) if np.isfinite(fixed[:, [0, -1]]).all() else math.inf

        return distance

    def to_many(self, y: Tensor, n: int) -> Score:
        """The same for x of n particles; of y nothing is kept but what these need."""
        dim, (means, spread) = as_points(y).shape[1], _steps(self._sorted(y), n)

        def distance(x: Tensor) -> float:
            if as_points(x).shape != (n, dim):
                raise ValueError(f"expected {n} particles in {dim} dimensions, got shape {tuple(x.shape)}")
            return _gap(self._sorted(x), means, spread)

        return distance

    def _sorted(self, x: Tensor) -> np.ndarray:
        """(L, N): the projections on every direction in order, each a row of memory, which numpy sorts ten times faster than a column."""
        x = self.embed(as_points(x).detach())
        if x.shape[1] == 1:
            return np.sort(x.T.numpy(), axis=1)
        directions = _directions(x.shape[1], self.n_directions, self.seed).to(x.dtype)
        rows = (directions @ x.T).numpy()
        rows.sort(axis=1)
        return rows


sliced = SlicedWasserstein()


@lru_cache(maxsize=16)
def _directions(dim: int, n: int, seed: int) -> Tensor:
    """(n, dim): random unit vectors."""
    directions = torch.randn(dim, n, generator=torch.Generator().manual_seed(seed))
    return (directions / directions.norm(dim=0)).T.contiguous()


def _steps(ordered: np.ndarray, n: int) -> tuple[np.ndarray, float]:
    """Rows (L, M) in order -> mean of the quantile function on each n-th of its levels (L, n), and its mean variance on them (0 for M = n).

    The squared W_2 distance of a row to n points in order is the mean square of their differences to these means, plus the variance.
    """
    m = ordered.shape[1]
    if m == n:
        return ordered, 0.0
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)  # of the levels on which both step functions are flat, times n m
    widths = np.diff(ends, prepend=0) / m
    flat, first = ordered[:, (ends - 1) // n], np.searchsorted(ends, np.arange(n) * m, side="right")
    mean, square = (np.add.reduceat(widths * part, first, axis=1) for part in (flat, np.square(flat, dtype=np.float64)))
    return mean.astype(ordered.dtype), max(0.0, float((square - np.square(mean)).mean()))


def _gap(moving: np.ndarray, means: np.ndarray, spread: float) -> float:
    """The distance of projections in order (L, n) to a sample of which `_steps` is known; infinite for one that is not finite."""
    if not np.isfinite(moving[:, [0, -1]]).all():
        return math.inf
    gap = (moving - means).ravel()
    return math.sqrt(float(gap @ gap) / gap.size + spread)


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


@lru_cache(maxsize=256)
def ks_floor(n: int) -> Floor:
    """Floor of `ks_1d` for n independent particles: Kolmogorov's law (n of 30 or more), the limit exact at n (Simard 2011)."""
    mean = math.sqrt(math.pi / 2) * math.log(2)
    return Floor(mean / math.sqrt(n), math.sqrt((math.pi**2 / 12 - mean**2) / n), float(stats.kstwo.ppf(LEVEL, n)), n)


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
    return Floor((n_bins - 1) / (2 * n), math.sqrt((n_bins - 1) / 2) / n, float(stats.chi2.ppf(LEVEL, n_bins - 1)) / (2 * n), n)


def total_variation(counts: Tensor, probabilities: Tensor) -> float:
    """Total variation distance sum |p_n - p| / 2 of counted outcomes to their exact probabilities (same shape); 0 to 1.

    Raises ValueError for shapes or an empty count.
    """
    if counts.shape != probabilities.shape or counts.sum() <= 0:
        raise ValueError("counts and probabilities need one shape, and something must have been counted")
    return float((counts.double() / counts.sum() - probabilities.double()).abs().sum()) / 2


def total_variation_floor(n: int, probabilities: Tensor, *, n_repeats: int = N_COUNTS, seed: int = 0) -> Floor:
    """Floor of `total_variation`: `n_repeats` multinomial counts of n exact draws. Rare outcomes need no care.

    Scores of counts are lumpy: at least LEVEL of the exact ones do not exceed the limit.
    """
    p = probabilities.double().flatten().numpy()
    counts = np.random.default_rng(seed).multinomial(n, p / p.sum(), size=n_repeats)
    return _floor_of(np.abs(counts / n - p).sum(1) / 2, n)


def enough(distance: Distance, n: int) -> int:
    """Exact particles to compare n with: for the sliced distance so many that their own scatter hardly shows; else n, to save time."""
    return min(16 * n, max(n, 40_000)) if isinstance(distance, SlicedWasserstein) else n


def against(distance: Distance, exact_sampler: ExactSampler, n: int, *, seed: int = SEED, n_reference: int | None = None) -> Score:
    """x (n, D) -> its distance to the exact sample that all others of n particles are compared with as well."""
    exact = exact_sampler(n_reference or enough(distance, n), torch.Generator().manual_seed(seed))
    if not isinstance(distance, SlicedWasserstein):
        return lambda x: distance(x, exact)
    exact = as_points(exact).detach().contiguous()
    return _score(distance, _Drawn(hashlib.blake2b(exact.numpy().tobytes()).digest(), exact.dtype, tuple(exact.shape), exact), n)


@dataclass(frozen=True)
class _Drawn:
    """A sample that is equal to another by what is in it: laws do not tell whether they are equal, their draws at one seed do."""

    digest: bytes
    dtype: torch.dtype
    shape: tuple[int, ...]
    points: Tensor = field(compare=False)


@lru_cache(maxsize=32)
def _score(distance: SlicedWasserstein, exact: _Drawn, n: int) -> Score:
    """Sorting a large exact sample is most of the work of a measurement, and the same at each."""
    return distance.to_many(exact.points, n)


def floor(
    distance: Distance,
    exact_sampler: ExactSampler,
    n: int,
    *,
    seed: int = SEED,
    n_repeats: int = N_REPEATS,
    n_reference: int | None = None,
) -> Floor:
    """Score `n_repeats` independent exact samples of n particles against the one that `measure` compares with at this seed.

    exact_sampler(n, generator) -> (n, D), independent draws. Cache the answer: it does not depend on the sample being judged.
    n_reference: particles of the sample to compare with; by default `enough`.
    n_repeats: k for which (k + 1) LEVEL is whole have the level exactly: 19, 199, 399. Raises ValueError for less than 19.
    """
    if n_repeats < 19:
        raise ValueError("a floor with a limit that 95 of 100 exact samples keep needs at least 19 repeats")
    score = against(distance, exact_sampler, n, seed=seed, n_reference=n_reference)
    generator = torch.Generator().manual_seed(seed + 1)
    scores: list[float] = []
    while (left := n_repeats - len(scores)) > 0:
        k = min(left, max(1, DRAWN // n))
        scores += [score(x) for x in exact_sampler(k * n, generator).split(n)]
    return _floor_of(np.array(scores), n)


def measure(
    distance: Distance,
    sample: Tensor,
    exact_sampler: ExactSampler,
    *,
    seed: int = SEED,
    name: str = "energy distance",
    unit: str = "",
    known_floor: Floor | None = None,
    n_reference: int | None = None,
) -> Truth:
    """Distance of `sample` (N, D) to an exact sample of n_reference (default: `enough`) particles, with the floor for N particles.

    known_floor: pass a cached one to save its exact scorings; same distance, law, N, seed and n_reference.
    """
    n = len(sample)
    if known_floor is not None and known_floor.n != n:
        raise ValueError(f"this floor is for {known_floor.n} particles, the sample has {n}")
    exact = known_floor or floor(distance, exact_sampler, n, seed=seed, n_reference=n_reference)
    return Truth(name, against(distance, exact_sampler, n, seed=seed, n_reference=n_reference)(sample), exact, unit)


def _floor_of(scores: np.ndarray, n: int) -> Floor:
    """The limit is the smallest score that a further exact sample exceeds with a probability of no more than 1 - LEVEL."""
    rank = math.ceil(LEVEL * (len(scores) + 1) - 1e-9)
    return Floor(float(scores.mean()), float(scores.std(ddof=1)), float(np.sort(scores)[rank - 1]), n)


def _rounded(value: float) -> str:
    """Two significant digits, three where the first is a one; small ones as `4.0·10⁻⁷`, 0 when it is round-off."""
    if value < 1e-12:
        return "0 but for round-off"
    power = math.floor(math.log10(value))
    if power < -4:
        return f"{value / 10.0**power:.1f}·10{str(power).translate(RAISED)}"
    return f"{value:.{max(0, 2 - power if value < 2 * 10.0**power else 1 - power)}f}"


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
