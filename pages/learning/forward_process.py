"""Page of “Forward process and schedules”."""

from functools import cache

import streamlit as st

from core.figures import forward_process as figures
from core.figures import forward_process_stage
from core.glossary import spelled_out
from core.learning import forward_process
from core.numerics.densities import DATASETS
from core.numerics.schedules import VARIANTS
from pages import kit
from pages.kit.equation import number

RULES = {"Euler": "Euler–Maruyama", "transition": "exact transition"}
page = kit.chapter(
    "forward_process",
    [
        kit.Choice("dataset", "Data", "three modes", options=list(DATASETS), wide=True),
        kit.Choice(
            "schedule",
            "Noise schedule",
            "linear",
            options=list(forward_process.CLOCKS),
            wide=True,
            term=(r"\alpha", r"\sigma"),
            help="“finite time” is the slide's t′ = 1 − exp(−t). " + spelled_out("EDM"),
        ),
        kit.Choice(
            "variant",
            "Variant of the process",
            "VP",
            options=list(VARIANTS),
            term="variant",
            help=spelled_out("VP", "sub-VP", "VE"),
        ),
        kit.Slider("n_steps", "Number of steps n", 100, options=kit.graded(1, 2000), term="n"),
        kit.Slider("t_end", "Time t at which it stops", 1.0, low=0.05, high=1.0, step=0.01, term="t"),
        kit.Choice(
            "rule",
            "Rule of a step",
            "Euler",
            options=list(RULES),
            labels=RULES,
            more=True,
            term="step",
            help="The exact transition is DDPM's forward chain: right at any number of steps. " + spelled_out("DDPM"),
        ),
        kit.Slider("n_particles", "Number of particles", 2000, options=[200, 500, 1000, 2000, 5000], more=True),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same noise."),
    ],
)
SCENES = [
    kit.Scene("Two ways", {}, "Orange walks, blue jumps. Pause anywhere: different paths, the same cloud."),
    kit.Scene(
        "Late start",
        {"schedule": "cosine", "dataset": "two moons", "n_steps": 500},
        "The cosine holds on to the picture longer and lets go at the end: the same path at another speed.",
    ),
    kit.Scene(
        "VE",
        {"variant": "VE", "schedule": "EDM", "dataset": "spirals", "n_steps": 500},
        "Nothing pulls, the noise just grows to 80. The stage divides by the width, so that you see it.",
    ),
    kit.Scene("DDPM's step", {"rule": "transition", "n_steps": 5}, "Five exact transitions end on the exact law; five of Euler's do not."),
    kit.Scene(
        "Three steps",
        {"n_steps": 3},
        "Euler's chain overshoots the middle: the second and third step take away more than all of x.",
        breaks=True,
    ),
    kit.Scene(
        "Too little noise",
        {"t_end": 0.2},
        "The first fifth of the schedule, and $x_T$ still knows where it came from. Who starts "
        "the way back from a pure Gaussian drifts: see the last figure.",
        breaks=True,
    ),
    kit.Scene(
        "Finite clock",
        {"schedule": "finite time"},
        "The last of n even steps in t′ erases everything and adds twice the noise: variance 2, for every n up to 500.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=24, max_size="96MB", show_spinner=False)
def run(**params):
    return forward_process.sample(**params, on_stage=True)


@st.cache_data(max_entries=24, max_size="128MB", show_spinner=False)
def background(dataset, schedule, variant, t_end, n_steps):
    return forward_process_stage.background(dataset, schedule, variant, forward_process.frame_times(t_end, n_steps))


@st.cache_data(max_entries=24, max_size="96MB", show_spinner=False)
def stage_payload(params):
    stepped, jumped = run(**params), run(**params | {"rule": "jump"})
    scene = background(*(params[key] for key in ("dataset", "schedule", "variant", "t_end", "n_steps")))
    return forward_process_stage.payload(stepped, jumped, scene, rule=params["rule"], scaled=params["variant"] != "VP")


@st.cache_data(max_entries=64, show_spinner=False)
def truths(params):
    """(the stepped particles against the exact law, x_T by the jump against the Gaussian)."""
    law = forward_process.truth(run(**params), dataset=params["dataset"], **where(params))
    return law, forward_process.gaussian_gap(run(**params | {"rule": "jump"}), **where(params))


@st.cache_data(max_entries=64, show_spinner=False)
def rows(**chain):
    return figures.readings(forward_process.chain_moments(**chain), chain["variant"])


def where(values):
    return {key: values[key] for key in ("schedule", "variant")}


def chain_of(values):
    return where(values) | {key: values[key] for key in ("t_end", "n_steps")}


def equation(values):
    path, t_end = forward_process.clock(**where(values)), values["t_end"]
    shown = {
        "t": number(t_end),
        "n": str(values["n_steps"]),
        r"\Delta t": number(t_end / values["n_steps"]),
        r"\alpha": number(path.alpha(t_end)),
        r"\sigma": number(path.sigma(t_end)),
        r"\ln\mathrm{SNR}": number(path.log_snr(t_end)),
    }
    return shown, dict(step=values["rule"], variant=values["variant"])


def coarse(values):
    few = dict(values) | {"on_stage": True, "n_frames": 40}
    stepped, jumped = (forward_process.sample(**few | {"rule": rule}).first(1000) for rule in (values["rule"], "jump"))
    scene = forward_process_stage.background(values["dataset"], **where(values), times=stepped.times, n_moments=10)
    return forward_process_stage.payload(stepped, jumped, scene, rule=values["rule"], scaled=values["variant"] != "VP")


def stage(values):
    params = dict(values)
    page.exports(params)
    page.player(stage_payload(params))
    with page.on.controls:
        kit.readings(rows(**chain_of(values)))
    law, gap = truths(params)
    left, right = page.on.meter.columns(2)
    with left:
        kit.truth_meter(law, note="Between the stepped particles at the end and the exact law of that moment.")
    with right:
        kit.truth_meter(gap, note="Between x_T, by the jump, and the Gaussian that the way back will start from.")


def below(values):
    schedule, variant, t_end, n_steps, dataset = (values[key] for key in ("schedule", "variant", "t_end", "n_steps", "dataset"))

    @cache
    def schedule_figures():
        return figures.schedule_figures(schedule, variant, t_end=t_end, palette=kit.palette())

    @cache
    def collapse_figures():
        curves = forward_process.collapse(dataset=dataset, variant=variant)
        return figures.collapse_figures(curves, schedule, variant, palette=kit.palette())

    def price():
        paid = forward_process.price_of_too_little_noise(dataset=dataset, schedule=schedule, variant=variant)
        return figures.price_figure(paid, t_end=t_end, palette=kit.palette())

    def collapsed():
        kit.line_key(figures.clock_key(schedule, palette=kit.palette()))
        kit.side_by_side(
            (
                "",
                lambda: collapse_figures()[0],
                "speeds",
                "Relative entropy to the Gaussian against time: six curves.",
                "Against time: the same forgetting at six speeds.",
            ),
            (
                "",
                lambda: collapse_figures()[1],
                "collapse",
                "Relative entropy to the Gaussian against the log signal-to-noise ratio: one curve.",
                "Against the ratio of signal to noise: one curve. Schedules differ in speed, not in path.",
            ),
            of=(dataset, schedule, variant),
        )

    st.markdown("##### Schedules: signal, noise and their ratio")
    kit.line_key(figures.clock_key(schedule, palette=kit.palette()))
    kit.side_by_side(
        *(
            (
                "",
                lambda i=i: schedule_figures()[i],
                f"schedules_{name.replace(' ', '_')}",
                f"{name.capitalize()} against time for six schedules.",
                seen,
            )
            for i, (name, seen) in enumerate(figures.what_to_see(variant).items())
        ),
        of=(schedule, variant, t_end),
    )
    kit.folded("Six speeds, one path: relative entropy to the Gaussian", collapsed, key="collapse")
    kit.side_by_side(
        (
            "Where steps are too long",
            lambda: figures.stiffness_figure(schedule, variant, t_end=t_end, n_steps=n_steps, palette=kit.palette()),
            "stiffness",
            "Share of x erased by each step against time with the limits 1 and 2, and Euler's noise variance over the exact one.",
            "Above: at 1 a step takes away all of x, beyond 2 it runs away. Below: away from 1, Euler leaves the wrong amount of noise.",
        ),
        (
            "What too little noise costs",
            price,
            "price",
            "Distance of the last state to the Gaussian and of the way back to the data, against where the forward run stops.",
            "Where the dashed line is high, the run stopped with too little noise; the way back then lands off the data (solid line).",
        ),
        of=(dataset, schedule, variant, t_end, n_steps),
    )


def grade(values):
    return forward_process.data_left(0.2, **where(values))


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(below)
kit.predict(
    "forward_process",
    "You run only the first fifth of this schedule. What share of the variance of $x_T$ is still that of the data (1 at the start)?",
    ["less than a quarter", "between a quarter and three quarters", "more than three quarters"],
    grade,
)
kit.predict(
    "forward_process",
    "Euler's rule takes n steps to the time t, as set on this page. How strong is the noise in x by then, beside the exact $\\sigma(t)^2$?",
    ["too weak, by more than 1 %", "right to 1 %", "too strong, by more than 1 %"],
    lambda values: forward_process.noise_of_euler(**chain_of(values)),
)
kit.predict(
    "forward_process",
    "At one moment of the schedule on this page, signal and noise are equally strong, $\\alpha = \\sigma$. When?",
    ["in the first third of the time", "in the second third", "in the last third"],
    lambda values: forward_process.time_of_balance(**where(values)),
)
page.prose("What to look at")
page.follow(lambda values: page.prose("The finite clock", expanded=values["schedule"] == "finite time"))
page.prose("Questions people ask", expanded=False)
page.footer(forward_process.sample)
