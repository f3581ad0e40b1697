"""Plotly figures and read-outs, the same way on every page."""

from __future__ import annotations

import time
from collections.abc import Iterable

import plotly.graph_objects as go
import streamlit as st

HEAD_START = 0.12  # seconds in which the browser draws the stage before figures keep it busy


def below_the_stage() -> None:
    """Call once between the stage and the figures under it: drawing a Plotly figure would hold up the player's first frame."""
    time.sleep(HEAD_START)


def figure(drawn: go.Figure, *, key: str, alt: str) -> None:
    """Show a figure of `core.figures`; a changed one keeps its place. alt: one sentence for readers who do not see it."""
    st.plotly_chart(drawn, key=key, theme=None, alt=alt, config={"displayModeBar": False, "scrollZoom": False})


def readings(rows: Iterable[tuple[str, str]]) -> None:
    """Names and values, one a line; the value carries its unit."""
    st.html("<dl class='readings'>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows) + "</dl>")
