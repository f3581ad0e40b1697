"""The reverse process: noise back to data, by every sampler, beside the exact p_t."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from core.numerics.densities import Density, GaussianMixture, get_dataset
from core.numerics.distances import RUNS, Distance, Floor, Truth, against, floor, measure, sliced, told_apart, with_error
from core.numerics.frames import cell_centres, density_frames, stage_scale
from core.numerics.likelihood import Divergence, log_likelihood
from core.numerics.methods import METHODS, SamplerOptions, SamplingProblem
from core.numerics.networks import load_score_network
from core.numerics.parametrisation import clipped, exact_score, scaled
from core.numerics.schedules import Schedule, get_schedule
from core.numerics.sde import Score
from core.numerics.trajectory import Trajectory, collect, frame_indices

SCORES = ("exact", "learned")
MAX_STEPS = 1000


def score_model(dataset: str, schedule: Schedule, kind: str = "exact", dtype: torch.dtype = torch.float32) -> Score:
    """The score of `dataset` along `schedule`: "exact", or "learned" by the network shipped for it.

    Raises ValueError for an unknown kind, ModelMissing when no network was trained for this data set.
    """
    if kind == "exact":
        return exact_score(get_dataset(dataset).to(dtype), schedule)
    if kind == "learned":
        return load_score_network(dataset).to(dtype).as_score(schedule)
    raise ValueError(f"score {kind!r} is not one of {', '.join(SCORES)}")


def prior(schedule: Schedule, n_particles: int, generator: torch.Generator, dim: int = 2) -> Tensor:
    """(n_particles, dim): x_1 ~ N(0, sigma(1)^2), which stands in for the exact law at t = 1."""
    return torch.randn(n_particles, dim, generator=generator).mul_(schedule.sigma(1.0))


def sample(
    *,
    dataset: str = "three modes",
    schedule: str = "linear",
    variant: str | None = None,
    method: str = "reverse SDE",
    score: str = "exact",
    n_steps: int = 100,
    n_particles: int = 2000,
    seed: int = 0,
    temperature: float = 1.0,
    eta: float = 0.5,
    churn: float = 40.0,
    snr: float = 0.16,
    clip: float | None = None,
    sign: float = 1.0,
    spacing: str | None = None,
    corrector_order: str = "predictor-first",
    on_stage: bool = False,
    n_frames: int = 200,
    first: int | None = None,
) -> Trajectory:
    """Run one sampler from noise (t = 1) to data (t = t_min); at most `n_frames` evenly spaced states are kept.

    variant: "VP", "sub-VP", "VE", or None for the schedule's own. clip: hold every guess of x0 inside
    [-clip, clip]. sign: -1 walks against the score. on_stage: divide each frame by `stage_scale`, so that VE
    paths fit the same picture as VP paths (exact_density_frames takes the same flag).
    The same seed gives every method the same x_1 and, where it takes one normal per step, the same normals.
    first: only the first so many of the particles, on the same paths (to rounding); others are followed only where these depend
    on them.
    Raises ValueError for unknown names, n_steps outside 1..1000 or n_particles < 1.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r} is not one of {', '.join(METHODS)}")
    if not 1 <= n_steps <= MAX_STEPS or n_particles < 1:
        raise ValueError(f"n_steps must be in 1..{MAX_STEPS} and n_particles at least 1")
    path = get_schedule(schedule, variant)
    model = score_model(dataset, path, score)
    if sign != 1:
        model = scaled(model, sign)
    if clip is not None:
        model = clipped(model, path, clip)
    times = path.time_grid(n_steps, spacing=spacing)
    x = prior(path, n_particles, torch.Generator().manual_seed(seed))
    if METHODS[method].alone:
        x = x[:first]
    options = SamplerOptions(temperature, eta, churn, snr, corrector_order)
    problem = SamplingProblem(model, path, x, times, torch.Generator().manual_seed(seed + 1_000_003), options, n_particles)
    trajectory = collect(METHODS[method].run(problem), times, n_frames=n_frames)
    positions = trajectory.positions[:, :first]
    if on_stage:
        positions = positions / stage_scale(path, trajectory.times)[:, None, None].to(positions.dtype)
    return Trajectory(trajectory.times, positions)


def target(dataset: str, schedule: str = "linear", variant: str | None = None) -> Density:
    """What a perfect sampler ends on: the exact law at t_min (not 0, where every sampler here stops)."""
    path = get_schedule(schedule, variant)
    return get_dataset(dataset).diffused(path, path.t_min)


