"""Page of “The reverse process”."""

import streamlit as st

from core.figures import reverse_process as figures
from core.figures import reverse_process_stage
from core.glossary import spelled_out
from core.learning import reverse_process
from core.numerics.densities import DATASETS
from core.numerics.networks import ModelMissing
from core.numerics.schedules import SCHEDULES
from pages import kit
from pages.kit.equation import number

METHODS = {name: method.label for name, method in reverse_process.METHODS.items()}


def uses(*methods):
    """Shown only if one of these samplers is on the stage."""
    return lambda values: any(values[slot] in methods for slot in ("method", "versus"))


NOISY = [name for name, method in reverse_process.METHODS.items() if method.noisy]
NAMES = spelled_out("SDE", "ODE", "DDPM", "DDIM", "EDM", "DPM-Solver++")
FG = ("f", "g", r"f,\,g")
FIRST, FRAMES_COARSE = 500, 40  # particles and frames of the picture under the thumb

page = kit.chapter(
    "reverse_process",
    [
        kit.Choice("dataset", "Data", "three modes", options=list(DATASETS), wide=True),
        kit.Choice(
            "method", "Sampler", "reverse SDE", options=list(METHODS), labels=METHODS, wide=True, term=("share", "noise"), help=NAMES
        ),
        kit.Choice(
            "versus", "Second sampler, same noise", "ODE Heun", options=["nothing", *METHODS], labels=METHODS, wide=True, help=NAMES
        ),
        kit.Slider("n_steps", "Number of steps n", 50, options=kit.graded(1, 1000, 15), term="n"),
        kit.Choice(
            "score",
            "Score that leads",
            "exact",
            options=list(reverse_process.SCORES),
            help="Exact: computed from the mixture. Learned: a small network trained on samples of it.",
        ),
        kit.Choice("schedule", "Noise schedule", "linear", options=list(SCHEDULES), wide=True, term=FG, help=spelled_out("EDM")),
        kit.Slider(
            "temperature",
            "Temperature τ of the noise",
            1.0,
            low=0.0,
            high=2.0,
            step=0.01,
            term=r"\tau",
            when=uses(*NOISY),
            help="Variance of the noise that is put back at each step, over what theory asks for. Only 1 is exact.",
        ),
        kit.Slider(
            "eta",
            "Noise η of DDIM",
            0.5,
            low=0.0,
            high=1.0,
            step=0.01,
            more=True,
            term=r"\eta",
            when=uses("DDIM"),
            help=spelled_out("DDIM", "DDPM") + " 0: no fresh noise. 1: as much as DDPM.",
        ),
        kit.Slider(
            "churn",
            "Churn γ of EDM, per step",
            0.2,
            term=r"\gamma",
            low=0.0,
            high=0.4,
            step=0.01,
            more=True,
            when=uses("EDM"),
            help="The noise level is raised by this share before each step (Karras et al. allow up to √2 − 1). " + spelled_out("EDM"),
        ),
        kit.Choice(
            "order",
            "Order of the corrector",
            "predictor-first",
            options=["predictor-first", "corrector-first"],
            more=True,
            when=uses("predictor-corrector"),
        ),
        kit.Slider(
            "clip",
            "Clip the guess of x₀",
            0.0,
            options=[0.0, 1.0, 1.5, 2.0, 3.0],
            more=True,
            format=lambda value: f"±{value:g}" if value else "off",
            help="The guess of the clean point is not allowed past this distance from zero, along either axis.",
        ),
        kit.Toggle("against", "Walk against the score", False, more=True, term="share"),
        kit.Slider("n_particles", "Number of particles", 2000, options=[200, 500, 1000, 2000, 5000], more=True),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same noise."),
    ],
)
SCENES = [
    kit.Scene("Jitter or glide", {}, "Same start, same end, same densities on the way: one path is rough, the other smooth."),
    kit.Scene(
        "Ten steps",
        {"n_steps": 10, "method": "ODE Euler", "versus": "DPM-Solver++"},
        "Ten evaluations each. The second-order solver is already there.",
    ),
    kit.Scene(
        "Learned score",
        {"dataset": "two moons", "score": "learned", "method": "ODE Heun", "versus": "predictor-corrector"},
        "A network in place of the formula: the truth meter shows what learning costs.",
    ),
    kit.Scene(
        "Cold",
        {"dataset": "spirals", "temperature": 0.4, "versus": "nothing"},
        "Less noise than theory asks for: pretty, too thin, and the meter is not fooled.",
    ),
    kit.Scene(
        "Five steps",
        {"n_steps": 5, "versus": "DDPM"},
        "The steps are longer than the picture is fine: a blur, and outliers that no later step brings home.",
        breaks=True,
    ),
    kit.Scene(
        "Wrong sign",
        {"against": True, "n_steps": 100, "versus": "nothing"},
        "One minus sign. The particles flee from the data, "
        "faster and faster; nothing in the code complains. Clipping the guess of x₀ (under More) hides the damage, not the bug.",
        breaks=True,
    ),
    kit.Scene(
        "No clipping",
        {"dataset": "two moons", "method": "DPM-Solver++", "versus": "EDM", "n_steps": 5},
        "Long steps throw the guess of x₀ past the picture, and nothing holds it. Clip it at ±1.5 under More: both come closer, "
        "though not home.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=24, max_size="192MB", show_spinner=False)
def run(**params):
    return reverse_process.sample(**params)


@st.cache_data(max_entries=24, max_size="256MB", show_spinner=False)
def background(dataset, schedule, n_steps, score, sign):
    times = reverse_process.frame_times(schedule, n_steps)
    return reverse_process_stage.background(dataset, schedule, times, score=score, sign=sign)


@st.cache_data(max_entries=32, max_size="128MB", show_spinner=False)
def stage_payload(params, versus):
    runs = [(METHODS[name], run(**params | {"method": name}, on_stage=True)) for name in (params["method"], versus) if name != "nothing"]
    scene = background(params["dataset"], params["schedule"], params["n_steps"], params["score"], params["sign"])
    return reverse_process_stage.payload(runs, scene)


@st.cache_data(max_entries=48, show_spinner=False)
def truth(params):
    return reverse_process.truth(run(**params), dataset=params["dataset"], schedule=params["schedule"])


@st.cache_data(max_entries=32, show_spinner="Eight samplers race, with 5 to 160 evaluations each …")
def race(dataset, schedule, score):
    return reverse_process.error_against_evaluations(dataset=dataset, schedule=schedule, score=score)


@st.cache_data(max_entries=32, show_spinner=False)
def likelihood(dataset, schedule, score):
    return reverse_process.likelihood(dataset=dataset, schedule=schedule, score=score)


def missing(values):
    """What is said where the learned score is asked for and no network is there; None otherwise."""
    try:
        if values["score"] == "learned":
            reverse_process.score_model(values["dataset"], reverse_process.get_schedule(values["schedule"]), "learned")
    except ModelMissing as error:
        return f"{error} The exact score is used instead."


def params_of(values):
    params = {key: values[key] for key in ("dataset", "schedule", "method", "score", "n_steps", "n_particles", "seed")} | dict(
        temperature=values.get("temperature", 1.0),
        eta=values.get("eta", 0.5),
        churn=values.get("churn", 0.2) * values["n_steps"],
        corrector_order=values.get("order", "predictor-first"),
        clip=values["clip"] or None,
        sign=-1.0 if values["against"] else 1.0,
    )
    return params | {"score": "exact"} if missing(values) else params


def law_of(params):
    return params["dataset"], params["schedule"], params["score"]


def shown(values):
    """The samplers on the stage, by name."""
    return [name for name in (values["method"], values["versus"]) if name != "nothing"]


def equation(values):
    params = params_of(values)
    in_force = {
        "n": str(params["n_steps"]),
        "k": str(reverse_process.METHODS[params["method"]].evaluations),
        r"f,\,g": rf"\text{{{params['schedule']} schedule}}",
        r"\tau": number(params["temperature"]),
        r"\eta": number(params["eta"]),
        r"\gamma": number(min(values.get("churn", 0.2), 2**0.5 - 1)),
    }
    return in_force, {"share": params["method"] + (", against the score" if values["against"] else ""), "noise": params["method"]}


def coarse(values):
    few = FIRST // 3 if values["score"] == "learned" else FIRST  # a network costs by the particle
    params = params_of(values) | {"n_frames": FRAMES_COARSE, "on_stage": True, "first": few}
    runs = [(METHODS[name], reverse_process.sample(**params | {"method": name})) for name in shown(values)]
    dataset, schedule, score = law_of(params)
    scene = reverse_process_stage.background(dataset, schedule, runs[0][1].times, score=score, sign=params["sign"], n_moments=10)
    return reverse_process_stage.payload(runs, scene)


def stage(values):
    params = params_of(values)
    page.exports(params)
    if words := missing(values):
        page.on.stage.warning(words, icon=":material/school:")
    page.player(stage_payload(params, values["versus"]), height=520)
    with page.on.meter:
        for column, name in zip(st.columns(len(shown(values))), shown(values)):
            with column:
                kit.truth_meter(truth(params | {"method": name}), note=f"Between {METHODS[name]} at the end and fresh exact samples.")


def below(values):
    law = law_of(params_of(values))
    kit.side_by_side(
        (
            "What an evaluation buys",
            lambda: figures.error_figure(race(*law), chosen=values["method"], versus=values["versus"], palette=kit.palette()),
            "race",
            "Distance to the exact law against the number of score evaluations for each sampler, with the floor.",
            "To the right is dearer, lower is better; in the band a sampler cannot be told from an exact one.",
        ),
        (
            "The likelihood comes for free",
            lambda: figures.likelihood_figure(likelihood(*law), palette=kit.palette()),
            "likelihood",
            "Log-density from the probability-flow ODE against the exact log-density, with the identity line.",
            "The closer the points are to the line, the better the log-density; what scatters is the error of score and solver.",
        ),
        of=(law, values["method"], values["versus"]),
        widths=(8, 5),
    )


def grade(values):
    ten = {name: value for name, value in params_of(values).items() if name != "method"} | dict(n_steps=10, sign=1.0, clip=None)
    return reverse_process.closer({name: METHODS[name] for name in ("reverse SDE", "DPM-Solver++")}, **ten)


def grade_cold(values):
    cold = params_of(values) | dict(method="reverse SDE", temperature=0.5, sign=1.0, clip=None)
    return reverse_process.densest_half(run(**cold).final, cold["dataset"], cold["schedule"])


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(below)
kit.predict(
    "reverse_process",
    "You may ask for the score ten times per particle. Which walk ends closer to the data?",
    ["the reverse SDE, whose noise forgets mistakes", "the deterministic second-order solver", "five runs of each cannot tell"],
    grade,
)
kit.predict(
    "reverse_process",
    "The reverse SDE puts back half of the noise it should, τ = 0.5. How many particles end where the denser half of the data lies?",
    ["more than half", "half", "fewer than half"],
    grade_cold,
)
kit.predict(
    "reverse_process",
    "Euler's rule for the ODE takes twice the steps n of this page (200 at most). How much of the error of its end points is left?",
    ["more than three quarters", "about half: three to six eighths", "less than three eighths"],
    lambda values: reverse_process.error_left(*law_of(params_of(values)), n_steps=values["n_steps"], seed=values["seed"]),
)
page.prose("What to look at")
page.prose("Questions people ask", expanded=False)
page.footer(reverse_process.sample)
