"""Crystals from nothing that were asked for: counts, then elements, then places and cell, each told what is wanted.

step                                                 how a request enters
which counts, on which sites                         a template of the group or system asked for; else counts guided by the adapter's head
which elements                                       guided by the composition model's adapter; outside the allowed ones: never (mask)
places and cell                                      guided by the flow's adapter; with a template, projected on its group
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from core.generator.model.adapter import guided
from core.generator.model.conversion import to_trajectories
from core.generator.model.network import Prediction
from core.generator.model.state import Cells
from core.generator.sampling import loop
from core.generator.sampling.batching import BATCH, structure_seeds
from core.generator.sampling.best_of import Cancelled, Progress
from core.generator.sampling.config import SamplerConfig
from core.generator.sampling.loop import Guide
from core.generator.sampling.symmetry import Symmetry
from core.generator.steering.composition_adapter import chemical_system, drawn_counts, drawn_kinds
from core.generator.steering.properties import PROPERTIES, predicted
from core.generator.steering.request import Request
from core.generator.steering.store import Steering
from core.generator.steering.templates import Template
from core.numerics.trajectory import frame_indices
from core.structures.crystal import Crystal, CrystalTrajectory


@dataclass(frozen=True)
class Made:
    """paths: one of each crystal. calls: of the flow's network, a crystal at a time; a guided step costs two."""

    paths: list[CrystalTrajectory]
    calls: int

    @property
    def crystals(self) -> list[Crystal]:
        return [path.final for path in self.paths]


@dataclass(frozen=True)
class Ways:
    """By which of its ways a request acts; all of them, unless they are to be compared.

    mask: elements outside the request cannot be drawn. templates: a group or system asked for is grown inside (else: only guided).
    """

    mask: bool = True
    templates: bool = True


def grow(
    steering: Steering,
    request: Request,
    n: int,
    config: SamplerConfig,
    *,
    gamma: float = 1.0,
    ways: Ways = Ways(),
    seed: int = 0,
    n_frames: int = 1,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Made:
    """n crystals. gamma: 0 asks nothing of the networks (mask and templates still hold), 1 is what was learned, more exaggerates.

    Raises FormulaError in words where nothing fits the request, Cancelled.
    """
    cells, templates = contents(steering, request, n, gamma=gamma, ways=ways, seed=seed)
    asked, model = request.conditions(), steering.model
    told = gamma != 0 and bool(asked.given.any())
    steer = guided(model.network, steering.adapter, asked, gamma) if told else None
    keep, done = frame_indices(config.steps + 1, n_frames).tolist(), 0
    paths: dict[int, CrystalTrajectory] = {}
    seeds, work = structure_seeds(cells, seed), _together(cells, templates)
    for rows in work:
        symmetry = templates[rows[0]].symmetry if templates else None
        states = loop.sample(
            model.network,
            model.process,
            torch.tensor([cells[i] for i in rows]),
            config,
            seeds=[seeds[i] for i in rows],
            guide=_inside(steer, symmetry),
            project=None if symmetry is None else partial(symmetry.state, model.network),
        )
        frames = []
        for k, state in enumerate(states):
            if cancelled is not None and cancelled():
                raise Cancelled
            if k in keep:
                frames.append(state)
        made = to_trajectories(model.network, frames, config.times()[keep])
        paths |= dict(zip(rows, made, strict=True))
        done += len(rows)
        if progress is not None:
            progress(done, n)
    return Made([paths[i] for i in range(n)], n * config.steps * (2 if told else 1))


def contents(
    steering: Steering, request: Request, n: int, *, gamma: float, ways: Ways, seed: int
) -> tuple[list[tuple[int, ...]], list[Template]]:
    """Atomic numbers of n cells, and the template of each where the request names a group or a crystal system (else none)."""
    model, asked = steering.model.composition_model, request.conditions()
    assert model is not None
    seeds = structure_seeds([(0,)] * n, seed)
    templates: list[Template] = []
    told = chemical_system(request.elements)
    allowed = request.allows if ways.mask else Request(stoichiometry=request.stoichiometry).allows
    if ways.templates and (request.group or request.system):
        fitting = steering.templates.fitting(group=request.group, system=request.system, counts=allowed)
        templates = [steering.templates.draw(fitting, one) for one in seeds]
        counts = [template.counts for template in templates]
    else:
        counts = drawn_counts(model, steering.composition, asked, told, gamma, seeds, allowed)
    cells: list[tuple[int, ...]] = [()] * n
    for pattern in sorted(set(counts)):
        rows = [i for i in range(n) if counts[i] == pattern]
        mask = request.elements if ways.mask else ()
        drawn = drawn_kinds(model, steering.composition, asked, told, gamma, pattern, [seeds[i] for i in rows], mask)
        for i, kinds in zip(rows, drawn.tolist(), strict=True):
            cells[i] = steering.templates.seated(templates[i], kinds) if templates else tuple(np.repeat(kinds, pattern).tolist())
    return cells, templates


def _together(cells: Sequence[tuple[int, ...]], templates: Sequence[Template]) -> list[list[int]]:
    """Rows that one batch can hold: of one size, and of one template where there are some."""
    found: dict[tuple[int, int], list[int]] = {}
    for i, cell in enumerate(cells):
        found.setdefault((len(cell), id(templates[i]) if templates else 0), []).append(i)
    return [part.tolist() for rows in found.values() for part in np.array_split(rows, -(-len(rows) // BATCH))]


def _inside(steer: Guide | None, symmetry: Symmetry | None) -> Guide | None:
    """First what the condition wants, then of that what the symmetry leaves."""
    if symmetry is None or steer is None:
        return steer if symmetry is None else symmetry.guide

    def both(state: Cells, prediction: Prediction, t: torch.Tensor) -> Prediction:
        return symmetry.guide(state, steer(state, prediction, t), t)

    return both


def measured(steering: Steering, name: str, crystals: Sequence[Crystal]) -> np.ndarray:
    """(n,): a scalar of `adapter.SCALARS` of each crystal: density and volume from the crystal itself, energy and gap by the predictor."""
    if name == "density":
        return np.array([crystal.density for crystal in crystals])
    if name == "volume_per_atom":
        return np.array([crystal.volume / crystal.n_atoms for crystal in crystals])
    return predicted(steering.model.network, steering.properties, crystals)[:, PROPERTIES.index(name)].double().numpy()
