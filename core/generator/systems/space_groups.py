r"""Space group first: which of the 230 groups will a composition crystallise in, and how sure is that?

| equation | name |
|---|---|
| p(g \| A) = softmax(f(A) / T) | SpaceGroups.shares |
| T = argmin of the cross-entropy on crystals that f has not seen | fit_temperature (Guo et al. 2017, sec. 4.2) |
| ECE = sum_b n_b / n abs(accuracy_b - confidence_b) | calibration (Guo et al. 2017, eq. 3) |

A large model that works so is MaskGXT (arXiv 2606.22866): the space group is the first token that it fills in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from core.generator.systems import store
from core.structures.elements import N_SPECIES, element_features
from core.structures.space_groups import N_GROUPS

SLOTS = 6  # elements whose counts are told one by one, the most frequent first
WEIGHTS = store.weights_path("space_groups")


def features(numbers: Sequence[int]) -> np.ndarray:
    """(F,) float32 of a cell content: shares of the elements, their properties (mean, spread, ends), the counts, the size of the cell."""
    counts = Counter(int(z) for z in numbers)
    n = len(numbers)
    shares = np.zeros(N_SPECIES, np.float32)
    for z, count in counts.items():
        shares[z] = count / n
    table = element_features()[list(counts)]
    weights = np.array([counts[z] / n for z in counts])[:, None]
    mean = (weights * table).sum(0)
    spread = np.sqrt((weights * (table - mean) ** 2).sum(0))
    units = gcd(*counts.values())
    ranked = sorted((count // units for count in counts.values()), reverse=True)[:SLOTS]
    sizes = np.array([*ranked, *[0] * (SLOTS - len(ranked))]) / 5
    odd = np.array([n / 10, np.log(n), units / 4, len(counts) / 3, n % 2, n % 3 == 0])
    return np.concatenate([shares, mean, spread, table.min(0), table.max(0), sizes, np.minimum(sizes, 1), odd]).astype(np.float32)


N_FEATURES = N_SPECIES + 4 * 13 + 2 * SLOTS + 6


class SpaceGroups(nn.Module):
    """(B, N_FEATURES) -> (B, 230) logits of the groups 1 to 230, divided by the fitted temperature."""

    mean: Tensor
    std: Tensor
    temperature: Tensor

    def __init__(self, width: int = 256, dropout: float = 0.3):
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_FEATURES))
        self.register_buffer("std", torch.ones(N_FEATURES))
        self.register_buffer("temperature", torch.ones(()))
        self.net = nn.Sequential(
            nn.Linear(N_FEATURES, width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(width, N_GROUPS),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net((x - self.mean) / self.std) / self.temperature

    @torch.no_grad()
    def shares(self, contents: Sequence[Sequence[int]]) -> Tensor:
        """(B, 230): probability of each group for cells of these atomic numbers."""
        return self(torch.tensor(np.stack([features(numbers) for numbers in contents]))).softmax(-1)


def fit_temperature(logits: Tensor, groups: Tensor) -> float:
    """The T that makes the mean cross-entropy of logits (B, 230) / T against groups (B,), 0 to 229, smallest; to 1 %."""
    grid = torch.logspace(-1, 1, 463, dtype=torch.float64)
    losses = torch.stack([nn.functional.cross_entropy(logits.double() / T, groups) for T in grid])
    return float(grid[losses.argmin()])


@dataclass(frozen=True)
class Calibration:
    """Of the answers whose confidence lies in a bin: mean confidence, share that is right, how many. ece: see the table above."""

    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    count: tuple[int, ...]

    @property
    def ece(self) -> float:
        n = sum(self.count)
        return sum(m * abs(a - c) for c, a, m in zip(self.confidence, self.accuracy, self.count, strict=True)) / n


def calibration(shares: Tensor, groups: Tensor, n_bins: int = 10) -> Calibration:
    """shares (B, K) of the classes, groups (B,) the right ones; bins of equal width in the confidence of the first guess, empty ones
    left out."""
    confidence, guess = shares.double().max(-1)
    right = (guess == groups).double()
    place = (confidence * n_bins).long().clamp(0, n_bins - 1)
    rows = [(place == b) for b in range(n_bins) if (place == b).any()]
    return Calibration(
        tuple(float(confidence[row].mean()) for row in rows),
        tuple(float(right[row].mean()) for row in rows),
        tuple(int(row.sum()) for row in rows),
    )


def top(shares: Tensor, groups: Tensor, k: int) -> float:
    """Share of rows whose right class is among the k likeliest."""
    return float((shares.topk(k).indices == groups[:, None]).any(-1).double().mean())


@lru_cache(maxsize=2)
def load(path: Path = WEIGHTS) -> tuple[SpaceGroups, dict]:
    """The shipped classifier and what was measured with it. Raises ModelMissing."""
    return store.load(path, SpaceGroups())


def likeliest(numbers: Sequence[int], k: int = 5) -> list[tuple[int, float]]:
    """(space group, probability) of the k likeliest groups of a cell content. Raises ModelMissing."""
    share, group = load()[0].shares([numbers])[0].topk(k)
    return [(int(g) + 1, float(s)) for g, s in zip(group, share, strict=True)]
