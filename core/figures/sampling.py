"""Figures of the sampling chapter: distance to the law over time, what steps are worth, how long a chain remembers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from core.figures.theme import LIGHT, Palette, floor_band, rgba, styled
from core.foundations.sampling import SAMPLERS, Efficiency, Mean, Run, crossings, right_share
from core.numerics.distances import Floor, Truth

DASHES = {"metropolis": "solid", "mala": "dash", "langevin": "dot", "baoab": "longdash", "nve": "dashdot"}
SYMBOLS = {"metropolis": "circle", "mala": "square", "langevin": "diamond", "baoab": "triangle-up", "nve": "x"}


def _line(name: str, chosen: str | None, palette: Palette) -> dict:
    own = name == chosen
    colour = palette.sample if own else palette.muted
    return dict(
        name=SAMPLERS[name].label,
        line=dict(color=colour, width=3 if own else 1.4, dash=DASHES[name]),
        marker=dict(symbol=SYMBOLS[name], size=8 if own else 6),
    )


def distance_figure(
    curves: Mapping[str, tuple[Tensor, Tensor]], floor: Floor, *, chosen: str | None = None, palette: Palette = LIGHT
) -> go.Figure:
    """Distance of the chains to the exact law against looks at the landscape, log-log, over the band that exact draws score in."""
    figure = go.Figure()
    last = max(float(times[-1]) for times, _ in curves.values())
    first = min(float(times[0]) for times, _ in curves.values())
    floor_band(figure, floor, [first, last], name=f"{floor.n:,} exact draws", palette=palette)
    for name, (times, values) in curves.items():
        y = [v if math.isfinite(v) else None for v in values.tolist()]
        figure.add_scatter(
            x=times.numpy(),
            y=y,
            mode="lines+markers",
            **_line(name, chosen, palette),
            hovertemplate="after %{x} looks: %{y:.3f}<extra>" + SAMPLERS[name].label + "</extra>",
        )
    figure.update_xaxes(type="log", dtick=1)
    figure.update_yaxes(type="log", dtick=1, exponentformat="power")
    return styled(figure, palette, x_title="looks at the landscape (steps)", y_title="distance to the exact law (units of x)", height=460)


def efficiency_figure(scans: Mapping[str, Efficiency], *, step: float, chosen: str | None = None, palette: Palette = LIGHT) -> go.Figure:
    """Above: acceptance against step length. Below: effective per 1,000 looks, log-log, one standard error either side.

    Points whose tau outgrew the run are upper bounds and drawn hollow; samplers that lost chains have no point. The shaded side
    is past the stability limit of a spring.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.32, 0.68], vertical_spacing=0.06)
    edge = max(float(scan.steps[-1]) for scan in scans.values()) * 1.1
    for row in (1, 2):
        figure.add_vrect(x0=2, x1=edge, fillcolor=rgba(palette.noise, 0.16), line_width=0, row=row, col=1)
        figure.add_vline(x=step, line=dict(color=palette.accent, width=2, dash="dot"), row=row, col=1)
    for name, scan in scans.items():
        x, look = scan.steps.numpy(), _line(name, chosen, palette)
        if scan.acceptance is not None:
            figure.add_scatter(
                x=x,
                y=scan.acceptance.numpy(),
                mode="lines+markers",
                showlegend=False,
                row=1,
                col=1,
                **look,
                hovertemplate="step %{x}: %{y:.0%} accepted<extra>" + look["name"] + "</extra>",
            )
        effective = scan.effective.numpy()
        y = np.where(effective > 0, effective, np.nan)
        symbol = [look["marker"]["symbol"] + ("-open" if tau > scan.longest else "") for tau in scan.tau.tolist()]
        error = (scan.effective * scan.tau_error / scan.tau).nan_to_num(0.0).numpy()
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines+markers",
            row=2,
            col=1,
            name=look["name"],
            line=look["line"],
            connectgaps=False,
            marker=look["marker"] | {"symbol": symbol},
            error_y=dict(array=error, thickness=1, width=0),
            hovertemplate="step %{x}: %{y:.3g} effective samples<extra>" + look["name"] + "</extra>",
        )
    styled(figure, palette, x_title="", y_title="", height=460)
    figure.update_xaxes(
        type="log",
        range=[math.log10(0.09), math.log10(edge)],
        tickvals=[0.1, 0.3, 1, 3, 10, 30],
        ticktext=["0.1", "0.3", "1", "3", "10", "30"],
    )
    figure.update_xaxes(title_text="step length h (widths of the narrowest well)", row=2, col=1)
    figure.update_yaxes(title_text="accepted", tickformat=".0%", range=[-0.03, 1.05], row=1, col=1)
    figure.update_yaxes(title_text="effective per 1,000 looks", type="log", dtick=1, row=2, col=1)
    return figure


