"""Page of “Learning the score”."""

import streamlit as st

from core.figures import score_matching as figures
from core.figures import score_matching_stage
from core.learning import score_matching
from core.numerics.objectives import OBJECTIVES, WEIGHTINGS
from pages import kit
from pages.kit.equation import number
from pages.kit.jobs import Live, live_bar, watched
from pages.kit.player import player

LABELS = {name: objective.label for name, objective in OBJECTIVES.items()}
page = kit.chapter(
    "score_matching",
    [
        kit.Choice("dataset", "Data", "three modes", options=list(score_matching.DATA), wide=True),
        kit.Choice("objective", "Objective", "denoising", options=list(LABELS), labels=LABELS, wide=True, term="objective"),
        kit.Choice(
            "weighting",
            "Weight λ(t) of a noise level",
            "σ²",
            options=list(WEIGHTINGS),
            term="weight",
            help="How much each noise level counts.",
        ),
        kit.Choice(
            "output",
            "The network predicts",
            "noise / σ",
            options=list(score_matching.OUTPUTS),
            term="output",
            help="Its output is divided by σ and so is of the size of the noise, 1, at every level; or it is the score itself.",
        ),
        kit.Toggle("clock", "The network is told the time t", True, term="output"),
        kit.Slider("n_steps", "Number of training steps", 1500, options=kit.graded(100, 6000, 1500), waits="it is of the next training"),
        kit.Slider(
            "t",
            "Time t at which its aim is shown",
            0.2,
            options=[0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0],
            term="t",
        ),
        kit.Slider("x", "x₁ of the noised point xₜ", 0.2, low=-2.5, high=2.5, step=0.1, more=True, term="x_t"),
        kit.Slider(
            "y",
            "x₂ of the noised point xₜ, and of the map",
            0.0,
            low=-2.5,
            high=2.5,
            step=0.1,
            more=True,
            term="x_t",
        ),
        kit.Number("seed", "Seed", 1, more=True, help="Of the network's first weights and of all that it is shown."),
    ],
)
SCENES = [
    kit.Scene("Denoising", {}, "Press Train. In seconds the round blob of the untrained network splits into the three modes."),
    kit.Scene(
        "Without targets",
        {"objective": "implicit"},
        "No arrow and no noise is shown to it, only points. Integration by parts makes this loss the same as the error, up to a constant.",
    ),
    kit.Scene("Spirals", {"dataset": "spirals", "n_steps": 3000, "t": 0.05}, "Fine structure is learned last: watch the map at small t."),
    kit.Scene(
        "Where it aims",
        {"dataset": "ring", "t": 0.4, "x": 0.6},
        "Inside the ring there is no data, and the arrow aims there all the same: at the mean of all that may have been. Move t.",
    ),
    kit.Scene(
        "No clock",
        {"clock": False},
        "One arrow for all noise levels. Train it: the loss stops at the upper line, and no budget helps.",
        breaks=True,
    ),
    kit.Scene(
        "No scaling",
        {"dataset": "spirals", "output": "score", "weighting": "1"},
        "The target is of size 1/σ, and counts by size: "
        "the last instants drown the rest. Compare its error with the scaled one on the same budget.",
        breaks=True,
    ),
]


def key_of(shot):
    return shot.settings, shot.step


HASH = {score_matching.Snapshot: key_of}


@st.cache_data(max_entries=32, max_size="128MB", show_spinner=False)
def exact(dataset, seed):
    run = score_matching.sample(None, dataset, seed=seed)
    return run, score_matching_stage.exact_scene(dataset, run.times)


@st.cache_data(max_entries=64, max_size="256MB", show_spinner=False, hash_funcs=HASH)
def stage_of(shot):
    learned = score_matching.sample(shot.field, shot.settings.dataset, seed=shot.settings.seed)
    reference, scene = exact(shot.settings.dataset, shot.settings.seed)
    return score_matching_stage.payload(shot, reference, learned, scene), score_matching.truth(learned, shot.settings.dataset)


@st.cache_data(max_entries=64, max_size="64MB", show_spinner=False, hash_funcs=HASH)
def errors_of(shot, height):
    dataset = shot.settings.dataset
    return score_matching.error_map(shot.field, dataset, height=height), score_matching.where_it_is_wrong(shot.field, dataset)


def params_of(values):
    return {key: values[key] for key in ("dataset", "objective", "clock", "weighting", "output", "n_steps", "seed")}


def runs_of(values):
    """The training of every objective with these settings, by its name."""
    return {name: Live(f"fit_{name}", score_matching.fit, params_of(values) | {"objective": name}) for name in OBJECTIVES}


def shot_of(run):
    return score_matching.snapshot(run.part, score_matching.Settings(**run.kwargs))


def equation(values):
    shown = {
        "t": number(values["t"]),
        r"\alpha_t": number(score_matching.SCHEDULE.alpha(values["t"])),
        r"\sigma_t": number(score_matching.SCHEDULE.sigma(values["t"])),
    }
    return shown, {
        "objective": values["objective"],
        "weight": values["weighting"],
        "output": values["output"] + (", told t" if values["clock"] else ""),
    }


