"""Chapter 19, growing crystals."""

import random

import streamlit as st

from core.crystals import generation
from core.crystals.compare import known_like, same_content
from core.crystals.settling import settling
from core.crystals.structures import STRUCTURES
from core.figures import generation as figures
from core.figures import generation_tables as tables
from core.figures.crystal_payload import pack_crystals
from pages import kit
from pages.kit.crystal_player import crystal_player
from pages.kit.equation import cell_content, motion, number
from pages.kit.jobs import job
from pages.kit.known import LIBRARY, beside_chance, beside_it, captions, judge, ready
from pages.kit.verdict import downloads, own_crystal, verdict

MODELS = {"mp20": "MP-20", "perov5": "Perov-5"}
GIVEN = {"formula": "a formula", "nothing": "nothing"}
METHODS = {"flow": "flow", "ddim": "ODE", "ancestral": "SDE", "langevin": "+ corrector"}
BEGIN = {"noise": "noise", "prototype": "a relative"}
BESIDE = {"known": "known", "forward": "melting", "relative": "relative", "nothing": "nothing"}
QUICK = 400  # steps times candidates that are answered while you wait; more goes to the queue


def has(key, *wanted):
    """Shown only while this control has one of these values."""
    return lambda values: values.get(key) in wanted


def has_formula(values):
    return values.get("given", "formula") == "formula"


page = kit.chapter("generation", [
    kit.Choice("model", "Trained on", "mp20", options=list(MODELS), labels=MODELS,
               help="MP-20: Materials Project, primitive cells of up to 20 atoms. Perov-5: cubic perovskites, five atoms."),
    kit.Choice("method", "Sampler", "flow", options=list(METHODS), labels=METHODS, term="motion",
               help="flow: the flow-matching model, straight paths. The others use the diffusion model. ODE: all chance is in the start. "
                    "SDE: fresh noise at each step. + corrector: a Langevin step before each."),
    kit.Choice("given", "Given", "formula", options=list(GIVEN), labels=GIVEN, term="formula",
               help="Given nothing, the diffusion model decides on the elements too: they begin masked and appear one by one."),
    kit.Text("formula", "Content of the cell", "Sr1 Ti1 O3", max_chars=60, when=has_formula,
             help="All atoms of one cell: Na1 Cl1, Sr1 Ti1 O3, Mg2 Al4 O8."),
    kit.Slider("n_atoms", "Atoms in the cell", 5, low=2, high=20, step=1, when=has("given", "nothing"), term="formula"),
    kit.Slider("n_steps", "Steps", 50, options=[5, 10, 20, 50, 100, 200, 500, 1000]),
    kit.Choice("begin", "Begin with", "noise", options=list(BEGIN), labels=BEGIN, when=has_formula, term="begin",
               help="A relative: the nearest known crystal of another composition, its elements exchanged, blurred to the time below."),
    kit.Choice("beside", "Beside it", "known", options=list(BESIDE), labels=BESIDE, when=has_formula,
               help="A crystal of this content that is built in or yours, as it is or dissolving by the same noise; or the relative: a "
                    "known crystal with the elements exchanged, the baseline without any network."),
    kit.Slider("start", "Blurred to t", 0.5, low=0.05, high=0.95, step=0.05, more=True, when=has("begin", "prototype"), term="begin"),
    kit.Slider("sharpen", "Anti-annealing s", 10.0, low=0.0, high=40.0, step=1.0, more=True, when=has("method", "flow"), term="motion",
               help="The velocity of the atoms is multiplied by 1 + s (1 − t), each step clipped to the time that is left."),
    kit.Slider("temperature", "Temperature τ of the noise", 1.0, low=0.0, high=2.0, step=0.05, more=True, term="motion"),
    kit.Slider("candidates", "Attempts, best kept", 4, options=[1, 2, 4, 8], more=True,
               help="So many crystals are grown; the one that surprises the model least is kept. It never sees the truth."),
    kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same crystal."),
])
SCENES = [
    kit.Scene("Strontium titanate", {}, "The most famous perovskite, from noise. First the box takes shape, then the octahedron closes."),
    kit.Scene("Rock salt", {"formula": "Na1 Cl1"}, "Two atoms are the whole crystal. Press 3× in the player and "
              "the checkerboard appears."),
    kit.Scene("From nothing", {"given": "nothing", "method": "ancestral", "n_steps": 100},
              "No formula: the elements begin masked and are decided while box and places are still noise."),
    kit.Scene("From a relative", {"begin": "prototype", "beside": "relative"}, "A known crystal with the elements exchanged, blurred to "
              "t = 0.5 and denoised: most of the answer was there before the network."),
    kit.Scene("Perov-5, melting", {"model": "perov5", "beside": "forward", "method": "ancestral"},
              "A model that knows nothing but perovskites, beside a known one dissolving by the same noise."),
    kit.Scene("Too hot", {"temperature": 2.0, "method": "ancestral"}, "Twice the noise that theory asks for: atoms settle, but where?",
              breaks=True),
    kit.Scene("Five steps", {"n_steps": 5, "candidates": 1, "method": "ancestral"},
              "The run ends while the atoms are still on their way.", breaks=True),
]


