"""Page of “Brownian motion”."""

import math

import streamlit as st

from core.figures import brownian as figures
from core.figures import brownian_stage
from core.physics import brownian
from pages import kit
from pages.kit.equation import number

STEPS = {"gaussian": "Gaussian", "coin": "±1 coin", "uniform": "uniform", "heavy": "heavy tails", "levy": "Lévy"}
WORLDS = {"walker": "walker", "grain": "pollen grain"}


def is_grain(values):
    return values.get("world") == "grain"


def is_walker(values):
    return not is_grain(values)


page = kit.chapter(
    "brownian",
    [
        kit.Choice("world", "What moves", "walker", options=list(WORLDS), labels=WORLDS, term="scale"),
        kit.Choice("dim", "Space", "1", options=["1", "2"], labels={"1": "on a line", "2": "in a plane"}),
        kit.Choice("step", "Law of one step", "gaussian", options=list(STEPS), labels=STEPS),
        kit.Slider("sigma", "Step scale σ", 1.0, low=0.2, high=3.0, step=0.02, when=is_walker, term=r"\sigma"),
        kit.Slider("radius", "Radius r (µm)", 0.5, low=0.05, high=5.0, step=0.05, when=is_grain, term="r"),
        kit.Slider(
            "viscosity",
            "Viscosity η (mPa·s)",
            0.89,
            low=0.3,
            high=20.0,
            step=0.01,
            when=is_grain,
            term=r"\eta",
            help="Water at 25 °C has 0.89, olive oil about 80.",
        ),
        kit.Slider("temperature", "Temperature T (K)", 298.0, low=274.0, high=372.0, step=1.0, when=is_grain, term="T"),
        kit.Slider("t_end", "Time t", 4.0, low=0.5, high=20.0, step=0.1, term="t"),
        kit.Slider("n_steps", "Number of steps n", 200, options=kit.graded(1, 1000), more=True, term="n"),
        kit.Slider("n_particles", "Number of walkers", 2000, options=[100, 500, 1000, 2000, 5000, 10000], more=True),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same walkers."),
    ],
)
SCENES = [
    kit.Scene("A fan", {}, "Four times the time, twice the width: the fan opens like a parabola on its side."),
    kit.Scene("Ten coins", {"step": "coin", "n_steps": 10}, "Ten tosses leave eleven places to be. The spikes already follow the bell."),
    kit.Scene("A cloud", {"dim": "2"}, "In the plane the cloud is round, although no step knows about circles."),
    kit.Scene("Pollen", {"world": "grain", "dim": "2"}, "Real units. Halve the radius, warm the water: each changes D and nothing else."),
    kit.Scene(
        "Lévy flights",
        {"step": "levy"},
        "No variance, no bell: single jumps dwarf all the others, and more steps do not help. "
        "Look at the truth meter and at how fast the bell appears.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=24, max_size="192MB", show_spinner=False)
def walk(**params):
    return brownian.sample(**params)


@st.cache_data(max_entries=48, max_size="128MB", show_spinner=False)
def stage_payload(params, **units):
    return brownian_stage.payload(walk(**params), sigma=params["sigma"], **units)


def grain_of(values):
    """The pollen grain, if the world is one; None for a walk without units."""
    if not is_grain(values):
        return None
    of_water = {key: values[key] for key in ("radius", "viscosity", "temperature")}
    return brownian.stokes_einstein(**of_water, dim=int(values["dim"]))


def params_of(values):
    grain = grain_of(values)
    params = {key: values[key] for key in ("step", "t_end", "n_steps", "n_particles", "seed")}
    return params | {"sigma": grain.sigma if grain else values["sigma"], "dim": int(values["dim"])}


def units(values):
    return {"length": "µm", "time": "s"} if is_grain(values) else {"length": "", "time": ""}


def equation(values):
    µm, s = (r"\,\mathrm{\mu m}", r"\,\mathrm{s}") if is_grain(values) else ("", "")
    params = params_of(values)
    shown = {
        "t": number(params["t_end"]) + s,
        "n": str(params["n_steps"]),
        r"\Delta t": number(params["t_end"] / params["n_steps"]) + s,
        "r": number(values.get("radius", 0.0)) + µm,
        r"\eta": number(values.get("viscosity", 0.0)) + r"\,\mathrm{mPa\,s}",
        "T": number(values.get("temperature", 0.0)) + r"\,\mathrm{K}",
        r"\sigma": number(params["sigma"]) + (µm + r"/\sqrt{\mathrm{s}}" if µm else ""),
        r"\sigma^2 t": number(brownian.variance(params["t_end"], params["sigma"])) + (µm + "^2" if µm else ""),
    }
    return shown, values["world"]


def coarse(values):
    params = params_of(values)
    return brownian_stage.payload(brownian.sample(**params | {"n_frames": 40}), sigma=params["sigma"], **units(values))


def stage(values):
    params, grain = params_of(values), grain_of(values)
    page.exports(params)
    page.player(stage_payload(params, **units(values)))
    verdict, note = brownian.truth(walk(**params), sigma=params["sigma"]), "Measured between the walkers at the end and the exact Gaussian."
    with page.on.meter:
        if grain:
            kit.meter_beside(verdict, figures.grain_table(grain), note=note)
        else:
            kit.truth_meter(verdict, note=note)


def below(values):
    params, unit = params_of(values), units(values)

    def spread():
        walked = walk(**params)
        squares, slope = brownian.mean_square(walked, params["sigma"]), brownian.slope(walked, params["sigma"])
        return figures.mean_square_figure(squares, slope, length_unit=unit["length"], time_unit=unit["time"], palette=kit.palette())

    def speed():
        distances = brownian.convergence(walk(**params), sigma=params["sigma"], n_steps=params["n_steps"])
        return figures.convergence_figure(params["step"], distances, palette=kit.palette())

    kit.side_by_side(
        (
            "The width grows like √t",
            spread,
            "msd",
            "Mean squared displacement of the walkers against time with the exact line.",
            "Single jumps dwarf all the others: there is no line that the mean square follows."
            if params["step"] == "levy"
            else "The squared width grows in proportion to time: four times the time, twice the width.",
        ),
        (
            "How fast the bell appears",
            speed,
            "clt",
            "Distance to the Gaussian against the number of steps: counted, exact, and the finite-sample floor.",
            "The lower, the closer is the sum of n steps to the bell; dots in the grey band cannot be told from it.",
        ),
    )


def grade(values):
    params = params_of(values)
    early, late = (
        brownian.typical_distance(step=params["step"], sigma=params["sigma"], t_end=k * params["t_end"], n_steps=k * params["n_steps"])
        for k in (1, 4)
    )
    right = min(range(3), key=lambda i: abs(math.log(late / early / (2, 4, 16)[i])))
    return right, (
        f"Of 4,000 such walkers, the typical distance from the start is {early:.3g} at t = {params['t_end']:g} and {late:.3g} at four "
        f"times that: {late / early:.2f} times as far."
    )


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(below)
kit.predict(
    "brownian",
    "You wait four times as long. How much wider does the cloud of walkers get?",
    ["twice as wide", "four times as wide", "sixteen times as wide"],
    grade,
)


def grade_smaller_steps(values):
    params = params_of(values)
    before, after = brownian.smaller_steps(params["step"], params["n_steps"])
    left = after / before if before > 0 else 1.0
    return (0 if left < 0.35 else 1 if left < 0.75 else 2), (
        f"The exact distance between the law of the walkers and the bell is {before:.2g} with {params['n_steps']} steps, and {after:.2g} "
        f"with {4 * params['n_steps']}."
    )


kit.predict(
    "brownian",
    "Four times as many steps of this law, each half as long, lead to the same time t. How much of the distance to the bell is left?",
    ["about a quarter, or less", "about a half", "all of it, or more"],
    grade_smaller_steps,
)
page.prose("What to look at")
page.prose("The pollen grain", expanded=False)
page.footer(brownian.walk)
