"""Chapter 19, growing crystals."""

import random

import streamlit as st

from core.crystals import generation
from core.crystals.compare import compare, known_like, same_content
from core.crystals.formula import FormulaError
from core.crystals.settling import settling
from core.crystals.structures import STRUCTURES
from core.crystals.types import Crystal
from core.figures import generation as figures
from core.figures import generation_tables as tables
from core.figures.crystal_payload import pack_crystals
from pages import kit
from pages.kit.crystal_player import crystal_player
from pages.kit.equation import number, reverse_drift, reverse_noise
from pages.kit.jobs import job
from pages.kit.verdict import downloads, own_crystal, verdict

MODELS = {"mp20": "MP-20", "perov5": "Perov-5"}
METHODS = {"ddim": "ODE", "ancestral": "SDE", "langevin": "+ corrector"}
BESIDE = {"known": "known", "forward": "melting", "nothing": "nothing"}
QUICK = 400  # steps times candidates that are answered while you wait; more goes to the queue
page = kit.chapter("generation", [
    kit.Choice("model", "Trained on", "mp20", options=list(MODELS), labels=MODELS,
               help="MP-20: Materials Project, primitive cells of up to 20 atoms. Perov-5: cubic perovskites, five atoms."),
    kit.Text("formula", "Content of the cell", "Sr1 Ti1 O3", max_chars=60, help="All atoms of one cell: Na1 Cl1, Sr1 Ti1 O3, Mg2 Al4 O8."),
    kit.Slider("n_steps", "Steps", 50, options=[5, 10, 20, 50, 100, 200, 500, 1000]),
    kit.Choice("method", "Sampler", "ancestral", options=list(METHODS), labels=METHODS, term="share",
               help="ODE: all chance is in the start. SDE: fresh noise at each step. + corrector: a Langevin step before each."),
    kit.Slider("temperature", "Temperature τ of the noise", 1.0, low=0.0, high=2.0, step=0.05, term="noise"),
    kit.Slider("candidates", "Attempts, best kept", 4, options=[1, 2, 4, 8],
               help="So many crystals are grown; the one that surprises the model least is kept. It never sees the truth."),
    kit.Choice("beside", "Beside it", "known", options=list(BESIDE), labels=BESIDE,
               help="A crystal of this content that is built in or yours: as it is, or dissolving by the same noise."),
    kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same crystal."),
])
SCENES = [
    kit.Scene("Strontium titanate", {}, "The most famous perovskite, from noise. First the box takes shape, then the octahedron closes."),
    kit.Scene("Rock salt", {"formula": "Na1 Cl1"}, "Two atoms are the whole crystal. Press 3× in the player and the checkerboard appears."),
    kit.Scene("Perov-5 model", {"model": "perov5", "beside": "forward"},
              "A model that knows nothing but perovskites, beside a known one dissolving by the same noise."),
    kit.Scene("Too hot", {"temperature": 2.0}, "Twice the noise that theory asks for: atoms settle, but where?", breaks=True),
    kit.Scene("Five steps", {"n_steps": 5, "candidates": 1}, "The run ends while the atoms are still on their way.", breaks=True),
]


@st.cache_data(max_entries=64, max_size="64MB", show_spinner=False)
def grow(**params):
    return generation.generate(**params)


@st.cache_data(max_entries=32, max_size="32MB", show_spinner=False)
def melt(crystal: Crystal, model: str, seed: int, n_frames: int):
    return generation.forward(crystal, model_name=model, seed=seed, n_frames=n_frames)


@st.cache_data(max_entries=64, show_spinner=False)
def judge(crystal: Crystal, known: dict):
    return generation.read_out(crystal), compare(crystal, known)


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
params = dict(model_name=values["model"], compositions=[values["formula"]], n_samples=1, n_steps=values["n_steps"],
              method=values["method"], temperature=values["temperature"], candidates=values["candidates"], seed=values["seed"],
              n_frames=101)
