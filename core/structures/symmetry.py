"""Other descriptions of the same cell: turned in space, or by integer changes of basis that leave its shape as it is.

A cubic cell can be turned in 48 ways onto itself; its content then reads differently but is the same crystal.
Training shows the network all of them.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import ArrayLike


def rotation_matrix(axis: ArrayLike, angle: float) -> np.ndarray:
    """(3, 3): R of v -> R v, a turn by `angle` (radians) about `axis` (3,), right-handed; rows of vectors turn as L R^T.

    Rodrigues' formula, R = 1 + sin(angle) K + (1 - cos(angle)) K^2 with K v = axis x v and the axis of length 1.
    """
    x, y, z = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * K + (1 - math.cos(angle)) * K @ K


def unimodular_matrices() -> np.ndarray:
    """(K, 3, 3): integer matrices with entries -1, 0, 1 and determinant +-1; enough for reduced cells."""
    every = np.array(list(product((-1, 0, 1), repeat=9)), dtype=np.int8).reshape(-1, 3, 3)
    determinant = np.round(np.linalg.det(every.astype(np.float64)))
    return every[np.abs(determinant) == 1]


def cell_symmetries(lattices: np.ndarray, tolerance: float = 0.005) -> list[np.ndarray]:
    """For each (3, 3) lattice the matrices M, (k, 3, 3), with M G M^T = G to `tolerance` (G = L L^T, relative to
    the mean squared edge). M = 1 and M = -1 are always among them. The new cell is M L, the new coordinates f M^-1.
    """
    matrices = unimodular_matrices()
    found = []
    for lattice in np.asarray(lattices, dtype=np.float64):
        metric = lattice @ lattice.T
        scale = np.trace(metric) / 3
        diagonal = np.einsum("kij,jl,kil->ki", matrices, metric, matrices, optimize=True)
        near = np.abs(diagonal - metric.diagonal()).max(-1) < tolerance * scale
        candidates = matrices[near].astype(np.float64)
        change = np.abs(candidates @ metric @ candidates.transpose(0, 2, 1) - metric).max((-1, -2))
        found.append(candidates[change < tolerance * scale])
    return found
