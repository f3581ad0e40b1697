"""The live equation: the values in force are substituted, the term that moved last is marked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Template

import streamlit as st

from core.figures.theme import Palette


def number(value: float, digits: int = 3) -> str:
    r"""A number as LaTeX: 1.5, 200, 2.5\times10^{-7}."""
    text = f"{value:.{digits}g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        return rf"{mantissa}\times10^{{{int(exponent)}}}"
    return text


def reverse_drift(noisy: bool, sign: float = 1.0) -> str:
    r"""Sign and share of the score in a reverse process: - with noise, -\tfrac12 for the probability flow, + against the score."""
    return ("-" if sign > 0 else "+") + ("" if noisy else r"\tfrac12")


def reverse_noise(noisy: bool, temperature: float) -> str:
    r"""The noise term of a reverse process, `+ \sqrt{\tau}\,g\,dB` with the temperature in force; a word if there is none."""
    colder = "" if temperature == 1 else rf"\sqrt{{{number(temperature)}}}\;"
    return rf"+\,{colder}g\,\mathrm{{d}}\bar B" if noisy else r"\quad\text{(no noise)}"


def motion(method: str, temperature: float, anti_annealing: float) -> str:
    r"""dF of a crystal sampler, backward in time: along the velocity of a flow, or along the score of a diffusion."""
    if method == "flow":
        faster = rf"\left(1 + {number(anti_annealing)}\,(1-t)\right)" if anti_annealing else ""
        return rf"{faster}\,u_\theta(F, L, t)\,\mathrm{{d}}t"
    noisy = method != "ddim"
    return (
        rf"{reverse_drift(noisy)}\,\frac{{\mathrm{{d}}\sigma^2}}{{\mathrm{{d}}t}}\, s_\theta(F, L, t)\,\mathrm{{d}}t"
        rf" {reverse_noise(noisy, temperature)}"
    )


def cell_content(asked: str | int) -> str:
    r"""A formula as given, or a number of atoms whose species are open."""
    if isinstance(asked, int):
        return rf"\text{{{asked} atoms to be decided}}"
    return rf"\text{{{''.join(c for c in asked if c.isalnum() or c in ' ()')} (given)}}"


def substitute(template: str, terms: Mapping[str, str], moved: str | None, palette: Palette) -> str:
    """Fill `${name}` places of a LaTeX template.

    terms: name -> LaTeX of the value. moved: name to mark with the accent colour and a box.
    Raises KeyError when the template names a term that is not given.
    """

    def dressed(name, value):
        if name == moved:
            return rf"\boxed{{\textcolor{{{palette.accent}}}{{{value}}}}}"
        return rf"\textcolor{{{palette.data}}}{{{value}}}"

    return Template(template).substitute({name: dressed(name, value) for name, value in terms.items()})


def kept_together(line: str, room: int = 16) -> str:
    r"""Let a line that is too long for a narrow screen end at a \qquad, and not inside a short piece after one, such as `kT = 1`."""
    first, *others = line.split(r"\qquad")

    def piece(latex: str) -> str:
        seen = re.sub(r"\\textcolor\{[^}]*\}|\\(boxed|mathrm|text)\b|[{}_^\s]|\\[,;!]", "", latex)
        short = len(re.sub(r"\\[A-Za-z]+", "x", seen)) <= room and latex.count("{") == latex.count("}")
        return f"{{{latex.strip()}}}" if short and "&" not in latex else latex

    return r"\qquad\allowbreak ".join([first, *map(piece, others)])


def equation(template: str, terms: Mapping[str, str], moved: str | None, palette: Palette) -> None:
    """Draw the template with its values; blank lines separate displayed equations."""
    with st.container(key="equation"):
        for block in filter(None, (part.strip() for part in template.split("\n\n"))):
            st.latex(kept_together(substitute(block, terms, moved, palette)))
