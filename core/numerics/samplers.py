"""Five Markov chains for one Boltzmann law: init(x) -> State, step(state) -> (State, Info), all chains at once.

| sampler                 | one step                                                    | leaves exp(-U/kT) unchanged           |
|-------------------------|-------------------------------------------------------------|---------------------------------------|
| RandomWalkMetropolis    | y = x + scale z, kept with min(1, exp(-(U(y)-U(x))/kT))     | exactly, for every scale              |
| MALA                    | y = x + dt F + sqrt(2 kT dt) z, Metropolis-Hastings         | exactly, for every dt                 |
| OverdampedLangevin      | x += dt F + sqrt(2 kT dt) z                                 | up to O(dt)                           |
| BAOAB                   | half kick, half drift, bath, half drift, half kick          | up to O(dt^2); exact in x for springs |
| VelocityVerlet          | half kick, drift, half kick (NVE)                           | keeps the energy instead              |

Mobility is 1 in the overdamped schemes, D = kT. A step length may be a number or (N, 1), one for each chain. Every step costs one
look at the landscape: one energy (random walk), one energy with its force (MALA), one force (the rest).

Sources: Metropolis et al., J. Chem. Phys. 21, 1087 (1953); Roberts & Tweedie, Bernoulli 2, 341 (1996); Leimkuhler & Matthews,
Appl. Math. Res. Express 2013, 34; Swope et al., J. Chem. Phys. 76, 637 (1982). State and Info apart, as in blackjax.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from core.numerics.potentials import Potential, energy_and_force

Step = float | Tensor


class State(NamedTuple):
    """Where N chains are. position (N, D); energy (N,) and force (N, D) there, None where the sampler needs none; velocity (N, D)."""

    position: Tensor
    energy: Tensor | None = None
    force: Tensor | None = None
    velocity: Tensor | None = None


class Info(NamedTuple):
    """What happened in a step. acceptance (N,): probability with which the proposal was kept; None where nothing is proposed."""

    acceptance: Tensor | None = None


class Sampler(Protocol):
    """The one interface of all five."""

    def init(self, position: Tensor, generator: torch.Generator) -> State:
        """The state of chains that start at `position` (N, D), velocities (if any) drawn from Maxwell-Boltzmann."""
        ...

    def step(self, state: State, generator: torch.Generator) -> tuple[State, Info]:
        """One step of every chain; `state` is left as it was."""
        ...


def chain(sampler: Sampler, position: Tensor, n_steps: int, generator: torch.Generator) -> Iterator[tuple[State, Info]]:
    """Yield n_steps + 1 states, the first at `position`."""
    state = sampler.init(position, generator)
    yield state, Info()
    for _ in range(n_steps):
        state, info = sampler.step(state, generator)
        yield state, info


@dataclass(frozen=True, eq=False)
class RandomWalkMetropolis:
    """Propose a Gaussian step of width `scale` in every coordinate; go there or stay."""

    potential: Potential
    kT: float
    scale: Step

    def init(self, position, generator):
        return State(position, self.potential.energy(position))

    def step(self, state, generator):
        z = _normal(state.position, generator)
        proposal = torch.add(state.position, z.mul_(self.scale))
        energy = self.potential.energy(proposal)
        return _accept(state, State(proposal, energy), (state.energy - energy) / self.kT, generator)


@dataclass(frozen=True, eq=False)
class MALA:
    """Metropolis-adjusted Langevin: the overdamped step as a proposal, its asymmetry paid for in the ratio.

    log ratio = (U(x) - U(y))/kT - |x - y - dt F(y)|^2 / (4 kT dt) + |z|^2 / 2, the last being the forward proposal's own exponent.
    """

    potential: Potential
    kT: float
    dt: Step

    def init(self, position, generator):
        return State(position, *energy_and_force(self.potential, position))

    def step(self, state, generator):
        z = _normal(state.position, generator)
        proposal = state.position + self.dt * state.force + _root(2 * self.kT * self.dt) * z
        energy, force = energy_and_force(self.potential, proposal)
        back = (state.position - proposal - self.dt * force) / _root(2 * self.kT * self.dt)
        log_ratio = (state.energy - energy) / self.kT + 0.5 * (z.square() - back.square()).sum(-1)
        return _accept(state, State(proposal, energy, force), log_ratio, generator)


@dataclass(frozen=True, eq=False)
class OverdampedLangevin:
    """MALA that never says no: Euler-Maruyama. In a spring k its variance is kT/k / (1 - k dt/2); it explodes for k dt > 2."""

    potential: Potential
    kT: float
    dt: Step

    def init(self, position, generator):
        return State(position)

    def step(self, state, generator):
        z = _normal(state.position, generator)
        x = state.position + self.dt * self.potential.force(state.position)
        return State(x.add_(z.mul_(_root(2 * self.kT * self.dt)))), Info()


@dataclass(frozen=True, eq=False)
class BAOAB:
    """Langevin dynamics split into kick (B), drift (A), bath (O), drift, kick; friction per time, mass common to all coordinates."""

    potential: Potential
    kT: float
    dt: Step
    friction: Step = 1.0
    mass: float = 1.0

    def init(self, position, generator):
        velocity = _normal(position, generator).mul_(math.sqrt(self.kT / self.mass))
        return State(position, None, self.potential.force(position), velocity)

    def step(self, state, generator):
        half = 0.5 * self.dt
        v = momentum_step(state.velocity, state.force, half, self.mass)
        x = position_step(state.position, v, half)
        v = bath_step(v, self.dt, friction=self.friction, kT=self.kT, mass=self.mass, generator=generator)
        x = position_step(x, v, half)
        force = self.potential.force(x)
        return State(x, None, force, momentum_step(v, force, half, self.mass)), Info()


@dataclass(frozen=True, eq=False)
class VelocityVerlet:
    """Newton's equations at constant energy (NVE): BAOAB without its bath. kT is used for the first velocities only."""

    potential: Potential
    kT: float
    dt: Step
    mass: float = 1.0

    def init(self, position, generator):
        velocity = _normal(position, generator).mul_(math.sqrt(self.kT / self.mass))
        return State(position, None, self.potential.force(position), velocity)

    def step(self, state, generator):
        v = momentum_step(state.velocity, state.force, 0.5 * self.dt, self.mass)
        x = position_step(state.position, v, self.dt)
        force = self.potential.force(x)
        return State(x, None, force, momentum_step(v, force, 0.5 * self.dt, self.mass)), Info()


