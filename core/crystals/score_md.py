"""One score for sampling and dynamics: the same network denoises, and drives Langevin dynamics at a noise time near 0.

equation -> name
    dx = (f x - beta s(x, t)) dt + sqrt(beta) dB,  t from 1 down to T_MIN          -> denoise      (f = -beta/2, or 0 on the torus)
    dx = s(x, t_0) ds + sqrt(2) dB,  t_0 near 0: s = -grad U/kT, mobility kT = 1    -> dynamics     (steps of Leimkuhler and Matthews)
    ds < 2/k, k the largest curvature of U/kT in any minimum                        -> longest_step
    F_B - F_A = -kT ln(w_B / w_A), error from counts                               -> free_energies
    the same under exp(log q(x, t)) by quadrature                                  -> model_free_energies
    R(x, t), the residual of the Fokker-Planck equation; curl of a plain score     -> residual_map

Energies in kT, lengths in units of the model (core.crystals.molecular_landscapes). In the dynamics the force does not change with time:
it is tabulated once (core.numerics.vector_table), and a step costs no call of the network.

Source: Plainer et al. 2025 (ScoreMD, arXiv 2506.17139). Reverse equation: Anderson 1982; Song et al. 2021, eq. 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.crystals.molecular_landscapes import LANDSCAPES, Landscape, get_landscape
from core.crystals.score_networks import FOLDER, MODELS, load, score_model, score_of
from core.numerics.checks import one_of, positive
from core.numerics.distances import Floor, SlicedWasserstein, Truth, floor, measure
from core.numerics.energy_networks import NoiseNetwork, residual
from core.numerics.integrators import euler_maruyama
from core.numerics.kinetic import averaged, normals, overdamped
from core.numerics.sde import SDE
from core.numerics.trajectory import Trajectory, collect
from core.numerics.vector_table import VectorTable

__all__ = ["LANDSCAPES", "MODELS", "get_landscape"]

T_MIN = 1e-3  # noise time at which the denoising stops
STARTS = ("denoised", "one basin", "exact")
TABLE = 288  # points along an edge of the table of forces
WITHIN = 0.2  # kT, what counts as agreement


def sample(
    *,
    landscape: str = "Müller–Brown",
    model: str = "regularised",
    n_steps: int = 100,
    n_particles: int = 2000,
    seed: int = 0,
    n_frames: int = 100,
    first: int | None = None,
    folder: Path = FOLDER,
) -> Trajectory:
    """Denoise: the reverse equation from t = 1 to T_MIN in even steps; positions (T, N, 2) in units of the model.

    first: only the first so many particles, on the same paths. folder: of the weights.
    Raises ValueError for unknown names or numbers that make no run, ModelMissing where a network has not been trained.
    """
    positive(n_steps=n_steps, n_particles=n_particles)
    return _denoised(landscape, model, n_steps, n_particles, seed, n_frames, first, folder)


@lru_cache(maxsize=4)  # the dynamics asks again for what the stage has just shown
def _denoised(
    landscape: str, model: str, n_steps: int, n_particles: int, seed: int, n_frames: int, first: int | None, folder: Path
) -> Trajectory:
    surface, score = get_landscape(landscape), score_model(landscape, model, folder)
    times = torch.linspace(1.0, T_MIN, n_steps + 1, dtype=torch.float64)
    x = surface.prior(n_particles, torch.Generator().manual_seed(seed))[:first]
    sde = SDE(surface.drift, lambda t: math.sqrt(surface.schedule.beta(t))).reverse(score)
    states = euler_maruyama(sde, x, times, generator=torch.Generator().manual_seed(seed + 1_000_003), n_drawn=n_particles)
    found = collect(states, times, n_frames=n_frames)
    return Trajectory(found.times, surface.folded(found.positions))


def starting_points(
    *, landscape: str, model: str, start: str, n_particles: int, seed: int, n_denoise: int = 100, folder: Path = FOLDER
) -> Tensor:
    """(N, 2): where the dynamics begins: exact draws of the first basin, of the whole law, or what `sample` ends on after n_denoise steps.

    Raises ValueError for an unknown start.
    """
    one_of("start", start, STARTS)
    surface = get_landscape(landscape)
    if start == "denoised":
        return sample(landscape=landscape, model=model, n_steps=n_denoise, n_particles=n_particles, seed=seed, folder=folder).final
    generator = torch.Generator().manual_seed(seed + 2_000_003)
    if start == "exact":
        return surface.law.sample(n_particles, generator)
    drawn = surface.law.sample(round(1.2 * n_particles / float(surface.weights[0])) + 100, generator)
    inside = drawn[surface.basin_of(drawn) == 0]
    return inside[torch.arange(n_particles) % len(inside)]


@lru_cache(maxsize=32)
def force_table(landscape: str, model: str, t: float, size: int = TABLE, folder: Path = FOLDER) -> VectorTable:
    """The score at noise time t on a grid over the landscape."""
    surface, score = get_landscape(landscape), score_model(landscape, model, folder)
    return VectorTable.of(lambda x: score(x, t), half=surface.half, size=size, periodic=surface.periodic)


def dynamics(
    *,
    landscape: str = "Müller–Brown",
    model: str = "regularised",
    t: float = T_MIN,
    dt: float = 0.01,
    duration: float = 16.0,
    start: str = "denoised",
    n_denoise: int = 100,
    n_particles: int = 2000,
    seed: int = 0,
    n_frames: int = 100,
    first: int | None = None,
    folder: Path = FOLDER,
) -> Trajectory:
    """Overdamped Langevin dynamics under the score at noise time t, for `duration` in steps of dt (units of length^2 / kT mobility).

    start: one of STARTS; n_denoise: steps of the denoising that "denoised" starts from.
    first: only the first so many particles, on the same paths. folder: of the weights.
    Raises ValueError for unknown names or numbers that make no run, ModelMissing where a network has not been trained.
    """
    positive(dt=dt, duration=duration, n_particles=n_particles)
    if not 0 <= t <= 1:
        raise ValueError(f"a noise time lies in 0..1, not at {t:g}")
    surface, table = get_landscape(landscape), force_table(landscape, model, t, folder=folder)
    crowd: dict[str, Any] = dict(landscape=landscape, model=model, n_particles=n_particles, seed=seed, folder=folder)
    x = starting_points(start=start, n_denoise=n_denoise, **crowd)[:first]
    n_steps = max(1, round(duration / dt))
    noise = (R[: len(x)] for R in normals((n_particles, 2), n_steps + 1, torch.Generator().manual_seed(seed + 3_000_003)))
    times = dt * torch.arange(n_steps + 1, dtype=torch.float64)
    found = collect(overdamped(table, x, averaged(noise), dt=dt, kT=1.0), times, n_frames=n_frames)
    return Trajectory(found.times, surface.folded(found.positions))


@lru_cache(maxsize=8)
def longest_step(landscape: str) -> float:
    """2/k: steps of the exact dynamics must be shorter, or they overshoot further every time in the steepest well."""
    surface, off = get_landscape(landscape), 1e-4
    x = surface.law.sample(64, torch.Generator().manual_seed(0)).double()
    for _ in range(400):  # downhill into every minimum
        x = x + 0.02 * surface.force(x)
    columns = [
        (surface.force(x - step) - surface.force(x + step)) / (2 * off) for step in (off * torch.eye(2, dtype=torch.float64)).split(1)
    ]
    return 2 / float(torch.linalg.eigvalsh(torch.stack(columns, -1)).max())


@dataclass(frozen=True)
class FreeEnergies:
    """Of every basin but the first, against the first, in kT: values and standard errors; infinite where a basin is empty."""

    values: tuple[float, ...]
    errors: tuple[float, ...]

    def off(self, exact: Sequence[float]) -> float:
        """Largest distance from the exact ones, kT."""
        return max(abs(value - true) for value, true in zip(self.values, exact, strict=True))


def free_energies(x: Tensor, landscape: str) -> FreeEnergies:
    """Counted from independent particles x (N, 2): -ln(n_b/n_a) and sqrt(1/n_a + 1/n_b). Lost particles are left out."""
    surface = get_landscape(landscape)
    x = x[x.isfinite().all(1)]
    counts = surface.basin_of(x).bincount(minlength=len(surface.basins)).tolist()
    pairs = [(counts[0], count) for count in counts[1:]]
    return FreeEnergies(
        tuple(math.log(a / b) if a and b else math.inf for a, b in pairs),
        tuple(math.sqrt(1 / a + 1 / b) if a and b else math.inf for a, b in pairs),
    )


def of_weights(weights: Tensor) -> tuple[float, ...]:
    """-ln(w_b/w_a) of every basin but the first, from weights (B,)."""
    return tuple((weights[0] / weights[1:]).log().tolist())


def exact_free_energies(landscape: str, t: float = 0.0) -> tuple[float, ...]:
    """By quadrature of the landscape itself, or of its exact law at noise time t."""
    surface = get_landscape(landscape)
    return of_weights(surface.noised_weights(t) if t else surface.weights)


@torch.no_grad()
def model_free_energies(landscape: str, model: str, t: float, folder: Path = FOLDER) -> tuple[float, ...] | None:
    """By quadrature of exp(log q(x, t)), what its dynamics would sample in the end; None for a network without a log-density."""
    surface, network = get_landscape(landscape), load(landscape, model, folder)
    if isinstance(network, NoiseNetwork):
        return None
    points, at = surface.grid.float(), torch.full((1, 1), t)
    return of_weights(surface.weights_of(torch.cat([network.log_density(part, at) for part in points.split(8192)])))


@dataclass(frozen=True, eq=False)
class FieldMap:
    """values (H, W) at the midpoints of even cells, axis (W,) in units of the model; what: "residual" (1/time) or "curl"."""

    values: Tensor
    axis: Tensor
    what: str

    def mean_square(self, law: Tensor) -> float:
        """<values^2> over a law (H, W) on the same cells."""
        return float((self.values.double().square() * law).sum() / law.sum())


def _cells(surface: Landscape, size: int) -> tuple[Tensor, Tensor]:
    """(size,) and (size^2, 2): midpoints of even cells along an axis and in the plane, row by row."""
    axis = -surface.half + (torch.arange(size, dtype=torch.float64) + 0.5) * (2 * surface.half / size)
    return axis, torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)


@torch.no_grad()
def residual_map(landscape: str, model: str, t: float, size: int = 96, folder: Path = FOLDER) -> FieldMap:
    """R(x, t) of an energy network on a grid; of a plain score network, which has no density, the curl d_x s_y - d_y s_x."""
    surface, network = get_landscape(landscape), load(landscape, model, folder)
    axis, points = _cells(surface, size)
    points = points.float()
    if isinstance(network, NoiseNetwork):
        score, step = score_of(network, surface), 2e-3
        right, up = torch.tensor([[step, 0.0]]), torch.tensor([[0.0, step]])
        turn = score(points + right, t)[:, 1] - score(points - right, t)[:, 1] - score(points + up, t)[:, 0] + score(points - up, t)[:, 0]
        return FieldMap((turn / (2 * step)).reshape(size, size), axis, "curl")
    jet = network.jet(points, torch.full((1, 1), t))
    off = residual(jet, points, surface.schedule.beta(t), confined=not surface.periodic)
    return FieldMap(off.reshape(size, size), axis, "residual")


def grid_law(landscape: str, t: float, size: int = 96) -> Tensor:
    """(size, size): the exact p_t on the cells of `residual_map`, summing to 1."""
    surface = get_landscape(landscape)
    points = _cells(surface, size)[1]
    log_p = surface.diffused(t).log_prob(points) if t else -surface.energy(points)
    return log_p.softmax(0).reshape(size, size)


@dataclass(frozen=True, eq=False)
class Profile:
    """Free energy along one coordinate, kT: exact (M,), counted with its error (M,), NaN where nobody is; at (M,) in the picture's unit."""

    at: Tensor
    exact: Tensor
    counted: Tensor
    error: Tensor


