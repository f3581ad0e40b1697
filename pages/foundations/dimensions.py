"""Page of “The curse of dimensionality”."""

import math

import streamlit as st

from core.figures import dimensions as figures
from core.figures import dimensions_stage
from core.foundations import dimensions
from core.numerics.distances import ks_floor
from pages import kit

METHODS = dimensions.METHODS

BELOW = "a figure below the stage is drawn anew"
page = kit.chapter(
    "dimensions",
    [
        kit.Slider("d", "Dimension d", 100, options=kit.graded(1, 1000), term="d"),
        kit.Choice(
            "method",
            "Method on the truth meter",
            "score",
            options=list(METHODS),
            labels=METHODS,
            wide=True,
            help="All spend the same number of looks at a Gaussian density (one look: its value or its slope at one place); chains start "
            "at its mode.",
        ),
        kit.Slider(
            "n",
            "Number of looks n",
            10_000,
            options=kit.graded(1000, 20_000),
            help="Looks at the density that a method may spend, and points drawn for each count in the figures.",
        ),
        kit.Slider("eps", "Thickness of the peel ε (share of the radius)", 0.05, low=0.01, high=0.5, step=0.01, term=r"\varepsilon"),
        kit.Slider("per_axis", "Grid points per axis m", 10, options=kit.graded(2, 100), term="m"),
        kit.Slider("wide", "Width of the rejection proposal (Gaussian widths)", 1.2, low=1.05, high=3.0, step=0.01),
        kit.Slider(
            "n_points",
            "Number of points for nearest / farthest",
            1000,
            options=[10, 100, 1000, 5000],
            more=True,
            previewed=False,
            waits=BELOW,
        ),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same points."),
    ],
)
SCENES = [
    kit.Scene("All peel", {}, "Press play: the clock adds dimensions. The middle empties, though no point is ever turned away from it."),
    kit.Scene(
        "Where we live",
        {"d": 3, "method": "grid"},
        "In three dimensions everything still works: half of the cube is ball, and 21 grid points per axis describe a cloud.",
    ),
    kit.Scene(
        "A thousand, with the score",
        {"d": 1000},
        "Forces know the way: a hundred steps find the shell in a thousand dimensions as well as in one.",
    ),
    kit.Scene(
        "A grid in 20",
        {"d": 20, "method": "grid"},
        "Ten thousand looks leave one grid point per axis: the centre, the most probable point, and nobody lives there.",
        breaks=True,
    ),
    kit.Scene(
        "Darts in 50",
        {"d": 50, "method": "rejection"},
        "A proposal only a fifth too wide, and of ten thousand draws one or two are kept. In a hundred dimensions, none.",
        breaks=True,
    ),
    kit.Scene(
        "A blind walk in 200",
        {"d": 200, "method": "walk"},
        "Metropolis without forces, at its best step: most directions lead away from the mass, and the chains are still on their way.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=48, max_size="64MB", show_spinner=False)
def stage_payload(**chosen):
    return picture(**chosen)


@st.cache_data(max_entries=96, show_spinner=False)
def truth(method, d, **looks):
    return dimensions.truth(dimensions.spend(method, d=d, **looks), d)


def picture(*, d, method, eps, per_axis, n_frames=90, **looks):
    ball, gauss = dimensions.sample(d=d, seed=looks["seed"], n_frames=n_frames)
    found = dimensions.spend(method, d=d, **looks)
    return dimensions_stage.payload(ball, gauss, eps=eps, method=method, found=found, per_axis=per_axis, fps=12 * n_frames / 90)


def looks_of(values):
    return {key: values[key] for key in ("n", "wide", "seed")}


def on_stage(values):
    return {key: values[key] for key in ("d", "method", "eps", "per_axis")} | looks_of(values)


def equation(values):
    d, ten = values["d"], math.log(10)
    return {
        "d": str(d),
        r"\varepsilon": f"{values['eps']:.2f}",
        "m": str(values["per_axis"]),
        r"V_{\text{ball}}/V_{\text{cube}}": figures.latex_power(float(dimensions.log_ball_share(d)) / ten),
        r"1-(1-\varepsilon)^d": f"{float(dimensions.peel_share(d, values['eps'])):.4g}",
        "m^d": figures.latex_power(float(dimensions.log_grid_points(d, values["per_axis"])) / ten),
    }, ""


def coarse(values):
    return picture(**on_stage(values), n_frames=45)


def stage(values):
    d, method = values["d"], values["method"]
    page.exports({key: values[key] for key in ("d", "method", "n", "eps", "per_axis", "wide", "n_points", "seed")})
    page.player(stage_payload(**on_stage(values)))
    closed = figures.readings(d=d, **{key: values[key] for key in ("eps", "n_points", "per_axis", "wide")})
    with page.on.meter:
        kit.meter_beside(truth(method, d, **looks_of(values)), closed, note=f"{values['n']:,} looks spent: {METHODS[method]}, d = {d}.")


def below(values):
    d, eps, n_points, looks = values["d"], values["eps"], values["n_points"], looks_of(values)

    def census():
        return dimensions.census(**looks, eps=eps, n_points=n_points)

    def bought():
        spent = dimensions.bought(**looks), ks_floor(values["n"])
        return figures.bought_figure(*spent, dims=dimensions.SCAN, d=d, chosen=values["method"], palette=kit.palette())

    kit.side_by_side(
        (
            "Where the volume is",
            lambda: figures.place_figure(census(), d=d, eps=eps, n_points=n_points, palette=kit.palette()),
            "place",
            "Share of a ball's volume in its peel, nearest over farthest distance and shell width against d: exact and counted.",
            "Follow the lines to the right: a ball becomes nearly all peel, all points nearly equally far, a Gaussian a thin shell.",
        ),
        (
            "What one sample costs",
            lambda: figures.cost_figure(census(), d=d, per_axis=values["per_axis"], wide=values["wide"], palette=kit.palette()),
            "cost",
            "Looks per sample against d for a grid, for the ball in the cube and for rejection: exact lines and counted points.",
            "The axis counts zeros: one unit up is ten times as many looks for one sample, and every line runs away.",
        ),
    )

    def worth():
        kit.side_by_side(
            (
                f"What {values['n']:,} looks buy",
                bought,
                "bought",
                "Distance to the exact law against d for direct draws, grid, rejection, random walk and a sampler that uses the score.",
                "In the band a method is as good as exact draws; above it, its looks are too few for so many dimensions.",
            ),
            (
                "What a score is worth",
                lambda: figures.progress_figure(dimensions.progress(seed=values["seed"]), d=d, palette=kit.palette()),
                "score",
                "Progress per look of the random walk and of MALA against d, counted and exact.",
                "Both lines fall, but the one that knows the slope falls far more gently: the gap between them is what a score is worth.",
            ),
        )

    kit.folded("What the looks buy with each method, and what a score is worth", worth, key="worth")


def grade(_):
    one, hundred = (float(dimensions.walk_acceptance(k, 1.0)) for k in (1, 100))
    right = 0 if hundred > one / 2 else 1 if hundred > 1e-4 else 2
    return right, f"In one dimension {one:.0%} are accepted, in a hundred {hundred:.1e}: a random step is long in 99 wrong directions."


def grade_peel(values):
    d = values["d"]
    share = float(dimensions.peel_share(d, values["eps"]))
    return (0 if share < 1 / 3 else 1 if share <= 2 / 3 else 2), (
        f"In d = {d} dimensions the peel of thickness ε = {values['eps']:.2f} holds 1 − (1 − ε)^d = {share:.4g} of the volume."
    )


def grade_spent(values):
    d, method = values["d"], values["method"]
    measured = truth(method, d, **looks_of(values))
    right = 1 if method == "direct" else dimensions.compared_with_direct(measured)
    return right, (
        f"The distance of {METHODS[method]} in d = {d} is {measured.value:.4f}; as many direct draws score "
        f"{measured.floor.mean:.4f} ± {measured.floor.std:.4f}."
    )


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(below)
kit.predict(
    "dimensions",
    "A random-walk step of one standard deviation per coordinate is accepted seven times in ten in one dimension. In a hundred dimensions?",
    ["about as often", "about one time in ten", "less than one time in ten thousand"],
    grade,
)
kit.predict(
    "dimensions",
    "A ball in d dimensions is peeled: the outermost part of its radius, ε, comes off. How much of its volume is in the peel?",
    ["less than a third", "between a third and two thirds", "more than two thirds"],
    grade_peel,
)
kit.predict(
    "dimensions",
    "All the looks are spent on a Gaussian in d dimensions by the method on the truth meter. How close to the exact law do they come, "
    "compared with as many points drawn directly?",
    ["closer", "as close, within the noise", "less close"],
    grade_spent,
)
page.prose("What to look at")
page.footer(dimensions.spend)
