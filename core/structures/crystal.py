"""A crystal, and a crystal changing in time: plain arrays of one unit cell.

Atomic number 0 stands for an atom whose element is not decided yet (masked). Such a cell can be drawn and
stored but has no density and no pymatgen counterpart.

| symbol | name | shape, unit |
|---|---|---|
| A, the types | numbers | (N,), atomic numbers from 0 (masked) to MAX_NUMBER |
| F, fractional coordinates | frac_coords | (N, 3), the position is F @ L |
| L, the cell | lattice | (3, 3), Å, rows are the vectors a, b, c |
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from core.structures.elements import MASKED, MAX_NUMBER, SYMBOLS, atomic_masses
from core.structures.formula import formula_of

if TYPE_CHECKING:
    from pymatgen.core import Structure

GRAMS_PER_CM3 = 1.66053906660  # 1 u/Å^3 in g/cm^3 (CODATA 2018)


def _array(values: ArrayLike, name: str, dtype: DTypeLike, shape: tuple[int | None, ...]) -> np.ndarray:
    """`values` as a read-only array of its own; None in `shape` leaves that length free.

    Raises ValueError for a wrong shape, for numbers that are not finite and for broken whole numbers.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be an array of numbers") from None
    if len(shape) != array.ndim or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("N" if want is None else str(want) for want in shape)
        raise ValueError(f"{name} has shape {array.shape}, expected ({wanted})")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains numbers that are not finite")
    if np.issubdtype(dtype, np.integer) and (array != np.round(array)).any():
        raise ValueError(f"{name} must be whole numbers")
    array = np.array(array, dtype=dtype)
    array.flags.writeable = False
    return array


def _check_numbers(numbers: np.ndarray) -> None:
    if numbers.size == 0:
        raise ValueError("a crystal needs at least one atom")
    if numbers.min() < MASKED or numbers.max() > MAX_NUMBER:
        raise ValueError(f"atomic numbers must lie in {MASKED}..{MAX_NUMBER} (0 = masked; nothing is known here of heavier elements)")


