"""Diffusion on a torus: one atom in a periodic cell, melted by wrapped noise and brought back by a score.

The atom sits on one of a few sites of the unit square. Noise is added and wrapped; the law at noise level sigma is a
mixture of wrapped normals, known exactly. A network trained by denoising learns the *posterior mean* of its target, so
what a perfect network would say can be written down for every choice of target:

equation -> name
    x_t = x_0 + sigma(t) eps mod 1, sigma = s_min (s_max/s_min)^t          -> melt, schedule        (DiffCSP, eq. 5)
    p_t(x) = sum_i w_i prod_d p(x_d - m_id; sigma)                         -> Sites.density, Sites.log_prob
    s_K(x) = sum_i p(i | x) grad ln sum_{|k| <= K} N(d + k), d = x - m_i   -> Sites.score           (K = 0: nearest image)
    x' = x + (sigma^2 - sigma'^2) s + sigma' sqrt(1 - sigma'^2/sigma^2) z  -> ancestral             (Song et al. 2021, app. F)
    x' = x + h s + sqrt(2 h) z, h = size sigma^2                           -> langevin
    E cos 2 pi n (x_t - x_0) = exp(-2 pi^2 n^2 (sigma^2 - s_min^2))        -> decay

The posterior p(i | x) is the same for every target, since the noise is: noise-then-wrap *is* a draw from the wrapped
normal. Only the gradient inside differs. All lengths are fractions of the cell.

Sources: Jiao et al. 2023 (DiffCSP, arXiv 2309.04475); Xie et al. 2022 (CDVAE, arXiv 2110.06197, eq. 2: nearest image);
Song et al. 2021 (arXiv 2011.13456), Algorithm 1 and app. F.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise

import torch
from torch import Tensor

from core.numerics.distances import N_REPEATS, Floor, SlicedWasserstein, Truth, floor, measure
from core.numerics.schedules import Geometric, ancestral_sigmas
from core.numerics.torus import (
    embed,
    nearest_image,
    order,
    wrap,
    wrapped_normal,
    wrapped_normal_log_prob,
    wrapped_normal_quantile,
    wrapped_normal_score,
)
from core.numerics.trajectory import Trajectory, collect, frame_indices

SIGMA_MIN = 0.02
on_circles = SlicedWasserstein(embed=embed)  # each coordinate on its circle, so that the cell walls do not count; unit: the cell
FEW = 19  # exact samples behind a floor of which only the mean is shown
MOVES = ("melt", "freeze", "hold")
ORDERS = ("none", "predictor-first", "corrector-first")
PLACES = {  # site positions in the unit square and their shares
    "corner": (((0.0, 0.0),), (1.0,)),
    "pair": (((0.25, 0.3), (0.75, 0.7)), (0.75, 0.25)),
    "honeycomb": (((1 / 3, 2 / 3), (2 / 3, 1 / 3)), (0.5, 0.5)),
}


@dataclass(frozen=True)
class Sites:
    """Where the atom sits without noise: means (K, D), shares (K,) that sum to one."""

    means: Tensor
    shares: Tensor

    def log_prob(self, x: Tensor, sigma: float) -> Tensor:
        """(N, D) -> (N,): ln p at noise level sigma."""
        return (self._each(x, sigma) + self.shares.to(x).log()).logsumexp(-1)

    def score(self, x: Tensor, sigma: float | Tensor, *, n_images: int | None = None) -> Tensor:
        """(N, D) -> (N, D): what a perfect network says whose target kept `n_images` images on each side (None: all).

        Noise levels (T,) -> (T, N, D)."""
        delta, levels = x[:, None] - self.means.to(x), torch.as_tensor(sigma, dtype=x.dtype)[..., None, None, None]
        if n_images is None and levels.numel() == 1:
            log_prob, target = wrapped_normal(delta, levels)
        else:
            log_prob, target = wrapped_normal_log_prob(delta, levels), wrapped_normal_score(delta, levels, n_images=n_images)
        posterior = (log_prob.sum(-1) + self.shares.to(x).log()).softmax(-1)
        return (posterior[..., None] * target).sum(-2)

    def density(self, x: Tensor, y: Tensor, sigma: float | Tensor) -> Tensor:
        """(M_1,), (M_2,) coordinates -> (M_2, M_1): p on their grid, rows by the second. Noise levels (T,) -> (T, M_2, M_1)."""
        return (self._on_line(y, 1, sigma) * self.shares.to(y)) @ self._on_line(x, 0, sigma).mT

    def marginal(self, axis: Tensor, d: int, sigma: float | Tensor) -> Tensor:
        """(M,) coordinates -> (M,): density of coordinate d. Noise levels (T,) -> (T, M)."""
        return self._on_line(axis, d, sigma) @ self.shares.to(axis)

    def draw(self, share: Tensor, site: Tensor, sigma: float, *, n_images: int | None = None) -> Tensor:
        """Uniform numbers (N, D) and site indices (N,) -> (N, D) by the inverse of the distribution function; nothing is wrapped
        but the sum of site and displacement. n_images: from the law that forgets the images beyond."""
        return wrap(self.means[site] + wrapped_normal_quantile(share, sigma, n_images=n_images).to(self.means))

    def uniforms(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(n, D) uniform numbers and (n,) site indices, what `draw` needs."""
        site = torch.multinomial(self.shares, n, replacement=True, generator=generator)
        return torch.rand(n, self.means.shape[1], generator=generator, dtype=torch.float64), site

    def sample(self, n: int, generator: torch.Generator, *, sigma: float) -> Tensor:
        """(n, D) independent draws from p at noise level sigma."""
        return self.draw(*self.uniforms(n, generator), sigma)

    def _on_line(self, axis: Tensor, d: int, sigma: float | Tensor) -> Tensor:
        """(M,) -> (M, K): density of coordinate d around each site. Noise levels (T,) -> (T, M, K)."""
        levels = torch.as_tensor(sigma, dtype=axis.dtype)[..., None, None]
        return wrapped_normal_log_prob(axis[:, None] - self.means[:, d].to(axis), levels).exp()

    def _each(self, x: Tensor, sigma: float) -> Tensor:
        return wrapped_normal_log_prob(x[:, None] - self.means.to(x), sigma).sum(-1)


