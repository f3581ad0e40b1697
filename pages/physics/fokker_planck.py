"""Page of “The Fokker–Planck equation”."""

import math

import streamlit as st

from core.figures import fokker_planck as figures
from core.figures import fokker_planck_stage
from core.numerics.networks import trained_datasets
from core.physics import fokker_planck
from core.physics.fokker_planck import Setting
from pages import kit
from pages.kit.equation import number

KINDS = {
    "double well": "double well",
    "washboard": "washboard",
    "whirl": "whirl",
    "exact score": "score of data",
    "learned score": "learned score",
}
STARTS = {"one spot": "spot", "two spots": "two", "wide": "wide", "ring": "ring"}


def of(*kinds):
    return lambda values: values["kind"] in kinds


page = kit.chapter(
    "fokker_planck",
    [
        kit.Choice("kind", "Drift", "double well", options=list(KINDS), labels=KINDS, wide=True, term="drift"),
        kit.Choice(
            "start",
            "Start",
            "one spot",
            options=list(fokker_planck.STARTS),
            labels=STARTS,
            help="On a line the ring is a spot at either end.",
        ),
        kit.Slider("kT", "Temperature kT, the diffusion constant", 1.0, low=0.3, high=2.0, step=0.02, term="kT"),
        kit.Slider(
            "barrier", "Barrier of the potential U", 2.0, low=0.5, high=6.0, step=0.1, when=of("double well", "washboard"), term="U"
        ),
        kit.Slider("tilt", "Tilt of the potential U", 0.0, low=-2.0, high=2.0, step=0.05, when=of("double well"), term="U"),
        kit.Slider("swirl", "Strength Ω of the whirl", 2.0, low=-6.0, high=6.0, step=0.1, when=of("whirl"), term=r"\Omega"),
        kit.Choice(
            "dataset",
            "Data whose score is the drift",
            "two moons",
            options=trained_datasets(),
            wide=True,
            when=of("exact score", "learned score"),
        ),
        kit.Slider("t_end", "Time t", 6.0, options=kit.graded(0.5, 40.0), term="t"),
        kit.Slider("n_steps", "Number of time steps of the solver", 200, options=[10, 50, 100, 200], more=True),
        kit.Slider(
            "n_cells", "Cells along an axis", 64, options=[32, 48, 64, 100], more=True, help="On a line there are eight times as many."
        ),
        kit.Slider("n_particles", "Number of particles", 2000, options=[200, 500, 1000, 2000, 5000], more=True),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same particles."),
    ],
)
SCENES = [
    kit.Scene(
        "Leaking over", {}, "The density leaks over the barrier. Left, particles that jump; right, particles that glide: one density."
    ),
    kit.Scene(
        "Any start, one end",
        {"start": "ring", "t_end": 10.0, "tilt": 0.5},
        "Another start, the same end: the start is forgotten at a rate that belongs to the landscape.",
    ),
    kit.Scene(
        "A whirl",
        {"kind": "whirl"},
        "The drift turns. The density comes to rest, the current does not: arrows run in a circle for ever, and no energy "
        "function could do that.",
    ),
    kit.Scene(
        "Two moons",
        {"kind": "exact score", "start": "ring", "t_end": 10.0},
        "The drift is the score of data: noise goes in, data come out. This is a generative model without training.",
    ),
    kit.Scene(
        "A learned field",
        {"kind": "learned score", "start": "ring", "t_end": 10.0},
        "The same from a network. The last line beside the stage says how far from the data its own end is.",
    ),
    kit.Scene(
        "Unmatched noise",
        {"kind": "exact score", "kT": 2.0, "start": "wide", "t_end": 10.0},
        "Twice the noise for the same score: it still settles, but on √q made whole again, not on the data.",
        breaks=True,
    ),
    kit.Scene(
        "Nothing holds it",
        {"kind": "washboard", "t_end": 20.0},
        "The hollows go on for ever. The variance keeps growing, λ₁ falls to a quarter when the walls are moved twice as far out: "
        "there is no end to settle in.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=12, max_size="128MB", show_spinner=False)
def solved(**params):
    return fokker_planck.solve(**params)


@st.cache_data(max_entries=12, max_size="128MB", show_spinner=False)
def walks(params, n_particles, seed):
    solution = solved(**params)
    return tuple(move(solution, n_particles=n_particles, seed=seed) for move in (fokker_planck.particles, fokker_planck.flow))


@st.cache_data(max_entries=24, max_size="128MB", show_spinner=False)
def stage_payload(params, n_particles, seed):
    return fokker_planck_stage.payload(solved(**params), walks(params, n_particles, seed))


@st.cache_data(max_entries=48, show_spinner=False)
def truths(params, n_particles, seed):
    solution, pair = solved(**params), walks(params, n_particles, seed)
    known = None if solution.setting.flat else fokker_planck.plane_floor(solution, n_particles)
    return [fokker_planck.truth(walk, solution, what=what, known_floor=known) for walk, what in zip(pair, ("with noise", "flow"))]


@st.cache_data(max_entries=96, show_spinner=False)
def rows(params):
    return figures.table(solved(**params))


def params_of(values):
    """What the core function takes; the exact score where no network of the learned one is here."""
    params = {key: values[key] for key in ("kind", "start", "kT", "t_end", "n_steps")}
    params |= {"barrier": 2.0, "tilt": 0.0, "swirl": 2.0, "dataset": "two moons"}
    params |= {key: values[key] for key in ("barrier", "tilt", "swirl", "dataset") if key in values}
    if params["kind"] == "learned score" and fokker_planck.untrained(params["dataset"]):
        params["kind"] = "exact score"
    return params | {"n_cells": values["n_cells"] * (8 if params["kind"] in fokker_planck.LINE else 1)}


def crowd_of(values):
    return values["n_particles"], values["seed"]


def equation(values):
    params = params_of(values)
    setting = Setting(**{key: params[key] for key in ("kind", "kT", "barrier", "tilt", "swirl", "dataset")})
    shown = {
        "kT": number(params["kT"]),
        r"\Omega": number(params["swirl"]),
        "t": number(params["t_end"]),
        r"\lambda_1": number(fokker_planck.gap(setting, params["n_cells"])),
    }
    return shown, params["kind"]


def coarse(values):
    solution, (n_particles, seed) = fokker_planck.solve(**params_of(values)), crowd_of(values)
    walk, carried = (
        move(solution, n_particles=n_particles, seed=seed, first=300).thinned(40) for move in (fokker_planck.particles, fokker_planck.flow)
    )
    return fokker_planck_stage.payload(solution.thinned(40), (walk, carried))


def stage(values):
    params, crowd = params_of(values), crowd_of(values)
    if values["kind"] != params["kind"]:
        missing = fokker_planck.untrained(params["dataset"])
        page.on.controls.warning(f"{missing} The exact score is used instead.", icon=":material/school:")
    page.exports(params | dict(zip(("n_particles", "seed"), crowd)))
    page.player(stage_payload(params, *crowd))
    with page.on.controls:
        kit.readings(rows(params))
    notes = ("Particles of the SDE at the end, to the solved density.", "Particles of the flow at the end, to the same density.")
    for column, truth, note in zip(page.on.meter.columns(2), truths(params, *crowd), notes):
        with column:
            kit.truth_meter(truth, note=note)


def below(values):
    params, crowd, confining = params_of(values), crowd_of(values), values["kind"] != "washboard"

    def profiles():
        half = fokker_planck_stage.reach(solved(**params))
        return figures.profiles_figure(solved(**params), walks(params, *crowd)[0], half=half, palette=kit.palette())

    entropy = (
        "Relative entropy only falls" if confining else "No end to fall to: entropy to the box",
        lambda: figures.entropy_figure(solved(**params), palette=kit.palette()),
        "entropy",
        "Relative entropy to the stationary state against time on a logarithmic axis, with the slope of the slowest rate.",
        "It never rises. A straight piece means that the start is forgotten exponentially; its slope belongs to the landscape."
        if confining
        else "It falls towards the equilibrium between the walls of the box, which exists only because of the walls.",
    )
    circle = (
        "At rest, and yet it turns",
        lambda: figures.circulation_figure(solved(**params), palette=kit.palette()),
        "circle",
        "Current across a line through the centre: solved and exact.",
        "The density has come to rest, the current has not: up on one side of the centre, down on the other."
        if params["swirl"]
        else "Without a whirl no current is left when the density has come to rest.",
    )
    end = (
        "From start to end",
        profiles,
        "profiles",
        "Density at four moments with the stationary one and the histogram of the particles at the end.",
        "From pale to full: the density on its way. The bars are the particles at the end, and they fill the last curve.",
    )
    mass = (
        "",
        lambda: figures.mass_figure(solved(**params), palette=kit.palette()),
        "mass",
        "Deviation of the total probability from one at every step, on a logarithmic axis.",
        "A line that stays below the dotted one: no probability is lost, the rest is rounding.",
    )
    kit.side_by_side(entropy, circle if params["kind"] == "whirl" else end, of=(params, crowd))
    if params["kind"] == "whirl":
        kit.folded(
            "From start to end: the density at four moments", lambda: kit.side_by_side(("", *end[1:]), of=(params, crowd)), key="end"
        )
    kit.folded("Mass is kept to round-off", lambda: kit.side_by_side(mass, of=params), key="mass")


def grade(values):
    low, high = (fokker_planck.relaxation(kind="double well", barrier=b, kT=values["kT"]) for b in (2.0, 4.0))
    factor = high / low
    return (0 if factor < 1.5 else 1 if factor < 2.5 else 2), (
        f"From the operator at kT = {values['kT']:g}: 1/λ₁ is {low:.2f} for a barrier of 2 and {high:.2f} for 4, {factor:.1f} times as "
        f"long (exp(2/kT) = {math.exp(2 / values['kT']):.1f})."
    )


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(below)
kit.predict(
    "fokker_planck",
    "The barrier of the double well is raised from 2 to 4. How much longer does the density remember its start?",
    ["hardly longer", "about twice as long", "much more than twice as long"],
    grade,
)
kit.predict(
    "fokker_planck",
    "The relative entropy measures how much the density still knows of its start. How much of it is left at the end of this run?",
    ["more than a tenth", "less than a tenth, more than a thousandth", "less than a thousandth"],
    lambda values: figures.forgotten(solved(**params_of(values))),
)
kit.predict(
    "fokker_planck",
    "Wait until the density has stopped changing under this drift. Does any current still flow?",
    ["none", "yes"],
    lambda values: figures.still_flowing(solved(**params_of(values))),
)
page.prose("What to look at")
page.prose("How it is solved", expanded=False)
page.footer(fokker_planck.solve)
