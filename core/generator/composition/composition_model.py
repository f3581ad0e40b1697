"""Formulas from nothing: which elements share a cell? Absorbing diffusion on the kinds of atoms of one cell.

The counts n = (n_1, ..., n_S) of the kinds are drawn from those of the training crystals, as the number of atoms is elsewhere; then
every kind is masked, and the network says what a masked kind may be, given the counts and the kinds decided already.

equation                                                                          name (of CompositionModel)
q(a_t | a_0): every kind masked by itself with probability t                      loss   (Austin et al. 2021, D3PM)
-log p(a_0 | n) <= E_k E_{k decided} S / (S - k) sum_{masked i} -log p(a_i | decided)   loss   (Hoogeboom et al. 2022, sec. 3)
the next kind to be unmasked is any of the masked ones: one call for each kind    draw   (Zheng et al. 2024, first-hitting sampler)

All atoms of a kind are unmasked together, so a formula of four elements is four decisions, not twenty, and comes out even. The
first-hitting sampler draws the random times at which kinds are unmasked exactly; there is no step whose size could be too large.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.structures.elements import FEATURES, MASKED, N_SPECIES, element_features
from core.structures.formula import FormulaError

OXIDATION = range(-5, 8)
MAX_ATOMS = 20
Counts = tuple[int, ...]
Adapt = Callable[[int, Tensor], Tensor]


def element_table() -> np.ndarray:
    """(N_SPECIES, 26) float32: `elements.element_features`, then a 1 for each oxidation state from -5 to 7 that is common or in the ICSD.

    Source: pymatgen's Element. Row 0, the masked kind, is zero.
    """
    from pymatgen.core import Element

    found = np.zeros((N_SPECIES, len(OXIDATION)), np.float32)
    for number in range(1, N_SPECIES):
        element = Element.from_Z(number)
        for state in {*element.icsd_oxidation_states, *element.common_oxidation_states} & set(OXIDATION):
            found[number, state - OXIDATION.start] = 1
    return np.concatenate([element_features(), found], axis=1)


class CompositionModel(nn.Module):
    """(kinds, counts) -> logits of every kind. Kinds of one formula have no order: attention without places.

    stoichiometries: counts of the kinds, the most frequent first -> how often in training. The buffer `properties` (N_SPECIES, 26) is
    `element_table`, `known` (N_SPECIES,) the elements of the training crystals.
    """

    properties: Tensor
    known: Tensor

    def __init__(self, width: int = 128, depth: int = 3, heads: int = 4, dropout: float = 0.1):
        super().__init__()
        n = len(FEATURES) + len(OXIDATION)
        self.stoichiometries: dict[Counts, int] = {}
        self.register_buffer("properties", torch.zeros(N_SPECIES, n))
        self.register_buffer("known", torch.ones(N_SPECIES, dtype=torch.bool))
        self.own, self.offered = nn.Embedding(N_SPECIES, width), nn.Embedding(N_SPECIES, width)
        for table in (self.own, self.offered):
            nn.init.normal_(table.weight, std=0.1)
        self.seen, self.wanted = (nn.Sequential(nn.Linear(n, width), nn.SiLU(), nn.Linear(width, width)) for _ in range(2))
        self.count, self.size = nn.Embedding(MAX_ATOMS + 1, width), nn.Embedding(MAX_ATOMS + 1, width)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(N_SPECIES))

    def forward(self, kinds: Tensor, counts: Tensor, adapt: Adapt | None = None, offer: Tensor | None = None) -> Tensor:
        """kinds (B, S) atomic numbers, MASKED where undecided; counts (B, S) atoms of each -> (B, S, N_SPECIES) logits.

        -inf for elements unknown to the training data and for those that the formula holds already. adapt: changes the kinds before layer
        i, h -> adapt(i, h), offer (B, N_SPECIES): is added to the logits; how a condition enters (`steering.composition_adapter`).
        """
        decided = (kinds != MASKED).unsqueeze(-1)
        h = self.own(kinds) + decided * self.seen(self.properties[kinds]) + self.count(counts) + self.size(counts.sum(1)).unsqueeze(1)
        for i, layer in enumerate(self.body.layers):
            h = layer(h if adapt is None else adapt(i, h))
        h = self.query(self.norm(h))
        offers = self.offered.weight + self.wanted(self.properties)
        logits = 4 * h @ offers.T / offers.shape[1] ** 0.5 + self.bias
        logits = logits if offer is None else logits + offer.unsqueeze(1)
        taken = F.one_hot(kinds, N_SPECIES).sum(1).bool() | ~self.known
        taken[:, MASKED] = True
        return logits.masked_fill(taken.unsqueeze(1), -torch.inf)

    def loss(self, kinds: Tensor, counts: Tensor, *, generator: torch.Generator, **told: Any) -> Tensor:
        """(B,): one draw of the bound on -log p(kinds | counts), in nats; told: as for `forward`."""
        size = kinds.shape[1]
        decided = (torch.rand(len(kinds), 1, generator=generator) * size).long()
        masked = torch.rand(kinds.shape, generator=generator).argsort(1).argsort(1) >= decided
        prediction = self(kinds.masked_fill(masked, MASKED), counts, **told).log_softmax(-1).gather(-1, kinds.unsqueeze(-1)).squeeze(-1)
        return size * -prediction.where(masked, torch.zeros(())).sum(1) / masked.sum(1)

    @torch.no_grad()
    def draw(
        self, counts: Counts, seeds: Sequence[int], *, temperature: float = 1.0, logits: Callable[[Tensor, Tensor], Tensor] | None = None
    ) -> Tensor:
        """(B, S): the kinds of one formula for each seed, by softmax(logits / temperature). Reproducible, whatever else is drawn.

        logits: (kinds, counts) -> (B, S, N_SPECIES) instead of the model's own.
        """
        of = logits or self
        uniform = torch.stack([torch.rand(2, len(counts), generator=torch.Generator().manual_seed(seed)) for seed in seeds])
        order, dice = uniform[:, 0].argsort(1), uniform[:, 1].double()
        kinds = torch.full(order.shape, MASKED)
        rows, n = torch.arange(len(kinds)), torch.tensor(counts).expand(len(kinds), -1)
        for place, u in zip(order.T, dice.T, strict=True):
            chances = (of(kinds, n)[rows, place].double() / max(temperature, 1e-6)).softmax(-1)
            kinds[rows, place] = torch.searchsorted(chances.cumsum(-1), u.unsqueeze(1).contiguous(), right=True).squeeze(1)
        return kinds

    def counts_of(self, n_atoms: int, seed: int) -> Counts:
        """Counts of the kinds in a cell of so many atoms, as often as in the training crystals. Raises FormulaError."""
        fitting = {counts: often for counts, often in self.stoichiometries.items() if sum(counts) == n_atoms}
        if not fitting:
            raise FormulaError(f"No crystal of the training data has {n_atoms} atoms in its cell.")
        chances = np.array(list(fitting.values()), dtype=float)
        return list(fitting)[np.random.default_rng(seed).choice(len(fitting), p=chances / chances.sum())]


def draw_compositions(composition_model: CompositionModel, sizes: Sequence[int], seeds: Sequence[int]) -> list[tuple[int, ...]]:
    """Atomic numbers of one cell for each number of atoms, alike ones next to each other. Raises FormulaError for sizes never seen."""
    counts = [composition_model.counts_of(n, seed) for n, seed in zip(sizes, seeds, strict=True)]
    cells: list[tuple[int, ...]] = [()] * len(counts)
    for pattern in sorted(set(counts)):
        rows = [i for i, other in enumerate(counts) if other == pattern]
        for i, kinds in zip(rows, composition_model.draw(pattern, [seeds[i] for i in rows]).tolist(), strict=True):
            cells[i] = tuple(np.repeat(kinds, pattern).tolist())
    return cells


def to_text(stoichiometries: Mapping[Counts, int]) -> dict[str, int]:
    """The table as JSON can hold it: "1 1 3" -> how often."""
    return {" ".join(map(str, counts)): often for counts, often in stoichiometries.items()}


def from_text(table: Mapping[str, int]) -> dict[Counts, int]:
    """The inverse of `to_text`. Raises ValueError."""
    return {tuple(map(int, counts.split())): int(often) for counts, often in table.items()}