page.exports(params)
trouble, trajectory = None, None
try:
    model = generation.load_model(values["model"])
    model.composition(values["formula"])
except (generation.ModelMissing, FormulaError) as error:
    trouble = error
with stage:
    process = model.process if not trouble else None
    page.equation({"sigma_max": number(process.sigma_max) if process else r"\sigma_{\max}",
                   "sigma_min": number(process.sigma_min) if process else r"\sigma_{\min}",
                   "formula": rf"\text{{{''.join(c for c in values['formula'] if c.isalnum() or c in ' ()')}}}",
                   "n_steps": str(values["n_steps"]), "share": reverse_drift(values["method"] != "ddim"),
                   "noise": reverse_noise(values["method"] != "ddim", values["temperature"])})
    if trouble:
        st.error(str(trouble), icon=":material/error:")
    elif values["n_steps"] * values["candidates"] <= QUICK:
        trajectory = grow(**params)[0]
    elif grown := job("grow", f"Grow {values['formula']} in {values['n_steps']} steps", generation.generate, params, start=True):
        trajectory = grown[0]
    if trajectory:
        crystal = trajectory.final
        shown, titles = [trajectory], [f"grown: {crystal.formula}"]
        known = known_like(crystal) | same_content(crystal, own)
        if values["beside"] != "nothing" and known:
            name = list(known)[-1]
            still = values["beside"] == "known"
            shown.append(known[name] if still else melt(known[name], values["model"], values["seed"], trajectory.n_frames))
            titles.append(name if still else f"{name}, melting")
        crystal_player(pack_crystals(shown, titles=titles, time_label="noise level t",
                                     alt=f"{crystal.formula} growing from noise in {values['n_steps']} steps."), key="stage", height=500)
    page.scenes(SCENES)
    if trajectory:
        facts, comparison = judge(crystal, known)
        meter, table = st.columns(2)
        with meter:
            verdict(comparison)
        with table:
            kit.readings(tables.read_out_table(facts))
            downloads(crystal)
if trajectory:
    kit.below_the_stage()
    rest, scores = st.columns(2)
    with rest:
        st.markdown("##### How it settles")
        kit.figure(figures.coming_to_rest([settling(trajectory)], palette=kit.palette()), key="settling",
                   alt="Distance of the coordinates and of the cell from where they end, against the noise level.")
    with scores:
        st.markdown(f"##### What the {MODELS[values['model']]} model scores")
        kit.readings(tables.score_table(model.about))
    st.markdown("##### A gallery of sixteen")
    gallery = job("gallery", f"Grow 16 × {values['formula']}", generation.generate,
                  params | {"n_samples": 16, "candidates": 1, "n_frames": 26})
    if gallery:
        verdicts = [judge(one.final, known) for one in gallery]
        crystal_player(pack_crystals(gallery, titles=[c.label if c else ("valid" if f.structure_valid else "atoms too close")
                                                      for f, c in verdicts], alt="Sixteen crystals of one formula, sixteen seeds."),
                       key="gallery", height=620)


def grade():
    eight = params | dict(compositions=["Sr1 Ti1 O3"], n_samples=8, n_frames=2, candidates=1, temperature=1.0)
    few, many = (sum(judge(one.final, known_like(one.final))[1].tight for one in grow(**eight | {"n_steps": steps})) for steps in (5, 50))
    return 0 if few < many / 2 else 1 if few <= many else 2, f"Of eight crystals, {few} come out right with five steps, {many} with fifty."


if not isinstance(trouble, generation.ModelMissing):
    kit.predict("generation", "Eight seeds of SrTiO₃ with five steps, eight with fifty. How many come out right (rms below 0.15)?",
                ["with five less than half as many as with fifty", "about as many", "more with five than with fifty"], grade)
page.prose("What to look at")
page.prose("What a failed crystal looks like", expanded=False)
page.prose("How the model was made", expanded=False)
page.footer(generation.generate, values)
