"""Words where the stage will be, while the first picture of a page is computed."""

from __future__ import annotations

import streamlit as st

from pages.kit import shell


def begin() -> None:
    """Say so, unless this page has shown its stage before and has it still."""
    place = st.empty()
    if st.session_state.get("_stage_of") != shell.here():
        st.session_state["_waiting"] = place
        with place.container(key="waiting"):
            st.html("<div role='status'>Computing the first picture …</div>")


def over() -> None:
    """The stage is there, or the page has been drawn without one."""
    st.session_state["_stage_of"] = shell.here()
    if place := st.session_state.pop("_waiting", None):
        place.empty()
