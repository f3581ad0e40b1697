"""Figures of the Fokker-Planck chapter: relative entropy, mass, profiles, the circulating current."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from core.figures.theme import LIGHT, Palette, density_bars, rgba, small, styled
from core.numerics.trajectory import Trajectory
from core.physics.fokker_planck import Solution, box_gap, current, decay, distance_to_data, restlessness, washboard_diffusion


def entropy_figure(solution: Solution, *, palette: Palette = LIGHT) -> go.Figure:
    """Relative entropy to the stationary state against time, with the slope that the operator's slowest rate asks for."""
    H = solution.entropy
    t = np.arange(len(H)) * solution.dt
    seen = H > 1e-13
    figure = go.Figure()
    figure.add_scatter(x=t[seen], y=H[seen], mode="lines", name="relative entropy", line=dict(color=palette.exact, width=3))
    found = decay(solution)
    if found is not None and solution.setting.confining:
        tail = t >= 0.25 * t[-1]
        last = int(np.nonzero(H > 1e-10)[0][-1])
        line = H[last] * np.exp(-2 * found.stepped * (t[tail] - t[last]))
        figure.add_scatter(
            x=t[tail], y=line, mode="lines", name="exp(−2 λ t), λ from the operator", line=dict(color=palette.accent, width=2, dash="dash")
        )
    styled(figure, palette, x_title="time t", y_title="relative entropy ∫ p ln(p/p∞) (nats)")
    low = max(1e-13, float(H[seen].min()) / 2) if seen.any() else 1e-13
    high = 3 * float(H.max())
    figure.update_yaxes(
        type="log", exponentformat="power", range=[math.log10(low), math.log10(high)], dtick=1 if 30 < high / low < 1e8 else None
    )
    return figure


def mass_figure(solution: Solution, *, palette: Palette = LIGHT) -> go.Figure:
    """|mass - 1| at every step, with what round-off allows."""
    error = np.maximum(np.abs(solution.mass - 1), 1e-17)
    t = np.arange(len(error)) * solution.dt
    allowed = solution.roundoff * np.arange(1, len(error) + 1) / len(error)
    figure = go.Figure()
    figure.add_scatter(x=t, y=allowed, mode="lines", name="what round-off allows", line=dict(color=palette.muted, width=1.5, dash="dot"))
    figure.add_scatter(x=t, y=error, mode="lines", name="|mass − 1|", line=dict(color=palette.exact, width=2))
    styled(figure, palette, x_title="time t", y_title="error of the mass |∫ p dx − 1|")
    figure.update_yaxes(type="log", exponentformat="power", dtick=2, range=[-17.3, max(-8, math.log10(allowed[-1]) + 0.5)])
    return figure


