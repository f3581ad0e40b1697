"""Figures of `score_matching`: the loss and its floor, the true error, the error over (x, t), where the arrow aims."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
import torch

from core.figures.theme import LIGHT, Palette, rgba, styled
from core.learning.score_matching import GOAL, SCHEDULE, Aim, ErrorMap, Snapshot, WhereItIsWrong, data
from core.numerics.objectives import OBJECTIVES

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def loss_figure(shot: Snapshot, floor: float, floor_with_clock: float, *, palette: Palette = LIGHT) -> go.Figure:
    """The loss, a mean over windows of steps, and the least value it can have; the floor of a network with a clock beside it, if lower."""
    settings, n_steps = shot.settings, shot.settings.n_steps
    figure = go.Figure()
    if shot.step:
        figure.add_scatter(
            x=shot.steps.numpy(),
            y=shot.losses.numpy(),
            mode="lines+markers",
            name=f"loss ({settings.objective})",
            line=dict(color=palette.sample, width=2.5),
            marker_size=4,
            hovertemplate="step %{x}: %{y:.4f}<extra></extra>",
        )
    figure.add_scatter(
        x=[0, n_steps],
        y=[floor, floor],
        mode="lines",
        line=dict(color=palette.exact, width=2.5),
        name=f"least possible, {floor:.3f}",
        hovertemplate="least possible %{y:.4f}<extra></extra>",
    )
    if floor - floor_with_clock > 1e-4:
        figure.add_scatter(
            x=[0, n_steps],
            y=[floor_with_clock] * 2,
            mode="lines",
            line=dict(color=palette.exact, width=1.5, dash="dot"),
            name=f"if it were told t, {floor_with_clock:.3f}",
            hoverinfo="skip",
        )
    after = shot.losses[shot.steps > 100] if shot.step > 100 else torch.tensor([])
    reach = max([abs(float(v) - floor) for v in (after.max(), after.min())]) if len(after) else 0.3 * max(abs(floor), 0.3)
    reach = max(reach, 1.3 * (floor - floor_with_clock), 0.02)
    figure.update_yaxes(range=[floor - 1.2 * reach, floor + 1.2 * reach])
    figure.update_xaxes(range=[0, n_steps])
    figure.update_layout(showlegend=True)
    return styled(figure, palette, x_title="training steps", y_title=f"loss, weighted by λ = {settings.weighting}")


def error_figure(shots: Mapping[str, Snapshot], chosen: str, *, palette: Palette = LIGHT) -> go.Figure:
    """Relative squared error of the score against steps, log scale: the chosen objective thick, the others that have been trained thin."""
    figure, n_steps = go.Figure(), shots[chosen].settings.n_steps
    for i, (name, shot) in enumerate(shots.items()):
        if not shot.step and name != chosen:
            continue
        mine = name == chosen
        last = f", {float(shot.errors[-1]):.2%}" if shot.step else ""
        figure.add_scatter(
            x=shot.steps.numpy(),
            y=shot.errors.numpy(),
            mode="lines",
            name=OBJECTIVES[name].label + last,
            showlegend=True,
            line=dict(color=palette.sample if mine else palette.muted, width=3 if mine else 1.8, dash=DASHES[i]),
            hovertemplate="step %{x}: %{y:.3%}<extra>" + OBJECTIVES[name].label + "</extra>",
        )
    figure.add_hline(y=GOAL, line=dict(color=palette.exact, width=1.5, dash="dot"))
    figure.add_annotation(
        x=0.01,
        xref="paper",
        y=np.log10(GOAL),
        xanchor="left",
        yanchor="top",
        showarrow=False,
        text=f"learned: below {GOAL:.0%}",
        font_color=palette.exact,
    )
    values = torch.cat([shot.errors for shot in shots.values()])
    low = min(0.001, float(values.min())) if len(values) else 0.001
    figure.update_xaxes(range=[0, n_steps])
    figure.update_yaxes(type="log", tickformat=".3~%", dtick=1, range=[np.log10(low / 1.3), 0])
    if not len(values):
        figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, text="not trained yet", font_color=palette.muted)
    return styled(figure, palette, x_title="training steps", y_title="squared error / squared score")


def map_figure(found: ErrorMap, *, height_on_map: float, palette: Palette = LIGHT) -> go.Figure:
    """sigma |s - exact| over (x, t) as colour, contours of p_t (each level over its own maximum) on it; t runs upwards to noise."""
    figure = go.Figure()
    x, ratio = found.x.numpy(), SCHEDULE.noise_ratio(found.t.double()).numpy()
    levels = np.log10(np.clip(found.error.numpy(), 1e-3, None))
    scale = [[0, rgba(palette.accent, 0.0)], [1, palette.accent]]
    bar = dict(title="error", tickvals=[-2, -1, 0], ticktext=["0.01", "0.1", "1"], thickness=12, outlinewidth=0)
    hover = np.stack([found.error.numpy(), np.broadcast_to(found.t.numpy()[:, None], found.error.shape)], -1)
    figure.add_heatmap(
        x=x,
        y=ratio,
        z=levels,
        zmin=-2.3,
        zmax=0.5,
        colorscale=scale,
        customdata=hover,
        colorbar=bar,
        hovertemplate="x₁ = %{x:.2f}, t = %{customdata[1]:.2f}: error %{customdata[0]:.2f}<extra></extra>",
    )
    figure.add_contour(
        x=x,
        y=ratio,
        z=found.density.numpy(),
        contours=dict(start=0.1, end=0.9, size=0.2, coloring="none"),
        line=dict(color=palette.exact, width=1.8),
        showscale=False,
        hoverinfo="skip",
        name="exact pₜ",
        showlegend=True,
    )
    times = [t for t in (0.01, 0.03, 0.1, 0.3, 1.0)]
    styled(figure, palette, x_title=f"x₁, along the line x₂ = {height_on_map:g}", y_title="time t (0 data, 1 noise)")
    figure.update_yaxes(type="log", tickvals=[SCHEDULE.noise_ratio(t) for t in times], ticktext=[f"{t:g}" for t in times])
    return figure


def where_figure(found: WhereItIsWrong, *, palette: Palette = LIGHT) -> go.Figure:
    """The error where there is data against where there is none, over t."""
    figure = go.Figure()
    ratio = SCHEDULE.noise_ratio(found.t).numpy()
    for name, values, colour, dash in (
        ("where there is none", found.off_path, palette.muted, "dash"),
        ("where there is data", found.on_path, palette.sample, "solid"),
    ):
        figure.add_scatter(
            x=ratio,
            y=values.numpy(),
            mode="lines",
            name=name,
            line=dict(color=colour, width=2.5, dash=dash),
            hovertemplate="%{y:.3f}<extra>" + name + "</extra>",
        )
    times = [0.01, 0.03, 0.1, 0.3, 1.0]
    styled(figure, palette, x_title="time t (0 data, 1 noise)", y_title="r.m.s. error of σ · score")
    figure.update_xaxes(type="log", tickvals=[SCHEDULE.noise_ratio(t) for t in times], ticktext=[f"{t:g}" for t in times])
    figure.update_yaxes(type="log", tickvals=[0.01, 0.03, 0.1, 0.3, 1, 3, 10])
    return figure


def aim_figure(found: Aim, dataset: str, t: float, *, half: float = 3.0, palette: Palette = LIGHT) -> go.Figure:
    """One noised point, the clean points it may have been, their mean, and the points at which the exact and learned arrows aim."""
    axis = torch.linspace(-half, half, 81)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
    density = data(dataset).log_prob(grid).exp().reshape(81, 81)
    figure = go.Figure()
    figure.add_contour(
        x=axis.numpy(),
        y=axis.numpy(),
        z=(density / density.max()).numpy(),
        contours=dict(start=0.1, end=0.9, size=0.2, coloring="none"),
        line=dict(color=rgba(palette.data, 0.6), width=1.2),
        showscale=False,
        hoverinfo="skip",
        name="data",
        showlegend=True,
    )
    figure.add_scatter(
        x=found.cloud[:, 0].numpy(),
        y=found.cloud[:, 1].numpy(),
        mode="markers",
        name="x₀ that may have been",
        marker=dict(color=rgba(palette.data, 0.45), size=4),
        hoverinfo="skip",
    )
    here = found.point.tolist()
    for name, end, colour, dash, symbol in (
        ("E[x₀|xₜ], exact", found.exact, palette.exact, "solid", "star"),
        ("where the network aims", found.learned, palette.sample, "dot", "diamond"),
    ):
        x, y = end.tolist()
        figure.add_scatter(
            x=[here[0], x],
            y=[here[1], y],
            mode="lines+markers",
            name=name,
            line=dict(color=colour, width=2.5, dash=dash),
            marker=dict(size=[0, 15], symbol=symbol, color=colour, line=dict(color=palette.background, width=1)),
            hovertemplate=f"{name}: (%{{x:.2f}}, %{{y:.2f}})<extra></extra>",
        )
    figure.add_scatter(
        x=here[:1],
        y=here[1:],
        mode="markers",
        name="xₜ",
        marker=dict(color=palette.ink, size=12, symbol="x"),
        hovertemplate=f"xₜ at t = {t:g}<extra></extra>",
    )
    styled(figure, palette, x_title="x₁", y_title="x₂", height=430)
    figure.update_xaxes(range=[-half, half], constrain="domain")
    figure.update_yaxes(range=[-half, half], scaleanchor="x", constrain="domain")
    return figure
