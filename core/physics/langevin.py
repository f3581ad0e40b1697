"""Langevin dynamics: friction and noise from one bath, with inertia and without.

equation -> name
    m dv = -U'(x) dt - gamma m v dt + sqrt(2 gamma m kT) dB,  dx = v dt       -> sample        (BAOAB and others, numerics.kinetic)
    dx = -U'(x) dt/(gamma m) + sqrt(2 kT/(gamma m)) dB                        -> overdamped    (same noise)
    exact Gaussian law of (x, v) in a harmonic well and for a free particle   -> law           (Chandrasekhar 1943, ch. II)
    Ornstein-Uhlenbeck law of the overdamped equation                         -> ornstein_uhlenbeck
    <(x - <x>)^2>: kT/m t^2, then 2 kT/(gamma m) t                            -> spread, ballistic, diffusive
    <v(0) v(t)>                                                               -> memory
    escape rates over the barrier of the double well                          -> kramers, melnikov, transition_state, slow_rate
    what Kramers' formula leaves out at this barrier, 1 - 3/8 kT/barrier      -> finite_barrier
    counted crossings                                                         -> count

Sources: S. Chandrasekhar, Rev. Mod. Phys. 15, 1 (1943); H. A. Kramers, Physica 7, 284 (1940); P. Hänggi, P. Talkner and M. Borkovec,
Rev. Mod. Phys. 62, 251 (1990), secs. IV and VI; V. I. Mel'nikov and S. V. Meshkov, J. Chem. Phys. 85, 1018 (1986).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from scipy.integrate import quad
from scipy.linalg import solve_continuous_lyapunov
from torch import Tensor

from core.numerics import kinetic
from core.numerics.checks import one_of, positive
from core.numerics.distances import Truth, ks_1d, ks_floor
from core.numerics.potentials import DoubleWell, Harmonic, Potential, boltzmann_density
from core.numerics.trajectory import Trajectory, frame_indices

KINDS = ("double well", "harmonic", "free")
METHODS = kinetic.KINETIC
MAX_STEPS = 20_000
FINE = 0.16  # k dt/(gamma m) of the overdamped run: its variance is then at most 9 % wide
CORE = math.sqrt(1 - math.sqrt(0.5))  # of the double well: U(CORE) is half the barrier
FINEST = 8  # substeps of the overdamped run; where it needs more, the two pictures have little in common


@dataclass(frozen=True)
class System:
    """A particle in a landscape and a bath. kT: energy; mass; friction gamma: 1/time; lengths in units of the well.

    stiffness: of the harmonic well; barrier: of the double well, whose minima are at -1 and 1. Raises ValueError for an unknown
    kind or numbers that are not positive.
    """

    kind: str = "double well"
    kT: float = 1.0
    mass: float = 1.0
    friction: float = 1.0
    stiffness: float = 1.0
    barrier: float = 2.0

    def __post_init__(self) -> None:
        one_of("landscape", self.kind, KINDS)
        positive(kT=self.kT, mass=self.mass, friction=self.friction, stiffness=self.stiffness, barrier=self.barrier)

    @property
    def landscape(self) -> Potential:
        return DoubleWell(self.barrier) if self.kind == "double well" else Harmonic(self.stiffness if self.kind == "harmonic" else 0.0)

    @property
    def curvature(self) -> float:
        """U'' at the bottom of a well, energy/length^2."""
        return {"double well": 8 * self.barrier, "harmonic": self.stiffness, "free": 0.0}[self.kind]

    @property
    def omega(self) -> float:
        """Frequency at the bottom of a well, 1/time."""
        return math.sqrt(self.curvature / self.mass)

    @property
    def start(self) -> float:
        """Where every particle begins: in the left well; displaced from the centre; at the origin."""
        return {"double well": -1.0, "harmonic": 2.0, "free": 0.0}[self.kind]

    @property
    def speed(self) -> float:
        """sqrt(kT/m), the spread of one velocity component."""
        return math.sqrt(self.kT / self.mass)

    @property
    def mobility(self) -> float:
        return 1 / (self.mass * self.friction)


@dataclass(frozen=True)
class Run:
    """x and v (T, N) at `times` (T,); `shown` are the indices of evenly spaced frames among them."""

    times: Tensor
    x: Tensor
    v: Tensor
    shown: Tensor

    @property
    def positions(self) -> Trajectory:
        """The evenly spaced frames, (T', N, 1)."""
        return Trajectory(self.times[self.shown], self.x[self.shown, :, None])

    @property
    def velocities(self) -> Trajectory:
        return Trajectory(self.times[self.shown], self.v[self.shown, :, None])


def sample(
    *,
    kind: str = "double well",
    kT: float = 1.0,
    mass: float = 1.0,
    friction: float = 1.0,
    stiffness: float = 1.0,
    barrier: float = 2.0,
    method: str = "BAOAB",
    dt: float = 0.02,
    t_end: float = 40.0,
    n_particles: int = 2000,
    seed: int = 0,
    n_frames: int = 200,
    first: int | None = None,
) -> Run:
    """Particles that start together at `System.start` with Maxwell velocities, until t_end in steps of dt.

    Kept are n_frames even moments and, for the first moments of the motion, as many again that are even early or even in log t.
    Same seed, same noise for every method of METHODS with one normal a step. first: move only the first so many of the particles, on
    the paths that they have in the crowd. Raises ValueError for numbers that make no run.
    """
    system = System(kind, kT, mass, friction, stiffness, barrier)
    n_steps = _steps(dt, t_end, n_particles)
    one_of("method", method, METHODS)
    generator = torch.Generator().manual_seed(seed)
    v = torch.randn(n_particles, 1, generator=generator).mul_(system.speed)
    noise = kinetic.crowd_noise(v.shape, n_steps * kinetic.draws(method), generator, first)
    v = v[:first]
    x = torch.full_like(v, system.start)
    states = kinetic.kinetic(method, system.landscape, x, v, noise, dt=dt, mass=mass, friction=friction, kT=kT)
    shown, keep = frame_indices(n_steps + 1, n_frames), _moments(n_steps, n_frames, window(system, t_end) / dt)
    wanted = set(keep.tolist())
    with torch.inference_mode():
        kept = [(x[:, 0], v[:, 0]) for i, (x, v) in enumerate(states) if i in wanted]
    xs, vs = (torch.stack(part) for part in zip(*kept))
    return Run(dt * keep.double(), xs, vs, torch.searchsorted(keep, shown))


def overdamped(
    *,
    kind: str = "double well",
    kT: float = 1.0,
    mass: float = 1.0,
    friction: float = 1.0,
    stiffness: float = 1.0,
    barrier: float = 2.0,
    method: str = "BAOAB",
    dt: float = 0.02,
    t_end: float = 40.0,
    n_particles: int = 2000,
    seed: int = 0,
    n_frames: int = 200,
    first: int | None = None,
) -> Trajectory | None:
    """The equation without inertia, from the same start and on the Brownian paths that `sample` with these arguments sees.

    None where it would need more than FINEST substeps a step: friction is then too weak for it to describe this system.
    first: as for `sample`.
    """
    system = System(kind, kT, mass, friction, stiffness, barrier)
    n_steps, each = _steps(dt, t_end, n_particles), kinetic.draws(method)
    k = max(1, math.ceil(system.curvature * system.mobility * dt / each / FINE - 1e-9))
    if k > FINEST:
        return None
    generator = torch.Generator().manual_seed(seed)
    crowd = torch.randn(n_particles, 1, generator=generator)  # the velocities of `sample`
    x = torch.full_like(crowd[:first], system.start)
    finer = kinetic.crowd_noise(crowd.shape, n_steps * each, generator, first, k=k, seed=seed + 1)
    states = kinetic.overdamped(system.landscape, x, finer, dt=dt / (each * k), kT=kT, mobility=system.mobility)
    shown = frame_indices(n_steps + 1, n_frames)
    wanted = set((shown * each * k).tolist())
    with torch.inference_mode():
        kept = [x for i, x in enumerate(states) if i in wanted]
    return Trajectory(dt * shown.double(), torch.stack(kept))


def window(system: System, t_end: float) -> float:
    """How long velocities are worth watching: a few memories 1/gamma or a few periods."""
    return min(t_end, 8 / system.friction, 8 * math.pi / system.omega if system.omega else math.inf)


def _steps(dt: float, t_end: float, n_particles: int) -> int:
    if not (0 < dt < math.inf and 0 < t_end < math.inf) or n_particles < 1 or round(t_end / dt) > MAX_STEPS:
        raise ValueError(f"dt and t_end must be positive and at most {MAX_STEPS} steps apart, with one particle or more")
    return max(1, round(t_end / dt))


def _moments(n_steps: int, n_frames: int, early: float) -> Tensor:
    even = frame_indices(n_steps + 1, n_frames)
    first = frame_indices(min(n_steps, max(20, round(early))) + 1, 80)
    logarithmic = torch.logspace(0, math.log10(n_steps), 60).round().long().clamp(max=n_steps)
    return torch.cat([even, first, logarithmic]).unique()


# ---- exact laws ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Law:
    """Gaussian law of (x, v) at times (T,): mean (T, 2), covariance (T, 2, 2)."""

    times: Tensor
    mean: Tensor
    covariance: Tensor


def propagator(system: System, t: Tensor) -> Tensor:
    """(T, 2, 2): exp(A t) with A = ((0, 1), (-omega^2, -gamma)); what becomes of mean position and velocity in a harmonic well."""
    A = torch.tensor([[0.0, 1.0], [-(system.omega**2), -system.friction]], dtype=torch.float64)
    return torch.linalg.matrix_exp(A * t.double()[:, None, None])


def law(system: System, t: Tensor) -> Law:
    """Exact law of (x, v) at t (T,) of particles that start at `system.start` with Maxwell velocities.

    Harmonic: mean E x_0, covariance S - E diag(kT/k, 0) E^T with S = diag(kT/k, kT/m) and E the propagator.
    Free: <x^2> = 2 kT/(m gamma^2) (gamma t - 1 + exp(-gamma t)) (Ornstein 1917, Fürth). Raises ValueError for the double well.
    """
    if system.kind == "double well":
        raise ValueError("the double well has no Gaussian law; its stationary density is `boltzmann`")
    t = t.double()
    E, v2 = propagator(system, t), system.speed**2
    mean = E[:, :, 0] * system.start
    if system.kind == "harmonic":
        S = torch.diag(torch.tensor([system.kT / system.stiffness, v2], dtype=torch.float64))
        still = torch.diag(torch.tensor([system.kT / system.stiffness, 0.0], dtype=torch.float64))
        return Law(t, mean, S - E @ still @ E.mT)
    g = system.friction * t
    xx = 2 * v2 / system.friction**2 * (g + torch.expm1(-g))
    xv = -v2 / system.friction * torch.expm1(-g)
    return Law(t, mean, torch.stack([torch.stack([xx, xv], -1), torch.stack([xv, torch.full_like(xx, v2)], -1)], -2))


def ornstein_uhlenbeck(system: System, t: Tensor) -> tuple[Tensor, Tensor]:
    """Exact (mean, variance), (T,) each, of the overdamped equation: x_0 exp(-r t), kT/k (1 - exp(-2 r t)) with r = k/(gamma m).

    For the free particle 2 kT t/(gamma m). Raises ValueError for the double well.
    """
    if system.kind == "double well":
        raise ValueError("the double well is no Ornstein-Uhlenbeck process")
    t = t.double()
    if system.kind == "free":
        return torch.full_like(t, system.start), 2 * system.kT * system.mobility * t
    rate = system.stiffness * system.mobility
    return system.start * torch.exp(-rate * t), -system.kT / system.stiffness * torch.expm1(-2 * rate * t)


def grid(system: System, n: int = 2001) -> Tensor:
    """(n,) float64, even: positions that hold all of the double well's weight but exp(-30)."""
    reach = math.sqrt(1 + math.sqrt(30 * system.kT / system.barrier))
    return torch.linspace(-reach, reach, n, dtype=torch.float64)


def boltzmann(system: System, x: Tensor) -> Tensor:
    """(M,): exp(-U/kT)/Z of the double well at x (M,), Z by quadrature."""
    fine = grid(system)
    weight = torch.trapezoid(torch.exp(-system.landscape.energy(fine[:, None]) / system.kT), fine)
    return torch.exp(-system.landscape.energy(x.double()[:, None]) / system.kT) / weight


def position_density(system: System, x: Tensor, t: Tensor, *, inertia: bool = True) -> Tensor:
    """(T, M): exact density at x (M,) and t (T,), t > 0; for the double well the stationary one at all times."""
    if system.kind == "double well":
        return boltzmann(system, x).expand(len(t), -1)
    mean, variance = _position_law(system, t, inertia)
    return torch.exp(-(x.double() - mean[:, None]).square() / (2 * variance[:, None])) / (2 * math.pi * variance[:, None]).sqrt()


def _position_law(system: System, t: Tensor, inertia: bool) -> tuple[Tensor, Tensor]:
    if not inertia:
        return ornstein_uhlenbeck(system, t)
    exact = law(system, t)
    return exact.mean[:, 0], exact.covariance[:, 0, 0]


def truth(final: Tensor, system: System, t_end: float, *, what: str = "positions") -> Truth:
    """Kolmogorov-Smirnov distance of final (N,) to the exact law at t_end (the double well: to Boltzmann's law).

    what: "positions", "velocities" (Maxwell-Boltzmann) or "overdamped" (positions of the equation without inertia).
    """
    if what == "velocities":
        cdf = _normal_cdf(0.0, system.speed)
    elif system.kind == "double well":
        cdf = _boltzmann_cdf(system)
    else:
        mean, variance = (float(part) for part in _position_law(system, torch.tensor([t_end]), what != "overdamped"))
        cdf = _normal_cdf(mean, math.sqrt(variance))
    name = {"positions": "positions", "velocities": "velocities", "overdamped": "overdamped positions"}[what]
    return Truth(f"Kolmogorov–Smirnov distance, {name}", ks_1d(final, cdf), ks_floor(len(final)))


def _normal_cdf(mean: float, width: float) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.special.ndtr((x - mean) / width)


def _boltzmann_cdf(system: System) -> Callable[[Tensor], Tensor]:
    fine = grid(system)
    weight = torch.cumulative_trapezoid(boltzmann_density(system.landscape, fine, system.kT), fine)
    weight = torch.cat([weight.new_zeros(1), weight])

    def cdf(x: Tensor) -> Tensor:
        place = ((x - fine[0]) / (fine[1] - fine[0])).clamp(0, len(fine) - 1)
        low = place.floor().long().clamp(max=len(fine) - 2)
        return torch.lerp(weight[low], weight[low + 1], place - low)

    return cdf


# ---- spreading and memory ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """A measured average at `times` (T,), its standard error over particles, and the exact value (None where none is known)."""

    times: Tensor
    value: Tensor
    error: Tensor
    exact: Tensor | None


def spread(run: Run, system: System) -> Curve:
    """<(x - <x>)^2> from the common start; for the free particle and at short times the mean squared displacement."""
    square = (run.x - run.x.mean(1, keepdim=True)).double().square()
    exact = None if system.kind == "double well" else law(system, run.times).covariance[:, 0, 0]
    return Curve(run.times, square.mean(1), square.std(1) / math.sqrt(square.shape[1]), exact)


def ballistic(system: System, t: Tensor) -> Tensor:
    """kT/m t^2: flying straight, before anything has happened."""
    return system.speed**2 * t**2


def diffusive(system: System, t: Tensor) -> Tensor:
    """2 kT/(gamma m) t: Einstein's law, once the velocity is forgotten."""
    return 2 * system.kT * system.mobility * t


def memory(run: Run, system: System) -> Curve:
    """<v(0) v(t)> m/kT within `window`; exp(-gamma t) for the free particle, the propagator's element in a harmonic well."""
    early = run.times <= window(system, float(run.times[-1])) * (1 + 1e-9)
    t = run.times[early]
    product = (run.v[early] * run.v[:1]).double() / system.speed**2
    exact = None if system.kind == "double well" else propagator(system, t)[:, 1, 1]
    return Curve(t, product.mean(1), product.std(1) / math.sqrt(product.shape[1]), exact)


def kinetic_temperature(run: Run, system: System) -> tuple[float, float]:
    """m <v^2>/kT at the end of a run, 1 in equilibrium, and the standard error that equilibrium gives it, sqrt(2/N)."""
    return float(run.v[-1].double().square().mean()) / system.speed**2, math.sqrt(2 / run.v.shape[1])


def late_width(system: System, t: float) -> float:
    """Standard deviation of the positions: of the free particle at t; with a well at rest, which t must not decide."""
    if system.kind == "double well":
        x = grid(system)
        return math.sqrt(float(torch.trapezoid(boltzmann(system, x) * x.square(), x)))
    if system.kind == "harmonic":
        t = 40 * max(1 / system.friction, system.friction / system.omega**2)
    return math.sqrt(float(law(system, torch.tensor([t])).covariance[0, 0, 0]))


@dataclass(frozen=True)
class Gap:
    """r.m.s. distance between the two pictures at the end of a run; exact is None for the double well."""

    value: float
    error: float
    exact: float | None


def gap(run: Run, slow: Trajectory, system: System) -> Gap:
    """How far the particle with inertia is from the one without, on the same noise, at the last frame."""
    square = (run.x[-1] - slow.final[:, 0]).double().square()
    rms = float(square.mean().sqrt())
    return Gap(rms, float(square.std()) / math.sqrt(len(square)) / (2 * rms or 1), exact_gap(system, float(run.times[-1])))


def exact_gap(system: System, t: float) -> float | None:
    """Free: sqrt(2 (1 - exp(-gamma t)) kT/m)/gamma, since x - y = (v_0 - v)/gamma. Harmonic: from the stationary covariance of
    (x, v, y) under one noise, A S + S A^T + b b^T = 0 (the start forgotten). The Smoluchowski-Kramers limit: both vanish as 1/gamma.
    """
    if system.kind == "double well":
        return None
    if system.kind == "free":
        return math.sqrt(-2 * math.expm1(-system.friction * t)) * system.speed / system.friction
    w2, g = system.omega**2, system.friction
    b = torch.tensor([[0.0], [math.sqrt(2 * g) * system.speed], [math.sqrt(2 * system.kT * system.mobility)]], dtype=torch.float64)
    S = solve_continuous_lyapunov([[0, 1, 0], [-w2, -g, 0], [0, 0, -w2 / g]], -(b @ b.T).numpy())
    return math.sqrt(max(0.0, S[0, 0] - 2 * S[0, 2] + S[2, 2]))


# ---- over the barrier ----------------------------------------------------------------------------------------------------


def transition_state(system: System) -> float:
    """omega/2pi exp(-barrier/kT), 1/time: every crossing counts. An upper bound at any friction."""
    return system.omega / (2 * math.pi) * math.exp(-system.barrier / system.kT)


def kramers(system: System, friction: Tensor) -> Tensor:
    """Kramers (1940), moderate to strong friction: (sqrt(gamma^2/4 + w_b^2) - gamma/2)/w_b times the transition-state rate."""
    w_b = math.sqrt(4 * system.barrier / system.mass)
    half = friction.double() / 2
    return w_b / (torch.sqrt(half**2 + w_b**2) + half) * transition_state(system)


def melnikov(system: System, friction: Tensor) -> Tensor:
    """Kramers' rate times A(d)^2/A(2d): right at weak friction too, where particles that cross have to lose energy to stay.

    d = gamma S/kT, S = 8/3 sqrt(m barrier) the action of one round in a well at the height of the barrier. For barriers of many kT.
    """
    action = 8 / 3 * math.sqrt(system.mass * system.barrier)
    factor = [depopulation(g * action / system.kT) ** 2 / depopulation(2 * g * action / system.kT) for g in friction.tolist()]
    return kramers(system, friction) * torch.tensor(factor, dtype=torch.float64)


def depopulation(d: float) -> float:
    """A(d) = exp(1/2pi int ln(1 - exp(-d (y^2 + 1/4)))/(y^2 + 1/4) dy): d for small, 1 for large loss d of energy per round, in kT."""
    value, _ = quad(lambda y: math.log(-math.expm1(-d * (y * y + 0.25))) / (y * y + 0.25), 0, math.inf)
    return math.exp(value / math.pi)


def slow_rate(system: System, friction: Tensor, *, core: float = CORE) -> Tensor:
    """Exact rate of the overdamped equation between the points -core and core: 2 kT/(gamma m) / (int exp(-U/kT) int exp(U/kT)).

    Transitions per time and particle; the second integral from -core to core (one-dimensional transition path theory). The core in
    which `count` takes a particle to be in a well is where the energy is half the barrier.
    """
    x = grid(system)
    between = torch.linspace(-core, core, 2001, dtype=torch.float64)
    weight = torch.trapezoid(torch.exp(-system.landscape.energy(x[:, None]) / system.kT), x)
    resistance = torch.trapezoid(torch.exp(system.landscape.energy(between[:, None]) / system.kT), between)
    return 2 * system.kT / (system.mass * friction.double()) / (weight * resistance)


def finite_barrier(system: System) -> float:
    """Next factor of Kramers' formula at strong friction, 1 - 3/8 kT/barrier for this landscape: the rate is a series in kT/barrier.

    From the quartic terms at the bottom and at the top, by which each integral of `slow_rate` grows by 1 + 3/16 kT/barrier.
    """
    return 1 - 3 / 8 * system.kT / system.barrier


@dataclass(frozen=True)
class Counts:
    """Transitions per time and particle at each friction (F,), with their standard error over particles."""

    friction: Tensor
    rate: Tensor
    error: Tensor


def count(system: System, friction: Iterable[float], *, n_particles: int = 500, time: float = 60.0, seed: int = 0) -> Counts:
    """Count changes of well at several frictions at once (BAOAB, 40 steps a period), from equilibrium.

    A particle is in a well once its energy there is below half the barrier; it changes well when it is next so on the other side.
    Fast recrossings, and flights over both wells at weak friction, are not counted. The rate is the spectral gap over 2 but for the
    share of particles above half the barrier, of order exp(-barrier/2kT): for barriers of 2 kT "to escape" has no sharp meaning.
    """
    gamma = torch.as_tensor(tuple(friction), dtype=torch.float32)
    each = gamma.repeat_interleave(n_particles)[:, None]
    generator = torch.Generator().manual_seed(seed)
    dt = 2 * math.pi / (40 * system.omega)
    n_steps, stride = round(time / dt), 4
    x = _equilibrium(system, len(each), generator)
    v = torch.randn(x.shape, generator=generator).mul_(system.speed)
    side, changes = torch.sign(x), torch.zeros_like(x)
    noise = kinetic.normals(x.shape, n_steps, generator)
    potential = system.landscape
    states = kinetic.splitting("BAOAB", potential, x, v, noise, dt=dt, mass=system.mass, friction=each, kT=system.kT)
    for i, (x, v) in enumerate(states):
        if i % stride == 0:
            energy = potential.energy(x)[:, None].add_(v.square(), alpha=0.5 * system.mass)
            now = torch.where(energy < 0.5 * system.barrier, torch.sign(x), side)
            changes += now != side
            side = now
    each_one = changes.reshape(len(gamma), n_particles).double() / (n_steps * dt)
    return Counts(gamma, each_one.mean(1), each_one.std(1) / math.sqrt(n_particles))


def _equilibrium(system: System, n: int, generator: torch.Generator) -> Tensor:
    """(n, 1) draws of the double well's Boltzmann law, by inverting its distribution function on a grid."""
    fine = grid(system)
    weight = _boltzmann_cdf(system)(fine)
    u = torch.rand(n, 1, generator=generator, dtype=torch.float64)
    right = torch.searchsorted(weight, u).clamp(1, len(fine) - 1)
    part = (u - weight[right - 1]) / (weight[right] - weight[right - 1])
    return torch.lerp(fine[right - 1], fine[right], part.clamp(0, 1)).float()
