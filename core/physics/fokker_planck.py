"""The Fokker-Planck equation: the density moves, the particles follow (or the other way round).

equation -> name
    dp/dt = -div(b p) + D lap p,  D = kT (mobility 1)                    -> solve          (numerics.fokker_planck)
    dx = b dt + sqrt(2 D) dB                                             -> particles
    dx/dt = b - D grad log p = J/p                                       -> flow           (probability flow: same densities, no noise)
    H(t) = int p ln(p/p_end)                                             -> Solution.entropy, falls at every step
    H ~ exp(-2 gap t), gap = slowest rate of the operator                -> Solution.rates, decay
    J in the steady state: none for a force, Omega (-y, x) p for a whirl -> current

Sources: H. Risken, The Fokker-Planck Equation (1989), chs. 4-6; Y. Song et al., arXiv:2011.13456, sec. 4.3 (probability flow);
S. Lifson and J. L. Jackson, J. Chem. Phys. 36, 2410 (1962) (washboard).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from scipy.sparse import csc_array
from torch import Tensor
from torch.nn.functional import grid_sample

from core.numerics import kinetic
from core.numerics.densities import Density, get_dataset
from core.numerics.distances import Floor, Truth, floor, ks_1d, ks_floor, measure, sliced
from core.numerics.fokker_planck import (
    Box,
    at_centres,
    fluxes,
    implicit_euler,
    modes,
    operator,
    relative_entropy,
    spectrum,
    stationary,
    work_of,
)
from core.numerics.integrators import euler_maruyama, heun
from core.numerics.networks import ModelMissing, load_score_network
from core.numerics.potentials import DoubleWell, Periodic, Potential
from core.numerics.schedules import get_schedule
from core.numerics.sde import SDE, Score, no_noise
from core.numerics.trajectory import Trajectory, collect, frame_indices

LINE, PLANE = ("double well", "washboard"), ("whirl", "exact score", "learned score")
KINDS = (*LINE, *PLANE)
STARTS = ("one spot", "two spots", "wide", "ring")
NOISED = 0.06  # the score of the data is taken at this time of the linear schedule, where the data are slightly smooth
PERIOD = 2.0  # of the washboard
WALLS = 24.0  # of the washboard: so far out that a run ends before they are felt


@dataclass(frozen=True)
class Setting:
    """What drives the density. kT: also the diffusion constant D; barrier, tilt: of the double well (barrier also of the
    washboard); swirl Omega: angular velocity of the whirl in a trap of stiffness 1; dataset: of the scores; start: where it begins.

    Raises ValueError for unknown names or numbers that make no equation.
    """

    kind: str = "double well"
    start: str = "one spot"
    kT: float = 1.0
    barrier: float = 2.0
    tilt: float = 0.0
    swirl: float = 2.0
    dataset: str = "three modes"

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.start not in STARTS:
            raise ValueError(f"{self.kind!r}, {self.start!r}: choose from {', '.join(KINDS)} and {', '.join(STARTS)}")
        if not (0 < self.kT < math.inf and 0 <= self.barrier < math.inf and math.isfinite(self.tilt) and math.isfinite(self.swirl)):
            raise ValueError("kT must be positive, the barrier not negative, all numbers finite")

    @property
    def flat(self) -> bool:
        """One dimension?"""
        return self.kind in LINE

    @property
    def confining(self) -> bool:
        """Is there an equilibrium that does not depend on where the walls are?"""
        return self.kind != "washboard"

    @property
    def potential(self) -> Potential:
        """Of the one-dimensional landscapes."""
        return DoubleWell(self.barrier, tilt=self.tilt) if self.kind == "double well" else Periodic(self.barrier, PERIOD)

    def box(self, n_cells: int) -> Box:
        if self.kind == "washboard":
            return Box((-WALLS,), (WALLS,), (n_cells,))
        if self.kind == "double well":
            reach = math.sqrt(1 + math.sqrt(25 * self.kT / max(self.barrier, 0.2))) + abs(self.tilt) / 8
            return Box((-reach,), (reach,), (n_cells,))
        half = max(3.6, 5 * math.sqrt(self.kT)) if self.kind == "whirl" else 2.8 + 0.8 * math.sqrt(self.kT)
        return Box((-half, -half), (half, half), (n_cells, n_cells))


@lru_cache(maxsize=32)
def _data(dataset: str) -> Density:
    return get_dataset(dataset).to(torch.float64).diffused(get_schedule("linear"), NOISED)


@lru_cache(maxsize=16)
def _learned(dataset: str) -> Score:
    return load_score_network(dataset).as_score(get_schedule("linear"))


def untrained(dataset: str) -> str | None:
    """Why the learned score of a data set cannot be had, in words; None when it can."""
    try:
        _learned(dataset)
    except ModelMissing as missing:
        return str(missing)
    return None


def score(setting: Setting, x: np.ndarray) -> np.ndarray:
    """(..., 2): score of the slightly noised data at x (..., 2), exact or by the network. Raises ModelMissing without a network."""
    flat = torch.as_tensor(x.reshape(-1, 2))
    found = _data(setting.dataset).score(flat) if setting.kind == "exact score" else _learned(setting.dataset)(flat.float(), NOISED)
    return found.double().numpy().reshape(x.shape)


def drift(setting: Setting, x: np.ndarray) -> np.ndarray:
    """b at x (..., D): force (mobility 1), trap and whirl, or score."""
    if setting.flat:
        return setting.potential.force(torch.as_tensor(x)).numpy()
    if setting.kind == "whirl":
        return -x + setting.swirl * np.stack([-x[..., 1], x[..., 0]], -1)
    return score(setting, x)


def work(setting: Setting, box: Box) -> list[np.ndarray]:
    """w = b h/D across every inner face; differences of energy or of log density where there is one (exact stationary state)."""
    D = setting.kT
    if setting.flat:
        return work_of(-setting.potential.energy(torch.as_tensor(box.points())).numpy() / D)
    if setting.kind == "exact score":
        points = torch.as_tensor(box.points().reshape(-1, 2))
        return work_of(_data(setting.dataset).log_prob(points).numpy().reshape(box.cells) / D)
    return [drift(setting, box.points(axis))[..., 1 - axis] * box.widths[axis] / D for axis in (0, 1)]


def start_density(setting: Setting, box: Box) -> np.ndarray:
    """Where the density begins, on the cells of the box: a spot, two, a wide bell or a ring (on a line: two spots, far out)."""
    x = box.points()
    spots: Sequence[float] | Sequence[tuple[float, float]]
    if setting.flat:
        spots, width = {"one spot": ([-1.0], 0.15), "two spots": ([-1.0, 0.4], 0.15), "wide": ([0.0], 0.8), "ring": ([-1.3, 1.3], 0.1)}[
            setting.start
        ]
    else:
        turn = np.linspace(0, 2 * math.pi, 49)[:-1]
        wide = 1.4 if setting.kind == "whirl" else 1.0  # N(0, 1) is where the whirl ends, at kT = 1
        spots, width = {
            "one spot": ([(1.6, 0.0)], 0.3),
            "two spots": ([(1.6, 0.0), (-1.6, 0.6)], 0.3),
            "wide": ([(0.0, 0.0)], wide),
            "ring": (list(zip(2 * np.cos(turn), 2 * np.sin(turn))), 0.2),
        }[setting.start]
    centres = np.asarray(spots, dtype=float).reshape(len(spots), -1)
    p = np.exp(-((x[..., None, :] - centres) ** 2).sum(-1) / (2 * width**2)).sum(-1)
    return p / (p.sum() * box.volume)


@dataclass(frozen=True, eq=False)
class Solution:
    """p (T, *cells) at times (T,); at every step (n_steps + 1,): mass, entropy (nats, to `end`), smallest density.

    end: the stationary density of the operator in this box; rates: its slowest rates, 1/time; shares: how much of each mode the
    start has in it.
    """

    setting: Setting
    box: Box
    times: np.ndarray
    p: np.ndarray
    dt: float
    mass: np.ndarray
    entropy: np.ndarray
    smallest: np.ndarray
    end: np.ndarray
    rates: np.ndarray
    shares: np.ndarray

    @property
    def gap(self) -> float:
        """Real part of the slowest rate that is not 0."""
        return float(self.rates[1].real)

    @property
    def lasting(self) -> complex | None:
        """The slowest rate of a mode that the start has in it; a symmetric start misses some. None if none of the few known."""
        return next((complex(rate) for rate, share in zip(self.rates[1:], self.shares[1:]) if share > 1e-6), None)

    @property
    def roundoff(self) -> float:
        """How much mass n_steps solutions of the linear system may lose: machine precision times what a step amplifies."""
        fastest = 4 * self.setting.kT * sum(h**-2 for h in self.box.widths)
        return float(np.finfo(float).eps * len(self.mass) * (1 + fastest * self.dt))

    def thinned(self, n_frames: int) -> Solution:
        """With at most n_frames of its densities, as `frame_indices` chooses them."""
        kept = frame_indices(len(self.times), n_frames).numpy()
        return replace(self, times=self.times[kept], p=self.p[kept])

    @cached_property
    def work(self) -> list[np.ndarray]:
        return work(self.setting, self.box)


@dataclass(frozen=True, eq=False)
class Evolution:
    """What moves every density of a setting: the operator L (n, n) on its box, the density `end` that it keeps, its slowest rates with
    their left eigenvectors."""

    box: Box
    L: csc_array
    end: np.ndarray
    rates: np.ndarray
    left: np.ndarray


@lru_cache(maxsize=16)
def _evolution(setting: Setting, n_cells: int) -> Evolution:
    box = setting.box(n_cells)
    L = operator(box, work(setting, box), setting.kT)
    end = stationary(L, box.cells, box.volume)
    return Evolution(box, L, end, *modes(L, end))


def evolution(setting: Setting, n_cells: int) -> Evolution:
    """Of `setting` with n_cells along each axis, whatever its start; the last few are remembered, so write to no part of it."""
    return _evolution(replace(setting, start=STARTS[0]), n_cells)


def gap(setting: Setting, n_cells: int) -> float:
    """lambda_1, 1/time: the real part of the slowest rate that is not 0. Raises ModelMissing as `solve` does."""
    return float(evolution(setting, n_cells).rates[1].real)


def solve(
    *,
    kind: str = "double well",
    start: str = "one spot",
    kT: float = 1.0,
    barrier: float = 2.0,
    tilt: float = 0.0,
    swirl: float = 2.0,
    dataset: str = "three modes",
    t_end: float = 6.0,
    n_cells: int = 400,
    n_steps: int = 200,
    n_frames: int = 201,
) -> Solution:
    """The density from its start to t_end in n_steps implicit steps; at most n_frames of them are kept.

    n_cells: along each axis. Raises ValueError for numbers that make no run, ModelMissing when no network was trained for `dataset`.
    """
    setting = Setting(kind, start, kT, barrier, tilt, swirl, dataset)
    if not (0 < t_end < math.inf) or n_steps < 1 or not 8 <= n_cells <= (4000 if setting.flat else 256):
        raise ValueError("t_end must be positive, n_steps at least 1, n_cells between 8 and 4000 (256 in the plane)")
    ruled, dt = evolution(setting, n_cells), t_end / n_steps
    box, end = ruled.box, ruled.end
    keep = frame_indices(n_steps + 1, n_frames).tolist()
    frames, track, wanted = [], [], set(keep)
    for i, p in enumerate(implicit_euler(ruled.L, start_density(setting, box), dt=dt, n_steps=n_steps)):
        track.append((p.sum() * box.volume, relative_entropy(p, end, box.volume), p.min()))
        if i in wanted:
            frames.append(p)
    mass, entropy, smallest = np.array(track).T
    shares = np.abs(ruled.left.T @ frames[0].ravel()) * box.volume if keep[0] == 0 else np.ones(len(ruled.rates))
    return Solution(setting, box, dt * np.array(keep), np.stack(frames), dt, mass, entropy, smallest, end, ruled.rates, shares)


@dataclass(frozen=True)
class Decay:
    """Rate at which the relative entropy falls at the end of a run, halved; what the operator says; the same for steps of dt.

    rate: of the slowest mode that is in the start.
    """

    measured: float
    rate: float
    stepped: float


def decay(solution: Solution) -> Decay | None:
    """Slope of -ln H / 2 over the last quarter of what is above round-off; None where too little of it is left.

    An implicit step of dt multiplies a mode by 1/(1 + rate dt): ln|1 + rate dt|/dt is what a run with this step must show.
    """
    H = solution.entropy
    above = np.nonzero(H > 1e-10)[0]
    rate = solution.lasting
    if rate is None or len(above) < 12 or above[-1] != len(above) - 1:
        return None
    last = above[-1]
    first = max(1, last - max(8, len(above) // 4))
    slope = -0.5 * (math.log(H[last]) - math.log(H[first])) / ((last - first) * solution.dt)
    return Decay(slope, rate.real, math.log(abs(1 + rate * solution.dt)) / solution.dt)


def relaxation(*, kind: str = "double well", barrier: float = 2.0, kT: float = 1.0) -> float:
    """1/gap: how long the slowest memory of the start lasts."""
    made = Setting(kind, barrier=barrier, kT=kT)
    box = made.box(400)
    L = operator(box, work(made, box), made.kT)
    return 1 / float(spectrum(L, stationary(L, box.cells, box.volume), 2)[1].real)


def box_gap(setting: Setting, walls: float, n_cells: int = 800) -> float:
    """Gap of a one-dimensional landscape between walls at -walls and walls; falls as 1/walls^2 when nothing confines."""
    box = Box((-walls,), (walls,), (n_cells,))
    L = operator(box, work(setting, box), setting.kT)
    return float(spectrum(L, stationary(L, box.cells, box.volume), 2)[1].real)


def washboard_diffusion(setting: Setting) -> float:
    """kT/(<exp(U/kT)> <exp(-U/kT)>), averages over a period (Lifson and Jackson 1962): length^2/time; variance grows as twice this."""
    x = torch.linspace(0, PERIOD, 2001, dtype=torch.float64)[:-1, None]
    u = Periodic(setting.barrier, PERIOD).energy(x) / setting.kT
    return setting.kT / float(torch.exp(u).mean() * torch.exp(-u).mean())


# ---- particles -----------------------------------------------------------------------------------------------------------


def draw(p: np.ndarray, box: Box, n: int, generator: torch.Generator) -> Tensor:
    """(n, D) float32 from a density on cells, even inside each cell."""
    weights = torch.as_tensor(np.maximum(p, 0).ravel())
    cell = torch.multinomial(weights, n, replacement=True, generator=generator)
    inside = torch.rand(n, len(box.cells), generator=generator, dtype=torch.float64)
    places = torch.stack([torch.as_tensor(part) for part in np.unravel_index(cell.numpy(), box.cells)], -1)
    x = torch.tensor(box.low) + (places + inside) * torch.tensor(box.widths, dtype=torch.float64)
    return x.flip(-1).float()


def field(values: np.ndarray, box: Box) -> Callable[[Tensor], Tensor]:
    """Cell values (ny, nx, C) as a function of x (N, 2) -> (N, C): bilinear, held at the walls."""
    return _interpolated(torch.as_tensor(values, dtype=torch.float32).movedim(-1, 0), box)


def _interpolated(image: Tensor, box: Box) -> Callable[[Tensor], Tensor]:
    """`field` of an image (C, ny, nx)."""
    low, high = (torch.tensor(ends[::-1], dtype=torch.float32) for ends in (box.low, box.high))
    stretch = 2 / (high - low)
    shift = -1 - low * stretch
    image = image[None]

    def at(x: Tensor) -> Tensor:
        unit = torch.addcmul(shift, x, stretch)
        return grid_sample(image, unit[None, None], mode="bilinear", padding_mode="border", align_corners=False)[0, :, 0].T.contiguous()

    return at


def particles(solution: Solution, *, n_particles: int = 2000, seed: int = 0, first: int | None = None) -> Trajectory:
    """Particles of dx = b dt + sqrt(2 kT) dB from draws of the same start, at the solution's times (Euler-Maruyama).

    first: move only the first so many of them, on the paths that they have in the crowd.
    """
    s, box = solution.setting, solution.box
    generator = torch.Generator().manual_seed(seed)
    crowd = draw(solution.p[0], box, n_particles, generator)
    x = crowd[:first]
    t_end, n = float(solution.times[-1]), len(solution.times) - 1
    finest = {"double well": 0.04 / (8 * s.barrier + 1), "washboard": 0.02, "whirl": 0.02}.get(s.kind, 0.008)
    each = max(1, math.ceil(t_end / n / finest - 1e-9))
    times = torch.as_tensor(solution.times)
    if s.flat:
        noise = kinetic.crowd_noise(crowd.shape, n * each, generator, first)
        states = kinetic.overdamped(s.potential, x, noise, dt=t_end / (n * each), kT=s.kT)
    else:
        b = (
            field(drift(s, box.points()), box)
            if s.kind != "whirl"
            else lambda x: torch.add(x[:, [1, 0]] * torch.tensor([-s.swirl, s.swirl]), x, alpha=-1)
        )
        fine = torch.linspace(0, t_end, n * each + 1, dtype=torch.float64)
        sde = SDE(lambda x, t: b(x), lambda t: math.sqrt(2 * s.kT))
        states = euler_maruyama(sde, x, fine, generator=generator, n_drawn=n_particles)
    return collect((x for i, x in enumerate(states) if i % each == 0), times, n_frames=n + 1)


def flow(solution: Solution, *, n_particles: int = 2000, seed: int = 0, first: int | None = None) -> Trajectory:
    """The same start carried by the probability flow dx/dt = b - D grad log p = J/p: no noise, the same densities.

    On a line a flow keeps order, so each particle stays at its quantile: x(t) = F_t^-1(F_0(x)), exact on the grid. In the plane: Heun
    steps in J/p. An implicit step takes the density from p to p_new along a straight line, with the constant current J(p_new).
    first: move only the first so many of the particles.
    """
    s, box = solution.setting, solution.box
    x = draw(solution.p[0], box, n_particles, torch.Generator().manual_seed(seed))[:first]
    times = torch.as_tensor(solution.times)
    if s.flat:
        u = np.interp(x[:, 0].double().numpy(), box.edges(0), _cdf(solution, 0))
        path = [np.interp(u, _cdf(solution, i), box.edges(0)) for i in range(len(times))]
        return Trajectory(times, torch.as_tensor(np.stack(path)).float()[..., None])
    J, p = current(solution, slice(1, None)), solution.p
    least = 1e-9 * p[1:].max(axis=(1, 2))[:, None, None]
    images = torch.as_tensor(
        np.stack([J[..., 0], J[..., 1], np.maximum(p[:-1], least), np.maximum(p[1:], least)], 1, dtype="f4", casting="same_kind")
    )
    states = [x]
    for i in range(len(times) - 1):
        dt = float(times[i + 1] - times[i])
        look = _interpolated(images[i], box)
        n = 16 if i < 4 else 2
        *_, x = heun(SDE(_carried(look, dt), no_noise), states[-1], [k / n for k in range(n + 1)])
        states.append(x)
    return Trajectory(times, torch.stack(states))


def _carried(look: Callable[[Tensor], Tensor], dt: float) -> Callable[[Tensor, float], Tensor]:
    """dx/d(part), (N, 2), of one step dt; look(x) (N, 4): J, and p at the step's ends, a line in `part` between them."""

    def drift(x: Tensor, part: float) -> Tensor:
        seen = look(x)
        return seen[:, :2] / torch.lerp(seen[:, 2:3], seen[:, 3:], part) * dt

    return drift


