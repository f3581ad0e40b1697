"""Monte Carlo versus molecular dynamics: five samplers, one landscape, one start, one clock.

The clock counts looks at the landscape; every sampler here takes one a step (an energy, a force, or both at one place).
One length sets all five steps, h = step sqrt(kT/k): `step` thermal widths of the narrowest well, whose stiffness is k.

equation -> name
    p(x) = exp(-U(x)/kT)/Z, by quadrature                              -> exact
    scale = h;  dt = h^2/2kT (MALA, Langevin);  dt = h sqrt(m/kT)      -> Steps: each moves by about h in a step
    rho_k = <(f_0 - mu)(f_k - mu)>/s^2,  mu and s exact                -> efficiency, on chains that start exactly
    tau = rho_0 + 2 sum_k (1 - k/T) rho_k = T <(mean f - mu)^2>/s^2    -> integrated_time
    effective samples = T/tau                                          -> Efficiency.effective

A spring k is stable for dt < 2/k (Langevin) and dt < 2 sqrt(m/k) (Verlet, BAOAB): both are step < 2.

Sources: as in core.numerics.samplers; tau: Sokal, Monte Carlo Methods in Statistical Mechanics (1997), eq. 2.16 to 2.21.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from core.numerics.checks import one_of, positive
from core.numerics.distances import Floor, Truth, against, floor, measure, sliced
from core.numerics.mixture import GaussianMixture
from core.numerics.potentials import DoubleWell, MullerBrown, NegativeLogDensity, Potential
from core.numerics.quadrature import GridLaw, boltzmann_law
from core.numerics.samplers import BAOAB, MALA, OverdampedLangevin, RandomWalkMetropolis, Sampler, State, VelocityVerlet
from core.numerics.trajectory import Trajectory, frame_indices

STEPS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 16.0, 32.0)  # what a page offers and `efficiency` scans
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Landscape:
    """An energy surface, where the chains start, and how to tell its sides apart.

    cores: a chain is on the left when x < cores[0], on the right when x > cores[1]; between them it keeps its side.
    grid holds all the weight for kT up to 2; view is what a stage shows. minima: bottoms of its wells.
    """

    potential: Potential
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    cores: tuple[float, float]
    view: Bounds
    grid: Bounds

    def stiffness(self) -> float:
        """k: the largest curvature at the bottom of any well, energy/length^2."""
        return max(float(torch.linalg.eigvalsh(_hessian(self.potential, point))[-1]) for point in self.minima)


ISLANDS = GaussianMixture.of([0.5, 0.3, 0.2], [[-1.1, -0.5], [1.1, -0.5], [0.0, 1.1]], 0.4)
LANDSCAPES = {
    "double well": Landscape(
        DoubleWell(2.0, 1.0, 0.25, 16.0),
        (-1.0, 0.0),
        ((-1.0, 0.0), (1.0, 0.0)),
        (-0.5, 0.5),
        (-1.9, 1.9, -1.2, 1.2),
        (-2.5, 2.5, -2.5, 2.5),
    ),
    "Müller–Brown": Landscape(
        MullerBrown(0.03),
        (0.623, 0.028),
        ((-0.558, 1.442), (0.623, 0.028), (-0.05, 0.467)),
        (-0.3, 0.3),
        (-2.1, 1.5, -0.9, 2.5),
        (-3.2, 2.6, -2.0, 3.6),
    ),
    "three islands": Landscape(
        NegativeLogDensity(ISLANDS),
        (-1.1, -0.5),
        ((-1.1, -0.5), (1.1, -0.5), (0.0, 1.1)),
        (-0.6, 0.6),
        (-2.7, 2.7, -1.9, 2.5),
        (-4.5, 4.5, -4.5, 4.5),
    ),
}


@dataclass(frozen=True)
class Steps:
    """The step of every sampler from one length h. friction: of BAOAB, in units of the narrowest well's frequency sqrt(k/m), m = 1."""

    h: float | Tensor
    kT: float
    frequency: float
    friction: float

    @property
    def overdamped(self) -> float | Tensor:
        """dt = h^2/2kT: thermal noise of one step has width h (mobility 1)."""
        return self.h**2 / (2 * self.kT)

    @property
    def inertial(self) -> float | Tensor:
        """dt = h sqrt(m/kT): a thermal velocity covers h in one step."""
        return self.h / math.sqrt(self.kT)


