"""Page of “Latent diffusion”."""

import time

import streamlit as st

from core.figures import latent_diffusion as figures
from core.figures import latent_diffusion_stage
from core.learning import latent_diffusion
from core.numerics.networks import ModelMissing
from pages import kit

LABELS = {"any": "any lattice"}
VIEWS = {"grow": "grow from noise", "blend": "blend two"}
WALKS = {"diffusion": "diffusion", "nothing": "nothing: noise, decoded"}
SPACES = {"latent": "latent", "pixel": "pixel"}
page = kit.chapter(
    "latent_diffusion",
    [
        kit.Choice(
            "word",
            "Word y to draw",
            "any",
            term="y",
            options=list(latent_diffusion.WORDS),
            labels=LABELS,
            wide=True,
            help="The word goes to both denoisers, as text goes to Stable Diffusion.",
        ),
        kit.Slider("n_steps", "Number of steps n", 30, options=kit.graded(1, 100), term="n"),
        kit.Choice("view", "What the stage shows", "grow", options=list(VIEWS), labels=VIEWS),
        kit.Choice("walk", "What turns noise into latents", "diffusion", options=list(WALKS), labels=WALKS),
        kit.Choice("judge", "Space on the truth meter", "latent", options=list(SPACES), labels=SPACES),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same pictures."),
    ],
)
SCENES = [
    kit.Scene(
        "Two ways",
        {},
        "The same kind of network, trained for equally many steps, walks among eight numbers or among 576. Only one "
        "of them has to worry about every pixel.",
    ),
    kit.Scene(
        "Say hexagonal",
        {"word": "hexagonal"},
        "One word, and both draw nothing else. A look-up in a book of exact pictures counts how many obey.",
    ),
    kit.Scene(
        "In between",
        {"view": "blend"},
        "Half-way between two pictures lies a double exposure. Mixed latents are no lattice there "
        "either: few numbers are not yet straight roads, and that is why a walk has to be learned.",
    ),
    kit.Scene("Three steps", {"n_steps": 3, "judge": "pixel"}, "Stopped early, the pixels are a blur of many lattices at once."),
    kit.Scene(
        "No walk",
        {"walk": "nothing", "word": "hexagonal"},
        "An autoencoder alone is no generator: most latents that noise hits "
        "belong to no lattice, so the decoder draws ghosts, and no word reaches it.",
        breaks=True,
    ),
    kit.Scene("One step", {"n_steps": 1}, "One jump from noise lands on the average of everything.", breaks=True),
]


@st.cache_data(max_entries=48, max_size="64MB", show_spinner=False)
def judged(space, **params):
    """Pictures for the meters, and the processor seconds of the walk and of decoding on this server."""
    start = time.thread_time()
    z = latent_diffusion.sample(space=space, n_images=latent_diffusion.N_JUDGED, n_frames=1, **params).final
    walked = time.thread_time()
    return latent_diffusion.pictures(z, space), walked - start, time.thread_time() - walked


@st.cache_data(max_entries=24, max_size="64MB", show_spinner=False)
def stage_payload(view, seed, **params):
    if view == "blend":
        return latent_diffusion_stage.payload_of_blend(seed=seed)
    return latent_diffusion_stage.payload(seed=seed, **params)


@st.cache_data(max_entries=64, show_spinner=False)
def truth(space, **params):
    return latent_diffusion.truth(judged(space, **params)[0], word=params["word"])


@st.cache_data(max_entries=64, show_spinner=False)
def reading(space, **params):
    return latent_diffusion.read(judged(space, **params)[0])


@st.cache_data(max_entries=8, show_spinner=False)
def exact_reading(word):
    return latent_diffusion.read_exact(word)


@st.cache_data(max_entries=8, show_spinner=False)
def work(word):
    return latent_diffusion.error_against_work(word=word)


@st.cache_data(max_entries=48, show_spinner=False)
def compared(**params):
    """Rows of the table of both spaces."""
    return figures.side_by_side(
        {space: truth(space, **params) for space in SPACES},
        {space: reading(space, **params) for space in SPACES},
        exact_reading(params["word"]),
        {space: judged(space, **params)[1] for space in SPACES},
        judged("latent", **params)[2],
        word=params["word"],
        n_steps=params["n_steps"],
    )


