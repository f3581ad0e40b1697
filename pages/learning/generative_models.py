"""Page of “Around the normaliser”."""

import time

import streamlit as st

from core.figures import generative_models as figures
from core.figures import generative_models_stage
from core.glossary import spelled_out
from core.learning import generative_models
from core.learning.generative_models import FAMILIES
from core.learning.train_families import seconds_of_training
from core.numerics.networks import ModelMissing
from pages import kit
from pages.kit.equation import number
from pages.kit.player import player

LABELS = {name: family.label for name, family in FAMILIES.items()}
VIEWS = {"all": "all six", "one": "one and its density"}
page = kit.chapter(
    "generative_models",
    [
        kit.Choice("dataset", "Data", "two moons", options=list(generative_models.DATASETS)),
        kit.Choice("view", "Families on the stage", "all", options=list(VIEWS), labels=VIEWS),
        kit.Choice(
            "family",
            "Family in focus",
            "flow matching",
            options=list(FAMILIES),
            labels=LABELS,
            wide=True,
            term=("way", "walk"),
            help="The truth meter, the equation and the read-outs are about this one. " + spelled_out("VAE", "GAN"),
        ),
        kit.Slider(
            "n_steps",
            "Network evaluations n of those that walk",
            50,
            term="n",
            options=[1, 2, 4, 8, 16, 32, 50, 100],
            help="Diffusion, flow matching and the energy-based model may call their network so often. The others call it once.",
        ),
        kit.Slider(
            "width",
            "Width w of the noise z",
            1.0,
            term="w",
            low=0.2,
            high=2.0,
            step=0.05,
            help="1 is what the networks were trained for. Less is the truncation trick of the image GANs.",
        ),
        kit.Choice(
            "clock",
            "Clock of the picture",
            "own pace",
            options=list(generative_models.CLOCKS),
            help="Own pace: all arrive together. Race: the clock counts network evaluations.",
        ),
        kit.Slider("n_particles", "Number of particles", 1000, options=[200, 500, 1000, 2000], more=True),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same noise."),
    ],
)
SCENES = [
    kit.Scene("Six ways", {}, "The same noise, the same target, six answers to one unpayable integral."),
    kit.Scene("The race", {"clock": "race"}, "One tick, one network evaluation. Three families are done before the others got going."),
    kit.Scene(
        "Sixteen sites",
        {"dataset": "lattice", "family": "flow"},
        "Maps that cannot tear leave bridges between the sites. Those that walk in small steps leave almost none.",
    ),
    kit.Scene(
        "What it believes",
        {"view": "one", "family": "EBM"},
        "Right: the density that the energies imply, normalised on a grid. "
        "In two dimensions that is easy; in two hundred it is why this chapter exists.",
    ),
    kit.Scene(
        "Four evaluations",
        {"n_steps": 4, "family": "diffusion"},
        "The walkers are stopped early: diffusion and the energies are nowhere near. The one-pass families do not notice.",
        breaks=True,
    ),
    kit.Scene(
        "Timid noise",
        {"width": 0.5, "family": "GAN"},
        "Noise of half the width: every family that maps noise to data shows only "
        "the middle of what it knows. Only the energies are on their way to forget where they began.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=64, max_size="128MB", show_spinner=False)
def run(**params):
    """The sample and the processor seconds it took on this server."""
    began = time.thread_time()
    return generative_models.sample(**params), time.thread_time() - began


@st.cache_data(max_entries=24, max_size="96MB", show_spinner=False)
def stage_payload(params, view, clock):
    if view == "one":
        return generative_models_stage.payload_of_one(
            run(**params)[0], dataset=params["dataset"], family=params["family"], clock=clock, seed=params["seed"]
        )
    runs = {name: run(**params | {"family": name})[0] for name in FAMILIES}
    return generative_models_stage.payload(runs, dataset=params["dataset"], clock=clock)


@st.cache_data(max_entries=128, show_spinner=False)
def truth(params):
    return generative_models.truth(run(**params)[0], dataset=params["dataset"])


@st.cache_data(max_entries=4, show_spinner=False)
def race(dataset):
    return generative_models.error_against_evaluations(dataset=dataset)


@st.cache_data(max_entries=16, show_spinner=False)
def divergence(dataset, family):
    return generative_models.divergence(dataset=dataset, family=family)


stage, side = st.columns([2.5, 1], gap="medium")
with side:
    values = page.controls()
params = {key: values[key] for key in ("family", "dataset", "n_steps", "n_particles", "width", "seed")}
page.exports(params)
focus, missing = values["family"], None
try:
    generative_models.models(values["dataset"])
except ModelMissing as error:
    missing = error
with stage:
    page.equation({"w": number(values["width"]), "n": str(values["n_steps"] if FAMILIES[focus].walks else 1)}, focus)
    if missing:
        st.warning(str(missing), icon=":material/school:")
    else:
        player(stage_payload(params, values["view"], values["clock"]), key="stage", height=500, report=False)
    page.scenes(SCENES)
    if not missing:
        meter, table = st.columns(2)
        with meter:
            kit.truth_meter(truth(params), note=f"Between {LABELS[focus]} at the end and fresh exact samples.")
        with table:
            kit.readings(
                figures.belief_rows(
                    divergence(values["dataset"], focus),
                    seconds_of_training(values["dataset"])[focus],
                    run(**params)[1] / values["n_particles"],
                )
            )

if not missing:
    kit.below_the_stage()
    st.markdown("##### Who can tell what, and what it costs")
    each = {name: params | {"family": name} for name in FAMILIES}
    strays = {name: generative_models.stray(run(**p)[0].final, dataset=values["dataset"]) for name, p in each.items()}
    calls = {name: values["n_steps"] if family.walks else 1 for name, family in FAMILIES.items()}
    kit.table(
        figures.HEAD,
        figures.tractable_rows(
            {name: truth(p) for name, p in each.items()}, strays, calls, {name: run(**p)[1] for name, p in each.items()}
        ),
        marked=LABELS[focus],
    )
    st.caption(
        "Distance: sliced Wasserstein, in units of what an exact sampler of this size scores. Stray: samples where all but 1% of "
        "the data are not, the bridges. Cost: processor time measured on this server when the picture was computed."
    )
    st.markdown("##### What an evaluation buys")
    kit.figure(
        lambda: figures.error_figure(race(values["dataset"]), focus=focus, palette=kit.palette()),
        key="race",
        of=(values["dataset"], focus),
        alt="Distance to the data against network evaluations per sample for the six families, with the floor of exact samples.",
        see="To the right is dearer, lower is better, and in the band nothing is left to gain. One call has one point.",
    )
st.markdown("##### Forty years around one integral")
kit.figure(
    lambda: figures.timeline_figure(palette=kit.palette()),
    key="timeline",
    of=(),
    crowded=True,
    alt="Papers on generative models from 1985 to 2023 by family, with lines from each to what it builds on.",
    see="Every line leads from an idea to a paper that builds on it. Years before 2011 are drawn closer together.",
)


def grade():
    rivals = [name for name in FAMILIES if name != "EBM"]
    scores = {name: truth(params | {"family": name, "n_steps": 4, "width": 1.0}) for name in rivals}
    order = [scores["diffusion"].value, scores["flow matching"].value, min(scores[name].value for name in ("VAE", "GAN", "flow"))]
    return order.index(min(order)), "With four evaluations: " + ", ".join(f"{LABELS[n]} {s.value:.3f}" for n, s in scores.items()) + (
        f"; the floor is {scores['GAN'].floor_mean:.3f}."
    )


if not missing:
    kit.predict(
        "generative_models",
        "Nobody may call a network more than four times per sample. Who lands closest to the data?",
        ["diffusion", "flow matching", "one of those that need a single call: VAE, GAN or normalizing flow"],
        grade,
    )
    kit.predict(
        "generative_models",
        "The family in focus, as it is set on this page. How many of its samples lie where all but 1 % of the data are not?",
        ["at most 2 %, hardly more than of exact samples", "more, up to 10 %", "more than 10 %"],
        lambda: generative_models.stray_share(run(**params)[0].final, dataset=values["dataset"]),
    )
    kit.predict(
        "generative_models",
        "The family in focus is given noise of half the width, w = 0.5 in place of 1. How far do its samples spread?",
        ["less far", "as far, as well as these particles can tell", "farther"],
        lambda: generative_models.spreads_compared(*(run(**params | {"width": width})[0].final for width in (1.0, 0.5))),
    )
page.prose("What to look at")
page.prose("Papers", expanded=False)
page.footer(generative_models.sample, values)
