"""Can a composition be neutral? SMACT's test, as the crystal benchmarks use it (CDVAE, `smact_validity`)."""

from __future__ import annotations

import warnings
from functools import lru_cache
from math import gcd

import numpy as np

OXIDATION_STATES = "smact14"  # the list behind Element.oxidation_states when the benchmarks were published


def composition_valid(numbers) -> bool:
    """SMACT's test of the reduced composition; atomic numbers of all atoms. Raises ValueError for masked atoms (0)."""
    kinds, counts = np.unique(np.asarray(numbers), return_counts=True)
    if kinds[0] == 0:
        raise ValueError("a masked atom has no composition")
    return formula_valid(zip(kinds.tolist(), counts.tolist(), strict=True))


def formula_valid(formula) -> bool:
    """The same for (atomic number, count) pairs with distinct atomic numbers, in any order."""
    kinds, counts = zip(*sorted(formula), strict=True)
    divisor = gcd(*counts)
    return _composition_valid(kinds, tuple(count // divisor for count in counts))


@lru_cache(maxsize=50_000)
def _composition_valid(kinds: tuple[int, ...], counts: tuple[int, ...]) -> bool:
    from pymatgen.core import Composition, Element
    from smact.screening import smact_validity

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(
            smact_validity(
                Composition({Element.from_Z(z): n for z, n in zip(kinds, counts, strict=True)}), oxidation_states_set=OXIDATION_STATES
            )
        )
