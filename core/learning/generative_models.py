"""Around the normaliser: six families carry the same noise to the same data, each paying in its own coin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from core.learning.families import MODELS, Model
from core.learning.train_families import SHIPPED, load_families
from core.numerics.densities import get_dataset
from core.numerics.distances import RUNS, Floor, Truth, against, floor, measure, sliced, told_apart, with_error
from core.numerics.trajectory import Trajectory

DATASETS = SHIPPED
CLOCKS = ("own pace", "race")
BUDGETS = (1, 2, 4, 8, 16, 32, 64, 128)
N_CURVE = 400  # particles behind the error curves


@dataclass(frozen=True)
class Family:
    """What a family does about Z = int p~ dx, in words.

    label: its name; way: how it gets around Z; density, exact: what can be asked of it; walks: may take many evaluations.
    """

    label: str
    way: str
    density: str
    exact: str
    walks: bool
    source: str


FAMILIES: dict[str, Family] = {
    "EBM": Family(
        "Energy-based", "keeps Z, samples without it", "up to Z (here: Z on a grid)", "only after endless steps", True, "Hinton 2002"
    ),
    "VAE": Family("VAE", "bounds log p from below", "a bound (here: an integral over z)", "yes", False, "Kingma & Welling 2013"),
    "GAN": Family("GAN", "has no density, so no Z", "none", "yes", False, "Goodfellow et al. 2014"),
    "flow": Family("Normalizing flow", "invertible, so Z = 1", "exact, one pass", "yes", False, "Dinh et al. 2016"),
    "diffusion": Family("Diffusion", "learns ∇log p, where Z is gone", "by an ODE", "as the steps grow fine", True, "Ho et al. 2020"),
    "flow matching": Family("Flow matching", "learns a velocity, Z = 1", "by an ODE", "as the steps grow fine", True, "Lipman et al. 2022"),
}


@lru_cache(maxsize=4)
def models(dataset: str) -> dict[str, Model]:
    """The six trained networks. Raises ModelMissing with the command that makes them, ValueError for another data set."""
    if dataset not in DATASETS:
        raise ValueError(f"data set {dataset!r} is not one of {', '.join(DATASETS)}")
    return load_families(dataset)


def _model(dataset: str, family: str) -> Model:
    if family not in MODELS:
        raise ValueError(f"family {family!r} is not one of {', '.join(MODELS)}")
    return models(dataset)[family]


@torch.no_grad()
def sample(
    *,
    family: str = "flow matching",
    dataset: str = "two moons",
    n_steps: int = 50,
    n_particles: int = 1000,
    width: float = 1.0,
    seed: int = 1,
    first: int | None = None,
) -> Trajectory:
    """Carry z ~ N(0, width^2 I) to samples; times: network evaluations so far (one pass of a flow is one, in layers).

    The same seed is the same z for every family. n_steps: evaluations allowed to families that walk. width: only 1 is what the
    networks were trained for. first: carry only the first so many of the n_particles, for which all noise is drawn all the same.
    Raises ValueError for unknown names, n_steps outside 1..1000, width <= 0, ModelMissing.
    """
    if not 1 <= n_steps <= 1000 or n_particles < 1 or width <= 0:
        raise ValueError("n_steps must be in 1..1000, n_particles at least 1 and width positive")
    model = _model(dataset, family)
    z = torch.randn(n_particles, 2, generator=torch.Generator().manual_seed(seed)) * width
    walk = model.walk(z[:first], n_steps, torch.Generator().manual_seed(seed + 1_000_003), n_drawn=n_particles)
    times, states = zip(*walk, strict=True)
    return Trajectory(torch.tensor(times, dtype=torch.float64), torch.stack(states))


def truth(trajectory: Trajectory, *, dataset: str) -> Truth:
    """Sliced Wasserstein distance of the particles at the end to the data, with the floor of exact samples."""
    return measure(
        sliced,
        trajectory.final,
        get_dataset(dataset).sample,
        name="sliced Wasserstein distance",
        known_floor=_floor(dataset, trajectory.n_particles),
    )


@lru_cache(maxsize=32)
def _floor(dataset: str, n: int) -> Floor:
    return floor(sliced, get_dataset(dataset).sample, n)


@lru_cache(maxsize=8)
def _edge(dataset: str) -> float:
    """The log-density above which 99% of the data lie."""
    density = get_dataset(dataset)
    return float(density.log_prob(density.sample(20_000, torch.Generator().manual_seed(2))).quantile(0.01))


def stray(x: Tensor, *, dataset: str) -> float:
    """Share of particles (N, 2) that lie where hardly any data do: an exact sampler has 0.01 of them."""
    return float((get_dataset(dataset).log_prob(x) < _edge(dataset)).double().mean())


def closest(*, seed: int = 1, **setting: Any) -> tuple[int, str]:
    """Which family lands closest with four evaluations, by RUNS runs of each from the same noise: 0 diffusion, 1 flow matching, 2 one of
    VAE, GAN and flow, 3 the best two of these three kinds cannot be told apart. setting: of `sample`.
    """
    single = ("VAE", "GAN", "flow")

    def distances(family: str) -> list[float]:
        return [truth(sample(family=family, n_steps=4, seed=seed + k, **setting), dataset=setting["dataset"]).value for k in range(RUNS)]

    found = {family: distances(family) for family in ("diffusion", "flow matching", *single)}
    kinds = [found["diffusion"], found["flow matching"], min((found[name] for name in single), key=sum)]
    best, second, _ = sorted(range(3), key=lambda kind: sum(kinds[kind]))
    said = ", ".join(f"{FAMILIES[name].label} {with_error(each)}" for name, each in found.items())
    return best if told_apart(kinds[second], kinds[best]) else 3, (
        f"Mean distance of {RUNS} runs each, with four evaluations: {said}; exact samples score "
        f"{_floor(setting['dataset'], setting['n_particles']).mean:.3g}."
    )


def stray_share(x: Tensor, *, dataset: str) -> tuple[int, str]:
    """How many of these particles are stray: 0 at most 2 %, 1 at most 10 %, 2 more; and the count in words."""
    share = stray(x, dataset=dataset)
    return (0 if share <= 0.02 else 1 if share <= 0.1 else 2), (
        f"{round(share * len(x))} of these {len(x)} particles, {share:.1%}, lie where all but 1 % of the data are not."
    )


def spread(x: Tensor) -> tuple[float, float]:
    """Root of the summed variances of particles (N, 2), and its standard error."""
    squared = (x - x.mean(0)).double().square().sum(1)
    root = math.sqrt(float(squared.mean()))
    return root, float(squared.std()) / (2 * root * math.sqrt(len(x)))


def spreads_compared(full: Tensor, half: Tensor) -> tuple[int, str]:
    """Spread from noise of half the width against that from noise of width 1: 0 less, 1 within three standard errors, 2 more."""
    (before, error), (after, other) = spread(full), spread(half)
    gap = after - before
    return (1 if abs(gap) <= 3 * math.hypot(error, other) else 0 if gap < 0 else 2), (
        f"The spread is {before:.3f} ± {error:.3f} with w = 1 and {after:.3f} ± {other:.3f} with w = 0.5."
    )


def on_clock(trajectory: Trajectory, clock: str, moments: Tensor) -> Tensor:
    """(M, N, 2): the states at `moments`.

    "own pace": moments are shares 0..1 of the family's own way, straight lines between its states. "race": moments count
    network evaluations, and a particle stays where it is until its next one is done. ValueError for another clock.
    """
    if clock == "race":
        return trajectory.positions[torch.searchsorted(trajectory.times, moments.double() + 1e-9, right=True) - 1]
    if clock != "own pace":
        raise ValueError(f"clock {clock!r} is not one of {', '.join(CLOCKS)}")
    at = moments.double() * (trajectory.n_frames - 1)
    low = at.floor().long().clamp(max=trajectory.n_frames - 2)
    part = (at - low)[:, None, None].to(trajectory.positions.dtype)
    return torch.lerp(trajectory.positions[low], trajectory.positions[low + 1], part)


@dataclass(frozen=True)
class Divergence:
    """KL(data || model) in nats, its standard error, and the number of exact draws behind it."""

    value: float
    error: float
    n: int


@torch.no_grad()
def belief(*, dataset: str, family: str, points: Tensor) -> Tensor | None:
    """(N,): the model's own density at `points` (N, 2); None for a family that has none."""
    try:
        return _model(dataset, family).log_prob(points).exp()
    except NotImplementedError:
        return None


