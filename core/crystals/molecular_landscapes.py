"""Two small molecular landscapes, and the noise that is put on them: what the chapter on one score for sampling and dynamics learns from.

Both are known exactly at every noise level, energies in kT and lengths in units of the model:

| landscape     | energy                                             | noise                               | p_t                          |
|---------------|----------------------------------------------------|-------------------------------------|------------------------------|
| Müller–Brown  | the four terms at kT = 23, scaled to unit width    | dx = -(beta/2) x dt + sqrt(beta) dB | quadrature (Tabulated)       |
| two dihedrals | -ln of three wrapped normals on an even floor      | dx = sqrt(beta) dB on the torus     | closed form (WrappedMixture) |

beta = 0.1 + 19.9 t, t in [0, 1]. kT = 23 and the schedule are those of Plainer et al. 2025 (ScoreMD, arXiv 2506.17139). The torus is
*like* the one of alanine dipeptide (its basins C7eq, alpha_R, alpha_L lie about there), not a fit to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import torch
from torch import Tensor

from core.numerics.checks import one_of
from core.numerics.potentials import MullerBrown
from core.numerics.schedules import Linear
from core.numerics.tabulated import Tabulated
from core.numerics.wrapped_mixture import WrappedMixture, wrap_angle, wrapped_score

SCHEDULE = Linear()
MULLER_BROWN_KT = 23.0
SADDLE = (-0.822, 0.624)  # of Müller and Brown, between the minimum at the top left and the other two; there the basins meet
LEAN = 0.55  # slope of the line through it that parts them


class Law(Protocol):
    """An exact density at one noise level."""

    def log_prob(self, x: Tensor) -> Tensor: ...
    def score(self, x: Tensor) -> Tensor: ...
    def sample(self, n: int, generator: torch.Generator) -> Tensor: ...


@dataclass(frozen=True)
class Basin:
    """name in words; mark: its letter in formulas and figures."""

    name: str
    mark: str


class Landscape:
    """A law on [-half, half]^2 with its basins, and its noise. x is (N, 2) in units of the model, t in [0, 1]."""

    name: str
    basins: Sequence[Basin]
    periodic: bool
    half: float
    axes: tuple[str, str]
    schedule = SCHEDULE

    @property
    def law(self) -> Law:
        """p_0."""
        raise NotImplementedError

    def diffused(self, t: float) -> Law:
        """p_t, exact."""
        raise NotImplementedError

    def energy(self, x: Tensor) -> Tensor:
        """(N,): U/kT, up to a constant."""
        raise NotImplementedError

    def force(self, x: Tensor) -> Tensor:
        """(N, 2): -grad U/kT, which is the score of p_0."""
        raise NotImplementedError

    def basin_of(self, x: Tensor) -> Tensor:
        """(N,) int64: to which of `basins` a point belongs; points that are no numbers belong to the first."""
        raise NotImplementedError

    def shown(self, x: Tensor) -> Tensor:
        """(..., 2): x in the units of a picture's axes."""
        raise NotImplementedError

    def placed(self, shown: Tensor) -> Tensor:
        """(..., 2): the inverse of `shown`."""
        raise NotImplementedError

    def sigma(self, t: Tensor) -> Tensor:
        """Width of the noise on x at time t."""
        raise NotImplementedError

    def noised(self, x0: Tensor, t: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """x_t (N, 2) and grad_{x_t} ln p(x_t | x_0) (N, 2); t (N, 1)."""
        raise NotImplementedError

    def prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, 2): the law at t = 1, up to what is left of the data there (share exp(-5) of the first wave, or of the mean)."""
        raise NotImplementedError

    def folded(self, x: Tensor) -> Tensor:
        """x brought back into the picture, where it has no edge."""
        return x

    def drift(self, x: Tensor, t: float) -> Tensor:
        """(N, 2): of the noising."""
        return torch.zeros_like(x) if self.periodic else x * (-0.5 * self.schedule.beta(t))

    @cached_property
    def grid(self) -> Tensor:
        """(size^2, 2) float64: midpoints of even cells over the square."""
        size = 240
        axis = -self.half + (torch.arange(size, dtype=torch.float64) + 0.5) * (2 * self.half / size)
        return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)

    def grid_moments(self) -> tuple[Tensor, float]:
        """Mean (2,) and mean variance of a coordinate of p_0, by quadrature on `grid`."""
        weight = (-self.energy(self.grid)).softmax(0)
        mean = weight @ self.grid
        return mean, float((weight @ (self.grid - mean).square()).mean())

    def weights_of(self, log_density: Tensor) -> Tensor:
        """(B,): weight of every basin under a log-density given on `grid`, by quadrature."""
        basin = self.basin_of(self.grid)
        return torch.zeros(len(self.basins), dtype=torch.float64).index_add_(0, basin, log_density.double().softmax(0))

    @cached_property
    def weights(self) -> Tensor:
        """(B,): exact weight of every basin."""
        return self.weights_of(-self.energy(self.grid))

    @cached_property
    def noised_weights(self) -> Callable[[float], Tensor]:
        """t -> (B,): exact weights of the basins under p_t, kept."""
        return lru_cache(maxsize=32)(lambda t: self.weights_of(self.diffused(t).log_prob(self.grid)))


class MullerBrownLandscape(Landscape):
    """Müller and Brown's surface at kT = 23, its law moved to mean zero and scaled to unit width."""

    name = "Müller–Brown"
    basins = (Basin("upper left", "A"), Basin("lower right", "B"))
    periodic = False
    half = 4.2
    axes = ("x", "y")

    @cached_property
    def frame(self) -> tuple[Tensor, float]:
        """(centre (2,), width): picture = centre + width x, from moments of the law by quadrature."""
        axes = torch.linspace(-2.6, 2.0, 900, dtype=torch.float64), torch.linspace(-1.4, 3.2, 900, dtype=torch.float64)
        points = torch.stack(torch.meshgrid(*axes, indexing="xy"), -1).reshape(-1, 2)
        weight = (-MullerBrown().energy(points) / MULLER_BROWN_KT).softmax(0)
        centre = weight @ points
        return centre, float((weight @ (points - centre).square()).mean().sqrt())

    def shown(self, x: Tensor) -> Tensor:
        centre, width = self.frame
        return x * width + centre.to(x.dtype)

    def placed(self, shown: Tensor) -> Tensor:
        centre, width = self.frame
        return (shown - centre.to(shown.dtype)) / width

    def energy(self, x: Tensor) -> Tensor:
        return MullerBrown().energy(self.shown(x)) / MULLER_BROWN_KT

    def force(self, x: Tensor) -> Tensor:
        return MullerBrown().force(self.shown(x)) * (self.frame[1] / MULLER_BROWN_KT)

    @cached_property
    def law(self) -> Tabulated:
        return Tabulated.of(lambda x: -self.energy(x), half=self.half, size=421)

    def diffused(self, t: float) -> Tabulated:
        return self.law.diffused(self.schedule, t)

    def basin_of(self, x: Tensor) -> Tensor:
        place = self.shown(x)
        return (place[..., 1] - SADDLE[1] < LEAN * (place[..., 0] - SADDLE[0])).long()

    def sigma(self, t: Tensor) -> Tensor:
        return self.schedule.sigma(t)

    def noised(self, x0: Tensor, t: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        eps = torch.randn(x0.shape, generator=generator)
        sigma = self.sigma(t)
        return self.schedule.alpha(t) * x0 + sigma * eps, -eps / sigma

    def prior(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, 2, generator=generator)


def _radians(*degrees: Sequence[float]) -> Tensor:
    return torch.tensor(degrees, dtype=torch.float64).deg2rad()


class TorusLandscape(Landscape):
    """Two dihedral angles with three basins; phi and psi in radians, a picture's axes in degrees."""

    name = "two dihedrals"
    basins = (Basin("extended, C7eq", "β"), Basin("right-handed helix", "αR"), Basin("left-handed helix", "αL"))
    periodic = True
    half = math.pi
    axes = ("φ / °", "ψ / °")
    law = WrappedMixture(
        torch.tensor([0.50, 0.30, 0.12], dtype=torch.float64),
        _radians((-80, 145), (-75, -25), (55, 45)),
        _radians((24, 26), (22, 23), (19, 21)),
    )

    def shown(self, x: Tensor) -> Tensor:
        return x.rad2deg()

    def placed(self, shown: Tensor) -> Tensor:
        return shown.deg2rad()

    def energy(self, x: Tensor) -> Tensor:
        return -self.law.log_prob(x)

    def force(self, x: Tensor) -> Tensor:
        return self.law.score(x)

    def diffused(self, t: float) -> WrappedMixture:
        return self.law.blurred(self.schedule.integral(t))

    def basin_of(self, x: Tensor) -> Tensor:
        """The basin whose centre is nearest, counted in its widths."""
        off = wrap_angle(x[..., None, :].double() - self.law.means) / self.law.widths
        return off.nan_to_num(0.0).square().sum(-1).argmin(-1)

    def sigma(self, t: Tensor) -> Tensor:
        return self.schedule.integral(t).sqrt()

    def noised(self, x0: Tensor, t: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        sigma = self.sigma(t)
        step = sigma * torch.randn(x0.shape, generator=generator)
        return wrap_angle(x0 + step), wrapped_score(step, sigma)

    def prior(self, n: int, generator: torch.Generator) -> Tensor:
        return (torch.rand(n, 2, generator=generator) - 0.5) * (2 * math.pi)

    def folded(self, x: Tensor) -> Tensor:
        return wrap_angle(x)


LANDSCAPES: dict[str, Landscape] = {"Müller–Brown": MullerBrownLandscape(), "two dihedrals": TorusLandscape()}


def get_landscape(name: str) -> Landscape:
    """Raises ValueError for an unknown name."""
    one_of("landscape", name, LANDSCAPES)
    return LANDSCAPES[name]
