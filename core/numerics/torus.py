"""The unit torus [0, 1)^D of fractional coordinates, and the normal law wrapped around it.

Adding Gaussian noise and wrapping *is* a draw from the wrapped normal; only its score needs the sum over images.
That sum converges fast for narrow noise, its Fourier dual (Poisson summation) for wide noise; each is used on its
side of `CROSSOVER`, where both are exact to 1e-13.

equation -> name
    p(d; sigma) = sum_k N(d + k; 0, sigma^2)                       -> wrapped_normal_log_prob   (images)
                = 1 + 2 sum_n q^(n^2) cos 2 pi n d,  q = exp(-2 pi^2 sigma^2)                   (Fourier)
    d/dd ln p                                                      -> wrapped_normal_score; both at once: wrapped_normal
    sqrt(E_p[(d/dd ln p)^2])                                       -> wrapped_normal_score_rms
    E_p[cos 2 pi n d] = q^(n^2)                                    -> order
    P(delta <= d), and the d that belongs to a share u             -> wrapped_normal_cdf, wrapped_normal_quantile

Sources: Mardia & Jupp, Directional Statistics (2000), sec. 3.5.7; DiffCSP (Jiao et al. 2023), eq. 7 and app. B.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, reduce

import torch
from torch import Tensor

from core.numerics.schedules import Schedule

CROSSOVER = 0.3
IMAGES = 2  # k = -2 ... 2 at sigma <= CROSSOVER: the next image weighs less than 2 exp(-6 / (2 * 0.3^2)) = 7e-15
FEW = 0.16  # up to here k = -1, 0, 1 do: the next image weighs less than 2 exp(-2 / (2 * 0.16^2)) = 2e-17
WAVES = 4  # n = 1 ... 4 at sigma > CROSSOVER: the next wave has amplitude 2 exp(-2 pi^2 25 * 0.3^2) = 1e-19


def wrap(x: Tensor) -> Tensor:
    """Fold every coordinate into [0, 1); also where rounding would give 1."""
    folded = x - x.floor()
    return folded - (folded >= 1).to(folded.dtype)


def shortest(x: Tensor, y: Tensor) -> Tensor:
    """Shortest displacement from x to y on the torus, each coordinate in [-1/2, 1/2] (fractional minimum image).

    In a skewed cell the shortest *Cartesian* image can be another one.
    """
    return nearest_image(y - x)


def nearest_image(delta: Tensor) -> Tensor:
    """The image of a displacement with each coordinate in [-1/2, 1/2]."""
    return delta - delta.round()


def geodesic(x: Tensor, y: Tensor, t: float | Tensor) -> Tensor:
    """The point a share t of the way along the shortest path from x (t = 0) to y (t = 1)."""
    return wrap(x + t * shortest(x, y))


def embed(x: Tensor) -> Tensor:
    """(..., D) -> (..., 2 D): each coordinate on a circle of circumference 1, so that Euclidean distances are periodic."""
    angle = 2 * math.pi * x
    return torch.cat([angle.cos(), angle.sin()], dim=-1) / (2 * math.pi)


def wrapped_normal(delta: Tensor, sigma: Tensor | float) -> tuple[Tensor, Tensor]:
    """(ln p, d ln p / d delta) at one noise level: the same exponentials or waves serve both."""
    delta, sigma = _prepare(delta, sigma)
    if sigma <= CROSSOVER:
        weight, pull = _image_sums(delta, sigma, _enough(sigma))
        return _nearest_log_prob(delta, sigma) + weight.log(), -pull / (weight * sigma.square())
    density, slope = _wave_sums(delta, sigma)
    return density.log(), slope / density


def wrapped_normal_score(delta: Tensor, sigma: Tensor | float, *, n_images: int | None = None) -> Tensor:
    """d ln p / d delta of the wrapped normal, coordinate by coordinate; shape of delta, unit 1/cell.

    delta: displacement from the mean, any image, in fractions of the cell. sigma > 0: broadcast against delta.
    n_images: keep k = -n_images ... n_images around the nearest image and no more; 0 is `nearest_image_score`.
    """
    return _by_width(_image_score, _wave_score, delta, sigma, n_images)


def wrapped_normal_log_prob(delta: Tensor, sigma: Tensor | float, *, n_images: int | None = None) -> Tensor:
    """ln p(delta; sigma), coordinate by coordinate. n_images: force the sum over k = -n_images ... n_images alone."""
    return _by_width(_image_log_prob, _wave_log_prob, delta, sigma, n_images)


def wrapped_normal_score_rms(sigma: Tensor | float) -> Tensor:
    """sqrt(E[score^2]) under p(.; sigma), shape and dtype of sigma; 1/sigma when narrow, 2 sqrt(2) pi q when wide.

    Dividing the score by it gives a target of unit size at every noise level. Interpolated from a table, relative
    error below 1e-5. Below 1e-30 (sigma > 1.9) the score is zero for every purpose.
    """
    sigma = torch.as_tensor(sigma, dtype=None if torch.is_tensor(sigma) else torch.get_default_dtype())
    table = _rms_table()
    position = sigma.double().clamp(max=TABLE_END) * ((len(table) - 1) / TABLE_END)
    left = position.floor().long().clamp(max=len(table) - 2)
    excess = torch.lerp(table[left], table[left + 1], position - left)
    beyond = -2 * math.pi**2 * (sigma.double().square() - TABLE_END**2).clamp(min=0)
    return (torch.exp(excess + beyond) / sigma.double().clamp(max=TABLE_END)).to(sigma.dtype)


def nearest_image_score(delta: Tensor, sigma: Tensor | float) -> Tensor:
    """The score that forgets all images but the nearest: -d/sigma^2, torn at half a cell."""
    delta, sigma = _prepare(delta, sigma)
    return -delta / sigma**2


def wrapped_normal_cdf(delta: Tensor, sigma: float, *, n_images: int | None = None) -> Tensor:
    """P(displacement <= delta) for delta in [-1/2, 1/2], the sum of error functions over the images; float64.

    n_images: of the law that keeps k = -n_images ... n_images only, normalised; 0 is a normal cut off at half a cell.
    """
    k = torch.arange(-_reach(sigma, n_images), _reach(sigma, n_images) + 1, dtype=torch.float64)

    def below(d: Tensor) -> Tensor:
        return torch.special.ndtr((d[..., None] + k) / sigma).sum(-1)

    start, end = below(torch.tensor([-0.5, 0.5], dtype=torch.float64))
    return (below(delta.double()) - start) / (end - start)


def wrapped_normal_quantile(share: Tensor, sigma: float, *, n_images: int | None = None) -> Tensor:
    """The displacement in [-1/2, 1/2] with this share (in [0, 1]) of the law below it, to 1e-9; float64.

    Applied to uniform numbers it draws from the wrapped normal without any wrapping. n_images: as `wrapped_normal_cdf`.
    """
    grid, below = _quantile_table(sigma, n_images)
    right = torch.searchsorted(below, share.double().contiguous()).clamp(1, len(grid) - 1)
    low, high = below[right - 1], below[right]
    part = ((share - low) / (high - low).clamp(min=1e-300)).clamp(0, 1)
    guess = torch.lerp(grid[right - 1], grid[right], part)
    mass = 1.0 if n_images is None else float(_mass(sigma, n_images))
    density = wrapped_normal_log_prob(guess, sigma, n_images=_reach(sigma, n_images)).exp() / mass
    newton = guess + (share - wrapped_normal_cdf(guess, sigma, n_images=n_images)) / density
    return newton.clamp(grid[right - 1], grid[right])


def truncation_error(sigma: float, n_images: int) -> float:
    """Bound on |p - p_truncated| anywhere when only images k = -n_images ... n_images of a delta in [-1/2, 1/2] are kept.

    The images left out lie at n_images + 1/2 or beyond on one side and a cell further on the other; the geometric
    sum of their weights bounds them.
    """
    first = n_images + 0.5
    peak = math.exp(-first * first / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma)
    return peak * (1 + math.exp(-first / sigma**2)) / -math.expm1(-(first + 0.5) / sigma**2)


def order(sigma: Tensor | float, n: int = 1) -> Tensor:
    """E[cos 2 pi n delta] = exp(-2 pi^2 n^2 sigma^2): what is left of the n-th wave; the law decays to uniform at it."""
    return _q(torch.as_tensor(sigma)) ** (n * n)


def measured_order(delta: Tensor, n: int = 1) -> tuple[float, float]:
    """Sample mean of cos 2 pi n delta and its standard error."""
    wave = torch.cos(2 * math.pi * n * delta.flatten().double())
    return float(wave.mean()), float(wave.std()) / math.sqrt(len(wave))


@dataclass(frozen=True)
class WrappedNormal:
    """Independent wrapped normals of one width around `mean` (D,) on the unit torus; sigma in fractions of the cell."""

    mean: Tensor
    sigma: float

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or not 0 < self.sigma < math.inf:
            raise ValueError(f"mean must be (D,) and sigma positive, got {tuple(self.mean.shape)} and {self.sigma}")

    def log_prob(self, x: Tensor) -> Tensor:
        """(N, D) -> (N,)"""
        return wrapped_normal_log_prob(x - self.mean, self.sigma).sum(-1)

    def score(self, x: Tensor) -> Tensor:
        """(N, D) -> (N, D)"""
        return wrapped_normal_score(x - self.mean, self.sigma)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, D) in [0, 1): noise, then wrap."""
        noise = torch.randn(n, len(self.mean), generator=generator, dtype=self.mean.dtype)
        return wrap(self.mean + self.sigma * noise)

    def diffused(self, schedule: Schedule, t: float) -> WrappedNormal:
        """The law after the variance-exploding noise `schedule.sigma(t)`; a torus has no centre to shrink to."""
        return WrappedNormal(self.mean, math.hypot(self.sigma, float(schedule.sigma(t))))


