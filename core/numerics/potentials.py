"""Energy landscapes: energy(x) (N, D) -> (N,), force(x) = -grad energy (N, D) -> (N, D).

Energies are in units of the caller's kT scale; forces are written out by hand (and tested against autograd), so that a
sampler pays no graph for them. At equilibrium p(x) ~ exp(-energy/kT) and the score is force/kT.

equation -> name
    k |x - c|^2 / 2                                  -> Harmonic
    b ((x/a)^2 - 1)^2 + s x/a   (+ k |rest|^2 / 2)   -> DoubleWell
    A (1 - cos 2 pi x/L)/2 - f x                     -> Periodic
    -sum_i d_i exp(-(x - c_i)^2/2 w_i^2) + s x + (x/L)^8  -> TwoBasins
    sum_i A_i exp(a dx^2 + b dx dy + c dy^2)         -> MullerBrown    (Theor. Chim. Acta 53, 75 (1979))
    -log sum_k w_k N(x; m_k, s_k^2)                  -> NegativeLogDensity       (the density itself at kT = 1)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from core.numerics.mixture import Density, GaussianMixture


class ForceField(Protocol):
    def force(self, x: Tensor) -> Tensor:
        """(N, D) -> (N, D)"""
        ...


class Potential(ForceField, Protocol):
    """A force field whose force is -grad energy."""

    def energy(self, x: Tensor) -> Tensor:
        """(N, D) -> (N,)"""
        ...


def energy_and_force(potential: Potential, x: Tensor) -> tuple[Tensor, Tensor]:
    """(N,) and (N, D), with shared work done once where the potential knows how."""
    both = getattr(potential, "energy_and_force", None)
    return both(x) if both else (potential.energy(x), potential.force(x))


@dataclass(frozen=True)
class Harmonic:
    """A spring of the given stiffness (energy/length^2) in any number of dimensions; variance kT/stiffness."""

    stiffness: float = 1.0
    centre: float = 0.0

    def energy(self, x: Tensor) -> Tensor:
        return 0.5 * self.stiffness * (x - self.centre).square().sum(-1)

    def force(self, x: Tensor) -> Tensor:
        return -self.stiffness * (x - self.centre)


@lru_cache
@torch.inference_mode(False)
def _number(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """() a number as a tensor; making one anew takes longer than what a step of a few hundred particles does with it."""
    return torch.tensor(value, dtype=dtype, device=device)


@dataclass(frozen=True)
class DoubleWell:
    """Wells at +-half_distance along the first coordinate with a barrier between; springs along the others.

    tilt: energy added at the right well and taken from the left, so that they differ by 2 tilt (to first order).
    Curvature 8 barrier/a^2 in the wells and -4 barrier/a^2 on the barrier, for tilt 0.
    """

    barrier: float = 4.0
    half_distance: float = 1.0
    tilt: float = 0.0
    stiffness: float = 4.0

    def energy(self, x: Tensor) -> Tensor:
        return self._height(x, (x[..., 0] / self.half_distance).square().sub(1))

    def _height(self, x: Tensor, w: Tensor) -> Tensor:
        """(N,): the energy, w = (x/a)^2 - 1 being known."""
        total = w.square().mul_(self.barrier)
        if self.tilt:
            total.add_(x[..., 0], alpha=self.tilt / self.half_distance)
        if x.shape[-1] == 2:
            return total.addcmul_(x[..., 1], x[..., 1], value=0.5 * self.stiffness)
        return total.add_(x[..., 1:].square().sum(-1), alpha=0.5 * self.stiffness) if x.shape[-1] > 1 else total

    def energy_and_force(self, x: Tensor) -> tuple[Tensor, Tensor]:
        u = x[..., 0] / self.half_distance
        w = u.square().sub(1)
        force = torch.mul(x, -self.stiffness)
        along = torch.mul(u, w, out=force[..., 0]).mul_(-4 * self.barrier / self.half_distance)
        if self.tilt:
            along.sub_(self.tilt / self.half_distance)
        return self._height(x, w), force

    def force(self, x: Tensor) -> Tensor:
        slope, a = 4 * self.barrier / self.half_distance**2, self.half_distance
        first = x if x.shape[-1] == 1 else x[..., :1]
        along = torch.addcmul(_number(slope, x.dtype, x.device), first, first, value=-slope / a**2).mul_(first)  # a hot loop: few passes
        if self.tilt:
            along.sub_(self.tilt / a)
        return along if first is x else torch.cat([along, -self.stiffness * x[..., 1:]], dim=-1)


@dataclass(frozen=True)
class Periodic:
    """A washboard along every coordinate: barriers of `amplitude`, one per `period`, under a constant force `tilt`.

    It does not confine: with or without tilt there is no normalisable equilibrium on the line.
    """

    amplitude: float = 2.0
    period: float = 1.0
    tilt: float = 0.0

    def energy(self, x: Tensor) -> Tensor:
        wave = 1 - torch.cos(2 * math.pi / self.period * x)
        return (0.5 * self.amplitude * wave - self.tilt * x).sum(-1)

    def force(self, x: Tensor) -> Tensor:
        k = 2 * math.pi / self.period
        return self.tilt - 0.5 * self.amplitude * k * torch.sin(k * x)


@dataclass(frozen=True)
class TwoBasins:
    """Two Gaussian wells of their own depths and widths along the first coordinate, a slope, and steep walls at +-wall.

    depths: energy; widths, centres, wall: length; tilt: energy/length, positive lowers the left. Springs along the others.
    The walls cost (x/wall)^8, one unit of energy at the wall, so that there is an equilibrium.
    """

    depths: tuple[float, float] = (4.0, 3.0)
    widths: tuple[float, float] = (0.25, 0.8)
    centres: tuple[float, float] = (-1.5, 1.2)
    tilt: float = 0.0
    wall: float = 3.0
    stiffness: float = 4.0

    def energy(self, x: Tensor) -> Tensor:
        u = x[..., 0]
        total = (u / self.wall).square().square().square()  # a hot loop: few passes
        if self.tilt:
            total.add_(u, alpha=self.tilt)
        if x.shape[-1] > 1:
            total.add_(x[..., 1:].square().sum(-1), alpha=0.5 * self.stiffness)
        for depth, width, centre in zip(self.depths, self.widths, self.centres):
            total.sub_((u - centre).square().mul_(-0.5 / width**2).exp_(), alpha=depth)
        return total

    def force(self, x: Tensor) -> Tensor:
        u = x[..., :1]
        along = -self.tilt - 8 * (u / self.wall) ** 7 / self.wall
        for depth, width, centre in zip(self.depths, self.widths, self.centres):
            z = (u - centre) / width
            along = along - depth * z / width * torch.exp(-z.square() / 2)
        return torch.cat([along, -self.stiffness * x[..., 1:]], dim=-1)


_DEPTH = (-200.0, -100.0, -170.0, 15.0)
_XX = (-1.0, -1.0, -6.5, 0.7)
_XY = (0.0, 0.0, 11.0, 0.6)
_YY = (-10.0, -10.0, -6.5, 0.7)
_X0 = (1.0, 0.0, -0.5, -1.0)
_Y0 = (0.0, 0.5, 1.5, 1.0)


@lru_cache
def _coefficients(dtype: torch.dtype) -> Tensor:
    """(6, 4, 1): depth, a, b, c, x0, y0 of the four Gaussians."""
    return torch.tensor((_DEPTH, _XX, _XY, _YY, _X0, _Y0), dtype=dtype)[..., None]


@dataclass(frozen=True)
class MullerBrown:
    """The curved reaction path of Müller and Brown in two dimensions, energies multiplied by `scale`.

    At scale 1 the minima are at (-0.558, 1.442), (0.623, 0.028), (-0.050, 0.467) with energies -146.7, -108.2, -80.8.
    """

    scale: float = 1.0

    def energy(self, x: Tensor) -> Tensor:
        return self._terms(x)[0].sum(0)

    def force(self, x: Tensor) -> Tensor:
        return self.energy_and_force(x)[1]

    def energy_and_force(self, x: Tensor) -> tuple[Tensor, Tensor]:
        term, gx, gy = self._terms(x)
        return term.sum(0), torch.stack([(term * gx).sum(0), (term * gy).sum(0)], dim=-1).neg_()

    def _terms(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(4, N) each: the four Gaussians, and the gradient (gx, gy) of their exponents, which are (dx gx + dy gy)/2."""
        depth, a, b, c, x0, y0 = _coefficients(x.dtype)
        dx, dy = x[..., 0] - x0, x[..., 1] - y0
        gx, gy = torch.addcmul(b * dy, a, dx, value=2), torch.addcmul(b * dx, c, dy, value=2)
        return torch.addcmul(dx * gx, dy, gy).mul(0.5).exp().mul(depth * self.scale), gx, gy


