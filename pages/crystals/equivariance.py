"""Page of “Symmetry in the network”."""

from functools import cache, lru_cache

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
MOLECULES = "the molecules below the stage are grown anew"
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
        kit.Slider(
            "noise",
            "Noise on the crystal (share of a cell edge)",
            0.05,
            low=0.01,
            high=0.3,
            step=0.01,
            help="Perfect sites tell nothing: there every wish to move cancels. The Denoiser is told the matching time.",
        ),
        kit.Choice("prior", "Start of the molecules", "round", options=list(rigid_molecule.PRIORS)),
        kit.Toggle("fresh", "Fresh noise at each step", True),
        kit.Toggle("centred", "Mean of the noise taken out", True),
        kit.Slider(
            "n_steps", "Number of steps of the molecules", 50, options=[5, 10, 20, 50, 100], more=True, previewed=False, waits=MOLECULES
        ),
        kit.Slider("n_molecules", "Number of molecules", 1000, options=[300, 1000, 2000], more=True, previewed=False, waits=MOLECULES),
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
def along(move, params):
    return equivariance.along(move, **params)


def pictured(move, path):
    """Payload of the stage, and the largest error of each network on the way."""
    shares, curves, cells = path
    return stages.crystal_payload(cells, shares, move), {name: float(curve.max()) for name, curve in curves.items()}


@st.cache_data(max_entries=64, max_size="64MB", show_spinner=False)
def stage_payload(move, params):
    return pictured(move, along(move, params))


@lru_cache(maxsize=4)
def under_the_thumb(move, **params):
    return pictured(move, equivariance.along(move, **params))


def shown_with(values):
    """What `pictured` gives; on the thread of a thumb, where Streamlit's caches are not for it, from a small one of its own."""
    params = params_of(values)
    return under_the_thumb(values["move"], **params) if "held" in values else stage_payload(values["move"], params)


@st.cache_data(max_entries=48, show_spinner=False)
def errors(**params):
    return equivariance.errors(**params)


@st.cache_data(max_entries=32, max_size="128MB", show_spinner=False)
def grown(**run):
    return equivariance.sample(**run)


@st.cache_data(max_entries=32, max_size="96MB", show_spinner=False)
def molecule_payload(run):
    return stages.molecule_payload(grown(**run))


@st.cache_data(max_entries=64, show_spinner=False)
def judged(run):
    """The truth about the poses of each kernel, and spread of the equivariant one's centres with its error."""
    molecules = grown(**run)
    return {name: equivariance.truth(one) for name, one in molecules.items()}, rigid_molecule.drift(molecules["equivariant"])


@cache
def turned():
    return {kernel: rigid_molecule.turned_error(kernel=kernel) for kernel in rigid_molecule.KERNELS}


def missing():
    """Why the generator's own network is not there; None if it is."""
    try:
        load_model(equivariance.MODEL)
    except ModelMissing as trouble:
        return trouble
    return None


def params_of(values):
    return {key: values[key] for key in ("crystal", "flaw", "noise", "seed")} | {"generator": missing() is None}


def run_of(values):
    chosen = {key: values[key] for key in ("centred", "n_steps", "n_molecules", "seed")}
    return chosen | {"prior_kind": values["prior"], "eta": 1.0 if values["fresh"] else 0.0}


def equation(values):
    _, worst = shown_with(values)
    shown = {rf"\Delta_f(\text{{{name}}})": number(error, 1) for name, error in worst.items()}
    return shown | {rf"\Delta_{{x_0}}(\text{{{kernel} kernel}})": number(turned()[kernel], 1) for kernel in rigid_molecule.KERNELS}, ""


def stage(values):
    params, trouble = params_of(values), missing()
    page.exports(params)
    with page.on.stage:
        if trouble:
            st.warning(f"{trouble} The page goes on without it.", icon=":material/school:")
        crystal_player(shown_with(values)[0], key="stage", height=430, report=False, fill=True, preview=True)
    poses, _ = judged(run_of(values))
    with page.on.meter:
        columns = st.columns(2)
    for column, kernel in zip(columns, ("equivariant", "plain"), strict=True):
        with column:
            kit.truth_meter(poses[kernel], note=f"Of molecules grown by the {kernel} kernel; an invariant model has no favourite pose.")


