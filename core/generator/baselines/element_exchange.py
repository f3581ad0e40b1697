"""Isomorphous replacement as augmentation: an element of a training crystal makes place for one that crystallises alike.

Of all pairs of known crystals that differ in one element only, how many are of one structure type? Counted over the training
crystals themselves, this is the data-mined substitution of Hautier et al. 2011 (Inorg. Chem. 50, 656) with a hard verdict
(fingerprints) for their fitted probability. La for Nd keeps the structure nine times in ten, O for S hardly ever.

equation                                             name
n_same(A, B), n_all(A, B)                            replacement_counts
P(A -> B) ~ (n_same / (n_all + 3))^3, P(A -> A) ~ 1  replacement_table
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from core.generator.baselines.fingerprint import difference
from core.generator.baselines.substitution import Library
from core.structures.elements import N_SPECIES

ALIKE = 0.03  # fingerprint difference below which a replacement has kept the structure
DOUBT = 3  # pairs that failed, taken as seen before any was looked at
SHARPNESS = 3


def replacement_counts(library: Library) -> tuple[np.ndarray, np.ndarray]:
    """(N_SPECIES, N_SPECIES) pairs of entries alike but for A in place of B, and how many of them share a structure type; symmetric."""
    size = N_SPECIES
    same, every = np.zeros((size, size)), np.zeros((size, size))
    for counts, (_, elements) in library.groups.items():
        pictures = library.pictures(counts)
        for members in _one_apart(counts, elements).values():
            rows = np.array([row for row, _, _ in members])
            orders = np.array([order for _, order, _ in members])
            seen = pictures[rows[:, None, None], orders[:, :, None], orders[:, None, :]]
            kinds = np.array([z for _, _, z in members])
            for i in range(len(members) - 1):
                other = np.flatnonzero(kinds[i + 1 :] != kinds[i]) + i + 1
                alike = difference(seen[other], seen[i][None]) < ALIKE
                np.add.at(every, (kinds[i], kinds[other]), 1)
                np.add.at(same, (kinds[i], kinds[other]), alike)
    return every + every.T, same + same.T


def _one_apart(counts: tuple[int, ...], elements: np.ndarray) -> dict[tuple, list[tuple[int, list[int], int]]]:
    """Entries by what they hold beside one of their elements: (row, order of the elements with that one first, its number)."""
    groups: dict[tuple, list[tuple[int, list[int], int]]] = {}
    for row, kinds in enumerate(elements.tolist()):
        for k in range(len(counts)):
            rest = sorted((j for j in range(len(counts)) if j != k), key=lambda j: (counts[j], kinds[j]))
            key = (counts[k], *((counts[j], kinds[j]) for j in rest))
            groups.setdefault(key, []).append((row, [k, *rest], kinds[k]))
    return groups


def replacement_table(library: Library) -> Tensor:
    """(N_SPECIES, N_SPECIES) float32: row A holds the chances of each B to take its place, A itself among them; rows sum to 1."""
    every, same = replacement_counts(library)
    table = (same / (every + DOUBT)) ** SHARPNESS
    np.fill_diagonal(table, 1.0)
    return torch.from_numpy(table / table.sum(1, keepdims=True)).float()


def exchange(numbers: Tensor, table: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """(B, N) species with elements replaced by draws from `table` in a `share` of the rows, all atoms of an element alike.

    A row in which two elements would become one is left as it is.
    """
    new = torch.multinomial(table, len(numbers), replacement=True, generator=generator).T.gather(1, numbers)
    chosen = torch.rand(len(numbers), generator=generator) < share
    chosen &= _kinds(new) == _kinds(numbers)
    return torch.where(chosen.unsqueeze(1), new, numbers)


def _kinds(numbers: Tensor) -> Tensor:
    """(B,) how many elements each row holds."""
    ordered = numbers.sort(-1).values
    return (ordered[:, 1:] != ordered[:, :-1]).sum(-1)
