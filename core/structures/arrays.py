"""Many crystals in flat arrays: the layout of the data files and of everything the commands write.

One entry per atom: `numbers` (uint8), `frac_coords` (float32, in [0, 1)). One entry per structure: `lattice`
(float32, 3 x 3, rows are vectors in Å), `num_atoms` (int32), and any further columns. Structure i owns the atoms
offset[i]:offset[i+1], offset = concatenate([[0], cumsum(num_atoms)]).
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from core.numerics.files import whole
from core.structures.crystal import Crystal


class ArrayFileError(ValueError):
    """A file that does not hold crystals in this layout; the message names the file and the fault."""


@dataclass(frozen=True, eq=False)
class CrystalArrays:
    numbers: np.ndarray
    frac_coords: np.ndarray
    lattice: np.ndarray
    num_atoms: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_atoms, n = len(self.numbers), len(self.num_atoms)
        wrong = [
            name
            for name, shape, want in (
                ("numbers", self.numbers.shape, (n_atoms,)),
                ("frac_coords", self.frac_coords.shape, (n_atoms, 3)),
                ("lattice", self.lattice.shape, (n, 3, 3)),
                ("num_atoms", self.num_atoms.shape, (n,)),
                *((name, column.shape[:1], (n,)) for name, column in self.columns.items()),
            )
            if shape != want
        ]
        if wrong:
            raise ArrayFileError(f"the length of {', '.join(wrong)} does not fit the other arrays")
        if int(self.num_atoms.sum()) != n_atoms:
            raise ArrayFileError(f"num_atoms adds up to {int(self.num_atoms.sum())}, but there are {n_atoms} atoms")

    def __len__(self) -> int:
        return len(self.num_atoms)

    @property
    def offset(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.num_atoms)])

    @property
    def dev(self) -> np.ndarray:
        """(n,) bool: structures kept aside, by the column of that name; none where there is no such column."""
        return np.asarray(self.columns.get("dev", np.zeros(len(self), bool))).astype(bool)

    def crystal(self, i: int) -> Crystal:
        start, end = self.offset[i], self.offset[i + 1]
        return Crystal(self.numbers[start:end], self.frac_coords[start:end], self.lattice[i])

    def select(self, which: np.ndarray) -> CrystalArrays:
        """The structures `which` (indices or a boolean mask), in that order."""
        which = np.flatnonzero(which) if np.asarray(which).dtype == bool else np.asarray(which, dtype=int)
        offset = self.offset
        atoms = np.concatenate([np.arange(offset[i], offset[i + 1]) for i in which] or [np.zeros(0, int)])
        return CrystalArrays(
            self.numbers[atoms],
            self.frac_coords[atoms],
            self.lattice[which],
            self.num_atoms[which],
            {name: column[which] for name, column in self.columns.items()},
        )

    def save(self, path: Path | str) -> None:
        """`path` is never half a file."""
        with whole(path) as part, open(part, "wb") as file:  # numpy would add .npz to other names
            np.savez_compressed(
                file,
                numbers=self.numbers.astype(np.uint8),
                frac_coords=self.frac_coords.astype(np.float32),
                lattice=self.lattice.astype(np.float32),
                num_atoms=self.num_atoms.astype(np.int32),
                **self.columns,  # type: ignore[arg-type]  # no column is named like numpy's own keyword allow_pickle
            )


def from_crystals(crystals: Sequence[Crystal], **columns: ArrayLike) -> CrystalArrays:
    """Coordinates are wrapped into [0, 1), also after rounding to float32."""
    frac = np.concatenate([c.frac_coords for c in crystals] or [np.zeros((0, 3))]).astype(np.float32) % 1.0
    return CrystalArrays(
        np.concatenate([c.numbers for c in crystals] or [np.zeros(0, int)]).astype(np.uint8),
        np.where(frac >= 1.0, 0.0, frac).astype(np.float32),
        np.array([c.lattice for c in crystals], dtype=np.float32).reshape(-1, 3, 3),
        np.array([c.n_atoms for c in crystals], dtype=np.int32),
        {name: np.asarray(column) for name, column in columns.items()},
    )


def load_arrays(path: Path | str, *, as_predicted: bool = False) -> CrystalArrays:
    """Raises ArrayFileError for a missing, broken or wrongly laid out file; never unpickles.

    as_predicted: structures that are none (numbers that are not finite) may be in it.
    """
    try:
        with open(path, "rb") as stream, np.lib.npyio.NpzFile(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except OSError as error:
        raise ArrayFileError(f"{path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError):
        raise ArrayFileError(f"{path} is not an .npz file of crystals; `n2c data prepare` makes one from a CSV file") from None
    missing = [name for name in ("numbers", "frac_coords", "lattice", "num_atoms") if name not in arrays]
    if missing:
        raise ArrayFileError(f"{path}: no array named {', '.join(missing)}")
    try:
        for name, array in arrays.items():
            if array.ndim == 0 or np.iscomplexobj(array):
                raise ArrayFileError(f"{name} is {'a single number' if array.ndim == 0 else 'complex'}")
        numbers, frac_coords, lattice, num_atoms = (arrays.pop(name) for name in ("numbers", "frac_coords", "lattice", "num_atoms"))
        found = CrystalArrays(numbers, frac_coords, lattice, _counts(num_atoms), arrays)
        return found if as_predicted else _checked(found)
    except ArrayFileError as error:
        raise ArrayFileError(f"{path}: {error}") from None


def _counts(num_atoms: np.ndarray) -> np.ndarray:
    """Whole numbers, also where a file holds them as floats. Raises ArrayFileError."""
    if not np.issubdtype(num_atoms.dtype, np.number) or not np.isfinite(num_atoms).all() or (num_atoms % 1 != 0).any():
        raise ArrayFileError("num_atoms holds something else than whole numbers")
    return num_atoms.astype(np.int64)


def _checked(arrays: CrystalArrays) -> CrystalArrays:
    """Raises ArrayFileError for cells or places that are no numbers, naming the first structure."""
    broken = ~np.isfinite(arrays.lattice).all((1, 2))
    owners = np.repeat(np.arange(len(arrays)), arrays.num_atoms)
    broken[owners[~np.isfinite(arrays.frac_coords).all(1)]] = True
    if broken.any():
        raise ArrayFileError(f"structure {int(broken.argmax())} has a cell or coordinates that are no numbers")
    return arrays