TABLE_END = 2.0


def _prepare(delta: Tensor, sigma: Tensor | float) -> tuple[Tensor, Tensor]:
    sigma = torch.as_tensor(sigma, dtype=delta.dtype, device=delta.device)
    return nearest_image(delta), sigma


def _q(sigma: Tensor) -> Tensor:
    return torch.exp(-2 * math.pi**2 * sigma.square())


def _reach(sigma: float, n_images: int | None) -> int:
    """Images to sum: as told, or all within 9 sigma."""
    return math.ceil(9 * sigma) + 1 if n_images is None else n_images


@lru_cache(maxsize=256)
def _quantile_table(sigma: float, n_images: int | None) -> tuple[Tensor, Tensor]:
    """Displacements where the law has weight, and the share below each."""
    reach = min(0.5, 9 * sigma)
    grid = torch.linspace(-reach, reach, 2049, dtype=torch.float64)
    return grid, wrapped_normal_cdf(grid, sigma, n_images=n_images)


def _mass(sigma: float, n_images: int) -> Tensor:
    """What the images k = -n_images ... n_images hold together within the cell."""
    end = torch.tensor((n_images + 0.5) / sigma, dtype=torch.float64)
    return torch.special.ndtr(end) - torch.special.ndtr(-end)


def _enough(sigma: Tensor) -> int:
    return 1 if sigma.numel() and sigma.max() <= FEW else IMAGES


