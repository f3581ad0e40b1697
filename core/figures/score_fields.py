"""Figures of the score-field chapter: who ends on which mode, and what multiplying p by a constant changes."""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from core.figures.theme import LIGHT, Palette, rgba, small, styled
from core.numerics.distances import compared
from core.numerics.trajectory import Trajectory
from core.physics.basins import Basins
from core.physics.score_fields import FieldSpec, Rescaled, basins

MOST = 10  # basins with a bar of their own


def mode_figure(counted: Basins, greedy: Trajectory, thermal: Trajectory, *, palette: Palette = LIGHT) -> go.Figure:
    """Share of the walkers at the end in each basin, greedy and Langevin, beside the exact share of the law.

    Error bars: two standard errors of a counted share. Basins past the MOST heaviest are counted together.
    """
    names = [f"mode {i + 1}" for i in range(len(counted.mass))]
    places = [f"({x:.1f}, {y:.1f})".replace("-", "−") for x, y in counted.peaks.tolist()]
    labels = [f"{name}<br>{place}" for name, place in zip(names, places)] if len(names) < 6 else [f"{i + 1}" for i in range(len(names))]

    def grouped(shares: Tensor) -> list[float]:
        head, rest = shares[:MOST].tolist(), float(shares[MOST:].sum())
        return head + ([rest] if len(shares) > MOST else [])

    labels = labels[:MOST] + (["others"] if len(labels) > MOST else [])
    figure = go.Figure()
    for name, run, colour, pattern in (("greedy", greedy, palette.noise, "/"), ("Langevin", thermal, palette.sample, "")):
        share = np.array(grouped(counted.shares(run.final)))
        error = 2 * np.sqrt(share * (1 - share) / run.n_particles)
        figure.add_bar(
            x=labels,
            y=share,
            name=name,
            marker=dict(color=rgba(colour, 0.75), line_width=0, pattern_shape=pattern),
            error_y=dict(array=error, color=palette.muted, thickness=1.4, width=3),
            hovertemplate="%{y:.3f}<extra>" + name + "</extra>",
        )
    figure.add_scatter(
        x=labels,
        y=grouped(counted.mass),
        mode="markers",
        name="exact share",
        hovertemplate="%{y:.3f}<extra>exact</extra>",
        marker=dict(symbol="line-ew", size=46 if len(labels) < 6 else 22, line=dict(color=palette.exact, width=3.5)),
    )
    figure.update_layout(bargap=0.35)
    styled(
        figure,
        palette,
        x_title="mode and where it is highest" if len(names) < 6 else "modes, the heaviest first",
        y_title="share of the walkers",
    )
    figure.update_xaxes(type="category")
    figure.update_yaxes(rangemode="tozero")
    return figure


def constant_figure(cut: Rescaled, constant: float, *, palette: Palette = LIGHT) -> go.Figure:
    """ln p and ln(c p) along a line above, their slopes below: the curves part, the slopes fall on each other."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.07)
    x = cut.x.numpy()
    lifted = f"c p,  ln c = {math.log(constant):.2f}".replace("-", "−") if constant != 1 else "c p"
    lines = ((cut.log_p, cut.score, "p", palette.exact, "solid", 5), (cut.log_cp, cut.score_c, lifted, palette.accent, "dash", 2))
    for log, slope, name, colour, dash, width in lines:
        line = dict(color=colour, width=width, dash=dash, simplify=False)
        figure.add_scatter(x=x, y=log.numpy(), mode="lines", name=name, line=line, row=1, col=1)
        figure.add_scatter(x=x, y=slope.numpy(), mode="lines", name=name, line=line, showlegend=False, row=2, col=1)
    styled(figure, palette, x_title="", y_title="", height=400)
    figure.update_xaxes(title_text=f"x₁ along x₂ = {cut.y:.2f}".replace("-", "−"), row=2, col=1)
    figure.update_yaxes(title_text="logarithm", row=1, col=1)
    figure.update_yaxes(title_text="score along x₁", row=2, col=1)
    return figure


def final_figure(trajectory: Trajectory, basins: Basins, *, palette: Palette = LIGHT) -> go.Figure:
    """The walkers at the end on the exact law, for the exported script."""
    law = basins.law
    axis = (np.arange(law.n) + 0.5) * law.cell - law.half
    figure = go.Figure()
    figure.add_contour(
        x=axis,
        y=axis,
        z=law.log_p.exp().numpy(),
        contours_coloring="lines",
        ncontours=10,
        showscale=False,
        line_width=1.5,
        colorscale=[[0, palette.exact], [1, palette.exact]],
        name="exact",
        showlegend=True,
        hoverinfo="skip",
    )
    x = trajectory.final.numpy()
    figure.add_scattergl(x=x[:, 0], y=x[:, 1], mode="markers", marker=dict(color=palette.sample, size=4), name="walkers")
    styled(figure, palette, x_title="x₁", y_title="x₂", height=480)
    figure.update_xaxes(range=[-3, 3], scaleanchor="y")
    figure.update_yaxes(range=[-3, 3])
    return figure


def readings(cut: Rescaled, constant: float, kT: float) -> list[tuple[str, str]]:
    """(quantity, value) of the multiplication by a constant."""
    what = "∫ c p dx by quadrature" if kT == 1 else "∫ c p^(1/kT) dx by quadrature"
    return [
        ("Factor c", f"{constant:,g}" if constant < 1e6 else f"{constant:,.0f}"),
        (what, f"{cut.integral:.6g}"),
        ("Largest difference of the score fields", f"{small(cut.deviation)} of the longest arrow"),
    ]


def share_compared(counted: Basins, run: Trajectory, name: str) -> tuple[int, str]:
    """(On the heaviest mode end 0: fewer walkers than its share of the law, 1: as many within the noise, 2: more; both shares)."""
    share, true = float(counted.shares(run.final)[0]), float(counted.mass[0])
    error = math.sqrt(true * (1 - true) / run.n_particles)
    return compared(share, true, error), (
        f"It holds {true:.3f} of the law; {share:.3f} of the {name} walkers ended in its basin, and as many exact draws would scatter by "
        f"{error:.3f}."
    )


def modes_compared(kT: float, more: float = 0.5, **spec: Unpack[FieldSpec]) -> tuple[int, str]:
    """(With `more` noise added to sigma the density has 0: fewer modes, 1: as many, 2: more; both numbers)."""
    noisier = spec["sigma"] + more
    before, after = (len(basins(kT=kT, **spec | {"sigma": sigma}).mass) for sigma in (spec["sigma"], noisier))
    return (0 if after < before else 1 if after == before else 2), f"The density has {before} now, and {after} with σ = {noisier:g}."