def momentum_step(v: Tensor, force: Tensor, dt: Step, mass: float = 1.0) -> Tensor:
    """B: v + dt F/m."""
    return torch.addcmul(v, force, dt / mass) if isinstance(dt, Tensor) else torch.add(v, force, alpha=dt / mass)


def position_step(x: Tensor, v: Tensor, dt: Step) -> Tensor:
    """A: x + dt v."""
    return torch.addcmul(x, v, dt) if isinstance(dt, Tensor) else torch.add(x, v, alpha=dt)


def bath_step(v: Tensor, dt: Step, *, friction: Step, kT: float, mass: float = 1.0, generator: torch.Generator) -> Tensor:
    """O: v exp(-friction dt) + sqrt(kT/m (1 - exp(-2 friction dt))) z, the exact Ornstein-Uhlenbeck step for any dt."""
    exponent = -friction * dt
    if isinstance(exponent, Tensor):
        keep, width = exponent.exp(), torch.sqrt(-torch.expm1(2 * exponent) * (kT / mass))
    else:
        keep, width = math.exp(exponent), math.sqrt(-math.expm1(2 * exponent) * kT / mass)
    return (v * keep).add_(_normal(v, generator).mul_(width))


def _accept(old: State, new: State, log_ratio: Tensor, generator: torch.Generator) -> tuple[State, Info]:
    """Metropolis et al. 1953; a proposal whose energy is not a number is refused."""
    acceptance = log_ratio.clamp(max=0).exp().nan_to_num_(0.0)
    kept = torch.rand(acceptance.shape, generator=generator, dtype=acceptance.dtype) < acceptance
    wide = kept[:, None]
    force = None if old.force is None else torch.where(wide, new.force, old.force)
    return State(torch.where(wide, new.position, old.position), torch.where(kept, new.energy, old.energy), force), Info(acceptance)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.empty_like(like).normal_(generator=generator)


def _root(value: Step) -> Step:
    return value.sqrt() if isinstance(value, Tensor) else math.sqrt(value)