@st.cache_data(max_entries=64, max_size="64MB", show_spinner=False)
def grow(**params):
    return generation.generate(**params)


def another():
    st.session_state["seed"] = random.randrange(10_000)


def surprise():
    st.session_state["formula"] = random.choice([cell for build in STRUCTURES.values() if (cell := build()).n_atoms <= 20]).formula
    st.session_state["model"] = "mp20"
    another()


stage, side = st.columns([2.5, 1], gap="medium")
with side:
    values = page.controls()
    with st.container(horizontal=True):
        st.button("Try again", icon=":material/replay:", on_click=another, key="another", help="The same formula, another seed.")
        st.button("Surprise me", icon=":material/casino:", on_click=surprise, key="surprise")
    own = own_crystal()
free = not has_formula(values)
method = "ancestral" if free and values["method"] == "flow" else values["method"]  # a flow needs a formula
kind = generation.kind_of(method)
asked = values["n_atoms"] if free else values["formula"]
what = f"{asked} atoms" if free else asked
params = dict(model_name=values["model"], compositions=[asked], n_samples=1,
              n_steps=values["n_steps"], method=method, temperature=values["temperature"], candidates=values["candidates"],
              sharpen=values.get("sharpen", 0.0), start=values.get("start", 1.0), library=LIBRARY, seed=values["seed"], n_frames=101)
page.exports(params)
model, relative, trouble = ready(asked, model=values["model"], kind=kind, start=params["start"])
trajectory, known = None, {}
with stage:
    page.equation({"motion": motion(method, values["temperature"], params["sharpen"]), "n_steps": str(values["n_steps"]),
                   "begin": r"\text{noise}" if params["start"] == 1 else rf"\text{{a relative at }} t = {number(params['start'])}",
                   "formula": cell_content(asked)})
    if method != values["method"]:
        st.caption("The flow needs a formula. Given nothing, the diffusion model decides (SDE).")
    if trouble:
        st.error(str(trouble), icon=":material/error:")
    elif values["n_steps"] * values["candidates"] <= QUICK:
        trajectory = grow(**params)[0]
    elif grown := job("grow", f"Grow {what} in {values['n_steps']} steps", generation.generate, params, start=True):
        trajectory = grown[0]
    if trajectory:
        crystal = trajectory.final
        known = known_like(crystal) | same_content(crystal, own)
        shown, titles = [trajectory], [f"grown: {crystal.formula}"]
        if extra := beside_it(values.get("beside"), known, relative, model=values["model"], kind=kind, seed=values["seed"],
                              n_frames=trajectory.n_frames):
            titles.append(extra[0])
            shown.append(extra[1])
        crystal_player(pack_crystals(shown, titles=titles, time_label="noise level t",
                                     alt=f"{crystal.formula} growing from noise in {values['n_steps']} steps."), key="stage", height=500)
    page.scenes(SCENES)
    if trajectory:
        facts, comparison = judge(crystal, known)
        meter, table = st.columns(2)
        meter = meter.empty()
        with meter:
            verdict(comparison)
        with table:
            kit.readings(tables.read_out_table(facts) + tables.baseline_row(relative, judge(relative[1], known)[1] if relative else None))
            downloads(crystal)
if trajectory:
    kit.below_the_stage()
    rest, scores = st.columns(2)
    with rest:
        st.markdown("##### How it settles")
        kit.figure(figures.coming_to_rest([settling(trajectory)], palette=kit.palette()), key="settling",
                   alt="Distance of the coordinates and of the cell from where they end, against the noise level.")
    with scores:
        st.markdown(f"##### What the {MODELS[values['model']]} {generation.KINDS[kind]} model scores")
        kit.readings(tables.score_table(model.about))
    st.markdown("##### A gallery of sixteen")
    gallery = job("gallery", f"Grow 16 × {what}", generation.generate,
                  params | {"n_samples": 16, "candidates": 1, "n_frames": 26})
    if gallery:
        labels = captions(gallery, None if free else known)
        crystal_player(pack_crystals(gallery, titles=labels, alt="Sixteen crystals, sixteen seeds."), key="gallery", height=620)


def grade():
    eight = params | dict(compositions=["Sr1 Ti1 O3"], n_samples=8, n_frames=2, candidates=1, temperature=1.0, start=1.0)
    few, many = (sum(judge(one.final, known_like(one.final))[1].tight for one in grow(**eight | {"n_steps": steps})) for steps in (5, 50))
    return 0 if few < many / 2 else 1 if few <= many else 2, f"Of eight crystals, {few} come out right with five steps, {many} with fifty."


if not isinstance(trouble, generation.ModelMissing):
    kit.predict("generation", "Eight seeds of SrTiO₃ with five steps, eight with fifty. How many come out right (rms below 0.15)?",
                ["with five less than half as many as with fifty", "about as many", "more with five than with fifty"], grade)
page.prose("What to look at")
page.prose("What a failed crystal looks like", expanded=False)
page.prose("The baseline without a network", expanded=False)
page.prose("How the model was made", expanded=False)
page.footer(generation.generate, values)
if trajectory and comparison:
    with meter:  # what chance would score is measured when everything else is on the page
        verdict(beside_chance(crystal, known))
