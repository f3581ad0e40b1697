"""What is known of a formula: crystals of its content, how many formula units their cells hold, which structure a crystal is nearest to.

Known are the crystals built in code and the entries of a library (AFLOW's prototypes, or the user's own file).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np

from core.generator.baselines.library import open_library
from core.generator.baselines.substitution import by_count
from core.metrics.comparison import known_like
from core.metrics.matching import found_rms
from core.structures.builtin import PROTOTYPES
from core.structures.crystal import Crystal
from core.structures.formula import parse_formula, reduced

MOST = 24  # crystals of one content that are looked at: comparing takes some 20 ms each
BUILT = frozenset(prototype.name for prototype in PROTOTYPES)


@dataclass(frozen=True)
class Units:
    """One number z of formula units in a primitive cell that known crystals have. names: those of this very formula, best known first;
    often: crystals of this stoichiometry, whatever their elements.
    """

    z: int
    names: tuple[str, ...]
    often: int


def formula_unit(numbers: Iterable[int]) -> tuple[tuple[int, ...], int]:
    """(atoms of one formula unit in the order of first appearance, formula units Z): Zn2 O2 -> ((30, 8), 2)."""
    counts = Counter(int(z) for z in numbers)
    units = gcd(*counts.values())
    return tuple(z for z, n in counts.items() for _ in range(n // units)), units


def says_ratio(text: str) -> bool:
    """Does a formula say in which ratio elements stand, as MgO and Al2O3 do, rather than what is in a cell, as Mg1 O1 and Na4 Cl4 do?

    Nobody writes a 1 in a ratio. Raises FormulaError.
    """
    return formula_unit(parse_formula(text))[1] == 1 and not re.search(r"(?<![\d.])1(?![\d.])", text)


def known_crystals(numbers: Iterable[int], library: str | None = None) -> dict[str, Crystal]:
    """The known crystals of this reduced formula by name, the well-known ones that are built in code first. Raises ArrayFileError."""
    return {name: crystal for name, crystal, _ in _known(reduced(numbers), library)}


def known_to_match(numbers: Sequence[int], library: str | None = None) -> dict[str, Crystal]:
    """Those that a crystal with these atoms can be: their primitive cell holds as many formula units, or a divisor of that. The best known
    one of the formula alone where there are none.
    """
    found, (_, units) = _known(reduced(numbers), library), formula_unit(numbers)
    return {name: crystal for name, crystal, z in found if units % z == 0} or {name: crystal for name, crystal, _ in found[:1]}


@lru_cache(maxsize=256)
def _known(content: tuple[tuple[int, int], ...], path: str | None) -> tuple[tuple[str, Crystal, int], ...]:
    """(name, crystal, formula units in its primitive cell) of each."""
    unit = [z for z, n in content for _ in range(n)]
    found = dict(known_like(Crystal(np.array(unit), np.zeros((len(unit), 3)), np.eye(3))))
    library = open_library(path)
    smallest: dict[str, Crystal] = {}
    for row in _rows(unit, path):
        name = _entry(path, row)
        if name in BUILT or library.arrays.num_atoms[row] > smallest.get(name, library.arrays.crystal(row)).n_atoms:
            continue  # the same crystal in a larger cell
        smallest[name] = library.arrays.crystal(row)
    return tuple((name, crystal, _primitive_units(crystal)) for name, crystal in list((found | smallest).items())[:MOST])


def _rows(unit: Sequence[int], path: str | None) -> list[int]:
    """Rows of the library with this content, in any number of formula units."""
    library, (elements, counts) = open_library(path), by_count(unit)
    rows: list[int] = []
    for others, (entries, kinds) in library.groups.items():
        if len(others) == len(counts) and np.array_equal(np.array(others) // gcd(*others), counts):
            same = (np.sort(kinds, 1) == np.sort(elements)).all(1)
            rows += [int(row) for row in entries[same] if reduced(library.arrays.crystal(int(row)).numbers) == reduced(unit)]
    return rows


def _entry(path: str | None, row: int) -> str:
    """What a library calls one of its entries; its row where it has no names."""
    columns = open_library(path).arrays.columns
    return next((str(columns[column][row]) for column in ("name", "material_id") if column in columns), f"entry {row}")


def formula_units(
    numbers: Iterable[int], stoichiometries: Mapping[tuple[int, ...], int], *, sizes: Container[int], library: str | None = None
) -> list[Units]:
    """Numbers of formula units that cells of known crystals hold: those of this very formula first, then of its stoichiometry, each the
    commonest first, a well-known crystal before all.

    stoichiometries: counts of the kinds in a primitive cell, the most frequent kind first -> in how many crystals, such as
    `CompositionModel.stoichiometries`; the library's entries are added. sizes: numbers of atoms that a cell may have.
    Raises ArrayFileError.
    """
    unit, _ = formula_unit(numbers)
    counts = by_count(unit)[1]
    often: Counter[int] = Counter()
    for others, n in stoichiometries.items():
        if tuple(count // gcd(*others) for count in others) == counts:
            often[gcd(*others)] += n
    for others, (rows, _) in open_library(library).groups.items():
        if tuple(count // gcd(*others) for count in others) == counts:
            often[gcd(*others)] += len(rows)
    named: dict[int, list[str]] = {}
    for name, _, z in _known(reduced(unit), library):
        named.setdefault(z, []).append(name)
    found = [Units(z, tuple(named.get(z, ())), often[z]) for z in {*often, *named} if z * len(unit) in sizes]
    return sorted(found, key=lambda one: (-sum(name in BUILT for name in one.names), -len(one.names), -one.often, one.z))


def _primitive_units(crystal: Crystal) -> int:
    """Formula units in the primitive cell."""
    return formula_unit(int(site.specie.Z) for site in crystal.to_pymatgen().get_primitive_structure())[1]


def nearest_structure(crystal: Crystal, library: str | None = None) -> tuple[str, float] | None:
    """(name, rms) of the known structure that the benchmark's matcher maps onto `crystal` most closely, its elements exchanged for those of
    the crystal; None where it maps none. rms in units of (V/N)^(1/3).

    Every structure type that the library has of this stoichiometry is tried (`Library.types`), in cells of as many formula units as the
    crystal's own or a divisor of them. Of those that differ by less than 0.01 the one with the more similar elements is named.
    Raises ArrayFileError.
    """
    unit, units = formula_unit(crystal.numbers)
    entries = open_library(library)
    found: list[tuple[float, float, str, float]] = []
    for z in range(1, units + 1):
        if units % z or (types := entries.types(unit * z)) is None:
            continue
        for at in types.first:
            row = int(types.neighbours.rows[at])
            rms = found_rms(crystal, entries.substituted(unit * z, row, types.neighbours.elements[at]))
            if rms is not None:
                found.append((round(rms, 2), float(types.neighbours.distances[at]), _entry(library, row), rms))
    return min(found)[2:] if found else None
