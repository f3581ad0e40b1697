"""The Fokker-Planck equation dp/dt = -div J, J = b p - D grad p, on a box of cells with closed walls.

Finite volumes with the flux of Scharfetter and Gummel, in which each face knows the exact stationary profile across it:

    J = D/h (B(-w) p_left - B(w) p_right),  B(z) = z/(exp(z) - 1),  w = b h/D            -> operator
    (1 - dt L) p_new = p                                                                  -> implicit_euler

For a force b = -D grad U/kT take w = (U_left - U_right)/kT: the stationary state is then exp(-U/kT) cell by cell, to round-off.
Columns of L sum to zero (mass is kept) and its off-diagonal is not negative, so 1 - dt L is an M-matrix: no step, however
long, makes a density negative or lets the relative entropy to the stationary state rise. First order in dt, second in h.

Sources: J. S. Chang and G. Cooper, J. Comput. Phys. 6, 1 (1970); D. L. Scharfetter and H. K. Gummel, IEEE Trans. Electron Devices
16, 64 (1969). Densities are numpy arrays of float64, one number per cell (n,) or (ny, nx), row 0 at the lowest y.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.linalg import eigs, splu


@dataclass(frozen=True)
class Box:
    """Cells of equal size. low, high: ends of each axis, in array order (y, x) for two dimensions; cells: their number.

    Raises ValueError for an empty axis.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    cells: tuple[int, ...]

    def __post_init__(self) -> None:
        if not (
            len(self.low) == len(self.high) == len(self.cells) and all(a < b for a, b in zip(self.low, self.high)) and min(self.cells) >= 2
        ):
            raise ValueError("a box needs low < high and two cells or more along each axis")

    @property
    def widths(self) -> tuple[float, ...]:
        return tuple((b - a) / n for a, b, n in zip(self.low, self.high, self.cells))

    @property
    def volume(self) -> float:
        """Of one cell."""
        return math.prod(self.widths)

    def centres(self, axis: int) -> np.ndarray:
        return self.low[axis] + (np.arange(self.cells[axis]) + 0.5) * self.widths[axis]

    def edges(self, axis: int) -> np.ndarray:
        return np.linspace(self.low[axis], self.high[axis], self.cells[axis] + 1)

    def points(self, face: int | None = None) -> np.ndarray:
        """(*cells, D) cell centres, or the centres of the inner faces across axis `face`; last axis in the order x, y."""
        axes = [self.edges(a)[1:-1] if a == face else self.centres(a) for a in range(len(self.cells))]
        return np.stack(np.meshgrid(*axes, indexing="ij")[::-1], -1)


def bernoulli(z: np.ndarray) -> np.ndarray:
    """z/(exp(z) - 1), 1 at 0."""
    z = np.asarray(z, dtype=float)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.where(np.abs(z) < 1e-10, 1 - z / 2, z / np.expm1(np.where(np.abs(z) < 1e-10, 1.0, z)))


def work_of(exponent: np.ndarray) -> list[np.ndarray]:
    """Work w across the inner faces of each axis for a stationary density exp(exponent), e.g. exponent = -U/kT per cell."""
    return [np.diff(exponent, axis=axis) for axis in range(exponent.ndim)]


def operator(box: Box, work: Sequence[np.ndarray], diffusion: float) -> sp.csc_array:
    """L (n, n) of dp/dt = L p, cells in C order. work: per axis, w = b h/D at its inner faces. Raises ValueError for other shapes."""
    index = np.arange(math.prod(box.cells)).reshape(box.cells)
    rows, columns, values = [], [], []
    for axis, (w, h) in enumerate(zip(work, box.widths, strict=True)):
        left, right = (np.take(index, range(*ends), axis).ravel() for ends in ((0, box.cells[axis] - 1), (1, box.cells[axis])))
        if w.size != left.size or not np.isfinite(w).all():
            raise ValueError(f"work along axis {axis} must be {left.size} finite numbers, one per inner face, not {w.shape}")
        onward, backward = (diffusion / h**2 * bernoulli(sign * w.ravel()) for sign in (-1, 1))
        rows += [right, left, left, right]
        columns += [left, left, right, right]
        values += [onward, -onward, backward, -backward]
    n = index.size
    return sp.coo_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(n, n)).tocsc()


