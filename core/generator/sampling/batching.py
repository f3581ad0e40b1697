"""Cells of any sizes in batches of one size, each with random numbers of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

BATCH = 64  # crystals that one call of the network sees at most, candidates included


def batches(cells: Sequence[Sequence[int]], candidates: int) -> list[list[int]]:
    """Rows of `cells` (atomic numbers), those with equally many atoms together, small cells first."""
    size = max(1, BATCH // candidates)
    batched = []
    for n in sorted({len(cell) for cell in cells}):
        rows = [i for i, cell in enumerate(cells) if len(cell) == n]
        batched += [part.tolist() for part in np.array_split(rows, -(-len(rows) // size))]
    return batched


def structure_seeds(cells: Sequence[Sequence[int]], seed: int) -> list[int]:
    """One seed for each cell, from `seed`, its composition, and how often that came before in the list.

    torch's generator on the processor keeps the lower 32 bits of a seed only: among the cells of one composition no two share them, or
    the same crystal would be grown twice.
    """
    before: Counter = Counter()
    taken: set[tuple[tuple[int, ...], int]] = set()
    seeds = []
    for numbers in cells:
        key = tuple(numbers)
        again: list[int] = []
        while True:
            state = np.random.SeedSequence([abs(seed), int(seed < 0), before[key], *key, *again]).generate_state(2, np.uint32)
            made = int(state[0]) << 31 | int(state[1]) >> 1
            if (key, made % 2**32) not in taken:
                break
            again = [0, len(again)]  # 0 is no element: no other composition has this list
        taken.add((key, made % 2**32))
        seeds.append(made)
        before[key] += 1
    return seeds


def candidate_seeds(seeds: Sequence[int], candidates: int, first: int = 0) -> list[int]:
    """`candidates` seeds for each seed, next to each other, from the `first` on; the one of number 0 is the seed itself."""
    return [(seed + 0x9E3779B97F4A7C15 * i) % 2**63 for seed in seeds for i in range(first, first + candidates)]
