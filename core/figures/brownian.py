"""Figures of the Brownian motion chapter: spread against time, convergence against steps, histogram against kernel."""

from __future__ import annotations

import math
import re

import numpy as np
import plotly.graph_objects as go
import torch

from core.figures.theme import LIGHT, Palette, band, density_bars, rgba, styled
from core.numerics.steps import STEPS, clt_distance
from core.numerics.trajectory import Trajectory
from core.physics.brownian import Convergence, Grain, MeanSquare, Slope, heat_kernel


def mean_square_figure(
    curve: MeanSquare, fit: Slope | None = None, *, length_unit: str = "", time_unit: str = "", palette: Palette = LIGHT
) -> go.Figure:
    """Mean squared displacement with a band of two standard errors, the exact line d sigma^2 t, and the fitted slope."""
    t, value, error, exact = (v.double().numpy() for v in (curve.times, curve.value, curve.error, curve.exact))
    low, high = np.maximum(value - 2 * error, 0), value + 2 * error
    logarithmic = high[-1] > 5 * exact[-1] > 0  # Lévy flights
    if logarithmic:
        t, value, exact, high, low = (v[1:] for v in (t, value, exact, high, np.maximum(low, exact[1] / 10)))
    figure = go.Figure()
    if np.isfinite(error).all():
        band(figure, t, low, high, colour=palette.sample, name="± 2 standard errors")
    figure.add_scatter(x=t, y=value, mode="lines", line=dict(color=palette.sample, width=2.5), name="walkers")
    figure.add_scatter(x=t, y=exact, mode="lines", line=dict(color=palette.exact, width=2, dash="dash"), name="d σ² t")
    if fit is not None:
        figure.add_annotation(
            x=0.02,
            y=0.96,
            xref="paper",
            yref="paper",
            showarrow=False,
            xanchor="left",
            yanchor="top",
            align="left",
            text=f"slope {plus_minus(fit.value, fit.error)}<br>exact {fit.exact:.4g}",
        )
    if logarithmic:
        figure.update_yaxes(type="log", exponentformat="power")
    return styled(
        figure,
        palette,
        x_title=_with_unit("time t", time_unit),
        y_title=_with_unit("mean squared displacement", f"{length_unit}²" if length_unit else ""),
    )


def named_law(step: str) -> str:
    """The law of one step in a word or two."""
    return re.split(r" \(|:", STEPS[step].title)[0]


def convergence_figure(step: str, curve: Convergence | None = None, *, n_max: int = 1000, palette: Palette = LIGHT) -> go.Figure:
    """Kolmogorov distance to the Gaussian against the number of steps, log-log: exact, sampled, sampling floor.

    The other laws stay in sight as thin lines. The Gaussian step has distance 0, which a log axis cannot show.
    """
    n = np.unique(np.round(np.logspace(0, math.log10(max(n_max, 2)), 30)).astype(int))
    figure = go.Figure()
    for name, law in STEPS.items():
        if name in (step, "gaussian"):
            continue
        y = [clt_distance(name, int(k)) for k in n]
        named = max(i for i, k in enumerate(n) if i == 0 or (k <= 0.4 * n_max and y[i] > 4e-4))
        figure.add_scatter(x=n, y=y, mode="lines", name=law.title, showlegend=False, line=dict(color=rgba(palette.muted, 0.6), width=1.2))
        figure.add_annotation(
            x=math.log10(n[named]),
            y=math.log10(y[named]),
            text=named_law(name),
            showarrow=False,
            font=dict(color=palette.muted, size=12),
            bgcolor=palette.background,
            borderpad=1,
        )
    if step != "gaussian":
        figure.add_scatter(
            x=n,
            y=[clt_distance(step, int(k)) for k in n],
            mode="lines+markers",
            line=dict(color=palette.exact, width=2.5),
            marker_size=4,
            name=f"exact: {named_law(step)}",
        )
    if curve is not None:
        low, high = curve.floor.mean - 2 * curve.floor.std, curve.floor.mean + 2 * curve.floor.std
        band(figure, [n[0], n[-1]], low, high, colour=palette.noise, name="sampling floor (95 %)")
        figure.add_scatter(
            x=curve.n_steps.numpy(), y=curve.distance.numpy(), mode="markers", name="walkers", marker=dict(color=palette.sample, size=8)
        )
    figure.update_xaxes(type="log", dtick=1)
    figure.update_yaxes(type="log", dtick=1, range=[-4.2, 0], exponentformat="power")
    return styled(figure, palette, x_title="steps n", y_title="Kolmogorov distance to the Gaussian")