@torch.no_grad()
def divergence(*, dataset: str, family: str, n: int = 250, seed: int = 3) -> Divergence | None:
    """Mean of log p - log p_model over exact draws; None for a family without a density."""
    density = get_dataset(dataset)
    x = density.sample(n, torch.Generator().manual_seed(seed))
    try:
        gap = density.log_prob(x) - _model(dataset, family).log_prob(x)
    except NotImplementedError:
        return None
    return Divergence(float(gap.mean()), float(gap.std() / math.sqrt(n)), n)


@dataclass(frozen=True)
class Curves:
    """Distance to the data against network evaluations per sample, by family; a one-pass family has one point."""

    evaluations: dict[str, list[int]]
    distances: dict[str, list[float]]
    floor: Floor
    n_particles: int


def error_against_evaluations(
    *, dataset: str = "two moons", budgets: tuple[int, ...] = BUDGETS, n_particles: int = N_CURVE, seed: int = 0
) -> Curves:
    """Every family with every budget, from the same z, against one exact sample."""
    distance = against(sliced, get_dataset(dataset).sample, n_particles)
    evaluations, distances = {}, {}
    for name, family in FAMILIES.items():
        run = partial(sample, family=name, dataset=dataset, n_particles=n_particles, seed=seed)
        if name == "EBM":  # its chain does not depend on how long it will be: one walk serves every budget
            walk = run(n_steps=max(budgets)).positions
            ends = {n: walk[n] for n in budgets}
        else:
            ends = {n: run(n_steps=n).final for n in (budgets if family.walks else (1,))}
        evaluations[name] = list(ends)
        distances[name] = [distance(x) for x in ends.values()]
    return Curves(evaluations, distances, _floor(dataset, n_particles), n_particles)