def truth(trajectory: Trajectory, *, dataset: str, schedule: str = "linear", variant: str | None = None) -> Truth:
    """How far the particles at the end are from the law that a perfect sampler ends on: sliced Wasserstein distance."""
    exact = target(dataset, schedule, variant)
    known = _floor(dataset, schedule, variant, trajectory.n_particles)
    return measure(sliced, trajectory.final, exact.sample, name="sliced Wasserstein distance", known_floor=known)


@lru_cache(maxsize=64)
def _floor(dataset: str, schedule: str, variant: str | None, n: int) -> Floor:
    return floor(sliced, target(dataset, schedule, variant).sample, n)


def frame_times(schedule: str, n_steps: int, n_frames: int = 200, *, variant: str | None = None) -> Tensor:
    """(T,): the times at which `sample` keeps a frame."""
    times = get_schedule(schedule, variant).time_grid(n_steps)
    return times[frame_indices(len(times), n_frames)]


def exact_density_frames(
    dataset: str,
    schedule: str,
    times: Tensor,
    bounds: tuple[float, float, float, float],
    shape: int | tuple[int, int] = 96,
    *,
    variant: str | None = None,
    on_stage: bool = False,
) -> Tensor:
    """(T, H, W) float32: the exact p_t at the cell centres of a grid, row 0 at y_min.

    bounds: (x_min, x_max, y_min, y_max); shape: (H, W), or H = W. on_stage: the density of x_t / stage_scale.
    """
    return density_frames(get_dataset(dataset), get_schedule(schedule, variant), times, bounds, shape, on_stage=on_stage)


def exact_score_frames(
    dataset: str,
    schedule: str,
    times: Tensor,
    bounds: tuple[float, float, float, float],
    size: int = 16,
    *,
    variant: str | None = None,
    on_stage: bool = False,
    score: str = "exact",
) -> Tensor:
    """(T, h, w, 2) float32: the score field at the cell centres, for the player's arrows."""
    grid = cell_centres(bounds, size)
    path = get_schedule(schedule, variant)
    model = score_model(dataset, path, score)
    frames = []
    for t in times.tolist():
        scale = float(stage_scale(path, torch.tensor(t, dtype=torch.float64))) if on_stage else 1.0
        frames.append(model(grid * scale, t) * scale)
    return torch.stack(frames).reshape(len(frames), size, size, 2)


def closer(
    names: dict[str, str], *, dataset: str = "three modes", schedule: str = "linear", seed: int = 0, **setting: Any
) -> tuple[int, str]:
    """Which of two methods ends closer to the data, by RUNS runs of each: 0 the first, 1 the second, 2 they cannot be told apart.

    names: method -> what the words call it. setting: of `sample`.
    """
    law: dict[str, Any] = {"dataset": dataset, "schedule": schedule}
    scores = [[truth(sample(method=method, seed=seed + k, n_frames=1, **law, **setting), **law) for k in range(RUNS)] for method in names]
    first, second = ([score.value for score in each] for each in scores)
    said = ", ".join(f"{name} {with_error(each)}" for name, each in zip(names.values(), (first, second), strict=True))
    return {-1: 0, 1: 1, 0: 2}[told_apart(first, second)], (
        f"Mean distance of {RUNS} runs each: {said}; exact samples score {scores[0][0].floor.mean:.3g}."
    )


@lru_cache(maxsize=32)
def _median_log_density(dataset: str, schedule: str) -> float:
    """The log-density above which half of the data lie."""
    exact = target(dataset, schedule)
    return float(exact.log_prob(exact.sample(40_000, torch.Generator().manual_seed(2))).median())


def densest_half(x: Tensor, dataset: str, schedule: str) -> tuple[int, str]:
    """How many of x (N, 2) lie where the densest half of the data does: 0 more than half, 1 half to three standard errors, 2 fewer."""
    share = float((target(dataset, schedule).log_prob(x) > _median_log_density(dataset, schedule)).double().mean())
    error = 0.5 * math.sqrt(1 / len(x) + 1 / 40_000)
    return (1 if abs(share - 0.5) <= 3 * error else 0 if share > 0.5 else 2), (
        f"{share:.1%} of {len(x)} particles lie there; of exact draws, 50 ± {100 * error:.1f} %."
    )