def _two_islands() -> GaussianMixture:
    return GaussianMixture.of([0.6, 0.4], [[-1.0, 0.0], [1.0, 0.0]], 0.5)


@dataclass(frozen=True)
class NegativeLogDensity:
    """-log p of a density (two Gaussian islands by default): its Boltzmann law at kT = 1 is p, at other kT p^(1/kT)/Z."""

    density: Density = field(default_factory=_two_islands)

    def energy(self, x: Tensor) -> Tensor:
        return -self._at(x).log_prob(x)

    def force(self, x: Tensor) -> Tensor:
        return self._at(x).score(x)

    def _at(self, x: Tensor) -> Density:
        return self.density if x.dtype == torch.float32 else self.density.to(x.dtype)


POTENTIALS: dict[str, type] = {
    "harmonic": Harmonic,
    "double well": DoubleWell,
    "periodic": Periodic,
    "two basins": TwoBasins,
    "Müller–Brown": MullerBrown,
    "mixture": NegativeLogDensity,
}


def boltzmann_density(potential: Potential, grid: Tensor, kT: float) -> Tensor:
    """exp(-U/kT)/Z on an even grid (M,) of a one-dimensional potential, Z by the trapezoid rule; (M,) in 1/length.

    Raises ValueError unless kT > 0. The grid must hold all the weight: what lies outside is not counted in Z.
    """
    if not kT > 0:
        raise ValueError(f"kT must be positive, got {kT:g}")
    exponent = -potential.energy(grid[:, None]) / kT
    weight = torch.exp(exponent - exponent.max())
    return weight / torch.trapezoid(weight, grid)
