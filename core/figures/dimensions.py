"""Figures of the dimensions chapter: what one sample costs, where the volume is, what looks buy, what a score is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from core.figures.theme import LIGHT, Palette, floor_band, styled
from core.foundations import dimensions
from core.foundations.dimensions import METHODS, Average, Census, Count, Progress
from core.numerics.distances import Floor

LINE = np.unique(np.round(np.logspace(0, 3, 80)).astype(int))
DASHES = {"direct": "solid", "grid": "dot", "rejection": "dash", "walk": "longdash", "score": "dashdot"}
SYMBOLS = {"direct": "circle", "grid": "square", "rejection": "diamond", "walk": "triangle-up", "score": "star"}
LANDMARKS = ((9.0, "one second at 10⁹/s"), (26.6, "since the Big Bang"), (80.0, "atoms in sight"))


def _at(figure: go.Figure, d: int, palette: Palette) -> None:
    figure.add_vline(x=d, line=dict(color=palette.accent, width=2, dash="dot"))


def _dots(figure: go.Figure, found: Sequence[Count | Average], palette: Palette, symbol: str, *, show: bool) -> None:
    """Monte Carlo estimates with bars of two standard errors (Clopper-Pearson for counts)."""
    up = [f.high - f.value if isinstance(f, Count) else 2 * f.error for f in found]
    down = [f.value - f.low if isinstance(f, Count) else 2 * f.error for f in found]
    figure.add_scatter(
        x=[f.dim for f in found],
        y=[f.value for f in found],
        mode="markers",
        name="counted (± 2 s.e.)",
        showlegend=show,
        marker=dict(color=palette.sample, symbol=symbol, size=8),
        error_y=dict(array=up, arrayminus=down, width=3),
        hovertemplate="d = %{x}: %{y:.4g}<extra></extra>",
    )


def cost_figure(found: Census, *, d: int, per_axis: int, wide: float, palette: Palette = LIGHT) -> go.Figure:
    """log10 of the looks that one sample costs: grid points, draws per hit of the ball, draws per accepted Gaussian; exact and counted.

    Where no draw of n hit, an arrow points up from the 95 % lower bound of the cost.
    """
    figure = go.Figure()
    ten = math.log(10)
    curves = (
        (f"grid of {per_axis} per axis", "dot", dimensions.log_grid_points(LINE, per_axis) / ten),
        ("cube until in its ball", "solid", -dimensions.log_ball_share(LINE) / ten),
        (f"rejection, {wide:g} × too wide", "dash", LINE * math.log(wide) / ten),
    )
    for name, dash, y in curves:
        figure.add_scatter(
            x=LINE,
            y=y,
            mode="lines",
            name=name,
            line=dict(color=palette.exact, width=2.2, dash=dash),
            hovertemplate="d = %{x}: 10^%{y:.1f}<extra>" + name + "</extra>",
        )
    for i, (counts, symbol) in enumerate(((found.ball, "circle"), (found.rejection, "diamond"))):
        hit = [c for c in counts if c.value > 0]
        missed = next((c for c in counts if c.value == 0), None)
        figure.add_scatter(
            x=[c.dim for c in hit],
            y=[-math.log10(c.value) for c in hit],
            mode="markers",
            name="counted (± 2 s.e.)",
            showlegend=not i,
            marker=dict(color=palette.sample, symbol=symbol, size=8),
            error_y=dict(array=[math.log10(c.value / c.low) for c in hit], width=3, arrayminus=[math.log10(c.high / c.value) for c in hit]),
        )
        if missed is not None:
            figure.add_scatter(
                x=[missed.dim],
                y=[-math.log10(missed.high)],
                mode="markers",
                name=f"none of {missed.n:,}",
                showlegend=not i,
                marker=dict(color=palette.sample, symbol="arrow-up", size=13),
            )
    for height, name in LANDMARKS:
        figure.add_hline(y=height, line=dict(color=palette.muted, width=1, dash="dash"))
        figure.add_annotation(
            x=0,
            y=height,
            xref="x",
            yref="y",
            text=f" {name}",
            showarrow=False,
            xanchor="left",
            yanchor="bottom",
            font=dict(color=palette.muted, size=12),
        )
    _at(figure, d, palette)
    styled(figure, palette, x_title="dimension d", y_title="log₁₀ of looks per sample", height=420)
    figure.update_xaxes(type="log", dtick=1, range=[0, 3.02])
    figure.update_yaxes(range=[-2, 102])
    return figure


def place_figure(found: Census, *, d: int, eps: float, n_points: int, palette: Palette = LIGHT) -> go.Figure:
    """Peel of a ball, nearest over farthest, width of the Gaussian's shell: exact lines with what was counted."""
    figure = go.Figure()
    curves: tuple[tuple[str, str, np.ndarray, Sequence[Count | Average], str], ...] = (
        (f"volume in the outer {eps:.0%}", "solid", dimensions.peel_share(LINE, eps), found.peel, "circle"),
        (f"nearest / farthest of {n_points:,}", "dash", dimensions.nearest_share(LINE, n_points), found.nearest, "diamond"),
        ("shell width / radius", "dot", dimensions.shell_width(LINE), found.shell, "square"),
    )
    for i, (name, dash, y, counted, symbol) in enumerate(curves):
        figure.add_scatter(
            x=LINE,
            y=y,
            mode="lines",
            name=name,
            line=dict(color=palette.exact, width=2.2, dash=dash),
            hovertemplate="d = %{x}: %{y:.3f}<extra>" + name + "</extra>",
        )
        _dots(figure, counted, palette, symbol, show=not i)
    _at(figure, d, palette)
    styled(figure, palette, x_title="dimension d", y_title="share or ratio", height=420)
    figure.update_xaxes(type="log", dtick=1, range=[-0.05, 3.05])
    figure.update_yaxes(range=[-0.04, 1.06])
    return figure


