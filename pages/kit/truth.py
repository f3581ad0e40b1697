"""The truth meter: how far this sample is from the exact answer, and how far an exact sampler would be."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable

import streamlit as st

from core.figures.theme import typeset
from core.numerics.distances import Truth
from pages.kit.figure import readings


def _words(text: str) -> str:
    """`text` for the page, x_T with its index below the line, p^γ and p^(1/kT) with their powers above, numbers as print has them."""
    raised = re.sub(r"\^(\w|\([^)]*\))", lambda found: f"<sup>{found[1].strip('()')}</sup>", html.escape(text))
    return typeset(re.sub(r"\b([A-Za-z])_(\w)\b", r"\1<sub>\2</sub>", raised))


def truth_meter(truth: Truth, *, note: str = "") -> None:
    """Distance, finite-sample floor and a verdict in words, on one logarithmic bar from floor/10 to 1,000 floors.

    The green band ends at the limit that LEVEL of exact samples keep; the verdict says so.
    note: a sentence on what the distance is measured between.
    """
    exact, scale = truth.floor, max(truth.floor.mean, 1e-12)

    def place(value: float) -> float:
        return min(max((math.log10(max(value, 1e-15) / scale) + 1) / 4, 0.0), 1.0) * 100

    low, high = place(max(exact.mean - 2 * exact.std, 1e-15)), place(exact.limit)
    at = place(truth.value)
    unit = f" {truth.unit}" if truth.unit else ""
    value = f"{truth.value:.3g}"
    label = f"{truth.name}: {value}{unit}. {truth.verdict}"
    st.html(
        f"""<div class="truth" role="img" aria-label="{html.escape(label)}">
        <div class="truth-head"><span class="truth-name"><span>Truth meter · </span>{_words(truth.name)}</span>
        <span class="truth-value" data-value="{value}" data-testid="truth-value">{typeset(value)}{unit}</span></div>
        <div class="truth-bar"><div class="truth-floor" style="left:{low:.1f}%;width:{max(high - low, 1.5):.1f}%"></div>
        <div class="truth-mark" style="left:{at:.1f}%"></div></div>
        <div class="truth-scale"><span style="left:25%">exact</span><span style="left:50%">10×</span><span style="left:75%">100×</span>
        <span style="left:100%">1000×</span></div>
        <div class="truth-words"><b>{_words(truth.verdict)}</b> {_words(note)}</div></div>"""
    )


def meter_beside(truth: Truth, rows: Iterable[tuple[str, str]], *, note: str = "", widths: tuple[float, float] = (1, 1)) -> None:
    """The meter on the left, read-outs on the right; one below the other on a narrow screen."""
    left, right = st.columns(widths)
    with left:
        truth_meter(truth, note=note)
    with right:
        readings(rows)
