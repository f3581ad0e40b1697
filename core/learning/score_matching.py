"""Learning the score: five objectives, one network, one budget, and the exact score to judge them by.

| equation                                               | name                                                    |
|--------------------------------------------------------|---------------------------------------------------------|
| s(x, t) = -x - F(x, t) / sigma(t)                      | ScoreField, output "noise / σ" (Ho et al. 2020, eq. 11) |
| s(x, t) = -x + F(x, t)                                 | ScoreField, output "score"                              |
| s(x, t) = -x - F(x) / sigma(t)                         | clock off (Song & Ermon 2020, arXiv 2006.09011)         |
| E[x_0|x_t] = (x_t + sigma^2 s) / alpha                 | aim (Tweedie; Efron 2011, eq. 1.4)                      |
| E sigma^2 |s - exact|^2 / E sigma^2 |exact|^2          | relative_error: 0 perfect, 1 no score at all            |

The path is the linear VP schedule throughout; t runs from 1 (noise) to T_MIN. -x is the score of the unit Gaussian on which every
path ends: the network learns the difference, so that far out, where it has seen nothing, it does not send particles away.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TypedDict, Unpack

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from core.numerics.densities import GaussianMixture, get_mixture
from core.numerics.distances import Floor, Truth, floor, measure, sliced
from core.numerics.integrators import dpm_solver_pp_2m
from core.numerics.networks import ScoreNetwork
from core.numerics.objectives import OBJECTIVES, WEIGHTINGS, draw, loss
from core.numerics.randomness import seeded
from core.numerics.schedules import Linear
from core.numerics.sde import Score
from core.numerics.training import Trainer, TrainingPlan
from core.numerics.trajectory import Trajectory, collect

SCHEDULE = Linear()
T_MIN = 0.01  # sigma = 0.045: below it the noise is finer than anything in the data
DATA = ("three modes", "two moons", "ring", "spirals", "lattice")
OUTPUTS = ("noise / σ", "score")
BATCH, WINDOW = 512, 50
GOAL = 0.01  # of the squared score: an error that the eye no longer sees in the particles; the benchmark times how soon it is reached


class ScoreField(nn.Module):
    """The network as a score model (x (N, D), t (N, 1) or (1, 1)) -> (N, D). Without a clock it is told log sigma/alpha = 0 always."""

    def __init__(self, output: str, clock: bool, seed: int, width: int = 64, depth: int = 2):
        super().__init__()
        with seeded(seed):
            self.body = ScoreNetwork(width=width, depth=depth)
        for weight in self.body.out.parameters():
            weight.data.mul_(0.1)  # at first nearly F = 0: the untrained network takes the data for a unit Gaussian
        self.output, self.clock = output, clock

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        level = SCHEDULE.noise_ratio(t).log() if self.clock else torch.zeros_like(t)
        out = self.body(x, level.to(x.dtype))
        return out - x if self.output == "score" else out * (-1 / SCHEDULE.sigma(t)).to(x.dtype) - x

    def as_score(self) -> Score:
        """(x (N, D), t) -> (N, D), without a graph, for samplers."""

        def score(x: Tensor, t: float) -> Tensor:
            with torch.no_grad():
                return self(x, torch.full((1, 1), t, dtype=x.dtype))

        return score


@dataclass(frozen=True)
class Settings:
    """What one training run depends on, and nothing else. Raises ValueError for unknown names or no steps."""

    dataset: str = "three modes"
    objective: str = "denoising"
    clock: bool = True
    weighting: str = "σ²"
    output: str = "noise / σ"
    n_steps: int = 1500
    seed: int = 1

    def __post_init__(self) -> None:
        for name, value, known in (
            ("data set", self.dataset, DATA),
            ("objective", self.objective, OBJECTIVES),
            ("weighting", self.weighting, WEIGHTINGS),
            ("output", self.output, OUTPUTS),
        ):
            if value not in known:
                raise ValueError(f"{name} {value!r} is not one of {', '.join(known)}")
        if self.n_steps < 1:
            raise ValueError("a run has at least one step")


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment. steps, losses, errors (H,): windows of steps, their mean loss, the error of the averaged weights after."""

    settings: Settings
    field: ScoreField
    step: int
    steps: Tensor
    losses: Tensor
    errors: Tensor


def data(dataset: str) -> GaussianMixture:
    return get_mixture(dataset)


def _trainer(settings: Settings) -> Trainer[ScoreField]:
    density = data(settings.dataset)

    def objective(network: ScoreField, generator: torch.Generator) -> Tensor:
        batch = draw(density, SCHEDULE, BATCH, generator, T_MIN)
        return loss(settings.objective, settings.weighting, network, batch, SCHEDULE)

    plan = TrainingPlan(n_steps=settings.n_steps, learning_rate=4e-3, warmup=50, ema=0.99, seed=settings.seed)
    return Trainer(ScoreField(settings.output, settings.clock, settings.seed), objective, plan)


