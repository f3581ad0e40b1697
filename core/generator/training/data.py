"""The pool that is learned from, and its batches: cells of one size together, every draw fixed by (seed, epoch, step)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.generator.model.network import Denoiser
from core.generator.model.state import Cells
from core.numerics.torus import wrap
from core.numerics.training import Batches, grouped
from core.structures.arrays import ArrayFileError, CrystalArrays, load_arrays
from core.structures.elements import N_SPECIES
from core.structures.lattice import lattice_to_vector
from core.structures.symmetry import cell_symmetries

MIN_SPREAD = 0.05  # of the log metric: perovskite cells are all cubic, and noise of no size teaches nothing


def load_pool(path: Path, max_atoms: int | None = None) -> CrystalArrays:
    """Crystals to learn from, as `n2c data prepare` writes them; those in the column `dev` are kept aside.

    Raises ArrayFileError for an unreadable file, when nothing is left to learn from, and for a cell of more than `max_atoms` atoms.
    """
    arrays = load_arrays(path)
    if arrays.dev.all():
        raise ArrayFileError(f"{path}: there is no structure to learn from" + (", all are marked dev" if len(arrays) else ""))
    if max_atoms is not None and (largest := int(arrays.num_atoms.max())) > max_atoms:
        raise ArrayFileError(f"{path}: it holds a cell of {largest} atoms; this network takes at most {max_atoms}")
    return arrays


@dataclass(frozen=True)
class Bucket:
    """All structures with N atoms: numbers (M, N), frac (M, N, 3), lattice (M, 3, 3) in Å; symmetries of each cell."""

    numbers: Tensor
    frac: Tensor
    lattice: Tensor
    symmetries: list[np.ndarray]

    def draw(self, rows: np.ndarray, network: Denoiser, generator: torch.Generator | None) -> Cells:
        """The structures `rows` as the process sees them; with a generator: origin and description at random."""
        frac, lattice = self.frac[rows], self.lattice[rows]
        if generator is not None:
            pick = torch.rand(len(rows), generator=generator, dtype=torch.float64).tolist()
            change = torch.from_numpy(
                np.stack([self.symmetries[i][int(u * len(self.symmetries[i]))] for i, u in zip(rows, pick, strict=True)])
            ).to(frac)
            lattice = change @ lattice
            frac = frac @ torch.linalg.inv(change) + torch.rand(len(rows), 1, 3, generator=generator)
        cell = network.to_cell(self.numbers[rows], lattice_to_vector(lattice.double())).float()
        return Cells(self.numbers[rows], wrap(frac), cell)


def make_buckets(arrays: CrystalArrays, augment: bool = True) -> dict[int, Bucket]:
    """Number of atoms -> its bucket. `augment=False` leaves the descriptions as they are."""
    offset = arrays.offset
    buckets = {}
    for n in np.unique(arrays.num_atoms):
        rows = np.flatnonzero(arrays.num_atoms == n)
        atoms = offset[rows][:, None] + np.arange(n)
        lattice = arrays.lattice[rows]
        as_given = np.eye(3)[None]
        buckets[int(n)] = Bucket(
            torch.from_numpy(arrays.numbers[atoms].astype(np.int64)),
            torch.from_numpy(arrays.frac_coords[atoms]),
            torch.from_numpy(lattice),
            cell_symmetries(lattice) if augment else [as_given] * len(rows),
        )
    return buckets


def batches_of(buckets: dict[int, Bucket], *, atoms_per_batch: int, max_batch: int, seed: int) -> Batches:
    """Epoch -> (number of atoms, rows) of every batch, in random order, each structure once."""
    sizes = {n: len(bucket.numbers) for n, bucket in buckets.items()}
    return grouped(sizes, lambda n: max(1, min(max_batch, atoms_per_batch // n)), seed=seed)


def training_times(n: int, generator: torch.Generator) -> Tensor:
    """(n,) times in [0, 1): half of them uniform, half uniform on [0.35, 0.95), where a crystal takes shape.

    Stratified (one in every n-th of the law): the same law with less scatter of the loss.
    """
    u = (torch.arange(n) + torch.rand(n, generator=generator))[torch.randperm(n, generator=generator)] / n
    return torch.where(u < 0.5, 2 * u, 0.35 + 0.6 * (2 * u - 1))


def fit_units(network: Denoiser, arrays: CrystalArrays) -> None:
    """Set the network's buffers: element volumes by least squares on log V, mean and spread of the cell vector."""
    owner = np.repeat(np.arange(len(arrays)), arrays.num_atoms)
    counts = np.zeros((len(arrays), N_SPECIES))
    np.add.at(counts, (owner, arrays.numbers.astype(int)), 1)
    vector = lattice_to_vector(torch.from_numpy(arrays.lattice).double())
    volume = vector[:, 0].exp().numpy()
    known = counts.sum(0) > 0
    mean = volume.sum() / counts.sum()
    log_v = np.full(N_SPECIES, np.log(mean))
    for _ in range(30):  # Gauss-Newton for log V = log sum_i n_i v_i, ridge towards the last value
        share = counts * np.exp(log_v) / (counts @ np.exp(log_v))[:, None]
        residual = np.log(volume) - np.log(counts @ np.exp(log_v))
        log_v = log_v + np.linalg.solve(share.T @ share + 0.5 * np.eye(N_SPECIES), share.T @ residual)
    network.volumes.copy_(torch.from_numpy(np.exp(log_v)).float())
    network.known.copy_(torch.from_numpy(known))
    network.lattice_mean.zero_()
    network.lattice_std.fill_(1.0)
    numbers = [
        torch.from_numpy(arrays.numbers[a:b].astype(np.int64))[None] for a, b in zip(arrays.offset[:-1], arrays.offset[1:], strict=True)
    ]
    reduced = torch.cat([network.to_cell(z, v[None]) for z, v in zip(numbers, vector, strict=True)])
    network.lattice_mean.copy_(reduced.mean(0).float())
    network.lattice_std.copy_(reduced.std(0).float().clamp(min=MIN_SPREAD))


def every_batch(buckets: dict[int, Bucket], *, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """All structures once, in order, for evaluation."""
    for n, bucket in sorted(buckets.items()):
        yield from ((n, rows) for rows in np.array_split(np.arange(len(bucket.numbers)), -(-len(bucket.numbers) // size)))
