"""Figures of `guidance`: distance to the tilt, diversity against fidelity, and where the difference comes from."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from core.figures.theme import LIGHT, Palette, band, styled
from core.learning.guidance import PATH, Gap, Quality, Sweep

MOST_NINES = 4.5


def distance_figure(found: Sweep, *, gamma: float, palette: Palette = LIGHT) -> go.Figure:
    """Distance of guided particles to p(x) p(y|x)^gamma over gamma, on the band that exact draws score in; a rule at the gamma in force."""
    low = [max(f.mean - 2 * f.std, 1e-4) for f in found.floors]
    high = [f.mean + 2 * f.std for f in found.floors]
    figure = go.Figure()
    band(figure, found.gammas, low, high, colour=palette.exact, name=f"exact draws, {found.floors[0].n:,} (± 2 s.d.)")
    figure.add_scatter(
        x=found.gammas,
        y=found.distances,
        mode="lines+markers",
        name="guided",
        line=dict(color=palette.sample, width=2.5),
        hovertemplate="γ = %{x:g}: %{y:.3f}<extra></extra>",
    )
    figure.add_vline(x=gamma, line=dict(color=palette.accent, dash="dot", width=1.5))
    return styled(figure, palette, x_title="guidance scale γ", y_title="distance to the promise (units of x)")


def tradeoff_figure(found: Sweep, *, palette: Palette = LIGHT) -> go.Figure:
    """Diversity against fidelity, one point per gamma: guided particles, and the tilted density itself.

    Fidelity is drawn by the number of its nines, -log10(1 - fidelity), held at MOST_NINES.
    """

    def nines(q: Quality) -> float:
        return min(-math.log10(max(1 - q.fidelity, 1e-300)), MOST_NINES)

    figure = go.Figure()
    for name, row, colour, dash in (
        ("promised density, exact", found.tilted, palette.exact, "dash"),
        ("guided", found.guided, palette.sample, "solid"),
    ):
        shown = [f"{g:g}" if name == "guided" and g in (0, 1, 3, 10) else "" for g in found.gammas]
        figure.add_scatter(
            x=[nines(q) for q in row],
            y=[q.diversity for q in row],
            mode="lines+markers+text",
            name=name,
            text=shown,
            textposition="top right",
            line=dict(color=colour, width=2.5, dash=dash),
            customdata=[(g, q.fidelity) for g, q in zip(found.gammas, row, strict=True)],
            hovertemplate="γ = %{customdata[0]:g}: p(y|x) %{customdata[1]:.5f}, spread %{y:.2f}<extra>" + name + "</extra>",
        )
    everything = found.guided + found.tilted
    styled(figure, palette, x_title="fidelity: mean p(y|x)", y_title="diversity: spread (of the class = 1)")
    left, right = (end(map(nines, everything)) for end in (min, max))
    levels = (*(() if right - left > 2 else (0.2,)), 0.5, 0.9, 0.99, 0.999, 0.9999)
    figure.update_xaxes(
        tickvals=[-math.log10(1 - level) for level in levels],
        ticktext=[f"{level:g}" for level in levels],
        tickangle=0,
        range=[left - 0.04 * (right - left), right + 0.08 * (right - left)],
    )
    figure.update_yaxes(range=[0, 1.15 * max(q.diversity for q in everything)])
    return figure


def gap_figure(found: Gap, *, guide: str, palette: Palette = LIGHT) -> go.Figure:
    """The walked field less the score of the promised density with noise, over t, and the term that the guided density misses."""
    figure, ratio = go.Figure(), PATH.noise_ratio(found.t).numpy()
    rows = [("guided arrows − arrows that keep the promise", found.gap, palette.sample, "solid", 3)]
    if guide not in ("exact",):
        rows.append(("the same, exact scores", found.exact_gap, palette.muted, "dot", 2))
    rows.append(("missing term γ(γ−1)/2 · |σ ∇log pₜ(y|x)|²", found.source, palette.force, "dash", 2))
    for name, values, colour, dash, width in rows:
        figure.add_scatter(
            x=ratio,
            y=values.numpy(),
            mode="lines",
            name=name,
            line=dict(color=colour, dash=dash, width=width),
            hovertemplate="%{y:.3f}<extra>" + name + "</extra>",
        )
    times = [0.01, 0.03, 0.1, 0.3, 1.0]
    styled(figure, palette, x_title="time t (0 data, 1 noise)", y_title="r.m.s. (units of 1/σ)")
    figure.update_xaxes(type="log", tickvals=[PATH.noise_ratio(t) for t in times], ticktext=[f"{t:g}" for t in times])
    top = max(float(found.gap.max()), float(found.source.abs().max()), 0.1)
    figure.update_yaxes(range=[min(1.1 * float(np.minimum(found.source.numpy(), 0).min()), -0.02 * top), 1.08 * top])
    return figure
