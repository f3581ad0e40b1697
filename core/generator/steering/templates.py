"""Templates: how crystals of a space group fill its sites. A request for a group picks one, and growth stays inside it.

A template is a crystal with everything forgotten that varies: which elements, where on the free coordinates, how large a cell. What is
left is the group, the sites that are occupied, which of them hold the same kind, and in which basis of the cell (the reduced one). How
often each occurs in the training crystals is counted; a template is drawn in proportion to that.

| | name |
|---|---|
| P(template | group, stoichiometry) as counted | Templates.draw |
| which of the wanted elements sits where: nearest in mean properties among kinds of equal count | Templates.seated |

Harvested by `n2c train steering`. Known templates as a start for new crystals: Jiao et al. 2024 (DiffCSP++), section 4.3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from core.generator.composition.composition_model import Counts
from core.generator.sampling.symmetry import SYMPREC, NoSymmetryError, Symmetry, symmetry_of
from core.structures.arrays import CrystalArrays
from core.structures.crystal import Crystal
from core.structures.elements import element_features
from core.structures.formula import FormulaError
from core.structures.space_groups import asked_spglib, crystal_system


@dataclass(frozen=True)
class Template:
    """symmetry: of an occupied cell. kind (N,): which of the kinds each atom is, the most frequent kind 0. often: in the training crystals.

    properties (S, F): mean `elements.element_features` of what was seen as each kind.
    """

    symmetry: Symmetry
    kind: Tensor
    properties: Tensor
    often: int

    @property
    def counts(self) -> Counts:
        """Atoms of each kind."""
        return tuple(torch.bincount(self.kind).tolist())

    @property
    def group(self) -> int:
        return self.symmetry.group


def stoichiometry(counts: Sequence[int]) -> Counts:
    """Counts of the kinds in lowest terms, the largest first: (12, 4, 4) -> (3, 1, 1)."""
    common = gcd(*counts)
    return tuple(sorted((n // common for n in counts), reverse=True))


class Templates:
    """All templates, found by group and stoichiometry."""

    def __init__(self, every: Sequence[Template]):
        self.every = list(every)

    def __len__(self) -> int:
        return len(self.every)

    @property
    def groups(self) -> Counter[int]:
        """How often each group occurs."""
        often: Counter[int] = Counter()
        for one in self.every:
            often[one.group] += one.often
        return often

    def fitting(
        self, *, group: int = 0, system: str = "", counts: Callable[[Counts], bool] = lambda _: True, n_atoms: int = 0
    ) -> list[Template]:
        """Those with this group (0: any), crystal system ("": any), number of atoms (0: any) and a fitting tuple of counts.

        Raises FormulaError, in words, where there is none.
        """
        inside = [one for one in self.every if (not group or one.group == group) and (not system or crystal_system(one.group) == system)]
        if not inside:
            raise FormulaError(f"No crystal that was learned from has the space group {group}, so nothing is known of how its sites fill.")
        found = [one for one in inside if counts(one.counts) and (not n_atoms or len(one.kind) == n_atoms)]
        if not found:
            where = f"the space group {group}" if group else f"a {system} group" if system else "any group"
            raise FormulaError(f"No crystal that was learned from has {where} and this stoichiometry or size.")
        return found

    @staticmethod
    def draw(fitting: Sequence[Template], seed: int) -> Template:
        """One of them, in proportion to how often it was seen."""
        often = np.array([one.often for one in fitting], float)
        return fitting[int(np.random.default_rng(seed).choice(len(fitting), p=often / often.sum()))]

    @staticmethod
    def seated(template: Template, kinds: Sequence[int]) -> tuple[int, ...]:
        """Atomic numbers of the template's atoms. kinds: S elements, the k-th for kind k; among kinds of equal count the elements sit where
        they are most alike to what was seen there (as `baselines.substitution`, sum of squares in standard units)."""
        table, spread = element_features().astype(float), element_features()[1:].std(0) + 1e-6
        counts, chosen = np.array(template.counts), np.array(kinds)
        for n in np.unique(counts):
            alike = np.flatnonzero(counts == n)
            cost = (((template.properties.numpy()[alike, None] - table[chosen[alike]][None]) / spread) ** 2).sum(-1)
            chosen[alike] = chosen[alike][linear_sum_assignment(cost)[1]]
        return tuple(chosen[template.kind.numpy()].tolist())


def harvest(arrays: CrystalArrays) -> Templates:
    """Every way in which these crystals fill the sites of their groups (spglib, 0.1 Å), with how often it occurs."""
    import spglib

    found: dict[tuple, list] = {}
    for i in range(len(arrays)):
        crystal = arrays.crystal(i)
        data = asked_spglib(spglib.get_symmetry_dataset, crystal, SYMPREC)
        if data is None:
            continue
        sites = _sites(crystal.numbers, data.crystallographic_orbits, data.wyckoffs)
        key = (data.number, tuple(letters for _, letters, _ in sites))
        entry = found.setdefault(key, [crystal, [z for z, _, _ in sites], 0, np.zeros((len(sites), element_features().shape[1]))])
        entry[2] += 1
        entry[3] += element_features()[[z for z, _, _ in sites]]
    return Templates([one for entry in found.values() for one in _templates(*entry)])


def _sites(numbers: np.ndarray, orbits: np.ndarray, letters: Sequence[str]) -> list[tuple[int, tuple[str, ...], int]]:
    """(element, Wyckoff letters of its orbits, atoms), the most frequent first, then by letters."""
    of: dict[int, list[str]] = {}
    for a in np.unique(orbits):
        of.setdefault(int(numbers[a]), []).append(str(letters[a]))
    counts = Counter(numbers.tolist())
    return sorted(((z, tuple(sorted(found)), counts[z]) for z, found in of.items()), key=lambda one: (-one[2], one[1]))


def _templates(crystal: Crystal, elements: list[int], often: int, properties: np.ndarray) -> Iterator[Template]:
    try:
        symmetry = symmetry_of(crystal)
    except NoSymmetryError:
        return
    kind = torch.tensor([elements.index(int(z)) for z in crystal.numbers])
    yield Template(symmetry, kind, torch.from_numpy(properties / often).float(), often)


FIELDS = ("rotation", "shift", "project", "offset")


def to_tensors(templates: Templates) -> dict[str, Tensor]:
    """Everything in a few flat arrays, for a weight file."""
    every = templates.every
    return {
        "group": torch.tensor([one.group for one in every], dtype=torch.uint8),
        "often": torch.tensor([one.often for one in every], dtype=torch.int32),
        "atoms": torch.tensor([len(one.kind) for one in every], dtype=torch.uint8),
        "kinds": torch.tensor([len(one.properties) for one in every], dtype=torch.uint8),
        "order": torch.tensor([len(one.symmetry.point_group) for one in every], dtype=torch.int16),
        "kind": torch.cat([one.kind for one in every]).to(torch.uint8),
        "anchor": torch.cat([one.symmetry.anchor for one in every]).to(torch.uint8),
        "properties": torch.cat([one.properties for one in every]).half(),
        "point_group": torch.cat([one.symmetry.point_group for one in every]).to(torch.int8),
        "rotation": torch.cat([one.symmetry.rotation for one in every]).to(torch.int8),
        "shift": torch.cat([one.symmetry.shift for one in every]),
        "project": torch.cat([one.symmetry.project[one.symmetry.anchor] for one in every]),
        "offset": torch.cat([one.symmetry.offset[one.symmetry.anchor] for one in every]),
    }


def from_tensors(tensors: dict[str, Tensor]) -> Templates:
    """The inverse of `to_tensors`. Raises KeyError, RuntimeError for other tensors."""
    atoms, kinds, order = (tensors[name].tolist() for name in ("atoms", "kinds", "order"))
    parts = {name: tensors[name].split(atoms) for name in ("kind", "anchor", *FIELDS)}
    properties, point_group = tensors["properties"].split(kinds), tensors["point_group"].split(order)
    return Templates(
        [
            Template(
                Symmetry(
                    group,
                    anchor=parts["anchor"][i].long(),
                    **{name: parts[name][i].float() for name in FIELDS},
                    point_group=point_group[i].float(),
                ),
                parts["kind"][i].long(),
                properties[i].float(),
                often,
            )
            for i, (group, often) in enumerate(zip(tensors["group"].tolist(), tensors["often"].tolist(), strict=True))
        ]
    )
