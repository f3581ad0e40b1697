"""Figures of the generation chapter: noise levels, coming to rest, generated crystals against the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from core.figures.theme import LIGHT, Palette, rgba, styled
from core.generator.model.diffusion import Diffusion
from core.metrics.convergence import Convergence
from core.metrics.validity import ReadOut

ROOM = {"atoms": 0.1, "cell": 0.05}  # Å, and strain: what the axes reach at least, so that round-off is not drawn as a path

READ_OUTS = {"nearest_distance": "nearest distance (Å)", "volume_per_atom": "volume per atom (Å³)", "density": "density (g/cm³)"}


def noise_levels(process: Diffusion, *, now: float | None = None, palette: Palette = LIGHT) -> go.Figure:
    """sigma(t) of the coordinates (in cell edges, logarithmic axis) and of the cell, over t; a line at `now`."""
    t = torch.linspace(0, 1, 201, dtype=torch.float64)
    sigma, cell = process.sigma(t).numpy(), (1 - process.alpha(t) ** 2).clamp(min=0).sqrt().numpy()
    figure = go.Figure()
    figure.add_scatter(x=t.numpy(), y=sigma, name="coordinates, σ(t)", line=dict(color=palette.noise, width=3))
    figure.add_scatter(x=t.numpy(), y=cell, name="cell, √(1 − α²)", line=dict(color=palette.accent, width=3, dash="dash"))
    if now is not None:
        figure.add_vline(x=now, line=dict(color=palette.muted, width=1, dash="dot"))
    figure = styled(figure, palette, x_title="time t (0 = crystal, 1 = noise)", y_title="noise level", height=300)
    figure.update_yaxes(type="log")
    return figure


def convergence_figure(runs: Sequence[Convergence], *, palette: Palette = LIGHT) -> go.Figure:
    """Distance of the atoms (Å) and strain of the cell from where they end, over the time of the process.

    Thin lines: each structure. Thick: the median over the structures at the same times.
    """
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    coords, cells = [r.coords for r in runs], [r.cell for r in runs]
    for name, values, colour, second in (("atoms", coords, palette.sample, False), ("cell", cells, palette.accent, True)):
        for run, y in zip(runs[:24], values, strict=False):
            figure.add_scatter(
                x=run.times, y=y, line=dict(color=rgba(colour, 0.25), width=1), hoverinfo="skip", showlegend=False, secondary_y=second
            )
        figure.add_scatter(x=runs[0].times, y=np.median(values, axis=0), name=name, line=dict(color=colour, width=3), secondary_y=second)
    figure = styled(figure, palette, x_title="time t (1 = noise, 0 = crystal)", y_title="atoms: distance to the end (Å)", height=300)
    figure.update_xaxes(autorange="reversed")
    for name, values in (("atoms", coords), ("cell", cells)):
        reach = max(ROOM[name], 1.05 * max(float(np.max(one)) for one in values))
        figure.update_yaxes(range=[0, reach], tickformat=".2~f", secondary_y=name == "cell")
    figure.update_yaxes(title_text="cell: strain to the end", showgrid=False, secondary_y=True)
    return figure


def read_out_histograms(
    read_outs: Sequence[ReadOut], reference: Mapping[str, Mapping] | None = None, *, palette: Palette = LIGHT
) -> go.Figure:
    """Generated crystals (bars) against the training data (line), as densities.

    reference: for each name in READ_OUTS {"edges": (K + 1,), "counts": (K,)}, as the models' `about` carries it.
    """
    reference = reference or {}
    figure = make_subplots(rows=1, cols=len(READ_OUTS), horizontal_spacing=0.08)
    for column, name in enumerate(READ_OUTS, start=1):
        values = np.array([getattr(r, name) for r in read_outs])
        known = reference.get(name)
        edges = np.array(known["edges"]) if known else np.histogram_bin_edges(values, bins=20)
        heights, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges, density=True)
        centres = (edges[:-1] + edges[1:]) / 2
        figure.add_bar(
            x=centres,
            y=heights,
            width=np.diff(edges),
            name="generated",
            marker_color=rgba(palette.sample, 0.7),
            showlegend=column == 1,
            row=1,
            col=column,
        )
        if known:
            counts = np.array(known["counts"], dtype=float)
            figure.add_scatter(
                x=centres,
                y=counts / (counts.sum() * np.diff(edges)),
                name="training data",
                line=dict(color=palette.data, width=2, shape="hvh"),
                mode="lines",
                showlegend=column == 1,
                row=1,
                col=column,
            )
    figure = styled(figure, palette, x_title="", y_title="", height=280)
    for column, title in enumerate(READ_OUTS.values(), start=1):
        figure.update_xaxes(title_text=title, row=1, col=column)
    figure.update_yaxes(title_text="probability density", row=1, col=1)
    figure.update_layout(bargap=0)
    return figure
