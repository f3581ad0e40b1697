"""What the chapter on growing crystals offers: ways to sample, a crystal on demand, the place where the eye expects it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from core.crystals import generation
from core.generator.sampling.config import kind_of
from core.glossary import spelled_out
from core.metrics.comparison import Comparison, known_like, origin
from core.structures.builtin import STRUCTURES
from core.structures.crystal import Crystal, CrystalTrajectory
from pages.kit.controls import Choice, Control, Number, Slider, Text
from pages.kit.references import LIBRARY, assess

MODELS = {"mp20": "MP-20", "perov5": "Perov-5"}
GIVEN = {"formula": "a formula", "nothing": "nothing"}
METHODS = {"flow": "flow", "ddim": "ODE", "ancestral": "SDE", "langevin": "+ corrector"}
BEGIN = {"noise": "noise", "prototype": "a relative"}
BESIDE = {"known": "known", "forward": "melting", "relative": "relative", "nothing": "nothing"}


def _has(key, *wanted):
    """Shown only while this control has one of these values."""
    return lambda values: values.get(key) in wanted


def has_formula(values: Mapping[str, Any]) -> bool:
    return values.get("given", "formula") == "formula"


def controls() -> list[Control]:
    return [
        Choice(
            "model",
            "Trained on",
            "mp20",
            options=list(MODELS),
            labels=MODELS,
            help=spelled_out("MP-20") + " Perov-5: cubic perovskites, five atoms.",
        ),
        Choice(
            "method",
            "Sampler",
            "flow",
            options=list(METHODS),
            labels=METHODS,
            term="motion",
            help="flow: the flow-matching model, straight paths. The others use the diffusion model. "
            + spelled_out("ODE", "SDE")
            + " + corrector: a Langevin step before each.",
        ),
        Choice(
            "given",
            "Given to the model",
            "formula",
            options=list(GIVEN),
            labels=GIVEN,
            term="given",
            help="Given nothing, the diffusion model decides on the elements too: they begin masked and appear one by one. The flow "
            "is given a formula that a third network makes up first, one kind of atom after the other.",
        ),
        Text(
            "formula",
            "Content of the cell",
            "Sr1 Ti1 O3",
            max_chars=60,
            term="A",
            when=has_formula,
            help="All atoms of one cell: Na1 Cl1, Sr1 Ti1 O3, Mg2 Al4 O8.",
        ),
        Slider("n_atoms", "Atoms in the cell", 5, low=2, high=20, step=1, when=_has("given", "nothing"), term="A"),
        Slider("n_steps", "Number of steps n", 20, options=[5, 10, 20, 50, 100, 200, 500, 1000], term="n"),
        Choice(
            "begin",
            "Begin with",
            "noise",
            options=list(BEGIN),
            labels=BEGIN,
            when=has_formula,
            term="t_0",
            help="A relative: the nearest known crystal of another composition, its elements exchanged, blurred to the time below.",
        ),
        Choice(
            "beside",
            "Shown beside the crystal",
            "known",
            options=list(BESIDE),
            labels=BESIDE,
            when=has_formula,
            help="A crystal of this content that is built in or yours, as it is or dissolving by the same noise; or the relative: a "
            "known crystal with the elements exchanged, the baseline without any network.",
        ),
        Slider(
            "start", "Blurred to the time t₀", 0.5, low=0.05, high=0.95, step=0.05, more=True, when=_has("begin", "prototype"), term="t_0"
        ),
        Slider(
            "sharpen",
            "Strength s of anti-annealing",
            10.0,
            low=0.0,
            high=40.0,
            step=1.0,
            more=True,
            when=_has("method", "flow"),
            term="s",
            help="The velocity of the atoms is multiplied by 1 + s (1 − t), each step clipped to the time that is left.",
        ),
        Slider(
            "power",
            "Schedule: power p of the times",
            1.0,
            low=0.5,
            high=3.0,
            step=0.25,
            more=True,
            term="p",
            help="Step i of n ends at t = (1 − i/n)^p. p = 1: even steps. Larger: short steps near the crystal.",
        ),
        Slider("temperature", "Temperature τ of the noise", 1.0, low=0.0, high=2.0, step=0.05, more=True, term=r"\tau"),
        Slider(
            "candidates",
            "Number of attempts, the best is kept",
            4,
            options=[1, 2, 4, 8],
            more=True,
            help="So many crystals are grown; the one that the model's reranker trusts most is kept. It never sees the truth.",
        ),
        Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same crystal."),
    ]


def _another():
    st.session_state["seed"] = random.randrange(10_000)


def _at_random():
    st.session_state["formula"] = random.choice([cell for build in STRUCTURES.values() if (cell := build()).n_atoms <= 20]).formula
    st.session_state["model"] = "mp20"
    _another()


def buttons() -> None:
    """Another seed; a formula that the reader did not think of."""
    with st.container(horizontal=True):
        st.button("Try again", icon=":material/replay:", on_click=_another, key="another", help="The same formula, another seed.")
        st.button("Surprise me", icon=":material/casino:", on_click=_at_random, key="at_random")


def asked(values: Mapping[str, Any]) -> str | int:
    """The formula, or the number of atoms where the elements are left open."""
    return values["formula"] if has_formula(values) else values["n_atoms"]


def parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `generation.sample`."""
    config = replace(
        generation.METHODS[values["method"]],
        steps=values["n_steps"],
        temperature=values["temperature"],
        candidates=values["candidates"],
        anti_annealing=values.get("sharpen", 0.0),
        power=values["power"],
        start=values.get("start", 1.0),
    )
    return dict(
        model_name=values["model"],
        compositions=[asked(values)],
        config=config,
        kind=kind_of(values["method"]),
        n_samples=1,
        library=LIBRARY,
        seed=values["seed"],
        n_frames=101,
    )


@st.cache_data(max_entries=64, max_size="64MB", show_spinner=False)
def grow(**params) -> list[CrystalTrajectory]:
    return generation.sample(**params)


def seated(trajectory: CrystalTrajectory, known: Mapping[str, Crystal]) -> CrystalTrajectory:
    """The path with the origin of the known crystal beside it: same physics, and likeness becomes visible."""
    return trajectory.moved(origin(trajectory.final, list(known.values())[-1] if known else None))


def right_of_eight(params: Mapping[str, Any], n_steps: int) -> int:
    """How many of eight seeds of SrTiO3 come out right."""
    config = replace(params["config"], steps=n_steps, candidates=1, temperature=1.0, start=1.0)
    found = grow(**params | dict(compositions=["Sr1 Ti1 O3"], config=config, n_samples=8, n_frames=2))
    verdicts: list[Comparison | None] = [assess(one.final, known_like(one.final))[1] for one in found]
    return sum(bool(verdict and verdict.tight) for verdict in verdicts)
