"""The prototypes that need no download: AFLOW's, which pymatgen carries, and the crystals built in code.

`n2c data prototypes` writes assets/models/prototypes.npz anew from the installed pymatgen.

Source: Mehl et al. 2017, The AFLOW Library of Crystallographic Prototypes (J. Mater. Res. 136, S1), through
`pymatgen.analysis.prototypes`. Each enters as its primitive cell and, where that is another number of atoms, as the cell
in which it is tabulated, so that `Na1 Cl1` and `Na4 Cl4` both find rock salt.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.generator.baselines.substitution import Library, Proposal, prototype
from core.numerics.manifest import SHIPPED, ManifestError, check, place
from core.structures.arrays import ArrayFileError, CrystalArrays, from_crystals, load_arrays
from core.structures.builtin import PROTOTYPES
from core.structures.crystal import Crystal
from core.structures.elements import MASKED, MAX_NUMBER
from core.structures.formula import FormulaError

MAX_ATOMS = 40
ASSET = SHIPPED / "prototypes.npz"


@cache
def builtin_library() -> Library:
    """Column `name`: where each entry comes from. Built anew (seconds) where the file is missing. Raises ArrayFileError."""
    if not ASSET.exists():
        return Library(build())
    try:
        check(ASSET)
    except ManifestError as error:
        raise ArrayFileError(f"{place(ASSET)} cannot be read ({error}). Get it back with `git checkout -- {place(ASSET)}`.") from None
    return Library(load_arrays(ASSET))


def open_library(path: str | None) -> Library:
    """The library of this file, read once while it stays as it is; the built-in one for None. Raises ArrayFileError."""
    if path is None:
        return builtin_library()
    try:
        return _read(path, Path(path).stat().st_mtime_ns)
    except OSError as error:
        raise ArrayFileError(f"{path}: {error.strerror}") from None


def known_relative(numbers: Sequence[int], library: str | None = None) -> Proposal:
    """The nearest known crystal of another composition with the wanted elements on its sites: the baseline without a network.

    Raises FormulaError where none has this stoichiometry, ArrayFileError for an unreadable library.
    """
    found = None if MASKED in numbers else prototype(numbers, open_library(library), other=True)
    if found is None:
        raise FormulaError("No known crystal has this stoichiometry: begin with noise, or give a larger library.")
    return found


def name_of(proposal: Proposal, library: str | None = None) -> str:
    """What a library calls an entry: its name, its id, or at least its formula."""
    entries = open_library(library).arrays
    for column in ("name", "material_id"):
        if column in entries.columns:
            return f"{entries.columns[column][proposal.row]}, {entries.crystal(proposal.row).formula}"
    return entries.crystal(proposal.row).formula


@lru_cache(maxsize=2)
def _read(path: str, modified: int) -> Library:
    return Library.read(path)


def build() -> CrystalArrays:
    """Some six seconds of work, most of it reading pymatgen's file."""
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

    crystals, names = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tabulated = [(f"{_name(entry)} (AFLOW)", entry["snl"].structure) for entry in AFLOW_PROTOTYPE_LIBRARY]
        tabulated += [(p.name, p().to_pymatgen()) for p in PROTOTYPES]
        for name, structure in tabulated:
            if not structure.is_ordered or len(structure) > 4 * MAX_ATOMS or structure.atomic_numbers[0] > MAX_NUMBER:
                continue
            primitive = structure.get_primitive_structure().get_reduced_structure()
            for cell in (primitive, structure)[: 1 + (len(primitive) != len(structure))]:
                if len(cell) <= MAX_ATOMS and max(cell.atomic_numbers) <= MAX_NUMBER:
                    crystals.append(Crystal.from_pymatgen(cell))
                    names.append(name)
    return from_crystals(crystals, name=np.array(names))


def _name(entry: dict[str, Any]) -> str:
    """The mineral, or the crystal after which the type is named.

    pymatgen writes an absent mineral as "None" or as nothing, four elements as "alpha", a space group for a mineral, and some TeX.
    """
    mineral = entry["tags"]["mineral"].strip().replace(r"$\mu$", "μ").replace(r"Lavarevi\'{c}ite", "Lazarevićite")
    formula = entry["snl"].structure.composition.reduced_formula
    if mineral in ("", "None", "I4/mcm"):
        return f"{formula} type"
    return f"{mineral} {formula}" if mineral in ("alpha", "beta") else mineral.split(", different")[0]
