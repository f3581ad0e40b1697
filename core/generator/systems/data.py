"""What the miniatures learn from: crystals of a prepared pool, rows marked `dev` (the validation split) kept aside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.structures.arrays import ArrayFileError, CrystalArrays, load_arrays
from core.structures.crystal import Crystal


@dataclass(frozen=True)
class Pool:
    """crystals with their space groups; train and dev: rows, none of both."""

    crystals: list[Crystal]
    groups: np.ndarray
    train: np.ndarray
    dev: np.ndarray


def read_pool(path: Path, *, max_atoms: int = 20) -> Pool:
    """Crystals of at most max_atoms atoms whose space group is known. Raises ArrayFileError where one of the two parts is empty."""
    data: CrystalArrays = load_arrays(path)
    if "spacegroup" not in data.columns:
        raise ArrayFileError(f"{path}: no column spacegroup; `n2c data prepare` writes one")
    groups = np.asarray(data.columns["spacegroup"]).astype(int)
    use = np.flatnonzero((groups > 0) & (data.num_atoms <= max_atoms))
    data, groups = data.select(use), groups[use]
    dev = data.dev
    if not dev.any() or dev.all():
        raise ArrayFileError(f"{path}: crystals are needed to learn from and others, marked dev, to measure on")
    return Pool([data.crystal(i) for i in range(len(data))], groups, np.flatnonzero(~dev), np.flatnonzero(dev))