def get_sites(name: str) -> Sites:
    """The named arrangement. Raises ValueError naming the known ones."""
    if name not in PLACES:
        raise ValueError(f"sites {name!r} are none of {', '.join(PLACES)}")
    means, shares = PLACES[name]
    return Sites(torch.tensor(means), torch.tensor(shares))


def schedule(sigma_max: float) -> Geometric:
    """sigma(t) from SIGMA_MIN at t = 0 to sigma_max at t = 1."""
    return Geometric(SIGMA_MIN, sigma_max)


def melt(x: Tensor, sigmas: list[float], *, noise: Callable[[], Tensor]) -> Iterator[Tensor]:
    """Yield the state at every noise level, adding what is missing to the variance and wrapping after every step."""
    yield x
    for sigma, sigma_next in pairwise(sigmas):
        x = wrap(x + math.sqrt(sigma_next**2 - sigma**2) * noise())
        yield x


def ancestral(x: Tensor, score: Tensor, sigma: float, sigma_next: float, z: Tensor) -> Tensor:
    """One ancestral step of the variance-exploding process, then wrap."""
    sigma_down, sigma_up = ancestral_sigmas(sigma, sigma_next, eta=1)
    return wrap(x + (sigma**2 - sigma * sigma_down) * score + sigma_up * z)


def langevin(x: Tensor, score: Tensor, sigma: float, z: Tensor, *, size: float) -> Tensor:
    """One step of Langevin dynamics at fixed noise level, then wrap; the step h = size sigma^2 is small against the peak."""
    h = size * sigma**2
    return wrap(x + h * score + math.sqrt(2 * h) * z)


