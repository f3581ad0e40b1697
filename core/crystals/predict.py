"""Four ways to answer "which crystal does this formula make?", and their combination.

    flow, diffusion   the generative model alone, from noise (core/crystals/generation.py)
    prototype         the nearest known crystal with the wanted elements on its sites, no network (core/crystals/substitution.py)
    refine            structure types of the library ranked by a learned judge (core/crystals/ranker.py); where no crystal of this
                      stoichiometry is known, the model alone. Two things can be added and are off, since they did not help with
                      the weights that ship: the model's surprise in the ranking (`doubt`), blurring and denoising the best (`start`)

The library never contains the answer: rows marked `dev` are left out, and it is the user's own file or the built-in prototypes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from core.crystals.generation import Progress, run, to_cells
from core.crystals.models import FOLDER, Model, ModelMissing
from core.crystals.ranker import MAX_SLOTS, Question, Ranker, question, stack
from core.crystals.sampler import SamplerConfig, surprise
from core.crystals.substitution import N_TYPES, Library, Proposal, by_count, prototype
from core.crystals.types import Crystal
from core.crystals.weights import WeightsError, load_module

RANKER = "ranker.safetensors"


@dataclass(frozen=True)
class Refinement:
    """Constants of `refine`, chosen on held-out crystals. start: time to which a prototype is blurred (0 = left as it is, which was
    best with the weights that ship: from t = 0.03 the flow found 0.6 % more matches but raised their rms from 0.029 to 0.042).

    doubt: weight of the model's surprise beside the ranker's logit; n_types: how many types are ranked.
    """

    start: float = 0.0
    steps: int = 10
    doubt: float = 0.0
    n_types: int = N_TYPES
    fallback: SamplerConfig = SamplerConfig(steps=50, sharpen=10.0)


@lru_cache(maxsize=2)
def load_ranker(folder: Path = FOLDER) -> Ranker:
    """Raises ModelMissing."""
    ranker = Ranker()
    try:
        load_module(Path(folder) / RANKER, ranker)
    except WeightsError as error:
        raise ModelMissing(f"The weight file assets/models/{RANKER} cannot be read ({error}). Get it back with "
                           f"`git checkout -- assets/models/{RANKER}`.") from None
    return ranker


@torch.no_grad()
def proposals(numbers: Sequence[int], library: Library, ranker: Ranker, *, model: Model | None = None, doubt: float = 0.0,
              n_types: int = N_TYPES) -> list[Proposal]:
    """One proposal for each structure type, the most trusted first."""
    found = library.types(numbers, n_types=n_types)
    if found is None:
        return []
    places = found.first
    if len(by_count(numbers)[0]) <= MAX_SLOTS:
        hull = library.arrays.columns.get("e_above_hull", np.full(len(library), np.nan))
        asked = question(numbers, found, hull[found.neighbours.rows], n_types=n_types)
        logits = ranker(stack([asked]))[0, : len(places)].double()
        places = nearest_members(ranker, asked, len(places))
    else:
        logits = -torch.arange(len(places), dtype=torch.float64)
    crystals = [library.substituted(numbers, found.neighbours.rows[i], found.neighbours.elements[i]) for i in places]
    surprises = torch.full((len(places),), torch.nan, dtype=torch.float64)
    if model is not None and doubt > 0:
        surprises = surprise(model.network, model.process, to_cells(model.network, crystals), model.scoring).double()
        logits = logits - doubt * surprises
    shares = logits.softmax(0)
    order = shares.argsort(descending=True).tolist()
    return [Proposal(crystals[k], int(found.neighbours.rows[places[k]]), float(found.neighbours.distances[places[k]]),
                     shares[k].item(), surprises[k].item()) for k in order]


def nearest_members(ranker: Ranker, asked: Question, n_types: int) -> list[int]:
    """The member of each type that the learned distance puts nearest."""
    weight = ranker.weights(stack([asked]))[0]
    return [int(torch.where(asked.member == k, weight, -torch.inf).argmax()) for k in range(n_types)]


def answer_by_prototype(cells: Sequence[Sequence[int]], stand_ins: Sequence[Sequence[int]], library: Library, model: Model, *,
                        seed: int = 0, progress: Progress | None = None) -> list[Crystal]:
    """The nearest prototype of each cell; where none has the stoichiometry, the model from noise (on `stand_ins`, elements it knows)."""
    answers = [found.crystal if (found := prototype(cell, library)) else None for cell in cells]
    return _fill(answers, stand_ins, model, Refinement().fallback, seed, progress)


def answer_by_refinement(cells: Sequence[Sequence[int]], stand_ins: Sequence[Sequence[int]], library: Library, ranker: Ranker,
                         model: Model, *, settings: Refinement | None = None, seed: int = 0,
                         progress: Progress | None = None) -> list[Crystal]:
    """The most trusted prototype of each cell, denoised from `settings.start`; the model from noise where there is none.

    The k-th answer for one and the same composition is refined from the k-th most trusted structure type.
    """
    settings = settings or Refinement()
    ranked: dict[tuple[int, ...], list[Proposal]] = {}
    asked_before: dict[tuple[int, ...], int] = {}
    chosen: list[Crystal | None] = []
    for cell in cells:
        key = tuple(cell)
        if key not in ranked:
            ranked[key] = proposals(cell, library, ranker, model=model, doubt=settings.doubt, n_types=settings.n_types)
        k = asked_before[key] = asked_before.get(key, -1) + 1
        chosen.append(ranked[key][k % len(ranked[key])].crystal if ranked[key] else None)
    if settings.start > 0:
        rows = [i for i, crystal in enumerate(chosen) if crystal is not None]
        config = SamplerConfig(steps=settings.steps, start=settings.start)
        first = [Crystal(stand_ins[i], chosen[i].frac_coords, chosen[i].lattice) for i in rows]
        for i, path in zip(rows, run(model, [stand_ins[i] for i in rows], config, seed=seed, initial=first), strict=True):
            chosen[i] = path.final
    return _fill(chosen, stand_ins, model, settings.fallback, seed, progress)


def _fill(answers: list[Crystal | None], stand_ins: Sequence[Sequence[int]], model: Model, config: SamplerConfig, seed: int,
          progress: Progress | None) -> list[Crystal]:
    """Answers that are missing are grown from noise."""
    missing = [i for i, answer in enumerate(answers) if answer is None]
    if missing:
        grown = run(model, [stand_ins[i] for i in missing], config, seed=seed, progress=progress)
        for i, path in zip(missing, grown, strict=True):
            answers[i] = path.final
    return answers
