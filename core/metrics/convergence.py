"""How a crystal comes to rest: distances to its final state along a trajectory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.structures.crystal import CrystalTrajectory


class Convergence(NamedTuple):
    """times (T,); coords (T,), root-mean-square distance in Å of the atoms from where they end, shortest images in
    the final cell, a common shift removed; cell (T,), root-mean-square strain of the cell against the final one.
    """

    times: np.ndarray
    coords: np.ndarray
    cell: np.ndarray


def convergence(trajectory: CrystalTrajectory) -> Convergence:
    lattice = trajectory.lattices[-1]
    moved = trajectory.frac_coords - trajectory.frac_coords[-1]
    moved = moved - np.round(moved - moved[:, :1])  # images that lie together before the mean is taken
    moved = moved - moved.mean(1, keepdims=True)
    moved = moved - np.round(moved)
    distances = np.linalg.norm(moved @ lattice, axis=-1)
    return Convergence(trajectory.times, np.sqrt((distances**2).mean(-1)), strain(trajectory.lattices, lattice))


def strain(lattices: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(T, 3, 3) cells in Å -> (T,): root-mean-square principal log strain, invariant to turning either cell.

    The squared principal stretches are the eigenvalues of G G_ref^-1, G = L L^T.
    """
    metric, inverse = lattices @ lattices.transpose(0, 2, 1), np.linalg.inv(reference @ reference.T)
    squared_stretches = np.maximum(np.linalg.eigvals(metric @ inverse).real, 1e-12)
    return np.sqrt(((0.5 * np.log(squared_stretches)) ** 2).mean(-1))
