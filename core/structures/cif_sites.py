"""The atoms that a CIF file lists: which element, where, how often, and to how many digits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from core.structures.elements import HEAVIER
from core.structures.formula import atomic_numbers

UNKNOWN = ("", ".", "?")
FULL = 0.99  # occupancy from which a site counts as occupied: rounding of refinements
OVERFULL = 1.02
SPELLED = re.compile(r"[+-]?\d+/\d+")
NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\(\d*\))?")


class CrystalFileError(ValueError):
    """The file cannot be used; the message says why in words meant for its owner."""


@dataclass(frozen=True)
class Site:
    """One line of the list of atoms. frac: fractional coordinates as written; digits: decimals of the least exact one that is no fraction.

    multiplicity: atoms in the cell that the file says it makes, or (SHELX) the order of its site symmetry; 0 where it does not say.
    hydrogens: attached ones that have no site.
    """

    label: str
    number: int
    frac: tuple[float, float, float]
    digits: int
    multiplicity: int = 0
    hydrogens: int = 0


def read_sites(rows: Sequence[Mapping[str, str]], formula: Mapping[int, float]) -> tuple[list[Site], list[str]]:
    """The sites of the `_atom_site_` list, each row a mapping of tag to text, and notes. Raises CrystalFileError naming the site.

    formula: what the file says of its elements, atomic number -> count; it decides between readings of a label in capitals.
    """
    sites, notes = [], []
    groups: dict[str, set[str]] = {}  # of one assembly one group is there at a time
    unlike = []
    for k, row in enumerate(rows, start=1):
        label = row.get("label") or row.get("type_symbol") or f"number {k}"
        if row.get("calc_flag", "").lower() == "dum":
            notes.append(f"The site {label} is a dummy (its flag says so) and was left out.")
            continue
        number, note = element_of(row.get("type_symbol", ""), row.get("label", ""), formula)
        notes += [note] if note and note not in notes else []
        if row.get("type_symbol", "") not in UNKNOWN and (means := set(readings(label))) and number not in means:
            unlike.append(label)
        if (group := row.get("disorder_group", ".")) not in UNKNOWN and group != "0":
            groups.setdefault(row.get("disorder_assembly", "."), set()).add(group)
        occupied(row.get("occupancy", "."), label, notes)
        frac, digits = place(row, label)
        said = row.get("site_symmetry_multiplicity") or row.get("symmetry_multiplicity")
        sites.append(Site(label, number, frac, digits, whole(said), whole(row.get("attached_hydrogens"))))
    if any(len(alternatives) > 1 for alternatives in groups.values()):
        raise CrystalFileError("The crystal is disordered: its list of atoms holds alternatives that are never there at once.")
    if unlike:
        shown = ", ".join(unlike[:3]) + (", …" if len(unlike) > 3 else "")
        notes.append(f"Labels of sites name another element than their types ({shown}); the types were taken.")
    if attached := sum(site.hydrogens for site in sites):
        notes.append(f"The file speaks of hydrogen atoms ({attached} on its sites) that it gives no places; they are missing here.")
    if not sites:
        raise CrystalFileError("The file lists no atoms.")
    return sites, notes


def whole(text: str | None) -> int:
    """A whole number, 0 for anything else."""
    return int(text) if text and text.isdigit() else 0


def element_of(type_symbol: str, label: str, formula: Mapping[int, float]) -> tuple[int, str]:
    """(atomic number, note) of a site, from its type symbol or, where there is none, its label. Raises CrystalFileError."""
    if type_symbol not in UNKNOWN:
        letters = re.match(r"[A-Za-z]+", type_symbol)
        name = letters[0] if letters else type_symbol
        rest = type_symbol[len(name) :]
        plain = len(name) <= 2 and re.fullmatch(r"[\d+\-.()]*", rest)
        known = named(name) or atomic_numbers().get(name.capitalize()) if plain else None
        if known is None:
            raise CrystalFileError(f"The site {label or type_symbol} is of type {type_symbol}, which is no element.")
        if len(name) == 2 and name.isupper() and known not in formula and all(letter in atomic_numbers() for letter in name):
            return known, f"The type {name} was read as {name.capitalize()}."
        return known, "Deuterium was read as hydrogen." if name == "D" else ""
    if (letters := re.match("[A-Za-z]+", label)) and letters[0] in HEAVIER:
        named(letters[0])
    options = list(readings(label))
    if len(options) > 1:
        options = [z for z in options if z in formula] or options
    if len(options) != 1:
        why = "it names no element" if not options else "it can mean more than one element, and the file gives no type symbols"
        raise CrystalFileError(f"The label {label or '(none)'} of a site is unclear: {why}.")
    return options[0], "Deuterium was read as hydrogen." if label[:1] == "D" else ""


def named(symbol: str) -> int | None:
    """Atomic number of a symbol; D is hydrogen. Raises CrystalFileError for elements beyond lawrencium."""
    if symbol in HEAVIER:
        raise CrystalFileError(f"{symbol} is heavier than lawrencium: nothing is known here of such elements.")
    return 1 if symbol == "D" else atomic_numbers().get(symbol)


def readings(label: str) -> Iterator[int]:
    """Elements that a label can begin with: `Na1`, `O2W` and `HOh` are plain, `Ow1` and `Hh` are of water and hydroxyl, `CO1` is carbon or
    cobalt, `Wat` and `Cg` are none.
    """
    if of_water := re.match("([OH])[wh](?![a-z])", label):
        yield atomic_numbers()[of_water[1]]
        return
    letters = (re.match(r"[A-Za-z]*", label) or [""])[0]
    for size in (2, 1):
        name, rest = letters[:size], letters[size:]
        if len(name) < size or rest[:1].islower():
            continue  # a small letter belongs to the symbol before it
        if size == 2 and name.isupper():
            name = name.capitalize()
        elif name.islower():
            name = name.capitalize()
        if name not in HEAVIER and (z := named(name)) is not None:
            yield z


def occupied(text: str, label: str, notes: list[str]) -> None:
    """Check the occupancy of a site; not given means 1. Raises CrystalFileError for a site that is not fully occupied."""
    if text in UNKNOWN:
        return
    value = value_of(text)
    if value is None:
        raise CrystalFileError(f"The occupancy of the site {label} is {text!r}, which is no number.")
    if value > OVERFULL:
        raise CrystalFileError(f"The occupancy of the site {label} is {text}, above 1.")
    if value < FULL:
        raise CrystalFileError(f"The site {label} is only partly occupied ({text}). Only fully ordered crystals can be shown.")
    if abs(value - 1) > 1e-6:
        notes.append(f"The occupancy of {label}, {text}, was taken as 1.")


def place(row: Mapping[str, str], label: str) -> tuple[tuple[float, float, float], int]:
    """Fractional coordinates and the decimals to which they are given. Raises CrystalFileError."""
    values, digits = [], 6
    for axis in "xyz":
        text = row.get(f"fract_{axis}", "?")
        if text in UNKNOWN:
            if row.get(f"Cartn_{axis}", "?") not in UNKNOWN:
                raise CrystalFileError("The file gives Cartesian coordinates only; fractional ones (_atom_site_fract_x, …) are needed.")
            raise CrystalFileError(f"The site {label} has no coordinates.")
        value = value_of(text)
        if value is None or not math.isfinite(value) or abs(value) > 1e3:
            raise CrystalFileError(f"The coordinate {text!r} of the site {label} is no fractional coordinate.")
        values.append(value)
        if (decimals := re.search(r"\.(\d*)", text)) and not SPELLED.fullmatch(text):
            digits = min(digits, max(len(decimals[1]), 2))
    return (values[0], values[1], values[2]), digits


def value_of(text: str) -> float | None:
    """A number as CIF writes it, `5.640(2)`, or as a fraction, `1/3`; None for anything else."""
    if SPELLED.fullmatch(text):
        try:
            return float(Fraction(text))
        except ZeroDivisionError:
            return None
    found = NUMBER.fullmatch(text.strip())
    return float(found[1]) if found else None