def histogram_figure(
    trajectory: Trajectory,
    sigma: float,
    *,
    frame: int = -1,
    n_bins: int = 60,
    lattice: float = 0.0,
    length_unit: str = "",
    palette: Palette = LIGHT,
) -> go.Figure:
    """First coordinate at one frame, as a density over +-5 exact spreads, with the heat kernel of that time.

    What lies outside is counted in the density (not rescaled away) and its share is written in the corner.
    lattice: spacing of the positions that can occur, 2 sigma sqrt(dt) for coins; every bin then holds equally many.
    """
    t = float(trajectory.times[frame] - trajectory.times[0])
    if t <= 0:
        raise ValueError("at the start every walker is at the origin; choose a later frame")
    x = trajectory.positions[frame, :, 0].double().numpy()
    reach = 5 * sigma * math.sqrt(t)
    width = 2 * reach / n_bins
    edges = np.linspace(-reach, reach, n_bins + 1)
    if lattice > 0:
        width = lattice * max(1, round(width / lattice))
        first = x.min() - lattice / 2
        edges = np.arange(first - width * math.ceil((first + reach) / width), reach + width, width)
    figure = go.Figure()
    outside = density_bars(figure, x, edges, name="walkers", palette=palette)
    grid = torch.linspace(-reach, reach, 301, dtype=torch.float64)
    figure.add_scatter(
        x=grid.numpy(), y=heat_kernel(grid, t, sigma).numpy(), mode="lines", name="N(0, σ² t)", line=dict(color=palette.exact, width=2.5)
    )
    if outside > 0:
        figure.add_annotation(
            x=0.98, y=0.96, xref="paper", yref="paper", showarrow=False, xanchor="right", yanchor="top", text=f"{outside:.2%} outside"
        )
    figure.update_layout(bargap=0)
    figure.update_xaxes(range=[-reach, reach])
    return styled(
        figure,
        palette,
        x_title=_with_unit("position x", length_unit),
        y_title=_with_unit("density", f"1/{length_unit}" if length_unit else ""),
    )


def grain_table(grain: Grain) -> list[tuple[str, str]]:
    """(quantity, value with unit) for the read-out beside the pollen grain."""
    return [
        ("Diffusion constant D", f"{_round(grain.diffusion)} µm²/s"),
        ("Spread in one second, σ", f"{_round(grain.sigma)} µm"),
        ("Spread in one minute", f"{_round(grain.sigma * math.sqrt(60))} µm"),
        ("Time to move its own radius", _seconds(grain.own_radius_time)),
        ("Memory of its velocity", _seconds(grain.velocity_memory)),
    ]


def plus_minus(value: float, error: float) -> str:
    """`1.003 ± 0.012`, to two digits of the error; large: `(10 ± 5)·10<sup>4</sup>`; plain value if the error is no positive number."""
    if not (0 < error < math.inf and math.isfinite(value)):
        return f"{value:.4g}"
    if error >= 1e4:
        power = math.floor(math.log10(error))
        return f"({value / 10.0**power:.0f} ± {error / 10.0**power:.0f})·10<sup>{power}</sup>"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}" if digits < 7 else f"{value:.6g}"


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _round(value: float) -> str:
    return f"{value:.3g}" if 1e-3 <= value < 1e4 else f"{value:.2e}"


def _seconds(seconds: float) -> str:
    for scale, unit in ((86400, "days"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.2g} s"
