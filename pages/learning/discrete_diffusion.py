"""Page of “Discrete diffusion”."""

import streamlit as st

from core.figures import discrete_diffusion as figures
from core.figures import discrete_diffusion_stage
from core.learning import discrete_diffusion, grammar
from core.learning.formulas import FAMILIES, load_model
from core.numerics.networks import ModelMissing
from pages import kit
from pages.kit.equation import number
from pages.kit.token_timeline import token_timeline

LABELS = {"uniform": "uniform", "absorbing": "mask", "gaussian": "Gaussian"}
ORDERS = {"chance": "at random", "surest": "the surest first"}
WORD_STEPS = [1, 2, 3, 5, 7, 14, 30]

page = kit.chapter(
    "discrete_diffusion",
    [
        kit.Choice("family", "Kind of noise", "gaussian", options=list(FAMILIES), labels=LABELS, term="rule"),
        kit.Choice("tokens", "Kind of token", "elements", options=["elements", "counts"], term="K"),
        kit.Choice(
            "start",
            "Tokens start from",
            "one token",
            options=list(discrete_diffusion.STARTS),
            help="Data: as often as in the training formulas. One token: all are titanium, or all are 3.",
        ),
        kit.Slider("n_steps", "Number of steps T", 50, options=kit.graded(10, 200), term="T"),
        kit.Slider("level", "Noise level t / T", 0.1, low=0.05, high=1.0, step=0.05, term="t"),
        kit.Text(
            "formula", "Formula to corrupt and restore", "Sr1 Ti1 O3", max_chars=40, help="With the mask, ? is an unknown place: Ba1 ?1 O3."
        ),
        kit.Slider("words", "Number of steps for seven words", 3, options=WORD_STEPS, previewed=False, waits="it is of the next words"),
        kit.Choice("order", "Order in which words are unmasked", "chance", options=list(ORDERS), labels=ORDERS, more=True),
        kit.Slider(
            "reach",
            "Strength r of the noise (share of the full schedule)",
            1.0,
            low=0.05,
            high=1.0,
            step=0.05,
            more=True,
            term="r",
            help="Below 1 the forward walk ends before everything is forgotten.",
        ),
        kit.Toggle(
            "as_printed",
            "Sum over guesses x₀ as the paper prints it",
            False,
            more=True,
            help="Equation 4 of the paper with p(x₀|xₜ) put in as it is.",
        ),
        kit.Slider("n_particles", "Number of tokens", 1000, options=[200, 500, 1000, 2000, 5000], more=True),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same tokens."),
    ],
)
SCENES = [
    kit.Scene(
        "Titanium's fate",
        {},
        "All tokens start as titanium. In Mendeleev's order Gaussian noise turns it into a relative first, "
        "into anything later. Behind the tokens: the exact law of every step.",
    ),
    kit.Scene(
        "Counts",
        {"tokens": "counts", "start": "data"},
        "The numbers of real formulas: half are ones. On the right, tokens that start as noise find back to that.",
    ),
    kit.Scene("Anything goes", {"family": "uniform"}, "Uniform noise knows no neighbours: a token keeps its element or jumps anywhere."),
    kit.Scene(
        "The mask",
        {"family": "absorbing", "start": "data", "formula": "Ba1 ?1 O3"},
        "Absorbing noise hides and never lies: what is visible is true. So one can ask: barium, oxygen, and what?",
    ),
    kit.Scene(
        "Forgot to forget",
        {"tokens": "counts", "start": "data", "reach": 0.05, "level": 1.0},
        "A twentieth of the noise: at t = T "
        "every token is still near its start. The way back begins from pure noise all the same, and never gets home.",
        breaks=True,
    ),
    kit.Scene(
        "Counted twice",
        {"tokens": "counts", "start": "data", "family": "uniform", "as_printed": True, "level": 0.05},
        "The sum over the guess as printed weighs each x₀ by how likely it makes xₜ a second time. The restored tokens cling to "
        "their noise.",
        breaks=True,
    ),
    kit.Scene(
        "All words at once",
        {"family": "absorbing", "words": 1},
        "Seven words in one step: each fits the language, together they are salad. Scroll to the sentences.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=48, max_size="192MB", show_spinner=False)
def walk(**params):
    return discrete_diffusion.sample(**params)


@st.cache_data(max_entries=48, max_size="128MB", show_spinner=False)
def stage_payload(params):
    return discrete_diffusion_stage.payload(walk(**params), family=params["family"])


@st.cache_data(max_entries=64, show_spinner=False)
def checked(params, t):
    """Meter, its note and the rows beside it, at step t."""
    tokens = walk(**params)
    if params["start"] == "data":
        now, law, note = tokens.backward[-1], tokens.prior, "Between the restored tokens at t = 0 and the law of the data."
    else:
        now, law, note = tokens.forward[t], tokens.forward_law(t), f"Between the corrupted tokens at t = {t} and the exact law."
    verdict = discrete_diffusion.truth(discrete_diffusion.counts(now, tokens.chain.n_categories), law)
    return verdict, note, figures.check_rows(discrete_diffusion.checks(tokens, t), t)


@st.cache_data(max_entries=64, show_spinner=False)
def restored(**params):
    return discrete_diffusion.restore_formula(**params)


@st.cache_data(max_entries=16, show_spinner=False)
def balance(family, seed):
    return discrete_diffusion.write_balance(family, seed=seed)


@st.cache_data(max_entries=8, show_spinner=False)
def word_curves():
    return {ORDERS[order]: [(n, *grammar.grammatical_share(n, order=order, n=100)) for n in WORD_STEPS] for order in ORDERS}


@st.cache_data(max_entries=64, show_spinner=False)
def sentences(n_steps, order, seed):
    return grammar.written(n_steps, order=order, seed=seed)


def params_of(values):
    return {key: values[key] for key in ("tokens", "family", "start", "n_steps", "n_particles", "reach", "as_printed", "seed")}


def step_of(values):
    """The step t that is looked at."""
    return max(1, round(values["level"] * values["n_steps"]))


def equation(values):
    shown = {
        "t": str(step_of(values)),
        "T": str(values["n_steps"]),
        "K": str(len(discrete_diffusion.names(values["tokens"], values["family"]))),
        "r": number(values["reach"]),
    }
    return shown, values["family"]


def coarse(values):
    params = params_of(values)
    return discrete_diffusion_stage.payload(discrete_diffusion.sample(**params), family=params["family"])


def stage(values):
    params = params_of(values)
    page.exports(params | {"level": values["level"]})
    page.player(stage_payload(params), height=500)
    verdict, note, rows = checked(params, step_of(values))
    with page.on.meter:
        kit.meter_beside(verdict, rows, note=note)


def below(values):
    params, t = params_of(values), step_of(values)
    kit.side_by_side(
        (
            f"Counted and exact, t = {t}",
            lambda: figures.law_figure(walk(**params), t, palette=kit.palette()),
            "law",
            "Share of tokens in each category, corrupted and restored, beside the exact law.",
            "Where bars or dots meet the green, what was counted is the exact law.",
        ),
    )
    kit.folded("Where one step leads, and where all steps until now", lambda: matrices(params, t), key="matrices")
    st.markdown("##### A formula, corrupted and restored by a network")
    try:
        formula(values)
    except ModelMissing as missing:
        st.warning(str(missing), icon=":material/school:")
    except ValueError as error:
        st.error(f"{str(error)[0].upper()}{str(error)[1:]}.", icon=":material/error:")
    st.markdown("##### Words, many at a time")
    words(values)


def matrices(params, t):
    kit.figure(
        lambda: figures.matrices_figure(walk(**params), t, palette=kit.palette()),
        key="matrices",
        alt="Heat maps of the transition matrix of one step and of the product of all steps.",
        see="Read a row: from this token to which other, and how likely. What stands out on the right is what is still remembered at t.",
    )


def formula(values):
    """Raises ModelMissing, and ValueError for a formula that cannot be read."""
    asked = {key: values[key] for key in ("family", "level", "n_steps", "as_printed", "seed")}
    answer = restored(text=values["formula"], **asked)
    strip, score = st.columns([1.5, 1])
    with strip:
        token_timeline(figures.formula_film(answer), alt=f"{answer.clean} corrupted and restored three times.")
        kit.readings(figures.restored_rows(answer))
    with score:
        kit.figure(
            lambda: figures.finals_figure(answer.finals, answer.clean, palette=kit.palette()),
            key="finals",
            alt="The formulas that came back most often.",
            see="Green is the formula that was corrupted: the longer its bar, the more often the network found back to it.",
        )
    kit.folded("How many new formulas can exist", lambda: new_formulas(values), key="balance")


def new_formulas(values):
    samples = load_model().about["samples"]
    known = {name: (samples[name]["balanced"], 0.0) for name in ("data", "shuffled")}
    kit.figure(
        lambda: figures.balance_figure(
            {"data": known["data"], "100 new ones": balance(values["family"], values["seed"]), "shuffled tokens": known["shuffled"]},
            palette=kit.palette(),
        ),
        key="balance",
        of=(values["family"], values["seed"], known),
        alt="Share of charge-balanced formulas in the data, among new ones, and among shuffled tokens.",
        see="The charges of a formula that can exist add up to zero. New ones should come near the data, far from shuffled tokens.",
    )


def words(values):
    strip, curve = st.columns([1.25, 1])
    with strip:
        story, good = sentences(values["words"], values["order"], values["seed"])
        token_timeline(figures.sentence_film(story, good), alt="Three sentences appear out of masks.")
        st.caption(
            f"Three sentences; {sum(good)} of them grammatical. All {len(grammar.language().sentences)} sentences of this language are "
            "known, so the denoiser is exact: what goes wrong is the sampler's doing alone."
        )
    with curve:
        kit.figure(
            lambda: figures.words_figure(
                word_curves(),
                one_step=grammar.language().one_step_share(),
                chosen=(ORDERS[values["order"]], values["words"]),
                palette=kit.palette(),
            ),
            key="word_curve",
            of=(values["order"], values["words"]),
            alt="Share of grammatical sentences against the number of steps.",
            see="The fewer steps, the more words are written at once, and words written at once do not know of each other.",
        )


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(below)
kit.predict(
    "discrete_diffusion",
    "Seven masked words, a perfect denoiser, two steps, the surest words first. How many sentences are grammatical?",
    ["nearly all: the denoiser is perfect", "about half", "hardly any"],
    lambda values: grammar.grammatical_in_two_steps(values["seed"]),
)
kit.predict(
    "discrete_diffusion",
    "At the noise level of this page, how many tokens are what they were at the start?",
    ["more than three quarters", "a quarter to three quarters", "less than a quarter"],
    lambda values: discrete_diffusion.still_the_same(walk(**params_of(values)), step_of(values)),
)
kit.predict(
    "discrete_diffusion",
    "Pure noise is restored with the settings of this page, to tokens as frequent as in the data. Is their law right in the end?",
    ["yes: no test can tell", "no"],
    lambda values: discrete_diffusion.back_home(walk(**params_of(values) | {"start": "data"})),
)
page.prose("What to look at")
page.prose("How text models do it", expanded=False)
page.prose("Why does every atom come out as mendelevium?", expanded=False)
page.footer(discrete_diffusion.sample)
