"""Page of “Score fields”."""

import math

import streamlit as st

from core.figures import score_fields as figures
from core.figures import score_fields_stage
from core.numerics.distances import RAISED
from core.physics import score_fields
from pages import kit
from pages.kit import density_editor
from pages.kit.equation import number
from pages.kit.player import player

DEFAULT = score_fields.format_modes(score_fields.MODES)
COLUMNS = {
    "x": (-3.0, 3.0, 0.0, 44),
    "y": (-3.0, 3.0, 0.0, 44),
    "weight": (*score_fields.WEIGHTS, 0.3, 70),
    "width": (*score_fields.WIDTHS, 0.4, 62),
}
SPEC = ("source", "modes", "points", "sigma")
POWERS = tuple(float(f"1e{k}") for k in range(-12, 13))


def factor(c):
    """1,000; what has more zeros as a power, 10⁻¹²."""
    return f"{c:,.12g}" if 1e-3 <= c <= 1e6 else f"10{str(round(math.log10(c))).translate(RAISED)}"


def readable(text):
    try:
        return bool(score_fields.parse_modes(text))
    except ValueError:
        return False


page = kit.chapter(
    "score_fields",
    [
        kit.Choice("source", "Density p", "by hand", options=list(score_fields.SOURCES), wide=True, term="p"),
        kit.Slider("sigma", "Noise σ added to the data", 0.0, low=0.0, high=2.0, step=0.01, term=r"\sigma"),
        kit.Slider("kT", "Temperature kT", 1.0, low=0.1, high=3.0, step=0.02, term="kT"),
        kit.Slider(
            "constant",
            "Factor c that multiplies p",
            1e3,
            options=POWERS,
            format=factor,
            was={f"10^{round(math.log10(c))}": c for c in POWERS},
            term="c",
        ),
        kit.Choice("start", "Starting points", "spread", options=list(score_fields.STARTS)),
        kit.Slider(
            "step",
            "Time step (squares of the finest width)",
            0.2,
            options=kit.graded(0.02, 2.2),
            more=True,
            help="Euler's method is stable below 2.",
        ),
        kit.Slider("n_steps", "Number of steps", 400, options=kit.graded(50, 3200), more=True),
        kit.Slider("n_particles", "Number of walkers", 1000, options=[100, 200, 500, 1000, 2000], more=True),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same walkers."),
        kit.Text(
            "modes",
            "Modes of “by hand”: x y weight width; …",
            DEFAULT,
            more=True,
            max_chars=380,
            check=readable,
            expected=f"1 to {score_fields.MAX_MODES} modes of four numbers, such as {DEFAULT}",
        ),
    ],
)
SCENES = [
    kit.Scene("Climb or wander", {}, "Same points, same arrows. Left they stop on the hilltops, right the shares come right."),
    kit.Scene(
        "A million times p", {"constant": 1e6}, "The logarithm is lifted by the same amount everywhere, its slope is not: no arrow moves."
    ),
    kit.Scene("Ring", {"source": "ring"}, "Greedy shrinks the crowd onto the ridge; Langevin gives the ridge its width back."),
    kit.Scene("Board in noise", {"source": "checkerboard", "sigma": 0.2}, "Sharp edges have no score. A little noise gives them one."),
    kit.Scene("Cold", {"kT": 0.1}, "Little noise: Langevin is nearly greedy, and its own law p^10 sits on the tops."),
    kit.Scene(
        "Stuck",
        {"modes": "-1.7 -1.7 0.3 0.3; 1.7 1.7 0.7 0.3", "start": "one corner"},
        "The far hill holds 70 % of p and nobody gets there: the arrows in between are too steep to climb down. Now raise σ to 0.8.",
        breaks=True,
    ),
    kit.Scene(
        "Thin lines",
        {"source": "spirals"},
        "The step follows the finest detail, the width of the pen. Across an arm all is well at once; along it 400 such steps lead "
        "nowhere, and the meter says so. Raise σ to 0.2: a wider pen, longer steps, and 400 are enough.",
        breaks=True,
    ),
    kit.Scene(
        "Step too long",
        {"step": 2.2, "modes": "-1.2 -0.8 0.5 0.5; 1.3 -0.7 0.3 0.5; 0.2 1.3 0.2 0.5"},
        "Past twice the width squared every step overshoots the mode it aims at: greedy hops to and fro for ever, "
        "and noise throws single walkers to infinity.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=32, max_size="128MB", show_spinner=False)
def walk(**params):
    return score_fields.sample(**params)


@st.cache_data(max_entries=32, max_size="96MB", show_spinner=False)
def stage_payload(params):
    spec = {key: params[key] for key in SPEC}
    return score_fields_stage.payload(walk(**params | {"kT": 0.0}), walk(**params), kT=params["kT"], **spec)


@st.cache_data(max_entries=16, max_size="48MB", show_spinner=False)
def noise_payload(**spec):
    return score_fields_stage.noise_payload(**spec)


@st.cache_data(max_entries=96, show_spinner=False)
def truths(params):
    """[(name, how far the walkers are from their law, how far noise carries one in this time)], greedy and Langevin."""
    kT, spec = params["kT"], {key: params[key] for key in SPEC}
    runs = {"greedy": walk(**params | {"kT": 0.0}), "Langevin": walk(**params)}
    return [(name, score_fields.truth(run, kT=kT, **spec), score_fields.wandered(run, kT)) for name, run in runs.items()]


@st.cache_data(max_entries=96, show_spinner=False)
def rescaled(constant, **law):
    return score_fields.rescaled(constant, **law)


own = {"points": ()}  # this reader's


def edit(rows):
    """Modes from the stage or the table go into the control that the link carries."""
    density_editor.put("modes", score_fields.format_modes, rows)
    kit.followed()


def params_of(values):
    try:
        modes = score_fields.parse_modes(values["modes"])
    except ValueError:
        modes = score_fields.MODES
    asked = {key: values[key] for key in ("source", "sigma", "kT", "start", "step", "n_steps", "n_particles", "seed")}
    return asked | {"modes": modes, "points": own["points"]}


def equation(values):
    shown = {
        "c": f"10^{{{round(math.log10(values['constant']))}}}" if values["constant"] != 1 else "1",
        "kT": number(values["kT"]),
        r"\sigma": number(score_fields.noise_in_force(values["source"], values["sigma"])),
    }
    return shown, ""


def coarse(values):
    few = params_of(values) | {"n_frames": 40, "first": 200}
    spec = {key: few[key] for key in SPEC}
    walks = (score_fields.sample(**few | {"kT": kT}) for kT in (0.0, few["kT"]))
    return score_fields_stage.payload(*walks, kT=few["kT"], **spec)


def density_in_hand(values):
    """The modes in a table, or the reader's points; in words why they cannot be used."""
    own["points"], modes = (), score_fields.MODES
    try:
        modes = score_fields.parse_modes(values["modes"])
    except ValueError as error:
        st.warning(f"The modes cannot be used: {error}. Those of the beginning are shown.", icon=":material/edit_off:")
    if values["source"] == "by hand":
        density_editor.table(modes, COLUMNS, edit)
    elif values["source"] == "your points":
        own["points"] = density_editor.points(score_fields.parse_points, instead="sixty points on a heart")


def stage(values):
    with page.on.controls:
        density_in_hand(values)
    params = params_of(values)
    page.exports(params)
    page.player(stage_payload(params), height=500, on_edit=edit)
    law = "p" if values["kT"] == 1 else "p^(1/kT)"
    for column, (name, truth, far) in zip(page.on.meter.columns(2), truths(params)):
        with column:
            along = f" In this time noise carries a walker {far:.2g} far along a level ridge." if name == "Langevin" else ""
            kit.truth_meter(truth, note=f"Between the {name} walkers at the end and exact draws from {law}.{along}")


def below(values):
    params, constant = params_of(values), values["constant"]
    law = {key: params[key] for key in (*SPEC, "kT")}

    def shares():
        walks = walk(**params | {"kT": 0.0}), walk(**params)
        return figures.mode_figure(score_fields.basins(**law), *walks, palette=kit.palette())

    left, right = st.columns(2)
    with left:
        st.markdown("##### Who ends on which mode")
        kit.figure(
            shares,
            key="modes_figure",
            of=params,
            alt="Share of greedy and Langevin walkers on each mode beside the exact share.",
            see="The marks are the exact shares. Greedy walkers stay on the hill on which they started; Langevin walkers can change hills.",
        )
    with right:
        st.markdown("##### p times a constant: the same arrows")
        kit.figure(
            lambda: figures.constant_figure(rescaled(constant, **law), constant, palette=kit.palette()),
            key="constant_figure",
            of=law | {"constant": constant},
            alt="Logarithm of p and of c p along a line, and below it their slopes, which coincide.",
            see="Above, c moves the whole curve up or down. Below, both slopes are one line: no arrow notices c.",
        )
        kit.readings(figures.readings(rescaled(constant, **law), constant, values["kT"]))

    def noise():
        player(noise_payload(**{key: params[key] for key in SPEC} | {"sigma": 0.0}), key="noise", height=460, report=False)

    kit.folded("How noise smooths the score: a movie of the field as σ rises", noise, key="noise")


def share_of_heaviest(values, kT, name):
    params = params_of(values)
    counted = score_fields.basins(kT=values["kT"], **{key: params[key] for key in SPEC})
    return figures.share_compared(counted, walk(**params | {"kT": kT}), name)


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(below)
kit.predict(
    "score_fields",
    "Greedy walkers from these starting points: what share of them ends on the heaviest mode?",
    ["less than its share of p", "its share of p", "more than its share of p"],
    lambda values: share_of_heaviest(values, 0.0, "greedy"),
)
kit.predict(
    "score_fields",
    "The Langevin walkers follow the same arrows and are also shaken. What share of them ends on the heaviest mode, when this run ends?",
    ["less than its share of p", "its share of p, within the noise", "more than its share of p"],
    lambda values: share_of_heaviest(values, values["kT"], "Langevin"),
)
kit.predict(
    "score_fields",
    "More noise is added to the data: σ grows by 0.5. How many modes are left?",
    ["fewer than now", "as many", "more"],
    lambda values: figures.modes_compared(values["kT"], **{key: params_of(values)[key] for key in SPEC}),
)
page.prose("What to look at")
page.prose("Questions people ask", expanded=False)
page.footer(score_fields.sample)