def freeze(
    sites: Sites, x: Tensor, sigmas: list[float], *, n_images: int | None, corrector: str, size: float, noise: Callable[[], Tensor]
) -> Iterator[Tensor]:
    """Walk down the noise levels; a Langevin step before (at sigma) or after (at sigma_next) each predictor step.

    corrector-first is what the code of score_sde and DiffCSP does, predictor-first what their papers print (Algorithms 1 and
    2); the first corrects the prior as well but leaves the last state as predicted.
    """

    def corrected(x: Tensor, sigma: float) -> Tensor:
        return langevin(x, sites.score(x, sigma, n_images=n_images), sigma, noise(), size=size)

    yield x
    for sigma, sigma_next in pairwise(sigmas):
        if corrector == "corrector-first":
            x = corrected(x, sigma)
        x = ancestral(x, sites.score(x, sigma, n_images=n_images), sigma, sigma_next, noise())
        if corrector == "predictor-first":
            x = corrected(x, sigma_next)
        yield x


def hold(
    sites: Sites, x: Tensor, sigma: float, n_steps: int, *, n_images: int | None, size: float, noise: Callable[[], Tensor]
) -> Iterator[Tensor]:
    """Langevin dynamics at one noise level: the sampler whose only fixed point is the law that belongs to its score."""
    yield x
    for _ in range(n_steps):
        x = langevin(x, sites.score(x, sigma, n_images=n_images), sigma, noise(), size=size)
        yield x


def sample(
    *,
    move: str = "melt",
    sites: str = "pair",
    sigma_max: float = 0.5,
    n_images: int | None = None,
    n_steps: int = 100,
    corrector: str = "none",
    size: float = 0.1,
    n_particles: int = 2000,
    seed: int = 0,
    n_frames: int = 121,
    first: int | None = None,
) -> Trajectory:
    """Atoms (T, N, 2) in the unit cell, wrapped.

    move: "melt", data to noise, times 0 to 1; "freeze", uniform to data, times 1 to 0; "hold", Langevin dynamics at sigma_max
    from exact draws, times 0, 1, ... in units of sigma_max^2. n_images: images on each side in the score's target, None for all.
    corrector: one of ORDERS. size: of a Langevin step, in units of sigma^2 (a fifth of it on "hold").
    first: only the first so many of the atoms, on the paths that they take among all.
    Raises ValueError for unknown names, a noise range without extent or fewer than one step or atom.
    """
    if move not in MOVES or corrector not in ORDERS:
        raise ValueError(f"move must be one of {', '.join(MOVES)} and corrector one of {', '.join(ORDERS)}, not {move!r} and {corrector!r}")
    if not SIGMA_MIN < sigma_max < math.inf or min(n_steps, n_particles, n_frames - 1) < 1 or (n_images is not None and n_images < 0):
        raise ValueError(f"sigma_max must lie above {SIGMA_MIN}, steps and atoms be at least 1, frames 2, images not negative")
    law, generator = get_sites(sites), torch.Generator().manual_seed(seed)

    def noise() -> Tensor:
        return torch.randn(n_particles, 2, generator=generator)[:first]

    if move == "hold":
        times = torch.arange(n_steps + 1, dtype=torch.float64) * (size / 5)
        share, site = law.uniforms(n_particles, generator)
        x = law.draw(share[:first], site[:first], sigma_max)
        states = hold(law, x, sigma_max, n_steps, n_images=n_images, size=size / 5, noise=noise)
        return collect(states, times, n_frames=n_frames)
    levels = n_frames - 1 if move == "melt" else n_steps
    times = torch.linspace(0, 1, levels + 1, dtype=torch.float64)
    times = times if move == "melt" else times.flip(0)
    sigmas = schedule(sigma_max).sigma(times).tolist()
    if move == "melt":
        site = torch.multinomial(law.shares, n_particles, replacement=True, generator=generator)[:first]
        return collect(melt(wrap(law.means[site] + SIGMA_MIN * noise()), sigmas, noise=noise), times, n_frames=n_frames)
    x = torch.rand(n_particles, 2, generator=generator)[:first]
    return collect(freeze(law, x, sigmas, n_images=n_images, corrector=corrector, size=size, noise=noise), times, n_frames=n_frames)


