"""Home: the chain from a random walk to a crystal on one screen, moving; and where to start."""

from functools import cache

import streamlit as st

from core import home
from core.chapters import CHAPTERS, PARTS
from pages.kit import link, search
from pages.kit.colophon import colophon
from pages.kit.crystal_player import crystal_player
from pages.kit.player import player

WAYS_IN = {
    "You teach": (
        "co_present",
        "Open a chapter, press `l`: large type, no prose. `1`–`9` call up scenes, `space` plays, `n` goes on. "
        "A link carries every setting and the seed, so the room sees what you see.",
        CHAPTERS[0],
        {"mode": "lecture"},
    ),
    "You study": (
        "menu_book",
        "Read from the top; predict before you look; break things on purpose. Every page tells how far its "
        "sample is from the exact answer, and hands you the code.",
        CHAPTERS[0],
        {},
    ),
    "You run a workshop": (
        "groups",
        "Start at the end: grow a crystal, then ask each group to explain one link of the chain. One small machine serves thirty people.",
        CHAPTERS[-1],
        {},
    ),
}


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


with st.container(key="head"):
    st.title("From Noise to Crystals", anchor=False)
    st.markdown("#### One chain of ideas, from a random walk to a crystal that never existed. Every picture is computed while you watch.")
way_on()

walk, crystal = st.columns([1.9, 1], gap="small")
with walk:
    player(chain_payload(seed=1), key="home_chain", height=420)
with crystal:
    try:
        crystal_player(crystal_payload(seed=1), key="home_crystal", height=380)
    except home.ModelMissing as missing:
        st.info(str(missing), icon=":material/diamond:")

for column, (title, (icon, words, chapter, query)) in zip(st.columns(3), WAYS_IN.items()):
    with column, st.container(border=True, height="stretch"):
        st.markdown(f"**:material/{icon}: {title}**")
        st.markdown(words)
        st.page_link(chapter.page, label=f"Start with {chapter.label}", icon=":material/arrow_forward:", query_params=query)

st.markdown("##### The chapters")
for chapter in CHAPTERS:
    with st.container(horizontal=True, vertical_alignment="center", key=f"home_{chapter.slug}"):
        st.page_link(chapter.page, label=f"**{chapter.label}**", icon=f":material/{chapter.icon}:")
        st.caption(f"{PARTS[chapter.part]} · {chapter.question}")
colophon()
link.show_if_asked(st.context.url or "/")