def profile(x: Tensor, landscape: str, axis: int = 0, bins: int = 48) -> Profile:
    """-ln of the density of coordinate `axis`, exact by quadrature and counted from particles x (N, 2); zero at the exact minimum.

    bins: a divisor of the 240 cells of the quadrature."""
    surface = get_landscape(landscape)
    x = x[x.isfinite().all(1)]
    edges = torch.linspace(-surface.half, surface.half, bins + 1, dtype=torch.float64)
    which = torch.bucketize(surface.grid[:, axis].contiguous(), edges[1:-1])
    p = torch.zeros(bins, dtype=torch.float64).index_add_(0, which, (-surface.energy(surface.grid)).softmax(0))
    n = torch.bucketize(x[:, axis].double().contiguous(), edges[1:-1]).bincount(minlength=bins).double()
    zero = p.max().log()
    share = n / len(x)
    centres = torch.zeros(bins, 2, dtype=torch.float64)
    centres[:, axis] = 0.5 * (edges[1:] + edges[:-1])
    counted = torch.where(n > 0, zero - share.log(), math.nan)
    return Profile(
        surface.shown(centres)[:, axis], zero - p.log(), counted, torch.where(n > 0, ((1 - share) / n.clamp_min(1)).sqrt(), math.nan)
    )


