"""The stage of a chapter, and what follows it: parts of a page that are drawn again when a control moves, each a fragment.

A move sends the stage first, then what follows it, and nothing else of the page. What follows is asked for by the control itself, in the
same run: `controls.followed` is the callback of whatever sets the chapter's values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

PLACES = ("equation", "stage", "controls", "caption", "meter")  # in the order in which a screen reader meets them


@dataclass(frozen=True)
class Places:
    """Where the parts of a stage stand; kit.css arranges them for desk, hall and phone."""

    notice: DeltaGenerator
    equation: DeltaGenerator
    stage: DeltaGenerator
    controls: DeltaGenerator
    caption: DeltaGenerator
    meter: DeltaGenerator


def begin() -> None:
    """A chapter is drawn anew: nothing follows its stage yet."""
    st.session_state["_followers"] = []


def places() -> Places:
    """Open the places of a stage, in this order."""
    with st.container(key="n2c_stage_area"):
        return Places(st.empty(), **{name: st.container(key=f"n2c_{name}") for name in PLACES})


def follow(draw: Callable[[], None], *, key: str | None = None) -> None:
    """Call `draw` now and after every move of a control, in the order in which such calls stand on the page. key: its name."""
    followers = st.session_state["_followers"]
    key = key or f"follower_{len(followers)}"
    followers.append(key)

    def drawn() -> None:
        draw()

    st.fragment(drawn, key=key)()
