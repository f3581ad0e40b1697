"""A periodic table to click: which elements a crystal may be made of."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

import streamlit as st

from core.structures.crystal import symbol
from core.structures.elements import MAX_NUMBER
from core.structures.formula import FormulaError, parse_elements
from pages.kit.controls import choose

NOBLE = (2, 10, 18, 36, 54, 86)  # the last element of each period


def place(z: int) -> tuple[int, int]:
    """(row, column) of an element in the long form, from 1; lanthanides and actinides in rows 9 and 10, under a gap."""
    period = next((k for k, last in enumerate(NOBLE, start=1) if z <= last), 7)
    first = (0, *NOBLE)[period - 1]
    k = z - first  # place in its period, from 1
    size = (2, 8, 8, 18, 18, 32, 32)[period - 1]
    if size == 32 and 3 <= k <= 17:
        return period + 3, k
    column = k if k <= (1 if size == 2 else 2) else 18 - (size - k)
    return period, column


def _style(known: Collection[int]) -> str:
    """Each button in its place; the table scrolls sideways by itself where it is too narrow."""
    button = ".st-key-periodic_table [role=toolbar] button"
    places = "".join(
        f"{button}:nth-of-type({z}) {{ grid-area: {row} / {column}; {'' if z in known else 'opacity: 0.3;'} }}"
        for z in range(1, MAX_NUMBER + 1)
        for row, column in [place(z)]
    )
    return (
        "<style>.st-key-periodic_table [role=toolbar] { display: grid; gap: 2px; overflow-x: auto; padding: 2px;"
        " grid-template-columns: repeat(18, minmax(var(--cell), 1fr)); --cell: 1.9rem;"
        " grid-template-rows: repeat(7, var(--cell)) 0.5rem repeat(2, var(--cell)); }"
        "@media (pointer: coarse) { .st-key-periodic_table [role=toolbar] { --cell: 2.75rem; } }"
        f"{button} {{ padding: 0; min-width: 0; height: 100%; border-radius: 4px; justify-content: center; }}{places}</style>"
    )


def periodic_table(key: str, known: Collection[int]) -> None:
    """A click allows an element or forbids it again; the text control `key` ("Li, Mn, O", empty: all) is written anew.

    known: elements that the model has seen; the others cannot be chosen.
    """
    text, symbols = st.session_state.get(key) or "", [symbol(z) for z in range(1, MAX_NUMBER + 1)]
    allowed: tuple[int, ...] = ()
    with contextlib.suppress(FormulaError):  # said where the text is read
        allowed = parse_elements(text, known) if text.strip() else ()
    st.session_state["periodic_table"] = [symbol(z) for z in allowed]

    def clicked() -> None:
        chosen = [name for name in st.session_state["periodic_table"] if symbols.index(name) + 1 in known]
        choose({key: ", ".join(sorted(chosen, key=symbols.index))})

    st.html(_style(known))
    st.pills(
        "Elements allowed (none chosen: all)",
        symbols,
        selection_mode="multi",
        key="periodic_table",
        on_change=clicked,
        help="An element that the model has never seen cannot be chosen.",
    )