def memory_figure(scans: Mapping[str, Efficiency], *, step: float, chosen: str | None = None, palette: Palette = LIGHT) -> go.Figure:
    """Autocorrelation of x about its exact mean against the lag, at the scanned step nearest to `step`; lost samplers are absent."""
    figure = go.Figure()
    for name, scan in scans.items():
        rho = scan.rho[scan.at(step)].numpy()
        if not np.isfinite(rho).all():
            continue
        lags = np.unique(np.round(np.logspace(0, math.log10(len(rho) / 2), 60)).astype(int))
        figure.add_scatter(
            x=lags,
            y=rho[lags],
            mode="lines",
            **{k: v for k, v in _line(name, chosen, palette).items() if k != "marker"},
            hovertemplate="after %{x} steps: %{y:.2f}<extra>" + SAMPLERS[name].label + "</extra>",
        )
    figure.add_hline(y=0, line=dict(color=palette.exact, width=1.5))
    figure.update_xaxes(type="log", dtick=1)
    figure.update_yaxes(range=[-0.55, 1.15])
    return styled(figure, palette, x_title="lag k (steps)", y_title="autocorrelation of x", height=400)


HEAD = ("", "accepted", "crossings", "x > 0", "τ / steps", "effective per 1,000 looks", "effective per second", "distance / floor")


def comparison(
    runs: Mapping[str, Run],
    scans: Mapping[str, Efficiency],
    truths: Mapping[str, Truth],
    seconds: Mapping[str, float],
    *,
    cores: tuple[float, float],
    step: float,
) -> list[tuple[str, ...]]:
    """One row per sampler under HEAD. seconds: processor time of one step of one chain, as measured by the caller.

    A dash where there is nothing to say: no proposal, or chains that are no longer numbers.
    """
    rows: list[tuple[str, ...]] = []
    for name, run in runs.items():
        scan, i = scans[name], scans[name].at(step)
        tau, error = float(scan.tau[i]), float(scan.tau_error[i])
        lost = not math.isfinite(tau)
        bound = tau > scan.longest
        memory = "lost" if lost else f"> {scan.longest:.0f}" if bound else f"{tau:.0f} ± {error:.0f}"
        limit = "< " if bound else ""
        worth = 1 / max(tau, scan.longest if bound else 0)
        ratio = truths[name].ratio
        alive = math.isfinite(ratio)
        rows.append(
            (
                SAMPLERS[name].label,
                "–" if run.acceptance is None else f"{run.acceptance:.{1 if run.acceptance < 0.1 else 0}%}",
                _text(crossings(run.slow, cores)) if alive else "–",
                _text(right_share(run)) if alive else "–",
                memory,
                "–" if lost else f"{limit}{1000 * worth:.3g}",
                "–" if lost else f"{limit}{_round(worth / seconds[name])}",
                f"{ratio:.1f}" if alive else "blown up",
            )
        )
    return rows


def thermometer(runs: Mapping[str, Run], *, kT: float, step: float) -> list[tuple[str, str]]:
    """Kinetic temperatures of the samplers that have velocities, beside what a spring of the narrowest width leads one to expect."""
    rows = [("kT asked for", f"{kT:.2f}")]
    expected = {"baoab": (1 - step**2 / 4) * kT if step < 2 else None, "nve": kT / 2 if step < 2 else None}
    for name, value in expected.items():
        along = runs[name].temperature
        assert along is not None, f"{name} has velocities"
        mean = Mean(sum(t.value for t in along) / 2, math.hypot(*(t.error for t in along)) / 2)
        rows.append((f"{SAMPLERS[name].label}, kinetic temperature", _text(mean) if math.isfinite(mean.value) else "not a number"))
        rows.append(("… in a spring, exactly", "unstable" if value is None else f"{value:.3f}"))
    change = runs["nve"].energy_change
    assert change is not None, "nve has velocities"
    return [*rows, ("NVE, its energy wanders by", f"{change:.2g}" if change < 1e6 else "diverges")]


def _text(mean: Mean) -> str:
    digits = min(3, max(0, 1 - math.floor(math.log10(mean.error)))) if 0 < mean.error < math.inf else 2
    return f"{mean.value:.{digits}f} ± {mean.error:.{digits}f}" if math.isfinite(mean.error) and mean.error else f"{mean.value:.{digits}f}"


def _round(value: float) -> str:
    """Two digits, thousands apart: 12,000."""
    power = 10 ** (math.floor(math.log10(value)) - 1) if value > 0 else 1
    return f"{round(value / power) * power:,.0f}" if value >= 10 else f"{value:.2g}"
