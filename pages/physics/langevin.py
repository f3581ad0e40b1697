"""Page of “Langevin dynamics”."""

from dataclasses import replace

import streamlit as st
import torch

from core.figures import langevin as figures
from core.figures import langevin_stage
from core.glossary import spelled_out
from core.physics import langevin
from core.physics.langevin import System
from pages import kit
from pages.kit.equation import number

VIEWS = {"paths": "paths", "phase": "phase space"}
FRICTIONS = kit.graded(0.05, 50.0)
STEPS = kit.graded(0.01, 2.1, 1.3, 1.5, 1.7, 1.9, 1.95, 1.99, 2.01, 2.05)
SWEEP = tuple(torch.logspace(-1.4, 1.7, 9).tolist())


def of(*kinds):
    return lambda values: values["kind"] in kinds


page = kit.chapter(
    "langevin",
    [
        kit.Choice("kind", "Landscape", "double well", options=list(langevin.KINDS), term="potential"),
        kit.Choice("view", "Picture", "paths", options=list(VIEWS), labels=VIEWS),
        kit.Slider("friction", "Friction γ", 1.0, options=FRICTIONS, term=r"\gamma"),
        kit.Slider("kT", "Temperature kT", 1.0, low=0.2, high=3.0, step=0.02, term="kT"),
        kit.Slider("mass", "Mass m", 1.0, options=kit.graded(0.1, 10.0), term="m"),
        kit.Slider("dt", "Time step dt", 0.02, options=STEPS, term=r"\mathrm{d}t"),
        kit.Choice(
            "method",
            "Integrator",
            "BAOAB",
            options=list(langevin.METHODS),
            wide=True,
            help=spelled_out("BAOAB", "OBABO", "ABOBA") + " Euler–Maruyama does all at once.",
        ),
        kit.Slider("barrier", "Barrier b", 2.0, low=0.5, high=6.0, step=0.1, more=True, when=of("double well"), term="b"),
        kit.Slider("stiffness", "Stiffness k", 1.0, low=0.2, high=5.0, step=0.1, more=True, when=of("harmonic"), term="k"),
        kit.Slider("t_end", "Duration t", 40.0, options=kit.graded(5.0, 80.0), more=True),
        kit.Slider("n_particles", "Number of particles", 2000, options=[200, 500, 1000, 2000, 5000], more=True),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same noise."),
    ],
)
SCENES = [
    kit.Scene(
        "Two wells", {}, "All start in the left well. With inertia the paths are smooth, without it they are rough: same noise, same end."
    ),
    kit.Scene(
        "Swinging in",
        {"kind": "harmonic", "friction": 0.2, "view": "phase"},
        "A swarm circles and settles: friction shrinks the circle, noise keeps it from a point. The exact law is behind, at every moment.",
    ),
    kit.Scene(
        "Thick as honey",
        {"kind": "harmonic", "friction": 20.0},
        "Strong friction: the two pictures fall on one another. This is the limit in which diffusion models live.",
    ),
    kit.Scene(
        "Flying, then diffusing",
        {"kind": "free"},
        "No landscape at all. Scroll to the first plot: t² first, t later; the two lines cross at 2/γ.",
    ),
    kit.Scene(
        "A lazy bath",
        {"friction": 0.1, "view": "phase"},
        "Weak friction: particles that cross fly straight back. Scroll to the rate of escape.",
    ),
    kit.Scene(
        "Naive Euler",
        {"kind": "harmonic", "method": "Euler–Maruyama", "dt": 0.2, "friction": 0.5},
        "Small enough to run, large enough to lie: the cloud is far too wide. The formula for it is in the plot of the bias.",
        breaks=True,
    ),
    kit.Scene(
        "Past the limit",
        {"kind": "harmonic", "dt": 2.1, "view": "phase"},
        "A step beyond 2/ω: each swing overshoots the last. No friction and no seed can save it.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=16, max_size="256MB", show_spinner=False)
def run(**params):
    return langevin.sample(**params)


@st.cache_data(max_entries=16, max_size="192MB", show_spinner=False)
def without_inertia(**params):
    return langevin.overdamped(**params)


@st.cache_data(max_entries=32, max_size="128MB", show_spinner=False)
def stage_payload(params, view):
    if view == "phase":
        return langevin_stage.phase_space(run(**params), system_of(params))
    return langevin_stage.paths(run(**params), without_inertia(**params), system_of(params), method=params["method"])


@st.cache_data(max_entries=96, show_spinner=False)
def measured(params, view):
    """((truth with inertia, truth of what stands beside it or None), read-outs)."""
    system, t_end, moving = system_of(params), params["t_end"], run(**params)
    slow, other, gap = without_inertia(**params) if view == "paths" else None, None, None
    if view == "phase":
        other = langevin.truth(moving.v[-1], system, t_end, what="velocities")
    elif slow:
        other, gap = langevin.truth(slow.final[:, 0], system, t_end, what="overdamped"), langevin.gap(moving, slow, system)
    rows = figures.table(system, method=params["method"], dt=params["dt"], gap=gap)
    return (langevin.truth(moving.x[-1], system, t_end), other), rows


@st.cache_data(max_entries=64, show_spinner=False)
def counted(system, seed, frictions=SWEEP):
    return langevin.count(system, frictions, seed=seed)


def crossings(params, seed):
    """Whatever the friction that is set."""
    return counted(replace(system_of(params), friction=1.0), seed)


def params_of(values):
    of_system = {key: values.get(key, 1.0) for key in ("kind", "kT", "mass", "friction", "stiffness", "barrier")}
    return of_system | {key: values[key] for key in ("method", "dt", "t_end", "n_particles", "seed")}


def system_of(values):
    return System(**{key: values.get(key, 1.0) for key in ("kind", "kT", "mass", "friction", "stiffness", "barrier")})


def equation(values):
    system = system_of(values)
    shown = {
        "m": number(system.mass),
        r"\gamma": number(system.friction),
        "kT": number(system.kT),
        "b": number(system.barrier),
        "k": number(system.stiffness),
        r"\mathrm{d}t": number(values["dt"]),
    }
    return shown, system.kind


def coarse(values):
    params, system = params_of(values) | {"n_frames": 40, "first": 300}, system_of(values)
    run = langevin.sample(**params)
    if values["view"] == "phase":
        return langevin_stage.phase_space(run, system)
    return langevin_stage.paths(run, langevin.overdamped(**params), system, method=values["method"])


def stage(values):
    params, view = params_of(values), values["view"]
    page.exports(params)
    page.player(stage_payload(params, view))
    (moving, other), rows = measured(params, view)
    with page.on.controls:
        kit.readings(rows)
    law = "Boltzmann’s law" if values["kind"] == "double well" else "the exact law of this moment"
    left, right = page.on.meter.columns(2)
    with left:
        kit.truth_meter(moving, note=f"With inertia, at the end, to {law}.")
    with right:
        if other is None:
            st.caption(
                "Nothing is shown without inertia: at so weak a friction that equation would need far smaller steps, and it describes "
                "another system."
            )
        else:
            kit.truth_meter(
                other, note=f"Without inertia, to {law}." if view == "paths" else "At the end, to the law of Maxwell and Boltzmann."
            )


def below(values):
    params, system, seed = params_of(values), system_of(values), values["seed"]
    step = {key: values[key] for key in ("method", "dt")}
    spreading = (
        "First it flies, then it diffuses",
        lambda: figures.spread_figure(langevin.spread(run(**params), system), system, palette=kit.palette()),
        "spread",
        "Mean squared displacement against time on logarithmic axes, with the ballistic and the diffusive asymptote.",
        "Particles that fly follow the steep line, t²; those that diffuse the flatter one, t. Between the two lies the time 1/γ.",
    )
    bias = (
        "The price of the step" + ("" if system.kind == "harmonic" else ", in one well"),
        lambda: figures.bias_figure(run(**params), system, **step, palette=kit.palette()),
        "bias",
        "Sampled over exact variance of position and velocity against the time step for each integrator.",
        "At 1 the width comes out right. How far a line is from 1 at the vertical line is an error that no longer run removes.",
    )
    remembering = (
        "How long a velocity is remembered",
        lambda: figures.memory_figure(langevin.memory(run(**params), system), system, palette=kit.palette()),
        "memory",
        "Velocity autocorrelation against time, measured and exact.",
        "The sooner the curve is at zero, the sooner a particle has forgotten its velocity; below zero it has turned round.",
    )
    speeds = (
        "Velocities at the end",
        lambda: figures.velocity_figure(run(**params), system, **step, palette=kit.palette()),
        "speeds",
        "Histogram of the velocities with the Maxwell–Boltzmann law.",
        "Whatever the landscape, the exact law is this bell. Bars that do not fill it: too long a step, or too short a run.",
    )
    kit.side_by_side(spreading, bias if system.omega else remembering, of=params)
    if system.kind == "double well":
        st.markdown("##### Over the barrier: how often a particle changes well")
        kit.figure(
            lambda: figures.rate_figure(crossings(params, seed), system, palette=kit.palette()),
            key="rate",
            of=params,
            alt="Rate of escape against friction: counted crossings with error bars and Kramers’ formula with its extension.",
            see="Escape is fastest at a middle friction: with less, a particle waits for energy; with more, it is held back.",
        )
    folded = (remembering, speeds) if system.omega else (speeds,)
    kit.folded(
        "The velocities: how long they are remembered, and their law", lambda: kit.side_by_side(*folded, of=params), key="velocities"
    )


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(below)
kit.predict(
    "langevin",
    "A particle in a double well, friction γ = 0.1. You make the friction ten times stronger. How often does it cross the barrier?",
    ["more often", "less often", "as often as before"],
    lambda values: figures.escapes_compared(
        System(kT=values["kT"], mass=values["mass"], barrier=values.get("barrier", 2.0)), seed=values["seed"]
    ),
)
kit.predict(
    "langevin",
    "The particles are made ten times as heavy, the friction rate γ stays. Where are they found in the end?",
    ["closer together", "in the same places as before", "farther apart"],
    lambda values: figures.widths_compared(system_of(values), values["t_end"]),
)
kit.predict(
    "langevin",
    "The computer makes finite steps dt. Are the velocities at the end as fast as Maxwell and Boltzmann say?",
    ["slower", "as fast, within the noise", "faster"],
    lambda values: figures.speeds_compared(run(**params_of(values)), system_of(values)),
)
page.prose("What to look at")
page.prose("Two pictures, one bath", expanded=False)
page.footer(langevin.sample)