def networks(values):
    params, move = params_of(values), values["move"]

    def path():
        shares, curves, _ = along(move, params)
        floor = equivariance.round_off(**{key: params[key] for key in ("crystal", "noise", "seed")})
        return figures.path_figure(shares, curves, floor, palette=kit.palette())

    kit.side_by_side(
        (
            "Who keeps what",
            lambda: figures.table_figure(errors(**params), move, palette=kit.palette()),
            "table",
            "Largest relative error of four networks under seven descriptions of one crystal.",
            "Green: the network answers the same, up to rounding, however the crystal is described. The other colour: it changes its mind.",
        ),
        (
            "On the way there",
            path,
            "path",
            "Relative error of each network along the path, log scale.",
            "A line in the green band is rounding: the network keeps this symmetry. A line that leaves the band does not.",
        ),
        of=(params, move),
    )
    st.caption(
        "Largest of eight random descriptions each. MLP, EGNN and CSPNet have random weights (the seed's): what holds for "
        "those holds for every training. The Denoiser has the trained weights of the generator (MP-20)."
    )


def molecules(values):
    run = run_of(values)
    st.markdown("##### From a network to a model: molecules grown by two kernels, taught one molecule in one pose")
    player(molecule_payload(run), key="molecules", height=460, report=False)

    def centres():
        free = grown(**run | {"centred": False})["equivariant"]
        return figures.centre_figure(free, run["n_steps"], prior_kind=run["prior_kind"], eta=run["eta"], palette=kit.palette())

    kit.side_by_side(
        (
            "In which pose they end",
            lambda: figures.pose_figure(grown(**run), palette=kit.palette()),
            "poses",
            "Histogram of the poses for both kernels.",
            "A model without a favourite pose fills all poses up to the green line; a peak is a pose that it prefers.",
        ),
        (
            "Where their centres end",
            centres,
            "centres",
            "Histogram of the molecules' centres.",
            "Noise whose mean is left in scatters the centres like this; taken out, every centre is at zero.",
        ),
    )
    _, (spread, error) = judged(run)
    exact = 0.0 if run["centred"] else rigid_molecule.drift_exact(run["n_steps"], prior_kind=run["prior_kind"], eta=run["eta"])
    measured = small(spread, 1) if spread < 1e-3 else f"{spread:.3f} ± {error:.3f}"
    kit.readings([("Spread of the molecules' centres", measured), ("Exact", f"{exact:.3f}")])


def grade(values):
    params = params_of(values)
    found = errors(crystal="perovskite SrTiO3", seed=params["seed"], generator=params["generator"])
    return equivariance.built_in(found, "Denoiser" if params["generator"] else "CSPNet")


page.stage(stage, scenes=SCENES, equation=equation, picture=lambda values: shown_with(values)[0], session=lambda _: {"held": True})
page.follow(networks)
page.follow(molecules)
kit.predict(
    "equivariance",
    "The generator never notices a rotation. Now the cube's axes a, b, c are renamed b, c, a. Its answer, as arrows in space,",
    ["stays the same: the symmetry is built in", "changes: this symmetry was only learned"],
    grade,
)
kit.predict(
    "equivariance",
    "The crystal is told anew in the way that is chosen on this page. How many of the networks give the same answer, up to round-off?",
    ["none", "one", "two", "three", *["all four"] * (missing() is None)],
    lambda values: equivariance.keepers(errors(**params_of(values)), values["move"]),
)
kit.predict(
    "equivariance",
    "Molecules grown by the equivariant kernel with the settings of this page: does the model prefer some poses?",
    ["no: they cannot be told from poses drawn by lot", "yes"],
    lambda values: equivariance.preference(judged(run_of(values))[0]["equivariant"]),
)
page.prose("What to look at")
page.prose("Why equivariance and invariance add up", expanded=False)
page.footer(equivariance.errors)
