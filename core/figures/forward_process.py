"""Figures of the forward-process chapter: schedules, their one path, where steps are too long, what too little noise costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from core.figures.theme import LIGHT, Palette, band, rgba, small, styled
from core.learning.forward_process import CLOCKS, Chain, Collapse, Price, chain_moments, clock
from core.numerics.trajectory import Trajectory

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


class Line(TypedDict):
    """How Plotly draws a curve."""

    color: str
    width: float
    dash: str


def _lines(chosen: str, palette: Palette) -> Iterator[tuple[str, Line]]:
    """(name, line) of every clock: the chosen one thick and last, so that it lies on top."""
    for i, name in sorted(enumerate(CLOCKS), key=lambda pair: pair[1] == chosen):
        here = name == chosen
        yield name, Line(color=palette.noise if not here else palette.accent, width=3.2 if here else 1.4, dash=DASHES[i])


def clock_key(chosen: str, *, palette: Palette = LIGHT) -> list[tuple[str, str, str, float]]:
    """(name, colour, dash, width) of every clock's line, for one key to several figures."""
    lines = dict(_lines(chosen, palette))
    return [(name, lines[name]["color"], lines[name]["dash"], lines[name]["width"]) for name in CLOCKS]


def what_to_see(variant: str) -> dict[str, str]:
    """What the figures of `schedule_figures` are of -> what there is to see in `variant`."""
    return {
        "signal": "Nothing is taken from the signal: α stays 1." if variant == "VE" else "The signal is lost, at six speeds.",
        "noise": "The noise grows from next to nothing, at six speeds.",
        "log signal-to-noise ratio": "At every moment noise gains on the signal: all six only fall.",
    }


def schedule_figures(chosen: str, variant: str, *, t_end: float = 1.0, palette: Palette = LIGHT) -> list[go.Figure]:
    """alpha, sigma and log-SNR against t for every clock in `variant`, a figure each; t_end is marked when it is not 1."""
    t = torch.linspace(1e-3, 1, 241, dtype=torch.float64)
    drawn = []
    for title, quantity in (("signal α(t)", "alpha"), ("noise σ(t)", "sigma"), ("signal to noise, ln α²/σ²", "log_snr")):
        figure = go.Figure()
        for name, line in _lines(chosen, palette):
            figure.add_scatter(
                x=t.numpy(),
                y=getattr(clock(name, variant), quantity)(t).numpy(),
                mode="lines",
                name=name,
                line=line,
                hovertemplate="t = %{x:.2f}: %{y:.3g}<extra>" + name + "</extra>",
            )
        styled(figure, palette, x_title="time t", y_title=title, height=300).update_layout(showlegend=False)
        if t_end < 1:
            figure.add_vline(x=t_end, line=dict(color=palette.sample, width=1.5))
        drawn.append(figure)
    if variant == "VE":
        drawn[1].update_yaxes(type="log", exponentformat="power")
        drawn[0].update_yaxes(range=[0, 1.1])
    drawn[2].update_yaxes(range=[-18, 12])
    return drawn


def collapse_figures(result: Collapse, chosen: str, variant: str, *, palette: Palette = LIGHT) -> list[go.Figure]:
    """Relative entropy to the Gaussian: against t a bundle of curves, against log-SNR one curve, with the largest deviation."""
    drawn: list[go.Figure] = []
    for x, curves, title in (
        (result.times, result.in_time, "time t"),
        (result.log_snr, result.on_path, f"signal to noise, ln α²/σ² ({variant})"),
    ):
        figure = go.Figure()
        for i, (name, line) in enumerate(_lines(chosen, palette)):
            figure.add_scatter(
                x=x.numpy(),
                y=curves[name].numpy(),
                mode="lines",
                name=name,
                line=line,
                hovertemplate="%{x:.2f}: %{y:.3g} nats<extra>" + name + "</extra>",
            )
            if drawn:
                look = dict(color=line["color"], symbol=SYMBOLS[i], size=9, line=dict(color=palette.background, width=1))
                figure.add_scatter(
                    x=x[i :: len(CLOCKS)].numpy(),
                    y=curves[name][i :: len(CLOCKS)].numpy(),
                    mode="markers",
                    marker=look,
                    name=name,
                    hovertemplate="%{x:.2f}: %{y:.3g} nats<extra>" + name + "</extra>",
                )
        styled(figure, palette, x_title=title, y_title="relative entropy to the Gaussian (nats)", height=340)
        figure.update_yaxes(type="log", range=[-5, 0], dtick=1, exponentformat="power")
        figure.update_layout(showlegend=False)
        drawn.append(figure)
    drawn[1].update_xaxes(autorange="reversed")
    drawn[1].add_annotation(
        x=0.99,
        y=0.97,
        xref="paper",
        yref="paper",
        xanchor="right",
        yanchor="top",
        showarrow=False,
        align="right",
        text=f"largest deviation between any two clocks:<br>{small(result.deviation)} of the curve's height,<br>"
        f"{small(result.density_deviation)} of the density's",
    )
    return drawn