def bought_figure(
    curves: Mapping[str, Sequence[float]], floor: Floor, *, dims: Sequence[int], d: int, chosen: str | None = None, palette: Palette = LIGHT
) -> go.Figure:
    """Distance of |x| to its exact law after equally many looks, against the dimension, over the band that direct draws score in."""
    figure = go.Figure()
    low = floor_band(figure, floor, [dims[0], dims[-1]], name=f"{floor.n:,} exact draws", palette=palette)
    for name, values in curves.items():
        own = name == chosen
        colour = palette.sample if own else palette.muted
        figure.add_scatter(
            x=list(dims),
            y=[max(v, low / 2) for v in values],
            mode="lines+markers",
            name=METHODS[name],
            line=dict(color=colour, width=3 if own else 1.4, dash=DASHES[name]),
            customdata=list(values),
            marker=dict(symbol=SYMBOLS[name], size=9 if own else 6),
            hovertemplate="d = %{x}: %{customdata:.3g}<extra>" + METHODS[name] + "</extra>",
        )
    _at(figure, d, palette)
    styled(figure, palette, x_title="dimension d", y_title="distance of |x| to its exact law", height=420)
    figure.update_xaxes(type="log", dtick=1)
    figure.update_yaxes(type="log", dtick=1, exponentformat="power", range=[math.log10(low / 2.5), 0.1])
    return figure


def progress_figure(found: Progress, *, d: int, palette: Palette = LIGHT) -> go.Figure:
    """What one look renews, with and without the score: counted against the exact integral and the many-dimensions limit."""
    figure = go.Figure()
    walk = [dimensions.walk_progress(int(k), dimensions.WALK / math.sqrt(k)) for k in LINE]
    mala = dimensions.mala_progress(LINE)
    for name, y, dash in (
        ("random walk, exact: ∝ 1/d", walk, "solid"),
        ("with the score (MALA), many d: ∝ d<sup>−1/3</sup>", mala, "dash"),
    ):
        figure.add_scatter(x=LINE, y=y, mode="lines", name=name, line=dict(color=palette.exact, width=2.2, dash=dash))
    for counted, symbol, show in ((found.walk, "triangle-up", True), (found.mala, "star", False)):
        _dots(figure, counted, palette, symbol, show=show)
    _at(figure, d, palette)
    styled(figure, palette, x_title="dimension d", y_title="share of the memory lost per look", height=420)
    figure.update_xaxes(type="log", dtick=1, range=[-0.05, 3.05])
    figure.update_yaxes(type="log", dtick=1, exponentformat="power")
    return figure


def readings(*, d: int, eps: float, n_points: int, per_axis: int, wide: float) -> list[tuple[str, str]]:
    """The closed forms at one dimension, in words and powers of ten."""
    ten = math.log(10)
    radius = float(dimensions.shell_radius(d))
    return [
        ("Ball in its cube", power(float(dimensions.log_ball_share(d)) / ten)),
        (f"Outer {eps:.0%} of a ball holds", f"{float(dimensions.peel_share(d, eps)):.4g}"),
        (f"Nearest / farthest of {n_points:,}", f"{float(dimensions.nearest_share(d, n_points)):.3f}"),
        ("Gaussian, |x|", f"{radius:.2f} ± {radius * float(dimensions.shell_width(d)):.2f}"),
        (f"Grid, {per_axis} per axis", power(float(dimensions.log_grid_points(d, per_axis)) / ten) + " points"),
        (f"Rejection, {wide:g} × too wide", "1 of " + power(d * math.log(wide) / ten)),
    ]


def power(log10: float) -> str:
    """A number from its logarithm: 0.1645, 1.9 × 10⁻⁷⁰."""
    if -3 <= log10 < 5:
        return f"{10**log10:,.4g}" if log10 < 3 else f"{10**log10:,.0f}"
    mantissa, exponent = _scientific(log10)
    return f"{mantissa} × 10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def latex_power(log10: float) -> str:
    r"""The same as LaTeX: 0.1645, 1.9\times 10^{-70}."""
    if -3 <= log10 < 5:
        return power(log10).replace(",", r"\,")
    mantissa, exponent = _scientific(log10)
    return rf"{mantissa}\times 10^{{{exponent}}}"


def _scientific(log10: float) -> tuple[str, int]:
    """("1.9", -70); a mantissa that rounds to ten is one of the next power."""
    exponent = math.floor(log10 + 1 - math.log10(9.95))
    return f"{10 ** (log10 - exponent):.1f}", exponent