def _cdf(solution: Solution, i: int) -> np.ndarray:
    """Distribution function at the edges of the cells of a line."""
    total = np.concatenate([[0.0], np.cumsum(solution.p[i]) * solution.box.volume])
    return total / total[-1]


def current(solution: Solution, i: int | slice | np.ndarray = -1) -> np.ndarray:
    """(*cells, D): J at the cells at frame i; (T, *cells, D) for several frames."""
    return at_centres(fluxes(solution.box, solution.work, solution.setting.kT, solution.p[i]))


def restlessness(solution: Solution) -> float:
    """The largest current in the stationary density over the largest at the start: 0, up to round-off, in equilibrium."""
    ending = at_centres(fluxes(solution.box, solution.work, solution.setting.kT, solution.end))
    return float(np.linalg.norm(ending, axis=-1).max() / np.linalg.norm(current(solution, 0), axis=-1).max())


def truth(walk: Trajectory, solution: Solution, *, what: str = "particles", known_floor: Floor | None = None) -> Truth:
    """How far the particles are from the density at the end: Kolmogorov-Smirnov on a line, sliced Wasserstein in the plane."""
    x = walk.final
    if solution.setting.flat:
        cdf = _cdf(solution, -1)
        found = ks_1d(x, lambda v: torch.as_tensor(np.interp(v.numpy(), solution.box.edges(0), cdf)))
        return Truth(f"Kolmogorov–Smirnov distance, {what}", found, ks_floor(len(x)))
    return measure(
        sliced,
        x,
        lambda n, generator: draw(solution.p[-1], solution.box, n, generator),
        name=f"sliced Wasserstein distance, {what}",
        known_floor=known_floor or plane_floor(solution, len(x)),
    )


def plane_floor(solution: Solution, n: int) -> Floor:
    """What n exact draws of the density at the end score."""
    return floor(sliced, lambda k, generator: draw(solution.p[-1], solution.box, k, generator), n)


def distance_to_data(solution: Solution) -> float:
    """Relative entropy, in nats, of where the score leads to the density whose score it is (0 only at kT = 1 with the exact score)."""
    box = solution.box
    q = np.exp(_data(solution.setting.dataset).log_prob(torch.as_tensor(box.points().reshape(-1, 2))).numpy()).reshape(box.cells)
    return relative_entropy(solution.end, q / (q.sum() * box.volume), box.volume)
