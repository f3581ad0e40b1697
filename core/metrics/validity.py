"""Is it a crystal at all: the checks of the crystal-generation benchmarks, and what a crystallographer looks at first.

structurally valid    all distances >= 0.5 Å, volume >= 0.1 Å^3                        CDVAE, eval_utils.py
valid composition     charge-neutral and Pauling-ordered in common oxidation states,   CDVAE, `smact_validity`
                      or all metals, or one element
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version

from core.structures.crystal import Crystal
from core.structures.elements import MASKED
from core.structures.formula import reduced, reduced_counts

MIN_DISTANCE = 0.5  # Å
MIN_VOLUME = 0.1  # Å^3
OXIDATION_STATES = "smact14"  # the list behind Element.oxidation_states when the benchmarks were published


def composition_test() -> str:
    """The test of compositions and what its verdict depends on: the version of SMACT and its table of oxidation states."""
    return f"SMACT {version('smact')}, table {OXIDATION_STATES}"


def structure_valid(crystal: Crystal) -> bool:
    return crystal.volume >= MIN_VOLUME and crystal.nearest_distance >= MIN_DISTANCE


def composition_valid(numbers: Iterable[int]) -> bool:
    """SMACT's test of the reduced composition; atomic numbers of all atoms. Raises ValueError for masked atoms."""
    content = reduced(numbers)
    if content[0][0] == MASKED:
        raise ValueError("a masked atom has no composition")
    return _smact_valid(content)


def formula_valid(formula: Iterable[tuple[int, int]]) -> bool:
    """The same for (atomic number, count) pairs with distinct atomic numbers, in any order."""
    return _smact_valid(reduced_counts(formula))


@lru_cache(maxsize=50_000)
def _smact_valid(content: tuple[tuple[int, int], ...]) -> bool:
    from pymatgen.core import Composition, Element
    from smact.screening import smact_validity

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(smact_validity(Composition({Element.from_Z(z): n for z, n in content}), oxidation_states_set=OXIDATION_STATES))


@dataclass(frozen=True)
class ReadOut:
    """What a crystallographer looks at first. density in g/cm^3, distances in Å, volume_per_atom in Å^3."""

    formula: str
    structure_valid: bool
    composition_valid: bool
    density: float
    nearest_distance: float
    volume_per_atom: float

    @property
    def words(self) -> str:
        """A verdict of two words for a gallery."""
        return "atoms too close" if not self.structure_valid else "valid" if self.composition_valid else "no charge balance"


def read_out(crystal: Crystal) -> ReadOut:
    """Raises ValueError while an atom is masked."""
    return ReadOut(
        crystal.formula,
        structure_valid(crystal),
        composition_valid(crystal.numbers),
        crystal.density,
        crystal.nearest_distance,
        crystal.volume / crystal.n_atoms,
    )