def error_left(
    dataset: str = "three modes", schedule: str = "linear", score: str = "exact", *, n_steps: int = 50, seed: int = 0
) -> tuple[int, str]:
    """Error of the end points of Euler's ODE with 2 n steps over that with n: 0 more than 3/4 of it is left, 1 more than 3/8, 2 less.

    Root mean square distance of 200 particles from where Heun's rule takes them in 400 steps even in log-SNR; n is at most 100.
    """
    n = min(n_steps, 100)
    run = partial(sample, dataset=dataset, schedule=schedule, score=score, n_particles=200, seed=seed, n_frames=1)
    fine = run(method="ODE Heun", n_steps=400, spacing="log-SNR").final
    coarse, halved = (float((run(method="ODE Euler", n_steps=steps).final - fine).square().sum(1).mean().sqrt()) for steps in (n, 2 * n))
    left = halved / coarse
    return (0 if left > 0.75 else 1 if left > 0.375 else 2), (
        f"The end points are off by {coarse:.3g} with n = {n} and by {halved:.3g} with n = {2 * n}: {left:.0%} of it is left."
    )


@dataclass(frozen=True)
class ErrorCurves:
    """Distance to the exact law against the number of score evaluations.

    evaluations, distances: per method name, both (E,); a blown-up run is infinitely far.
    floor: what exact samples of the same size score. n_particles: sample size. unit: that of x.
    """

    evaluations: dict[str, list[int]]
    distances: dict[str, list[float]]
    floor: Floor
    n_particles: int


def error_against_evaluations(
    *,
    dataset: str = "three modes",
    schedule: str = "linear",
    variant: str | None = None,
    methods: tuple[str, ...] = tuple(METHODS),
    score: str = "exact",
    budgets: tuple[int, ...] = (5, 10, 20, 40, 80, 160),
    n_particles: int = 600,
    seed: int = 0,
    distance: Distance = sliced,
) -> ErrorCurves:
    """Run every method with each budget of score evaluations and measure how far it lands from the exact law.

    All runs share x_1; a method with two evaluations a step takes half the steps.
    """
    exact = target(dataset, schedule, variant)
    score_of = against(distance, exact.sample, n_particles)
    evaluations: dict[str, list[int]] = {name: [] for name in methods}
    distances: dict[str, list[float]] = {name: [] for name in methods}
    for name in methods:
        for budget in budgets:
            n_steps = max(1, budget // METHODS[name].evaluations)
            final = sample(
                dataset=dataset,
                schedule=schedule,
                variant=variant,
                method=name,
                score=score,
                n_steps=n_steps,
                n_particles=n_particles,
                seed=seed,
                n_frames=1,
            ).final
            evaluations[name].append(n_steps * METHODS[name].evaluations)
            distances[name].append(score_of(final))
    return ErrorCurves(evaluations, distances, floor(distance, exact.sample, n_particles), n_particles)


@dataclass(frozen=True)
class Likelihoods:
    """x (N, D) drawn from the exact law; its log-density from the ODE and exactly, (N,) each, in nats."""

    x: Tensor
    from_ode: Tensor
    exact: Tensor

    @property
    def rms_error(self) -> float:
        """Root mean square difference, nats per point."""
        return float((self.from_ode - self.exact).square().mean().sqrt())


def likelihood(
    *,
    dataset: str = "three modes",
    schedule: str = "linear",
    variant: str | None = None,
    score: str = "exact",
    n_steps: int = 100,
    n_points: int = 200,
    seed: int = 0,
) -> Likelihoods:
    """log p of exact draws, from the probability-flow ODE (Heun, n_steps even steps in log-SNR, float64)."""
    path = get_schedule(schedule, variant)
    law = get_dataset(dataset).to(torch.float64)
    exact = law.diffused(path, path.t_min)
    x = exact.sample(n_points, torch.Generator().manual_seed(seed))
    model = score_model(dataset, path, score, torch.float64)
    times = path.time_grid(n_steps, spacing="log-SNR").flip(0)
    divergence = _divergence(law, path) if score == "exact" and isinstance(law, GaussianMixture) else None
    return Likelihoods(x, log_likelihood(model, path, x, times, divergence=divergence), exact.log_prob(x))


def _divergence(law: GaussianMixture, path: Schedule) -> Divergence:
    return lambda x, t: law.diffused(path, t).score_divergence(x)
