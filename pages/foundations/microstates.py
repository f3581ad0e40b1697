"""Page of “Counting microstates”."""

import math

import streamlit as st

from core.figures import microstates as figures
from core.figures import microstates_stage
from core.foundations import microstates
from pages import kit
from pages.kit.equation import number

THROWS = kit.graded(1, 1_000_000)
VIEWS = {"all": "0 to N heads", "zoom": "around the mean"}

page = kit.chapter(
    "microstates",
    [
        kit.Slider("n_coins", "Number of coins N", 6, low=1, high=200, step=1, term="N"),
        kit.Slider("p", "Chance of heads p", 0.5, low=0.02, high=0.98, step=0.01, term="p"),
        kit.Slider(
            "n_throws",
            "Number of throws",
            10_000,
            options=THROWS,
            format="{:,}".format,
            was={str(n): n for n in THROWS},
            help="All at once: a million takes a tenth of a second.",
        ),
        kit.Choice(
            "view",
            "Columns shown",
            "all",
            options=list(VIEWS),
            labels=VIEWS,
            was={"± 4.5 widths": "zoom"},
            help="All numbers of heads from 0 to N, or only those within 4.5 standard deviations σₙ of the mean.",
        ),
        kit.Slider(
            "memory",
            "Stickiness c of the coins",
            0.0,
            low=0.0,
            high=0.98,
            step=0.01,
            help="With this probability a coin is not tossed but copies the one before it.",
        ),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same throws."),
    ],
)
SCENES = [
    kit.Scene(
        "Six coins",
        {},
        "64 microstates, seven columns: 1, 6, 15, 20, 15, 6, 1. Throws fill the same columns, for no microstate is preferred.",
    ),
    kit.Scene(
        "Two hundred",
        {"n_coins": 200, "n_throws": 1_000_000},
        "From 0 to 200 heads, but only a sliver is ever seen: a million throws, and not one far from the middle.",
    ),
    kit.Scene(
        "Close up",
        {"n_coins": 200, "n_throws": 1_000_000, "view": "zoom"},
        "The same sliver magnified is a bell: Gauss in the middle of the binomial.",
    ),
    kit.Scene(
        "Loaded",
        {"n_coins": 20, "p": 0.8},
        "The microstates are where they were; a loaded coin weighs them. That weight is Boltzmann's factor of the next chapter.",
    ),
    kit.Scene(
        "Sticky coins",
        {"n_coins": 60, "memory": 0.9},
        "Each coin mostly copies its neighbour. p is still one half, but the "
        "binomial fails, counting by throwing fails, and sixty coins are as uncertain as four.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=16, max_size="128MB", show_spinner=False)
def throw(**params):
    return microstates.sample(**params)


@st.cache_data(max_entries=32, max_size="96MB", show_spinner=False)
def stage_payload(params, view):
    return microstates_stage.payload(throw(**params), view=view)


@st.cache_data(max_entries=64, show_spinner=False)
def told(params):
    """Truth meter and read-outs."""
    throws = throw(**params)
    return microstates.truth(throws), figures.count_table(throws)


def params_of(values):
    return {key: values[key] for key in ("n_coins", "p", "n_throws", "memory", "seed")}


def equation(values):
    n_coins, p = values["n_coins"], values["p"]
    return {
        "N": str(n_coins),
        "p": number(p),
        f"W({n_coins // 2})": number(math.comb(n_coins, n_coins // 2), 4),
        r"\sigma_n/\langle n\rangle": number(microstates.relative_width(n_coins, p)),
    }, ""


def coarse(values):
    params = params_of(values)
    tossed = microstates.sample(**params | {"n_throws": min(params["n_throws"], microstates.SHOWN)})
    return microstates_stage.payload(tossed, view=values["view"], n_throws=params["n_throws"], n_frames=60)


def stage(values):
    params = params_of(values)
    page.exports(params)
    page.player(stage_payload(params, values["view"]))
    verdict, rows = told(params)
    with page.on.meter:
        kit.meter_beside(verdict, rows, widths=(1.15, 1), note="Between all throws and the binomial of independent coins.")


def below(values):
    params = params_of(values)
    of_all = {key: params[key] for key in ("p", "memory", "n_throws", "seed")}

    def narrowing():
        chosen = microstates.width(throw(**params))
        return figures.width_figure(
            microstates.widths(**of_all), p=params["p"], memory=params["memory"], chosen=chosen, palette=kit.palette()
        )

    kit.side_by_side(
        (
            "Entropy: counting by throwing",
            lambda: figures.entropy_figure(throw(**params), palette=kit.palette()),
            "entropy",
            "Entropy per coin against the share of heads: exact, Stirling's form, and counted from the throws.",
            "The curve is highest at half heads, where there are most microstates; throwing sees only the part of it where throws fall.",
        ),
        (
            "Many coins are certain",
            narrowing,
            "width",
            "Relative width of the number of heads against the number of coins, on logarithmic axes.",
            "A straight line: four times as many coins, half the relative width."
            + (" Coins that copy each other stay as uncertain as fewer coins." if params["memory"] else ""),
        ),
    )

    def heads():
        kit.figure(
            lambda: figures.heads_figure(throw(**params), palette=kit.palette()),
            key="heads",
            alt="Share of all throws by number of heads, over the exact binomial with its standard errors.",
            see="Where coins are tossed one by one, the bars end at the dots, to within their error bars; copied coins spread them wider.",
        )

    kit.folded("All throws: the shares counted, over the exact ones", heads, key="heads")


def grade(values):
    params, n_coins = params_of(values), values["n_coins"]
    few, many = (microstates.width(microstates.sample(**params | {"n_coins": n, "n_throws": 20_000})) for n in (n_coins, 4 * n_coins))
    right, exact = microstates.four_times_as_many(n_coins, values["p"], values["memory"])
    return right, f"{exact} Of 20,000 throws: {few.value:.4f} and {many.value:.4f}."


def grade_likeliest(values):
    n, exact, counted = microstates.likeliest(throw(**params_of(values)))
    right = 0 if exact > 0.5 else 1 if exact > 0.1 else 2
    return right, f"The likeliest number is {n}: exactly {exact:.2%} of all throws show it, and {counted:.2%} of those on this page do."


def grade_sticky(values):
    n_coins = values["n_coins"]
    worth = microstates.independent_coins(n_coins, 0.9)
    right = 0 if worth > 0.75 * n_coins else 1 if worth > n_coins / 3 else 2
    return (
        right,
        f"These {n_coins} are exactly as uncertain as {worth:.2f} independent coins: a copied coin adds heads, but hardly any chance.",
    )


page.stage(stage, scenes=SCENES, equation=equation, picture=coarse)
page.follow(below)
kit.predict(
    "microstates",
    "You take four times as many coins. The spread of the number of heads, divided by its mean, becomes …",
    ["the same: chance is chance", "half as wide", "a quarter as wide"],
    grade,
)
kit.predict(
    "microstates",
    "The coins are thrown again and again. How many of the throws show the likeliest number of heads?",
    ["more than half of them", "between a tenth and a half", "less than a tenth"],
    grade_likeliest,
)
kit.predict(
    "microstates",
    "Now nine coins in ten copy the one before them. As uncertain as how many independent coins are N of these?",
    ["nearly N", "about half of N", "less than a third of N"],
    grade_sticky,
)
page.prose("What to look at")
page.prose("Towards the three ensembles", expanded=False)
page.footer(microstates.sample)
