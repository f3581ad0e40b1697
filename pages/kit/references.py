"""What is known before and about a crystal that is grown: model, relatives in a library, the real one, the same one dissolving."""

from __future__ import annotations

import os
from collections.abc import Mapping

import streamlit as st

from core.crystals import generation
from core.figures.generation_tables import known_title
from core.generator.baselines.known import known_to_match, nearest_structure
from core.generator.baselines.library import known_relative, name_of
from core.generator.cell_contents import cell_content
from core.generator.registry import Model, ModelMissing, load_model
from core.metrics.comparison import Comparison, compare
from core.metrics.validity import read_out
from core.structures.arrays import ArrayFileError
from core.structures.crystal import Crystal, CrystalTrajectory
from core.structures.formula import FormulaError, parse_formula

LIBRARY = os.environ.get("N2C_LIBRARY") or None  # a prepared file of known crystals; None = the built-in prototypes


@st.cache_data(max_entries=32, max_size="32MB", show_spinner=False)
def melt(crystal: Crystal, model: str, kind: str, seed: int, n_frames: int) -> CrystalTrajectory:
    """The forward process of a known crystal."""
    return generation.forward(crystal, model_name=model, kind=kind, seed=seed, n_frames=n_frames)


@st.cache_data(max_entries=64, show_spinner=False)
def assess(crystal: Crystal, known: dict):
    """(read-outs, comparison with the closest of `known`; without what chance would score)."""
    return read_out(crystal), compare(crystal, known, n_random=0)


@st.cache_data(max_entries=64, show_spinner=False)
def beside_chance(crystal: Crystal, known: dict) -> Comparison | None:
    """The comparison with the closest of `known` and with what chance would score there; takes a dozen times as long."""
    closest = compare(crystal, known, n_random=0)
    return closest and generation.truth(crystal, {closest.name: known[closest.name]})


@st.cache_data(max_entries=64, show_spinner=False)
def nearest(crystal: Crystal) -> tuple[str, float] | None:
    """(name, rms) of the known structure that is nearest, its elements exchanged; None where the matcher maps none."""
    return nearest_structure(crystal, LIBRARY)


def captions(gallery: list[CrystalTrajectory], known: dict | None) -> list[str]:
    """A few words for each crystal of a gallery; known: crystals of the content they share, None when each has its own."""
    verdicts = [assess(one.final, known_to_match(one.final.numbers, LIBRARY) if known is None else known) for one in gallery]
    if known is None:
        return [f"{facts.formula}: {facts.words}" for facts, _ in verdicts]
    return [found.label if found else facts.words for facts, found in verdicts]


def ready(asked: str | int, *, model: str, kind: str, start: float) -> tuple[Model | None, tuple[str, Crystal] | None, Exception | None]:
    """(model, nearest relative of the content asked for, why it cannot be grown); asked: a formula or a number of atoms."""
    found, relative = None, None
    try:
        found = load_model(model, kind=kind)
        cell_content(found, asked)
        if isinstance(asked, str):
            relative = relative_of(tuple(parse_formula(asked)))
        if start < 1 and relative is None:
            raise FormulaError("No known crystal has this stoichiometry: begin with noise.")
    except (ModelMissing, FormulaError, ArrayFileError) as error:
        return found, relative, error
    return found, relative, None


@st.cache_data(max_entries=64, show_spinner=False)
def relative_of(numbers: tuple[int, ...]) -> tuple[str, Crystal] | None:
    """(name, crystal) of the nearest known crystal of another composition with the elements exchanged; None where there is none.

    Raises ArrayFileError for a library that cannot be read.
    """
    try:
        found = known_relative(numbers, LIBRARY)
    except FormulaError:
        return None
    return name_of(found, LIBRARY), found.crystal


def beside_it(
    choice: str | None,
    known: Mapping[str, Crystal],
    comparison: Comparison | None,
    relative: tuple[str, Crystal] | None,
    *,
    model: str,
    kind: str,
    seed: int,
    n_frames: int,
) -> tuple[str, Crystal | CrystalTrajectory] | None:
    """(title, what to show) for the second panel of the stage; None where there is nothing of this kind. known: one crystal, or none;
    comparison: with it.
    """
    if choice == "relative" and relative:
        return f"relative: {relative[0]}", relative[1]
    if choice in ("known", "forward") and known:
        (name,) = known
        if choice == "known":
            return known_title(name, comparison), known[name]
        return f"{name}, melting", melt(known[name], model, kind, seed, n_frames)
    return None