@dataclass(frozen=True)
class Method:
    """A sampler by name. look: what one look at the landscape gives it; exact: does it leave p unchanged at any step?"""

    label: str
    look: str
    exact: bool

    def make(self, name: str, potential: Potential, steps: Steps) -> Sampler:
        match name:
            case "metropolis":
                return RandomWalkMetropolis(potential, steps.kT, steps.h)
            case "mala":
                return MALA(potential, steps.kT, steps.overdamped)
            case "langevin":
                return OverdampedLangevin(potential, steps.kT, steps.overdamped)
            case "baoab":
                return BAOAB(potential, steps.kT, steps.inertial, steps.friction * steps.frequency)
            case "nve":
                return VelocityVerlet(potential, steps.kT, steps.inertial)
        raise ValueError(f"{name!r} has no sampler")


SAMPLERS = {
    "metropolis": Method("Metropolis", "energy", True),
    "mala": Method("MALA", "energy and force", True),
    "langevin": Method("Langevin", "force", False),
    "baoab": Method("BAOAB", "force", False),
    "nve": Method("NVE", "force", False),
}


def get_landscape(name: str) -> Landscape:
    """The landscape called `name`; ValueError if there is none."""
    one_of("landscape", name, LANDSCAPES)
    return LANDSCAPES[name]


def steps_of(landscape: str, kT: float, step: float | Tensor, friction: float = 1.0) -> Steps:
    """`step` and `friction` have no unit: widths and frequencies of the narrowest well at kT."""
    k = get_landscape(landscape).stiffness()
    return Steps(step * math.sqrt(kT / k), kT, math.sqrt(k), friction)


def make(sampler: str, *, landscape: str, kT: float, step: float | Tensor, friction: float = 1.0) -> Sampler:
    """One of SAMPLERS with its step set. Raises ValueError for an unknown name."""
    one_of("sampler", sampler, SAMPLERS)
    return SAMPLERS[sampler].make(sampler, get_landscape(landscape).potential, steps_of(landscape, kT, step, friction))


