"""Home: the chain from a random walk to a crystal on one screen, moving; and where to start."""

from functools import cache

import streamlit as st

from core import home
from core.chapters import CHAPTERS, PARTS, find
from pages.kit import link, search, shell
from pages.kit.colophon import colophon
from pages.kit.crystal_player import crystal_player
from pages.kit.player import player

TITLE = "From Noise to Crystals"
SENTENCE = "One chain of ideas, from a random walk to a crystal that never existed. Every picture is computed while you watch."
WAYS_IN = (
    (
        "teach",
        "co_present",
        "You teach",
        "A hall sees large type and no prose. `1`–`9` call up scenes, `space` plays, `n` goes on to the next chapter, `l` comes back "
        "here. A link carries every setting and the seed, so the room sees what you see.",
        None,
        "Open the title slide",
    ),
    (
        "study",
        "menu_book",
        "You study",
        "Read from the top; predict before you look; break things on purpose. Every page tells how far its "
        "sample is from the exact answer, and hands you the code.",
        CHAPTERS[0],
        f"Begin with {CHAPTERS[0].label}",
    ),
    (
        "workshop",
        "groups",
        "You run a workshop",
        "Start at the end: grow a crystal, then ask each group to explain one link of the chain. One small machine serves thirty people.",
        find("generation"),
        f"Grow a crystal: {find('generation').label}",
    ),
)


@st.cache_data(max_entries=4, show_spinner=False)
def chain_payload(seed: int) -> bytes:
    return home.chain_payload(seed=seed)


@st.cache_data(max_entries=4, show_spinner=False)
def crystal_payload(seed: int) -> bytes:
    return home.crystal_payload(seed=seed)


@cache
def _way_on():
    return search.component("n2c_home", "home.js", html="<div class='search'></div><div class='progress'></div>", styles=("home.css",))


def way_on() -> None:
    """Search, and what the reader's browser has kept: where one stopped, and the score."""
    _way_on()(key="n2c_home", data=search.index())


def chain(widths: tuple[float, float]) -> None:
    """The four links of the chain, moving side by side. widths: shares of the three clouds and of the crystal."""
    with st.container(key="n2c_chain"):
        walk, crystal = st.columns(widths, gap="small")
        with walk:
            player(chain_payload(seed=1), key="home_chain", height=410, fill="always")
        with crystal:
            try:
                crystal_player(crystal_payload(seed=1), key="home_crystal", height=410, fill="always")
            except home.ModelMissing as missing:
                st.info(str(missing), icon=":material/diamond:")


def title_slide() -> None:
    """What a hall sees first: title, one sentence, the chain, and every chapter by its number."""
    with st.container(key="title_slide"):
        st.title(TITLE, anchor=False)
        st.markdown(f"#### {SENTENCE}")
    chain((2.8, 1))
    with st.container(key="home_list"):
        for chapter in CHAPTERS:
            st.page_link(chapter.page, label=chapter.label)


def show_to_others() -> None:
    """Lecture mode on; a callback."""
    st.session_state["mode"] = "lecture"


def start_page() -> None:
    """What a reader alone sees first: the chain, three ways in, and the chapters with their questions."""
    with st.container(key="head"):
        st.title(TITLE, anchor=False)
        st.markdown(f"#### {SENTENCE}")
    way_on()
    chain((1.9, 1))
    for column, (who, icon, title, words, chapter, label) in zip(st.columns(3), WAYS_IN):
        with column, st.container(border=True, height="stretch", key=f"way_{who}"):
            st.markdown(f"**:material/{icon}: {title}**")
            st.markdown(words)
            if chapter:
                st.page_link(chapter.page, label=label, icon=":material/arrow_forward:")
            else:
                st.button(label, key="open_title_slide", icon=":material/slideshow:", type="primary", on_click=show_to_others)
    st.markdown("##### The chapters")
    with st.container(key="chapters", gap="small"):
        for chapter in CHAPTERS:
            with st.container(horizontal=True, vertical_alignment="center", key=f"home_{chapter.slug}"):
                st.page_link(chapter.page, label=f"**{chapter.label}**", icon=f":material/{chapter.icon}:")
                st.caption(f"{PARTS[chapter.part]} · {chapter.question}")


if shell.lecture():
    title_slide()
else:
    start_page()
colophon()
link.show_if_asked(st.context.url or "/")
