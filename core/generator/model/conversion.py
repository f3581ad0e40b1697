"""Crystals as the network sees them, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from core.generator.model.network import Denoiser
from core.generator.model.state import Cells
from core.structures.crystal import Crystal, CrystalTrajectory
from core.structures.lattice import lattice_to_vector, vector_to_lattice


def to_cells(network: Denoiser, crystals: Sequence[Crystal]) -> Cells:
    """Crystals of one size as a batch."""
    numbers = torch.tensor(np.stack([c.numbers for c in crystals]))
    vector = lattice_to_vector(torch.tensor(np.stack([c.lattice for c in crystals])))
    frac = torch.tensor(np.stack([c.frac_coords for c in crystals])).float() % 1.0
    return Cells(numbers, frac, network.to_cell(numbers, vector).float())


def to_trajectories(network: Denoiser, frames: Sequence[Cells], times: Tensor) -> list[CrystalTrajectory]:
    """T batched states at `times` (T,) -> one trajectory for each structure of the batch."""
    numbers = torch.stack([frame.numbers for frame in frames]).numpy()  # (T, B, N)
    frac = torch.stack([frame.frac for frame in frames]).double().numpy()  # (T, B, N, 3)
    lattices = torch.stack([lattices_of(network, frame) for frame in frames]).numpy()  # (T, B, 3, 3)
    return [CrystalTrajectory(times.numpy(), numbers[:, b], frac[:, b], lattices[:, b]) for b in range(numbers.shape[1])]


def lattices_of(network: Denoiser, cells: Cells) -> Tensor:
    """(B, 3, 3) float64 in Å. Cells more than six standard deviations out are drawn at six."""
    return vector_to_lattice(network.to_vector(cells.numbers, cells.cell.double().clamp(-6, 6)))