def missing():
    """What is said where the networks are not there; None otherwise."""
    try:
        latent_diffusion.networks()
    except ModelMissing as error:
        return str(error)


def params_of(values):
    return {key: values[key] for key in ("word", "n_steps", "seed", "walk")}


def equation(values):
    return {"y": rf"\text{{“{LABELS.get(values['word'], values['word'])}”}}", "n": str(values["n_steps"])}, ""


def coarse(values):
    """All of it: 2 x 16 pictures take no longer than a coarse picture may."""
    if values["view"] == "blend":
        return latent_diffusion_stage.payload_of_blend(seed=values["seed"])
    return latent_diffusion_stage.payload(**params_of(values))


def stage(values):
    params = params_of(values)
    page.exports(params | {"space": values["judge"]})
    if words := missing():
        page.on.stage.warning(words, icon=":material/school:")
        return
    page.player(stage_payload(values["view"], **params), height=430)
    with page.on.meter:
        kit.truth_meter(
            truth(values["judge"], **params),
            note=f"Between {latent_diffusion.N_JUDGED} pictures from the {values['judge']} walk and fresh exact ones.",
        )


def below(values):
    if missing():
        return
    params = params_of(values)
    st.markdown("##### Side by side")
    kit.table(("", "latent diffusion", "pixel diffusion"), compared(**params), marked="time a picture, measured")
    kit.side_by_side(
        (
            "What arithmetic buys",
            lambda: figures.work_figure(work(values["word"]), palette=kit.palette()),
            "work",
            "Distance to the exact law against multiplications per picture for both spaces, with floor and ceiling.",
            "To the left is cheaper, lower is better. The dashed line is what decoding costs even perfect latents.",
        ),
        (
            "Inside the latent space",
            lambda: figures.latent_figure(*latent_diffusion.latent_map(**params), palette=kit.palette()),
            "latents",
            "Two directions of the latent space: exact pictures by kind, and the latents that the walk made.",
            "The walk has done its work when its points lie where the encoded pictures lie.",
        ),
    )


def grade(values):
    budget = latent_diffusion.multiplications("pixel", 3)
    n = max(n for n in range(1, 200) if latent_diffusion.multiplications("latent", n) <= budget)
    equal = params_of(values) | {"walk": "diffusion"}
    scores = {"latent": truth("latent", **equal | {"n_steps": n}), "pixel": truth("pixel", **equal | {"n_steps": 3})}
    latent, pixel = scores["latent"], scores["pixel"]
    right = 2 if abs(latent.value - pixel.value) < 2 * latent.floor.std else 0 if latent.value < pixel.value else 1
    return right, (
        f"For {budget / 1e6:.1f} million multiplications: {n} latent steps and a decode score {latent.value:.2f}, three pixel "
        f"steps {pixel.value:.2f}; the floor is {latent.floor.mean:.2f}."
    )


def grade_obedience(values):
    word = "square" if values["word"] == "any" else values["word"]
    return latent_diffusion.obedience(reading("latent", **params_of(values) | {"word": word}), exact_reading(word), word)


page.stage(stage, scenes=SCENES, equation=equation, picture=None if missing() else coarse)
page.follow(below)
if not missing():
    kit.predict(
        "latent_diffusion",
        "Give both the arithmetic of three pixel steps. Whose pictures are closer to the truth?",
        ["latent diffusion, which can afford many steps", "pixel diffusion, which loses nothing to a decoder", "no difference"],
        grade,
    )
    kit.predict(
        "latent_diffusion",
        "Latent diffusion takes the word (“square” for any) and the steps of this page. How many of its pictures look most like the word?",
        ["fewer than half", "half to nine tenths", "more than nine tenths"],
        grade_obedience,
    )
    kit.predict(
        "latent_diffusion",
        "Mix two lattices half and half: their latents, then decode, or their pixels. Which mixture is nearer to a picture of a lattice?",
        ["the mixed latents", "the mixed pixels", "they cannot be told apart"],
        lambda values: latent_diffusion.sharper_half_way(seed=values["seed"]),
    )
page.prose("What to look at")
page.prose("Text on top: Stable Diffusion and DALL·E 3", expanded=False)
page.footer(latent_diffusion.sample)
