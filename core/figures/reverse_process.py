"""Figures of the reverse-process chapter: error against work, likelihoods, schedules."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import torch

from core.figures.theme import LIGHT, Palette, floor_band, styled
from core.learning.reverse_process import METHODS, ErrorCurves, Likelihoods
from core.numerics.schedules import Schedule

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "4px 2px", "2px 4px")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "pentagon")


def error_figure(curves: ErrorCurves, *, chosen: str | None = None, versus: str | None = None, palette: Palette = LIGHT) -> go.Figure:
    """Distance to the exact law against score evaluations, log-log, over the band that exact samples score in.

    chosen, versus: the methods on the stage, drawn thick in the sample's and the accent colour; the others are thin. Blown-up runs
    (infinite distance) leave a gap.
    """
    figure = go.Figure()
    everything = sorted({n for evaluations in curves.evaluations.values() for n in evaluations})
    ends = [everything[0], everything[-1]]
    floor_band(figure, curves.floor, ends, name=f"exact sampler, {curves.n_particles:,} particles", palette=palette)
    figure.add_scatter(
        x=ends,
        y=[curves.floor.mean] * 2,
        mode="lines",
        line=dict(color=palette.exact, width=1.5),
        showlegend=False,
        hovertemplate="floor %{y:.3f}<extra></extra>",
    )
    for i, (name, values) in enumerate(curves.distances.items()):
        colour = {chosen: palette.sample, versus: palette.accent}.get(name, palette.muted)
        staged = name in (chosen, versus)
        y = [v if math.isfinite(v) else None for v in values]
        figure.add_scatter(
            x=curves.evaluations[name],
            y=y,
            mode="lines+markers",
            name=METHODS[name].label,
            connectgaps=False,
            line=dict(color=colour, width=3 if staged else 1.2, dash=DASHES[i % len(DASHES)]),
            marker=dict(symbol=SYMBOLS[i % len(SYMBOLS)], size=9 if staged else 5),
            hovertemplate="%{x} evaluations: %{y:.3f}<extra>" + METHODS[name].label + "</extra>",
        )
    styled(figure, palette, x_title="score evaluations per sample", y_title="distance to the exact law (units of x)", height=520)
    figure.update_xaxes(type="log", tickvals=everything)
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    return figure


def likelihood_figure(result: Likelihoods, *, palette: Palette = LIGHT) -> go.Figure:
    """Log-density from the probability-flow ODE against the exact one, with the line on which they agree."""
    exact, ode = result.exact.numpy(), result.from_ode.numpy()
    low, high = float(min(exact.min(), ode.min())), float(max(exact.max(), ode.max()))
    figure = go.Figure()
    figure.add_scatter(x=[low, high], y=[low, high], mode="lines", line=dict(color=palette.exact, width=2), name="equal", hoverinfo="skip")
    figure.add_scatter(
        x=exact,
        y=ode,
        mode="markers",
        marker=dict(color=palette.sample, size=6, opacity=0.7),
        name=f"ODE, r.m.s. difference {result.rms_error:.2g} nats",
        hovertemplate="exact %{x:.2f}, ODE %{y:.2f}<extra></extra>",
    )
    return styled(figure, palette, x_title="exact log p (nats)", y_title="log p from the ODE (nats)", height=520)


CURVES = {
    "alpha_bar": ("ᾱ(t) = α²", False),
    "sigma": ("σ(t), units of x", True),
    "beta": ("noise rate β(t)", True),
    "log_snr": ("log signal-to-noise α²/σ²", False),
    "noise_ratio": ("noise level σ/α", True),
}


def schedule_figure(
    schedules: dict[str, Schedule],
    *,
    quantity: str = "log_snr",
    chosen: str | None = None,
    marks: Sequence[float] | torch.Tensor = (),
    palette: Palette = LIGHT,
) -> go.Figure:
    """One curve per schedule of `quantity` (a key of CURVES) over t in (0, 1].

    chosen: drawn thick; marks: times of the sampler's steps, dots on the chosen curve. KeyError for a quantity
    that is not in CURVES.
    """
    title, logarithmic = CURVES[quantity]
    t = torch.linspace(1e-3, 1, 201, dtype=torch.float64)
    figure = go.Figure()
    for i, (name, schedule) in enumerate(schedules.items()):
        colour = palette.noise if name == chosen or chosen is None else palette.muted
        figure.add_scatter(
            x=t.numpy(),
            y=getattr(schedule, quantity)(t).numpy(),
            mode="lines",
            name=name,
            line=dict(color=colour, width=3.5 if name == chosen else 1.5, dash=DASHES[i % len(DASHES)]),
            hovertemplate="t = %{x:.2f}: %{y:.3g}<extra>" + name + "</extra>",
        )
    if chosen in schedules and len(marks):
        at = np.asarray(marks, dtype=float)
        values = getattr(schedules[chosen], quantity)(torch.as_tensor(at))
        figure.add_scatter(
            x=at, y=values.numpy(), mode="markers", name="steps", hoverinfo="skip", marker=dict(color=palette.sample, size=6)
        )
    styled(figure, palette, x_title="time t (0 data, 1 noise)", y_title=title)
    if logarithmic:
        figure.update_yaxes(type="log", exponentformat="power")
    return figure
