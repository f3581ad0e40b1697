"""A crystal as crystallographers write it: space group, conventional cell, one atom of each orbit; and back.

| part | name |
|---|---|
| the operations of the group in its first setting | structures.space_groups.operations |
| crystal -> conventional cell and one atom per orbit | symmetrised |
| the site's own operations move it onto its special position, all operations then make the orbit | orbit |
| conventional cell -> all atoms | Symmetrised.crystal |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.structures.crystal import Crystal
from core.structures.elements import element_features
from core.structures.space_groups import asked_spglib, operations

SYMPREC = 0.1  # Å, as the groups of the pool were found
NEAR = 0.03  # of the cell: images of a site that lie so near to it are the site itself
ELECTRONEGATIVITY = 2  # column of `element_features`


@dataclass(frozen=True)
class Symmetrised:
    """group 1 to 230; lengths in Å and angles in degrees of the conventional cell; sites (atomic number, (x, y, z))."""

    group: int
    lengths: tuple[float, float, float]
    angles: tuple[float, float, float]
    sites: tuple[tuple[int, tuple[float, float, float]], ...]

    @property
    def lattice(self) -> np.ndarray:
        """(3, 3) rows in Å. Raises ValueError for angles that no cell has."""
        return lattice_of(self.lengths, self.angles)

    def crystal(self) -> Crystal:
        """All atoms of the conventional cell. Raises ValueError for a cell without volume or without atoms."""
        places = [(z, place) for z, site in self.sites for place in orbit(self.group, site)]
        if not places:
            raise ValueError("there are no atoms in the cell")
        return Crystal(np.array([z for z, _ in places]), np.array([place for _, place in places]), self.lattice)


def lattice_of(lengths: Sequence[float], angles: Sequence[float]) -> np.ndarray:
    """(3, 3): rows a along x, b in the xy plane. Raises ValueError for angles that no cell has."""
    (a, b, c), (alpha, beta, gamma) = lengths, np.radians(angles)
    x, y = np.cos(beta), (np.cos(alpha) - np.cos(beta) * np.cos(gamma)) / np.sin(gamma)
    if (left := 1 - x * x - y * y) <= 1e-4:
        raise ValueError(f"no cell has the angles {', '.join(f'{angle:g}' for angle in angles)}")
    return np.array([[a, 0, 0], [b * np.cos(gamma), b * np.sin(gamma), 0], [c * x, c * y, c * np.sqrt(left)]])


def orbit(group: int, site: Sequence[float]) -> np.ndarray:
    """(M, 3) places in [0, 1) of all atoms that the group makes of one, itself first; a site near a special position is moved onto it."""
    rotations, translations = operations(group)
    place = np.asarray(site, dtype=float)
    gaps = rotations @ place + translations - place
    gaps -= np.round(gaps)
    place = place + gaps[np.abs(gaps).max(-1) < NEAR].mean(0)
    kept: list[np.ndarray] = []
    for image in (rotations @ place + translations) % 1.0:
        apart = np.array(kept).reshape(-1, 3) - image
        if not (np.abs(apart - np.round(apart)).max(-1) < NEAR / 3).any():
            kept.append(image)
    return np.array(kept)


def symmetrised(crystal: Crystal) -> Symmetrised | None:
    """The crystal in its conventional cell; None where spglib finds no symmetry. Orbits by electronegativity, then by place."""
    import spglib

    data = asked_spglib(spglib.get_symmetry_dataset, crystal, SYMPREC)
    if data is None:
        return None
    standard = Crystal(data.std_types, data.std_positions, data.std_lattice)
    again = asked_spglib(spglib.get_symmetry_dataset, standard, SYMPREC / 10)
    if again is None or again.number != data.number:
        return None
    lattice = np.asarray(data.std_lattice)
    lengths = np.linalg.norm(lattice, axis=1)
    unit = lattice / lengths[:, None]
    angles = np.degrees(np.arccos(np.clip([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]], -1, 1)))
    sites = []
    for first in np.unique(again.equivalent_atoms):
        places = np.asarray(data.std_positions)[again.equivalent_atoms == first] % 1.0
        places = np.where(places > 1 - 1e-4, 0.0, places)
        sites.append((int(data.std_types[first]), tuple(float(x) for x in min(places.round(4).tolist()))))
    scale = element_features()[:, ELECTRONEGATIVITY]
    sites.sort(key=lambda site: (scale[site[0]], site[0], site[1]))
    return Symmetrised(int(data.number), tuple(lengths.tolist()), tuple(angles.tolist()), tuple(sites))  # type: ignore[arg-type]