def training(settings: Settings, so_far: bytes | None = None) -> Iterator[bytes]:
    """Train, yielding everything that is needed to look at the run or to go on, once per WINDOW steps and at the end."""
    run = _trainer(settings)
    history: list[list[float]] = []
    if so_far is not None:
        tensors = load(so_far)
        history = tensors.pop("history").tolist()
        run.restore(tensors)
    window = []
    for progress in run.run():
        window.append(progress.loss)
        if progress.step % WINDOW == 0 or progress.step == settings.n_steps:
            error = relative_error(run.averaged, settings.dataset)
            history.append([progress.step, sum(window) / len(window), error])
            window = []
            yield save(run.tensors() | {"history": torch.tensor(history), "settings": _as_bytes(settings)})


def _as_bytes(settings: Settings) -> Tensor:
    return torch.tensor(list(json.dumps(asdict(settings)).encode()), dtype=torch.uint8)


def _silent(done: int, total: int, so_far: bytes) -> None:
    pass


class Choices(TypedDict, total=False):
    """The fields of `Settings`."""

    dataset: str
    objective: str
    clock: bool
    weighting: str
    output: str
    n_steps: int
    seed: int


def fit(
    *,
    so_far: bytes | None = None,
    progress: Callable[[int, int, bytes], None] = _silent,
    cancelled: Callable[[], bool] = lambda: False,
    **settings: Unpack[Choices],
) -> bytes:
    """Train one network from `Settings(**settings)`; read the answer with `snapshot`.

    A job (core.jobs): reports what it has every WINDOW steps, goes on from `so_far`, stops when `cancelled`. Stopped and continued
    or not, the same settings end on the same bits. Raises ValueError for unknown settings.
    """
    wanted, state = Settings(**settings), so_far
    for state in training(wanted, so_far):
        progress(snapshot_step(state), wanted.n_steps, state)
        if cancelled():
            break
    assert state is not None, "a run has at least one step"
    return state


def snapshot_step(state: bytes) -> int:
    return int(load(state)["history"][-1, 0])


def snapshot(state: bytes | None, settings: Settings) -> Snapshot:
    """Read the bytes of `fit`; None is the untrained network, at step 0."""
    field = ScoreField(settings.output, settings.clock, settings.seed).requires_grad_(False)
    if state is None:
        none = torch.empty(0)
        return Snapshot(settings, field, 0, none, none, none)
    tensors = load(state)
    field.load_state_dict({k.removeprefix("averaged."): v for k, v in tensors.items() if k.startswith("averaged.")})
    steps, losses, errors = tensors["history"].T
    return Snapshot(settings, field, int(steps[-1]), steps, losses, errors)


# ---- how wrong it is ---------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _test_points(dataset: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x (4096, D), t, sigma (4096, 1) and the exact score, the same for every run."""
    batch = draw(data(dataset), SCHEDULE, 4096, torch.Generator().manual_seed(77), T_MIN)
    return batch.x, batch.t, batch.sigma, data(dataset).along(batch.x, batch.alpha, batch.sigma)[1]


@torch.no_grad()
def relative_error(field: Callable[[Tensor, Tensor], Tensor], dataset: str) -> float:
    """E sigma^2 |s - exact|^2 / E sigma^2 |exact|^2 over t uniform and x ~ p_t; 0 perfect, 1 as good as no score."""
    x, t, sigma, exact = _test_points(dataset)
    return float((sigma * (field(x, t) - exact)).square().sum() / (sigma * exact).square().sum())


@dataclass(frozen=True)
class Levels:
    """What no training can change, at each t (T,) with quadrature weight w (T,), sum w = 1: exact expectations over p_t.

    fisher: E|grad log p_t|^2. clockless: the least J (per lambda) that a network without a clock can reach, per weighting and output.
    """

    t: Tensor
    w: Tensor
    fisher: Tensor
    clockless: dict[tuple[str, str], float]

    def best(self, objective: str, weighting: str, *, clock: bool, output: str) -> float:
        """The least value of the objective: its constant, plus what the missing clock costs."""
        weight = self.w * WEIGHTINGS[weighting](SCHEDULE, self.t)
        offset = OBJECTIVES[objective].offset(self.fisher, 2 / SCHEDULE.sigma(self.t) ** 2)
        return float((weight * offset).sum()) + (0.0 if clock else self.clockless[weighting, output])


