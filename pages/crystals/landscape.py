"""Page of “The systems”."""

import streamlit as st

from core.crystals import landscape
from core.figures import landscape as figures
from core.figures.crystal_payload import pack_crystals
from core.generator.registry import ModelMissing
from core.generator.systems.captions import phrasings, unknown_words
from core.structures.space_groups import crystal_system
from pages import kit
from pages.kit import shell
from pages.kit.crystal_meter import downloads, verdict
from pages.kit.crystal_player import crystal_player
from pages.kit.equation import number
from pages.kit.token_timeline import token_timeline

BENCHMARKS = {"MP-20": "MP-20", "Perov-5": "Perov-5", "MPTS-52": "MPTS-52"}
FLOW = ("DiffCSP++", "MaskGXT", "Chemeleon")
ROLES = {"content": "plain", "space group": "exact", "lengths": "sample", "angles": "sample", "not read": "masked"}


def only(*systems):
    return lambda values: values["system"] in systems


page = kit.chapter(
    "landscape",
    [
        kit.Choice(
            "system",
            "Whose idea",
            "DiffCSP++",
            options=list(landscape.SYSTEMS),
            wide=True,
            term="rule",
            help="DiffCSP++: growth on the Wyckoff sites. MaskGXT: the space group first. CrystaLLM-π: one word after another. Chemeleon: "
            "a sentence chooses. Each is a miniature trained here, not the published network.",
        ),
        kit.Choice("crystal", "Crystal whose content is given", "rutile TiO2", options=list(landscape.CRYSTALS), wide=True, term="A"),
        kit.Slider("n_steps", "Number of steps n", 20, options=[5, 10, 20, 50], when=only(*FLOW), term="n"),
        kit.Text(
            "text",
            "What the sentence says",
            "tetragonal TiO2",
            max_chars=120,
            when=only("Chemeleon"),
            help="A formula or names of elements, and a crystal system. It knows the words of its captions and no others.",
        ),
        kit.Slider(
            "volume",
            "Volume per atom asked for (Å³, 0: none)",
            0.0,
            low=0.0,
            high=40.0,
            step=1.0,
            when=only("CrystaLLM-π"),
            term="c",
            help="The property in front of the sentence.",
        ),
        kit.Slider(
            "heat",
            "Temperature of the choice of words",
            0.8,
            low=0.0,
            high=2.0,
            step=0.1,
            when=only("CrystaLLM-π"),
            term=r"\tau",
            help="0 takes the likeliest word, above 1 the network gambles.",
        ),
        kit.Choice(
            "convention",
            "Matches that count in the plots",
            "filtered",
            options=list(landscape.CONVENTIONS),
            more=True,
            help="Unfiltered counts every match, filtered only pairs in which both crystals are valid. Never compare across the two.",
        ),
        kit.Choice(
            "benchmark",
            "Benchmark of the plots",
            "MP-20",
            options=list(BENCHMARKS),
            more=True,
            help="MP-20: Materials Project, primitive cells of up to 20 atoms. MPTS-52: Materials Project, split by time, up to 52 atoms.",
        ),
        kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same crystal."),
    ],
)
SCENES = [
    kit.Scene(
        "Projected, and free",
        {},
        "The same noise twice. On the left each atom may only move where its site lets it; on the right all may go anywhere.",
    ),
    kit.Scene(
        "The group first",
        {"system": "MaskGXT", "crystal": "perovskite SrTiO3"},
        "A small network names the space group from the formula alone, then the crystal grows inside it, beside the same noise left free.",
    ),
    kit.Scene(
        "Word by word",
        {"system": "CrystaLLM-π", "crystal": "perovskite SrTiO3"},
        "First the group, then the cell, then one atom of each orbit: with its last word the whole orbit stands there. Grey atoms are not "
        "written yet.",
    ),
    kit.Scene(
        "A sentence chooses",
        {"system": "Chemeleon"},
        "Eight crystals of one content are grown. Left the one that fits the sentence best, right the one that fits worst.",
    ),
    kit.Scene(
        "The wrong group",
        {"system": "MaskGXT"},
        "The group named here is not the crystal's, and projection is obedient: every step stays inside it, and so does the mistake.",
        breaks=True,
    ),
    kit.Scene(
        "Too hot to write",
        {"system": "CrystaLLM-π", "heat": 2.0, "seed": 3},
        "At this temperature unlikely words slip in, and one wrong word is never taken back.",
        breaks=True,
    ),
]


@st.cache_data(max_entries=48, max_size="64MB", show_spinner=False)
def made(**params):
    return landscape.sample(**params)


@st.cache_data(max_entries=64, show_spinner=False)
def judged(crystal, params):
    return landscape.truth(made(**params), crystal)


def params_of(values):
    return dict(
        system=values["system"],
        crystal=values["crystal"],
        n_steps=values.get("n_steps", 20),
        text=values.get("text", "tetragonal TiO2"),
        volume=values.get("volume", 0.0),
        heat=values.get("heat", 0.8),
        seed=values["seed"],
    )


def equation(values):
    shown = {"A": rf"\text{{{values['crystal']}}}"}
    if values["system"] in FLOW:
        shown |= {"n": str(values["n_steps"])}
    else:
        shown |= {
            r"\tau": number(values["heat"]),
            "c": number(values["volume"]) + r"\,\text{Å}^3" if values["volume"] else r"\text{untold}",
        }
    return shown, values["system"]


