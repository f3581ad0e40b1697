r"""The equation of a chapter: lines of symbols that no setting changes but the form, and beneath them the values in force.

What moved last is coloured where it stands, in the lines and in the values; colour takes no room, so nothing jumps. KaTeX gets the
name of a colour (`equations.MOVED`), by which kit.css finds the place and gives it the accent of the theme.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import streamlit as st

from core import equations, glossary
from core.equations import Equation
from core.glossary import Symbol
from pages.kit.controls import Control


def number(value: float, digits: int = 3) -> str:
    r"""A number as LaTeX: 1.5, 200, 2.5\times10^{-7}."""
    text = f"{value:.{digits}g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        return rf"{mantissa}\times10^{{{int(exponent)}}}"
    return text


def cell_content(asked: str | int) -> str:
    r"""A formula as given, or a number of atoms whose species are open."""
    if isinstance(asked, int):
        return rf"\text{{{asked} atoms}}"
    return rf"\text{{{''.join(c for c in asked if c.isalnum() or c in ' ()')}}}"


def kept_together(line: str, room: int = 16) -> str:
    r"""Let a line that is too long for a narrow screen end at a \qquad, and not inside a short piece after one, such as `kT = 1`."""
    first, *others = line.split(r"\qquad")

    def piece(latex: str) -> str:
        seen = re.sub(r"\\textcolor\{[^}]*\}|\\(boxed|mathrm|text)\b|[{}_^\s]|\\[,;!]", "", latex)
        short = len(re.sub(r"\\[A-Za-z]+", "x", seen)) <= room and latex.count("{") == latex.count("}")
        return f"{{{latex.strip()}}}" if short and "&" not in latex else latex

    return r"\qquad\allowbreak ".join([first, *map(piece, others)])


def named_in(values: Mapping[str, str], lines: Iterable[str], known: Sequence[str]) -> list[str]:
    """What stands left of the sign in the values in force: the names whose symbols stand in the lines."""
    seen = {symbol for line in lines for symbol in equations.symbols(line, known)}
    return [name for name in values if seen.issuperset(equations.symbols(name, known))]


def in_force(values: Mapping[str, str], lines: Iterable[str], known: Sequence[str], moved: Iterable[str]) -> list[str]:
    r"""`symbol = value` of every value whose symbols stand in the lines, what moved coloured.

    values: what stands left of the sign (a symbol, or something made of symbols, such as `\sigma^2 t`) -> LaTeX of the value.
    """
    moved = set(moved)
    shown = []
    for name in named_in(values, lines, known):
        whole = f"{name} = {values[name]}"
        coloured = rf"\textcolor{{{equations.MOVED}}}{{{whole}}}" if name in moved else None
        shown.append(coloured or f"{equations.marked(name, known, moved)} = {values[name]}")
    return shown


def terms(written: Equation, known: Mapping[str, Symbol], names: Sequence[str], declared: Iterable[Control]) -> str:
    """What assets/kit/terms.js must know, as an element that is not shown.

    That is the symbols of each value in force and of each line of the legend, and for each symbol the parts of the stage and the keys
    of the controls that belong to it. names: what stands left of the sign in the values in force.
    """
    symbols = tuple(written.symbols(tuple(known)))
    controls: dict[str, list[str]] = {}
    for control in declared:
        for term in control.terms:
            if term in symbols:
                controls.setdefault(term, []).append(control.key)
    told = {
        "values": [equations.symbols(name, tuple(known)) for name in names],
        "legend": symbols,
        "stage": {symbol: known[symbol].stage for symbol in symbols if known[symbol].stage},
        "controls": controls,
    }
    return f"<span class='n2c-terms' data-terms='{html.escape(json.dumps(told, separators=(',', ':')))}'></span>"


@lru_cache(maxsize=64)
def legend(slug: str, symbols: tuple[str, ...], modified: float) -> str:
    """Markdown: one line for each symbol of a chapter. modified: when the glossary was last written."""
    known = glossary.of(slug)
    lines = [f"- ${latex}$ — **{known[latex].name}**: {known[latex].meaning} *({known[latex].unit})*" for latex in symbols]
    return "\n".join([*lines, "", "[All symbols of all chapters](symbols)"])


def values_in_force(
    written: Equation, known: Sequence[str], values: Mapping[str, str], chosen: Mapping[str, str] | str, moved: Iterable[str]
) -> list[str]:
    """What stands under the lines of the equation; arguments as for `equation`."""
    chosen = dict.fromkeys(written.forms, chosen) if isinstance(chosen, str) else chosen
    return in_force(values, written.written(chosen, known, frozenset(moved)), known, moved)


def equation(
    slug: str,
    written: Equation,
    values: Mapping[str, str],
    chosen: Mapping[str, str] | str,
    moved: Iterable[str],
    declared: Iterable[Control] = (),
) -> None:
    """Draw the lines, the values in force and the folded legend.

    chosen: place -> choice, for the forms; one word where it is the choice in every place. moved: symbols, or places.
    declared: the controls, whose symbols light up with them.
    """
    meanings, moved = glossary.of(slug), frozenset(moved)
    known = tuple(meanings)
    if isinstance(chosen, str):
        chosen = dict.fromkeys(written.forms, chosen)
    lines = written.written(chosen, known, moved)
    with st.container(key="n2c_lines"):
        for line in lines:
            st.latex(kept_together(line))
    with st.container(key="n2c_values"):
        st.markdown(" ".join(f"${value}$" for value in in_force(values, lines, known, moved)))
    st.html(terms(written, meanings, named_in(values, lines, known), declared))
    with st.container(key="prose_symbols"), st.expander("What the symbols mean"):
        st.markdown(legend(slug, tuple(written.symbols(known)), glossary.PATH.stat().st_mtime))
