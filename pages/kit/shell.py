"""The frame around every page: style sheet, side bar, lecture mode, keys and theme."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st
import torch

from core.chapters import CHAPTERS
from core.figures.theme import DARK, LIGHT, Palette
from pages.kit import progress, search

ASSETS = Path(__file__).resolve().parents[2] / "assets"

KEYS = """
| key | does |
|---|---|
| `space` | play or pause |
| `←` `→` | one frame back, one frame on |
| `Home` `End` | first frame, last frame |
| `,` `.` | slower, faster |
| `1` … `9` | scene of this chapter |
| `/` | search |
| `n` `p` | next, previous chapter |
| `l` | lecture mode on or off |
| `c` `e` | in lecture mode: controls over the stage, equation on or off |
| `f` | the stage on the whole screen |
| `q` | link and QR code of what is shown |
| `?` | this list |
"""


def palette() -> Palette:
    """Colours of the theme in force."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def lecture() -> bool:
    """Is the page shown to an audience?"""
    return st.session_state.get("mode") == "lecture"


def projected() -> bool:
    """Lecture mode on a screen that is large enough for large words: not on a phone that follows the lecturer's link."""
    return lecture() and "Mobi" not in (st.context.headers.get("User-Agent") or "")


@st.dialog("Keys")
def _keys() -> None:
    st.markdown(KEYS)


@st.cache_resource
def _style(name: str, modified: float) -> str:
    return f"<style>{(ASSETS / 'kit' / name).read_text(encoding='utf-8')}</style>"


def style(name: str) -> None:
    """Put one of the kit's style sheets on the page."""
    st.html(_style(name, (ASSETS / "kit" / name).stat().st_mtime))


@cache
def _listener():
    return search.component("n2c_keys", "history.js", "terms.js", "keys.js", html="<div class='search'></div><div class='contents'></div>")


def _role_colours() -> None:
    st.html(
        f"<style>:root {{ --n2c-exact: {palette().exact}; --n2c-sample: {palette().sample}; --n2c-moved: {palette().accent}; "
        f"--n2c-page: {palette().background}; }}</style>"
    )


def here() -> str:
    """Path of the page that is shown: the slug of a chapter, nothing for Home."""
    return st.session_state.get("_here", "")


def ask_for_link() -> None:
    """The page shows its link and QR code when it has drawn itself; for use in a callback."""
    st.session_state["_link_asked"] = True


def frame(path: str) -> None:
    """Everything that is the same on all pages; called once a run, before the page, with the page's path."""
    torch.set_num_threads(1)
    st.session_state["_here"] = path
    style("kit.css")
    _role_colours()
    with st.sidebar, st.container(key="shell"):
        _listener()(key="n2c_keys", data=search.index())
        st.segmented_control(
            "Show for",
            ["study", "lecture"],
            default="study",
            required=True,
            key="mode",
            bind="query-params",
            help="Lecture: large type, no prose, no side bar. Press l to come back.",
        )
        with st.container(horizontal=True):
            if st.button("Keys", key="show_keys", icon=":material/keyboard:"):
                _keys()
            st.button("Link, QR", key="show_link", icon=":material/qr_code_2:", on_click=ask_for_link)
    if lecture():
        style("lecture.css")
    progress.end()
    progress.tell(**progress.visit(path if any(path == chapter.slug for chapter in CHAPTERS) else "", lecture=lecture()))
