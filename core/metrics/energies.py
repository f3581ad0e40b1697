"""Energies of crystals by a potential that was trained on DFT calculations: CHGNet, whose weights come in its wheel.

| equation | name |
|---|---|
| E(C) / N | energies |
| E_f(C) = (E(C) - sum_z n_z mu_z) / N | formation_energies |
| mu = argmin sum_C (E(C) - sum_z n_z mu_z - N E_f(C))^2 over known crystals | references |

CHGNet (Deng et al., *Nature Machine Intelligence* 5, 1031 (2023)) was trained on energies of the Materials Project with its corrections. Of
the elements it has no reference of its own here: mu are those with which the known formation energies come out best, and the error that
is left on crystals kept aside is part of every number (`about["energies"]` of the steering weights).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from core.structures.crystal import Crystal
from core.structures.elements import N_SPECIES

if TYPE_CHECKING:
    from chgnet.model.model import CHGNet

BATCH, CUTOFF = 16, 6.0  # structures at once; Å, as CHGNet connects atoms


@cache
def potential() -> CHGNet:
    """Loaded once; a second or two."""
    from chgnet.model.model import CHGNet

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CHGNet.load(use_device="cpu", verbose=False)


def energies(crystals: Sequence[Crystal]) -> np.ndarray:
    """(n,) in eV/atom; NaN where CHGNet has no graph of the crystal (an atom without neighbours within its 6 Å)."""
    found = np.full(len(crystals), np.nan)
    rows, structures = [], []
    for i, crystal in enumerate(crystals):
        structure = crystal.to_pymatgen()
        if all(structure.get_neighbors(site, CUTOFF) for site in structure):
            rows.append(i)
            structures.append(structure)
    if structures:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = potential().predict_structure(structures, task="e", batch_size=BATCH)
        found[rows] = [float(one["e"]) for one in (made if isinstance(made, list) else [made])]
    return found


def contents(crystals: Sequence[Crystal], n_species: int = N_SPECIES) -> np.ndarray:
    """(n, n_species): share of each element in each crystal."""
    return np.stack([np.bincount(crystal.numbers, minlength=n_species) / crystal.n_atoms for crystal in crystals])


def references(crystals: Sequence[Crystal], energy: np.ndarray, formation: np.ndarray) -> dict[int, float]:
    """mu in eV/atom of every element that occurs; energy and formation (n,) in eV/atom, NaN where unknown."""
    known = np.isfinite(energy) & np.isfinite(formation)
    x, y = contents(crystals)[known], (energy - formation)[known]
    seen = np.flatnonzero(x.any(0))
    mu = np.linalg.lstsq(x[:, seen], y, rcond=None)[0]
    return {int(z): float(value) for z, value in zip(seen, mu, strict=True)}


def formation_energies(crystals: Sequence[Crystal], mu: Mapping[int, float]) -> np.ndarray:
    """(n,) in eV/atom; NaN without a reference for an element, or where there is no energy."""
    table = np.full(N_SPECIES, np.nan)
    table[list(mu)] = list(mu.values())
    return np.array([one - float(table[crystal.numbers].mean()) for one, crystal in zip(energies(crystals), crystals, strict=True)])
