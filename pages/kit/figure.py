"""Plotly figures and read-outs, the same way on every page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from itertools import accumulate, pairwise
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from core.figures.theme import enlarged, typeset
from pages.kit import controls, shell
from pages.kit.figure_cache import FigureCache, frozen

DASHES = {"solid": (1,), "dot": (1, 1), "dash": (3, 3), "longdash": (5, 5), "dashdot": (3, 1, 1, 1), "longdashdot": (5, 2, 1, 2)}
_FINISHED = FigureCache()


def figure(draw: Callable[[], go.Figure], *, key: str, alt: str, see: str, of: Any = ..., crowded: bool = False) -> None:
    """Show a figure of `core.figures`; a changed one keeps its place. alt: one sentence for readers who do not see it.

    see: what there is to see, one plain sentence or two under the figure, true at every setting; lecture mode hides it.

    draw: called only if nobody has seen this figure yet; what is computed for the figure alone belongs into it.
    of: what the figure depends on, in whole: values with a hash, dicts and lists of such. By default these are the values of the chapter's
    controls; give it where the figure depends on anything else, such as a trained network, an uploaded file or weights that can be missing.
    crowded: on a narrow screen it keeps the width that its words need, and scrolls sideways by itself.
    """
    projected, chapter = shell.projected(), st.session_state["_chapter"]
    of = controls.in_force(chapter) if of is ... else of
    shown = _FINISHED.get(
        (chapter, key, shell.palette(), projected, frozen(of), draw.__code__), lambda: enlarged(draw()) if projected else draw()
    )
    with st.container(key=f"crowded_{key}") if crowded else nullcontext():
        st.plotly_chart(shown, key=key, theme=None, alt=alt, config={"displayModeBar": False, "scrollZoom": False})
    with st.container(key=f"see_{key}"):
        st.caption(see)


def line_key(entries: Iterable[tuple[str, str, str, float]]) -> None:
    """One key to several figures. entries: (name, colour, dash as Plotly calls it, width)."""

    def drawn(colour: str, dash: str, width: float) -> str:
        ends = [0.0, *(end * max(width, 3) for end in accumulate(DASHES[dash]))]
        stops = ", ".join(f"{(colour, 'transparent')[k % 2]} {a:g}px {b:g}px" for k, (a, b) in enumerate(pairwise(ends)))
        return f"<i style='height:{width:g}px;background:repeating-linear-gradient(90deg, {stops})'></i>"

    st.html("<div class='line-key'>" + "".join(f"<span>{drawn(*line)}{name}</span>" for name, *line in entries) + "</div>")


def side_by_side(*plots: tuple[str, Callable[[], go.Figure], str, str, str], of: Any = ..., widths: Sequence[float] | None = None) -> None:
    """Figures in one row, below each other on a narrow screen. Each: (heading, draw, key, alt, see); an empty heading takes no place.

    draw, see, of: as for `figure`.
    """
    for column, (heading, draw, key, alt, see) in zip(st.columns(widths or len(plots)), plots, strict=True):
        with column:
            if heading:
                st.markdown(f"##### {heading}")
            figure(draw, key=key, alt=alt, see=see, of=of)


def folded(label: str, draw: Callable[[], None], *, key: str) -> None:
    """What `draw` shows, behind a fold: computed when it is opened, and not before."""
    with st.expander(label, key=f"fold_{key}", on_change="rerun") as fold:
        if fold.open:
            draw()


def readings(rows: Iterable[tuple[str, str]]) -> None:
    """Names and values, one a line; the value carries its unit."""
    st.html("<dl class='readings'>" + "".join(f"<div><dt>{name}</dt><dd>{typeset(value)}</dd></div>" for name, value in rows) + "</dl>")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, marked: str | None = None, words: bool = False) -> None:
    """A table that scrolls sideways by itself on a narrow screen. marked: first cell of the row to stress.

    words: its cells are words as often as numbers: they begin at the left, and a long one breaks.
    """
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(
        f"<tr{' class=marked' if row[0] == marked else ''}>" + "".join(f"<td>{typeset(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    st.html(f"<div class='wide'><table class='compared{' words' * words}'><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>")
