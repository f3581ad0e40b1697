"""Well-known crystals from space group, lattice parameters and occupied sites.

`STRUCTURES["rock salt NaCl"]()` gives the conventional cell at room temperature. Each prototype carries the
source of its numbers; the tests hold space group, density and nearest distance against measured values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.structures.crystal import Crystal
from core.structures.formula import atomic_numbers
from core.structures.space_groups import operations

Cell = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Prototype:
    """What a crystallographer writes down to define a crystal; calling it builds the conventional cell.

    spacegroup: Hermann-Mauguin symbol; cell: (a, b, c) in Å and (alpha, beta, gamma) in degrees;
    sites: (element, (x, y, z)) of one atom per orbit, fractional; structure_type: the name of the family.
    """

    name: str
    structure_type: str
    spacegroup: str
    cell: Cell
    sites: tuple[tuple[str, tuple[float, float, float]], ...]
    source: str

    def __call__(self) -> Crystal:
        from pymatgen.core import Lattice

        numbers: list[int] = []
        coords: list[np.ndarray] = []
        for element, site in self.sites:
            orbit = _orbit(self.spacegroup, site)
            numbers += [atomic_numbers()[element]] * len(orbit)
            coords.append(orbit)
        return Crystal(np.array(numbers), np.concatenate(coords), Lattice.from_parameters(*self.cell).matrix)


def _orbit(symbol: str, site: tuple[float, float, float]) -> np.ndarray:
    """(M, 3): the sites that the space group makes of one, each once, in [0, 1)."""
    rotations, translations = operations(symbol)
    images = (rotations @ np.array(site) + translations) % 1.0
    kept: list[np.ndarray] = []
    for image in images:
        gaps = np.array(kept).reshape(-1, 3) - image
        if (np.abs(gaps - np.round(gaps)).max(-1, initial=0) > 1e-4).all():
            kept.append(np.where(np.abs(image - 1) < 1e-9, 0.0, image))
    return np.array(kept)


def _cubic(a: float) -> Cell:
    return (a, a, a, 90.0, 90.0, 90.0)


def _tetragonal(a: float, c: float) -> Cell:
    return (a, a, c, 90.0, 90.0, 90.0)


def _hexagonal(a: float, c: float) -> Cell:
    return (a, a, c, 90.0, 90.0, 120.0)


ORIGIN = (0.0, 0.0, 0.0)
QUARTER = (0.25, 0.25, 0.25)
CENTRE = (0.5, 0.5, 0.5)
THIRD = 1 / 3

_NBS_1 = "Swanson and Tatge, NBS Circular 539, vol. 1 (1953)"
_NBS_2 = "Swanson and Fuyat, NBS Circular 539, vol. 2 (1953)"
_WYCKOFF = "Wyckoff, Crystal Structures, vol. 1, 2nd ed. (1963)"

PROTOTYPES = (
    Prototype("rock salt NaCl", "rock salt", "Fm-3m", _cubic(5.6402), (("Na", ORIGIN), ("Cl", CENTRE)), _NBS_2),
    Prototype("caesium chloride CsCl", "caesium chloride", "Pm-3m", _cubic(4.123), (("Cs", ORIGIN), ("Cl", CENTRE)), _NBS_2),
    Prototype("zinc blende ZnS", "zinc blende", "F-43m", _cubic(5.4060), (("Zn", ORIGIN), ("S", QUARTER)), _NBS_2),
    Prototype(
        "wurtzite ZnS",
        "wurtzite",
        "P6_3mc",
        _hexagonal(3.8227, 6.2607),
        (("Zn", (THIRD, 2 * THIRD, 0.0)), ("S", (THIRD, 2 * THIRD, 0.3748))),
        "Kisi and Elcombe, Acta Cryst. C 45, 1867 (1989)",
    ),
    Prototype(
        "gallium arsenide GaAs",
        "zinc blende",
        "F-43m",
        _cubic(5.6533),
        (("Ga", ORIGIN), ("As", QUARTER)),
        "Blakemore, J. Appl. Phys. 53, R123 (1982)",
    ),
    Prototype("fluorite CaF2", "fluorite", "Fm-3m", _cubic(5.4626), (("Ca", ORIGIN), ("F", QUARTER)), _NBS_1),
    Prototype(
        "rutile TiO2",
        "rutile",
        "P4_2/mnm",
        _tetragonal(4.5937, 2.9587),
        (("Ti", ORIGIN), ("O", (0.3048, 0.3048, 0.0))),
        "Abrahams and Bernstein, J. Chem. Phys. 55, 3206 (1971)",
    ),
    Prototype(
        "perovskite SrTiO3",
        "cubic perovskite",
        "Pm-3m",
        _cubic(3.905),
        (("Sr", ORIGIN), ("Ti", CENTRE), ("O", (0.5, 0.5, 0.0))),
        "Okazaki and Kawaminami, Mater. Res. Bull. 8, 545 (1973)",
    ),
    Prototype(
        "spinel MgAl2O4",
        "spinel",
        "Fd-3m",
        _cubic(8.0806),
        (("Mg", ORIGIN), ("Al", (0.625,) * 3), ("O", (0.2624 + 0.125,) * 3)),  # origin choice 1
        "Peterson, Lager and Hitterman, Am. Mineral. 76, 1455 (1991)",
    ),
    Prototype(
        "layered LiCoO2",
        "alpha-NaFeO2",
        "R-3m",
        _hexagonal(2.8166, 14.052),
        (("Li", (0.0, 0.0, 0.5)), ("Co", ORIGIN), ("O", (0.0, 0.0, 0.2603))),
        "Orman and Wiseman, Acta Cryst. C 40, 12 (1984)",
    ),
    Prototype("diamond C", "diamond", "Fd-3m", _cubic(3.5667), (("C", ORIGIN),), _WYCKOFF),
    Prototype("silicon Si", "diamond", "Fd-3m", _cubic(5.43102), (("Si", ORIGIN),), "CODATA 2018, lattice parameter of silicon"),
    Prototype(
        "graphite C",
        "graphite",
        "P6_3/mmc",
        _hexagonal(2.464, 6.711),
        (("C", (0.0, 0.0, 0.25)), ("C", (THIRD, 2 * THIRD, 0.25))),
        "Trucano and Chen, Nature 258, 136 (1975)",
    ),
    Prototype(
        "hexagonal BN",
        "hexagonal boron nitride",
        "P6_3/mmc",
        _hexagonal(2.504, 6.661),
        (("B", (THIRD, 2 * THIRD, 0.25)), ("N", (THIRD, 2 * THIRD, 0.75))),
        "Pease, Acta Cryst. 5, 356 (1952)",
    ),
    Prototype(
        "layered MoS2",
        "molybdenite 2H",
        "P6_3/mmc",
        _hexagonal(3.1602, 12.294),
        (("Mo", (THIRD, 2 * THIRD, 0.25)), ("S", (THIRD, 2 * THIRD, 0.621))),
        "Bronsema, De Boer and Jellinek, Z. Anorg. Allg. Chem. 540, 15 (1986)",
    ),
    Prototype(
        "nickel arsenide NiAs",
        "nickel arsenide",
        "P6_3/mmc",
        _hexagonal(3.602, 5.009),
        (("Ni", ORIGIN), ("As", (THIRD, 2 * THIRD, 0.25))),
        _WYCKOFF,
    ),
    Prototype(
        "rock salt MgO",
        "rock salt",
        "Fm-3m",
        _cubic(4.211),
        (("Mg", ORIGIN), ("O", CENTRE)),
        "Hazen, Am. Mineral. 61, 266 (1976)",
    ),
    Prototype(
        "wurtzite ZnO",
        "wurtzite",
        "P6_3mc",
        _hexagonal(3.2501, 5.2071),
        (("Zn", (THIRD, 2 * THIRD, 0.0)), ("O", (THIRD, 2 * THIRD, 0.3817))),
        "Kisi and Elcombe, Acta Cryst. C 45, 1867 (1989)",
    ),
    Prototype(
        "quartz SiO2",
        "quartz",
        "P3_221",
        _hexagonal(4.916, 5.4054),
        (("Si", (0.4697, 0.0, 2 * THIRD)), ("O", (0.4135, 0.2669, 0.1191 + 2 * THIRD))),
        "Levien, Prewitt and Weidner, Am. Mineral. 65, 920 (1980)",
    ),
    Prototype(
        "copper Cu", "face-centred cubic", "Fm-3m", _cubic(3.6149), (("Cu", ORIGIN),), "Straumanis and Yu, Acta Cryst. A 25, 676 (1969)"
    ),
    Prototype("iron Fe", "body-centred cubic", "Im-3m", _cubic(2.8665), (("Fe", ORIGIN),), _WYCKOFF),
    Prototype(
        "magnesium Mg",
        "hexagonal close packed",
        "P6_3/mmc",
        _hexagonal(3.2094, 5.2103),
        (("Mg", (THIRD, 2 * THIRD, 0.25)),),
        "Walker and Marezio, Acta Metall. 7, 769 (1959)",
    ),
)

STRUCTURES: dict[str, Prototype] = {prototype.name: prototype for prototype in PROTOTYPES}
