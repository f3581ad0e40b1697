"""Energy, temperature and free energy: a landscape of two basins, weighed exactly and by particles that are heated or cooled.

equation -> name
    p(x) = exp(-E(x)/kT) / Z,  Z = int exp(-E/kT) dx          -> Landscape.density, Thermodynamics.Z
    U = <E>,  C = (<E^2> - <E>^2) / kT^2                       -> Thermodynamics.U, .C      (C = dU/dkT, in units of k)
    F = -kT ln Z,  TS = U - F                                  -> Thermodynamics.F, .S      (S = -int p ln p dx, in units of k)
    F_A = -kT ln int_A exp(-E/kT) dx                           -> Landscape.basin_free_energies
    F_left(kT*) = F_right(kT*)                                 -> Landscape.crossings       (solved for, not drawn)
    kT* ~ 2 (E_right - E_left) / ln(k_left / k_right)          -> Landscape.harmonic_crossing
    accept with min(1, exp(-(E(x') - E(x))/kT))                -> metropolis                (Metropolis et al. 1953)

Everything is of positions alone: momenta add kT/2 to U, 1/2 to C, and move no particle from one basin to the other.
Z has the unit of length, and S and F are those of that unit (another unit adds a constant to S).
Source: Chandler, Introduction to Modern Statistical Mechanics (1987), ch. 3; J. Chem. Phys. 21, 1087 (1953).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq
from torch import Tensor

from core.numerics.checks import one_of
from core.numerics.distances import Truth, ks_1d, ks_floor
from core.numerics.potentials import TwoBasins
from core.numerics.trajectory import frame_indices

EDGE, NODES = 5.5, 4401  # the walls leave exp(-120/kT) of the weight outside
COLD, HOT = 0.1, 2.0  # where heating starts and cooling starts, units of energy
SHORT, LONG = 0.15, 4.5  # half-widths of a shuffle and of a leap, units of length
PROTOCOLS = ("heat", "hold", "cool")
BLOCK = 50  # trial moves whose random numbers are drawn at a time


@dataclass(frozen=True)
class Thermodynamics:
    """Of positions, at temperatures kT (T,): Z in length, U and F in energy, S and C in units of k; all (T,) float64."""

    kT: np.ndarray
    Z: np.ndarray
    U: np.ndarray
    S: np.ndarray
    F: np.ndarray
    C: np.ndarray


@dataclass(frozen=True)
class Landscape:
    """A one-dimensional potential on a fine even grid, everything by quadrature (trapezoid; exponentially accurate for smooth p)."""

    potential: TwoBasins = field(default_factory=TwoBasins)

    @cached_property
    def x(self) -> np.ndarray:
        return np.linspace(-EDGE, EDGE, NODES)

    @cached_property
    def energy(self) -> np.ndarray:
        """(M,) E at the grid."""
        return self.potential.energy(torch.as_tensor(self.x)[:, None]).numpy()

    def density(self, kT: float | np.ndarray) -> np.ndarray:
        """(M,) or (T, M): p(x) in 1/length. Raises ValueError unless kT > 0."""
        kT = _positive(kT)
        weight = np.exp(-(self.energy - self.energy.min()) / kT[..., None])
        return weight / np.trapezoid(weight, self.x)[..., None]

    def cdf(self, x: Tensor, kT: float) -> Tensor:
        """Exact P(position <= x), same shape as x."""
        return torch.as_tensor(np.interp(x.numpy(), self.x, self._cumulative(kT)))

    def draw(self, n: int, kT: float, generator: torch.Generator) -> Tensor:
        """(n,) exact draws by the quantile function."""
        cumulative = self._cumulative(kT)
        rising = np.flatnonzero(np.diff(cumulative, prepend=-1.0) > 0)
        u = torch.rand(n, generator=generator, dtype=torch.float64).numpy()
        return torch.as_tensor(np.interp(u, cumulative[rising], self.x[rising]))

    def _cumulative(self, kT: float) -> np.ndarray:
        cumulative = cumulative_trapezoid(self.density(kT), self.x, initial=0.0)
        return cumulative / cumulative[-1]

    def thermodynamics(self, kT: float | np.ndarray) -> Thermodynamics:
        """Z, U, S, F and C at every kT."""
        kT = np.atleast_1d(_positive(kT))
        low, p = self.energy.min(), self.density(kT)
        log_Z = np.log(np.trapezoid(np.exp(-(self.energy - low) / kT[:, None]), self.x)) - low / kT
        U = np.trapezoid(p * self.energy, self.x)
        square = np.trapezoid(p * (self.energy - U[:, None]) ** 2, self.x)
        return Thermodynamics(kT, np.exp(log_Z), U, U / kT + log_Z, -kT * log_Z, square / kT**2)

    @cached_property
    def stationary(self) -> list[tuple[float, float, bool]]:
        """(x, E, is a minimum) wherever the force vanishes, from left to right."""

        def force(x: float) -> float:
            return float(self.potential.force(torch.tensor([[x]], dtype=torch.float64)))

        f = self.potential.force(torch.as_tensor(self.x)[:, None])[:, 0].numpy()
        found, uphill = [], f > 0
        for i in np.flatnonzero(uphill[:-1] != uphill[1:]):
            x = brentq(force, self.x[i], self.x[i + 1], xtol=1e-12)
            found.append((x, float(self.potential.energy(torch.tensor([[x]], dtype=torch.float64))), bool(uphill[i])))
        return found

    @cached_property
    def barrier(self) -> float | None:
        """Where the highest barrier between the two centres is; None when one basin has swallowed the other."""
        left, right = self.potential.centres
        tops = [(energy, x) for x, energy, minimum in self.stationary if not minimum and left < x < right]
        return max(tops)[1] if tops else None

    @property
    def divide(self) -> float:
        """The border between the basins: the barrier, or half way between the centres if there is none."""
        return sum(self.potential.centres) / 2 if self.barrier is None else self.barrier

    @cached_property
    def minima(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """(x, E) of the lowest minimum on either side of the barrier; None without a barrier."""
        if self.barrier is None:
            return None
        sides = [[(e, x) for x, e, minimum in self.stationary if minimum and (x < self.barrier) == left] for left in (True, False)]
        if not all(sides):
            return None
        (left_energy, left), (right_energy, right) = map(min, sides)
        return (left, left_energy), (right, right_energy)

    def shares(self, kT: float | np.ndarray) -> np.ndarray:
        """(..., 2): probability of the left and of the right basin."""
        return np.exp(self._log_weights(kT) - np.logaddexp(*np.moveaxis(self._log_weights(kT), -1, 0))[..., None])

    def basin_free_energies(self, kT: float | np.ndarray) -> np.ndarray:
        """(..., 2): F of the left and of the right basin, -kT ln of its part of Z."""
        return -_positive(kT)[..., None] * self._log_weights(kT)

    def _log_weights(self, kT: float | np.ndarray) -> np.ndarray:
        """(..., 2): ln of the two parts of Z; the cell that holds the border is cut at the border."""
        exponent = -self.energy / _positive(kT)[..., None]
        i = int(np.searchsorted(self.x, self.divide)) - 1
        t = (self.divide - self.x[i]) / (self.x[i + 1] - self.x[i])
        with np.errstate(divide="ignore"):
            border = np.logaddexp(np.log1p(-t) + exponent[..., i : i + 1], np.log(t) + exponent[..., i + 1 : i + 2])
        left = _log_trapezoid(np.concatenate([exponent[..., : i + 1], border], -1), np.append(self.x[: i + 1], self.divide))
        right = _log_trapezoid(np.concatenate([border, exponent[..., i + 1 :]], -1), np.append(self.divide, self.x[i + 1 :]))
        return np.stack([left, right], -1)

    @cached_property
    def crossings(self) -> list[float]:
        """Every kT in [0.02, 10] at which both basins have the same free energy, from cold to hot; often one, sometimes none."""

        def gap(kT: float | np.ndarray) -> np.ndarray:
            log = self._log_weights(np.asarray(kT))
            return log[..., 0] - log[..., 1]

        kT = np.geomspace(0.02, 10, 120)
        values = gap(kT)
        return [brentq(lambda t: float(gap(t)), kT[i], kT[i + 1], xtol=1e-10) for i in np.flatnonzero(values[:-1] * values[1:] < 0)]

    @property
    def harmonic_crossing(self) -> float | None:
        """The crossing if both basins were springs: F_i = E_i - kT/2 ln(2 pi kT/k_i); None where that never happens."""
        if self.minima is None:
            return None
        h, (left, right) = 1e-4, self.minima
        k = [
            -float(
                self.potential.force(torch.tensor([[x + h]], dtype=torch.float64))
                - self.potential.force(torch.tensor([[x - h]], dtype=torch.float64))
            )
            / (2 * h)
            for x, _ in (left, right)
        ]
        if min(k) <= 0 or k[0] == k[1]:
            return None
        kT = 2 * (right[1] - left[1]) / math.log(k[0] / k[1])
        return kT if kT > 0 else None


@dataclass(frozen=True)
class Run:
    """Particles while the temperature changes. kT: (T,); positions, kinetic: (T, N), kinetic energy of one momentum of mass 1."""

    landscape: Landscape
    kT: Tensor
    positions: Tensor
    kinetic: Tensor

    @property
    def n_particles(self) -> int:
        return self.positions.shape[1]

    def thinned(self, n_frames: int) -> Run:
        """The same run at `n_frames` of its moments, the first and the last among them."""
        kept = frame_indices(len(self.kT), n_frames)
        return Run(self.landscape, self.kT[kept], self.positions[kept], self.kinetic[kept])


@lru_cache(maxsize=64)
def landscape_of(depths: tuple[float, float], widths: tuple[float, float], tilt: float) -> Landscape:
    """The landscape of these basins, left and right. Raises ValueError unless depths and widths are positive."""
    if min(*depths, *widths) <= 0:
        raise ValueError("depths and widths must be positive")
    return Landscape(TwoBasins((depths[0], depths[1]), (widths[0], widths[1]), tilt=tilt))


def metropolis(
    potential: TwoBasins, x: Tensor, temperatures: Tensor, *, leaps: float, generator: torch.Generator, n: int = 0
) -> Iterator[Tensor]:
    """Yield the (N,) positions after one trial move each at every one of `temperatures`, the first being x itself.

    n: random numbers are drawn for so many particles, of which x are the first; for as many as there are in x if 0. A trial moves x
    by a uniform number: within +-SHORT, or with probability `leaps` within +-LONG. Both are symmetric,
    so that exp(-E/kT) is stationary whatever their mixture.
    """
    energy = potential.energy(x[:, None])
    yield x
    for kT in temperatures[1:].to(x.dtype).split(BLOCK):
        u, coin, which = torch.rand(3, len(kT), n or len(x), generator=generator, dtype=x.dtype)[..., : len(x)]
        moves = torch.where(which < leaps, LONG, SHORT).mul_(u.mul_(2).sub_(1))
        spare = coin.log_().mul_(-kT[:, None])  # a coin below exp(-dE/kT) is a rise dE below -kT ln(coin)
        for move, rise in zip(moves, spare):
            trial = x + move
            trial_energy = potential.energy(trial[:, None])
            accept = trial_energy - energy < rise
            x, energy = torch.where(accept, trial, x), torch.where(accept, trial_energy, energy)
            yield x


def sample(
    *,
    kT: float = 1.2,
    protocol: str = "heat",
    depths: tuple[float, float] = (4.0, 3.0),
    widths: tuple[float, float] = (0.25, 0.8),
    tilt: float = 0.0,
    leaps: float = 0.5,
    n_sweeps: int = 1000,
    n_particles: int = 1500,
    seed: int = 0,
    n_frames: int = 160,
    first: int = 0,
) -> Run:
    """Particles that start in equilibrium and are taken to kT in `n_sweeps` trial moves each; the last tenth stays at kT.

    first: follow only so many of the particles, which go where they go among all; 0 for all of them.

    protocol: "heat" from COLD (or kT, if lower), "cool" from HOT (or kT, if higher), "hold" at kT. Raises ValueError.
    """
    one_of("protocol", protocol, PROTOCOLS)
    if min(n_sweeps, n_particles) < 1 or n_frames < 2 or not 0 <= leaps <= 1 or min(*depths, *widths) <= 0:
        raise ValueError("sweeps and particles at least 1, frames 2, leaps from 0 to 1, depths and widths positive")
    _positive(kT)
    landscape = landscape_of(tuple(depths), tuple(widths), tilt)
    start = {"heat": min(COLD, kT), "cool": max(HOT, kT), "hold": kT}[protocol]
    ramp = torch.linspace(0, 1, n_sweeps + 1, dtype=torch.float64).div(0.9).clamp(max=1)
    temperatures = start * (kT / start) ** ramp  # even steps of ln kT
    generator = torch.Generator().manual_seed(seed)
    shown = min(first or n_particles, n_particles)
    x = landscape.draw(n_particles, start, generator).float()[:shown]
    keep = frame_indices(n_sweeps + 1, n_frames).tolist()
    wanted = set(keep)
    states = metropolis(landscape.potential, x, temperatures, leaps=leaps, generator=generator, n=n_particles)
    positions = torch.stack([state for i, state in enumerate(states) if i in wanted])
    return Run(landscape, temperatures[keep], positions, _kinetic(temperatures[keep], n_particles, seed)[:, :shown])


def _kinetic(temperatures: Tensor, n: int, seed: int, memory: float = 0.9) -> Tensor:
    """(T, N): p^2/2 of momenta drawn from Maxwell's law of each temperature, changing gradually (an autoregression that keeps it)."""
    generator = torch.Generator().manual_seed(seed + 1)
    p = torch.randn(n, generator=generator, dtype=torch.float64)
    kept = []
    for kT in temperatures:
        kept.append(p.square() * kT / 2)
        p = memory * p + math.sqrt(1 - memory**2) * torch.randn(n, generator=generator, dtype=torch.float64)
    return torch.stack(kept)