def stage(values):
    """Bar, particles and meter are drawn again and again while the network is trained."""
    page.exports(params_of(values))
    run = runs_of(values)[values["objective"]]

    def particles():
        player(stage_of(shot_of(run))[0], key="stage", height=470, report=False, fill=True)

    def meter():
        note = "Between the particles that the network led and exact draws at t = 0.01, where the walk ends."
        kit.truth_meter(stage_of(shot_of(run))[1], note=note)

    with page.on.stage:
        watched(particles, run)
    with page.on.caption:
        watched(lambda: live_bar(run, "train", "Train"), run)
    with page.on.meter:
        watched(meter, run)


def below(values):
    runs = runs_of(values)
    watched(lambda: curves(values, runs), *runs.values(), every=1.6)


def curves(values, runs):
    shots = {name: shot_of(run) for name, run in runs.items()}
    shot = shots[values["objective"]]

    def loss():
        known = score_matching.levels(values["dataset"])
        setting = values["objective"], values["weighting"]
        best = (known.best(*setting, clock=clock, output=values["output"]) for clock in (values["clock"], True))
        return figures.loss_figure(shot, *best, palette=kit.palette())

    seen, unseen = st.columns(2)
    with seen:
        st.markdown("##### What the optimiser sees")
        kit.figure(
            loss,
            key="loss",
            of=key_of(shot),
            alt="Loss against steps over its least possible value.",
            see="What is left to learn is the distance to the green line, not the distance to zero: no training takes the loss below it.",
        )
    with unseen:
        st.markdown("##### What it cannot see: the error")
        kit.figure(
            lambda: figures.error_figure(shots, values["objective"], palette=kit.palette()),
            key="errors",
            of=({name: key_of(one) for name, one in shots.items()}, values["objective"]),
            alt="Squared error of the score over its square, against training steps, for each objective that has been trained.",
            see="The share of the squared score that the network still misses. The loss does not say it; here the exact score is known.",
        )
        rest = [other for other in runs.values() if not other.going and other.status.state != "done"]
        busy = sum(other.going for other in runs.values())
        if rest and st.button("Train all five on this budget", key="all_five", icon=":material/stacked_line_chart:"):
            for other in rest:
                other.start()
            st.rerun()
        if busy > 1:
            st.caption(f"{busy} of five still to finish, one after the other.")
    kit.folded("Where it is wrong: at which moment, with data and without", lambda: errors(values, shot), key="wrong")
    st.markdown("##### Where the arrow aims")
    kit.figure(
        lambda: figures.aim_figure(
            score_matching.aim(shot.field, values["dataset"], (values["x"], values["y"]), values["t"]),
            values["dataset"],
            values["t"],
            palette=kit.palette(),
        ),
        key="aim",
        of=(key_of(shot), values["x"], values["y"], values["t"]),
        alt="A noised point, the clean points it may come from, their mean, and where the network's arrow aims.",
        see="The exact arrow ends at the mean of all clean points that fit (star). The closer the diamond, the more has been learned.",
    )


def errors(values, shot):
    kit.side_by_side(
        (
            "Where it is wrong, at which moment",
            lambda: figures.map_figure(errors_of(shot, values["y"])[0], height_on_map=values["y"], palette=kit.palette()),
            "map",
            "Error of the score over position and time along a line, with contours of the exact density.",
            "The stronger the colour, the more the arrow is wrong there; the green contours show where there are data to learn from.",
        ),
        (
            "With data and without",
            lambda: figures.where_figure(errors_of(shot, values["y"])[1], palette=kit.palette()),
            "where",
            "Error of the score against time, where there is data and where there is none.",
            "Compare the lines: what the network has never seen (dashed) it can only guess.",
        ),
        of=(key_of(shot), values["y"]),
    )


def grade(values):
    short = dict(dataset=values["dataset"], n_steps=300, seed=values["seed"])
    missed = {
        name: float(score_matching.snapshot(score_matching.fit(objective=name, **short), score_matching.Settings(**short)).errors[-1])
        for name in ("denoising", "sliced")
    }
    denoising, sliced = missed.values()
    verdict = 0 if denoising < sliced / 1.5 else 1 if sliced < denoising / 1.5 else 2
    return verdict, f"Of the squared score, denoising misses {denoising:.2%} and sliced {sliced:.2%}."


page.stage(stage, scenes=SCENES, equation=equation, waits="the stage shows a training, which no slider hurries")
page.follow(below)
kit.predict(
    "score_matching",
    "Both objectives have the same minimum. Which is closer to the score after 300 steps of the same network on the same number of points?",
    ["denoising, which knows the noise it added", "sliced, which sees the true loss, without noise", "they cannot be told apart"],
    grade,
)
kit.predict(
    "score_matching",
    "The objective, weight and clock that are set on this page, a large enough network, endless training. Where does the loss end?",
    ["above zero", "at zero", "below zero"],
    lambda values: score_matching.sign_of_least_loss(
        *(values[key] for key in ("dataset", "objective", "weighting")), clock=values["clock"], output=values["output"]
    ),
)
kit.predict(
    "score_matching",
    "The best arrow at the noised point $x_t$ of this page aims at the mean of the clean points it may come from. Are there data there?",
    ["yes", "no, hardly any: it lies between the data"],
    lambda values: score_matching.data_at_the_aim(values["dataset"], (values["x"], values["y"]), values["t"]),
)
page.prose("What to look at")
page.prose("Questions people ask", expanded=False)
page.footer(score_matching.fit)
