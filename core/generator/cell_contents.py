"""What is to be grown: formulas, atomic numbers, or numbers of atoms whose species are to be decided, as cell contents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.generator.composition.composition_model import draw_compositions
from core.generator.registry import KINDS, Model
from core.generator.sampling.batching import structure_seeds
from core.structures.elements import MASKED
from core.structures.formula import FormulaError


def cell_content(model: Model, query: str | Sequence[int] | int) -> tuple[int, ...]:
    """Atomic numbers of the cell asked for, 0 for species to be decided. Raises FormulaError for what the model cannot do."""
    if not isinstance(query, int):
        return model.composition(query)
    if not model.de_novo:
        raise FormulaError(f"The {KINDS[model.kind]} model {model.name} needs a formula: it was never trained to decide on species.")
    if query not in model.atom_counts:
        raise FormulaError(
            f"{query} atoms in the cell; the model {model.name} was trained on cells of {model.atom_counts[0]} to "
            f"{model.atom_counts[-1]} atoms."
        )
    return (MASKED,) * query


def with_species(model: Model, cells: Sequence[tuple[int, ...]], *, seed: int = 0) -> list[tuple[int, ...]]:
    """`cells`, those without species filled by the composition model; a diffusion model has none and decides on the way."""
    filled = list(cells)
    rows = [i for i, cell in enumerate(cells) if MASKED in cell]
    if rows and model.composition_model is not None:
        drawn = draw_compositions(model.composition_model, [len(cells[i]) for i in rows], structure_seeds([cells[i] for i in rows], seed))
        for i, cell in zip(rows, drawn, strict=True):
            filled[i] = cell
    return filled


def draw_sizes(model: Model, n: int, *, seed: int = 0) -> list[int]:
    """`n` numbers of atoms, distributed as in the training data."""
    shares = np.array(model.about.get("size_shares") or [1.0] * len(model.atom_counts), dtype=float)
    return np.random.default_rng(abs(seed)).choice(model.atom_counts, size=n, p=shares / shares.sum()).tolist()