def read_text(values):
    """Say which words of the sentence are not understood."""
    if values["system"] != "Chemeleon":
        return
    strange = unknown_words(values["text"])
    if not values["text"].strip():
        st.error("The sentence is empty: write a formula and a crystal system, for example tetragonal TiO2.", icon=":material/error:")
    elif strange:
        st.warning(f"No caption has these words, so they say nothing: {', '.join(strange)}.", icon=":material/translate:")


def stage(values):
    params = params_of(values)
    page.exports(params)
    with page.on.equation:
        read_text(values)
        try:
            growth = made(**params)
        except ModelMissing as missing:
            st.error(str(missing), icon=":material/school:")
            return
        if growth.trouble:
            st.warning(growth.trouble, icon=":material/report:")
    known, _ = landscape.known_crystal(values["crystal"])
    payload = pack_crystals(
        [*growth.paths, known],
        titles=[*growth.titles, f"known: {values['crystal']}"],
        time_label="words" if growth.words else "noise level t",
        alt=f"{values['crystal']} made in the way of {values['system']}, beside the known crystal.",
        fps=6 if growth.words else 20,
    )
    with page.on.stage:
        crystal_player(payload, key="stage", height=480, fill=True)
        if growth.words and not shell.lecture():  # the hall has the crystal and its clock; the words stand in the figure below
            cells = [[(word.text, ROLES.get(word.field, "plain")) for word in growth.words]]
            token_timeline([("written", cells)], alt="The sentence that the network wrote.")
    with page.on.meter:
        meter, rows = st.columns(2)
        with meter:
            verdict(judged(values["crystal"], params))
        with rows:
            if said := figures.read_outs(growth):
                kit.readings(said)
            if growth.answer is not None:
                downloads(growth.answer, path=growth.paths[0] if growth.paths else None)


def thoughts(values):
    """What the system thought of this crystal, and how good it is on crystals kept aside."""
    system, params = values["system"], params_of(values)
    if system == "DiffCSP++":
        return
    growth, dev, (known, group) = made(**params), landscape.measured(system), landscape.known_crystal(values["crystal"])
    seen, see = figures.SEE[system]
    kit.side_by_side(
        (
            "What it thought here",
            lambda: figures.figure_of(growth, true=group, palette=kit.palette()),
            "thought",
            f"Thoughts of {system}.",
            seen,
        ),
        (
            "On crystals kept aside",
            lambda: figures.measured_figure(system, dev, palette=kit.palette()),
            "measured",
            f"What was measured with the miniature of {system}.",
            see,
        ),
        of=(params, str(dev), kit.palette().ink),
    )
    if system == "Chemeleon":
        kit.readings([(f"Phrasing {name}", text) for name, text in zip("ABC", phrasings(known, group), strict=True)])
        st.caption(f"The crystal system of the known crystal is {crystal_system(group)}.")


def plots(values):
    benchmark, convention = values["benchmark"], values["convention"]
    shown = landscape.selected(benchmark, convention)
    kit.side_by_side(
        (
            f"How often right, and how exactly ({benchmark})",
            lambda: figures.scores_figure(shown, convention=convention, palette=kit.palette()),
            "scores",
            "Match rate against rms of the matches for the published systems and ours.",
            "Better is up and to the left. A high rate at a large rms is a matcher that was easily pleased.",
        ),
        (
            "How often right, and how dearly",
            lambda: figures.calls_figure(shown, convention=convention, palette=kit.palette()),
            "calls",
            "Match rate against network calls for one crystal.",
            "A call of a large network costs more than one of a small one; the axis counts calls alone.",
        ),
    )


def below(values):
    try:
        thoughts(values)
    except ModelMissing as missing:
        st.error(str(missing), icon=":material/school:")
    plots(values)
    st.markdown("##### The systems, one row each")
    st.dataframe(figures.systems_table(landscape.systems(), landscape.numbers()), hide_index=True, key="systems")
    st.caption("A click on a head sorts. Empty: looked for and not found. Miniatures of other ideas stand in the chapters named below.")
    kit.folded("Every number with its source, convention and year", numbers_table, key="numbers")


def numbers_table():
    st.dataframe(figures.numbers_table(landscape.numbers()), hide_index=True, key="all_numbers")


page.stage(stage, scenes=SCENES, equation=equation, waits="a network makes the crystal anew")
page.follow(below)
kit.predict(
    "landscape",
    "Twenty pairs of this crystal's content grow from noise, one of each pair on the true Wyckoff sites and one free. Which ends closer to "
    "the known crystal?",
    ["the one on the Wyckoff sites", "twenty pairs cannot tell", "the free one"],
    lambda values: landscape.gain_of_projection(values["crystal"], n_steps=values.get("n_steps", 20)),
)
kit.predict(
    "landscape",
    "From the formula alone: is the true space group of this crystal the first guess of the small network?",
    ["yes", "no, but among the first five", "no, not even among the first five"],
    lambda values: landscape.group_guessed(values["crystal"]),
)
page.prose("What to look at")
page.prose("Where the other systems stand here", expanded=False)
page.prose("How the numbers compare", expanded=False)
page.prose("How good the miniatures are", expanded=False)
page.prose("Questions people ask", expanded=False)
page.footer(landscape.sample)