def _by_width(
    images: Callable[..., Tensor], waves: Callable[[Tensor, Tensor], Tensor], delta: Tensor, sigma: Tensor | float, n_images: int | None
) -> Tensor:
    """`images` (delta, sigma, n_images) where sigma <= CROSSOVER or n_images is given, `waves` (delta, sigma) elsewhere."""
    delta, sigma = _prepare(delta, sigma)
    if n_images is not None:
        return images(delta, sigma, n_images)
    narrow = sigma <= CROSSOVER
    if narrow.all():
        return images(delta, sigma)
    if not narrow.any():
        return waves(delta, sigma)
    return torch.where(narrow, images(delta, sigma.clamp(max=CROSSOVER)), waves(delta, sigma.clamp(min=CROSSOVER)))


def _image_score(delta: Tensor, sigma: Tensor, n_images: int | None = None) -> Tensor:
    weight, pull = _image_sums(delta, sigma, _enough(sigma) if n_images is None else n_images)
    return -pull / (weight * sigma.square())


def _image_sums(delta: Tensor, sigma: Tensor, n_images: int) -> tuple[Tensor, Tensor]:
    """Sums of w_k and of (d + k) w_k; weights relative to the nearest image, w_k = exp(-(2 k d + k^2) / 2 sigma^2) <= 1:
    nothing overflows."""
    precision = 1 / sigma.square()
    weight, pull = torch.ones_like(delta * precision), delta
    for k in (k for k in range(-n_images, n_images + 1) if k):
        w = torch.exp(-(k * delta + 0.5 * k * k) * precision)
        weight, pull = weight + w, pull + (delta + k) * w
    return weight, pull


