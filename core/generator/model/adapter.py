"""Conditions for a trained network: an adapter beside each block, with a mix-in that starts at zero.

The network that grows crystals stays as it is; only the adapters learn. Where no condition is given, they are masked: the crystals
are those of the network alone, bit for bit.

equation                                             name
h <- h + [y given] W (MLP([h, c(y)])), W = 0 at first  Mixer         (Zeni et al., Nature 2025, MatterGen, Supplement B.3)
c(y) = sum over given y of its embedding             ConditionCode
(1 - gamma) v(x) + gamma v(x | y)                    guided        (Ho & Salimans 2022; gamma = 1 + w of their eq. 6)

With the formula given, a density or a volume per atom is a volume of the cell: both enter as the cell's first number, in its own units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.generator.model.network import Adapt, Denoiser, Prediction
from core.generator.model.state import Cells
from core.structures.crystal import GRAMS_PER_CM3
from core.structures.elements import atomic_masses
from core.structures.space_groups import N_GROUPS, SYSTEMS, crystal_system

Number = TypeVar("Number", int, float)
SCALARS = ("density", "volume_per_atom", "formation_energy", "band_gap")
VOLUMES = ("density", "volume_per_atom")
UNITS = {"density": "g/cm³", "volume_per_atom": "Å³", "formation_energy": "eV/atom", "band_gap": "eV"}
PLACES = {name: i for i, name in enumerate(SYSTEMS, start=1)}  # of the crystal systems; 0: nothing is asked


class Conditions(NamedTuple):
    """scalars (B, 4) in the order of SCALARS and their units, NaN where nothing is asked; system (B,) by PLACES, group (B,) number of the
    space group; 0 where nothing is asked."""

    scalars: Tensor
    system: Tensor
    group: Tensor

    @property
    def given(self) -> Tensor:
        """(B,) bool: is anything asked?"""
        return (~self.scalars.isnan()).any(1) | (self.system > 0) | (self.group > 0)

    def rows(self, which: Tensor) -> Conditions:
        """Those of a part of the batch."""
        return Conditions(*(part[which] for part in self))

    def expand(self, n: int) -> Conditions:
        """One condition for n cells."""
        return Conditions(*(part.expand(n, *part.shape[1:]) for part in self))


def conditions(wanted: Mapping[str, float | int | str]) -> Conditions:
    """One request, e.g. {"density": 5.5, "space_group": 225}: names of SCALARS, "crystal_system" (its name) and "space_group".

    Raises ValueError with what may be asked, for another name or an impossible value.
    """
    scalars = torch.full((1, len(SCALARS)), math.nan)
    system = group = 0
    for name, value in wanted.items():
        if name == "crystal_system":
            if value not in PLACES:
                raise ValueError(f"there is no crystal system {value!r}; there are {', '.join(SYSTEMS)}")
            system = PLACES[str(value)]
        elif name == "space_group":
            crystal_system(group := _read(int, name, value))
        elif name in SCALARS:
            number = _read(float, name, value)
            if not math.isfinite(number):
                raise ValueError(f"{name.replace('_', ' ')} must be a finite number, not {value}")
            if name in VOLUMES and number <= 0:
                raise ValueError(f"{name.replace('_', ' ')} must be above 0 {UNITS[name]}, not {number:g}")
            if name == "band_gap" and number < 0:
                raise ValueError(f"a band gap is 0 or more eV, not {number:g}")
            scalars[0, SCALARS.index(name)] = number
        else:
            raise ValueError(
                f"nothing can be asked by the name {name!r}; there are {', '.join((*SCALARS, 'crystal_system', 'space_group'))}"
            )
    return Conditions(scalars, torch.tensor([system]), torch.tensor([group]))


def _read(kind: Callable[[Any], Number], name: str, value: float | int | str) -> Number:
    """The value as a number of this kind. Raises ValueError in the reader's words."""
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{name} is asked for by a {'whole ' if kind is int else ''}number, not by {value!r}") from None


@dataclass(frozen=True)
class AdapterConfig:
    """width: of the network's atoms; blocks: how many it has; code: numbers that say the condition; hidden: of the MLP beside a block."""

    width: int = 192
    blocks: int = 6
    code: int = 128
    hidden: int = 192


def cell_mass(numbers: Tensor) -> Tensor:
    """(B,) double: masses in u of cells of these species (B, N)."""
    return torch.from_numpy(atomic_masses())[numbers].sum(1)


def asked_volume(network: Denoiser, numbers: Tensor, scalars: Tensor) -> Tensor:
    """(B, 1): the first number of the cell, in the network's units, that a density (g/cm³) or volume per atom (Å³) asks for; NaN for none.

    numbers (B, N), scalars (B, 4). log V = log(n v) = log(m / rho). Where both are asked, the density counts.
    """
    mass = cell_mass(numbers).to(scalars)
    volume = torch.where(scalars[:, 0].isnan(), scalars[:, 1] * numbers.shape[1], GRAMS_PER_CM3 * mass / scalars[:, 0])
    vector = torch.cat([volume.log().unsqueeze(1), torch.zeros(len(volume), 5)], dim=1)
    return network.to_cell(numbers, vector)[:, :1]


