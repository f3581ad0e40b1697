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
            options=kit.graded(1, 100, 32),
            help="Diffusion, flow matching and the energy-based model may call their network so often. The others call it once.",
        ),
        kit.Slider(
            "width",
            "Width w of the noise z",
            1.0,
            term="w",
            low=0.2,
            high=2.0,
            step=0.01,
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


def payload_of(params, view, clock, runs):
    """runs: family -> its run; in the view "one", of the family in focus alone."""
    if view == "one":
        (made,) = runs.values()
        of = {key: params[key] for key in ("dataset", "family", "seed")}
        return generative_models_stage.payload_of_one(made, clock=clock, n_drawn=params["n_particles"], **of)
    return generative_models_stage.payload(runs, dataset=params["dataset"], clock=clock)


def families_shown(params, view):
    return [params["family"]] if view == "one" else list(FAMILIES)


@st.cache_data(max_entries=24, max_size="96MB", show_spinner=False)
def stage_payload(params, view, clock):
    runs = {name: run(**params | {"family": name})[0] for name in families_shown(params, view)}
    return payload_of(params, view, clock, runs)


@st.cache_data(max_entries=128, show_spinner=False)
def truth(params):
    return generative_models.truth(run(**params)[0], dataset=params["dataset"])


@st.cache_data(max_entries=48, show_spinner=False)
def table_rows(params):
    """Of all families, with these parameters but for the family."""
    each = {name: params | {"family": name} for name in FAMILIES}
    runs = {name: run(**of) for name, of in each.items()}
    return figures.tractable_rows(
        {name: truth(of) for name, of in each.items()},
        {name: generative_models.stray(made.final, dataset=params["dataset"]) for name, (made, _) in runs.items()},
        {name: params["n_steps"] if family.walks else 1 for name, family in FAMILIES.items()},
        {name: seconds for name, (_, seconds) in runs.items()},
    )


@st.cache_data(max_entries=128, show_spinner=False)
def belief_rows(params):
    dataset, family = params["dataset"], params["family"]
    cost = run(**params)[1] / params["n_particles"]
    return figures.belief_rows(generative_models.divergence(dataset=dataset, family=family), seconds_of_training(dataset)[family], cost)


@st.cache_data(max_entries=4, show_spinner=False)
def race(dataset):
    return generative_models.error_against_evaluations(dataset=dataset)


def params_of(values):
    return {key: values[key] for key in ("family", "dataset", "n_steps", "n_particles", "width", "seed")}


def missing(values):
    """Why there is nothing to show of this data set; None when its networks are here."""
    try:
        generative_models.models(values["dataset"])
    except ModelMissing as error:
        return error


def equation(values):
    focus = values["family"]
    return {"w": number(values["width"]), "n": str(values["n_steps"] if FAMILIES[focus].walks else 1)}, focus


def coarse(values):
    params, view = params_of(values), values["view"]
    runs = {name: generative_models.sample(**params | {"family": name}, first=200) for name in families_shown(params, view)}
    return payload_of(params, view, values["clock"], runs)


def stage(values):
    params = params_of(values)
    page.exports(params)
    if error := missing(values):
        page.on.stage.warning(str(error), icon=":material/school:")
        return
    page.player(stage_payload(params, values["view"], values["clock"]))
    with page.on.meter:
        note = f"Between {LABELS[values['family']]} at the end and fresh exact samples."
        kit.meter_beside(truth(params), belief_rows(params), note=note)


def below(values):
    params, focus = params_of(values), values["family"]

    def error_against_evaluations():
        return figures.error_figure(race(values["dataset"]), focus=focus, palette=kit.palette())

    def timeline():
        kit.figure(
            lambda: figures.timeline_figure(palette=kit.palette()),
            key="timeline",
            of=(),
            crowded=True,
            alt="Papers on generative models from 1985 to 2023 by family, with lines from each to what it builds on.",
            see="Every line leads from an idea to a paper that builds on it. Years before 2011 are drawn closer together.",
        )

    if not missing(values):
        st.markdown("##### Who can tell what, and what it costs")
        kit.table(figures.HEAD, table_rows(params), marked=LABELS[focus])
        st.caption(
            "Distance: sliced Wasserstein, in units of what an exact sampler of this size scores. Stray: samples where all but 1% of "
            "the data are not, the bridges. Cost: processor time measured on this server when the picture was computed."
        )
        st.markdown("##### What an evaluation buys")
        kit.figure(
            error_against_evaluations,
            key="race",
            of=(values["dataset"], focus),
            alt="Distance to the data against network evaluations per sample for the six families, with the floor of exact samples.",
            see="To the right is dearer, lower is better, and in the band nothing is left to gain. One call has one point.",
        )
    kit.folded("Forty years around one integral: papers by family, and what they build on", timeline, key="timeline")


def grade(values):
    return generative_models.closest(**{key: values[key] for key in ("dataset", "n_particles", "seed")})


def grade_stray(values):
    return generative_models.stray_share(run(**params_of(values))[0].final, dataset=values["dataset"])


def grade_spread(values):
    return generative_models.spreads_compared(*(run(**params_of(values) | {"width": width})[0].final for width in (1.0, 0.5)))


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(below)
if not any(missing({"dataset": dataset}) for dataset in generative_models.DATASETS):  # questions are graded by what networks do
    kit.predict(
        "generative_models",
        "Nobody may call a network more than four times per sample. Who lands closest to the data?",
        [
            "diffusion",
            "flow matching",
            "a family that needs a single call: VAE, GAN or normalizing flow",
            "five runs of each cannot tell",
        ],
        grade,
    )
    kit.predict(
        "generative_models",
        "The family in focus, as it is set on this page. How many of its samples lie where all but 1 % of the data are not?",
        ["at most 2 %, hardly more than of exact samples", "more, up to 10 %", "more than 10 %"],
        grade_stray,
    )
    kit.predict(
        "generative_models",
        "The family in focus is given noise of half the width, w = 0.5 in place of 1. How far do its samples spread?",
        ["less far", "as far, as well as these particles can tell", "farther"],
        grade_spread,
    )
page.prose("What to look at")
page.prose("Papers", expanded=False)
page.footer(generative_models.sample)