def exact(
    *, sites: str = "pair", sigma_max: float = 0.5, n_particles: int = 2000, seed: int = 0, n_frames: int = 121, first: int | None = None
) -> Trajectory:
    """What `melt` must look like, drawn without noise or wrapping: the same uniform numbers through the exact inverse
    distribution function at every noise level. The paths are smooth and mean nothing; the law at each time is exact.
    first: as for `sample`."""
    law = get_sites(sites)
    share, site = law.uniforms(n_particles, torch.Generator().manual_seed(seed + 7919))
    times = torch.linspace(0, 1, n_frames, dtype=torch.float64)
    states = [law.draw(share[:first], site[:first], sigma) for sigma in schedule(sigma_max).sigma(times).tolist()]
    return Trajectory(times, torch.stack(states))


def sigma_of(times: Tensor, *, move: str, sigma_max: float) -> Tensor:
    """(T,): the noise level at each of a trajectory's times."""
    return torch.full_like(times, sigma_max) if move == "hold" else schedule(sigma_max).sigma(times)


def truth(trajectory: Trajectory, *, sites: str, sigma: float, frame: int = -1, n_repeats: int = N_REPEATS) -> Truth:
    """Distance of one frame to the exact law at noise level sigma, beside what n_repeats exact samples of the same size score."""
    law = partial(_law, sites, sigma)
    known = _floor(sites, round(sigma, 9), trajectory.n_particles, n_repeats)
    return measure(on_circles, trajectory.positions[frame], law, name="sliced Wasserstein distance", unit="cell", known_floor=known)


def _law(sites: str, sigma: float, n: int, generator: torch.Generator) -> Tensor:
    """Noise, then wrap: far cheaper than the inverse distribution function, and the same law (`same_law` tests it)."""
    law = get_sites(sites)
    site = torch.multinomial(law.shares, n, replacement=True, generator=generator)
    return wrap(law.means[site] + sigma * torch.randn(n, law.means.shape[1], generator=generator))


@lru_cache(maxsize=256)
def _floor(sites: str, sigma: float, n: int, n_repeats: int) -> Floor:
    return floor(on_circles, partial(_law, sites, sigma), n, n_repeats=n_repeats)


@dataclass(frozen=True)
class TwoSample:
    """Kolmogorov-Smirnov two-sample p-values, one per coordinate: how often equal laws look at least so different."""

    p_values: tuple[float, ...]

    @property
    def p(self) -> float:
        """The smallest, times the number of coordinates (Bonferroni)."""
        return min(1.0, len(self.p_values) * min(self.p_values))


def two_sample(x: Tensor, y: Tensor) -> TwoSample:
    """Test x (N, D) against an independent sample y (M, D), coordinate by coordinate."""
    from scipy.stats import ks_2samp  # a slow import that only this needs

    return TwoSample(tuple(float(ks_2samp(x[:, d].numpy(), y[:, d].numpy()).pvalue) for d in range(x.shape[1])))


def same_law(*, sites: str, sigma: float, n_particles: int = 2000, seed: int = 0) -> tuple[TwoSample, TwoSample]:
    """Noise-then-wrap against the wrapped normal, and against the normal cut off at half a cell (nearest image only)."""
    law, generator = get_sites(sites), torch.Generator().manual_seed(seed)
    site = torch.multinomial(law.shares, n_particles, replacement=True, generator=generator)
    wrapped = wrap(law.means[site] + sigma * torch.randn(n_particles, 2, generator=generator))
    numbers = law.uniforms(n_particles, generator)
    whole, cut = (two_sample(wrapped, law.draw(*numbers, sigma, n_images=n_images)) for n_images in (None, 0))
    return whole, cut


def jump(sigma: float, n_images: int) -> float:
    """How far the score with K images on each side jumps where two images are equally near: 1/sigma^2 for K = 0.

    At d = 1/2 the images pair up with opposite pulls except the last, k = K, at distance K + 1/2:
    jump = (2 K + 1) / sigma^2 times its share of the weight.
    """
    far = n_images + 0.5
    weights = [math.exp(-((k + 0.5) ** 2 - 0.25) / (2 * sigma**2)) for k in range(-n_images, n_images + 1)]
    return 2 * far / sigma**2 * math.exp(-(far**2 - 0.25) / (2 * sigma**2)) / math.fsum(weights)


