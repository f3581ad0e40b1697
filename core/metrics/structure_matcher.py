"""pymatgen's StructureMatcher, with maps that symmetry makes equal tried once: the same answers in half of the time.

The matcher tries every cell of one structure that resembles the cell A of the other, the target, and lays one atom of the second structure
on every atom of its element in the first. Where W is a symmetry of the target, the cells M and W^T M are one map in two wordings: same
displacements, same mean cell. Two conditions: W permutes or reverses axes (the mean cell averages lengths and angles, which other
changes of basis do not leave alone), and it leaves the chosen atom in its place, if that is the target's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import permutations, product
from typing import Any

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.util.coord import lattice_points_in_supercell

EXACT = 2e-6  # fractional; the rounding of coordinates stored as float32, not more
MOST_ATOMS = 60  # in a cell whose symmetries are looked for
MOST_POINTS = 1e6  # lattice points to search for similar cells; a cell of 200 atoms and 30 Å needs some thousands
MOST_PAIRS = 1e7  # of such points as the two longer edges: their angles are held in memory at once
_CODE = 97 ** np.arange(9)  # a whole number for every integer matrix with entries below 48


class Matcher(StructureMatcher):
    """Gives the rms, and the verdict, of StructureMatcher. Extreme cells (a needle of thousands of Å), whose similar ones nobody could
    list, are no match.
    """

    def _process_species(self, structures: Iterable[Structure]) -> list[Structure]:
        return list(structures)  # they are made from `Crystal` for this one comparison: no copy is needed

    @classmethod
    def _get_reduced_structure(cls, struct: Any, primitive_cell: bool = True, niggli: bool = True) -> Any:
        reduced = struct.get_reduced_structure(reduction_algo="niggli") if niggli else struct  # nearly all are asked for once: no cache
        return reduced.get_primitive_structure() if primitive_cell else reduced

    def _get_supercells(self, struct1: Structure, struct2: Structure, fu: int, s1_supercell: bool) -> Iterator[tuple[Any, Any, Any, Any]]:
        changed, target = (struct1, struct2) if s1_supercell else (struct2, struct1)
        fixed = self._get_mask(struct1, struct2, fu, s1_supercell)[2] if s1_supercell else None
        for fractional, mean, matrix in self._cells(changed, target, fu, fixed):
            pair = fractional, np.array(target.frac_coords)
            yield *(pair if s1_supercell else pair[::-1]), mean, matrix

    def _cells(self, changed: Structure, target: Structure, fu: int, fixed: int | None) -> Iterator[tuple[np.ndarray, Lattice, np.ndarray]]:
        """(fractional coordinates, mean cell, matrix) of `changed` in every cell that resembles the target's, one of each equal few."""
        reach = max(target.lattice.abc) * (1 + self.ltol)
        if 4 / 3 * math.pi * reach**3 > MOST_POINTS * changed.lattice.volume:
            return
        found = list(self._get_lattices(target.lattice, changed, fu))
        groups = _axis_permutations(target, fixed) if len(found) > 2 else np.eye(3, dtype=int)[None]
        seen = set()
        cart, fractional, parameters = changed.cart_coords, np.array(changed.frac_coords), np.array(target.lattice.parameters)
        for lattice, matrix in found:
            key = (groups @ np.round(matrix).astype(int)).reshape(len(groups), 9) @ _CODE
            if int(key.min()) in seen:
                continue
            seen.add(int(key.min()))
            if fu == 1:
                places = lattice.get_fractional_coords(cart)
            else:
                inner = lattice_points_in_supercell(matrix)
                places = (np.dot(fractional, np.linalg.inv(matrix))[:, None, :] + inner[None, :, :]).reshape(-1, 3)
            yield places - np.floor(places), Lattice.from_parameters(*((np.array(lattice.parameters) + parameters) / 2)), matrix


def searchable(lattice: np.ndarray) -> bool:
    """Can the cells that resemble this one (3, 3), rows in Å, be listed? Not those of a needle of thousands of Å, or of a plate as wide."""
    if _few(lattice):
        return True
    return _few(Lattice(lattice).get_lll_reduced_lattice().matrix)  # a skewed cell may be compact


def _few(lattice: np.ndarray) -> bool:
    """Lattice points within reach (ltol = 0.3) of the longest edge, and pairs of those about as long as the two longer edges."""
    edges, volume = np.sort(np.linalg.norm(lattice, axis=1)), float(abs(np.linalg.det(lattice)))
    points = 4 / 3 * math.pi * (1.3 * edges) ** 3 / volume
    return bool(points[2] <= MOST_POINTS and max(points[1], 1) * points[2] <= MOST_PAIRS)


@cache
def _signed_permutations() -> np.ndarray:
    """(48, 3, 3) integer matrices that permute and reverse axes."""
    return np.array(
        [np.eye(3, dtype=int)[list(order)] * np.array(signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]
    )


def _axis_permutations(structure: Structure, fixed: int | None) -> np.ndarray:
    """(k, 3, 3) W^T for the symmetries of a structure that only permute and reverse its axes and leave an atom in its place: `fixed`, or
    the first one of the rarest element. The identity is among them.
    """
    numbers, places = np.array([site.specie.Z for site in structure]), structure.frac_coords
    if len(numbers) > MOST_ATOMS:
        return np.eye(3, dtype=int)[None]
    if fixed is None:
        kinds, first, counts = np.unique(numbers, return_index=True, return_counts=True)
        fixed = int(first[counts.argmin()])
    metric = structure.lattice.matrix @ structure.lattice.matrix.T
    transposed = _signed_permutations()
    transposed = transposed[np.abs(transposed @ metric @ transposed.transpose(0, 2, 1) - metric).max((1, 2)) < EXACT * np.trace(metric)]
    around = places - places[fixed]
    gaps = (around @ transposed)[:, :, None] - around
    meets = (np.abs(gaps - np.round(gaps)).max(-1) < EXACT) & (numbers[:, None] == numbers)
    return transposed[meets.any(2).all(1)]
