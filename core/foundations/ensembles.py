"""Three ensembles, one set of states: what is held fixed decides how a state is weighed, and nothing else.

States of M sites have N particles and energy E, both whole numbers; g(N, E) counts them, exactly. Then

equation -> name
    g(N, E)                                                   -> Levels, two_level, lattice_gas
    W = g(N, E0), S = ln W, 1/kT = dS/dE                       -> Levels.entropy, microcanonical_kT        (NVE)
    Z = sum_E g(N, E) exp(-E/kT),  F = -kT ln Z                -> exact, Exact.log_Z                        (NVT)
    Xi = sum_{N,E} g(N, E) exp(-(E - mu N)/kT), Omega = -kT ln Xi  -> exact, Exact.log_Z                    (mu-VT)
    accept with min(1, w(x')/w(x))                             -> metropolis, w = exp(Ensemble.log_weight)
    two-level sites: U = N / (exp(1/kT) + 1)                   -> the tests

Fixed energy is kept the way Creutz keeps it: a demon with a purse takes what the sites lose and gives what they gain,
E + E_demon = E0, E_demon >= 0. All states of sites and demon are equally likely, so a state of the sites counts once if
E <= E0 and not at all above; no move is ever forbidden for ever, and the purse is a thermometer.

Units: the level splitting of a site, or the bond energy of two neighbouring particles, is 1; k = 1.
Sources: Creutz, Phys. Rev. Lett. 50, 1411 (1983); Chandler, Introduction to Modern Statistical Mechanics (1987), ch. 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar, overload

import numpy as np
import torch
from torch import Tensor

from core.numerics.checks import one_of, positive
from core.numerics.distances import Floor, Truth, total_variation, total_variation_floor

SHAPES = {9: (3, 3), 16: (4, 4), 20: (4, 5)}
KINDS = ("NVE", "NVT", "muVT")
Numbers = TypeVar("Numbers", np.ndarray, Tensor)


@dataclass(frozen=True, eq=False)
class Levels:
    """ln g(N, E) on the table of all N = 0 ... M (rows) and E = low ... low + columns - 1; -inf where there is no state."""

    system: str
    n_sites: int
    low: int
    log_g: np.ndarray

    @property
    def n(self) -> np.ndarray:
        """(M + 1, 1): particles of each row."""
        return np.arange(self.n_sites + 1)[:, None]

    @property
    def energy(self) -> np.ndarray:
        """(1, K): energy of each column."""
        return self.low + np.arange(self.log_g.shape[1])[None, :]

    def entropy(self, n: int, energy: int) -> float:
        """S = ln W of states with exactly these; -inf if there are none."""
        column = energy - self.low
        return float(self.log_g[n, column]) if 0 <= column < self.log_g.shape[1] else -math.inf

    def range(self, n: int) -> tuple[int, int]:
        """Lowest and highest energy of n particles."""
        there = np.flatnonzero(np.isfinite(self.log_g[n]))
        return self.low + int(there[0]), self.low + int(there[-1])


@lru_cache(maxsize=8)
def two_level(n_sites: int) -> Levels:
    """Independent sites, each empty or holding a particle of energy 0 or 1: g = C(M, N) C(N, E)."""
    log = [math.lgamma(k + 1) for k in range(n_sites + 1)]
    table = np.full((n_sites + 1, n_sites + 1), -np.inf)
    for n in range(n_sites + 1):
        for e in range(n + 1):
            table[n, e] = log[n_sites] - log[n_sites - n] - log[e] - log[n - e]
    return Levels("two-level", n_sites, 0, table)


@lru_cache(maxsize=8)
def lattice_gas(n_sites: int) -> Levels:
    """Particles on a periodic lattice, energy -1 for each pair of neighbours: all 2^M states are listed and counted."""
    states = np.arange(2**n_sites, dtype=np.uint32)
    bonds = np.zeros(len(states), dtype=np.int16)
    for i, j in _bonds(n_sites):
        bonds += ((states >> i) & (states >> j) & 1).astype(np.int16)
    n = sum((((states >> i) & 1).astype(np.int16) for i in range(n_sites)), np.zeros_like(bonds))
    most = len(_bonds(n_sites))
    count = np.bincount(n.astype(np.int64) * (most + 1) + (most - bonds), minlength=(n_sites + 1) * (most + 1))
    with np.errstate(divide="ignore"):
        return Levels("lattice gas", n_sites, -most, np.log(count.reshape(n_sites + 1, most + 1)))


SYSTEMS = {"two-level": two_level, "lattice gas": lattice_gas}


def neighbours(n_sites: int) -> np.ndarray:
    """(M, 4): right, left, below and above on the periodic lattice. Raises ValueError for a number of sites without a shape."""
    if n_sites not in SHAPES:
        raise ValueError(f"a lattice has {', '.join(map(str, SHAPES))} sites, not {n_sites}")
    rows, columns = SHAPES[n_sites]
    grid = np.arange(n_sites).reshape(rows, columns)
    return np.stack([np.roll(grid, shift, axis).ravel() for axis in (1, 0) for shift in (-1, 1)], axis=1)


def _bonds(n_sites: int) -> list[tuple[int, int]]:
    near = neighbours(n_sites)
    return [(i, int(near[i, k])) for i in range(n_sites) for k in (0, 2)]


@overload
def _where(condition: Tensor, a: float, b: float) -> Tensor: ...
@overload
def _where(condition: np.ndarray, a: float, b: float) -> np.ndarray: ...
def _where(condition: Tensor | np.ndarray, a: float, b: float) -> Tensor | np.ndarray:
    return torch.where(condition, a, b) if isinstance(condition, Tensor) else np.where(condition, a, b)


@dataclass(frozen=True)
class Ensemble:
    """What is fixed. kind "NVE": n, total (energy of sites and demon); "NVT": n, kT; "muVT": kT, mu. Raises ValueError."""

    kind: str
    n: int = 0
    total: int = 0
    kT: float = 1.0
    mu: float = 0.0

    def __post_init__(self) -> None:
        one_of("ensemble", self.kind, KINDS)
        positive(kT=self.kT)
        if not math.isfinite(self.mu):
            raise ValueError(f"mu must be finite, not {self.mu:g}")

    def log_weight(self, n: Numbers, energy: Numbers) -> Numbers:
        """ln of the unnormalised probability of one state; arrays or tensors that broadcast. N of NVE and NVT is kept by the moves."""
        if self.kind == "NVE":
            return _where(energy <= self.total, 0.0, -math.inf)
        return -(energy - (self.mu if self.kind == "muVT" else 0.0) * n) / self.kT


@dataclass(frozen=True, eq=False)
class Exact:
    """Sums over all states. P: (M + 1, K) probability of N and E; log_Z: ln of the sum of weights (W of sites and demon, Z or Xi)."""

    levels: Levels
    ensemble: Ensemble
    P: np.ndarray
    log_Z: float

    @property
    def U(self) -> float:
        return float((self.P * self.levels.energy).sum())

    @property
    def N(self) -> float:
        return float((self.P * self.levels.n).sum())

    @property
    def energy_variance(self) -> float:
        return float((self.P * (self.levels.energy - self.U) ** 2).sum())

    @property
    def potential(self) -> float:
        """F = -kT ln Z, or Omega = -kT ln Xi."""
        return -self.ensemble.kT * self.log_Z

    @property
    def S(self) -> float:
        """ln W of sites and demon for fixed energy; else (U - mu N)/kT + ln Z."""
        if self.ensemble.kind == "NVE":
            return self.log_Z
        mu = self.ensemble.mu if self.ensemble.kind == "muVT" else 0.0
        return (self.U - mu * self.N) / self.ensemble.kT + self.log_Z

    @property
    def demon_kT(self) -> float:
        """kT = 1/ln(1 + 1/<E_demon>), as for an oscillator of unit quanta (exact for a large system)."""
        purse = self.ensemble.total - self.U
        return 1 / math.log1p(1 / purse) if purse > 0 else 0.0


def exact(levels: Levels, ensemble: Ensemble) -> Exact:
    """Probability of every (N, E) and the sum of weights. Raises ValueError if no state is allowed."""
    log = levels.log_g + ensemble.log_weight(levels.n, levels.energy)
    if ensemble.kind != "muVT":
        log = np.where(levels.n == ensemble.n, log, -np.inf)
    peak = log.max()
    if not np.isfinite(peak):
        raise ValueError(f"no state of {levels.system} has N = {ensemble.n} and an energy of at most {ensemble.total}")
    weight = np.exp(log - peak)
    return Exact(levels, ensemble, weight / weight.sum(), float(peak + np.log(weight.sum())))


def microcanonical_kT(levels: Levels, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(E, kT) from 1/kT = dS/dE by central differences of ln W; only where kT is positive, for energies whose neighbours exist."""
    S = levels.log_g[n]
    inner = np.flatnonzero(np.isfinite(S[:-2]) & np.isfinite(S[1:-1]) & np.isfinite(S[2:])) + 1
    slope = (S[inner + 1] - S[inner - 1]) / 2
    warm = slope > 0
    return (levels.low + inner)[warm], 1 / slope[warm]


