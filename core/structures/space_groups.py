"""Space groups by number: crystal systems, operations, and spglib asked so that it has one way of finding nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TypeVar

import numpy as np

from core.structures.crystal import Crystal

N_GROUPS = 230
SETTINGS = 530  # of spglib's data base, by Hall number
# each crystal system and its last group (International Tables A)
SYSTEMS = {"triclinic": 2, "monoclinic": 15, "orthorhombic": 74, "tetragonal": 142, "trigonal": 167, "hexagonal": 194, "cubic": 230}
Result = TypeVar("Result")


def crystal_system(group: int) -> str:
    """Name of the crystal system of a space group, 1 to 230. Raises ValueError for another number."""
    if not 1 <= group <= N_GROUPS:
        raise ValueError(f"space groups are numbered from 1 to {N_GROUPS}, not {group}")
    return next(name for name, last in SYSTEMS.items() if group <= last)


@lru_cache(maxsize=256)
def operations(group: int | str) -> tuple[np.ndarray, np.ndarray]:
    """(K, 3, 3) rotations and (K, 3) translations, f -> R f + t, centring among them, in the first setting of a group: origin choice 1,
    hexagonal axes.

    group: its number, or its short Hermann-Mauguin symbol. Raises ValueError for one that there is not.
    """
    import spglib

    if group not in (settings := _first_settings()):
        raise ValueError(f"space groups are numbered from 1 to {N_GROUPS}, not {group}")
    found = spglib.get_symmetry_from_database(settings[group])
    assert found is not None
    return found["rotations"].astype(float), found["translations"]


@cache
def _first_settings() -> dict[int | str, int]:
    """Number and short symbol of a group -> the first of spglib's settings that has it, which is where spglib standardises to."""
    import spglib

    first: dict[int | str, int] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for setting in range(1, SETTINGS + 1):
            kind = spglib.get_spacegroup_type(setting)
            assert kind is not None
            first.setdefault(kind.number, setting)
            first.setdefault(kind.international_short, setting)
    return first


def asked_spglib(function: Callable[..., Result | None], crystal: Crystal, symprec: float, **options: bool) -> Result | None:
    """Call spglib's `function`; None when it finds nothing, whatever way it says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function((crystal.lattice, crystal.frac_coords % 1.0, crystal.numbers), symprec=symprec, **options)
        except Exception:  # its error types changed between versions
            return None


def group_of(crystal: Crystal, symprec: float = 0.1) -> int:
    """Number of the space group that spglib finds (symprec in Å), 0 where it finds none."""
    import spglib

    data = asked_spglib(spglib.get_symmetry_dataset, crystal, symprec)
    return 0 if data is None else int(data.number)
