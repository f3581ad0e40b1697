"""Page of “Diffusion on a torus”."""

from functools import partial

import streamlit as st

from core.crystals import torus
from core.figures import torus as figures
from core.figures import torus_stage
from pages import kit
from pages.kit.equation import number

SITES = {"pair": "two sites, 3 : 1", "corner": "a corner of the cell", "honeycomb": "honeycomb"}
BELOW = "the last figure is drawn anew"
ORDERS = {"none": "none", "predictor-first": "after", "corrector-first": "before"}
page = kit.chapter(
    "torus",
    [
        kit.Choice(
            "move",
            "Process",
            "freeze",
            options=torus.MOVES,
            help="Melt: add noise. Freeze: take it out with a score. Hold: Langevin dynamics at one noise level, from the exact law.",
        ),
        kit.Choice("sites", "Where the atom belongs", "pair", options=list(SITES), labels=SITES, wide=True),
        kit.Slider("sigma_max", "Largest noise σ (cell edges)", 0.5, low=0.1, high=1.0, step=0.01, term=r"\sigma_{\max}"),
        kit.Slider(
            "images",
            "Images kept on each side K",
            0,
            term="K",
            options=[0, 1, 2, 3],
            help="In the score's target, on the right. 0: the nearest image only. On the left all images count.",
        ),
        kit.Slider("n_steps", "Number of steps", 100, options=kit.graded(5, 200), when=lambda v: v["move"] != "melt"),
        kit.Choice(
            "corrector",
            "Langevin corrector",
            "none",
            options=list(ORDERS),
            labels=ORDERS,
            when=lambda v: v["move"] == "freeze",
            more=True,
            help="A Langevin step before or after each step of the sampler.",
        ),
        kit.Slider("angle", "Angle of the last figure's cell (°)", 60, low=30, high=150, step=5, more=True, previewed=False, waits=BELOW),
        kit.Slider("ratio", "Ratio b / a of its edges", 1.6, low=0.5, high=2.5, step=0.1, more=True, previewed=False, waits=BELOW),
        kit.Slider(
            "n_particles",
            "Number of atoms",
            2000,
            options=[500, 1000, 2000, 5000],
            more=True,
            previewed=False,
            waits="another crowd has another noise",
        ),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same noise."),
    ],
)
SCENES = [
    kit.Scene(
        "Two targets",
        {},
        "Left: all images. Right: the nearest image only, a field torn where two images are equally near that "
        "pulls hard where nothing should. Too many atoms end on the first site.",
    ),
    kit.Scene(
        "Through the wall",
        {"move": "melt", "sites": "corner", "sigma_max": 0.4, "n_particles": 5000},
        "Left: noise, then wrap. Right: drawn from the wrapped normal, with no wrapping anywhere. "
        "No test can tell the clouds apart: they are the same law.",
    ),
    kit.Scene(
        "All images",
        {"images": 3},
        "Out of a uniform cell, back to three atoms in four on the first site. Seven images are as good as all.",
    ),
    kit.Scene(
        "Hold",
        {"move": "hold", "sites": "corner", "sigma_max": 0.3, "n_steps": 200},
        "Both start from the exact law. The nearest-image score digs a moat: watch curve and bars part at half a cell from the site.",
        breaks=True,
    ),
    kit.Scene(
        "Too little noise",
        {"sigma_max": 0.15, "images": 3},
        "The sampler starts from a uniform cell, but σ = 0.15 has not "
        "made the data uniform: even the exact score sends too many atoms to the second site.",
        breaks=True,
    ),
]

FIRST = 300  # atoms of a coarse picture


@st.cache_data(max_entries=32, max_size="128MB", show_spinner=False)
def run(**params):
    return torus.sample(**params)


@st.cache_data(max_entries=32, max_size="64MB", show_spinner=False)
def stage_payload(params, n_images):
    return torus_stage.clouds(params, n_images, draw=run)


@st.cache_data(max_entries=64, show_spinner=False)
def judged(params):
    """The truth about a cloud at its end, and how many atoms are on the first site of two, where that can be counted."""
    freezing, end = params["move"] == "freeze", run(**params)
    verdict = torus.truth(end, sites=params["sites"], sigma=torus.SIGMA_MIN if freezing else params["sigma_max"])
    return verdict, torus.occupation(end.final, sites=params["sites"]) if freezing and params["sites"] != "corner" else None


@st.cache_data(max_entries=64, show_spinner=False)
def same_law(**params):
    return [found.p for found in torus.same_law(**params)]


@st.cache_data(max_entries=64, show_spinner=False)
def along(params):
    return torus.along_the_way(run(**params), move=params["move"], sites=params["sites"], sigma_max=params["sigma_max"])


def params_of(values):
    """Of the left cloud; the right one's have the reader's number of images."""
    common = {key: values[key] for key in ("move", "sites", "sigma_max", "n_particles", "seed")}
    return common | dict(n_steps=values.get("n_steps", 100), corrector=values.get("corrector", "none"), n_images=None)


def equation(values):
    jump = torus.jump(values["sigma_max"], values["images"])
    shown = {r"\sigma_{\max}": number(values["sigma_max"]), "K": str(values["images"]), "J_K": number(jump if jump > 1e-15 else 0.0)}
    return shown, ""


