"""Page of “Steering”."""

from contextlib import suppress

import streamlit as st

from core.crystals import conditioning
from core.crystals.conditioning import UNITS, FormulaError
from core.figures import conditioning as figures
from core.figures.crystal_payload import pack_crystals
from core.generator.registry import ModelMissing
from pages import kit
from pages.kit import shell
from pages.kit.crystal_meter import downloads, kept, on_target
from pages.kit.crystal_player import crystal_player
from pages.kit.equation import number
from pages.kit.periodic_table import periodic_table
from pages.kit.steering import PROPERTIES, SYMMETRIES, below, params_of, target_of


def asks(name):
    return lambda values: values["property"] == name


page = kit.chapter(
    "conditioning",
    [
        kit.Choice("property", "Property asked for", "density", options=list(PROPERTIES), labels=PROPERTIES, wide=True, term="y"),
        kit.Slider("density", "Density (g/cm³)", 8.0, low=0.5, high=30.0, step=0.5, when=asks("density"), term="y"),
        kit.Slider("volume", "Volume per atom (Å³)", 20.0, low=4.0, high=80.0, step=1.0, when=asks("volume_per_atom"), term="y"),
        kit.Slider("energy", "Formation energy (eV/atom)", -2.0, low=-5.0, high=2.0, step=0.1, when=asks("formation_energy"), term="y"),
        kit.Slider("gap", "Band gap (eV)", 3.0, low=0.0, high=12.0, step=0.25, when=asks("band_gap"), term="y"),
        kit.Text(
            "elements",
            "Elements allowed (empty: all)",
            "",
            max_chars=200,
            placeholder="Li, Mn, O",
            check=conditioning.names_elements,
            expected="symbols of elements with commas between them, such as Li, Mn, O",
            term="E",
            help="By a mask: nothing else can come. The periodic table under the stage writes this line for you.",
        ),
        kit.Choice(
            "symmetry",
            "Symmetry",
            "any",
            options=list(SYMMETRIES),
            wide=True,
            term="P_g",
            help="The crystal is grown inside a group: on sites that crystals of the training data fill in it.",
        ),
        kit.Number(
            "group", "Space group (1 to 230)", 225, low=1, high=230, when=lambda values: values["symmetry"] == "space group", term="P_g"
        ),
        kit.Text(
            "stoichiometry",
            "Stoichiometry (empty: any)",
            "",
            max_chars=20,
            placeholder="ABX3",
            check=conditioning.names_stoichiometry,
            expected="capital letters for kinds of atoms, such as ABX3",
            term="n",
            help="Capital letters for kinds of atoms, whichever they are: ABX3, AB2X4.",
        ),
        kit.Slider(
            "gamma",
            "Guidance γ",
            1.0,
            options=[0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0],
            term=r"\gamma",
            help="0: nothing is asked of the networks. 1: what they learned. More exaggerates.",
        ),
        kit.Slider("n_steps", "Number of steps", 20, options=[5, 10, 20, 50], more=True, term="h"),
        kit.Number("seed", "Seed", 25, more=True, help="Everyone with the same seed sees the same crystals."),
    ],
)
SCENES = [
    kit.Scene(
        "Heavy", {}, "Eight grams in a cubic centimetre, asked of the formula and of the cell. Beside it what the same seed gives unasked."
    ),
    kit.Scene(
        "Only Li, Mn, O",
        {"property": "nothing", "elements": "Li, Mn, O", "seed": 17},
        "A mask on the choice of elements: nothing else can come, whatever the networks would like.",
    ),
    kit.Scene(
        "Cubic, group 225",
        {"property": "nothing", "symmetry": "space group", "seed": 12},
        "Grown on sites of group 225. Every state on the way has the whole symmetry.",
    ),
    kit.Scene(
        "All ABX3",
        {"property": "nothing", "stoichiometry": "ABX3", "seed": 4},
        "The counts are fixed, the elements are not. Change the seed and another ABX3 comes.",
    ),
    kit.Scene(
        "A wide gap",
        {"property": "band_gap", "gap": 4.0, "seed": 27},
        "The gap is only predicted, by a second network with an error of its own. It stands under the stage.",
    ),
    kit.Scene(
        "Gamma of ten",
        {"gamma": 10.0},
        "Ten times the difference that the condition makes. The networks never saw such a velocity.",
        breaks=True,
    ),
    kit.Scene(
        "Denser than any",
        {"density": 30.0},
        "Osmium has 22.6 g/cm³. Guidance asks all the same; look at what comes, and at the distances.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=64, max_size="64MB", show_spinner=False)
def made(**params):
    return conditioning.sample(**params)


def equation(values):
    shown = {r"\gamma": number(values["gamma"]), "h": rf"1/{values['n_steps']}"}
    if values["property"] != "nothing":
        shown["y"] = rf"\text{{{PROPERTIES[values['property']]} {target_of(values):g} {UNITS[values['property']]}}}"
    return shown, "group" if values["symmetry"] != "any" else "free"


def grown(params):
    """What these settings grow, or None with the reason on the page."""
    try:
        return made(**params)
    except (FormulaError, ValueError) as error:
        st.error(str(error), icon=":material/error:")
    except ModelMissing as missing:
        st.error(str(missing), icon=":material/school:")
    return None


def table():
    """The periodic table; the hall has another place for controls."""
    if shell.lecture():
        return
    with suppress(ModelMissing), st.expander("Periodic table: click the elements that are allowed"):
        periodic_table("elements", conditioning.steering().model.known)


def meter(values, growth):
    """How well the crystal on the stage is what was asked for."""
    for name, target in growth.request.scalars.items():
        on_target(PROPERTIES[name], growth.value[0], target, conditioning.window(name, target), UNITS[name])
    words, met = figures.certain(growth)
    if not growth.request.scalars or growth.request.elements or growth.request.group or growth.request.system:
        kept(words, as_asked=met)


def stage(values):
    params = params_of(values)
    page.exports(params)
    with page.on.equation:
        growth = grown(params)
    with page.on.caption:
        table()
    if growth is None:
        return
    payload = pack_crystals(
        list(growth.paths),
        titles=list(figures.titles(growth)),
        time_label="noise level t",
        alt=f"{growth.asked.formula} grown as asked, beside the crystal of the same seed for which nothing was asked.",
    )
    with page.on.stage:
        crystal_player(payload, key="stage", height=480, fill=True)
    with page.on.meter:
        rows, files = st.columns(2)
        with rows:
            meter(values, growth)
        with files:
            kit.readings(figures.read_outs(growth))
            downloads(growth.asked, path=growth.paths[0])


@st.cache_data(show_spinner=False)
def many(**asked):
    return conditioning.batch(**asked)


def grade_gamma(values):
    asked = {"property": "density", "target": 8.0, "n_steps": 8, "n": 24, "seed": 5}
    return conditioning.exaggerated(many(gamma=1.0, **asked), many(gamma=10.0, **asked), "density", 8.0)


def grade_mask(values):
    ways = many(elements="Li, Mn, O", mask=False, n=48, n_steps=1, seed=5)  # the elements are decided before the first step
    return conditioning.outside(conditioning.inside(ways, (3, 8, 25)), 48)


page.stage(stage, scenes=SCENES, equation=equation, waits="two crystals are grown anew")
page.follow(below)
kit.predict(
    "conditioning",
    "A density of 8 g/cm³ is asked for, with γ = 1 and with γ = 10, 24 crystals each. Which has more on target (within 5 %)?",
    ["γ = 1", "neither, as far as 24 can tell", "γ = 10"],
    grade_gamma,
)
kit.predict(
    "conditioning",
    "“Only Li, Mn, O” is said to the network by guidance alone, without a mask. How many of 48 crystals keep to it?",
    ["all", "most, but not all", "at most half"],
    grade_mask,
)
page.prose("What to look at")
page.prose("Three laws that are not the same", expanded=False)
page.prose("How it is built", expanded=False)
page.prose("Questions people ask", expanded=False)
page.footer(conditioning.sample)