class ConditionCode(nn.Module):
    """Conditions -> (B, size), the sum over what is asked. raw: numbers that come in units of their own; measured: numbers whose standard
    units are kept here, buffers `mean` and `std` (measured,)."""

    mean: Tensor
    std: Tensor

    def __init__(self, size: int, *, raw: int, measured: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(measured))
        self.register_buffer("std", torch.ones(measured))
        self.scalars = nn.ModuleList(nn.Linear(33, size) for _ in range(raw + measured))
        self.system, self.group = nn.Embedding(len(SYSTEMS) + 1, size), nn.Embedding(N_GROUPS + 1, size)
        for table in (self.system, self.group):
            nn.init.normal_(table.weight, std=0.3)

    def fit(self, values: Tensor) -> None:
        """Standard units of the training data; values (M, measured), NaN where unknown."""
        n = (~values.isnan()).sum(0).clamp(min=1)
        self.mean.copy_(values.nan_to_num().sum(0) / n)
        self.std.copy_(((values - self.mean).nan_to_num().square().sum(0) / n).sqrt().clamp(min=1e-3))

    def forward(self, values: Tensor, system: Tensor, group: Tensor, raw: Tensor | None = None) -> Tensor:
        """values (B, measured) and raw (B, raw), NaN where nothing is asked; system, group as in `Conditions`."""
        z = (values - self.mean) / self.std
        z = z if raw is None else torch.cat([raw, z], dim=1)
        code = torch.zeros(len(z), self.system.embedding_dim)
        for i, embed in enumerate(self.scalars):
            asked = ~z[:, i : i + 1].isnan()
            x = z[:, i : i + 1].nan_to_num().clamp(-6, 6)
            phase = x * 2.0 ** torch.linspace(-3, 3, 16)
            code = code + asked * embed(torch.cat([x, phase.sin(), phase.cos()], dim=-1))
        for value, table in ((system, self.system), (group, self.group)):
            code = code + (value > 0).unsqueeze(1) * table(value)
        return code


class Mixer(nn.Module):
    """h <- h + [y given] W (MLP([norm h, c(y)])) before each of `blocks` blocks; W = 0 at first."""

    def __init__(self, width: int, blocks: int, code: int, hidden: int):
        super().__init__()
        self.inner = nn.ModuleList(
            nn.Sequential(nn.Linear(width + code, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()) for _ in range(blocks)
        )
        self.out = nn.ModuleList(nn.Linear(hidden, width, bias=False) for _ in range(blocks))
        for weight in self.out.parameters():
            nn.init.zeros_(weight)

    def mixed(self, code: Tensor, given: Tensor) -> Adapt:
        """code (B, code) of B conditions, given (B,): is anything asked?"""
        given = given.view(-1, 1, 1)

        def adapt(i: int, h: Tensor) -> Tensor:
            x = F.layer_norm(h, h.shape[-1:])
            added = self.out[i](self.inner[i](torch.cat([x, code.to(x).unsqueeze(1).expand(-1, x.shape[1], -1)], dim=-1)))
            return torch.where(given, h + added, h)

        return adapt


class Adapter(Mixer):
    """What changes the atoms before each block of a `Denoiser` when a condition is given."""

    def __init__(self, config: AdapterConfig):
        super().__init__(config.width, config.blocks, config.code, config.hidden)
        self.config = config
        self.code = ConditionCode(config.code, raw=1, measured=2)

    def mix(self, conditions: Conditions, network: Denoiser, numbers: Tensor) -> Adapt:
        """How the atoms (B, N, width) of the network change before block i, given B conditions on cells of these species (B, N)."""
        volume = asked_volume(network, numbers, conditions.scalars)
        return self.mixed(self.code(conditions.scalars[:, 2:], conditions.system, conditions.group, volume), conditions.given)


def guided(network: Denoiser, adapter: Adapter, asked: Conditions, gamma: float) -> Callable[[Cells, Prediction, Tensor], Prediction]:
    """The `Guide` of `sampling.loop.sample` along (1 - gamma) v(x) + gamma v(x | y); asked: one condition. gamma = 0 changes nothing."""

    def guide(state: Cells, prediction: Prediction, t: Tensor) -> Prediction:
        if gamma == 0 or not bool(asked.given.any()):
            return prediction
        n = len(state.numbers)
        steered = network(*state, t.expand(n), adapter.mix(asked.expand(n), network, state.numbers))
        return Prediction(*(torch.lerp(one, other, gamma) if one.numel() else one for one, other in zip(prediction, steered, strict=True)))

    return guide
