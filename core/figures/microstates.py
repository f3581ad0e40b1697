"""Figures of the chapter on microstates: counted heads, entropy and its Stirling form, the narrowing of the width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import torch

from core.figures.theme import LIGHT, Palette, rgba, styled, typeset
from core.foundations.microstates import (
    Throws,
    Width,
    binomial,
    counted_entropy,
    log_count,
    relative_width,
    stirling,
)


def heads_figure(throws: Throws, *, palette: Palette = LIGHT) -> go.Figure:
    """Share of all throws by number of heads with one standard error of an exact sample of this size, over the binomial."""
    exact = binomial(throws.n_coins, throws.p).numpy()
    share = throws.counts.numpy() / throws.n_throws
    wanted = np.flatnonzero((exact > 1e-4 * exact.max()) | (share > 0))
    n = np.arange(wanted[0], wanted[-1] + 1)
    figure = go.Figure()
    figure.add_bar(x=n, y=share[n], name=f"{throws.n_throws:,} throws", marker=dict(color=rgba(palette.sample, 0.65), line_width=0))
    error = np.sqrt(exact * (1 - exact) / throws.n_throws)[n]
    figure.add_scatter(
        x=n,
        y=exact[n],
        mode="markers",
        name="exact ± 1 s.e.",
        marker=dict(color=palette.exact, size=7 if len(n) < 40 else 4),
        error_y=dict(type="data", array=error, color=palette.exact, thickness=1.5, width=3 if len(n) < 40 else 0),
    )
    figure.update_layout(bargap=0.15 if len(n) < 40 else 0)
    return styled(figure, palette, x_title="number of heads n", y_title="share of throws")


def entropy_figure(throws: Throws, *, palette: Palette = LIGHT) -> go.Figure:
    """ln W per coin against the share of heads: exact, Stirling to two orders, and counted by throwing (± 1 standard error)."""
    n_coins = throws.n_coins
    fine = torch.linspace(0, 1, 201, dtype=torch.float64)
    inner = torch.linspace(0.5 / n_coins, 1 - 0.5 / n_coins, 201, dtype=torch.float64)
    figure = go.Figure()
    figure.add_scatter(
        x=fine.numpy(),
        y=(stirling(n_coins, fine) / n_coins).numpy(),
        mode="lines",
        name="Stirling, N → ∞",
        line=dict(color=palette.muted, width=1.5, dash="dash"),
    )
    if n_coins > 1:
        figure.add_scatter(
            x=inner.numpy(),
            y=(stirling(n_coins, inner, order=1) / n_coins).numpy(),
            mode="lines",
            name="next order",
            line=dict(color=palette.accent, width=1.5, dash="dot"),
        )
    share = np.arange(n_coins + 1) / n_coins
    figure.add_scatter(
        x=share,
        y=(log_count(n_coins) / n_coins).numpy(),
        mode="markers" if n_coins < 40 else "lines",
        name="exact ln W / N",
        marker=dict(color=palette.exact, size=9),
        line=dict(color=palette.exact, width=2.5),
    )
    counted = counted_entropy(throws)
    figure.add_scatter(
        x=(counted.heads / n_coins).numpy(),
        y=(counted.value / n_coins).numpy(),
        mode="markers",
        name="counted by throwing",
        marker=dict(color=palette.sample, size=6, symbol="diamond"),
        error_y=dict(type="data", array=(counted.error / n_coins).numpy(), color=palette.sample, thickness=1.5, width=0),
    )
    styled(figure, palette, x_title="share of heads n/N", y_title="entropy per coin, ln W / N")
    figure.update_yaxes(range=[-0.08, 0.8] if throws.memory == 0 else None)
    return figure


def width_figure(
    measured: Sequence[Width], *, p: float, memory: float = 0.0, chosen: Width | None = None, palette: Palette = LIGHT
) -> go.Figure:
    """Relative width against the number of coins, log-log: independent coins exactly, throws with ± 2 standard errors."""
    n = np.unique(np.round(np.logspace(0, np.log10(250), 60)).astype(int))
    figure = go.Figure()
    figure.add_scatter(
        x=n, y=[relative_width(int(k), p) for k in n], mode="lines", name="√((1−p)/pN)", line=dict(color=palette.exact, width=2.5)
    )
    if memory > 0:
        figure.add_scatter(
            x=n,
            y=[relative_width(int(k), p, memory) for k in n],
            mode="lines",
            name="exact, with memory",
            line=dict(color=palette.accent, width=2, dash="dash"),
        )
    good = [w for w in measured if np.isfinite(w.value)]
    figure.add_scatter(
        x=[w.n_coins for w in good],
        y=[w.value for w in good],
        mode="markers",
        name="throws",
        marker=dict(color=palette.sample, size=7),
        error_y=dict(type="data", array=[2 * w.error for w in good], color=palette.sample, thickness=1.5),
    )
    if chosen is not None and np.isfinite(chosen.value):
        figure.add_scatter(
            x=[chosen.n_coins],
            y=[chosen.value],
            mode="markers",
            name="on the stage",
            marker=dict(color=palette.sample, size=14, symbol="circle-open", line_width=3),
        )
    styled(figure, palette, x_title="number of coins N", y_title="relative width of n")
    figure.update_xaxes(type="log", tickvals=[1, 2, 5, 10, 20, 50, 100, 200])
    figure.update_yaxes(type="log", tickvals=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5])
    return figure


def count_table(throws: Throws) -> list[tuple[str, str]]:
    """(what, how many) for the read-out: every number of heads of a few coins, the essentials of many."""
    n_coins, total = throws.n_coins, 2**throws.n_coins
    ways, share = log_count(n_coins).exp().round(), throws.counts / throws.n_throws
    if n_coins <= 8:
        return [
            (f"{n} head{'' if n == 1 else 's'}", f"{int(ways[n]):,} of {total:,} ways = {ways[n] / total:.1%} · thrown {share[n]:.1%}")
            for n in range(n_coins, -1, -1)
        ]
    peak = int(ways.argmax())
    return [
        ("Microstates, 2ᴺ", _large(total)),
        (f"of them with {peak} heads", _large(float(ways[peak]))),
        ("their share", f"{float(ways[peak]) / total:.3g}"),
        ("ln W there", f"{float(log_count(n_coins)[peak]):.2f}"),
        ("Stirling, N ln 2", f"{float(stirling(n_coins, torch.tensor(peak / n_coins))):.2f}"),
        ("with its next order", f"{float(stirling(n_coins, torch.tensor(peak / n_coins), order=1)):.2f}"),
    ]


def _large(value: float) -> str:
    if value < 1e6:
        return f"{value:,.0f}"
    return typeset(f"{value:.2e}")
