"""Page of “Symmetry in the network”."""

import streamlit as st

from core.crystals import equivariance
from core.figures import equivariance as figures
from core.figures import equivariance_stage as stages
from core.figures.theme import small
from core.generator.registry import ModelMissing, load_model
from core.glossary import spelled_out
from core.numerics import rigid_molecule
from pages import kit
from pages.kit.crystal_player import crystal_player
from pages.kit.equation import number
from pages.kit.player import player

MOVES = {name: move.label for name, move in equivariance.MOVES.items()}
FLAWS = {
    "none": "nothing",
    "absolute positions": "EGNN: absolute positions",
    "raw differences": "CSPNet: raw differences",
    "bare lattice": "CSPNet: L instead of LLᵀ",
}
page = kit.chapter(
    "equivariance",
    [
        kit.Choice("crystal", "Crystal", "perovskite SrTiO3", options=list(equivariance.CRYSTALS), wide=True),
        kit.Choice("move", "New description of the crystal", "rotation", options=list(MOVES), labels=MOVES, wide=True),
        kit.Choice(
            "flaw",
            "Break a network",
            "none",
            options=list(FLAWS),
            labels=FLAWS,
            wide=True,
            help=spelled_out("MLP", "EGNN", "CSPNet") + " Denoiser: the trained network that grows crystals.",
        ),
        kit.Choice("prior", "Start of the molecules", "round", options=list(rigid_molecule.PRIORS)),
        kit.Toggle("fresh", "Fresh noise at each step", True),
        kit.Toggle("centred", "Mean of the noise taken out", True),
        kit.Slider(
            "noise",
            "Noise on the crystal (share of a cell edge)",
            0.05,
            low=0.01,
            high=0.3,
            step=0.01,
            more=True,
            help="Perfect sites tell nothing: there every wish to move cancels. The Denoiser is told the matching time.",
        ),
        kit.Slider("n_steps", "Number of steps of the molecules", 50, options=[5, 10, 20, 50, 100], more=True),
        kit.Slider("n_molecules", "Number of molecules", 1000, options=[300, 1000, 2000], more=True),
        kit.Number("seed", "Seed", 1, more=True, help="Of the noise, the random weights and the molecules."),
    ],
)
SCENES = [
    kit.Scene("Turn it", {}, "Three of four do not care how the crystal lies. The MLP thinks it is looking at something new."),
    kit.Scene(
        "Through the wall",
        {"move": "origin"},
        "Only the origin moves. The EGNN is perfect until the first atom leaves the box; then an old neighbour is suddenly a cell away.",
        breaks=True,
    ),
    kit.Scene(
        "Rename the axes",
        {"move": "axes"},
        "a, b, c become b, c, a. For a cube this is nothing at all, and yet the generator's own "
        "network changes its mind: this symmetry it had to learn.",
        breaks=True,
    ),
    kit.Scene("L for LLᵀ", {"flaw": "bare lattice"}, "One product forgotten. The CSPNet now sees how the cell lies in space.", breaks=True),
    kit.Scene(
        "A stretched start",
        {"prior": "stretched", "fresh": False},
        "An equivariant kernel, but a start that prefers the "
        "horizontal: the poses are no longer uniform. Both halves of the theorem are needed.",
        breaks=True,
    ),
    kit.Scene(
        "Wandering centres",
        {"centred": False},
        "No network that ignores the origin can undo noise on the origin. The molecules form, but all over the place.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=48, max_size="64MB", show_spinner=False)
def along(move, **params):
    return equivariance.along(move, **params)


@st.cache_data(max_entries=48, show_spinner=False)
def errors(**params):
    return equivariance.errors(**params)


@st.cache_data(max_entries=32, max_size="128MB", show_spinner=False)
def grown(**params):
    return equivariance.sample(**params)


@st.cache_data(max_entries=32, max_size="96MB", show_spinner=False)
def molecule_payload(params):
    return stages.molecule_payload(grown(**params))


@st.cache_data(max_entries=8, show_spinner=False)
def turned():
    return {kernel: rigid_molecule.turned_error(kernel=kernel) for kernel in rigid_molecule.KERNELS}


stage, side = st.columns([2.5, 1], gap="medium")
with side:
    values = page.controls()
try:
    load_model(equivariance.MODEL)
    generator = True
except ModelMissing as missing:
    generator = False
    with stage:
        st.warning(f"{missing} The page goes on without it.", icon=":material/school:")
params = {key: values[key] for key in ("crystal", "flaw", "noise", "seed")} | {"generator": generator}
page.exports(params)
shares, curves, cells = along(values["move"], **params)
with stage:
    page.equation(
        {rf"\Delta_f(\text{{{name}}})": number(float(curve.max()), 1) for name, curve in curves.items()}
        | {rf"\Delta_{{x_0}}(\text{{{kernel} kernel}})": number(turned()[kernel], 1) for kernel in rigid_molecule.KERNELS}
    )
    crystal_player(stages.crystal_payload(cells, shares, values["move"]), key="stage", height=430, report=False)
    page.scenes(SCENES)

kit.below_the_stage()
table, path = st.columns(2)
with table:
    st.markdown("##### Who keeps what")
    kit.figure(
        lambda: figures.table_figure(errors(**params), values["move"], palette=kit.palette()),
        key="table",
        of=(params, values["move"]),
        alt="Largest relative error of four networks under seven descriptions of one crystal.",
        see="Green: the network answers the same, up to rounding, however the crystal is described. The other colour: it changes its mind.",
    )
    st.caption(
        "Largest of eight random descriptions each. MLP, EGNN and CSPNet have random weights (the seed's): what holds for "
        "those holds for every training. The Denoiser has the trained weights of the generator (MP-20)."
    )
with path:
    st.markdown("##### On the way there")
    kit.figure(
        lambda: figures.path_figure(
            shares, curves, equivariance.round_off(**{k: params[k] for k in ("crystal", "noise", "seed")}), palette=kit.palette()
        ),
        key="path",
        of=(params, values["move"]),
        alt="Relative error of each network along the path, log scale.",
        see="A line in the green band is rounding: the network keeps this symmetry. A line that leaves the band does not.",
    )

st.markdown("##### From a network to a model: molecules grown by two kernels, taught one molecule in one pose")
run = dict(
    prior_kind=values["prior"],
    centred=values["centred"],
    eta=1.0 if values["fresh"] else 0.0,
    n_steps=values["n_steps"],
    n_molecules=values["n_molecules"],
    seed=values["seed"],
)
player(molecule_payload(run), key="molecules", height=460, report=False)
left, right = st.columns(2)
for column, kernel in ((left, "equivariant"), (right, "plain")):
    with column:
        kit.truth_meter(
            equivariance.truth(grown(**run)[kernel]),
            note=f"Of the {kernel} kernel; an invariant model has no favourite pose.",
        )
spread, error = rigid_molecule.drift(grown(**run)["equivariant"])
with left:
    st.markdown("##### In which pose they end")
    kit.figure(
        lambda: figures.pose_figure(grown(**run), palette=kit.palette()),
        key="poses",
        alt="Histogram of the poses for both kernels.",
        see="A model without a favourite pose fills all poses up to the green line; a peak is a pose that it prefers.",
    )
with right:
    st.markdown("##### Where their centres end")
    kit.figure(
        lambda: figures.centre_figure(
            grown(**run | {"centred": False})["equivariant"],
            values["n_steps"],
            prior_kind=values["prior"],
            eta=run["eta"],
            palette=kit.palette(),
        ),
        key="centres",
        alt="Histogram of the molecules' centres.",
        see="Noise whose mean is left in scatters the centres like this; taken out, every centre is at zero.",
    )
exact = 0.0 if values["centred"] else rigid_molecule.drift_exact(values["n_steps"], prior_kind=values["prior"], eta=run["eta"])
kit.readings(
    [
        ("Spread of the centres on the stage", small(spread, 1) if spread < 1e-3 else f"{spread:.3f} ± {error:.3f}"),
        ("Exact", f"{exact:.3f}"),
    ]
)


def grade():
    settings = dict(crystal="perovskite SrTiO3", seed=values["seed"], generator=generator)
    name = "Denoiser" if generator else "CSPNet"
    found = equivariance.errors(**settings)[name]
    change = float(found["axes"].mean())
    turned_by = small(float(found["rotation"].max()), 1)
    return (0 if change < 1e-4 else 1), (
        f"Under a rotation the {name}'s answer changes by {turned_by} of its length, under other names for the axes by {change:.0%}."
    )


kit.predict(
    "equivariance",
    "The generator never notices a rotation. Now the cube's axes a, b, c are renamed b, c, a. Its answer, as arrows in space,",
    ["stays the same: the symmetry is built in", "changes: this symmetry was only learned"],
    grade,
)
kit.predict(
    "equivariance",
    "The crystal is told anew in the way that is chosen on this page. How many of the networks give the same answer, up to round-off?",
    ["none", "one", "two", "three", *["all four"] * generator],
    lambda: equivariance.keepers(errors(**params), values["move"]),
)
kit.predict(
    "equivariance",
    "Molecules grown by the equivariant kernel with the settings of this page: does the model prefer some poses?",
    ["no: they cannot be told from poses drawn by lot", "yes"],
    lambda: equivariance.preference(equivariance.truth(grown(**run)["equivariant"])),
)
page.prose("What to look at")
page.prose("Why equivariance and invariance add up", expanded=False)
page.footer(equivariance.errors, values)