@dataclass(frozen=True)
class AlongTheWay:
    """Distance to the exact law at some noise levels (T,), and what exact draws score there."""

    times: Tensor
    sigmas: Tensor
    distances: Tensor
    floors: Tensor


def along_the_way(
    trajectory: Trajectory, *, move: str, sites: str, sigma_max: float, n_points: int = 8, n_atoms: int = 1000
) -> AlongTheWay:
    """Measure the first `n_atoms` of a run at `n_points` of its frames."""
    keep = frame_indices(trajectory.n_frames, n_points)
    trajectory = Trajectory(trajectory.times, trajectory.positions[:, :n_atoms])
    sigmas = sigma_of(trajectory.times[keep], move=move, sigma_max=sigma_max)
    scores = [
        truth(trajectory, sites=sites, sigma=sigma, frame=int(i), n_repeats=FEW) for i, sigma in zip(keep, sigmas.tolist(), strict=True)
    ]
    return AlongTheWay(
        trajectory.times[keep], sigmas, torch.tensor([s.value for s in scores]), torch.tensor([s.floor.mean for s in scores])
    )


@dataclass(frozen=True)
class Decay:
    """sigma (T,), the mean of cos 2 pi n (x_t - x_0) over atoms and axes, its standard error, and the exact value."""

    sigmas: Tensor
    value: Tensor
    error: Tensor
    exact: Tensor
    n: int


def decay(trajectory: Trajectory, *, sigma_max: float, n: int = 1) -> Decay:
    """How much of the n-th Fourier mode is left of a melting run: each mode dies at its own exact rate 2 pi^2 n^2."""
    sigmas = schedule(sigma_max).sigma(trajectory.times)
    waves = torch.cos(2 * math.pi * n * (trajectory.positions - trajectory.positions[0]).double()).flatten(1)
    added = (sigmas.square() - SIGMA_MIN**2).clamp(min=0).sqrt()
    return Decay(sigmas, waves.mean(1), waves.std(1) / math.sqrt(waves.shape[1]), order(added, n), n)


@dataclass(frozen=True)
class Occupation:
    """Share of the atoms that are nearest to the first site, its standard error for exact draws, and the exact share."""

    value: float
    error: float
    exact: float


def occupation(x: Tensor, *, sites: str) -> Occupation:
    """Count x (N, 2) by nearest site; meant for noise far smaller than the distance between sites."""
    law = get_sites(sites)
    first = nearest_image(x[:, None] - law.means).square().sum(-1).argmin(1) == 0
    share = float(law.shares[0])
    return Occupation(float(first.double().mean()), math.sqrt(share * (1 - share) / len(x)), share)


