"""The cell as six numbers that no rotation can change.

A cell has rows a, b, c (Å). Turning the crystal turns the rows; the metric G = L L^T stays. Its logarithm
S = 1/2 log G is symmetric, has six independent numbers, and every choice of them is a legal cell (no negative
volumes), so Gaussian noise on S is always a crystal. tr S = log V.

equation                      name
S = 1/2 log(L L^T)            lattice_to_vector
L L^T = exp(2 S)              vector_to_metric
L from L L^T                  metric_to_lattice (pymatgen's orientation: c along z, a in the xz plane)
min |(f_j - f_i + n) L|       nearest_distances
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_R2, _R6 = 2**-0.5, 6**-0.5
# first entry log V; the other five are orthonormal coordinates of the traceless part
_BASIS = torch.tensor(
    [
        [[1 / 3, 0, 0], [0, 1 / 3, 0], [0, 0, 1 / 3]],
        [[_R2, 0, 0], [0, -_R2, 0], [0, 0, 0]],
        [[_R6, 0, 0], [0, _R6, 0], [0, 0, -2 * _R6]],
        [[0, _R2, 0], [_R2, 0, 0], [0, 0, 0]],
        [[0, 0, _R2], [0, 0, 0], [_R2, 0, 0]],
        [[0, 0, 0], [0, 0, _R2], [0, _R2, 0]],
    ],
    dtype=torch.float64,
)


def symmetric_function(matrix: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """f(M) of symmetric positive (..., 3, 3) matrices through their eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * function(values).unsqueeze(-2)) @ vectors.mT


def lattice_to_vector(lattice: Tensor) -> Tensor:
    """(..., 3, 3) rows in Å -> (..., 6): log volume, then the five numbers of the shape."""
    metric = lattice @ lattice.mT
    half_log = symmetric_function(metric, lambda v: 0.5 * v.log())
    basis = _BASIS.to(lattice)
    vector = torch.einsum("kij,...ij->...k", basis, half_log)
    return torch.cat([3 * vector[..., :1], vector[..., 1:]], dim=-1)


def vector_to_metric(vector: Tensor) -> Tensor:
    """(..., 6) -> (..., 3, 3): G = L L^T in Å^2."""
    return symmetric_function(torch.einsum("...k,kij->...ij", vector, _BASIS.to(vector)), lambda v: (2 * v).exp())


def metric_to_lattice(metric: Tensor) -> Tensor:
    """(..., 3, 3) metric -> rows a, b, c in Å: c along z, a in the xz plane, right-handed."""
    order = [2, 0, 1]  # Cholesky fills c, then a, then b
    c, a, b = torch.linalg.cholesky(metric[..., order, :][..., :, order]).unbind(-2)
    return torch.stack([a, b, c], dim=-2)[..., [1, 2, 0]]


def vector_to_lattice(vector: Tensor) -> Tensor:
    """(..., 6) -> (..., 3, 3): the inverse of `lattice_to_vector`, in the canonical orientation."""
    return metric_to_lattice(vector_to_metric(vector))


def nearest_distances(frac: Tensor, metric: Tensor) -> Tensor:
    """frac (B, N, 3), metric (B, 3, 3) in Å^2 -> (B,) Å: shortest distance of two atoms, images of one atom included.

    Over the 27 nearest images: enough for cells that are not much skewed; `Crystal.nearest_distance` is exact.
    """
    images = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0])] * 3).to(frac)
    i, j = torch.triu_indices(frac.shape[1], frac.shape[1])
    gap = frac[:, j] - frac[:, i]
    gap = (gap - gap.round()).unsqueeze(2) + images  # (B, P, 27, 3)
    squared = ((gap @ metric.to(frac).unsqueeze(1)) * gap).sum(-1)
    squared[:, i == j, len(images) // 2] = torch.inf  # an atom and itself
    return squared.clamp(min=0).flatten(1).amin(1).sqrt()
