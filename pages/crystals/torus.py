"""Page of “Diffusion on a torus”."""

import streamlit as st

from core.crystals import torus
from core.figures import torus as figures
from core.figures import torus_stage
from pages import kit
from pages.kit.equation import number
from pages.kit.player import player

MOVES = {"melt": "melt", "freeze": "freeze", "hold": "hold"}
SITES = {"pair": "two sites, 3 : 1", "corner": "a corner of the cell", "honeycomb": "honeycomb"}
ORDERS = {"none": "none", "predictor-first": "after", "corrector-first": "before"}
page = kit.chapter(
    "torus",
    [
        kit.Choice(
            "move",
            "Process",
            "freeze",
            options=list(MOVES),
            labels=MOVES,
            help="Melt: add noise. Freeze: take it out with a score. Hold: Langevin dynamics at one noise level, from the exact law.",
        ),
        kit.Choice("sites", "Where the atom belongs", "pair", options=list(SITES), labels=SITES, wide=True),
        kit.Slider("sigma_max", "Largest noise σ (cell edges)", 0.5, low=0.1, high=1.0, step=0.05, term=r"\sigma_{\max}"),
        kit.Slider(
            "images",
            "Images kept on each side K",
            0,
            term="K",
            options=[0, 1, 2, 3],
            help="In the score's target, on the right. 0: the nearest image only. On the left all images count.",
        ),
        kit.Slider("n_steps", "Number of steps", 100, options=[5, 10, 20, 50, 100, 200], when=lambda v: v["move"] != "melt"),
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
        kit.Slider("angle", "Angle of the cell (°)", 60, low=30, high=150, step=5, more=True, help="For the last figure."),
        kit.Slider("ratio", "Ratio of the cell edges b / a", 1.6, low=0.5, high=2.5, step=0.1, more=True, help="For the last figure."),
        kit.Slider("n_particles", "Number of atoms", 2000, options=[500, 1000, 2000, 5000], more=True),
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


@st.cache_data(max_entries=32, max_size="128MB", show_spinner=False)
def run(**params):
    return torus.sample(**params)


@st.cache_data(max_entries=16, max_size="64MB", show_spinner=False)
def drawn(**params):
    return torus.exact(**params)


@st.cache_data(max_entries=32, max_size="64MB", show_spinner=False)
def stage_payload(params, n_images):
    melting = params["move"] == "melt"
    pair = (
        [("noise, then wrap", run(**params), None), ("drawn from the wrapped normal", drawn(**common), None)]
        if melting
        else [(f"score of {torus_stage.images_label(k)}", run(**params | {"n_images": k}), k) for k in (None, n_images)]
    )
    return torus_stage.payload(pair, move=params["move"], sites=params["sites"], sigma_max=params["sigma_max"])


@st.cache_data(max_entries=64, show_spinner=False)
def truth(params, sigma):
    return torus.truth(run(**params), sites=params["sites"], sigma=sigma)


@st.cache_data(max_entries=64, show_spinner=False)
def along(params):
    return torus.along_the_way(run(**params), move=params["move"], sites=params["sites"], sigma_max=params["sigma_max"])


@st.cache_data(max_entries=8, show_spinner=False)
def orders():
    return torus.orders(), torus.truth(torus.sample(n_particles=1000), sites="pair", sigma=torus.SIGMA_MIN).floor_mean


stage, side = st.columns([2.5, 1], gap="medium")
with side:
    values = page.controls()
common = {key: values[key] for key in ("sites", "sigma_max", "n_particles", "seed")}
params = common | dict(move=values["move"], n_steps=values.get("n_steps", 100), corrector=values.get("corrector", "none"), n_images=None)
rival = params | {"n_images": values["images"]}
page.exports(rival)
melting = values["move"] == "melt"
end = torus.SIGMA_MIN if values["move"] == "freeze" else values["sigma_max"]
with stage:
    page.equation(
        {
            r"\sigma_{\max}": number(values["sigma_max"]),
            "K": str(values["images"]),
            "J_K": number(jump if (jump := torus.jump(values["sigma_max"], values["images"])) > 1e-15 else 0.0),
        }
    )
    player(stage_payload(params, values["images"]), key="stage", height=500, report=False)
    page.scenes(SCENES)
    left, right = st.columns(2)
    with left:
        kit.truth_meter(truth(params, end), note="Left cloud at the end against fresh exact draws.")
    with right:
        if melting:
            same, other = torus.same_law(sites=values["sites"], sigma=end, n_particles=values["n_particles"], seed=values["seed"])
            kit.readings(
                [
                    ("Noise-then-wrap against the wrapped normal, p", f"{same.p:.3g}"),
                    ("against the nearest image alone, p", f"{other.p:.3g}"),
                ]
            )
            st.caption("Two-sample Kolmogorov–Smirnov test: p is how often two samples of one law differ by as much.")
        else:
            kit.truth_meter(truth(rival, end), note="Right cloud at the end against fresh exact draws.")
    if values["move"] == "freeze" and values["sites"] != "corner":
        for column, settings in ((left, params), (right, rival)):
            with column:
                found = torus.occupation(run(**settings).final, sites=values["sites"])
                kit.readings([("On the first site", f"{found.value:.3f}"), ("exact draws", f"{found.exact:.3f} ± {found.error:.3f}")])

kit.below_the_stage()
first, second = st.columns(2)
with first:
    st.markdown("##### Where the score tears")
    kit.figure(
        lambda: figures.score_figure(values["sigma_max"], values["images"], palette=kit.palette()),
        key="score",
        alt="Score against displacement over two cells: smooth with all images, torn at half a cell with few.",
        see="With few images the score jumps at half a cell, where two images are equally near; with all of them it is smooth.",
    )
    st.markdown("##### How many images are enough")
    kit.figure(
        lambda: figures.truncation_figure(values["sigma_max"], values["images"], palette=kit.palette()),
        key="truncation",
        alt="Largest error of the density against the number of images kept, with its bound.",
        see="Every further image makes the error many times smaller; the narrower the noise, the fewer are needed.",
    )
    st.markdown("##### How big the target is")
    kit.figure(
        lambda: figures.scale_figure(values["sigma_max"], palette=kit.palette()),
        key="scale",
        alt="Root-mean-square score against noise level, with one over sigma and the scaled versions.",
        see="The score itself spans many powers of ten; divided by its own size (dashed) it is 1 at every noise level.",
    )
with second:
    st.markdown("##### The melt becomes uniform, mode by mode")
    kit.figure(
        lambda: figures.decay_figure(
            [torus.decay(run(**params | {"move": "melt"}), sigma_max=values["sigma_max"], n=n) for n in (1, 2)], palette=kit.palette()
        ),
        key="decay",
        alt="Fourier modes of the cloud against noise, counted and exact.",
        see="Fine structure, n = 2, is forgotten first. When both are in the grey, the cloud cannot be told from a uniform one.",
    )
    st.markdown("##### What it does to the sampler")
    moving = params if not melting else params | {"move": "freeze"}
    kit.figure(
        lambda: figures.along_figure(
            [(k, along(moving | {"n_images": k})) for k in (None, values["images"])],
            x_title=torus_stage.CLOCKS[moving["move"]],
            falling=moving["move"] == "freeze",
            palette=kit.palette(),
        ),
        key="along",
        alt="Distance to the exact law along the run for both scores, with the floor.",
        see="Where a line lies on the dotted floor, the atoms cannot be told from exact draws of that moment.",
    )
    st.markdown("##### Corrector before or after?")
    kit.figure(
        lambda: figures.orders_figure(*orders(), palette=kit.palette()),
        key="orders",
        alt="Distance at the end against score evaluations for three orders of predictor and corrector.",
        see="Compare at equal work, one above the other: the lower line is the better order.",
    )
st.markdown("##### Fractional or Cartesian?")
kit.figure(
    lambda: figures.cell_figure(torus.oblique(values["angle"], values["ratio"]), min(values["sigma_max"], 0.15), palette=kit.palette()),
    key="cell",
    alt="Density of wrapped noise in an oblique cell: an ellipse along the cell, and a disc.",
    see="Left: noise that is round in fractions of the edges takes the shape of the cell. Right: noise that is round in space.",
)


def grade():
    shares = {
        k: torus.occupation(torus.sample(move="freeze", n_images=k, n_particles=8000, n_frames=2).final, sites="pair") for k in (None, 0)
    }
    gain = (shares[0].value - shares[None].value) / shares[0].error
    return 1 if gain > 4 else 2 if gain < -4 else 0, (
        f"Of 8,000 atoms the nearest-image score brings {shares[0].value:.1%} to the first site, the full score {shares[None].value:.1%}; "
        f"exact draws: 75 ± {100 * shares[0].error:.1f} %."
    )


kit.predict(
    "torus",
    "Two sites hold three atoms in four and one in four. Both samplers start uniform at σ = 0.5. With the nearest-image "
    "score, the first site ends up with",
    ["its 75 %", "more than 75 %", "less than 75 %"],
    grade,
)
kit.predict(
    "torus",
    "An atom is melted to the largest noise of this page. How much of the first Fourier mode, the last to fade, is left?",
    ["more than a tenth", "more than a thousandth", "less"],
    lambda: torus.wave_left(values["sigma_max"]),
)
kit.predict(
    "torus",
    "With the K images of this page and its largest noise σ, how far does the score jump at half a cell?",
    ["by 1/σ or more, the size of the score itself", "by at least a thousandth of that", "by less"],
    lambda: torus.size_of_the_tear(values["sigma_max"], values["images"]),
)
page.prose("What to look at")
page.prose("Questions people ask", expanded=False)
page.footer(torus.freeze, values)
