"""Guidance: bending the walk towards a label, beside the density that the formula seems to promise.

| equation                                                               | name                                       |
|------------------------------------------------------------------------|--------------------------------------------|
| s = (1 - gamma) grad log p_t(x) + gamma grad log p_t(x|y)              | field, guides "exact", "classifier-free"   |
| s = grad log p_t(x) + gamma grad log p_t(y|x)                          | field, guides "classifier", "clean classifier" |
| p(x) p(y|x)^gamma / Z                                                  | tilt (exact, on a grid)                    |
| grad log int tilt(x_0) N(x; alpha x_0, sigma^2) dx_0                   | field, guide "tilt": what would sample it  |
| d log w = g^2/2 gamma (gamma - 1) |grad log p_t(y|x)|^2 |dt|           | reweighted (Skreta et al. 2025, 2503.02819)|

Why guided diffusion does not end on the tilt. Every noised density obeys d log p/dt = -f d - f x.grad log p + g^2/2 (lap log p +
|grad log p|^2). For q_t = p_t(x) p_t(y|x)^gamma, whose score is the guided field, the same holds but for one term, because the square of
a sum is not the sum of squares: R = g^2/2 gamma (1 - gamma) |grad log p_t(y|x)|^2. It vanishes for gamma = 0 and 1 alone. So q_t is
no noised version of anything, and a walk along its score does not stay on it (Bradley & Nakkiran 2024, arXiv 2408.09000).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from core.learning.labelled import LABELLED, Labelled, get_labelled
from core.learning.train_guidance import names
from core.numerics.conditional import LabelledScoreNetwork, NoisedClassifier, load
from core.numerics.distances import RUNS, Floor, Truth, floor, measure, sliced, told_apart, with_error
from core.numerics.integrators import ancestral, dpm_solver_pp_2m, predictor_corrector, steps
from core.numerics.parametrisation import exact_score, guided, pushed
from core.numerics.schedules import Linear
from core.numerics.sde import Score
from core.numerics.tabulated import Tabulated
from core.numerics.trajectory import Trajectory, collect

GUIDES = ("exact", "classifier-free", "classifier", "clean classifier")
WALKS = ("ODE", "SDE", "corrected", "reweighted")
CORRECTIONS, SNR = 6, 0.12  # Langevin steps at each level, and their size (Song et al. 2021, Algorithm 5)
GAMMA_MAX = 10.0


@dataclass(frozen=True)
class Path(Linear):
    """The linear VP schedule, walked to t = 0.01, where the noise (0.045) is finer than the data but not than the grid."""

    @property
    def t_min(self) -> float:
        return 0.01


PATH = Path()


@lru_cache(maxsize=8)
def _data(dataset: str) -> Labelled:
    return get_labelled(dataset)


@lru_cache(maxsize=16)
def networks(dataset: str) -> tuple[LabelledScoreNetwork, NoisedClassifier]:
    """The shipped pair. Raises ModelMissing with the command that makes it."""
    score, classifier = names(dataset)
    return load(LabelledScoreNetwork, score), load(NoisedClassifier, classifier)


@lru_cache(maxsize=64)
def tilt(dataset: str, label: int, gamma: float) -> Tabulated:
    """p(x) p(y|x)^gamma / Z on a grid; log Z drops out."""
    data = _data(dataset)
    double = data.density.to(torch.float64)
    return Tabulated.of(lambda x: double.log_prob(x) + gamma * data.log_class(x, label, double))


def clean_gradient(data: Labelled, label: int) -> Score:
    """grad log p_0(y|x), whatever the noise: the classifier that has only ever seen clean data."""
    given = data.given(label)
    return lambda x, t: given.score(x) - data.density.score(x)


def field(dataset: str, label: int, gamma: float, guide: str = "exact") -> Score:
    """The score that is walked along. guide: one of GUIDES, or "tilt". Raises ValueError for others, ModelMissing without weights."""
    data = _data(dataset)
    free, given = exact_score(data.density, PATH), exact_score(data.given(label), PATH)
    if guide == "exact":
        return guided(free, given, gamma)
    if guide == "clean classifier":
        return pushed(free, clean_gradient(data, label), gamma)
    if guide == "tilt":
        return exact_score(tilt(dataset, label, gamma), PATH)
    if guide not in GUIDES:
        raise ValueError(f"guide {guide!r} is not one of {', '.join(GUIDES)}")
    network, classifier = networks(dataset)
    if guide == "classifier-free":
        return guided(network.as_score(PATH), network.as_score(PATH, label), gamma)
    return pushed(network.as_score(PATH), classifier.gradient(PATH, label), gamma)


def reweighted(score: Score, guidance: Score, gamma: float, x: Tensor, times: Tensor, *, generator: torch.Generator) -> Iterator[Tensor]:
    """Guided ancestral sampling with the missing term as a weight: d log w = g^2/2 gamma (gamma - 1) |guidance|^2 |dt|.

    guidance: grad log p_t(y|x). When fewer than half of the particles count (1 / sum w^2), they are drawn anew by weight (systematic
    resampling), and at the end.
    """
    log_w = torch.zeros(len(x))
    yield x
    for k, (t, t_next) in enumerate(steps(times)):
        log_w = log_w + 0.5 * PATH.g2(t) * gamma * (gamma - 1) * guidance(x, t).square().sum(1) * (t - t_next)
        *_, x = ancestral(score, PATH, x, (t, t_next), generator=generator)
        w = log_w.softmax(0)
        if 1 / float(w.square().sum()) < len(x) / 2 or k == len(times) - 2:
            places = (torch.arange(len(x)) + torch.rand(1, generator=generator)) / len(x)
            x, log_w = x[torch.searchsorted(w.cumsum(0), places).clamp(max=len(x) - 1)], torch.zeros(len(x))
        yield x


def sample(
    *,
    dataset: str = "three classes",
    label: int = 0,
    gamma: float = 3.0,
    guide: str = "exact",
    walk: str = "ODE",
    n_steps: int = 60,
    n_particles: int = 1500,
    seed: int = 1,
    n_frames: int = 121,
    first: int | None = None,
) -> Trajectory:
    """Guided diffusion from noise to t = 0.01; steps even in log-SNR.

    walk: "ODE" (DPM-Solver++), "SDE" (DDPM ancestral), "corrected" (DDPM, then CORRECTIONS Langevin steps at each level: Du et al. 2023,
    arXiv 2302.11552) or "reweighted".
    Same seed, same x_1. first: only the first so many of the particles, on the same paths (to rounding); the others are followed only where
    these depend on them, by "corrected" and "reweighted".
    Raises ValueError for unknown names, gamma outside 0..10 or a label that the data do not have.
    """
    if walk not in WALKS or dataset not in LABELLED:
        raise ValueError(f"walk is one of {', '.join(WALKS)} and dataset one of {', '.join(LABELLED)}, not {walk!r} and {dataset!r}")
    data = _data(dataset)
    if not 0 <= gamma <= GAMMA_MAX or not 0 <= label < len(data.names) or n_steps < 1 or n_particles < 1:
        raise ValueError(f"gamma must be in 0..{GAMMA_MAX:g}, the label below {len(data.names)}, steps and particles at least 1")
    score, times = field(dataset, label, gamma, guide), PATH.time_grid(n_steps, spacing="log-SNR")
    x = torch.randn(n_particles, 2, generator=torch.Generator().manual_seed(seed))
    if walk in ("ODE", "SDE"):
        x = x[:first]
    noise = torch.Generator().manual_seed(seed + 1_000_003)
    if walk == "ODE":
        states = dpm_solver_pp_2m(score, PATH, x, times)
    elif walk == "SDE":
        states = ancestral(score, PATH, x, times, generator=noise, n_drawn=n_particles)
    elif walk == "corrected":

        def predictor(y: Tensor, t: float, t_next: float) -> Tensor:
            *_, y = ancestral(score, PATH, y, (t, t_next), generator=noise)
            return y

        states = predictor_corrector(score, PATH, x, times, predictor=predictor, n_corrector=CORRECTIONS, snr=SNR, generator=noise)
    else:
        free = field(dataset, label, 0.0, guide)
        push = field(dataset, label, 1.0, guide)
        states = reweighted(score, lambda y, t: push(y, t) - free(y, t), gamma, x, times, generator=noise)
    trajectory = collect(states, times, n_frames=n_frames)
    return Trajectory(trajectory.times, trajectory.positions[:, :first])


# ---- how far from the promise -------------------------------------------------------------------------------------------------------


def truth(trajectory: Trajectory, *, dataset: str, label: int, gamma: float) -> Truth:
    """Sliced Wasserstein distance of the particles at the end to the tilted density at t = 0.01."""
    exact = tilt(dataset, label, gamma).diffused(PATH, PATH.t_min)
    return measure(
        sliced,
        trajectory.final,
        exact.sample,
        name="sliced Wasserstein distance to the promised density",
        known_floor=_floor(dataset, label, gamma, trajectory.n_particles),
    )


@lru_cache(maxsize=256)
def _floor(dataset: str, label: int, gamma: float, n: int) -> Floor:
    return floor(sliced, tilt(dataset, label, gamma).diffused(PATH, PATH.t_min).sample, n)


@dataclass(frozen=True)
class Quality:
    """fidelity: mean p(y|x). diversity: rms distance of two draws over that of p(x|y), 1 for the data of the class."""

    fidelity: float
    diversity: float


def quality(x: Tensor, dataset: str, label: int) -> Quality:
    """Of particles (N, 2)."""
    data = _data(dataset)
    return Quality(float(data.log_class(x, label).exp().mean()), math.sqrt(float(x.var(0).sum())) / _spread(data, label))


def tilt_quality(dataset: str, label: int, gamma: float) -> Quality:
    """Of the tilted density itself, by sums over the grid."""
    data, law = _data(dataset), tilt(dataset, label, gamma)
    share, mx, my, square = law.mean(
        lambda x: torch.stack([data.log_class(x.float(), label).double().exp(), x[:, 0], x[:, 1], x.square().sum(1)], 1)
    ).tolist()
    return Quality(share, math.sqrt(square - mx**2 - my**2) / _spread(data, label))


def _spread(data: Labelled, label: int) -> float:
    """Root of the trace of the covariance of p(x|y)."""
    given = data.given(label)
    mean = given.weights @ given.means
    return math.sqrt(float(given.weights @ (2 * given.scales**2 + (given.means - mean).square().sum(1))))


def surer(x: Tensor, dataset: str, label: int, gamma: float, *, seed: int = 23) -> tuple[int, str]:
    """Mean p(y|x) of guided particles (N, 2) against as many draws of the tilt at t_min: 0 higher, 1 lower, 2 within three errors."""
    promised = tilt(dataset, label, gamma).diffused(PATH, PATH.t_min).sample(len(x), torch.Generator().manual_seed(seed))
    fits = [_data(dataset).log_class(some.float(), label).exp().double() for some in (x, promised)]
    error = math.hypot(*(float(fit.std()) / math.sqrt(len(x)) for fit in fits))
    mine, wanted = (float(fit.mean()) for fit in fits)
    return (2 if abs(mine - wanted) <= 3 * error else 0 if mine > wanted else 1), (
        f"The mean of p(y|x) is {mine:.4f} for the guided particles and {wanted:.4f} for draws of the promised density; "
        f"the difference is known to ± {error:.4f}."
    )


def what_it_samples(dataset: str, label: int, gamma: float, *, seed: int = 1) -> tuple[int, str]:
    """What guidance by exact scores ends on, by RUNS runs of 1500 particles: 0 the tilt, as most exact samples would pass, 1 something
    narrower, 2 something wider, 3 something else whose spread cannot be told from the tilt's.
    """
    runs = [sample(dataset=dataset, label=label, gamma=gamma, seed=seed + k, n_frames=1) for k in range(RUNS)]
    scores = [truth(run, dataset=dataset, label=label, gamma=gamma) for run in runs]
    spreads = [quality(run.final, dataset, label).diversity for run in runs]
    promised = tilt_quality(dataset, label, gamma).diversity
    exact = 2 * sum(score.within for score in scores) > RUNS
    return 0 if exact else {-1: 1, 1: 2, 0: 3}[told_apart(spreads, [promised] * RUNS)], (
        f"Mean of {RUNS} runs: its distance is {with_error([score.value for score in scores])} where exact draws score "
        f"{scores[0].floor.mean:.3g}; its spread {with_error(spreads)}, that of the promised density {promised:.3g}."
    )


@dataclass(frozen=True)
class Sweep:
    """Over gamma (G,): the distance of guided particles to the tilt and its floor, quality of both."""

    gammas: list[float]
    distances: list[float]
    floors: list[Floor]
    guided: list[Quality]
    tilted: list[Quality]


def sweep(
    *,
    dataset: str,
    label: int,
    guide: str = "exact",
    walk: str = "ODE",
    seed: int = 1,
    n_particles: int = 600,
    n_steps: int = 40,
    gammas: tuple[float, ...] = (0, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 10),
) -> Sweep:
    """Guided diffusion and the tilt at every gamma, the same x_1 throughout."""
    made = Sweep(list(gammas), [], [], [], [])
    for gamma in gammas:
        run = sample(
            dataset=dataset,
            label=label,
            gamma=gamma,
            guide=guide,
            walk=walk,
            n_steps=n_steps,
            n_particles=n_particles,
            seed=seed,
            n_frames=1,
        )
        known = truth(run, dataset=dataset, label=label, gamma=gamma)
        made.distances.append(known.value)
        made.floors.append(known.floor)
        made.guided.append(quality(run.final, dataset, label))
        made.tilted.append(tilt_quality(dataset, label, gamma))
    return made


@dataclass(frozen=True)
class Gap:
    """Over t (T,): rms of sigma times (field - score of the noised tilt), over draws of the noised tilt; and of the missing term R / g^2.

    gap: of the walked field; exact_gap: of the exact guided field, 0 for gamma 0 and 1; source: E gamma (gamma - 1)/2 |sigma grad log
    p_t(y|x)|^2.
    """

    t: Tensor
    gap: Tensor
    exact_gap: Tensor
    source: Tensor


def gap(*, dataset: str, label: int, gamma: float, guide: str = "exact", n: int = 400, n_t: int = 20, seed: int = 9) -> Gap:
    """How far the field that is walked along is from the one that would end on the tilt, at every noise level."""
    law, times, generator = tilt(dataset, label, gamma), PATH.time_grid(n_t - 1, spacing="log-SNR"), torch.Generator().manual_seed(seed)
    walked, exact = (field(dataset, label, gamma, name) for name in (guide, "exact"))
    free, given = field(dataset, label, 0.0), field(dataset, label, 1.0)
    x0, eps = law.sample(n, generator), torch.randn(n, 2, generator=generator)
    rows = []
    for t in times.tolist():
        sigma = PATH.sigma(t)
        x = PATH.alpha(t) * x0 + sigma * eps
        wanted = law.diffused(PATH, t).score(x)
        off = [sigma * float((f(x, t) - wanted).square().sum(1).mean().sqrt()) for f in (walked, exact)]
        push = sigma**2 * float((given(x, t) - free(x, t)).square().sum(1).mean())
        rows.append([*off, 0.5 * gamma * (gamma - 1) * push])
    return Gap(times, *torch.tensor(rows).T)


def where_it_misleads(found: Gap) -> tuple[int, str]:
    """At which third of the noise levels the field is farthest from the one that would end on the tilt: 0 first, 1 middle, 2 last;
    3 where it is nowhere off by more than a hundredth of the noise."""
    worst = int(found.gap.argmax())
    off, t = float(found.gap[worst]), float(found.t[worst])
    return (3 if off < 0.01 else min(3 * worst // len(found.t), 2)), (
        f"It is off by at most {off:.3g} times the noise, at t = {t:.3g}, where α = {PATH.alpha(t):.2g} and σ = {PATH.sigma(t):.2g}."
    )