@dataclass(frozen=True, eq=False)
class Copies:
    """Many copies of the system, each a Markov chain. n, energy: (T, R) at T moments; sites: (R, M) at the end."""

    levels: Levels
    ensemble: Ensemble
    attempts: Tensor
    n: Tensor
    energy: Tensor
    sites: Tensor

    @property
    def counts(self) -> Tensor:
        """(M + 1, K): copies by N and E at the end."""
        shape = self.levels.log_g.shape
        flat = self.n[-1] * shape[1] + (self.energy[-1] - self.levels.low)
        return torch.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)


def metropolis(
    levels: Levels, ensemble: Ensemble, sites: Tensor, n_moves: int, *, generator: torch.Generator, n_copies: int = 0
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield (sites (R, M), N (R,), E (R,)) before the first and after every trial move of R independent copies.

    Sites hold 0 (empty), 1 (a particle), 2 (an excited one; two-level only). Trial moves, all symmetric:
    fixed N, two-level: change the level of a particle at a random site; fixed N, lattice gas: exchange two random sites;
    mu-VT: give a random site another of its possible contents. The caller's sites are not changed.
    n_copies: random numbers are drawn for so many copies, of which `sites` are the first; for as many as there are if 0.
    """
    sites = sites.clone()
    copies, n_sites = sites.shape
    drawn = n_copies or copies
    row, lattice = torch.arange(copies), levels.system == "lattice gas"
    near = torch.as_tensor(neighbours(n_sites)) if lattice else torch.empty(n_sites, 0, dtype=torch.long)
    adjacent = torch.zeros(n_sites, n_sites, dtype=torch.long)
    if lattice:
        adjacent.index_put_((torch.arange(n_sites)[:, None].expand_as(near), near), torch.tensor(1), accumulate=True)
    n, energy = (sites > 0).sum(1), energy_of(levels, sites)
    log_w = ensemble.log_weight(n, energy)
    yield sites, n, energy
    for _ in range(n_moves):
        i = torch.randint(n_sites, (drawn,), generator=generator)[:copies]
        old = sites[row, i]
        if lattice and ensemble.kind != "muVT":
            j = torch.randint(n_sites, (drawn,), generator=generator)[:copies]
            other = sites[row, j]
            new_n = n
            field = sites[row[:, None], near[i]].sum(1) - sites[row[:, None], near[j]].sum(1)  # bonds of a particle at i less those at j
            new_energy = energy + (old - other) * field + (old != other) * adjacent[i, j]
        elif lattice:
            j, other, new = i, old, 1 - old
            new_n = n + new - old
            new_energy = energy - (new - old) * sites[row[:, None], near[i]].sum(1)
        else:
            if ensemble.kind == "muVT":
                new = (old + torch.randint(1, 3, (drawn,), generator=generator)[:copies]) % 3
            else:
                new = torch.where(old > 0, 3 - old, 0)
            j, other = i, old
            new_n = n + (new > 0).long() - (old > 0).long()
            new_energy = energy + (new == 2).long() - (old == 2).long()
        new_log_w = ensemble.log_weight(new_n, new_energy)
        accept = torch.rand(drawn, generator=generator)[:copies].log() < new_log_w - log_w
        if lattice and ensemble.kind != "muVT":
            sites[row, i], sites[row, j] = torch.where(accept, other, old), torch.where(accept, old, other)
        else:
            sites[row, i] = torch.where(accept, new, old)
        n, energy = torch.where(accept, new_n, n), torch.where(accept, new_energy, energy)
        log_w = torch.where(accept, new_log_w, log_w)
        yield sites, n, energy


def energy_of(levels: Levels, sites: Tensor) -> Tensor:
    """(R,): energy of every copy from its sites (R, M)."""
    if levels.system == "two-level":
        return (sites == 2).sum(1)
    near = torch.as_tensor(neighbours(levels.n_sites))
    return -(sites * (sites[:, near[:, 0]] + sites[:, near[:, 2]])).sum(1)


def held(
    *, system: str, kind: str, n_sites: int, kT: float = 1.0, mu: float = -1.0, energy: float = 0.3, filling: float = 0.5, **_: object
) -> tuple[Levels, Ensemble]:
    """The system and what is fixed, from arguments of `sample`. Raises ValueError."""
    one_of("system", system, SYSTEMS)
    if not 0 < filling <= 1 or not energy >= 0:
        raise ValueError("filling must be in (0, 1], energy not negative")
    levels = SYSTEMS[system](n_sites)
    n = max(1, round(filling * n_sites))
    return levels, Ensemble(kind, n=n, total=levels.range(n)[0] + round(energy * n_sites), kT=kT, mu=mu)


def sample(
    *,
    system: str = "two-level",
    kind: str = "NVT",
    n_sites: int = 16,
    kT: float = 1.0,
    mu: float = -1.0,
    energy: float = 0.3,
    filling: float = 0.5,
    n_copies: int = 1500,
    n_sweeps: int = 30,
    seed: int = 0,
    n_frames: int = 100,
    first: int = 0,
) -> Copies:
    """Copies that start in a state of lowest energy (mu-VT: empty; NVE: the demon holds everything) and relax for n_sweeps moves a site.

    filling: N/M where N is fixed. energy: NVE, of sites and demon above the lowest, per site.
    first: follow only so many of the copies, which do what they do among all; 0 for all of them. Raises ValueError.
    """
    if min(n_copies, n_sweeps, n_frames - 1) < 1:
        raise ValueError("copies and sweeps must be at least 1, frames 2")
    levels, ensemble = held(system=system, kind=kind, n_sites=n_sites, kT=kT, mu=mu, energy=energy, filling=filling)
    n = ensemble.n
    start = torch.zeros(min(first or n_copies, n_copies), n_sites, dtype=torch.long)
    if kind != "muVT":
        start[:, ground_state(levels, n)] = 1
    generator = torch.Generator().manual_seed(seed)
    n_moves = n_sweeps * n_sites
    keep = sorted({round(f * n_moves / (n_frames - 1)) for f in range(n_frames)})
    wanted, kept = set(keep), []
    for k, state in enumerate(metropolis(levels, ensemble, start, n_moves, generator=generator, n_copies=n_copies)):
        if k in wanted:
            kept.append(state[1:])
    n_kept, energy_kept = map(torch.stack, zip(*kept))
    return Copies(levels, ensemble, torch.tensor(keep), n_kept, energy_kept, state[0])


@lru_cache(maxsize=64)
def ground_state(levels: Levels, n: int) -> tuple[int, ...]:
    """Sites of n particles with as many neighbours as possible; the first n for independent sites."""
    if levels.system == "two-level":
        return tuple(range(n))
    states = np.arange(2**levels.n_sites, dtype=np.uint32)
    count = sum(((states >> i) & 1).astype(np.int8) for i in range(levels.n_sites))
    states = states[count == n]
    bonds = sum(((states >> i) & (states >> j) & 1).astype(np.int16) for i, j in _bonds(levels.n_sites))
    best = int(states[int(np.argmax(bonds))])
    return tuple(i for i in range(levels.n_sites) if best >> i & 1)


def truth(copies: Copies) -> Truth:
    """Total variation distance of the copies' (N, E) at the end to the exact sums, beside the floor of as many exact copies."""
    P = torch.as_tensor(exact(copies.levels, copies.ensemble).P)
    known = _floor(copies.levels, copies.ensemble, copies.n.shape[1])
    return Truth("total variation distance of (N, E)", total_variation(copies.counts, P), known, of="copies")


@lru_cache(maxsize=128)
def _floor(levels: Levels, ensemble: Ensemble, n_copies: int) -> Floor:
    return total_variation_floor(n_copies, torch.as_tensor(exact(levels, ensemble).P))
