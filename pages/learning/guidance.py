"""Page of “Guidance”."""

import streamlit as st

from core.figures import guidance as figures
from core.figures import guidance_stage
from core.glossary import spelled_out
from core.learning import guidance
from core.learning.labelled import LABELLED
from core.numerics.networks import ModelMissing
from pages import kit
from pages.kit.equation import number

GUIDES = {
    "exact": "exact scores",
    "classifier-free": "learned, classifier-free",
    "classifier": "learned classifier",
    "clean classifier": "classifier that never saw noise",
}

FIRST, FRAMES_COARSE, MOMENTS_COARSE = 300, 40, 6  # particles, frames and fields of the picture under the thumb


def three(values):
    return values["dataset"] == "three classes"


def two(values):
    return not three(values)


page = kit.chapter(
    "guidance",
    [
        kit.Choice("dataset", "Labelled data", "three classes", options=list(LABELLED), wide=True),
        kit.Choice("class3", "Label y", "A", options=["A", "B", "C"], when=three, term="y"),
        kit.Choice("class2", "Label y", "A", options=["A", "B"], when=two, term="y"),
        kit.Slider(
            "gamma",
            "Guidance scale γ",
            3.0,
            low=0.0,
            high=10.0,
            step=0.05,
            term=r"\gamma",
            help="0: the label is ignored. 1: the conditional density. Above: harder than the data say.",
        ),
        kit.Choice("guide", "Guidance by", "exact", options=list(GUIDES), labels=GUIDES, wide=True, term="field"),
        kit.Choice(
            "walk",
            "Kind of walk",
            "ODE",
            options=list(guidance.WALKS),
            help=spelled_out("ODE", "SDE") + " Corrected: Langevin steps at each level too. Reweighted: the missing term as a weight.",
        ),
        kit.Slider("n_steps", "Number of steps", 60, options=kit.graded(5, 200)),
        kit.Slider("n_particles", "Number of particles", 1500, options=[300, 600, 1500, 3000], more=True),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same noise."),
    ],
)
SCENES = [
    kit.Scene("Too far", {}, "Left: guided three times. The particles end deeper in the class, and closer together, than promised."),
    kit.Scene("γ = 1", {"gamma": 1.0}, "The conditional density: both walks agree to within the floor."),
    kit.Scene("Corrected", {"walk": "corrected"}, "Langevin steps at each level: now the guided particles end on the promised density."),
    kit.Scene("The island", {"dataset": "island"}, "Class A has a small island. Does guidance keep its share?"),
    kit.Scene("Classifier-free", {"guide": "classifier-free"}, "Two answers of one network in place of two formulas."),
    kit.Scene(
        "Full force",
        {"dataset": "two moons", "gamma": 10.0},
        "Ten times: a moon shrinks to the end that is far from the other. "
        "Fidelity is perfect, the diversity is gone, and the promised density had kept it all.",
        breaks=True,
    ),
    kit.Scene(
        "Never saw noise",
        {"dataset": "two moons", "guide": "clean classifier"},
        "A perfect classifier, but of clean data. In noise its push is out of all proportion.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=32, max_size="192MB", show_spinner=False)
def run(**params):
    return guidance.sample(**params)


def of_fields(params):
    """What the fields on the stage depend on."""
    return tuple(params[key] for key in ("dataset", "label", "gamma", "guide"))


@st.cache_data(max_entries=32, max_size="192MB", show_spinner=False)
def stage_payload(params):
    promised = run(**params | {"guide": "tilt", "walk": "ODE"})
    return guidance_stage.payload(*of_fields(params), run(**params), promised)


@st.cache_data(max_entries=64, show_spinner=False)
def truth(params):
    return guidance.truth(run(**params), **{key: params[key] for key in ("dataset", "label", "gamma")})


@st.cache_data(max_entries=64, show_spinner=False)
def qualities(params):
    """Of the guided particles and of the density that is promised."""
    mine = guidance.quality(run(**params).final, params["dataset"], params["label"])
    return mine, guidance.tilt_quality(params["dataset"], params["label"], params["gamma"])


@st.cache_data(max_entries=32, show_spinner=False)
def sweep(**setting):
    return guidance.sweep(**setting)


@st.cache_data(max_entries=64, show_spinner=False)
def gap(**setting):
    return guidance.gap(**setting)


def missing(values):
    """What is said where a learned guide is asked for and no network is there; None otherwise."""
    try:
        if values["guide"] in ("classifier-free", "classifier"):
            guidance.networks(values["dataset"])
    except ModelMissing as error:
        return f"{error} Exact scores are used instead."


def params_of(values):
    params = {key: values[key] for key in ("dataset", "gamma", "guide", "walk", "n_steps", "n_particles", "seed")}
    params["label"] = "ABC".index(values["class3"] if three(values) else values["class2"])
    return params | {"guide": "exact"} if missing(values) else params


def where(params):
    return {key: params[key] for key in ("dataset", "label", "guide")}


def equation(values):
    params = params_of(values)
    return {r"\gamma": number(params["gamma"]), "y": rf"\text{{{'ABC'[params['label']]}}}"}, params["guide"]


def coarse(values):
    params = params_of(values)
    few = params | {"n_frames": FRAMES_COARSE, "first": FIRST}
    walks = guidance.sample(**few), guidance.sample(**few | {"guide": "tilt", "walk": "ODE"})
    return guidance_stage.payload(*of_fields(params), *walks, n_moments=MOMENTS_COARSE)


def stage(values):
    params = params_of(values)
    page.exports(params)
    if words := missing(values):
        page.on.stage.warning(words, icon=":material/school:")
    page.player(stage_payload(params), height=500)
    mine, promise = qualities(params)
    with page.on.meter:
        kit.meter_beside(
            truth(params),
            [
                ("Fidelity, mean p(y|x)", f"{mine.fidelity:.4f}"),
                ("of the promised density", f"{promise.fidelity:.4f}"),
                ("Diversity, spread (class = 1)", f"{mine.diversity:.3f}"),
                ("of the promised density", f"{promise.diversity:.3f}"),
            ],
            note="Between the guided particles at the end and p(x) p(y|x)^γ, computed on a grid.",
            widths=(1.6, 1),
        )


def below(values):
    params = params_of(values)

    def swept():
        return sweep(**where(params), walk=params["walk"], seed=params["seed"])

    kit.side_by_side(
        (
            "How far from the promise",
            lambda: figures.distance_figure(swept(), gamma=params["gamma"], palette=kit.palette()),
            "distance",
            "Distance of guided particles to the promised density against the guidance scale, with the floor of exact draws.",
            "In the band guided particles cannot be told from the promised density; above it they sample something else.",
        ),
        (
            "Diversity against fidelity",
            lambda: figures.tradeoff_figure(swept(), palette=kit.palette()),
            "tradeoff",
            "Spread of the particles against how well they fit the label, for guided diffusion and for the promised density.",
            "To the right fits the label better, higher up is more varied. Where the lines part, guidance does not keep the promise.",
        ),
        of=(where(params), params["walk"], params["gamma"], params["seed"]),
    )
    kit.folded("Where the difference comes from", lambda: source(params), key="gap")


def source(params):
    kit.figure(
        lambda: figures.gap_figure(gap(**where(params), gamma=params["gamma"]), guide=params["guide"], palette=kit.palette()),
        key="gap",
        of=(where(params), params["gamma"]),
        alt="Guided field less the score of the promised density with noise, against time, with the term that the guided density misses.",
        see="Where the solid line is at zero, the guided arrows are the right ones; the dashed term is what they leave out.",
    )


def grade(values):
    params = params_of(values)
    return guidance.what_it_samples(params["dataset"], params["label"], 4.0, seed=params["seed"])


def grade_surer(values):
    params = params_of(values)
    return guidance.surer(run(**params).final, params["dataset"], params["label"], params["gamma"])


def grade_where(values):
    params = params_of(values)
    return guidance.where_it_misleads(gap(**where(params), gamma=params["gamma"]))


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(below)
kit.predict(
    "guidance",
    "Exact scores, γ = 4, a good solver. What does it sample?",
    ["p(x) p(y|x)⁴, as the formula says", "something narrower than that", "something wider than that", "something as wide, but elsewhere"],
    grade,
)
kit.predict(
    "guidance",
    "With the guidance scale, guide and walk of this page: whose samples fit the label better, judged by the mean of p(y|x)?",
    ["the guided particles", "draws of the density that is promised", "they cannot be told apart"],
    grade_surer,
)
kit.predict(
    "guidance",
    "One field is followed by the particles; another one would end on the promised density. Where on the way do they differ most?",
    ["early, in nearly pure noise", "in the middle", "late, near the data", "nowhere: they are the same"],
    grade_where,
)
page.prose("What to look at")
page.prose("How the networks were made", expanded=False)
page.footer(guidance.sample)
