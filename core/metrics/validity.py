"""Is it a crystal at all: the checks of the crystal-generation benchmarks, and what a crystallographer looks at first.

structurally valid    all distances >= 0.5 Å, volume >= 0.1 Å^3                        CDVAE, eval_utils.py
valid composition     charge-neutral and Pauling-ordered in common oxidation states,   CDVAE, `smact_validity`
                      or all metals, or one element
"""

from __future__ import annotations

from dataclasses import dataclass

from core.numerics.charges import composition_valid
from core.structures.crystal import Crystal

__all__ = ["MIN_DISTANCE", "MIN_VOLUME", "ReadOut", "composition_valid", "read_out", "structure_valid"]

MIN_DISTANCE = 0.5  # Å
MIN_VOLUME = 0.1  # Å^3


def structure_valid(crystal: Crystal) -> bool:
    return crystal.volume >= MIN_VOLUME and crystal.nearest_distance >= MIN_DISTANCE


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