def profiles_figure(solution: Solution, walk: Trajectory, *, half: float | None = None, palette: Palette = LIGHT) -> go.Figure:
    """Density of the (first) coordinate: four moments from start to end, the stationary one, and the particles at the end."""
    box, p = solution.box, solution.p
    x = box.centres(-1)
    flat = solution.setting.flat
    marginal = p if flat else p.sum(1) * box.widths[0]
    end = solution.end if flat else solution.end.sum(0) * box.widths[0]
    half = half or box.high[-1]
    figure = go.Figure()
    density_bars(figure, walk.final[:, 0].double().numpy(), np.linspace(-half, half, 61), name="particles at the end", palette=palette)
    for share, opacity in ((0.0, 0.35), (0.05, 0.5), (0.25, 0.7), (1.0, 1.0)):
        i = round(share * (len(p) - 1))
        figure.add_scatter(
            x=x,
            y=marginal[i],
            mode="lines",
            name=f"p at t = {solution.times[i]:.3g}",
            line=dict(color=rgba(palette.exact, opacity), width=2.5 if share == 1 else 1.6),
        )
    if solution.setting.confining:
        figure.add_scatter(x=x, y=end, mode="lines", name="p∞", line=dict(color=palette.ink, width=1.6, dash="dash"))
    top = 1.25 * max(float(end.max()) if solution.setting.confining else 0.0, float(marginal[len(p) // 4].max()))
    styled(figure, palette, x_title="position x" if flat else "position x₁", y_title="density")
    figure.update_layout(bargap=0)
    figure.update_xaxes(range=[-half, half])
    figure.update_yaxes(range=[0, top])
    return figure


def circulation_figure(solution: Solution, *, palette: Palette = LIGHT) -> go.Figure:
    """Current through the half line x2 = 0: of the solved equation at the end, and Omega x1 p(x1, 0) of the steady whirl."""
    box = solution.box
    x = box.centres(1)
    middle = box.cells[0] // 2
    J = current(solution)[..., 1]
    across = J[middle] if box.cells[0] % 2 else 0.5 * (J[middle - 1] + J[middle])
    s = solution.setting
    exact = s.swirl * x * np.exp(-x * x / (2 * s.kT)) / (2 * math.pi * s.kT)
    figure = go.Figure()
    figure.add_scatter(x=x, y=exact, mode="lines", name="steady state, exact: Ω x₁ p∞", line=dict(color=palette.exact, width=2.5))
    figure.add_scatter(x=x[::2], y=across[::2], mode="markers", name="solved, at the end", marker=dict(color=palette.force, size=6))
    return styled(figure, palette, x_title="x₁, along x₂ = 0", y_title="current J₂ (1/(length·time))")


def table(solution: Solution) -> list[tuple[str, str]]:
    """(quantity, value): what the scheme kept, the gap of the operator beside the measured decay, what is special here."""
    s = solution.setting
    least = float(solution.smallest.min())
    rows = [
        ("Mass lost, at most", small(float(np.abs(solution.mass - 1).max()), 1)),
        ("Smallest density", small(least, 1) if least < 0 or least > 1e-9 else "above 0" if least else "0"),
        ("Steps on which entropy rose", f"{int((np.diff(solution.entropy) > solution.roundoff).sum())} of {len(solution.entropy) - 1}"),
    ]
    if s.confining:
        found = decay(solution)
        rows.append(("Slowest rate λ₁ of the operator", f"{solution.gap:.4g}"))
        if found is not None and found.rate > 1.001 * solution.gap:
            rows.append(("Slowest in this (symmetric) start", f"{found.rate:.4g}"))
        rows.append(("the same, in steps of dt", "–" if found is None else f"{found.stepped:.4g}"))
        late = solution.gap * float(solution.times[-1]) > 0.5
        rows.append(("Decay measured at the end", "–" if found is None else f"{found.measured:.4g}" if late else "not yet: t ≪ 1/λ₁"))
    else:
        near, far = box_gap(s, 12.0), box_gap(s, 24.0)
        rows += [
            ("λ₁ with walls at ±12", f"{near:.3g}"),
            ("λ₁ with walls at ±24", f"{far:.3g}"),
            ("Variance gained per time, late half", f"{_growth(solution):.3g}"),
            ("the same, exact (Lifson–Jackson)", f"{2 * washboard_diffusion(s):.3g}"),
        ]
    if s.kind == "whirl":
        rows.append(("Second rates: λ₁ ± i Ω", f"{abs(solution.rates[1].imag):.3g} (Ω = {s.swirl:g})"))
    if "score" in s.kind:
        apart = distance_to_data(solution)
        rows.append(("Where it leads, from the data", f"{apart if apart > 1e-12 else 0:.2g} nats"))
    return rows


def _growth(solution: Solution) -> float:
    x, half = solution.box.centres(0), len(solution.times) // 2
    mean = solution.p @ x * solution.box.volume
    variance = solution.p @ (x * x) * solution.box.volume - mean**2
    return float((variance[-1] - variance[half]) / (solution.times[-1] - solution.times[half]))


def forgotten(solution: Solution) -> tuple[int, str]:
    """(0: more than a tenth of the relative entropy of the start is left at the end, 1: more than a thousandth, 2: less; both numbers)."""
    first, last = (float(solution.entropy[i]) for i in (0, -1))
    left = max(last / first, 0.0)
    return (0 if left > 0.1 else 1 if left > 1e-3 else 2), f"It falls from {first:.3g} to {last:.2g} nats: {left:.1e} of it is left."


def still_flowing(solution: Solution) -> tuple[int, str]:
    """(0: no current in the stationary density but round-off, 1: there is one; how strong it is)."""
    ratio = restlessness(solution)
    words = "It goes round and changes nothing." if ratio > 1e-6 else "That is zero, up to the round-off of the computer."
    return int(
        ratio > 1e-6
    ), f"The strongest current in the stationary density is {ratio:.1e} times the strongest one at the start. {words}"
