"""Figures of the symmetry chapter: who keeps what, the error along a path, the poses, the centres."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor

from core.crystals.equivariance import MOVES
from core.figures.theme import LIGHT, Palette, rgba, small, styled
from core.numerics.rigid_molecule import centres, drift_exact, orientations
from core.numerics.trajectory import Trajectory

KEPT = 1e-5  # the project's symmetry tolerance: what float32 leaves of an exact symmetry, with room


def table_figure(errors: dict[str, dict[str, Tensor]], chosen: str, *, palette: Palette = LIGHT) -> go.Figure:
    """Largest relative error of each network (column) under each kind of description (row); the chosen one is marked."""
    names, moves = list(errors), list(MOVES)[::-1]
    worst = np.array([[float(errors[name][move].max()) for name in names] for move in moves])
    shade = np.where(worst <= KEPT, 0.0, np.clip(0.55 + 0.2 * np.log10(np.maximum(worst, 1e-9)), 0.3, 1.0) * 0.5 + 0.5)
    scale = [
        [0, rgba(palette.exact, 0.28)],
        [0.49, rgba(palette.exact, 0.28)],
        [0.5, rgba(palette.accent, 0.15)],
        [1, rgba(palette.accent, 0.6)],
    ]
    labels = [f"<b>{MOVES[move].label}</b>" if move == chosen else MOVES[move].label for move in moves]
    figure = go.Figure(
        go.Heatmap(
            z=shade,
            x=names,
            y=labels,
            zmin=0,
            zmax=1,
            colorscale=scale,
            showscale=False,
            xgap=3,
            ygap=3,
            text=[[small(value, 1 if value < 1e-3 else 2) for value in row] for row in worst],
            texttemplate="%{text}",
            hoverinfo="skip",
            textfont=dict(color=palette.ink),
        )
    )
    styled(figure, palette, x_title="", y_title="")
    figure.update_xaxes(side="top", ticks="", showgrid=False)
    figure.update_yaxes(ticks="", showgrid=False)
    return figure


def path_figure(shares: Tensor, curves: dict[str, Tensor], floor: float, *, palette: Palette = LIGHT) -> go.Figure:
    """Relative error of every network along the path from the given description to another, log scale."""
    figure = go.Figure()
    styles = {
        "MLP": (palette.noise, "dot"),
        "EGNN": (palette.data, "dash"),
        "CSPNet": (palette.accent, "dashdot"),
        "Denoiser": (palette.sample, "solid"),
    }
    figure.add_hrect(y0=floor / 10, y1=10 * floor, fillcolor=rgba(palette.exact, 0.15), line_width=0)
    figure.add_annotation(
        x=0.99,
        xref="paper",
        y=math.log10(floor / 10),
        text="round-off of float32",
        showarrow=False,
        xanchor="right",
        yanchor="bottom",
        font=dict(size=12, color=palette.muted),
    )
    for name, curve in curves.items():
        colour, dash = styles[name]
        figure.add_scatter(
            x=shares.numpy(), y=curve.clamp(min=floor / 10).numpy(), mode="lines", name=name, line=dict(color=colour, width=2.5, dash=dash)
        )
    figure.update_yaxes(type="log", exponentformat="power", dtick=2, range=[-8.2, 1.2])
    return styled(figure, palette, x_title="share of the way", y_title="relative error of the answer")


def pose_figure(runs: dict[str, Trajectory], *, palette: Palette = LIGHT) -> go.Figure:
    """How the molecules lie at the end: densities of their angle for each kernel, and the uniform law."""
    edges = np.linspace(0, 360, 37)
    figure = go.Figure()
    for (kernel, run), colour in zip(runs.items(), (palette.sample, palette.noise), strict=False):
        angle = np.degrees((orientations(run.final) + math.pi).remainder(2 * math.pi).numpy())
        counts, _ = np.histogram(angle, bins=edges)
        figure.add_bar(
            x=(edges[1:] + edges[:-1]) / 2 - 180,
            y=counts / len(angle) * 100,
            width=10,
            name=f"{kernel} kernel",
            marker=dict(color=rgba(colour, 0.65), line_width=0),
        )
    figure.add_scatter(x=[-180, 180], y=[100 / 36] * 2, mode="lines", name="invariant", line=dict(color=palette.exact, width=2.5))
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(tickvals=[-180, -90, 0, 90, 180], range=[-180, 180])
    figure.update_yaxes(type="log", tickvals=[0.1, 1, 10, 100], range=[-1, 2.1])
    return styled(figure, palette, x_title="pose at the end (degrees)", y_title="molecules per 10° (%)")


def centre_figure(run: Trajectory, n_steps: int, *, prior_kind: str, eta: float, palette: Palette = LIGHT) -> go.Figure:
    """Where the molecules' centres end when the mean of the noise is left in, with the exact normal; taken out, all are at zero."""
    found = centres(run).numpy()
    exact = drift_exact(n_steps, prior_kind=prior_kind, eta=eta)
    edges = np.linspace(-6, 6, 61)
    counts, _ = np.histogram(found, bins=edges)
    figure = go.Figure()
    figure.add_bar(
        x=(edges[1:] + edges[:-1]) / 2,
        y=counts / (len(found) * 0.2),
        width=0.2,
        name="centres, mean left in",
        marker=dict(color=rgba(palette.sample, 0.65), line_width=0),
    )
    if prior_kind == "round":
        x = torch.linspace(-6, 6, 241, dtype=torch.float64)
        y = torch.exp(-x.square() / (2 * exact**2)) / (exact * math.sqrt(2 * math.pi))
        figure.add_scatter(
            x=x.numpy(), y=y.numpy(), mode="lines", name=f"exact, width {exact:.3g}", line=dict(color=palette.exact, width=2.5)
        )
    highest = max(float(bar) for trace in figure.data for bar in trace.y)
    figure.add_scatter(
        x=[0, 0], y=[0, 1.05 * highest], mode="lines", name="all, mean taken out", line=dict(color=palette.exact, width=2, dash="dot")
    )
    figure.update_layout(bargap=0)
    return styled(figure, palette, x_title="centre of a molecule at the end (x and y)", y_title="density")
