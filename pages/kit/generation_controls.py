"""What the chapter on growing crystals offers: ways to sample, a crystal on demand, the place where the eye expects it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core.crystals import generation
from core.generator.baselines.known import Units, formula_unit, formula_units, known_to_match, says_ratio
from core.generator.registry import Model, ModelMissing, load_model
from core.generator.sampling.config import kind_of
from core.glossary import spelled_out
from core.metrics.comparison import Comparison, origin, same_content
from core.structures.arrays import ArrayFileError
from core.structures.builtin import STRUCTURES
from core.structures.crystal import Crystal, CrystalTrajectory
from core.structures.formula import FormulaError, formula_of, parse_formula, reduced
from pages.kit.controls import BOUND, Choice, Control, Number, Slider, Text, choose, followed, put
from pages.kit.crystal_meter import Upload
from pages.kit.references import LIBRARY, assess, ready

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
        Formula(
            "formula",
            "Formula",
            "Sr1 Ti1 O3",
            max_chars=60,
            term="A",
            when=has_formula,
            help="A formula, such as MgO, SiO2 or Ca(OH)2; or all atoms of one cell: Na1 Cl1, Sr1 Ti1 O3, Mg2 Al4 O8.",
        ),
        UnitsOfCell(
            "units",
            "Formula units Z in the cell",
            1,
            low=1,
            high=20,
            term="A",
            when=has_formula,
            help="The cell holds so many times what the formula says. A formula alone does not tell how many: known crystals propose.",
        ),
        Slider("n_atoms", "Atoms in the cell", 5, low=2, high=20, step=1, when=_has("given", "nothing"), term="A"),
        Slider("n_steps", "Number of steps n", 20, options=[5, 10, 20, 50, 100, 200, 500, 1000], term="n"),
        Choice(
            "begin",
            "Begin with",
            "noise",
            options=list(BEGIN),
            labels=BEGIN,
            more=True,
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


@dataclass(frozen=True)
class Formula(Text):
    """A formula. One that says a ratio, such as ZnO, chooses the number of formula units that the best known crystal has (two)."""

    def draw(self, before):
        return st.text_input(self.label, self.default, self.max_chars, key=self.key, help=self.help, **BOUND | {"on_change": _written})


@dataclass(frozen=True)
class UnitsOfCell(Number):
    """How many formula units the cell holds; above the number, right under the formula, what known crystals propose."""

    def draw(self, before):
        offers = st.container(gap="small")
        units = super().draw(before)
        with offers, suppress(FormulaError):
            if before["formula"]:
                _offer({**before, "units": self.default if units is None else units})
        return units


def _written():
    with suppress(FormulaError):
        text = st.session_state["formula"]
        offers = proposals(text, st.session_state["model"]) if says_ratio(text) else []
        put({"units": offers[0].z if offers else 1})
    followed()


@st.cache_data(max_entries=256, show_spinner=False)
def proposals(formula: str, model: str) -> list[Units]:
    """Formula units in the cells of known crystals, best known first, as far as the model can grow them. Raises FormulaError."""
    numbers = parse_formula(formula)
    with suppress(ModelMissing, ArrayFileError):
        trained = load_model("mp20", kind="flow").composition_model
        sizes = load_model(model, kind="flow").atom_counts
        return formula_units(numbers, trained.stoichiometries if trained else {}, sizes=sizes, library=LIBRARY)
    return []


def _another():
    choose({"seed": random.randrange(10_000)})


def _at_random():
    cells = [cell for build in STRUCTURES.values() if (cell := build()).n_atoms <= 20]
    choose({"formula": random.choice(cells).formula, "units": 1, "model": "mp20", "seed": random.randrange(10_000)})


def buttons() -> None:
    """Another seed; a formula that the reader did not think of."""
    with st.container(horizontal=True):
        st.button("Try again", icon=":material/replay:", on_click=_another, key="another", help="The same formula, another seed.")
        st.button("Surprise me", icon=":material/casino:", on_click=_at_random, key="at_random")


def _offer(values: Mapping[str, Any]) -> None:
    """Buttons for the numbers of formula units that known crystals have. Raises FormulaError."""
    offers = proposals(values["formula"], values["model"])
    unit, written = formula_unit(parse_formula(values["formula"]))
    if not offers:
        st.caption("No known crystal of this stoichiometry has a cell that the model can grow: any number of formula units is a guess.")
        return
    st.caption("Formula units in the cells of known crystals, best known first:")
    with st.container(horizontal=True, key="units_offered", gap="small"):
        for one in offers[:4]:
            st.button(
                f"{one.z} · {one.names[0]}" if one.names else str(one.z),
                key=f"units_{one.z}",
                type="primary" if one.z == values["units"] * written else "secondary",
                help=f"{one.often:,} known crystals of this stoichiometry, whatever their elements, have {one.z}.",
                on_click=choose,
                args=({"units": one.z} | ({"formula": formula_of(unit)} if written > 1 else {}),),
            )


def asked(values: Mapping[str, Any]) -> str | int:
    """The content of the cell as a formula, or the number of atoms where the elements are left open."""
    if not has_formula(values):
        return values["n_atoms"]
    if values["units"] == 1:
        return values["formula"]
    with suppress(FormulaError):
        return formula_of(parse_formula(values["formula"]) * values["units"])
    return values["formula"]


@dataclass(frozen=True)
class Growable:
    """What can be grown: the reader's settings, or what was grown last with as many of them as possible, and why it is not all of them.

    lost: nothing can be grown at all.
    """

    values: Mapping[str, Any]
    model: Model | None
    relative: tuple[str, Crystal] | None
    trouble: Exception | None = None
    lost: bool = False

    def said(self) -> None:
        """Say in words why the stage is not what the settings say, and what to write; to be called above it."""
        if self.trouble is None:
            return
        words = str(self.trouble)
        if not self.lost:
            words += f" The stage keeps {asked(self.values)}. Write a formula such as MgO or Ca(OH)2, or a whole cell: Sr1 Ti1 O3."
        st.error(words, icon=":material/error:")


CONTENT = ("given", "formula", "units", "n_atoms")
CONTEXT = ("model", "method", "begin", "start")


def growable(values: Mapping[str, Any]) -> Growable:
    """The settings, if they can be grown; else with the content of the last crystal, or with its model and beginning too."""

    def tried(some: Mapping[str, Any]) -> Growable:
        start = some.get("start", 1.0)
        return Growable(some, *ready(asked(some), model=some["model"], kind=kind_of(some["method"]), start=start))

    def exchanged(keys: Sequence[str], source: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in values.items() if key not in keys} | {key: source[key] for key in keys if key in source}

    first = tried(values)
    if first.trouble is None:
        st.session_state["_grown"] = {key: values[key] for key in CONTENT + CONTEXT if key in values}
        return first
    if isinstance(first.trouble, FormulaError):
        known = {"given": "formula", "formula": "Sr1 Ti1 O3", "units": 1, "model": "mp20", "method": "flow", "begin": "noise"}
        last = st.session_state.get("_grown", known)
        for keys, source in ((CONTENT, last), (CONTENT + CONTEXT, last), (CONTENT, known), (CONTENT + CONTEXT, known)):
            if (found := tried(exchanged(keys, source))).trouble is None:
                return replace(found, trouble=first.trouble)
    return replace(first, lost=True)


def of_another_formula(upload: Upload, crystal: Crystal) -> None:
    """Say that an uploaded crystal is not compared because it has another formula, and how to use it."""
    if upload.crystal is None or reduced(upload.crystal.numbers) == reduced(crystal.numbers):
        return
    unit, units = formula_unit(upload.crystal.numbers)
    st.info(
        f"{upload.name} holds {upload.crystal.formula}, and the crystal on the stage is {crystal.formula}: they are not compared. "
        "Grow the formula of your file to see the two side by side.",
        icon=":material/compare:",
    )
    fits = upload.crystal.n_atoms <= 20
    st.button(
        f"Grow {upload.crystal.formula if fits else formula_of(unit)}",
        key="grow_own",
        icon=":material/play_arrow:",
        on_click=choose,
        args=({"given": "formula", "formula": formula_of(unit), "units": units if fits else 1, "beside": "known"},),
    )


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


def to_compare(crystal: Crystal, upload: Upload) -> dict[str, Crystal]:
    """Crystals of the formula of one that was grown, by name: those known here, then the reader's own."""
    own = {upload.name: upload.crystal} if upload.crystal else {}
    return known_to_match(crystal.numbers, LIBRARY) | same_content(crystal, own)


def beside(known: Mapping[str, Crystal], comparison: Comparison | None, upload: Upload) -> dict[str, Crystal]:
    """The one of `known` to be shown: the reader's own, else the closest; nothing where none is known."""
    name = upload.name if upload.name in known else comparison.name if comparison else ""
    return {name: known[name]} if name else {}


def seated(trajectory: CrystalTrajectory, known: Mapping[str, Crystal]) -> CrystalTrajectory:
    """The path with the origin of the known crystal beside it: same physics, and likeness becomes visible."""
    return trajectory.moved(origin(trajectory.final, list(known.values())[-1] if known else None))


def right_of_eight(params: Mapping[str, Any], n_steps: int) -> int:
    """How many of eight seeds of SrTiO3 come out right."""
    config = replace(params["config"], steps=n_steps, candidates=1, temperature=1.0, start=1.0)
    found = grow(**params | dict(compositions=["Sr1 Ti1 O3"], config=config, n_samples=8, n_frames=2))
    verdicts: list[Comparison | None] = [assess(one.final, known_to_match(one.final.numbers, LIBRARY))[1] for one in found]
    return sum(bool(verdict and verdict.tight) for verdict in verdicts)