def _circled(x: Tensor) -> Tensor:
    return torch.cat([x.cos(), x.sin()], 1)


def _distance(surface: Landscape) -> SlicedWasserstein:
    return SlicedWasserstein(embed=_circled) if surface.periodic else SlicedWasserstein()


def truth(final: Tensor, *, landscape: str) -> Truth:
    """Sliced Wasserstein distance of particles (N, 2) to the exact law (angles as points of a circle), beside that of exact draws."""
    surface = get_landscape(landscape)
    return measure(
        _distance(surface), final, surface.law.sample, name="sliced Wasserstein distance", known_floor=_floor(landscape, len(final))
    )


@lru_cache(maxsize=16)
def _floor(landscape: str, n: int) -> Floor:
    surface = get_landscape(landscape)
    return floor(_distance(surface), surface.law.sample, n)


@dataclass(frozen=True)
class Measured:
    """Basin free energies of one model from both of its uses, beside the exact ones; kT."""

    exact: tuple[float, ...]
    sampling: FreeEnergies
    dynamics: FreeEnergies


MANY, LONG = 4000, 48.0  # particles, and the time after which the exact dynamics has forgotten its start


def measured(landscape: str, model: str, *, t: float = T_MIN, seed: int = 7, n_steps: int = 200, folder: Path = FOLDER) -> Measured:
    """Free energies from 4,000 independent particles each: denoised in `n_steps`, and after long dynamics that starts in one basin."""
    common: dict[str, Any] = dict(landscape=landscape, model=model, n_particles=MANY, seed=seed, n_frames=1, folder=folder)
    ends = sample(**common, n_steps=n_steps).final
    walked = dynamics(**common, t=t, duration=LONG, start="one basin").final
    return Measured(exact_free_energies(landscape), free_energies(ends, landscape), free_energies(walked, landscape))


