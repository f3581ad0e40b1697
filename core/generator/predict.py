"""Four ways to answer "which crystal does this formula make?", and their combination.

    flow, diffusion   the generative model alone, from noise (core/generator/sampling)
    prototype         the nearest known crystal with the wanted elements on its sites, no network (core/generator/baselines/substitution.py)
    refine            structure types of the library ranked by a small network (baselines/ranker.py), weighed against crystals
                      that the flow grows by another (core/generator/selection/selector.py); the model alone where it is trusted more or no
                      crystal of this stoichiometry is known. Blurring and denoising the best (`start`) can be added and is off

The library never contains the answer: rows marked `dev` are left out, and it is the user's own file or the built-in prototypes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from core.generator.baselines.ranker import MAX_SLOTS, Query, Ranker, query_of, stack
from core.generator.baselines.substitution import N_TYPES, Library, Proposal, by_count, prototype
from core.generator.registry import FOLDER, Model, unreadable
from core.generator.sampling.best_of import Progress, sample_cells
from core.generator.sampling.config import CANDIDATES, SamplerConfig, published_config
from core.generator.sampling.parallel import sample_in_parallel
from core.generator.selection.selector import GROWN, MARGIN, TYPES, Selector, evidence
from core.generator.weights import WeightsError, load_module
from core.structures.crystal import Crystal

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Refinement:
    """Constants of `refine`, chosen on held-out crystals. start: time to which a prototype is blurred (0 = left as it is, which was
    best with the weights that ship: from t = 0.03 the flow found 0.6 % more matches but raised their rms from 0.029 to 0.042).

    n_types: how many types are ranked.
    """

    start: float = 0.0
    steps: int = 10
    n_types: int = N_TYPES


def load_ranker(folder: Path = FOLDER) -> Ranker:
    """Raises ModelMissing."""
    return _ranker(Path(folder) / "ranker.safetensors")


def load_selector(folder: Path = FOLDER) -> Selector:
    """Raises ModelMissing."""
    return _selector(Path(folder) / "selector.safetensors")


@lru_cache(maxsize=2)
def _ranker(path: Path) -> Ranker:
    return _loaded(Ranker(), path)


@lru_cache(maxsize=2)
def _selector(path: Path) -> Selector:
    return _loaded(Selector(), path)


def _loaded(module: Network, path: Path) -> Network:
    try:
        load_module(path, module)
    except WeightsError as error:
        raise unreadable(path, error) from None
    return module


@torch.no_grad()
def proposals(
    numbers: Sequence[int], library: Library, ranker: Ranker, *, n_types: int = N_TYPES, without: int | None = None
) -> list[Proposal]:
    """One proposal for each structure type, the most trusted first. without: a row of the library to leave out."""
    found = library.types(numbers, n_types=n_types, without=without)
    if found is None:
        return []
    places, near = found.first.tolist(), found.neighbours
    taken = [bool(near.distances[place] < 1e-6) for place in places]
    hull = library.arrays.columns.get("e_above_hull", np.full(len(library), np.nan))
    if len(by_count(numbers)[0]) <= MAX_SLOTS:
        query = query_of(numbers, found, hull[near.rows], n_types=n_types)
        logits = ranker(stack([query]))[0, : len(places)].double()
        places = nearest_members(ranker, query, len(places))
    else:
        logits = -torch.arange(len(places), dtype=torch.float64)
    shares = logits.softmax(0)
    return [
        Proposal(
            library.substituted(numbers, near.rows[places[k]], near.elements[places[k]]),
            int(near.rows[places[k]]),
            float(near.distances[places[k]]),
            shares[k].item(),
            float(hull[near.rows[places[k]]]),
            int((found.member == k).sum()),
            taken[k],
        )
        for k in shares.argsort(descending=True).tolist()
    ]


def nearest_members(ranker: Ranker, query: Query, n_types: int) -> list[int]:
    """The member of each type that the learned distance puts nearest."""
    weight = ranker.weights(stack([query]))[0]
    return [int(torch.where(query.member == k, weight, -torch.inf).argmax()) for k in range(n_types)]


def answer_by_prototype(
    cells: Sequence[Sequence[int]],
    stand_ins: Sequence[Sequence[int]],
    library: Library,
    model: Model,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Crystal]:
    """The nearest prototype of each cell; where none has the stoichiometry, the model from noise (on `stand_ins`, elements it knows)."""
    answers = [found.crystal if (found := prototype(cell, library)) else None for cell in cells]
    return _fill(answers, stand_ins, model, seed, progress)


def answer_by_refinement(
    cells: Sequence[Sequence[int]],
    stand_ins: Sequence[Sequence[int]],
    library: Library,
    ranker: Ranker,
    model: Model,
    *,
    selector: Selector | None = None,
    settings: Refinement | None = None,
    workers: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Crystal]:
    """The most trusted prototype of each cell, denoised from `settings.start`; the model from noise where that is trusted more, or alone.

    selector: whom to trust is decided with the flow's own crystals in view (the model needs a reranker); without one by the ranker alone.
    The k-th answer for one and the same composition comes from the k-th most trusted candidate.
    """
    settings = settings or Refinement()
    kinds = {tuple(cell): tuple(stand_in) for cell, stand_in in zip(cells, stand_ins, strict=True)}
    proposed = {cell: proposals(cell, library, ranker, n_types=settings.n_types) for cell in kinds}
    ranked: dict[tuple[int, ...], list[Crystal | None]] = {cell: [p.crystal for p in found] for cell, found in proposed.items()}
    if selector is not None:
        with_prototype = [cell for cell in kinds if proposed[cell]]
        grown = sample_in_parallel(
            model, [kinds[cell] for cell in with_prototype for _ in range(GROWN)], CANDIDATES, workers=workers, seed=seed, progress=progress
        )
        for i, cell in enumerate(with_prototype):
            ranked[cell] = select_candidates(selector, model, cell, kinds[cell], grown[GROWN * i : GROWN * (i + 1)], proposed[cell])
    earlier: Counter = Counter()
    chosen: list[Crystal | None] = []
    for cell in map(tuple, cells):
        order = ranked[cell] or [None]
        chosen.append(order[earlier[cell] % len(order)])
        earlier[cell] += 1
    if settings.start > 0:
        found = {i: crystal for i, crystal in enumerate(chosen) if crystal is not None}
        config = SamplerConfig(steps=settings.steps, start=settings.start)
        first = [Crystal(np.array(stand_ins[i]), crystal.frac_coords, crystal.lattice) for i, crystal in found.items()]
        for i, path in zip(found, sample_cells(model, [stand_ins[i] for i in found], config, seed=seed, initial=first), strict=True):
            chosen[i] = path.final
    return _fill(chosen, stand_ins, model, seed, progress, workers)


def select_candidates(
    selector: Selector, model: Model, cell: Sequence[int], stand_in: Sequence[int], grown: Sequence[Crystal], proposed: Sequence[Proposal]
) -> list[Crystal | None]:
    """Proposals in the selector's order, and None for "let the flow grow it" in its place: it must be better by MARGIN."""
    assert model.reranker is not None, "a selector reads the opinion of the flow's reranker"
    few, rest = proposed[:TYPES], [p.crystal for p in proposed[TYPES:]]
    trust = selector.trust(evidence(model.network, model.reranker, cell, stand_in, grown, few)[0])
    trust[0] -= MARGIN
    candidates = [None, *(p.crystal for p in few)]
    return [candidates[k] for k in trust.argsort(descending=True).tolist()] + rest


def _fill(
    answers: list[Crystal | None], stand_ins: Sequence[Sequence[int]], model: Model, seed: int, progress: Progress | None, workers: int = 1
) -> list[Crystal]:
    """Answers that are missing are grown from noise, with the settings of the model's published scores."""
    missing = [i for i, answer in enumerate(answers) if answer is None]
    if missing:
        grown = sample_in_parallel(
            model, [stand_ins[i] for i in missing], published_config(model.about), workers=workers, seed=seed, progress=progress
        )
        for i, crystal in zip(missing, grown, strict=True):
            answers[i] = crystal
    return [answer for answer in answers if answer is not None]
