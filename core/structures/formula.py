"""Formulas as people write them: `Sr1 Ti1 O3`, `SrTiO3`, `Na4 Cl4`, `Ca(OH)2`, `SrTiO₃`.

The formula is the content of the whole cell: `Na4 Cl4` is the cubic cell of rock salt, `NaCl` its primitive cell.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache
from math import gcd

from core.structures.elements import HEAVIER, SYMBOLS

MAX_PARSED_ATOMS = 10_000  # beyond any model; keeps `H999999999` from filling the memory
_ADDED = re.compile(r"\s*(?:[·•∙⋅*]\s*(\d*)\s*([^·•∙⋅*]*)|[.\s]\s*(\d+)\s*(H2O)\s*$)")  # ·5H2O, and water after a full stop or a blank
_MARKED = re.compile(r"_\{?(\d+)\}?|<sub>\s*(\d+)\s*</sub>")  # how LaTeX and HTML lower a digit
_TOKEN = re.compile(r"([A-Z][a-z]?)|([(\[])|([)\]])|(\d+(?:\.\d+)?)|(\s+)|(.)")


class FormulaError(ValueError):
    """A formula that cannot be used; the message says what is wrong in the user's words."""


@cache
def atomic_numbers() -> dict[str, int]:
    return {symbol: z for z, symbol in enumerate(SYMBOLS) if z}


def parse_formula(text: str) -> tuple[int, ...]:
    """Atomic number of every atom of the cell, in the order written: "SrTiO3" -> (38, 22, 8, 8, 8).

    Subscripts, other spellings of a character and characters without width are read as what they look like; blanks do not count.
    Raises FormulaError for anything that is not a formula with whole, positive counts.
    """
    text = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf").strip()
    text = _MARKED.sub(lambda found: found[1] or found[2], text).strip("$'\"")
    if not text:
        raise FormulaError("The formula is empty. Write the content of the cell, for example Sr1 Ti1 O3.")
    if uneven := re.search(r"[·•∙⋅*]\s*(\d+[./]\d+|[./]\d+|$)", text):
        what = (
            f"{uneven[1]} in {text!r} is not a whole number; give the atoms of one full cell."
            if uneven[1]
            else f"{text!r} ends with a dot."
        )
        raise FormulaError(what)
    if front := re.fullmatch(r"(\d+)\s*([A-Z].*)", text):
        brackets = f"({front[2]}){front[1]}"
        raise FormulaError(f"{text!r} begins with a number. Put the formula in brackets, its number behind them: {brackets}")
    if _ADDED.search(text):
        brackets = _ADDED.sub(lambda found: f" ({found[2] or found[4]}){found[1] or found[3] or ''}", text)
        raise FormulaError(f"{text!r} is written as a hydrate. Put what is added in brackets, its number behind them: {brackets.strip()}")
    groups: list[list[list[int]]] = [[]]  # open brackets; each holds runs of [numbers] that a count may multiply
    opened: list[str] = []
    countable = False  # does the last token accept a count?
    for element, opening, closing, number, space, other in _TOKEN.findall(text):
        if space:
            continue
        if element:
            groups[-1].append([_number_of(element)])
        elif opening:
            groups.append([])
            opened.append(opening)
        elif closing:
            if len(groups) == 1:
                raise FormulaError(f"A closing bracket in {text!r} has no opening one.")
            if opened.pop() + closing not in ("()", "[]"):
                raise FormulaError(f"A bracket in {text!r} is closed by one of the other kind.")
            inner = groups.pop()
            if not inner:
                raise FormulaError(f"There is an empty bracket in {text!r}.")
            groups[-1].append([z for run in inner for z in run])
        elif number:
            _multiply(groups[-1], number, countable, text)
        else:
            raise FormulaError(_stray(other, text))
        countable = bool(element or closing)
    if len(groups) > 1:
        raise FormulaError(f"An opening bracket in {text!r} is never closed.")
    return tuple(z for run in groups[0] for z in run)


