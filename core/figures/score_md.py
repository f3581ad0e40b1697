"""Figures of the chapter on one score for sampling and dynamics: basins, profiles, residual map, where the error enters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from torch import Tensor

from core.crystals.molecular_landscapes import get_landscape
from core.crystals.score_md import WITHIN, FieldMap, FreeEnergies, Measured, Profile
from core.figures.theme import LIGHT, Palette, band, rgba, styled

SAMPLING, DYNAMICS = "sampling (denoising)", "dynamics (Langevin)"


def _pairs(landscape: str) -> list[str]:
    """F_B − F_A, one for every basin but the first."""
    first, *others = get_landscape(landscape).basins
    return [f"F({basin.mark}) − F({first.mark})" for basin in others]


def basins_figure(
    sampling: FreeEnergies, dynamics: FreeEnergies, exact: Sequence[float], *, landscape: str, palette: Palette = LIGHT
) -> go.Figure:
    """Free energy of every basin against the first: exact with a band of WITHIN, and counted from both uses with one standard error.

    A basin that holds nobody has no point; the legend says of whom.
    """
    names, figure = _pairs(landscape), go.Figure()
    for i, value in enumerate(exact):
        band(figure, [i - 0.4, i + 0.4], value - WITHIN, value + WITHIN, colour=palette.exact, name=f"exact ± {WITHIN:g} kT")
        figure.data[-1].showlegend = i == 0
        figure.add_scatter(
            x=[i - 0.4, i + 0.4],
            y=[value] * 2,
            mode="lines",
            line=dict(color=palette.exact, width=2),
            showlegend=False,
            hovertemplate=f"exact: {value:.2f} kT<extra></extra>",
        )
    for name, found, colour, symbol, shift in (
        (SAMPLING, sampling, palette.sample, "circle", -0.12),
        (DYNAMICS, dynamics, palette.force, "diamond", 0.12),
    ):
        known = [i for i, value in enumerate(found.values) if np.isfinite(value)]
        empty = "" if len(known) == len(found.values) else ", a basin is empty"
        figure.add_scatter(
            x=[i + shift for i in known],
            y=[found.values[i] for i in known],
            error_y=dict(array=[found.errors[i] for i in known], thickness=2, width=6),
            mode="markers",
            marker=dict(color=colour, size=11, symbol=symbol),
            name=name + empty,
            showlegend=True,
            hovertemplate="%{y:.2f} kT<extra>" + name + "</extra>",
        )
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=names, range=[-0.6, len(names) - 0.4])
    return styled(figure, palette, x_title="", y_title="free-energy difference / kT", height=380)


def profile_figure(sampling: Profile, dynamics: Profile, *, axis: str, palette: Palette = LIGHT) -> go.Figure:
    """Free energy along one coordinate: the exact curve, and both uses as points with one standard error."""
    figure = go.Figure()
    figure.add_scatter(x=sampling.at.numpy(), y=sampling.exact.numpy(), mode="lines", name="exact", line=dict(color=palette.exact, width=3))
    for name, found, colour, symbol in ((SAMPLING, sampling, palette.sample, "circle"), (DYNAMICS, dynamics, palette.force, "diamond")):
        figure.add_scatter(
            x=found.at.numpy(),
            y=found.counted.numpy(),
            error_y=dict(array=found.error.numpy(), thickness=1.5, width=0),
            mode="markers",
            marker=dict(color=colour, size=7, symbol=symbol),
            name=name,
            hovertemplate="%{x:.2f}: %{y:.2f} kT<extra>" + name + "</extra>",
        )
    seen = np.concatenate([p.counted[p.counted.isfinite()].numpy() for p in (sampling, dynamics)] or [np.zeros(1)])
    top = float(max(6.0, seen.max() + 0.5)) if len(seen) else 8.0
    figure.update_yaxes(range=[-0.6, top])
    shown = sampling.exact.numpy() < top + 2
    if shown.any() and "°" not in axis:
        figure.update_xaxes(range=[float(sampling.at.numpy()[shown].min()) - 0.05, float(sampling.at.numpy()[shown].max()) + 0.05])
    return styled(figure, palette, x_title=axis, y_title="free energy / kT", height=380)


def residual_figure(found: FieldMap, law: Tensor, *, landscape: str, palette: Palette = LIGHT) -> go.Figure:
    """Residual (or curl) as colour where the exact p_t is more than e^-9 of its peak, with contours of p_t in steps of kT."""
    surface = get_landscape(landscape)
    pair = surface.shown(found.axis[:, None].expand(-1, 2).contiguous())
    x, y = pair[:, 0].numpy(), pair[:, 1].numpy()
    depth = -(law / law.max()).log().numpy()
    values = np.where(depth < 9, found.values.double().numpy(), np.nan)
    top = float(np.nanquantile(np.abs(values), 0.98)) or 1.0
    figure = go.Figure()
    figure.add_heatmap(
        x=x,
        y=y,
        z=values,
        zmin=-top,
        zmax=top,
        colorscale=[[0, palette.force], [0.5, palette.background], [1, palette.sample]],
        colorbar=dict(title=dict(text="R" if found.what == "residual" else "curl"), thickness=12),
        hovertemplate=f"{found.what} %{{z:.3g}}<extra></extra>",
    )
    figure.add_contour(
        x=x,
        y=y,
        z=np.minimum(depth, 12),
        contours=dict(start=1, end=8, size=1, coloring="none"),
        line=dict(color=rgba(palette.ink, 0.45), width=1),
        showscale=False,
        hoverinfo="skip",
    )
    x_title, y_title = surface.axes
    figure = styled(figure, palette, x_title=x_title, y_title=y_title, height=400)
    seen = np.argwhere(np.isfinite(values))
    (bottom, left), (top_row, right) = seen.min(0), seen.max(0)
    figure.update_yaxes(scaleanchor="x", scaleratio=1, constrain="domain", range=[y[bottom], y[top_row]])
    return figure.update_xaxes(constrain="domain", range=[x[left], x[right]])


def onset_figure(
    curves: Mapping[str, Sequence[Sequence[float]]],
    times: Sequence[float],
    exact: Sequence[Sequence[float]],
    *,
    landscape: str,
    chosen: str,
    palette: Palette = LIGHT,
) -> go.Figure:
    """Free energy of the last basin under exp(log q) of each model against noise time, by quadrature, and exact.

    curves: label -> for each of `times` the free energies; the chosen one is drawn strong. exact: for each of `times`.
    """
    figure = go.Figure()
    at = -1
    exact_line = np.array([row[at] for row in exact])
    figure.add_scatter(x=times, y=exact_line, mode="lines", name="exact", line=dict(color=palette.exact, width=4))
    dashes = ("solid", "dash", "dot", "dashdot")
    for (name, rows), dash in zip(curves.items(), dashes, strict=False):
        own = name == chosen
        figure.add_scatter(
            x=times,
            y=[row[at] for row in rows],
            mode="lines+markers",
            name=name,
            line=dict(color=palette.force if own else palette.muted, width=3 if own else 1.8, dash=dash),
            marker=dict(size=6),
            hovertemplate="t = %{x:g}: %{y:.2f} kT<extra>" + name + "</extra>",
        )
    figure.update_xaxes(type="log", tickvals=[0.001, 0.01, 0.1, 1], ticktext=["0.001", "0.01", "0.1", "1"])
    return styled(figure, palette, x_title="noise time t", y_title=f"{_pairs(landscape)[at]} / kT", height=400)


HEAD = ("free energy / kT", "exact", "sampling", "dynamics")


def _counted(value: float, error: float) -> str:
    return f"{value:.2f} ± {error:.2f}" if np.isfinite(value) else "a basin is empty"


def readings(found: FreeEnergies, exact: Sequence[float], *, landscape: str) -> list[tuple[str, str]]:
    """Under a meter: name of a difference, and what was counted beside the exact value."""
    rows = zip(_pairs(landscape), found.values, found.errors, exact, strict=True)
    return [(name, f"{_counted(value, error)}, exact {true:.2f} kT") for name, value, error, true in rows]


def measured_rows(found: Measured, *, landscape: str) -> list[tuple[str, str, str, str]]:
    """One row per difference under HEAD."""
    return [
        (
            name,
            f"{true:.2f}",
            _counted(found.sampling.values[i], found.sampling.errors[i]),
            _counted(found.dynamics.values[i], found.dynamics.errors[i]),
        )
        for i, (name, true) in enumerate(zip(_pairs(landscape), found.exact, strict=True))
    ]
