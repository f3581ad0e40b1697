"""Page of “Growing crystals”."""

from dataclasses import replace

import streamlit as st

from core.crystals import generation
from core.figures import generation as figures
from core.figures import generation_tables as tables
from core.figures.crystal_payload import pack_crystals, payload_header
from core.generator.sampling.config import kind_of
from core.metrics.convergence import convergence
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

stage, side = st.columns([2.5, 1], gap="medium")
with side:
    settings = page.controls()
    generation_controls.buttons(settings)
    own = own_crystal("Compare with your own crystal", "A CIF file with the same formula")
found = generation_controls.growable(settings)
values, model, relative = found.values, found.model, found.relative
asked, method = generation_controls.asked(values), values["method"]
free, kind = isinstance(asked, int), kind_of(method)
what = f"{asked} atoms" if free else asked
params = generation_controls.parameters(values)
config = params["config"]
page.exports(params)
trajectory, known = None, {}
with stage:
    page.equation(
        {
            "A": cell_content(asked),
            "t_0": number(config.start) + (r"\ \text{(noise)}" if config.start == 1 else r"\ \text{(a relative, blurred)}"),
            "n": str(values["n_steps"]),
            "p": number(values["power"]),
            "s": number(config.anti_annealing),
            r"\tau": number(values["temperature"]),
        },
        {"motion": method, "given": values["given"]},
    )
    found.said()
    own.said()
    if values["n_steps"] * values["candidates"] <= QUICK and not found.lost:
        trajectory = generation_controls.grow(**params)[0]
    elif not found.lost and (grown := job("grow", f"Grow {what} in {values['n_steps']} steps", generation.sample, params, start=True)):
        trajectory = grown[0]
    if trajectory:
        crystal = trajectory.final
        generation_controls.of_another_formula(own, crystal)
        known = generation_controls.to_compare(crystal, own)
        facts, comparison = assess(crystal, known)
        like = None if comparison and comparison.tight else nearest(crystal)
        companion = generation_controls.beside(known, comparison, own)
        trajectory = generation_controls.seated(trajectory, companion)
        crystal = trajectory.final
        shown, titles = [trajectory], [tables.grown_title(crystal, comparison, like)]
        if extra := beside_it(
            values.get("beside"),
            companion,
            assess(crystal, companion)[1],
            relative,
            model=values["model"],
            kind=kind,
            seed=values["seed"],
            n_frames=trajectory.n_frames,
        ):
            titles.append(extra[0])
            shown.append(extra[1])
        payload = pack_crystals(
            shown, titles=titles, time_label="noise level t", alt=f"{crystal.formula} growing from noise in {values['n_steps']} steps."
        )
        crystal_player(payload, key="stage", height=500)
    page.scenes(SCENES)
    if trajectory:
        meter, table = st.columns(2)
        meter = meter.empty()
        with meter:
            verdict(comparison, tables.nearest_words(comparison, like))
        with table:
            kit.readings(tables.read_out_table(facts) + tables.baseline_row(relative, assess(relative[1], known)[1] if relative else None))
            downloads(crystal, path=trajectory)
if trajectory:
    kit.below_the_stage()
    rest, scores = st.columns(2)
    with rest:
        st.markdown("##### How it settles")
        kit.figure(
            lambda: figures.convergence_figure([convergence(trajectory)], palette=kit.palette()),
            key="convergence",
            of=payload_header(payload)["id"],
            alt="Distance of the coordinates and of the cell from where they end, against the noise level.",
            see="A curve that has become flat at the right is at rest; one that still falls there was stopped on its way.",
        )
    with scores:
        st.markdown(f"##### What the {generation_controls.MODELS[values['model']]} {generation.KINDS[kind]} model scores")
        kit.readings(tables.score_table(model.about))
    st.markdown("##### A gallery of sixteen")
    gallery = job(
        "gallery",
        f"Grow 16 × {what}",
        generation.sample,
        params | {"config": replace(config, candidates=1), "n_samples": 16, "n_frames": 26},
    )
    if gallery:
        labels = captions(gallery, None if free else known)
        crystal_player(pack_crystals(gallery, titles=labels, alt="Sixteen crystals, sixteen seeds."), key="gallery", height=620)


def grade():
    few, many = (generation_controls.right_of_eight(params, steps) for steps in (5, 50))
    return 0 if few < many / 2 else 1 if few <= many else 2, f"Of eight crystals, {few} come out right with five steps, {many} with fifty."


if not found.lost:
    kit.predict(
        "generation",
        "Eight seeds of SrTiO₃ with five steps, eight with fifty. How many come out right (rms below 0.15)?",
        ["with five less than half as many as with fifty", "about as many", "more with five than with fifty"],
        grade,
    )
if trajectory:
    kit.predict(
        "generation",
        "The crystal on the stage grows once more. Which has come half of its way for good first?",
        ["the box", "the atoms", "both, at the same moment shown"],
        lambda: generation.half_way_first(convergence(trajectory)),
    )
if trajectory and comparison:
    kit.predict(
        "generation",
        "Throw the same atoms at random into the grown box, a dozen times. How many pass the benchmark's test as the known crystal?",
        ["none", "some, at most a third", "more than a third"],
        lambda: generation.luck(beside_chance(crystal, known)),
    )
page.prose("What to look at")
page.prose("What a failed crystal looks like", expanded=False)
page.prose("The baseline without a network", expanded=False)
page.prose("How the model was made", expanded=False)
page.prose("Questions people ask", expanded=False)
page.footer(generation.sample, settings)
if trajectory and comparison:
    with meter:  # what chance would score is measured when everything else is on the page
        verdict(beside_chance(crystal, known), tables.nearest_words(comparison, like))
