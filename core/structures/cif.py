"""Reading crystal files that strangers have: the crystal that the file describes, or a refusal or a note that says why not.

One way in for everybody: the uploads of the pages, `n2c read` and `n2c data prepare`. What is read is compared with what the file says of
itself: formula, formula units in the cell, multiplicities, density. Where the symmetry is open (origin, axes), they decide.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import gcd
from typing import NamedTuple

import gemmi
import numpy as np

from core.structures.cif_sites import UNKNOWN, CrystalFileError, Site, named, read_sites, value_of
from core.structures.cif_symmetry import Candidate, candidates, stated_operations
from core.structures.crystal import Crystal, symbol

__all__ = ["MAX_BYTES", "CrystalFileError", "CrystalReading", "read_cif", "read_crystal", "structure_names"]

MAX_BYTES = 1_000_000
MAX_ATOMS = 200
EDGES = (0.5, 200.0)  # Å
CLASH = 0.5  # Å: a reading of the symmetry that puts atoms nearer than this is not meant
CLOSE = 0.7  # Å: said in a note
ONE_PLACE = 0.05  # Å: two sites that near are one place
DENSEST = 1.0  # Å^3 for each atom: nothing is denser, and a search for neighbours within 7 Å would find thousands of each
VOLUME, DENSITY = 0.01, 0.05  # relative differences from what the file says that are rounding


@dataclass(frozen=True)
class CrystalReading:
    """What a file says. notes: sentences for its owner about what was assumed or left out; empty when nothing was. listed: sites in its
    list of atoms.
    """

    crystal: Crystal
    notes: tuple[str, ...] = ()
    listed: int = 0

    @cached_property
    def cif(self) -> str:
        """The crystal as a CIF file of its own, written once: it stands for the crystal in what a page is asked for at every move."""
        return self.crystal.to_cif()

    @property
    def summary(self) -> str:
        """Content, cell, and what symmetry made of the list of atoms, in one line."""
        from pymatgen.core import Lattice

        a, b, c, *angles = Lattice(self.crystal.lattice).parameters
        edges, turns = " × ".join(f"{edge:.3f}" for edge in (a, b, c)), ", ".join(f"{angle:.4g}°" for angle in angles)
        atoms = f"{self.crystal.n_atoms} atom{'s' * (self.crystal.n_atoms > 1)}"
        made = "" if self.listed == self.crystal.n_atoms else f", made from {self.listed} listed by the file's symmetry"
        return f"{self.crystal.formula}; cell {edges} Å, {turns}; {atoms}{made}"


class Statements(NamedTuple):
    """What a file says of itself. formula: atomic number -> count, empty if not said or, with `unread`, not understood; units: formula
    units in the cell; volume in Å^3; density in g/cm^3; each 0 if not said.
    """

    formula: dict[int, float]
    unread: str
    units: float
    volume: float
    density: float


@lru_cache(maxsize=32)
def read_crystal(content: bytes, structure: int = 1) -> CrystalReading:
    """The crystal of a file, from its bytes: a CIF file in UTF-8, with or without a byte order mark, or else in Latin-1. Kept for a while.

    structure: which one, of a file that holds several. Raises CrystalFileError for what is no text, and as `read_cif` does.
    """
    text, notes = _text(content)
    reading = read_cif(text, structure=structure)
    return replace(reading, notes=(*reading.notes, *notes))


@lru_cache(maxsize=32)
def structure_names(content: bytes) -> tuple[str, ...]:
    """Names of the structures that a file holds, whether they can be read or not. Raises CrystalFileError for no text and for no CIF."""
    return tuple(block.name or "without a name" for block, _ in _structures(_text(content)[0]))


def _text(content: bytes) -> tuple[str, list[str]]:
    if len(content) > MAX_BYTES:
        raise CrystalFileError(f"The file is larger than {MAX_BYTES / 1e6:g} MB.")
    if b"\0" in content:
        raise CrystalFileError("This is not a text file.")
    try:
        return _characters(content.decode("utf-8-sig")), []
    except UnicodeDecodeError:
        return _characters(content.decode("latin-1")), ["The text is not UTF-8; it was read as Latin-1."]


def _characters(text: str) -> str:
    """Blanks, minus signs and control characters of all kinds as CIF knows them: they come with texts that were copied from elsewhere."""
    return re.sub(r"[^\S\r\n]|[\x00-\x08\x0e-\x1f\x7f]", " ", re.sub("[\u2010-\u2015\u2212]", "-", text))


def read_cif(text: str, *, structure: int = 1, max_atoms: int = MAX_ATOMS, max_bytes: int = MAX_BYTES) -> CrystalReading:
    """A structure of a CIF file, the first unless another is asked for, its cell as written in the file, its atoms in the file's order.

    Work is bounded before any symmetry is applied: size of the text, edges of the cell, number of listed sites, and sites times
    symmetry operations. Raises CrystalFileError for a file that is too large, broken, without atoms, disordered, of a symmetry that is not
    understood or leaves open what is meant, or with more than `max_atoms` atoms in the cell.
    """
    if len(text) > max_bytes or len(text.encode("utf-8", "replace")) > max_bytes:
        raise CrystalFileError(f"The file is larger than {max_bytes / 1e6:g} MB.")
    if not text.strip():
        raise CrystalFileError("The file is empty.")
    found = _structures(text)
    names = tuple(block.name or "without a name" for block, _ in found)
    if not 1 <= structure <= len(names):
        raise CrystalFileError(f"The file holds {len(names)} structure{'s' * (len(names) > 1)}; there is no number {structure}.")
    block, rows = found[structure - 1]
    notes = [f"The file holds {len(names)} structures; number {structure}, {names[structure - 1]}, was read."] if len(names) > 1 else []
    texts = _single_values(block)
    stated = _statements(texts)
    lattice = _lattice(texts)
    if len(rows) > max_atoms:
        raise CrystalFileError(f"The file lists {len(rows)} sites, more than a cell of {max_atoms} atoms can need.")
    sites, more = read_sites(rows, stated.formula)
    operations = stated_operations(lambda tag: [_plain(value) for value in _column(block, tag)])
    choices, said, symmetric = candidates(texts, operations, lattice)
    notes += more + said
    readings = []
    for choice in choices:
        # An orbit of a group of 192 operations has at least 4 members in the groups that occur.
        if len(sites) * len(choice.rotations) > 20 * max_atoms:
            raise CrystalFileError(
                f"The file lists {len(sites)} sites and {len(choice.rotations)} symmetry operations, more than a cell of "
                f"{max_atoms} atoms can need."
            )
        readings.append(_expanded(sites, choice, lattice))
    crystal, orbits, more = _decided(readings, choices, sites, stated, max_atoms)
    notes += [*more, *_compared(crystal, orbits, sites, stated, symmetric)]
    return CrystalReading(crystal, tuple(dict.fromkeys(notes)), len(sites))


def _tag(tag: str) -> str:
    """The name of a data item in the older spelling: `_cell.length_a` is `_cell_length_a`; capitals do not count."""
    return tag.replace(".", "_").lower()


def _plain(value: str) -> str:
    return gemmi.cif.as_string(value).strip() if not gemmi.cif.is_null(value) else "."


def _single_values(block: gemmi.cif.Block) -> dict[str, str]:
    """What stands outside of lists, by tag. Raises CrystalFileError where cell or symmetry are given twice and differ."""
    texts: dict[str, str] = {}
    for item in block:
        if isinstance(item.pair, tuple):
            tag, value = _tag(item.pair[0]), _plain(item.pair[1])
            before = texts.get(tag, ".")
            if ONCE.match(tag) and not {before, value} & set(UNKNOWN) and _told(before) != _told(value):
                raise CrystalFileError(f"The file gives {tag} twice: {before} and {value}.")
            texts[tag] = value if value not in UNKNOWN else before
        elif item.loop is not None:
            texts.update((_tag(tag), "(a list)") for tag in item.loop.tags if LISTED.match(_tag(tag)))
    return texts


def _told(text: str) -> float | str:
    """Two spellings of one thing are one: `5.64` and `5.640(2)`, `P 21/c` and `P21/c`."""
    number = value_of(text)
    return re.sub(r"[\s_]", "", text).lower() if number is None else round(number, 3)


ONCE = re.compile(r"_cell_(length|angle)_|_symmetry_|_space_group_|_chemical_formula_sum")
LISTED = re.compile(r"_(space_group_symop|symmetry_equiv)_")


def _column(block: gemmi.cif.Block, tag: str) -> list[str]:
    for item in block:
        if item.loop is not None:
            tags = [_tag(name) for name in item.loop.tags]
            if _tag(tag) in tags:
                return [item.loop[row, tags.index(_tag(tag))] for row in range(item.loop.length())]
        elif item.pair is not None and _tag(item.pair[0]) == _tag(tag):
            return [item.pair[1]]
    return []


def _structures(text: str) -> list[tuple[gemmi.cif.Block, list[dict[str, str]]]]:
    """Every block that lists atoms, with its list as rows; those without a cell only where no block has both. Raises CrystalFileError."""
    try:
        document = _document(text)
    except (ValueError, RuntimeError, IndexError) as error:
        found_at = re.search(r":(\d+):\d+\(\d+\): (.*)", str(error))
        where = f": line {found_at[1]}, {found_at[2]}" if found_at else ""
        raise CrystalFileError(f"This is not a readable CIF file{where[:120]}.") from None
    found = [(block, rows) for block in document if (rows := _rows(block))]
    if not found:
        raise CrystalFileError("The file lists no atoms.")
    return [one for one in found if _single_values(one[0]).get("_cell_length_a", "?") not in UNKNOWN] or found


def _document(text: str) -> gemmi.cif.Document:
    """Raises what gemmi raises. Two blocks of one name are common; letters beyond ASCII, which CIF allows in comments only, too."""
    try:
        return gemmi.cif.read_string(text, check_level=0)
    except (ValueError, RuntimeError, IndexError):
        if text.isascii():
            raise
        return gemmi.cif.read_string(re.sub(r"[^\x00-\x7f]", "?", text), check_level=0)


def _rows(block: gemmi.cif.Block) -> list[dict[str, str]]:
    """The list of atoms, or a single atom given without a list; keys as in `_atom_site_fract_x` without the beginning."""
    start = "_atom_site_"
    single: dict[str, str] = {}
    lists = []
    for item in block:
        if item.loop is not None:
            tags = [_tag(name) for name in item.loop.tags]
            if any(tag in (start + "label", start + "type_symbol") for tag in tags) and any("fract_" in t or "cartn_" in t for t in tags):
                lists.append((item.loop, [tag.removeprefix(start).replace("cartn_", "Cartn_") for tag in tags]))
        elif item.pair is not None and _tag(item.pair[0]).startswith(start):
            single[_tag(item.pair[0]).removeprefix(start).replace("cartn_", "Cartn_")] = _plain(item.pair[1])
    if len(lists) > 1:
        raise CrystalFileError(f"The file holds {len(lists)} lists of atoms in one block, {block.name or 'without a name'}.")
    if lists:
        loop, keys = lists[0]
        return [dict(zip(keys, (_plain(loop[row, k]) for k in range(loop.width())), strict=True)) for row in range(loop.length())]
    return [single] if "fract_x" in single and ("label" in single or "type_symbol" in single) else []


def _statements(texts: Mapping[str, str]) -> Statements:
    text = texts.get("_chemical_formula_sum", "")
    formula: dict[int, float] = {}
    parts = [found for part in text.split() for found in (re.findall(FORMULA, part) if re.fullmatch(f"({FORMULA})+", part) else [("", "")])]
    for letters, count in parts:
        number = _known(letters)
        if number is None:
            formula = {}
            break
        formula[number] = formula.get(number, 0.0) + (value_of(count) or 1.0 if count else 1.0)
    units, volume, density = (
        value_of(texts.get(tag, "?")) or 0.0 for tag in ("_cell_formula_units_z", "_cell_volume", "_exptl_crystal_density_diffrn")
    )
    return Statements(formula, "" if formula or text in UNKNOWN else text, units, volume, density)


FORMULA = r"([A-Z][a-z]?)(\d+\.?\d*|\.\d+|)"  # one element and its count; `C6 H6` and `C6H6`


def _known(letters: str) -> int | None:
    try:
        return named(letters)
    except CrystalFileError:
        return None


def _lattice(texts: Mapping[str, str]) -> np.ndarray:
    """(3, 3) rows in Å: a along x, b in the xy plane. Raises CrystalFileError for a cell that is missing or makes no sense."""
    values = []
    for tag, default in [*((f"_cell_length_{axis}", "?") for axis in "abc"), *((f"_cell_angle_{name}", "90") for name in ANGLES)]:
        text = texts.get(tag, default)
        value = value_of(default if text in UNKNOWN else text)
        if value is None:
            raise CrystalFileError(f"The file gives no cell: {tag} is {'missing' if text in UNKNOWN else repr(text)}.")
        values.append(value)
    if not all(EDGES[0] <= length <= EDGES[1] for length in values[:3]):
        raise CrystalFileError(
            f"The cell has edges of {', '.join(f'{v:g}' for v in values[:3])} Å; {EDGES[0]:g} to {EDGES[1]:g} Å are read."
        )
    cosines = np.cos(np.radians(values[3:]))
    alpha, beta, gamma = cosines
    square = 1 + 2 * alpha * beta * gamma - (cosines**2).sum()
    if not all(0 < angle < 180 for angle in values[3:]) or square < 1e-4:
        raise CrystalFileError(f"The angles {', '.join(f'{v:g}' for v in values[3:])} make no cell.")
    from pymatgen.core import Lattice

    return np.array(Lattice.from_parameters(*values).matrix)


def _alone(crystal: Crystal) -> tuple[Crystal, list[str]]:
    """Every place once: images of a listed atom that are listed, too, are left out, with a note. Raises CrystalFileError where atoms of
    two elements share a place.
    """
    gaps = crystal.frac_coords[:, None] - crystal.frac_coords[None]
    shared = np.triu(np.linalg.norm((gaps - np.round(gaps)) @ crystal.lattice, axis=-1) < ONE_PLACE, 1)
    first, second = np.nonzero(shared)
    if not len(first):
        return crystal, []
    if len(mixed := np.flatnonzero(crystal.numbers[first] != crystal.numbers[second])):
        names = sorted({symbol(crystal.numbers[one[mixed[0]]]) for one in (first, second)})
        raise CrystalFileError(f"Atoms of {' and '.join(names)} share one place: it is disordered, or its symmetry is another one.")
    kept = np.setdiff1d(np.arange(crystal.n_atoms), second)
    return Crystal(crystal.numbers[kept], crystal.frac_coords[kept], crystal.lattice), [
        f"Of {crystal.n_atoms} atoms {crystal.n_atoms - len(kept)} fell on another one of their element and were left out."
    ]


ANGLES = ("alpha", "beta", "gamma")


class Orbits(NamedTuple):
    """A cell filled by symmetry. counts (S,): atoms that each site makes. snapped: the largest move onto a special position, in Å. order:
    operations of the group.
    """

    crystal: Crystal
    counts: np.ndarray
    snapped: float
    order: int = 0


def _expanded(sites: list[Site], choice: Candidate, lattice: np.ndarray) -> Orbits:
    """Every site with its images. One that lies on a special position, to the digits it is given, is put exactly there."""
    numbers: list[int] = []
    places, counts, snapped = [], [], 0.0
    for site in sites:
        x = np.array(site.frac)
        slack = 3.2 * 0.5 * 10.0**-site.digits + 1e-6  # what rounding can do to W x + w - x
        images = choice.rotations @ x + choice.translations
        gaps = images - x
        whole = np.round(gaps)
        fixed = np.abs(gaps - whole).max(-1) < slack
        if fixed.any():
            special = (images[fixed] - whole[fixed]).mean(0)
            snapped = max(snapped, float(np.linalg.norm((special - x) @ lattice)))
            images = choice.rotations @ special + choice.translations
        orbit: list[np.ndarray] = []
        for image in images % 1.0:
            apart = np.array(orbit).reshape(-1, 3) - image
            if (np.abs(apart - np.round(apart)).max(-1, initial=0) > 1e-4).all() if orbit else True:
                orbit.append(np.where(image > 1 - 1e-9, 0.0, image))
        numbers += [site.number] * len(orbit)
        places += orbit
        counts.append(len(orbit))
    return Orbits(Crystal(np.array(numbers), np.array(places), lattice), np.array(counts), snapped, len(choice.rotations))


def _decided(
    readings: list[Orbits], choices: list[Candidate], sites: list[Site], stated: Statements, max_atoms: int
) -> tuple[Crystal, Orbits, list[str]]:
    """The crystal that the file's own statements leave, the reading that it is of, and notes. Raises CrystalFileError where they leave
    none or several.
    """
    small = [(one, choice) for one, choice in zip(readings, choices, strict=True) if one.crystal.n_atoms <= max_atoms]
    if not small:
        raise CrystalFileError(f"The cell holds {readings[0].crystal.n_atoms} atoms; at most {max_atoms} are allowed.")
    small = [(one, choice) for one, choice in small if one.crystal.volume >= DENSEST * one.crystal.n_atoms]
    if not small:
        dense = readings[0].crystal
        raise CrystalFileError(f"The cell of {dense.volume:.3g} Å³ is too small for {dense.n_atoms} atom{'s' * (dense.n_atoms > 1)}.")
    left = small
    if len(left) > 1:
        for holds in (_multiplicities, _content, _free_of_clashes, _density):
            if passing := [pair for pair in left if holds(pair[0], sites, stated)]:
                left = passing
        first = left[0][0].crystal
        if any(not _same_places(first, one.crystal) for one, _ in left[1:]):
            names = " or ".join(choice.source for _, choice in left)
            raise CrystalFileError(f"The file leaves open which symmetry is meant: {names}. Add the symmetry operations.")
    chosen, choice = left[0]
    notes = [f"Of several settings {choice.source} was taken: it fits what the file says of itself."] if len(small) > 1 else []
    crystal, more = _alone(chosen.crystal)
    notes += more
    if chosen.snapped > 1e-3:
        notes.append(f"Atoms were moved by up to {chosen.snapped:.3f} Å onto special positions, which the rounded coordinates mean.")
    if (nearest := crystal.nearest_distance) < CLOSE:
        notes.append(f"Two atoms lie only {nearest:.2f} Å apart.")
    return crystal, chosen, notes


def _multiplicities(one: Orbits, sites: list[Site], stated: Statements) -> bool:
    """Are they as the file says: all atoms of the cell, or all orders of site symmetries, which SHELX writes under the same name?"""
    said = np.array([site.multiplicity for site in sites])
    return any((said == np.where(said > 0, meant, 0)).all() for meant in (one.counts, one.order // one.counts))


def _content(one: Orbits, sites: list[Site], stated: Statements) -> bool:
    counts = Counter(one.crystal.numbers.tolist())
    return any(_holds(counts, wanted) for wanted in _wanted(counts, stated))


def _wanted(counts: Mapping[int, int], stated: Statements) -> list[dict[int, float]]:
    """Contents of the cell that the file's formula can mean, of the elements that have sites: formula times Z, or in any number of units
    where Z is not given. pymatgen writes the content of the whole cell as the formula, and the number of reduced units as Z.
    """
    shared = {z: n for z, n in stated.formula.items() if z in counts and n > 0}
    if not shared:
        return [dict(counts)]
    z, n = next(iter(shared.items()))
    units = [stated.units or counts[z] / n]
    if stated.units > 1 and all(float(n).is_integer() for n in stated.formula.values()):
        if gcd(*(int(n) for n in stated.formula.values())) == stated.units:
            units.append(1.0)
    return [{z: k * n for z, n in shared.items()} for k in units]


def _holds(counts: Mapping[int, int], wanted: Mapping[int, float]) -> bool:
    return all(abs(counts[z] - n) < 0.01 * n + 1e-6 for z, n in wanted.items())


def _free_of_clashes(one: Orbits, sites: list[Site], stated: Statements) -> bool:
    return one.crystal.nearest_distance >= CLASH


def _density(one: Orbits, sites: list[Site], stated: Statements) -> bool:
    return not stated.density or abs(one.crystal.density / stated.density - 1) < DENSITY


def _same_places(one: Crystal, other: Crystal) -> bool:
    if one.n_atoms != other.n_atoms or (np.sort(one.numbers) != np.sort(other.numbers)).any():
        return False
    gaps = one.frac_coords[:, None] - other.frac_coords[None]
    near = np.abs(gaps - np.round(gaps)).max(-1) < 1e-3
    return bool((near & (one.numbers[:, None] == other.numbers[None])).any(1).all())


def _compared(crystal: Crystal, one: Orbits, sites: list[Site], stated: Statements, symmetric: bool) -> list[str]:
    """Notes on what the file says of itself and does not hold. Raises CrystalFileError where the atoms cannot be all."""
    counts = Counter(crystal.numbers.tolist())
    notes = [] if symmetric else ["The file gives no symmetry: its list of atoms was taken for the whole cell."]
    if stated.volume and abs(crystal.volume / stated.volume - 1) > VOLUME:
        notes.append(f"The file gives its cell a volume of {stated.volume:.4g} Å³, its edges and angles make {crystal.volume:.4g} Å³.")
    if 1 not in counts and 1 not in stated.formula and any(re.match("O[HWhw]", site.label) for site in sites):
        notes.append("Labels of the file speak of hydrogen (OH or water), which has no site.")
    if not _multiplicities(one, sites, stated):
        site, n = next((site, n) for site, n in zip(sites, one.counts, strict=True) if site.multiplicity not in (0, n))
        notes.append(f"The file counts {site.multiplicity} atoms of the site {site.label} in the cell, its symmetry makes {n}.")
    if stated.unread:
        notes.append(f"The formula of the file, {stated.unread!r}, could not be compared with its atoms.")
    missing = [symbol(z) for z, n in stated.formula.items() if z not in counts and n > 0]
    extra = [symbol(z) for z in counts if z not in stated.formula] if stated.formula else []
    if missing:
        notes.append(
            f"The formula of the file holds {', '.join(missing)}, but no site of {'it' if len(missing) == 1 else 'them'} is listed."
        )
    if extra:
        notes.append(f"The list of atoms holds {', '.join(extra)}, which the formula of the file does not.")
    possible = _wanted(counts, stated)
    if not any(_holds(counts, wanted) for wanted in possible):
        says = " ".join(f"{symbol(z)}{n:g}" for z, n in possible[0].items())
        if not symmetric and sum(possible[0].values()) > 1.5 * sum(counts[z] for z in possible[0]):
            raise CrystalFileError(f"The file gives no symmetry, and its atoms make {crystal.formula}, but formula and Z say {says}.")
        notes.append(f"Formula and Z of the file say {says}, its atoms make {crystal.formula}.")
    elif stated.density and not missing and abs(crystal.density / stated.density - 1) > DENSITY:
        notes.append(f"The file gives a density of {stated.density:g} g/cm³, its atoms and cell make {crystal.density:.3g} g/cm³.")
    return notes