def orders(
    *,
    sites: str = "pair",
    sigma_max: float = 0.5,
    n_images: int | None = None,
    budgets: tuple[int, ...] = (6, 12, 24, 48),
    n_particles: int = 1000,
    n_repeats: int = 3,
) -> dict[str, list[tuple[int, float]]]:
    """For each of ORDERS (score evaluations, mean distance at the end); a corrector spends every second evaluation."""

    def distance(name: str, n_steps: int) -> float:
        run = sample(
            move="freeze",
            sites=sites,
            sigma_max=sigma_max,
            n_images=n_images,
            n_steps=n_steps,
            corrector=name,
            n_particles=n_repeats * n_particles,
            n_frames=2,
        )  # atoms do not know of each other: one run, cut into repeats
        parts = [Trajectory(run.times, part) for part in run.positions.split(n_particles, dim=1)]
        return math.fsum(truth(part, sites=sites, sigma=SIGMA_MIN, n_repeats=FEW).value for part in parts) / n_repeats

    found = {}
    for name in ORDERS:
        cost = 1 if name == "none" else 2
        found[name] = [(n * cost, distance(name, n)) for n in (max(1, budget // cost) for budget in budgets)]
    return found


def orders_floor(*, sites: str = "pair", n_particles: int = 1000) -> float:
    """The distance at the end that exact draws score beside `orders`."""
    return _floor(sites, SIGMA_MIN, n_particles, FEW).mean


def cell_density(points: Tensor, lattice: Tensor, sigma: float, *, isotropic: str) -> Tensor:
    """(N, 2) Cartesian points, rows of the cell (2, 2), noise of one atom at the origin -> (N,) density per area.

    isotropic "fractional": sigma in fractions of each edge. "Cartesian": the same noise volume, round in space; in fractional
    coordinates its covariance is sigma_c^2 (L L^T)^-1, no longer a product over coordinates. Either way wrapping adds
    lattice vectors, and those are the same in both coordinates.
    """
    area = float(torch.linalg.det(lattice).abs())
    frac = points @ torch.linalg.inv(lattice)
    if isotropic == "fractional":
        return wrapped_normal_log_prob(frac, sigma).sum(-1).exp() / area
    if isotropic != "Cartesian":
        raise ValueError(f"isotropic is 'fractional' or 'Cartesian', not {isotropic!r}")
    sigma_c = sigma * math.sqrt(area)
    reach = math.ceil(7 * sigma_c * float(torch.linalg.inv(lattice).norm(dim=0).max())) + 1
    shifts = torch.cartesian_prod(*[torch.arange(-reach, reach + 1, dtype=points.dtype)] * 2) @ lattice
    squared = ((wrap(frac) @ lattice)[:, None] + shifts).square().sum(-1)
    return torch.exp(-squared / (2 * sigma_c**2)).sum(-1) / (2 * math.pi * sigma_c**2)


def oblique(angle: float, ratio: float) -> Tensor:
    """(2, 2) rows a, b of a cell of unit area with this angle (degrees) between them and |b|/|a| = ratio."""
    if not 0 < angle < 180 or not ratio > 0:
        raise ValueError(f"the angle must lie between 0 and 180 degrees and the ratio be positive, not {angle} and {ratio}")
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    a = 1 / math.sqrt(ratio * sine)
    return torch.tensor([[a, 0.0], [ratio * a * cosine, ratio * a * sine]], dtype=torch.float64)


def wave_left(sigma_max: float) -> tuple[int, str]:
    """What melting to sigma_max leaves of the first Fourier mode: 0 more than a tenth, 1 more than a thousandth, 2 less."""
    left = float(order(math.sqrt(sigma_max**2 - SIGMA_MIN**2)))
    return (
        0 if left > 0.1 else 1 if left > 1e-3 else 2
    ), f"Melted from σ = {SIGMA_MIN:g} to σ = {sigma_max:g}, exp(−2π²(σ² − {SIGMA_MIN:g}²)) = {left:.2g} of it is left."


def size_of_the_tear(sigma: float, n_images: int) -> tuple[int, str]:
    """The jump of the score at half a cell, in units of 1/sigma: 0 at least one, 1 at least a thousandth, 2 less."""
    tear = jump(sigma, n_images) * sigma
    return (0 if tear >= 1 else 1 if tear >= 1e-3 else 2), (
        f"With {2 * n_images + 1} image{'s' if n_images else ''} at σ = {sigma:g} the score jumps there by {tear / sigma:.2g}, "
        f"which is {tear:.2g} of 1/σ."
    )


def fuller_first_site(n_particles: int = 8000) -> tuple[int, str]:
    """Which share of the atoms the nearest-image score brings to the first site of the pair: 0 that of exact draws, 1 more, 2 less."""
    every, nearest = (
        occupation(sample(move="freeze", n_images=k, n_particles=n_particles, n_frames=2).final, sites="pair") for k in (None, 0)
    )
    gain = (nearest.value - every.value) / nearest.error
    return (1 if gain > 4 else 2 if gain < -4 else 0), (
        f"Of {n_particles:,} atoms the nearest-image score brings {nearest.value:.1%} to the first site, the full score {every.value:.1%}; "
        f"exact draws: {100 * nearest.exact:.0f} ± {100 * nearest.error:.1f} %."
    )