def stiffness_figure(chosen: str, variant: str, *, t_end: float = 1.0, n_steps: int = 100, palette: Palette = LIGHT) -> go.Figure:
    """Above, what one step takes away of x, by Euler and by the exact transition; below, Euler's noise variance over the exact one."""
    chain = chain_moments(schedule=chosen, variant=variant, t_end=t_end, n_steps=n_steps)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    start = chain.times[:-1].numpy()
    look = dict(mode="lines+markers" if n_steps <= 50 else "lines")
    figure.add_scatter(x=start, y=chain.erased.numpy(), name="Euler: −f Δt", line=dict(color=palette.sample, width=2.5), **look)
    figure.add_scatter(
        x=start, y=chain.beta.numpy(), name="DDPM: β of the step", **look, line=dict(color=palette.accent, width=2, dash="dash")
    )
    for level, words in ((1, "everything in one step"), (2, "unstable")):
        figure.add_hline(
            y=level,
            line=dict(color=palette.force, width=1.2, dash="dot"),
            row=1,
            col=1,
            annotation_text=words,
            annotation_position="top left",
            annotation_font_color=palette.force,
        )
    ratio = chain.variance[1:] / chain.sigma2[1:].clamp_min(1e-300)
    figure.add_scatter(
        x=chain.times[1:].numpy(),
        y=ratio.numpy(),
        name="noise variance, Euler / exact",
        row=2,
        col=1,
        line=dict(color=palette.sample, width=2.5),
        showlegend=False,
        **look,
    )
    figure.add_hline(y=1, line=dict(color=palette.exact, width=2), row=2, col=1)
    styled(figure, palette, x_title="", y_title="", height=420)
    figure.update_yaxes(title_text="share erased", range=[0, max(2.3, min(float(chain.erased.max()) * 1.1, 20))], row=1, col=1)
    figure.update_yaxes(title_text="variance ratio", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(title_text="time t", row=2, col=1)
    figure.add_annotation(
        x=0.02,
        y=0.02,
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="bottom",
        showarrow=False,
        text=f"noise variance, Euler / exact: {float(ratio[-1]):.4g} at the end",
        bgcolor=rgba(palette.background, 0.8),
    )
    return figure


def price_figure(price: Price, *, t_end: float = 1.0, palette: Palette = LIGHT) -> go.Figure:
    """Against the end of the forward run: how far x_T is from the Gaussian, and how far the way back then lands from the data."""
    x = price.t_end.numpy()
    low, high = max(0.0, price.floor.mean - 2 * price.floor.std), price.floor.mean + 2 * price.floor.std
    figure = go.Figure()
    band(figure, x[[0, -1]], low, high, colour=palette.exact, name=f"exact draws, {price.n:,} (± 2 s.d.)")
    curves = (
        (price.gap, "x<sub>T</sub> to the Gaussian", palette.noise, "dash"),
        (price.back, "way back to the data", palette.sample, "solid"),
        (price.drift, "drift of its mean", palette.accent, "dot"),
    )
    for y, name, colour, dash in curves:
        figure.add_scatter(x=x, y=y.numpy(), mode="lines+markers", name=name, line=dict(color=colour, width=2.5, dash=dash))
    figure.add_vline(x=t_end, line=dict(color=palette.muted, width=1.2))
    styled(figure, palette, x_title="forward run stopped at t", y_title="distance (units of x)", height=400)
    figure.update_yaxes(rangemode="tozero")
    return figure


def readings(chain: Chain, variant: str) -> list[tuple[str, str]]:
    """(quantity, value) of the last state, stepped and exact."""
    kept, alpha = float(chain.kept[-1]), float(chain.alpha[-1])
    kept = 0.0 if abs(kept) < 1e-12 else kept  # a step that erases everything leaves round-off
    return [
        ("Signal left α, exact", f"{alpha:.3g}"),
        ("Signal left, Euler", f"{kept:.3g}"),
        ("Noise variance σ², exact", f"{float(chain.sigma2[-1]):.4g}"),
        ("Noise variance, Euler", f"{float(chain.variance[-1]):.4g}"),
        ("Largest share erased by one Euler step", f"{float(chain.erased.max()):.3g}" if variant != "VE" else "0"),
        ("1/√(1−β) of the last exact step", f"{float((1 - chain.beta[-1]).clamp_min(1e-300) ** -0.5):.3g}"),
    ]


def final_figure(stepped: Trajectory, jumped: Trajectory, *, palette: Palette = LIGHT) -> go.Figure:
    """Histograms of the first coordinate at the end, stepped and jumped, over N(0, 1); for the exported script."""
    figure = go.Figure()
    edges = np.linspace(-4, 4, 61)
    for run, name, colour in ((stepped, "stepped", palette.sample), (jumped, "jumped", palette.data)):
        counts, _ = np.histogram(run.final[:, 0].numpy(), bins=edges)
        figure.add_bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=counts / run.n_particles / np.diff(edges),
            name=name,
            opacity=0.6,
            marker=dict(color=colour, line_width=0),
        )
    x = np.linspace(-4, 4, 201)
    figure.add_scatter(
        x=x, y=np.exp(-x * x / 2) / np.sqrt(2 * np.pi), mode="lines", name="N(0, 1)", line=dict(color=palette.exact, width=2.5)
    )
    figure.update_layout(bargap=0, barmode="overlay")
    return styled(figure, palette, x_title="x₁ at the end", y_title="density")
