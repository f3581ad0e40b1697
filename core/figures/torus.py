"""Figures of the torus chapter: the torn score, truncation, decay to uniform, the samplers, the scale of the target, the cell."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from core.crystals.torus import ORDERS, AlongTheWay, Decay, cell_density, jump
from core.figures.theme import LIGHT, Palette, rgba, small, styled
from core.figures.torus_stage import CLOCKS, images_label
from core.numerics.torus import (
    truncation_error,
    wrapped_normal_log_prob,
    wrapped_normal_score,
    wrapped_normal_score_rms,
)

ROUND_OFF = 1e-16


def score_figure(sigma: float, n_images: int, *, palette: Palette = LIGHT) -> go.Figure:
    """The target of one atom over two cells: all images, and `n_images` on each side of the nearest one, with its jump."""
    d = torch.linspace(-1, 1, 801, dtype=torch.float64)
    d = torch.cat([d, torch.tensor([-0.5 - 1e-9, -0.5 + 1e-9, 0.5 - 1e-9, 0.5 + 1e-9], dtype=torch.float64)]).sort().values
    figure = go.Figure()
    for wall in (-0.5, 0.5):
        figure.add_vline(x=wall, line=dict(color=palette.muted, width=1, dash="dot"))
    figure.add_scatter(
        x=d.numpy(), y=wrapped_normal_score(d, sigma).numpy(), mode="lines", name="all images", line=dict(color=palette.exact, width=3)
    )
    figure.add_scatter(
        x=d.numpy(),
        y=wrapped_normal_score(d, sigma, n_images=n_images).numpy(),
        mode="lines",
        name=images_label(n_images),
        line=dict(color=palette.accent, width=2, dash="dash"),
    )
    figure.add_annotation(
        x=0.5,
        y=0.04,
        xref="x",
        yref="paper",
        showarrow=False,
        xanchor="right",
        yanchor="bottom",
        xshift=-6,
        text=f"jump: {small(jump(sigma, n_images), 3)} / cell",
    )
    return styled(figure, palette, x_title="displacement from the site d (cells)", y_title=f"score at σ = {sigma:g} (1/cell)")


def truncation_figure(sigma: float, n_images: int, *, palette: Palette = LIGHT) -> go.Figure:
    """Largest error of the density against the number of images kept: counted, and its closed bound."""
    d = torch.linspace(-0.5, 0.5, 401, dtype=torch.float64)
    kept = list(range(7))

    def worst(s: float) -> list[float]:
        exact = wrapped_normal_log_prob(d, s).exp()
        return [max(float((exact - wrapped_normal_log_prob(d, s, n_images=k).exp()).abs().max()), ROUND_OFF) for k in kept]

    figure = go.Figure()
    for other in (0.1, 0.3, 0.5, 1.0):
        if other != sigma:
            figure.add_scatter(
                x=kept,
                y=worst(other),
                mode="lines",
                line=dict(color=rgba(palette.muted, 0.5), width=1.2),
                name=f"σ = {other:g}",
                showlegend=False,
            )
            shown = [(k, value) for k, value in zip(kept, worst(other), strict=True) if value > 1e-14]
            figure.add_annotation(
                x=shown[-1][0],
                y=math.log10(shown[-1][1]),
                text=f"σ = {other:g}",
                showarrow=False,
                xshift=8,
                xanchor="left",
                font=dict(size=11, color=palette.muted),
            )
    figure.add_scatter(
        x=kept,
        y=[max(truncation_error(sigma, k), ROUND_OFF) for k in kept],
        mode="lines",
        name="bound",
        line=dict(color=palette.exact, width=2, dash="dash"),
    )
    figure.add_scatter(
        x=kept,
        y=worst(sigma),
        mode="markers",
        name=f"largest error, σ = {sigma:g}",
        marker=dict(color=[palette.accent if k == n_images else palette.data for k in kept], size=10),
    )
    figure.update_yaxes(type="log", exponentformat="power", dtick=4, range=[-16.3, 1])
    figure.update_xaxes(dtick=1)
    return styled(figure, palette, x_title="images kept on each side K", y_title="error of the density (1/cell)")


def decay_figure(curves: list[Decay], *, palette: Palette = LIGHT) -> go.Figure:
    """What is left of the first Fourier modes while the noise grows: counted with two standard errors, and exact."""
    figure = go.Figure()
    for curve, symbol in zip(curves, ("circle", "diamond", "square"), strict=False):
        sigma, value, error, exact = (v.double().numpy() for v in (curve.sigmas, curve.value, curve.error, curve.exact))
        floor = error[-1]
        figure.add_scatter(
            x=sigma,
            y=exact,
            mode="lines",
            line=dict(color=palette.exact, width=2),
            name="exp(−2π²n²(σ² − σ₀²))",
            showlegend=curve is curves[0],
        )
        keep = (value > 2 * error) & (np.arange(len(sigma)) % 4 == 0)
        figure.add_scatter(
            x=sigma[keep],
            y=value[keep],
            mode="markers",
            name=f"atoms, n = {curve.n}",
            error_y=dict(type="data", array=2 * error[keep], thickness=1.2, width=0),
            marker=dict(color=palette.sample, size=7, symbol=symbol),
        )
    figure.add_hrect(y0=1e-6, y1=2 * floor, fillcolor=rgba(palette.noise, 0.18), line_width=0)
    figure.add_annotation(
        x=0.02,
        y=math.log10(2 * floor),
        text="below two standard errors",
        showarrow=False,
        yanchor="top",
        xref="paper",
        xanchor="left",
        font=dict(size=12, color=palette.muted),
    )
    figure.update_yaxes(type="log", exponentformat="power", dtick=1, range=[-3.2, 0.15])
    return styled(figure, palette, x_title="noise level σ (cells)", y_title="what is left, ⟨cos 2πn(xₜ − x₀)⟩")


def along_figure(runs: list[tuple[int | None, AlongTheWay]], *, move: str, palette: Palette = LIGHT) -> go.Figure:
    """Distance to the exact law of the moment for runs whose scores keep different numbers of images."""
    figure = go.Figure()
    first = runs[0][1]
    figure.add_scatter(
        x=first.times.numpy(),
        y=first.floors.numpy(),
        mode="lines",
        line=dict(color=palette.noise, width=2, dash="dot"),
        name="floor: exact draws",
    )
    for n_images, run in runs:
        colour = palette.exact if n_images is None else palette.accent
        figure.add_scatter(
            x=run.times.numpy(),
            y=run.distances.numpy(),
            mode="lines+markers",
            name=images_label(n_images),
            line=dict(color=colour, width=2.5),
            marker_size=7,
        )
    figure.update_yaxes(type="log", tickvals=[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2])
    if move == "freeze":
        figure.update_xaxes(autorange="reversed")
    return styled(figure, palette, x_title=CLOCKS[move], y_title="distance to the exact law (cells)")


def scale_figure(sigma_max: float, *, palette: Palette = LIGHT) -> go.Figure:
    """Size of the score against the noise level, and what is left of it after multiplying by sigma or dividing by its rms."""
    sigma = torch.logspace(-2, 0.05, 160, dtype=torch.float64)
    rms = wrapped_normal_score_rms(sigma)
    figure = go.Figure()
    for y, name, colour, dash in (
        (1 / sigma, "1/σ: no wrapping", palette.noise, "dot"),
        (rms, "r.m.s. of the score", palette.exact, "solid"),
        (sigma * rms, "σ × score", palette.data, "solid"),
        (rms / rms, "score / its r.m.s.", palette.accent, "dash"),
    ):
        figure.add_scatter(x=sigma.numpy(), y=y.numpy(), mode="lines", name=name, line=dict(color=colour, width=2.5, dash=dash))
    figure.add_vline(x=sigma_max, line=dict(color=palette.muted, width=1, dash="dot"))
    figure.update_xaxes(type="log", tickvals=[0.01, 0.03, 0.1, 0.3, 1], exponentformat="none")
    figure.update_yaxes(type="log", exponentformat="power", dtick=1, range=[-3, 2.2])
    return styled(figure, palette, x_title="noise level σ (cells)", y_title="r.m.s. of the target")


def orders_figure(found: dict[str, list[tuple[int, float]]], floor: float, *, palette: Palette = LIGHT) -> go.Figure:
    """Distance at the end against score evaluations for no corrector, corrector last and corrector first."""
    figure = go.Figure()
    ends = [f(n for points in found.values() for n, _ in points) for f in (min, max)]
    figure.add_scatter(
        x=ends, y=[floor, floor], mode="lines", name="floor: exact draws", line=dict(color=palette.noise, width=2, dash="dot")
    )
    names = dict(zip(ORDERS, ("no corrector", "predictor, corrector", "corrector, predictor"), strict=True))
    for (name, points), colour, dash in zip(
        found.items(), (palette.exact, palette.data, palette.accent), ("solid", "solid", "dash"), strict=True
    ):
        figure.add_scatter(
            x=[n for n, _ in points],
            y=[value for _, value in points],
            mode="lines+markers",
            name=names[name],
            line=dict(color=colour, width=2.2, dash=dash),
            marker_size=7,
        )
    figure.update_xaxes(type="log", tickvals=sorted({n for points in found.values() for n, _ in points}))
    figure.update_yaxes(type="log", tickvals=[0.01, 0.02, 0.05, 0.1], range=[-2.2, -0.9])
    return styled(figure, palette, x_title="score evaluations", y_title="distance at the end (cells)")


def cell_figure(lattice: torch.Tensor, sigma: float, *, palette: Palette = LIGHT) -> go.Figure:
    """Noise of one atom in an oblique cell, wrapped: round in fractional coordinates, and round in space."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ lattice.numpy()
    low, high = corners.min(0) - 0.4, corners.max(0) + 0.4
    x, y = (np.linspace(low[i], high[i], 90) for i in (0, 1))
    points = torch.as_tensor(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2))
    centre = torch.tensor([[0.5, 0.5]], dtype=torch.float64) @ lattice
    figure = make_subplots(1, 2, subplot_titles=("round in fractions", "round in space"), horizontal_spacing=0.06)
    scale = [[0, rgba(palette.exact, 0)], [1, rgba(palette.exact, 0.85)]]
    for i, isotropic in enumerate(("fractional", "Cartesian"), start=1):
        p = cell_density(points - centre, lattice, sigma, isotropic=isotropic).reshape(len(y), len(x)).numpy()
        figure.add_heatmap(x=x, y=y, z=p, zmin=0, colorscale=scale, showscale=False, row=1, col=i, hoverinfo="skip")
        figure.add_scatter(
            x=corners[:, 0],
            y=corners[:, 1],
            mode="lines",
            line=dict(color=palette.ink, width=2),
            showlegend=False,
            hoverinfo="skip",
            row=1,
            col=i,
        )
    styled(figure, palette, x_title="x (√ of the cell's area)", y_title="")
    figure.update_yaxes(title_text="y (√ of the cell's area)", col=1)
    figure.update_yaxes(constrain="domain", range=[low[1], high[1]])
    figure.update_xaxes(constrain="domain", range=[low[0], high[0]])
    for i, anchor in ((1, "x"), (2, "x2")):
        figure.update_yaxes(scaleanchor=anchor, col=i)
    figure.update_layout(margin_t=44)
    return figure