@lru_cache(maxsize=8)
def levels(dataset: str, n_levels: int = 20, n_grid: int = 112, half: float = 4.4) -> Levels:
    """Gauss-Legendre in log t, sums over a grid that covers every p_t. The best clockless network is an average over t at each x."""
    nodes, weights = torch.tensor(_legendre(n_levels), dtype=torch.float64)
    low = torch.tensor(T_MIN, dtype=torch.float64).log()
    t = (low * (1 - nodes) / 2).exp()
    w = weights * t * (-low / 2) / (1 - T_MIN)
    axis = torch.linspace(-half, half, n_grid)
    grid = torch.cartesian_prod(axis, axis)
    cell = float(axis[1] - axis[0]) ** 2
    density, fisher = data(dataset), []
    sums = {
        (name, output): [torch.zeros(len(grid)), torch.zeros_like(grid), torch.zeros(len(grid))]
        for name in WEIGHTINGS
        for output in OUTPUTS
    }
    for t_now, w_now in zip(t.tolist(), w.tolist(), strict=True):
        law, sigma = density.diffused(SCHEDULE, t_now), SCHEDULE.sigma(t_now)
        p, s = law.log_prob(grid).exp() * cell, law.score(grid)
        fisher.append(float((p * s.square().sum(1)).sum()))
        s = s + grid  # what the network learns, but for the factor `unit`
        square = p * s.square().sum(1)
        for (name, output), total in sums.items():
            unit = sigma if output == "noise / σ" else 1.0
            share = w_now * float(WEIGHTINGS[name](SCHEDULE, torch.tensor(t_now, dtype=torch.float64))) / unit**2
            total[0] += share * p
            total[1] += share * unit * p[:, None] * s
            total[2] += share * unit**2 * square
    clockless = {}
    for key, (mass, pull, square) in sums.items():
        clockless[key] = float(0.5 * (square - pull.square().sum(1) / mass.clamp_min(1e-30)).sum())
    return Levels(t, w, torch.tensor(fisher, dtype=torch.float64), clockless)


def _legendre(n: int) -> np.ndarray:
    return np.stack(np.polynomial.legendre.leggauss(n))


def sign_of_least_loss(dataset: str, objective: str, weighting: str, *, clock: bool, output: str) -> tuple[int, str]:
    """Where the loss of an endless training would end: 0 above zero, 1 at zero, 2 below."""
    least = levels(dataset).best(objective, weighting, clock=clock, output=output)
    return (1 if abs(least) < 1e-9 else 0 if least > 0 else 2), f"The least value that this loss can have here is {least:.4g}."


@dataclass(frozen=True)
class ErrorMap:
    """On a line through the plane: x (W,), t (T,), error (T, W) = sigma |s - exact|, density (T, W) = p_t on the line over its maximum."""

    x: Tensor
    t: Tensor
    error: Tensor
    density: Tensor


@torch.no_grad()
def error_map(field: ScoreField, dataset: str, *, height: float = 0.0, half: float = 3.0, n_x: int = 96, n_t: int = 40) -> ErrorMap:
    """The error over (x, t) along the horizontal line x_2 = height, at levels even in log sigma/alpha; in units of the noise, 1/sigma."""
    x = torch.linspace(-half, half, n_x)
    t = _log_snr_times(n_t - 1).float().flip(0)
    points = torch.stack([x, torch.full_like(x, height)], 1)
    errors, densities = [], []
    for t_now in t.tolist():
        law = data(dataset).diffused(SCHEDULE, t_now)
        gap = field(points, torch.full((1, 1), t_now)) - law.score(points)
        errors.append(SCHEDULE.sigma(t_now) * gap.norm(dim=1))
        densities.append(law.log_prob(points).exp())
    density = torch.stack(densities)
    return ErrorMap(x, t, torch.stack(errors), density / density.amax(1, keepdim=True))


@torch.no_grad()
def plane_errors(field: ScoreField, dataset: str, times: Tensor, points: Tensor) -> Tensor:
    """(T, M): sigma |s - exact| at `points` (M, 2)."""
    return torch.stack(
        [
            SCHEDULE.sigma(t) * (field(points, torch.full((1, 1), t)) - data(dataset).diffused(SCHEDULE, t).score(points)).norm(dim=1)
            for t in times.tolist()
        ]
    )


@dataclass(frozen=True)
class WhereItIsWrong:
    """Root mean square of sigma |s - exact| at one t: on_path over x ~ p_t, off_path over the same square where p_t has little."""

    t: Tensor
    on_path: Tensor
    off_path: Tensor