def fluxes(box: Box, work: Sequence[np.ndarray], diffusion: float, p: np.ndarray) -> list[np.ndarray]:
    """J across the inner faces of each axis of p (..., *cells), probability per time (and per length of the other axis)."""
    made = []
    for axis, (w, h) in enumerate(zip(work, box.widths, strict=True)):
        left, right = _sides(axis, len(box.cells))
        made.append(diffusion / h * (bernoulli(-w) * p[left] - bernoulli(w) * p[right]))
    return made


def at_centres(faces: Sequence[np.ndarray]) -> np.ndarray:
    """(..., *cells, D) in the order x, y: values of inner faces averaged to the cells; nothing passes the walls."""
    dim = len(faces)
    cells = [faces[axis].shape[axis - dim] + 1 for axis in range(dim)]
    made = np.zeros((*faces[0].shape[:-dim], *cells, dim))
    for axis, values in enumerate(faces):
        part = made[..., dim - 1 - axis]
        for side in _sides(axis, dim):
            part[side] += 0.5 * values
    return made


def _sides(axis: int, dim: int) -> tuple[tuple, tuple]:
    """Of an array (..., *cells): all cells but the last along `axis`, and all but the first."""
    rest = (slice(None),) * (dim - 1 - axis)
    return (..., slice(None, -1), *rest), (..., slice(1, None), *rest)


def implicit_euler(L: sp.csc_array, p: np.ndarray, *, dt: float, n_steps: int) -> Iterator[np.ndarray]:
    """Yield p and its n_steps successors: (1 - dt L) p_new = p, factorised once. Raises ValueError unless dt > 0."""
    if not dt > 0:
        raise ValueError(f"dt must be positive, got {dt:g}")
    solve = _factorised(L, dt)
    shape, p = p.shape, p.ravel()
    yield p.reshape(shape)
    for _ in range(n_steps):
        p = solve(p)
        yield p.reshape(shape)


def _factorised(L: sp.csc_array, dt: float) -> Callable[[np.ndarray], np.ndarray]:
    system = (sp.eye_array(L.shape[0], format="csc") - dt * L).tocsc()
    return splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=dict(SymmetricMode=True)).solve


def stationary(L: sp.csc_array, shape: tuple[int, ...], volume: float) -> np.ndarray:
    """The density that L keeps: four implicit steps, each as long as a hundred million of the fastest moves, from the uniform one."""
    p = np.ones(L.shape[0])
    solve = _factorised(L, 1e8 / float(np.abs(L.diagonal()).max()))
    for _ in range(4):
        p = solve(p)
        p /= p.sum()
    return p.reshape(shape) / volume


def spectrum(L: sp.csc_array, p_stationary: np.ndarray, k: int = 4) -> np.ndarray:
    """The k slowest rates (complex, rising real part, the first 0) of L: exp(-rate t). Real for a potential force."""
    return modes(L, p_stationary, k)[0]


def modes(L: sp.csc_array, p_stationary: np.ndarray, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """(rates (k,), left eigenvectors (n, k)) of L, slowest first. |left_j . p| is how much of mode j there is in a density p.

    Normalised to sum p_stationary |left|^2 = 1 (cells as weights). In one dimension L is similar to a symmetric tridiagonal matrix, whose
    eigenvalues are exact to round-off; otherwise shift-invert.
    """
    q = p_stationary.ravel() / p_stationary.sum()
    if p_stationary.ndim == 1:
        coupling = np.sqrt(L.diagonal(1) * L.diagonal(-1))
        rates, vectors = eigh_tridiagonal(-L.diagonal(), -coupling, select="i", select_range=(0, k - 1))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            left = np.where(q[:, None] > 1e-250, vectors / np.sqrt(q)[:, None], 0.0)
        return rates.astype(complex), left
    values, left = eigs(L.T.tocsc(), k=k, sigma=1e-3 * float(np.abs(L.diagonal()).mean()), v0=np.ones(L.shape[0]), tol=1e-10)
    order = np.argsort(-values.real + 1e-9 * np.abs(values.imag))
    left = left[:, order]
    return -values[order], left / np.sqrt((q[:, None] * np.abs(left) ** 2).sum(0))


def relative_entropy(p: np.ndarray, q: np.ndarray, volume: float) -> float:
    """sum p ln(p/q) volume, in nats; 0 for p = q. p is normalised first: what round-off does to its mass is not entropy."""
    seen = p > 0
    with np.errstate(divide="ignore"):
        total = p.sum() * volume
        return float((p[seen] * (np.log(p[seen] / total) - np.log(q[seen]))).sum() * volume / total)
