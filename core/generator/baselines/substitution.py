"""The baseline without any network: take a known crystal of the same stoichiometry and put the wanted elements on its sites.

Chemists have predicted crystals so for a century (isomorphous replacement; Hautier et al. 2011 made it statistical, and
Kusaba et al. 2022, CSPML, learned which template to take). A library is any file in the layout of core/structures/arrays.py.

equation                                                     name
d(A, B) = sum_i n_i D(a_i, b_i) / sum_i n_i                  Library.neighbours, minimised over sites of equal count
V = V_template sum_i v(a_i) / sum_i v(b_i)                   Library.substituted (v: mean volume of each element)

D is the distance of two elements in group, row, electronegativity, radii and Mendeleev number, each standardised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from pathlib import Path

import numpy as np

from core.generator.baselines.fingerprint import difference, fingerprints
from core.structures.arrays import CrystalArrays, load_arrays
from core.structures.crystal import Crystal
from core.structures.elements import FEATURES, N_SPECIES, element_features

SAME_TYPE = 0.015  # fingerprint difference below which two entries count as one structure type (96% of such pairs match)
N_TYPES = 14  # structure types that are considered for one composition
WEIGHTS = {
    "period": 0.5,
    "group": 1.0,
    "electronegativity": 1.0,
    "atomic radius": 0.5,
    "ionic radius": 1.0,
    "Mendeleev number": 1.0,
    "lowest oxidation state": 0.3,
    "highest oxidation state": 0.3,
}


def element_distances() -> np.ndarray:
    """(N_SPECIES, N_SPECIES): D of two elements."""
    table = element_features().astype(np.float64)
    chosen = np.stack([table[:, FEATURES.index(name)] * weight for name, weight in WEIGHTS.items()], axis=-1)
    return np.linalg.norm(chosen[:, None] - chosen[None], axis=-1)


def by_count(numbers: Iterable[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(elements, counts) of a cell, the most frequent first, equal counts by atomic number."""
    pairs = sorted(Counter(int(z) for z in numbers).items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(z for z, _ in pairs), tuple(n for _, n in pairs)


def orders(counts: tuple[int, ...]) -> np.ndarray:
    """(K, m): the orders of m elements that exchange only elements of equal count."""
    groups = [[i for i, c in enumerate(counts) if c == n] for n in dict.fromkeys(counts)]
    return np.array([sum(choice, ()) for choice in product(*(tuple(permutations(g)) for g in groups))])


@dataclass(frozen=True)
class Neighbours:
    """Entries of a library that share a stoichiometry, the nearest first.

    rows (M,) of the library, distances (M,), elements (M, m): which of their elements each wanted one replaces.
    """

    rows: np.ndarray
    distances: np.ndarray
    elements: np.ndarray


@dataclass(frozen=True)
class Proposal:
    """A known crystal with the wanted elements on its sites.

    row: of the library. distance: of the elements exchanged. share: weight the ranker gives to its structure type among those
    proposed, 0..1. hull: of the known crystal, eV/atom above the convex hull, NaN where the library does not say. size: entries of
    this type among the nearest. taken: the library holds the very composition asked for in this type.
    """

    crystal: Crystal
    row: int
    distance: float
    share: float
    hull: float = float("nan")
    size: int = 1
    taken: bool = False


@dataclass(frozen=True)
class Types:
    """Structure types that a cell content may take: the nearest neighbours, sorted into types.

    neighbours: the M nearest. member (M,): the type of each, 0..T-1, numbered in the order of first appearance, -1 beyond the
    last type wanted. fingerprints (T, m, m, BINS) of the first (nearest) entry of each type, with the wanted elements in place.
    """

    neighbours: Neighbours
    member: np.ndarray
    fingerprints: np.ndarray

    @property
    def first(self) -> np.ndarray:
        """(T,): the place in `neighbours` of the nearest entry of each type."""
        return np.array([np.flatnonzero(self.member == k)[0] for k in range(len(self.fingerprints))])


class Library:
    """Known crystals, found by stoichiometry. Rows marked `dev` are left out."""

    def __init__(self, arrays: CrystalArrays):
        dev = arrays.columns.get("dev")
        self.arrays = arrays if dev is None else arrays.select(~dev.astype(bool))
        offset = self.arrays.offset
        groups: dict[tuple[int, ...], list[tuple[int, tuple[int, ...]]]] = {}
        for i in range(len(self.arrays)):
            elements, counts = by_count(self.arrays.numbers[offset[i] : offset[i + 1]])
            groups.setdefault(counts, []).append((i, elements))
        self.groups = {counts: (np.array([i for i, _ in rows]), np.array([e for _, e in rows])) for counts, rows in groups.items()}
        self.D = element_distances()
        self._pictures: dict[tuple[int, ...], np.ndarray] = {}

    @classmethod
    def read(cls, path: Path | str) -> Library:
        """Raises ArrayFileError."""
        return cls(load_arrays(path))

    def __len__(self) -> int:
        return len(self.arrays)

    def neighbours(self, numbers: Sequence[int], *, without: int | None = None) -> Neighbours | None:
        """All entries of this stoichiometry, nearest first; None if there are none. without: a row to leave out."""
        wanted, counts = by_count(numbers)
        if counts not in self.groups:
            return None
        rows, elements = self.groups[counts]
        weight = np.array(counts) / sum(counts)
        every = orders(counts)
        costs = np.stack([self.D[np.array(wanted)[None], elements[:, order]] @ weight for order in every])  # (K, M)
        best = costs.argmin(0)
        distances = costs.min(0)
        replaced = np.take_along_axis(elements, every[best], axis=1)
        order = np.argsort(distances, kind="stable")
        if without is not None:
            order = order[rows[order] != without]
        return Neighbours(rows[order], distances[order], replaced[order]) if len(order) else None

    def types(self, numbers: Sequence[int], *, n_types: int = N_TYPES, n_neighbours: int = 128, without: int | None = None) -> Types | None:
        """The `n_types` nearest structure types among the `n_neighbours` nearest entries; None if no entry has this stoichiometry."""
        found = self.neighbours(numbers, without=without)
        if found is None:
            return None
        found = Neighbours(*(part[:n_neighbours] for part in (found.rows, found.distances, found.elements)))
        counts = by_count(numbers)[1]
        rows, elements = self.groups[counts]
        at = np.searchsorted(rows, found.rows)
        places = (elements[at][:, None, :] == found.elements[:, :, None]).argmax(-1)  # (M, m)
        pictures = self.pictures(counts)[at[:, None, None], places[:, :, None], places[:, None, :]]  # (M, m, m, BINS)
        member = np.full(len(at), -1)
        firsts: list[int] = []
        for i, picture in enumerate(pictures):
            if firsts:
                gaps = difference(pictures[firsts], picture)
                if gaps.min() < SAME_TYPE:
                    member[i] = gaps.argmin()
                    continue
            if len(firsts) < n_types:
                member[i] = len(firsts)
                firsts.append(i)
        return Types(found, member, pictures[firsts])

    def pictures(self, counts: tuple[int, ...]) -> np.ndarray:
        """(M, m, m, BINS): fingerprints of all entries of this stoichiometry, elements in their `by_count` order; kept."""
        if counts not in self._pictures:
            rows, elements = self.groups[counts]
            n = sum(counts)
            parts = []
            for some in np.array_split(np.arange(len(rows)), -(-len(rows) // 64)):
                atoms = self.arrays.offset[rows[some]][:, None] + np.arange(n)
                slots = (self.arrays.numbers[atoms].astype(int)[:, :, None] == elements[some][:, None]).argmax(-1)
                parts.append(
                    fingerprints(
                        self.arrays.frac_coords[atoms].astype(float), self.arrays.lattice[rows[some]].astype(float), slots, len(counts)
                    )
                )
            self._pictures[counts] = np.concatenate(parts)
        return self._pictures[counts]

    @cached_property
    def volumes(self) -> np.ndarray:
        """(N_SPECIES,) Å^3: volume of an atom of each element, by least squares over the library (ridge towards the mean)."""
        counts = np.zeros((len(self), N_SPECIES))
        np.add.at(counts, (np.repeat(np.arange(len(self)), self.arrays.num_atoms), self.arrays.numbers.astype(int)), 1)
        volume = np.abs(np.linalg.det(self.arrays.lattice.astype(np.float64)))
        mean = volume.sum() / counts.sum()
        scaled = counts / np.sqrt(counts.sum(1, keepdims=True))
        rest = (volume - mean * counts.sum(1)) / np.sqrt(counts.sum(1))
        fitted = mean + np.linalg.solve(scaled.T @ scaled + np.eye(N_SPECIES), scaled.T @ rest)
        return np.clip(fitted, 0.3 * mean, 4 * mean)

    def substituted(self, numbers: Sequence[int], row: int, elements: Sequence[int]) -> Crystal:
        """Entry `row` with the wanted elements in place of `elements` (as in Neighbours), atoms in the order of `numbers`."""
        template = self.arrays.crystal(row)
        wanted, _ = by_count(numbers)
        new = dict(zip((int(z) for z in elements), wanted, strict=True))
        placed = np.array([new[int(z)] for z in template.numbers])
        content = np.array([int(z) for z in numbers])
        order = np.empty(len(content), int)
        order[np.argsort(content, kind="stable")] = np.argsort(placed, kind="stable")
        ratio = self.volumes[content].sum() / self.volumes[template.numbers].sum()
        return Crystal(content, template.frac_coords[order], template.lattice * ratio ** (1 / 3))


def prototype(numbers: Sequence[int], library: Library, *, other: bool = False) -> Proposal | None:
    """The nearest entry, by the fixed distance of elements; None where no crystal of this stoichiometry is known.

    other: pass over entries of the very composition asked for.
    """
    found = library.neighbours(numbers)
    at = 0 if found is None else int((found.distances < 1e-6).sum()) if other else 0
    if found is None or at == len(found.rows):
        return None
    row, distance = int(found.rows[at]), float(found.distances[at])
    return Proposal(library.substituted(numbers, row, found.elements[at]), row, distance, 1.0)