def _wave_score(delta: Tensor, sigma: Tensor) -> Tensor:
    density, slope = _wave_sums(delta, sigma)
    return slope / density


def _wave_sums(delta: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """p and dp/dd; sin and cos of 2 pi n d by the Chebyshev recurrence from the first wave."""
    q = _q(sigma)
    sine, cosine = torch.sin(2 * math.pi * delta), torch.cos(2 * math.pi * delta)
    s_before, s, c_before, c = torch.zeros_like(sine), sine, torch.ones_like(cosine), cosine
    slope, density = torch.zeros_like(sine), torch.ones_like(cosine)
    for n in range(1, WAVES + 1):
        amplitude = 2 * q ** (n * n)
        slope, density = slope - 2 * math.pi * n * amplitude * s, density + amplitude * c
        s_before, s, c_before, c = s, 2 * cosine * s - s_before, c, 2 * cosine * c - c_before
    return density, slope


def _image_log_prob(delta: Tensor, sigma: Tensor, n_images: int | None = None) -> Tensor:
    n_images, precision = _enough(sigma) if n_images is None else n_images, 1 / sigma.square()
    others = [torch.exp(-(k * delta + 0.5 * k * k) * precision) for k in range(-n_images, n_images + 1) if k]
    return _nearest_log_prob(delta, sigma) + (torch.log1p(reduce(torch.add, others)) if others else 0.0)


def _nearest_log_prob(delta: Tensor, sigma: Tensor) -> Tensor:
    return -0.5 * (delta / sigma).square() - sigma.log() - 0.5 * math.log(2 * math.pi)


def _wave_log_prob(delta: Tensor, sigma: Tensor) -> Tensor:
    """cos of 2 pi n d by the Chebyshev recurrence from the first wave."""
    q, first = _q(sigma), torch.cos(2 * math.pi * delta)
    before, wave, total = torch.ones_like(first), first, torch.zeros_like(first)
    for n in range(1, WAVES + 1):
        total = total + 2 * q ** (n * n) * wave
        before, wave = wave, 2 * first * wave - before
    return torch.log1p(total)


@lru_cache(maxsize=1)
def _rms_table() -> Tensor:
    """ln(sigma * rms) on an even grid of sigma in [0, TABLE_END], by the trapezoid rule (spectrally exact) in float64."""
    sigma = torch.linspace(0, TABLE_END, 2001, dtype=torch.float64)
    table = torch.zeros_like(sigma)  # sigma * rms = 1 to round-off below 0.04
    wide = sigma > 0.04
    delta = torch.arange(512, dtype=torch.float64) / 512
    score = wrapped_normal_score(delta, sigma[wide, None])
    density = wrapped_normal_log_prob(delta, sigma[wide, None]).exp()
    table[wide] = ((score.square() * density).mean(1).sqrt() * sigma[wide]).log()
    return table
