"""Page of “Growing crystals”."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core.crystals import generation
from core.figures import generation as figures
from core.figures import generation_tables as tables
from core.figures.crystal_payload import pack_crystals, payload_header
from core.generator.registry import Model
from core.generator.sampling.config import kind_of
from core.metrics.comparison import Comparison
from core.metrics.convergence import convergence
from core.structures.crystal import Crystal, CrystalTrajectory
from pages import kit
from pages.kit import generation_controls
from pages.kit.crystal_meter import downloads, own_crystal, verdict
from pages.kit.crystal_player import crystal_player
from pages.kit.equation import cell_content, number
from pages.kit.jobs import job
from pages.kit.references import assess, beside_chance, beside_it, captions, nearest

QUICK = 400  # steps times candidates that are answered while you wait; more goes to the queue

page = kit.chapter("generation", generation_controls.controls())
SCENES = [
    kit.Scene("Strontium titanate", {}, "The most famous perovskite, from noise. First the box takes shape, then the octahedron closes."),
    kit.Scene("Rock salt", {"formula": "Na1 Cl1"}, "Two atoms are the whole crystal. Press 3× in the player and the checkerboard appears."),
    kit.Scene(
        "From nothing",
        {"given": "nothing", "method": "ancestral", "n_steps": 100, "seed": 8},
        "No formula: the elements begin masked and are decided while box and places are still noise. Most other seeds make stranger "
        "crystals: try again.",
    ),
    kit.Scene(
        "From a relative",
        {"begin": "prototype", "beside": "relative"},
        "A known crystal with the elements exchanged, blurred to t = 0.5 and denoised: most of the answer was there before the network.",
    ),
    kit.Scene(
        "Perov-5, melting",
        {"model": "perov5", "beside": "forward", "method": "ancestral"},
        "A model that knows nothing but perovskites, beside a known one dissolving by the same noise.",
    ),
    kit.Scene(
        "Too hot",
        {"temperature": 2.0, "method": "ancestral"},
        "Twice the noise that theory asks for: atoms settle, but where?",
        breaks=True,
    ),
    kit.Scene(
        "Five steps",
        {"n_steps": 5, "candidates": 1, "method": "ancestral"},
        "The run ends while the atoms are still on their way.",
        breaks=True,
    ),
]


@dataclass(frozen=True)
class Grown:
    """What stands on the stage: the path of a crystal, what is known of its formula, and how it was made."""

    trajectory: CrystalTrajectory
    known: Mapping[str, Crystal]
    comparison: Comparison | None
    params: Mapping[str, Any]
    values: Mapping[str, Any]
    model: Model
    payload_id: str

    @property
    def crystal(self):
        return self.trajectory.final


def on_stage() -> Grown | None:
    """What the stage shows in this run; None while nothing has been grown."""
    return st.session_state.get("_on_stage")


def equation(values):
    values = generation_controls.growable(values).values
    config = generation_controls.parameters(values)["config"]
    shown = {
        "A": cell_content(generation_controls.asked(values)),
        "t_0": number(config.start) + (r"\ \text{(noise)}" if config.start == 1 else r"\ \text{(a relative, blurred)}"),
        "n": str(values["n_steps"]),
        "p": number(values["power"]),
        "s": number(config.anti_annealing),
        r"\tau": number(values["temperature"]),
    }
    return shown, {"motion": values["method"], "given": values["given"]}


def grown_with(found, params):
    """The path of a crystal of these settings, grown at once or in the queue; None while there is none."""
    if found.lost:
        return None
    values = found.values
    if values["n_steps"] * values["candidates"] <= QUICK:
        return generation_controls.grow(**params)[0]
    grown = job("grow", f"Grow {content(values)} in {values['n_steps']} steps", generation.sample, params, start=True)
    return grown[0] if grown else None


def content(values):
    asked = generation_controls.asked(values)
    return f"{asked} atoms" if isinstance(asked, int) else asked


def stage(settings):
    with page.on.controls:
        generation_controls.buttons()
        own = own_crystal("Compare with your own crystal", "A CIF file with the same formula")
    found = generation_controls.growable(settings)
    values, relative = found.values, found.relative
    params = generation_controls.parameters(values)
    page.exports(params)
    st.session_state["_on_stage"] = None
    with page.on.equation:
        found.said()
        own.said()
    with page.on.stage:
        trajectory = grown_with(found, params)
    if trajectory is None:
        return
    with page.on.caption:
        generation_controls.of_another_formula(own, trajectory.final)
    known = generation_controls.to_compare(trajectory.final, own)
    facts, comparison = assess(trajectory.final, known)
    like = None if comparison and comparison.tight else nearest(trajectory.final)
    companion = generation_controls.beside(known, comparison, own)
    trajectory = generation_controls.seated(trajectory, companion)
    crystal, kind = trajectory.final, kind_of(values["method"])
    shown, titles = [trajectory], [tables.grown_title(crystal, comparison, like)]
    against = assess(crystal, companion)[1]
    how = dict(model=values["model"], kind=kind, seed=values["seed"], n_frames=trajectory.n_frames)
    if extra := beside_it(values.get("beside"), companion, against, relative, **how):
        titles.append(extra[0])
        shown.append(extra[1])
    alt = f"{crystal.formula} growing from noise in {values['n_steps']} steps."
    payload = pack_crystals(shown, titles=titles, time_label="noise level t", alt=alt)
    with page.on.stage:
        crystal_player(payload, key="stage", height=500, fill=True)
    st.session_state["_on_stage"] = Grown(trajectory, known, comparison, params, values, found.model, payload_header(payload)["id"])
    with page.on.meter:
        meter, table = st.columns(2)
        with meter:
            verdict(beside_chance(crystal, known) if comparison else None, tables.nearest_words(comparison, like))
        with table:
            kit.readings(tables.read_out_table(facts) + tables.baseline_row(relative, assess(relative[1], known)[1] if relative else None))
            downloads(crystal, path=trajectory)


def below(_):
    grown = on_stage()
    if grown is None:
        return
    rest, scores = st.columns(2)
    with rest:
        st.markdown("##### How it settles")
        kit.figure(
            lambda: figures.convergence_figure([convergence(grown.trajectory)], palette=kit.palette()),
            key="convergence",
            of=grown.payload_id,
            alt="Distance of the coordinates and of the cell from where they end, against the noise level.",
            see="A curve that has become flat at the right is at rest; one that still falls there was stopped on its way.",
        )
    with scores:
        kind = generation.KINDS[kind_of(grown.values["method"])]
        st.markdown(f"##### What the {generation_controls.MODELS[grown.values['model']]} {kind} model scores")
        kit.readings(tables.score_table(grown.model.about))
    st.markdown("##### A gallery of sixteen")
    config = replace(grown.params["config"], candidates=1)
    sixteen = {**grown.params, "config": config, "n_samples": 16, "n_frames": 26}
    if gallery := job("gallery", f"Grow 16 × {content(grown.values)}", generation.sample, sixteen):
        labels = captions(gallery, grown.known if generation_controls.has_formula(grown.values) else None)
        crystal_player(pack_crystals(gallery, titles=labels, alt="Sixteen crystals, sixteen seeds."), key="gallery", height=620)


def grade(values):
    params = generation_controls.parameters(values)
    few, many = (generation_controls.right_of_eight(params, steps) for steps in (5, 50))
    return generation.right_of_as_many(few, many, 8)


page.stage(stage, scenes=SCENES, equation=equation, waits="a network grows the crystal anew")
page.follow(below)
kit.predict(
    "generation",
    "Eight seeds of SrTiO₃ with five steps, eight with fifty. How many come out right (rms below 0.15)?",
    ["fewer with five than with fifty", "as many, or too few to tell", "more with five than with fifty"],
    grade,
)
kit.predict(
    "generation",
    "The crystal on the stage grows once more. Which has come half of its way for good first?",
    lambda values: ["the box", "the atoms", "both, at the same moment shown"] if on_stage() else [],
    lambda values: generation.half_way_first(convergence(on_stage().trajectory)),
)
kit.predict(
    "generation",
    "Throw the same atoms at random into the grown box, a dozen times. How many pass the benchmark's test as the known crystal?",
    lambda values: ["none", "some, at most a third", "more than a third"] if on_stage() and on_stage().comparison else [],
    lambda values: generation.luck(beside_chance(on_stage().crystal, on_stage().known)),
)
page.prose("What to look at")
page.prose("What a failed crystal looks like", expanded=False)
page.prose("The baseline without a network", expanded=False)
page.prose("How the model was made", expanded=False)
page.prose("Questions people ask", expanded=False)
page.footer(generation.sample)
