"""What is asked of a crystal from nothing, as people write it, checked before anything is grown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.generator.composition.composition_model import Counts
from core.generator.model.adapter import Conditions, conditions
from core.generator.steering.templates import stoichiometry
from core.structures.formula import FormulaError

_KIND = re.compile(r"([A-Z])(\d*)|(.)")


@dataclass(frozen=True)
class Request:
    """scalars: names of `adapter.SCALARS` -> values in their units. elements: atomic numbers allowed, empty: all. stoichiometry: counts in
    lowest terms, the largest first, empty: any. group: 0: any; system: "": any."""

    scalars: Mapping[str, float] = field(default_factory=dict)
    system: str = ""
    group: int = 0
    elements: tuple[int, ...] = ()
    stoichiometry: Counts = ()

    def __post_init__(self) -> None:
        self.conditions()

    def conditions(self) -> Conditions:
        """For the adapters. Raises ValueError in words."""
        wanted: dict[str, float | int | str] = dict(self.scalars)
        if self.system:
            wanted["crystal_system"] = self.system
        if self.group:
            wanted["space_group"] = self.group
        return conditions(wanted)

    def allows(self, counts: Counts) -> bool:
        """May a cell have kinds in these numbers?"""
        return (not self.elements or len(counts) <= len(self.elements)) and (
            not self.stoichiometry or stoichiometry(counts) == self.stoichiometry
        )


def parse_stoichiometry(text: str) -> Counts:
    """ "ABX3" -> (3, 1, 1). Capital letters stand for kinds of atoms, whichever they are. Raises FormulaError."""
    counts: Counter[str] = Counter()
    for letter, number, other in _KIND.findall(text.replace(" ", "")):
        if other:
            raise FormulaError(f"{text!r} is no stoichiometry: write one capital letter for each kind of atom, for example ABX3 or A2B.")
        if letter in counts:
            raise FormulaError(f"{text!r} has {letter} twice: write one letter for each kind of atom, for example ABX3.")
        counts[letter] = int(number or 1)
    if not counts or 0 in counts.values():
        raise FormulaError("A stoichiometry has one capital letter for each kind of atom and whole counts above 0, for example ABX3.")
    return stoichiometry(tuple(counts.values()))