def whose_error(landscape: str, *, t: float = T_MIN, seed: int = 1) -> tuple[int, str]:
    """Which use of the unregularised energy network misses a basin by more than WITHIN: 0 sampling, 1 dynamics, 2 both, 3 neither.

    Sampling is counted from 2,000 denoised particles and must miss by two standard errors more; dynamics by quadrature, as it ends.
    """
    exact = exact_free_energies(landscape)
    counted = free_energies(sample(landscape=landscape, model="energy", seed=seed, n_frames=1).final, landscape)
    settled = model_free_energies(landscape, "energy", t)
    assert settled is not None, "an energy network has a log-density"
    sampling = any(abs(v - e) - 2 * error > WITHIN for v, e, error in zip(counted.values, exact, counted.errors, strict=True))
    dynamics = any(abs(v - e) > WITHIN for v, e in zip(settled, exact, strict=True))
    names = [basin.mark for basin in get_landscape(landscape).basins]
    return {(True, False): 0, (False, True): 1, (True, True): 2, (False, False): 3}[sampling, dynamics], "; ".join(
        f"F({name}) − F({names[0]}): exact {e:.2f} kT, sampling {v:.2f} ± {error:.2f}, dynamics in the end {s:.2f}"
        for name, e, v, error, s in zip(names[1:], exact, counted.values, counted.errors, settled, strict=True)
    ) + "."


def at_time_zero(landscape: str, model: str) -> tuple[int, str]:
    """What ten steps of dynamics at t = 0 exactly do to 500 particles: 0 none is lost, 1 some are, 2 all; and words."""
    run = dynamics(landscape=landscape, model=model, t=0.0, duration=0.1, n_particles=500, n_frames=2)
    lost = float((~run.final.isfinite().all(1)).double().mean())
    why = "σ(0) = 0, and this score is divided by it" if lost else "nothing is divided by σ(0) = 0 here"
    return 0 if lost == 0 else 2 if lost == 1 else 1, f"After ten steps {lost:.0%} of the particles are no longer numbers: {why}."


def blurred_force(landscape: str, t: float) -> tuple[int, str]:
    """How far the exact law at noise time t is from the landscape's basins: 0 below 0.05 kT, 1 up to WITHIN, 2 more; and words."""
    here, there = exact_free_energies(landscape), exact_free_energies(landscape, t)
    off = max(abs(a - b) for a, b in zip(here, there, strict=True))
    return 0 if off < 0.05 else 1 if off <= WITHIN else 2, (
        f"At t₀ = {t:g} the exact law has {', '.join(f'{b:.2f}' for b in there)} kT where the landscape has "
        f"{', '.join(f'{a:.2f}' for a in here)} kT: {off:.2f} kT apart."
    )