def truth(run: Run) -> Truth:
    """How far the particles at the end are from the Boltzmann distribution at the temperature they have reached."""
    kT = float(run.kT[-1])
    found = ks_1d(run.positions[-1], lambda x: run.landscape.cdf(x, kT))
    return Truth("Kolmogorov–Smirnov distance", found, ks_floor(run.n_particles))


@dataclass(frozen=True)
class Measured:
    """<E>, C and the share of the left basin from particles at one moment, each with its standard error."""

    kT: float
    U: tuple[float, float]
    C: tuple[float, float]
    share: tuple[float, float]


def measured(run: Run, frame: int = -1) -> Measured:
    """Averages over particles; they never meet, so they are independent. Error of C from the fourth central moment."""
    x, kT = run.positions[frame].double(), float(run.kT[frame])
    energy, n = run.landscape.potential.energy(x[:, None]), run.n_particles
    spread = (energy - energy.mean()).square()
    share = float((x < run.landscape.divide).double().mean())
    return Measured(
        kT,
        (float(energy.mean()), float(energy.std()) / math.sqrt(n)),
        (float(spread.mean()) / kT**2, float(spread.std()) / kT**2 / math.sqrt(n)),
        (share, math.sqrt(share * (1 - share) / n)),
    )


def deepened(landscape: Landscape, by: float = 1.0) -> Landscape:
    """The same landscape with its left basin deeper by an energy."""
    potential = landscape.potential
    return Landscape(replace(potential, depths=(potential.depths[0] + by, potential.depths[1])))


def _positive(kT: float | np.ndarray) -> np.ndarray:
    kT = np.asarray(kT, dtype=float)
    if not (kT > 0).all():
        raise ValueError(f"kT must be positive, got {kT.min():g}")
    return kT


def _log_trapezoid(exponent: np.ndarray, x: np.ndarray) -> np.ndarray:
    """ln of the integral of exp(exponent) over x (last axis), however small it is."""
    top = exponent.max(-1, keepdims=True)
    return np.log(np.trapezoid(np.exp(exponent - top), x)) + top[..., 0]