def coarse(values):
    frames = {} if values["move"] == "melt" else {"n_frames": 40}  # a melt takes a step a frame
    draw, draw_exact = partial(torus.sample, first=FIRST, **frames), partial(torus.exact, first=FIRST)
    return torus_stage.clouds(params_of(values), values["images"], draw=draw, draw_exact=draw_exact)


def two_tests(values):
    common = {key: values[key] for key in ("sites", "n_particles", "seed")}
    same, other = same_law(sigma=values["sigma_max"], **common)
    kit.readings([("Noise-then-wrap against the wrapped normal, p", f"{same:.3g}"), ("against the nearest image alone, p", f"{other:.3g}")])
    st.caption("Two-sample Kolmogorov–Smirnov test: p is how often two samples of one law differ by as much.")


def stage(values):
    params = params_of(values)
    rival = params | {"n_images": values["images"]}
    page.exports(rival)
    page.player(stage_payload(params, values["images"]))
    with page.on.meter:
        columns = st.columns(2)
    for column, cloud, side in zip(columns, (params, rival), ("Left", "Right"), strict=True):
        with column:
            if side == "Right" and values["move"] == "melt":
                two_tests(values)
                continue
            verdict, found = judged(cloud)
            kit.truth_meter(verdict, note=f"{side} cloud at the end against fresh exact draws.")
            if found:
                kit.readings([("On the first site", f"{found.value:.3f}"), ("exact draws", f"{found.exact:.3f} ± {found.error:.3f}")])


def below(values):
    params, sigma, images = params_of(values), values["sigma_max"], values["images"]
    moving = params if values["move"] != "melt" else params | {"move": "freeze"}

    def distances():
        found = [(k, along(moving | {"n_images": k})) for k in (None, images)]
        return figures.along_figure(found, move=moving["move"], palette=kit.palette())

    def modes():
        melt = run(**params | {"move": "melt"})
        return figures.decay_figure([torus.decay(melt, sigma_max=sigma, n=n) for n in (1, 2)], palette=kit.palette())

    def more():
        kit.side_by_side(
            (
                "How many images are enough",
                lambda: figures.truncation_figure(sigma, images, palette=kit.palette()),
                "truncation",
                "Largest error of the density against the number of images kept, with its bound.",
                "Every further image makes the error many times smaller; the narrower the noise, the fewer are needed.",
            ),
            (
                "How big the target is",
                lambda: figures.scale_figure(sigma, palette=kit.palette()),
                "scale",
                "Root-mean-square score against noise level, with one over sigma and the scaled versions.",
                "The score itself spans many powers of ten; divided by its own size (dashed) it is 1 at every noise level.",
            ),
        )
        kit.side_by_side(
            (
                "The melt becomes uniform, mode by mode",
                modes,
                "decay",
                "Fourier modes of the cloud against noise, counted and exact.",
                "Fine structure, n = 2, is forgotten first. When both are in the grey, the cloud cannot be told from a uniform one.",
            ),
            (
                "Corrector before or after?",
                lambda: figures.orders_figure(torus.orders(), torus.orders_floor(), palette=kit.palette()),
                "orders",
                "Distance at the end against score evaluations for three orders of predictor and corrector.",
                "Compare at equal work, one above the other: the lower line is the better order.",
            ),
        )

    kit.side_by_side(
        (
            "Where the score tears",
            lambda: figures.score_figure(sigma, images, palette=kit.palette()),
            "score",
            "Score against displacement over two cells: smooth with all images, torn at half a cell with few.",
            "With few images the score jumps at half a cell, where two images are equally near; with all of them it is smooth.",
        ),
        (
            "What it does to the sampler",
            distances,
            "along",
            "Distance to the exact law along the run for both scores, with the floor.",
            "Where a line lies on the dotted floor, the atoms cannot be told from exact draws of that moment.",
        ),
    )
    st.markdown("##### Fractional or Cartesian?")
    kit.figure(
        lambda: figures.cell_figure(torus.oblique(values["angle"], values["ratio"]), min(sigma, 0.15), palette=kit.palette()),
        key="cell",
        alt="Density of wrapped noise in an oblique cell: an ellipse along the cell, and a disc.",
        see="Left: noise that is round in fractions of the edges takes the shape of the cell. Right: noise that is round in space.",
    )
    kit.folded("How many images are enough, how fast the melt forgets, and a corrector before or after", more, key="more")


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(below)
kit.predict(
    "torus",
    "Two sites hold three atoms in four and one in four. Both samplers start uniform at σ = 0.5. With the nearest-image "
    "score, the first site ends up with",
    ["its 75 %", "more than 75 %", "less than 75 %"],
    lambda _: torus.fuller_first_site(),
)
kit.predict(
    "torus",
    "An atom is melted to the largest noise of this page. How much of the first Fourier mode, the last to fade, is left?",
    ["more than a tenth", "more than a thousandth", "less"],
    lambda values: torus.wave_left(values["sigma_max"]),
)
kit.predict(
    "torus",
    "With the K images of this page and its largest noise σ, how far does the score jump at half a cell?",
    ["by 1/σ or more, the size of the score itself", "by at least a thousandth of that", "by less"],
    lambda values: torus.size_of_the_tear(values["sigma_max"], values["images"]),
)
page.prose("What to look at")
page.prose("Questions people ask", expanded=False)
page.footer(torus.freeze)
