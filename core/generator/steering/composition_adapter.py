"""Conditions for the composition model: the flow is given its formula, so what decides on species must be told what is asked.

The composition model stays as it is; an adapter beside each of its layers learns (as `model.adapter` for the flow), and a head that
says how the condition changes the chances of each stoichiometry. Nothing given, or gamma = 0: the formulas of the model alone.

equation                                                            name (of CompositionAdapter)
h <- h + [y given] W (MLP([h, c(y)])), W = 0 at first               mix
log p(a) <- log p(a) + w [a in the chemical system told] + const    mix
log p(n | y) = log p(n) + [y given] (W MLP(c(y)))_n + const         counts
(1 - gamma) log p(a | a', n) + gamma log p(a | a', n, y)            guided_draw   (Ho & Salimans 2022; discrete: Nisonoff et al. 2024)

Each decision is guided by itself; that is a guess at p(a | y)^gamma p(a)^(1 - gamma), not a sample of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from core.generator.composition.composition_model import Adapt, CompositionModel, Counts
from core.generator.model.adapter import SCALARS, ConditionCode, Conditions, Mixer
from core.structures.elements import N_SPECIES
from core.structures.formula import FormulaError

WIDTH, CODE, HIDDEN = 128, 128, 128
WISH = 8.0  # units in which the wish for an element is learned


class CompositionAdapter(Mixer):
    """patterns: those of the composition model, in its order.

    Beside `Conditions` it is told a chemical system: elements (B, N_SPECIES), 1 for each element of the crystal, all 0 where nothing is.
    """

    def __init__(self, model: CompositionModel):
        super().__init__(WIDTH, len(model.body.layers), CODE, HIDDEN)
        self.patterns = list(model.stoichiometries)
        self.code = ConditionCode(CODE, raw=0, measured=len(SCALARS))
        self.chemistry = nn.Linear(N_SPECIES, CODE, bias=False)
        self.wish = nn.Parameter(torch.zeros(()))
        self.head = nn.Sequential(nn.LayerNorm(CODE), nn.Linear(CODE, HIDDEN), nn.SiLU(), nn.Dropout(0.2))
        self.change = nn.Linear(HIDDEN, len(self.patterns))
        for weight in self.change.parameters():
            nn.init.zeros_(weight)
        self.register_buffer("prior", torch.tensor([float(n) for n in model.stoichiometries.values()]).log().log_softmax(0))

    prior: Tensor

    def coded(self, conditions: Conditions, elements: Tensor) -> Tensor:
        """(B, CODE); density and volume per atom enter by their logarithms."""
        return self.code(logs(conditions.scalars), conditions.system, conditions.group) + self.chemistry(elements)

    @staticmethod
    def given(conditions: Conditions, elements: Tensor) -> Tensor:
        """(B,) bool: is anything told?"""
        return conditions.given | (elements > 0).any(1)

    def mix(self, conditions: Conditions, elements: Tensor) -> dict[str, Adapt | Tensor]:
        """What `CompositionModel.forward` is told."""
        return {
            "adapt": self.mixed(self.coded(conditions, elements), self.given(conditions, elements)),
            "offer": WISH * self.wish * elements,
        }

    def counts(self, conditions: Conditions, elements: Tensor) -> Tensor:
        """(B, patterns): log p(n | y)."""
        change = self.change(self.head(self.coded(conditions, elements))) * self.given(conditions, elements).unsqueeze(1)
        return (self.prior + change).log_softmax(-1)

    def loss(
        self,
        model: CompositionModel,
        kinds: Tensor,
        counts: Tensor,
        conditions: Conditions,
        elements: Tensor,
        *,
        generator: torch.Generator,
    ) -> Tensor:
        """(B, 2): one draw of the bound on -log p(kinds | counts, y), and -log p(counts | y), in nats."""
        place = torch.tensor([self.patterns.index(tuple(row)) for row in counts.tolist()])
        kinds_bound = model.loss(kinds, counts, generator=generator, **self.mix(conditions, elements))
        return torch.stack([kinds_bound, -self.counts(conditions, elements).gather(1, place.unsqueeze(1)).squeeze(1)], dim=1)


def chemical_system(elements: Sequence[int]) -> Tensor:
    """(1, N_SPECIES): 1 for each of the elements."""
    row = torch.zeros(1, N_SPECIES)
    row[0, list(elements)] = 1.0
    return row


def logs(scalars: Tensor) -> Tensor:
    """(B, 4) of SCALARS with log density and log volume per atom."""
    return torch.cat([scalars[:, :2].log(), scalars[:, 2:]], dim=1)


@torch.no_grad()
def drawn_counts(
    model: CompositionModel,
    adapter: CompositionAdapter | None,
    asked: Conditions,
    told: Tensor,
    gamma: float,
    seeds: Sequence[int],
    allowed: Callable[[Counts], bool] = lambda _: True,
) -> list[Counts]:
    """The counts of the kinds for each seed, along (1 - gamma) log p(n) + gamma log p(n | y), among those allowed.

    asked: one condition, told: a `chemical_system`. Raises FormulaError where none is allowed.
    """
    patterns = list(model.stoichiometries)
    inside = torch.tensor([allowed(counts) for counts in patterns])
    if not inside.any():
        raise FormulaError("No crystal that was learned from has this stoichiometry in a cell of up to 20 atoms.")
    logits = torch.tensor([float(n) for n in model.stoichiometries.values()]).double().log().log_softmax(0)
    if adapter is not None and gamma:
        logits = torch.lerp(logits, adapter.counts(asked, told)[0].double(), gamma)
    chances = logits.masked_fill(~inside, -torch.inf).softmax(0).numpy()
    return [patterns[np.random.default_rng(abs(seed)).choice(len(patterns), p=chances / chances.sum())] for seed in seeds]


@torch.no_grad()
def drawn_kinds(
    model: CompositionModel,
    adapter: CompositionAdapter | None,
    asked: Conditions,
    told: Tensor,
    gamma: float,
    counts: Counts,
    seeds: Sequence[int],
    mask: Sequence[int] = (),
) -> Tensor:
    """(B, S): as `CompositionModel.draw`, guided by `asked` and `told`, with nothing outside the elements of `mask` (empty: any known).

    Raises FormulaError where there are fewer elements than kinds.
    """
    barred = torch.zeros(N_SPECIES)
    if mask:
        if len(mask) < len(counts):
            raise FormulaError(f"{len(counts)} kinds of atoms cannot be made of {len(mask)} element{'s' * (len(mask) > 1)}.")
        barred = torch.full((N_SPECIES,), -torch.inf)
        barred[list(mask)] = 0.0
    n = len(seeds)
    mixed = adapter.mix(asked.expand(n), told.expand(n, -1)) if adapter is not None and gamma else {}

    def logits(kinds: Tensor, n: Tensor) -> Tensor:
        plain = model(kinds, n)
        if mixed:
            steered = model(kinds, n, **mixed)
            plain = torch.where(plain.isinf(), plain, torch.lerp(plain.log_softmax(-1), steered.log_softmax(-1), gamma))
        return plain + barred

    return model.draw(counts, seeds, logits=logits)
