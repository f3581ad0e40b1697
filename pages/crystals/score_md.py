"""Page of “One score for sampling and dynamics”."""

import streamlit as st

from core.crystals import score_md
from core.figures import score_md as figures
from core.figures import score_md_stage
from core.numerics.networks import ModelMissing
from pages import kit
from pages.kit.equation import number

MODELS = {name: model.label for name, model in score_md.MODELS.items()} | {"exact": "no network: the exact score"}
WITH_DENSITY = [name for name, model in score_md.MODELS.items() if model.energy]
ONSET = (0.001, 0.003, 0.01, 0.03, 0.06, 0.1, 0.15, 0.25, 0.4, 0.6)  # noise times of the last figure

page = kit.chapter(
    "score_md",
    [
        kit.Choice("landscape", "Landscape", "Müller–Brown", options=list(score_md.LANDSCAPES)),
        kit.Choice("model", "Whose score", "energy", options=list(MODELS), labels=MODELS, wide=True, term=("score", "loss")),
        kit.Slider(
            "t0",
            "Noise time t₀ of the force",
            0.001,
            options=[0.0, 0.00001, 0.001, 0.01, 0.03, 0.1, 0.3],
            format=lambda value: f"{value:g}",
            term="t_0",
            help="The dynamics takes the score of slightly noised data for the force. The networks have seen t from 0.001 on.",
        ),
        kit.Choice(
            "start",
            "Where the dynamics starts",
            "denoised",
            options=list(score_md.STARTS),
            help="At the points that the denoising on the left ends on, all in the basin that holds most, or at exact draws.",
        ),
        kit.Slider("duration", "Length τ of the dynamics", 16, options=[2, 4, 8, 16, 32, 48], term=r"\tau"),
        kit.Slider(
            "dt",
            "Step Δτ of the dynamics",
            0.01,
            options=[0.005, 0.01, 0.02, 0.05, 0.1, 0.4],
            term=r"\Delta\tau",
            help="In the steepest well steps must be shorter than 2/k, k its curvature.",
        ),
        kit.Slider("n_steps", "Number n of denoising steps", 100, options=[10, 20, 50, 100, 200], more=True, term="n"),
        kit.Slider("n_particles", "Number of particles", 2000, options=[500, 1000, 2000, 4000], more=True),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same particles."),
    ],
)
SCENES = [
    kit.Scene(
        "One score, two uses",
        {},
        "An energy network without the regulariser. Denoising on the left fills both basins as it should. The dynamics on the right starts "
        "there and is driven by the same network: the lower basin drains.",
    ),
    kit.Scene(
        "Regularised",
        {"model": "regularised"},
        "The same network, trained with the Fokker–Planck equation as well: what was denoised stays where it should.",
    ),
    kit.Scene(
        "Two experts",
        {"model": "experts"},
        "One small network for little noise, another for the rest, and no regulariser: the basin drains more slowly, but it drains.",
    ),
    kit.Scene(
        "Two dihedrals",
        {"landscape": "two dihedrals", "model": "regularised"},
        "A torus of two angles with three basins, like the one of alanine dipeptide. What leaves on one side comes in on the other.",
    ),
    kit.Scene(
        "The exact force",
        {"model": "exact", "t0": 0.0, "start": "one basin"},
        "No network: what both uses would do if nothing had to be learned. The dynamics starts in one basin, and needs its time.",
    ),
    kit.Scene(
        "A plain score",
        {"model": "plain", "start": "one basin"},
        "The usual network divides its answer by σ. Near t = 0 a small error becomes a large force, and it is no gradient of anything: "
        "the particles are caught in wells that are not there.",
        breaks=True,
    ),
    kit.Scene(
        "At t = 0 exactly",
        {"model": "plain", "t0": 0.0},
        "σ(0) = 0, and the plain score divides by it: every particle of the dynamics is lost at the first step.",
        breaks=True,
    ),
    kit.Scene(
        "Too long a step",
        {"model": "regularised", "dt": 0.4},
        "Far longer than the steepest well allows: every step overshoots, and the particles are scattered over the picture and out of it. "
        "The exact force would do no better.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=48, max_size="192MB", show_spinner=False)
def denoised(**params):
    return score_md.sample(**params)


@st.cache_data(max_entries=48, max_size="192MB", show_spinner=False)
def walked(**params):
    return score_md.dynamics(**params)


@st.cache_data(max_entries=32, max_size="96MB", show_spinner=False)
def stage_payload(sampling, walking):
    return score_md_stage.payload(
        denoised(**sampling), walked(**walking), landscape=walking["landscape"], t=walking["t"], what=MODELS[walking["model"]]
    )


@st.cache_data(max_entries=96, show_spinner=False)
def truths(sampling, walking):
    return [score_md.truth(run.final, landscape=walking["landscape"]) for run in (denoised(**sampling), walked(**walking))]


@st.cache_data(max_entries=32, show_spinner=False)
def onset(landscape, model):
    """Free energies under a network's density at the noise times of ONSET; empty where its weights are not there."""
    try:
        return [score_md.model_free_energies(landscape, model, t) for t in ONSET]
    except ModelMissing:
        return []


@st.cache_data(max_entries=16, show_spinner="4,000 particles are denoised, and as many walk for τ = 48 …")
def measured(landscape, model, t):
    return score_md.measured(landscape, model, t=t)


def missing(values):
    """What is said where a network is asked for and not there; None otherwise."""
    try:
        score_md.score_model(values["landscape"], values["model"])
    except ModelMissing as error:
        return f"{error} The exact score is used instead."


def params_of(values):
    """Arguments of `sample` and of `dynamics`."""
    common = {key: values[key] for key in ("landscape", "model", "n_particles", "seed")}
    if missing(values):
        common["model"] = "exact"
    walking = common | dict(
        t=values["t0"], dt=values["dt"], duration=float(values["duration"]), start=values["start"], n_denoise=values["n_steps"]
    )
    return common | {"n_steps": values["n_steps"]}, walking


def equation(values):
    model = params_of(values)[0]["model"]
    shown = {
        "n": str(values["n_steps"]),
        "t_0": f"{values['t0']:g}",
        r"\tau": number(values["duration"]),
        r"\Delta\tau": number(values["dt"]),
        "2/k": number(score_md.longest_step(values["landscape"])),
    }
    return shown, {"score": model, "loss": model}


def free_energies(values):
    sampling, walking = params_of(values)
    ends = (denoised(**sampling).final, walked(**walking).final)
    return [score_md.free_energies(x, values["landscape"]) for x in ends], score_md.exact_free_energies(values["landscape"])


def stage(values):
    sampling, walking = params_of(values)
    page.exports({"sampling": sampling, "walking": walking})
    if words := missing(values):
        page.on.stage.warning(words, icon=":material/school:")
    page.player(stage_payload(sampling, walking), height=520, preview=False)
    found, exact = free_energies(values)
    with page.on.meter:
        for column, one, energies, name in zip(st.columns(2), truths(sampling, walking), found, ("Sampling", "Dynamics"), strict=True):
            with column:
                kit.truth_meter(one, note=f"{name}: the particles at the end against exact draws.")
                kit.readings(figures.readings(energies, exact, landscape=values["landscape"]))


def below(values):
    sampling, walking = params_of(values)
    landscape, t = values["landscape"], values["t0"]
    runs = denoised(**sampling), walked(**walking)

    def profiles():
        first = 1 if landscape == "Müller–Brown" else 0
        found = [score_md.profile(run.final, landscape, first) for run in runs]
        return figures.profile_figure(*found, axis=score_md.get_landscape(landscape).axes[first], palette=kit.palette())

    def basins():
        found, exact = free_energies(values)
        return figures.basins_figure(*found, exact, landscape=landscape, palette=kit.palette())

    kit.side_by_side(
        (
            "How much each basin costs",
            basins,
            "basins",
            "Free-energy differences between the basins: exact with a band, from sampling and from dynamics with error bars.",
            "Points in the band agree with the exact value to 0.2 kT. Dynamics that is too short has not arrived yet; give it more τ.",
        ),
        (
            "The way between them",
            profiles,
            "profile",
            "Free energy along one coordinate: exact curve, points from sampling and from dynamics with error bars.",
            "Where the points leave the curve, a use of the score is wrong there; between the basins few particles are ever seen.",
        ),
        of=(sampling, walking),
        widths=(5, 7),
    )
    maps = []
    if sampling["model"] != "exact":
        maps = [
            (
                "Where the equation is violated",
                lambda: figures.residual_figure(
                    score_md.residual_map(landscape, sampling["model"], max(t, score_md.T_MIN)),
                    score_md.grid_law(landscape, max(t, score_md.T_MIN)),
                    landscape=landscape,
                    palette=kit.palette(),
                ),
                "residual",
                "Map of the residual of the Fokker–Planck equation, of a plain score network its curl, with contours of the exact density.",
                "Where there is no colour the equation holds. A plain score network has no density and so no residual; shown is its "
                "curl, which no gradient has.",
            )
        ]
    kit.side_by_side(
        *maps,
        (
            "Where the error enters",
            lambda: entered(landscape, sampling["model"]),
            "onset",
            "Free-energy difference under the networks' densities against noise time, by quadrature, with the exact curve.",
            "Read from right to left, as denoising goes. What leaves the exact curve on the way will be wrong in the dynamics.",
        ),
        of=(landscape, sampling["model"], t),
    )
    kit.folded("Measured well: 4,000 particles each, long dynamics", lambda: table(values), key="long")


def entered(landscape, chosen):
    names = [name for name in dict.fromkeys(("energy", "regularised", chosen)) if name in WITH_DENSITY]
    curves = {MODELS[name]: rows for name in names if (rows := onset(landscape, name))}
    exact = [score_md.exact_free_energies(landscape, t) for t in ONSET]
    return figures.onset_figure(curves, ONSET, exact, landscape=landscape, chosen=MODELS[chosen], palette=kit.palette())


def table(values):
    sampling, walking = params_of(values)
    found = measured(values["landscape"], sampling["model"], walking["t"])
    kit.table(figures.HEAD, figures.measured_rows(found, landscape=values["landscape"]))
    st.caption("Errors are one standard error of the counts. The dynamics starts in one basin, τ = 48, Δτ = 0.01.")


def grade(values):
    if words := missing(values | {"model": "energy"}):
        return 3, f"{words} With that neither is wrong."
    return score_md.whose_error(values["landscape"], seed=values["seed"])


page.stage(stage, scenes=SCENES, equation=equation, waits="both crowds move anew from the start, most of a second of work")
page.follow(below)
kit.predict(
    "score_md",
    "The energy network was trained without the regulariser. Which of its uses gets a basin wrong by more than 0.2 kT?",
    ["sampling", "dynamics", "both", "neither"],
    grade,
)
kit.predict(
    "score_md",
    lambda values: f"The dynamics is run at t₀ = 0 exactly. Score: {MODELS[values['model']]}. What happens to the particles?",
    ["none is lost", "some are lost", "all are lost"],
    lambda values: score_md.at_time_zero(values["landscape"], params_of(values)[1]["model"]),
)
kit.predict(
    "score_md",
    "Suppose the force were the exact score of noised data at the t₀ of this page. How far off would the basins be in the end?",
    ["less than 0.05 kT", "0.05 to 0.2 kT", "more than 0.2 kT"],
    lambda values: score_md.blurred_force(values["landscape"], values["t0"]),
)
page.prose("What to look at")
page.prose("Questions people ask", expanded=False)
page.footer(score_md.sample)
