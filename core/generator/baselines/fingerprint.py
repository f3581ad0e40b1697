"""Which known crystals are of one structure type: pair-distance histograms that no choice of cell, origin or scale changes.

h_ab(r) = (1/N) sum over atoms of elements a, b and all images of exp(-(r - d)^2 / 2 s^2) / d^2, cells scaled to one atom per
unit volume. Two entries with the same histogram for every pair of sites are taken as one type. Elements enter as places in
`substitution.by_count` order, so that an entry with other elements has comparable histograms. In the spirit of Valle &
Oganov 2010 (fingerprint functions), without the subtraction of the uniform background.
"""

from __future__ import annotations

from itertools import product

import numpy as np

REACH = 2.3  # in units of (V/N)^(1/3)
BINS = 46
SMEAR = 1.6  # bins


def fingerprints(frac: np.ndarray, lattice: np.ndarray, slots: np.ndarray, n_slots: int) -> np.ndarray:
    """(B, N, 3), (B, 3, 3), (B, N) place of each atom's element -> (B, n_slots, n_slots, BINS), float32, symmetric."""
    b, n, _ = frac.shape
    scale = (n / np.abs(np.linalg.det(lattice))) ** (1 / 3)
    lattice = lattice * scale[:, None, None]
    pairs = frac[:, :, None] - frac[:, None]
    pairs = (pairs - np.round(pairs)) @ lattice[:, None]  # (B, N, N, 3)
    place = (slots[:, :, None] * n_slots + slots[:, None]) * BINS + np.arange(b)[:, None, None] * n_slots**2 * BINS
    shift = np.zeros((b * n_slots**2 * BINS,))
    for image in product(range(-2, 3), repeat=3):
        d = np.linalg.norm(pairs + (np.array(image, dtype=float) @ lattice)[:, None, None], axis=-1)
        near = (d < REACH) & (d > 1e-3)
        at = d[near] / REACH * BINS - 0.5
        low = np.floor(at).astype(int)
        share, weight, where = at - low, 1 / d[near].clip(0.3) ** 2, place[near]
        for bins, part in ((low, 1 - share), (low + 1, share)):
            inside = (bins >= 0) & (bins < BINS)
            shift += np.bincount(where[inside] + bins[inside], weight[inside] * part[inside], minlength=len(shift))
    kernel = np.exp(-0.5 * (np.arange(-5, 6) / SMEAR) ** 2)
    smooth = np.apply_along_axis(np.convolve, -1, shift.reshape(b, n_slots, n_slots, BINS), kernel / kernel.sum(), "same")
    return (smooth / n).astype(np.float32)


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distance of fingerprints over the sum of their squares, 0 (same) to about 1; the last three axes are summed."""
    squares = lambda x: np.square(x).sum((-1, -2, -3))  # noqa: E731
    return squares(a - b) / (squares(a) + squares(b)).clip(1e-9)
