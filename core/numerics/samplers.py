"""Five Markov chains for one Boltzmann law, all chains at once: run(x, n_steps) yields (State, Info), the start first.

| sampler                 | one step                                                    | leaves exp(-U/kT) unchanged           |
|-------------------------|-------------------------------------------------------------|---------------------------------------|
| RandomWalkMetropolis    | y = x + scale z, kept with min(1, exp(-(U(y)-U(x))/kT))     | exactly, for every scale              |
| MALA                    | y = x + dt F + sqrt(2 kT dt) z, Metropolis-Hastings         | exactly, for every dt                 |
| OverdampedLangevin      | x += dt F + sqrt(2 kT dt) z                                 | up to O(dt)                           |
| BAOAB                   | half kick, half drift, bath, half drift, half kick          | up to O(dt^2); exact in x for springs |
| VelocityVerlet          | half kick, drift, half kick (NVE)                           | keeps the energy instead              |

Mobility is 1 in the overdamped schemes, D = kT. A step length may be a number or (N, 1), one for each chain. Every step costs one
look at the landscape: one energy (random walk), one energy with its force (MALA), one force (the rest). Equal generators give the
first three the same z at every step, and the last two the same first velocities.

Sources: Metropolis et al., J. Chem. Phys. 21, 1087 (1953); Roberts & Tweedie, Bernoulli 2, 341 (1996); the dynamics are those of
core.numerics.kinetic. State and Info apart, as in blackjax.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from core.numerics.kinetic import normals, overdamped, splitting
from core.numerics.potentials import Potential, energy_and_force

Step = float | Tensor


class State(NamedTuple):
    """Where N chains are: position (N, D); energy (N,) and force (N, D) there and velocity (N, D), None where the sampler has none."""

    position: Tensor
    energy: Tensor | None = None
    force: Tensor | None = None
    velocity: Tensor | None = None


class Info(NamedTuple):
    """What happened in a step. acceptance (N,): probability with which the proposal was kept; None where nothing is proposed."""

    acceptance: Tensor | None = None


class Sampler(Protocol):
    """The one interface of all five."""

    def run(self, position: Tensor, n_steps: int, generator: torch.Generator) -> Iterator[tuple[State, Info]]:
        """n_steps + 1 states of chains that start at `position` (N, D), which is never written to."""
        ...


class _Metropolis:
    """Chains that propose: `init(position)` and `step(state, z, coin)`, z (N, D) normals, coin (N,) uniform in [0, 1)."""

    def init(self, position: Tensor) -> State:
        raise NotImplementedError

    def step(self, state: State, z: Tensor, coin: Tensor) -> tuple[State, Info]:
        raise NotImplementedError

    def run(self, position: Tensor, n_steps: int, generator: torch.Generator) -> Iterator[tuple[State, Info]]:
        coins = torch.Generator().manual_seed(generator.initial_seed() + 1)
        state = self.init(position)
        yield state, Info()
        for z in normals(tuple(position.shape), n_steps, generator, position.dtype):
            coin = torch.rand(len(position), generator=coins, dtype=position.dtype)
            state, info = self.step(state, z, coin)
            yield state, info


@dataclass(frozen=True, eq=False)
class RandomWalkMetropolis(_Metropolis):
    """Propose a Gaussian step of width `scale` in every coordinate; go there or stay."""

    potential: Potential
    kT: float
    scale: Step

    def init(self, position: Tensor) -> State:
        return State(position, self.potential.energy(position))

    def step(self, state: State, z: Tensor, coin: Tensor) -> tuple[State, Info]:
        assert state.energy is not None, "a state of this chain begins with init"
        proposal = _moved(state.position, z, self.scale)
        energy = self.potential.energy(proposal)
        return _accept(state, State(proposal, energy), (state.energy - energy).div_(self.kT), coin)


@dataclass(frozen=True, eq=False)
class MALA(_Metropolis):
    """Metropolis-adjusted Langevin: the overdamped step as a proposal, its asymmetry paid for in the ratio.

    log ratio = (U(x) - U(y))/kT - |x - y - dt F(y)|^2 / (4 kT dt) + |z|^2 / 2, the last being the forward proposal's own exponent.
    """

    potential: Potential
    kT: float
    dt: Step

    def init(self, position: Tensor) -> State:
        return State(position, *energy_and_force(self.potential, position))

    def step(self, state: State, z: Tensor, coin: Tensor) -> tuple[State, Info]:
        assert state.energy is not None and state.force is not None, "a state of this chain begins with init"
        width = (2 * self.kT * self.dt) ** 0.5
        there = _moved(state.position, state.force, self.dt)
        proposal = _moved(there, z, width)
        energy, force = energy_and_force(self.potential, proposal)
        back = _moved(proposal, force, self.dt).sub_(state.position).div_(width)
        log_ratio = (state.energy - energy).div_(self.kT).add_((z.square() - back.square_()).sum(-1), alpha=0.5)
        return _accept(state, State(proposal, energy, force), log_ratio, coin)


@dataclass(frozen=True, eq=False)
class OverdampedLangevin:
    """MALA that never says no. In a spring k its variance is kT/k / (1 - k dt/2); it explodes for k dt > 2."""

    potential: Potential
    kT: float
    dt: Step

    def run(self, position: Tensor, n_steps: int, generator: torch.Generator) -> Iterator[tuple[State, Info]]:
        noise = normals(tuple(position.shape), n_steps, generator, position.dtype)
        for x in overdamped(self.potential, position, noise, dt=1.0, kT=self.kT, mobility=self.dt):
            yield State(x), Info()


@dataclass(frozen=True, eq=False)
class BAOAB:
    """Langevin dynamics with inertia; friction per time, velocities drawn from Maxwell-Boltzmann at the start."""

    potential: Potential
    kT: float
    dt: Step
    friction: Step = 1.0
    mass: float = 1.0

    def run(self, position: Tensor, n_steps: int, generator: torch.Generator) -> Iterator[tuple[State, Info]]:
        first = torch.empty_like(position).normal_(generator=generator).mul_(math.sqrt(self.kT / self.mass))
        noise = normals(tuple(position.shape), n_steps, generator, position.dtype)
        for x, v in splitting(
            "BAOAB", self.potential, position, first, noise, dt=self.dt, mass=self.mass, friction=self.friction, kT=self.kT
        ):
            yield State(x, velocity=v), Info()


@dataclass(frozen=True, eq=False)
class VelocityVerlet:
    """Newton's equations at constant energy (NVE): BAOAB without its bath. kT is used for the first velocities only."""

    potential: Potential
    kT: float
    dt: Step
    mass: float = 1.0

    def run(self, position: Tensor, n_steps: int, generator: torch.Generator) -> Iterator[tuple[State, Info]]:
        return BAOAB(self.potential, self.kT, self.dt, 0.0, self.mass).run(position, n_steps, generator)


def _moved(x: Tensor, along: Tensor, step: Step) -> Tensor:
    """x + step along."""
    return torch.addcmul(x, along, step) if isinstance(step, Tensor) else torch.add(x, along, alpha=step)


def _accept(old: State, new: State, log_ratio: Tensor, coin: Tensor) -> tuple[State, Info]:
    """Metropolis et al. 1953; a proposal whose energy is not a number is refused."""
    acceptance = log_ratio.clamp_(max=0).exp_().nan_to_num_(0.0)
    kept = coin < acceptance
    wide = kept[:, None]
    assert old.energy is not None and new.energy is not None
    force = None if old.force is None or new.force is None else torch.where(wide, new.force, old.force)
    return State(torch.where(wide, new.position, old.position), torch.where(kept, new.energy, old.energy), force), Info(acceptance)