@dataclass(frozen=True, eq=False)
class Crystal:
    """One unit cell.

    numbers (N,), frac_coords (N, 3) (any real value; wrapped only when drawn), lattice (3, 3) in Å.
    The arrays are copied and read-only. Raises ValueError for wrong shapes, non-finite numbers,
    unknown elements and for a cell without volume.
    """

    numbers: np.ndarray
    frac_coords: np.ndarray
    lattice: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", _array(self.numbers, "numbers", np.int64, (None,)))
        object.__setattr__(self, "frac_coords", _array(self.frac_coords, "frac_coords", np.float64, (len(self.numbers), 3)))
        object.__setattr__(self, "lattice", _array(self.lattice, "lattice", np.float64, (3, 3)))
        _check_numbers(self.numbers)
        if self.volume < 1e-9:
            raise ValueError("the lattice vectors span no volume")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Crystal) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ("numbers", "frac_coords", "lattice")
        )

    @property
    def n_atoms(self) -> int:
        return len(self.numbers)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element symbol of every atom, "X" for a masked one."""
        return tuple(symbol(number) for number in self.numbers)

    @property
    def formula(self) -> str:
        """Content of the whole cell in the order in which elements first appear, `Sr1 Ti1 O3`."""
        return formula_of(self.numbers)

    @property
    def volume(self) -> float:
        """Å^3"""
        return float(abs(np.linalg.det(self.lattice)))

    @property
    def density(self) -> float:
        """g/cm^3; ValueError while an atom is masked."""
        self._needs_elements("density")
        masses = float(atomic_masses()[self.numbers].sum())
        return masses / self.volume * GRAMS_PER_CM3

    @cached_property
    def nearest_distance(self) -> float:
        """Å, the shortest distance between two atoms of the infinite crystal, images of one atom included.

        Exact for skewed cells too: the basis is first LLL-reduced, then images are searched as far as the
        heights of the reduced cell require.
        """
        from pymatgen.core import Lattice

        basis = Lattice(self.lattice).get_lll_reduced_lattice().matrix
        inverse = np.linalg.inv(basis)
        positions = (self.frac_coords @ self.lattice @ inverse % 1.0) @ basis
        nearest = np.linalg.norm(basis, axis=1).min()  # an atom and its own image
        reach = np.ceil(nearest * np.linalg.norm(inverse, axis=0)).astype(int)
        first, second = np.triu_indices(len(positions), 1)
        pairs = positions[first] - positions[second]
        squared = nearest**2
        for shift in product(*(range(-n, n + 1) for n in reach)):
            gaps = pairs + np.array(shift) @ basis
            squared = min(squared, np.einsum("pk,pk->p", gaps, gaps).min(initial=np.inf))
        nearest = np.sqrt(squared)
        return float(nearest)

    def to_pymatgen(self) -> Structure:
        """pymatgen Structure; ValueError while an atom is masked."""
        from pymatgen.core import Structure

        self._needs_elements("a pymatgen structure")
        return Structure(self.lattice, list(self.symbols), self.frac_coords)

    @classmethod
    def from_pymatgen(cls, structure: Structure) -> Crystal:
        """Ordered structures only; ValueError names the first site with partial or mixed occupancy."""
        for i, site in enumerate(structure):
            if not site.is_ordered:
                raise ValueError(f"site {i + 1} is partly or doubly occupied ({site.species_string})")
        return cls(np.array([site.specie.Z for site in structure]), structure.frac_coords, structure.lattice.matrix)

    def to_cif(self) -> str:
        """Every atom of the cell in its order, without symmetry; the formula is the content of the cell, in one unit. ValueError while an
        atom is masked."""
        from pymatgen.core import Lattice

        self._needs_elements("a CIF file")
        cell = zip(("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"), Lattice(self.lattice).parameters)
        rows = [
            f"{name}{i} {name} {x:.8f} {y:.8f} {z:.8f} 1"
            for i, (name, (x, y, z)) in enumerate(zip(self.symbols, self.frac_coords, strict=True), start=1)
        ]
        columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
        lines = [
            f"data_{self.formula.replace(' ', '')}",
            f"_chemical_formula_sum '{self.formula}'",
            "_cell_formula_units_Z 1",
            *(f"_cell_{name} {value:.8f}" for name, value in cell),
            f"_cell_volume {self.volume:.6f}",
            "_symmetry_space_group_name_H-M 'P 1'",
            "loop_",
            "_symmetry_equiv_pos_as_xyz",
            "'x, y, z'",
            "loop_",
            *(f"_atom_site_{name}" for name in columns),
            *rows,
        ]
        return "\n".join(lines) + "\n"

    def to_poscar(self) -> str:
        """VASP 5: neighbours in the list of one element are counted together, the order of the atoms stays."""
        self._needs_elements("a POSCAR file")
        runs = [(name, len(list(run))) for name, run in groupby(self.symbols)]
        cell, places = ("\n".join(" ".join(f"{value:14.8f}" for value in row) for row in rows) for rows in (self.lattice, self.frac_coords))
        names, counts = (" ".join(map(str, part)) for part in zip(*runs, strict=True))
        return f"{self.formula}\n1.0\n{cell}\n{names}\n{counts}\ndirect\n{places}\n"

    def to_extxyz(self) -> str:
        """Extended XYZ (positions in Å, periodic in all directions)."""
        self._needs_elements("an extended XYZ file")
        return _extxyz(self)

    def _needs_elements(self, what: str) -> None:
        if (self.numbers == MASKED).any():
            raise ValueError(f"{what} needs the element of every atom; {int((self.numbers == MASKED).sum())} are still masked")


def _extxyz(crystal: Crystal, more: str = "") -> str:
    cell = " ".join(f"{value:.8f}" for value in crystal.lattice.ravel())
    rows = [
        f"{name:<2} {x:14.8f} {y:14.8f} {z:14.8f}"
        for name, (x, y, z) in zip(crystal.symbols, crystal.frac_coords @ crystal.lattice, strict=True)
    ]
    header = f'Lattice="{cell}" Properties=species:S:1:pos:R:3 pbc="T T T"{more}'
    return "\n".join([str(crystal.n_atoms), header, *rows]) + "\n"


@dataclass(frozen=True, eq=False)
class CrystalTrajectory:
    """T states of one unit cell of N atoms, in the order in which a sampler visited them.

    times (T,), numbers (T, N), frac_coords (T, N, 3), lattices (T, 3, 3) in Å.
    Raises ValueError as Crystal does.
    """

    times: np.ndarray
    numbers: np.ndarray
    frac_coords: np.ndarray
    lattices: np.ndarray

    def __post_init__(self) -> None:
        times = _array(self.times, "times", np.float64, (None,))
        if len(times) == 0:
            raise ValueError("a trajectory needs at least one frame")
        numbers = _array(self.numbers, "numbers", np.int64, (len(times), None))
        checked = {
            "times": times,
            "numbers": numbers,
            "frac_coords": _array(self.frac_coords, "frac_coords", np.float64, (*numbers.shape, 3)),
            "lattices": _array(self.lattices, "lattices", np.float64, (len(times), 3, 3)),
        }
        _check_numbers(numbers)
        flat = np.flatnonzero(abs(np.linalg.det(checked["lattices"])) < 1e-9)
        if len(flat):
            raise ValueError(f"the lattice vectors of frame {flat[0]} span no volume")
        for name, array in checked.items():
            object.__setattr__(self, name, array)

    @property
    def n_frames(self) -> int:
        return len(self.times)

    @property
    def n_atoms(self) -> int:
        return self.numbers.shape[1]

    @property
    def final(self) -> Crystal:
        return self.frame(-1)

    def frame(self, i: int) -> Crystal:
        """The i-th stored state; IndexError beyond the ends."""
        return Crystal(self.numbers[i], self.frac_coords[i], self.lattices[i])

    def moved(self, shift: ArrayLike) -> CrystalTrajectory:
        """The same path with the origin elsewhere: `shift` (3,) is added to all fractional coordinates."""
        return CrystalTrajectory(self.times, self.numbers, self.frac_coords + np.asarray(shift, float), self.lattices)

    def to_extxyz(self) -> str:
        """All states, one after the other, as extended XYZ with `time`; atoms whose element is not decided yet are X."""
        return "".join(_extxyz(self.frame(i), f" time={self.times[i]:.6g}") for i in range(self.n_frames))

    @classmethod
    def still(cls, crystal: Crystal) -> CrystalTrajectory:
        """A trajectory of one frame, for showing a finished crystal."""
        return cls(np.zeros(1), crystal.numbers[None], crystal.frac_coords[None], crystal.lattice[None])


def symbol(number: int) -> str:
    """Element symbol of an atomic number, "X" for the masked atom (0)."""
    return SYMBOLS[int(number)]