@dataclass(frozen=True)
class Mean:
    """A mean over chains with its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Run:
    """N chains of one sampler. trajectory: times are step numbers; slow (T+1, N): the first coordinate at every step.

    acceptance: mean over steps and chains, None if nothing is proposed; temperature (D,): kinetic, <m v^2> of each coordinate over
    the second half of the run; energy_change: mean |H(end) - H(start)|; both None without velocities.
    """

    trajectory: Trajectory
    slow: Tensor
    acceptance: float | None
    temperature: tuple[Mean, ...] | None
    energy_change: float | None

    @property
    def n_steps(self) -> int:
        return len(self.slow) - 1


def sample(
    *,
    landscape: str = "double well",
    sampler: str = "metropolis",
    kT: float = 1.0,
    step: float = 1.0,
    friction: float = 1.0,
    n_steps: int = 1000,
    n_chains: int = 400,
    seed: int = 0,
    n_frames: int = 120,
) -> Run:
    """Chains that all start at one place, the bottom of one well, at most `n_frames` of their states kept.

    kT in the unit of the energy. Samplers with velocities draw them once from Maxwell-Boltzmann at kT, the same for both.
    Raises ValueError for unknown names or numbers that make no chain.
    """
    positive(kT=kT, step=step, friction=friction)
    if min(n_steps, n_chains) < 1:
        raise ValueError("steps and chains must be at least 1")
    surface = get_landscape(landscape)
    law = make(sampler, landscape=landscape, kT=kT, step=step, friction=friction)
    start = torch.tensor(surface.start).repeat(n_chains, 1)
    keep = frame_indices(n_steps + 1, n_frames)
    wanted = set(keep.tolist())
    slow, kinetic = torch.empty(n_steps + 1, n_chains), torch.zeros(n_chains, 2)
    frames, accepted = [], []
    first: State | None = None
    for i, (state, info) in enumerate(law.run(start, n_steps, torch.Generator().manual_seed(seed))):
        first = first or state
        slow[i] = state.position[:, 0]
        if i in wanted:
            frames.append(state.position)
        if info.acceptance is not None:
            accepted.append(info.acceptance.mean())
        if state.velocity is not None and i > n_steps // 2:
            kinetic += state.velocity.square()
    temperature = change = None
    if state.velocity is not None and first is not None:
        temperature = tuple(_mean(each) for each in (kinetic / (n_steps - n_steps // 2)).T)
        change = float((_total(surface, state) - _total(surface, first)).abs().mean())
    return Run(
        Trajectory(keep.double(), torch.stack(frames)), slow, float(torch.stack(accepted).mean()) if accepted else None, temperature, change
    )


@lru_cache(maxsize=32)
def exact(landscape: str, kT: float) -> GridLaw:
    """The Boltzmann law by quadrature."""
    surface = get_landscape(landscape)
    return boltzmann_law(surface.potential, kT, surface.grid)


@lru_cache(maxsize=64)
def exact_floor(landscape: str, kT: float, n: int) -> Floor:
    """What n exact draws score in sliced Wasserstein distance."""
    return floor(sliced, exact(landscape, kT).sample, n)


def truth(run: Run, *, landscape: str, kT: float) -> Truth:
    """How far the chains are from the Boltzmann law at the last step."""
    n = run.trajectory.n_particles
    return measure(
        sliced,
        run.trajectory.final,
        exact(landscape, kT).sample,
        name="sliced Wasserstein distance",
        known_floor=exact_floor(landscape, kT, n),
    )


def distance_over_time(run: Run, *, landscape: str, kT: float, n_points: int = 8) -> tuple[Tensor, Tensor]:
    """Step numbers (P,) > 0, evenly spread in their logarithm, and the distance of the chains at that step to the law (P,)."""
    times = run.trajectory.times
    wanted = torch.logspace(math.log10(max(1.0, float(times[1]))), math.log10(float(times[-1])), n_points, dtype=torch.float64)
    frames = torch.searchsorted(times, wanted - 0.5).clamp(max=len(times) - 1).unique()
    to_law = against(sliced, exact(landscape, kT).sample, run.trajectory.n_particles)
    return times[frames], torch.tensor([to_law(run.trajectory.positions[f]) for f in frames.tolist()])


def crossings(slow: Tensor, cores: tuple[float, float]) -> Mean:
    """Changes of side per chain, from the first coordinate (T+1, N); a chain between the cores is where it was last.

    Wiggling on the barrier's top is not counted. Lost (non-finite) chains cross no more.
    """
    side = (slow > cores[1]).byte() * 2 + (slow < cores[0]).byte()
    step = torch.arange(len(slow), dtype=torch.int32)[:, None]
    last = torch.where(side > 0, step, torch.zeros_like(step)).cummax(0).values
    held = side.gather(0, last.long())
    changed = (held[1:] != held[:-1]) & (held[:-1] > 0)
    return _mean(changed.sum(0).double())


def right_share(run: Run) -> Mean:
    """Part of the chains at x > 0 at the end."""
    return _mean((run.slow[-1] > 0).double())


def exact_right_share(landscape: str, kT: float) -> float:
    return 1 - float(exact(landscape, kT).cdf(torch.zeros(1))[0])


@dataclass(frozen=True)
class Efficiency:
    """What correlated steps are worth, for S step lengths at once, of averages of the first coordinate.

    steps (S,); rho (S, T): autocorrelation about the exact mean in units of the exact variance; tau, tau_error (S,), in steps,
    infinite where chains were lost; acceptance (S,) or None. A run of T steps sees tau (1 - tau/2T) of an exponential memory: a sixth
    too little at `longest`. Above that a tau is called a lower bound: it grows with the run.
    """

    steps: Tensor
    rho: Tensor
    tau: Tensor
    tau_error: Tensor
    acceptance: Tensor | None

    @property
    def longest(self) -> float:
        return self.rho.shape[1] / 3

    @property
    def effective(self) -> Tensor:
        """(S,): effective samples per 1,000 steps."""
        return 1000 / self.tau

    def at(self, step: float) -> int:
        """Index of the scanned step nearest to `step`."""
        return int((self.steps.log() - math.log(step)).abs().argmin())


def efficiency(
    *,
    landscape: str = "double well",
    sampler: str = "metropolis",
    kT: float = 1.0,
    friction: float = 1.0,
    steps: Sequence[float] = STEPS,
    n_steps: int = 1000,
    n_chains: int = 64,
    seed: int = 0,
) -> Efficiency:
    """Chains for every step length together, all started from the exact law, so that no burn-in blurs the answer.

    NVE keeps that law too (Liouville), and still its time averages go elsewhere: each chain stays on its own energy shell.
    """
    law = exact(landscape, kT)
    scanned = torch.tensor(steps, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    start = law.sample(len(steps) * n_chains, generator)
    chains = make(sampler, landscape=landscape, kT=kT, step=scanned.repeat_interleave(n_chains)[:, None], friction=friction)
    slow, accepted = torch.empty(n_steps, len(start)), torch.zeros(len(start))
    states = chains.run(start, n_steps, generator)
    next(states)
    for i, (state, info) in enumerate(states):
        slow[i] = state.position[:, 0]
        if info.acceptance is not None:
            accepted += info.acceptance
    acceptance = accepted.view(len(steps), n_chains).mean(1) / n_steps if info.acceptance is not None else None
    mu = law.mean(lambda x: x[:, 0])
    variance = law.mean(lambda x: (x[:, 0] - mu).square())
    away = (slow.double() - mu).view(n_steps, len(steps), n_chains)
    lost = ~(away.abs() < 1e3).all(0).all(-1)
    away = away.masked_fill(lost[:, None], 0.0)
    rho = autocorrelation(away) / variance
    each = away.mean(0).square() * (n_steps / variance)
    tau = integrated_time(rho).masked_fill(lost, math.inf)
    return Efficiency(scanned, rho.masked_fill(lost[:, None], math.nan), tau, each.std(-1) / math.sqrt(n_chains), acceptance)


def freshest(efficiencies: Mapping[str, Efficiency], step: float) -> tuple[str, str, float]:
    """The samplers with the smallest and the next tau at a step length, and how many standard errors lie between the two."""
    tau, error = ({name: float(getattr(each, key)[each.at(step)]) for name, each in efficiencies.items()} for key in ("tau", "tau_error"))
    best, second = sorted(tau, key=tau.__getitem__)[:2]
    apart, unsure = tau[second] - tau[best], math.hypot(error[best], error[second])
    return best, second, apart / unsure if unsure > 0 else math.inf


def autocorrelation(away: Tensor) -> Tensor:
    """(S, T): sum over t of away_t away_{t+k} / (T - k), averaged over chains, of centred series (T, S, N); by FFT."""
    n = len(away)
    power = torch.fft.rfft(away, 2 * n, dim=0).abs().square().mean(-1)
    return (torch.fft.irfft(power, 2 * n, dim=0)[:n] / torch.arange(n, 0, -1, dtype=away.dtype)[:, None]).T


def integrated_time(rho: Tensor) -> Tensor:
    """tau (S,) of rho (S, T): rho_0 + 2 sum_k (1 - k/T) rho_k; equal to T times the mean squared error of a chain's average."""
    n = rho.shape[-1]
    weight = 2 * (1 - torch.arange(n, dtype=rho.dtype) / n)
    return rho @ weight - rho[:, 0]


def _hessian(potential: Potential, point: tuple[float, float], h: float = 1e-4) -> Tensor:
    x = torch.tensor([point], dtype=torch.float64)
    rows = [(potential.force(x - h * unit) - potential.force(x + h * unit))[0] / (2 * h) for unit in torch.eye(2, dtype=torch.float64)]
    both = torch.stack(rows)
    return (both + both.T) / 2


def _total(surface: Landscape, state: State) -> Tensor:
    """(N,): kinetic plus potential energy, m = 1; of a state with velocities."""
    assert state.velocity is not None
    return 0.5 * state.velocity.square().sum(1) + surface.potential.energy(state.position)


def _mean(values: Tensor) -> Mean:
    return Mean(float(values.mean()), float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.inf)
