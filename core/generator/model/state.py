"""A batch of cells with the same number of atoms, as the process and the network see it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Cells(NamedTuple):
    """numbers (B, N) atomic numbers, frac (B, N, 3) in [0, 1), cell (B, 6) standardised log-metric."""

    numbers: Tensor
    frac: Tensor
    cell: Tensor


class Noise(Protocol):
    """Random numbers (B, *shape) for a batch, those of each structure from a source of its own."""

    def normal(self, *shape: int) -> Tensor: ...
    def uniform(self, *shape: int) -> Tensor: ...


class StepSettings(Protocol):
    """What a step of the reverse process is told; `core.generator.sampling.config.SamplerConfig` explains each."""

    @property
    def eta(self) -> float: ...
    @property
    def temperature(self) -> float: ...
    @property
    def anti_annealing(self) -> float: ...
    @property
    def species_temperature(self) -> float: ...


class Losses(NamedTuple):
    """What a network is told after a batch: mean errors of coordinates, cell and (where they are masked) species."""

    coords: Tensor
    lattice: Tensor
    species: Tensor