def _multiply(runs: list[list[int]], number: str, countable: bool, text: str) -> None:
    if not countable:
        raise FormulaError(f"The number {number} in {text!r} does not follow an element.")
    if number.startswith("0") and len(number) > 1 and not number.startswith("0."):
        raise FormulaError(f"The count {number} in {text!r} begins with a zero; was the letter O meant?")
    if not float(number).is_integer():
        raise FormulaError(f"{number} in {text!r} is not a whole number; give the atoms of one full cell.")
    count = int(number.split(".")[0][:12])
    if count == 0:
        raise FormulaError(f"{text!r} asks for 0 atoms of an element; leave the element out instead.")
    if count * len(runs[-1]) + sum(map(len, runs)) > MAX_PARSED_ATOMS:
        raise FormulaError(f"{text!r} has more than {MAX_PARSED_ATOMS:,} atoms in the cell.")
    runs[-1] = runs[-1] * count


def _number_of(element: str) -> int:
    known = atomic_numbers()
    if element in known:
        return known[element]
    if element in ("D", "T"):
        raise FormulaError(f"{element} is {'deuterium' if element == 'D' else 'tritium'}, here an atom of hydrogen: write H for it.")
    if element in HEAVIER:
        raise FormulaError(f"{element} is heavier than lawrencium: nothing is known here of such elements.")
    small = "; the second letter of a symbol is small, as in NaCl" if len(element) == 1 else ""
    raise FormulaError(f"{element} is not an element{small}.")


def _stray(character: str, text: str) -> str:
    if character.isalpha() and character.islower():
        return f"{text!r}: element symbols begin with a capital letter, as in NaCl."
    charges = " Leave charges out." if character in "+-^" else ""
    return f"{character!r} in {text!r} does not belong in a formula.{charges}"


def parse_elements(text: str, known: Collection[int]) -> tuple[int, ...]:
    """ "Li, Mn, O" -> (3, 8, 25). Raises FormulaError: nothing allowed, no element, or one that the model never saw."""
    names = [name for name in re.split(r"[\s,;+-]+", text) if name]
    if not names:
        raise FormulaError("No element is allowed, so there is nothing to make a crystal of. Write some, for example Li, Mn, O.")
    found = []
    for name in names:
        if name in HEAVIER:
            raise FormulaError(f"No crystal with {name} is known: nothing can be made of it.")
        number = atomic_numbers().get(name) or atomic_numbers().get(name.capitalize())
        if number is None:
            raise FormulaError(f"{name!r} is no element. Write symbols with commas between them, for example Li, Mn, O.")
        found.append(number)
    if unseen := [SYMBOLS[number] for number in found if number not in known]:
        raise FormulaError(
            f"{', '.join(unseen)} {'was' if len(unseen) == 1 else 'were'} not in the training data: nothing can be made of it."
        )
    return tuple(sorted(set(found)))


def check_composition(numbers: Iterable[int], *, model: str, atom_counts: Iterable[int], known: Iterable[int]) -> None:
    """Raises FormulaError when `model`, trained on cells of `atom_counts` atoms of the `known` elements, cannot do it."""
    numbers, counts, known = tuple(numbers), sorted(atom_counts), set(known)
    if len(numbers) not in counts:
        limits = f"exactly {counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        atoms = "1 atom" if len(numbers) == 1 else f"{len(numbers)} atoms"
        raise FormulaError(f"{atoms} in the cell; the model {model} was trained on cells of {limits} atoms.")
    unseen = sorted({SYMBOLS[z] for z in numbers if z not in known})
    if unseen:
        verb = "it cannot place it" if len(unseen) == 1 else "it cannot place them"
        raise FormulaError(f"The model {model} never saw {', '.join(unseen)} in training; {verb}.")


def formula_of(numbers: Iterable[int]) -> str:
    """(38, 22, 8, 8, 8) -> "Sr1 Ti1 O3", elements in order of first appearance, masked atoms as X."""
    return " ".join(f"{SYMBOLS[z]}{count}" for z, count in Counter(int(z) for z in numbers).items())


def reduced(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """The reduced composition, (atomic number, count) by atomic number: Na4 Cl4 and Cl1 Na1 -> ((11, 1), (17, 1))."""
    return reduced_counts(Counter(int(z) for z in numbers).items())


def reduced_counts(counts: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The same from (atomic number, count) pairs with distinct atomic numbers, in any order."""
    counts = sorted(counts)
    divisor = gcd(*(n for _, n in counts))
    return tuple((z, n // divisor) for z, n in counts)
