"""Names of the elements, and fixed numbers about them, fed to the network so that little data goes a long way.

`n2c data elements` writes assets/elements.npz anew from the installed pymatgen.
The table is an asset, so that a server or a worker that only draws and grows crystals need not load pymatgen.
"""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.numerics.files import whole

if TYPE_CHECKING:
    from pymatgen.core import Element

MAX_NUMBER = 103  # lawrencium; heavier elements have no measured properties and no crystals in any data
N_SPECIES = MAX_NUMBER + 1  # rows of every table by atomic number, the masked species among them
MASKED = 0  # the "number" of an atom whose species is not decided yet
FEATURES = (
    "period",
    "group",
    "electronegativity",
    "atomic radius",
    "ionic radius",
    "Mendeleev number",
    "lowest oxidation state",
    "highest oxidation state",
    "s",
    "p",
    "d",
    "f",
    "valence electrons",
)
ASSET = Path(__file__).resolve().parents[2] / "assets" / "elements.npz"
SYMBOLS = tuple(
    """
    X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc
    Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po
    At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr
""".split()
)  # by atomic number; X = masked
HEAVIER = frozenset("Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og".split())


@cache
def element_features() -> np.ndarray:
    """(N_SPECIES, 13) float32, read-only: the columns of FEATURES, row = atomic number, standardised over the elements.

    Row 0 (the masked species) and quantities nobody has measured are zero, the mean. Source: pymatgen's Element.
    """
    if ASSET.exists():
        with np.load(ASSET, allow_pickle=False) as stored:
            table = stored["features"]
    else:
        table = build()
    table.flags.writeable = False  # one table for the whole process
    return table


def build() -> np.ndarray:
    """The table of `element_features` from the installed pymatgen."""
    from pymatgen.core import Element

    table = np.full((N_SPECIES, len(FEATURES)), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "No Pauling electronegativity for He"
        for number in range(1, N_SPECIES):
            table[number] = _features(Element.from_Z(number))
    table = (table - np.nanmean(table, axis=0)) / np.nanstd(table, axis=0)
    return np.nan_to_num(table).astype(np.float32)


def _features(element: Element) -> list[float]:
    states = element.common_oxidation_states or element.oxidation_states or (0,)
    shells = {shell: 0.0 for shell in "spdf"}
    filled = element.full_electronic_structure
    for shell in shells:  # the outermost occupied shell of each kind is the one chemistry sees
        electrons = [count for _, kind, count in filled if kind == shell]
        shells[shell] = float(electrons[-1]) if electrons else 0.0
    group = 3 if element.is_lanthanoid or element.is_actinoid else element.group
    valence = {
        "s": shells["s"],
        "p": shells["s"] + shells["p"],
        "d": shells["s"] + shells["d"],
        "f": shells["s"] + shells["d"] + shells["f"],
    }[element.block]
    return [
        element.row,
        group,
        _number(element.X),
        _number(element.atomic_radius),
        _number(element.average_ionic_radius) or np.nan,
        _number(element.mendeleev_no),
        min(states),
        max(states),
        *shells.values(),
        valence,
    ]


def _number(value: float | None) -> float:
    """pymatgen gives None or a quantity with a unit; either way a plain float, NaN for None."""
    return float("nan") if value is None else float(value)


def save(path: Path) -> None:
    """Write the table; `path` is never half a file."""
    with whole(path) as part, open(part, "wb") as file:
        np.savez_compressed(file, features=build())


@cache
def atomic_masses() -> np.ndarray:
    """(N_SPECIES,) standard atomic weights in u, 0 for the masked species. Source: pymatgen's Element."""
    from pymatgen.core import Element

    return np.array([0.0, *(float(Element.from_Z(z).atomic_mass) for z in range(1, N_SPECIES))])