@torch.no_grad()
def where_it_is_wrong(field: ScoreField, dataset: str, *, n: int = 2000, n_t: int = 20, half: float = 3.0, seed: int = 5) -> WhereItIsWrong:
    """off_path: uniform in the square of the stage, kept where p_t is below a hundredth of a uniform density."""
    generator, times = torch.Generator().manual_seed(seed), _log_snr_times(n_t - 1).flip(0)
    on: list[float] = []
    off: list[float] = []
    uniform = half * (2 * torch.rand(n, 2, generator=generator) - 1)
    for t in times.tolist():
        law = data(dataset).diffused(SCHEDULE, t)
        away = uniform[law.log_prob(uniform).exp() < 0.01 / (2 * half) ** 2]
        for points, kept in ((law.sample(n, generator), on), (away, off)):
            gap = SCHEDULE.sigma(t) * (field(points, torch.full((1, 1), t)) - law.score(points))
            kept.append(float(gap.square().sum(1).mean().sqrt()) if len(points) > 20 else float("nan"))
    return WhereItIsWrong(times, torch.tensor(on), torch.tensor(off))


# ---- where the arrow aims ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Aim:
    """cloud (N, D): clean points that may have become x_t = point (D,). exact, learned (D,): E[x_0|x_t] and where the network aims."""

    point: Tensor
    cloud: Tensor
    exact: Tensor
    learned: Tensor


@torch.no_grad()
def aim(field: ScoreField, dataset: str, point: tuple[float, float], t: float, *, n: int = 600, seed: int = 3) -> Aim:
    """The posterior of x_0 at one noised point, exactly, and the point that the learned score aims at."""
    x, alpha, sigma = torch.tensor(point, dtype=torch.float32), SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    posterior = data(dataset).posterior(x, alpha, sigma)
    learned = (x + sigma**2 * field(x[None], torch.full((1, 1), t))[0]) / alpha
    return Aim(x, posterior.sample(n, torch.Generator().manual_seed(seed)), posterior.weights @ posterior.means, learned)


@lru_cache(maxsize=8)
def _edge(dataset: str) -> float:
    """The log-density above which 99 % of the data lie."""
    return float(data(dataset).log_prob(data(dataset).sample(20_000, torch.Generator().manual_seed(2))).quantile(0.01))


def data_at_the_aim(dataset: str, point: tuple[float, float], t: float) -> tuple[int, str]:
    """Are there data where the best arrow aims, at E[x_0|x_t = point]? 0 yes, 1 no: all but 1 % of them lie where they are denser."""
    posterior = data(dataset).posterior(torch.tensor(point), SCHEDULE.alpha(t), SCHEDULE.sigma(t))
    mean = posterior.weights @ posterior.means
    there = float(data(dataset).log_prob(mean[None])) - _edge(dataset)
    x, y = (round(place, 2) + 0.0 for place in mean.tolist())  # no minus before a zero
    return int(there < 0), (
        f"It aims at ({x:.2f}, {y:.2f}). All but 1 % of the data lie where they are denser than a certain limit; there the "
        f"density is {math.exp(there):.2g} times this limit."
    )


# ---- what it is good for -----------------------------------------------------------------------------------------------------------


def _log_snr_times(n_steps: int) -> Tensor:
    """(n_steps + 1,) times from 1 down to T_MIN, even in log sigma/alpha."""
    ends = torch.tensor([SCHEDULE.noise_ratio(1.0), SCHEDULE.noise_ratio(T_MIN)], dtype=torch.float64).log()
    times = SCHEDULE.time_at(torch.linspace(float(ends[0]), float(ends[1]), n_steps + 1, dtype=torch.float64).exp())
    times[0], times[-1] = 1.0, T_MIN
    return times


def sample(field: ScoreField | None, dataset: str, *, n_steps: int = 50, n_particles: int = 1000, seed: int = 0) -> Trajectory:
    """Noise to data with the learned score, or the exact one for None: DPM-Solver++(2M) to T_MIN. Same seed, same start."""

    def exact(x: Tensor, t: float) -> Tensor:
        return data(dataset).diffused(SCHEDULE, t).score(x)

    times = _log_snr_times(n_steps)
    x = torch.randn(n_particles, 2, generator=torch.Generator().manual_seed(seed))
    return collect(dpm_solver_pp_2m(field.as_score() if field else exact, SCHEDULE, x, times), times)


def truth(trajectory: Trajectory, dataset: str) -> Truth:
    """Sliced Wasserstein distance of the particles at the end to the exact law at T_MIN."""
    exact = data(dataset).diffused(SCHEDULE, T_MIN)
    return measure(
        sliced,
        trajectory.final,
        exact.sample,
        name="sliced Wasserstein distance",
        known_floor=_floor(dataset, trajectory.n_particles),
    )


@lru_cache(maxsize=32)
def _floor(dataset: str, n: int) -> Floor:
    return floor(sliced, data(dataset).diffused(SCHEDULE, T_MIN).sample, n)
