"""Figures of the Langevin chapter: spreading, memory, velocities, the bias of the step, crossings of the barrier."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import torch

from core.figures.brownian import plus_minus
from core.figures.theme import LIGHT, Palette, band, density_bars, rgba, styled
from core.numerics.distances import compared
from core.numerics.kinetic import bias, stability_limit
from core.physics.langevin import (
    METHODS,
    Counts,
    Curve,
    Gap,
    Run,
    System,
    ballistic,
    count,
    diffusive,
    kinetic_temperature,
    kramers,
    late_width,
    melnikov,
    slow_rate,
    transition_state,
)


def _mark(figure: go.Figure, at: float, text: str, axis: np.ndarray, palette: Palette) -> None:
    """A named vertical line on a logarithmic axis, if it is in view."""
    if axis[0] < at < axis[-1]:
        figure.add_vline(x=at, line=dict(color=palette.muted, width=1))
        figure.add_annotation(
            x=math.log10(at), y=0.02, yref="paper", text=text, showarrow=False, xanchor="left", yanchor="bottom", xshift=4
        )


def _finite(curve: Curve) -> np.ndarray:
    return (torch.isfinite(curve.value) & torch.isfinite(curve.error)).numpy()


def spread_figure(curve: Curve, system: System, *, palette: Palette = LIGHT) -> go.Figure:
    """Mean squared displacement about the mean against time, log-log, with the ballistic and the diffusive asymptote."""
    keep = _finite(curve) & (curve.times > 0).numpy() & (curve.value > 0).numpy()
    t, value, error = (part.numpy()[keep] for part in (curve.times, curve.value, curve.error))
    line = torch.as_tensor(np.geomspace(float(curve.times[1]), float(curve.times[-1]), 120))
    slow, fast = diffusive(system, line), ballistic(system, line)
    figure = go.Figure()
    if len(t):
        band(figure, t, np.maximum(value - 2 * error, value / 10), value + 2 * error, colour=palette.sample, name="± 2 standard errors")
        figure.add_scatter(x=t, y=value, mode="lines", line=dict(color=palette.sample, width=2.5), name="particles")
    if curve.exact is not None:
        figure.add_scatter(
            x=curve.times.numpy()[1:],
            y=curve.exact.numpy()[1:],
            mode="lines",
            name="exact",
            line=dict(color=palette.exact, width=2, dash="dash"),
        )
    top = 3 * max(float(np.max(value, initial=0)), float(curve.exact[-1]) if curve.exact is not None else 0, system.speed**2 * 1e-6)
    for y, name, dash in ((fast, "ballistic  kT t²/m", "dot"), (slow, "diffusive  2 kT t/γm", "dashdot")):
        inside = (y < top).numpy()
        figure.add_scatter(
            x=line.numpy()[inside], y=y.numpy()[inside], mode="lines", name=name, line=dict(color=palette.muted, width=1.5, dash=dash)
        )
    low = max(float(ballistic(system, curve.times[1])) / 2, top * 1e-7)
    _mark(figure, 1 / system.friction, "1/γ", line.numpy(), palette)
    styled(figure, palette, x_title="time t", y_title="⟨(x − ⟨x⟩)²⟩ (length²)")
    figure.update_xaxes(type="log", dtick=1, exponentformat="power", range=[math.log10(line[0]), math.log10(line[-1])])
    figure.update_yaxes(type="log", exponentformat="power", dtick=1 if top / low < 1e5 else 2, range=[math.log10(low), math.log10(top)])
    return figure


def memory_figure(curve: Curve, system: System, *, palette: Palette = LIGHT) -> go.Figure:
    """Velocity autocorrelation over its value at 0, with the exact curve; exp(-gamma t) of a free particle for comparison."""
    keep = _finite(curve)
    t, value, error = (part.numpy()[keep] for part in (curve.times, curve.value, curve.error))
    figure = go.Figure()
    if len(t):
        band(figure, t, value - 2 * error, value + 2 * error, colour=palette.sample, name="± 2 standard errors")
        figure.add_scatter(x=t, y=value, mode="lines", line=dict(color=palette.sample, width=2.5), name="particles")
    if curve.exact is not None:
        figure.add_scatter(
            x=curve.times.numpy(), y=curve.exact.numpy(), mode="lines", name="exact", line=dict(color=palette.exact, width=2, dash="dash")
        )
    if system.kind != "free":
        figure.add_scatter(
            x=curve.times.numpy(),
            y=torch.exp(-system.friction * curve.times).numpy(),
            mode="lines",
            name="free particle  exp(−γt)",
            line=dict(color=palette.muted, width=1.5, dash="dot"),
        )
    styled(figure, palette, x_title="time t", y_title="⟨v(0) v(t)⟩ m/kT")
    figure.update_yaxes(range=[min(-0.15, 1.15 * float(np.min(value, initial=0))) if np.min(value, initial=0) > -1.2 else -1.2, 1.15])
    return figure


def velocity_figure(run: Run, system: System, *, method: str, dt: float, n_bins: int = 50, palette: Palette = LIGHT) -> go.Figure:
    """Velocities at the end as a density, with Maxwell-Boltzmann and, in the harmonic well, the law of this step."""
    s = system.speed
    v = run.v[-1].double().numpy()
    edges = np.linspace(-4.2 * s, 4.2 * s, n_bins + 1)
    figure = go.Figure()
    outside = density_bars(figure, v, edges, name="particles", palette=palette)
    x = np.linspace(edges[0], edges[-1], 241)
    figure.add_scatter(
        x=x,
        y=np.exp(-(x**2) / (2 * s * s)) / (math.sqrt(2 * math.pi) * s),
        mode="lines",
        name="Maxwell–Boltzmann",
        line=dict(color=palette.exact, width=2.5),
    )
    ratio = bias(method, dt=dt, omega=system.omega, friction=system.friction).velocity if system.kind == "harmonic" else 1.0
    if math.isfinite(ratio) and abs(ratio - 1) > 0.01:
        b = s * math.sqrt(ratio)
        figure.add_scatter(
            x=x,
            y=np.exp(-(x**2) / (2 * b * b)) / (math.sqrt(2 * math.pi) * b),
            mode="lines",
            name=f"{method} at this step",
            line=dict(color=palette.accent, width=2, dash="dash"),
        )
    if outside > 0.002:
        figure.add_annotation(x=0.98, y=0.96, xref="paper", yref="paper", showarrow=False, xanchor="right", text=f"{outside:.1%} outside")
    figure.update_layout(bargap=0)
    figure.update_xaxes(range=[edges[0], edges[-1]])
    return styled(figure, palette, x_title="velocity v", y_title="density")


def bias_figure(run: Run, system: System, *, method: str, dt: float, palette: Palette = LIGHT) -> go.Figure:
    """What each method samples in a harmonic well of this frequency, over what it should, against the step.

    Solid: <x^2> k/kT. Dashed: <v^2> m/kT. The points are measured from the run (harmonic well only), with two standard errors.
    """
    omega, gamma = system.omega, system.friction
    figure = go.Figure()
    limit = 2 / omega
    steps = np.linspace(limit / 200, 1.12 * limit, 260)
    others = [name for name in (*METHODS, "overdamped") if name not in (method, "BAOAB", "ABOBA")]  # those two: exactly 1
    for name, kind, dash in (
        (method, "position", "solid"),
        (method, "velocity", "dash"),
        *((name, "position", dash) for name, dash in zip(others, ("dot", "dashdot", "longdash"))),
    ):
        y = np.array([getattr(bias(name, dt=float(h), omega=omega, friction=gamma), kind) for h in steps])
        y[~np.isfinite(y) | (y > 4)] = np.nan
        label = f"{'no inertia, Euler' if name == 'overdamped' else name}: " + ("⟨x²⟩ k/kT" if kind == "position" else "⟨v²⟩ m/kT")
        figure.add_scatter(
            x=steps,
            y=y,
            mode="lines",
            name=label,
            connectgaps=False,
            line=dict(color=palette.exact if name == method else palette.muted, width=2.5 if name == method else 1.3, dash=dash),
            hovertemplate="dt = %{x:.3g}: %{y:.3f}<extra>" + label + "</extra>",
        )
    edge = stability_limit(method, omega=omega, friction=gamma)
    if edge < steps[-1]:
        figure.add_vrect(x0=edge, x1=steps[-1], fillcolor=rgba(palette.force, 0.14), line_width=0)
        figure.add_annotation(
            x=(edge + steps[-1]) / 2 if edge < 0.8 * limit else steps[-1],
            y=1.85,
            text="unstable",
            showarrow=False,
            xanchor="center" if edge < 0.8 * limit else "right",
            font_color=palette.force,
        )
    figure.add_vline(x=min(dt, steps[-1]), line=dict(color=palette.sample, width=1.5))
    if system.kind == "harmonic":
        for part, target, symbol, name in (
            (run.x, system.kT / system.stiffness, "circle", "particles: ⟨x²⟩"),
            (run.v, system.speed**2, "diamond", "particles: ⟨v²⟩"),
        ):
            value, error = pooled_variance(part)
            if math.isfinite(value) and value / target < 4:
                figure.add_scatter(
                    x=[min(dt, steps[-1])],
                    y=[value / target],
                    mode="markers",
                    name=name,
                    marker=dict(color=palette.sample, size=10, symbol=symbol, line=dict(color=palette.background, width=1)),
                    error_y=dict(type="data", array=[2 * error / target], color=palette.sample),
                )
    styled(figure, palette, x_title="time step dt", y_title="sampled variance / exact")
    figure.update_yaxes(range=[0, 2])
    figure.update_xaxes(range=[0, steps[-1]])
    return figure


def pooled_variance(part: torch.Tensor) -> tuple[float, float]:
    """Variance and its standard error at the last frame of part (T, N)."""
    last = part[-1].double()
    return float(last.var()), float(last.var()) * math.sqrt(2 / (len(last) - 1)) if len(last) > 1 else math.inf


def rate_figure(counts: Counts, system: System, *, palette: Palette = LIGHT) -> go.Figure:
    """Escape rate against friction, log-log: counted crossings, Kramers, Mel'nikov and Meshkov, both limits."""
    gamma = torch.logspace(math.log10(float(counts.friction[0]) / 1.5), math.log10(float(counts.friction[-1]) * 1.5), 60)
    x = gamma.numpy()
    figure = go.Figure()
    figure.add_scatter(
        x=x,
        y=np.full(len(x), transition_state(system)),
        mode="lines",
        name="transition state",
        line=dict(color=palette.muted, width=1.3, dash="dot"),
    )
    figure.add_scatter(
        x=x,
        y=slow_rate(system, gamma).numpy(),
        mode="lines",
        name="no inertia, exact",
        line=dict(color=palette.noise, width=1.5, dash="dashdot"),
    )
    figure.add_scatter(
        x=x, y=kramers(system, gamma).numpy(), mode="lines", name="Kramers", line=dict(color=palette.accent, width=2, dash="dash")
    )
    figure.add_scatter(
        x=x, y=melnikov(system, gamma).numpy(), mode="lines", name="Mel’nikov–Meshkov", line=dict(color=palette.exact, width=2.5)
    )
    rate, error = counts.rate.numpy(), counts.error.numpy()
    seen = rate > 0
    low = np.minimum(2 * error[seen], 0.9 * rate[seen])
    figure.add_scatter(
        x=counts.friction.numpy()[seen],
        y=rate[seen],
        mode="markers",
        name="counted, ± 2 s.e.",
        marker=dict(color=palette.sample, size=9),
        error_y=dict(type="data", array=2 * error[seen], arrayminus=low, color=palette.sample),
    )
    _mark(figure, system.friction, "γ", x, palette)
    top = transition_state(system)
    floor = min(float(melnikov(system, gamma).min()), float(rate[seen].min()) if seen.any() else top)
    styled(figure, palette, x_title="friction γ", y_title="rate of escape (1/time)")
    figure.update_xaxes(type="log", dtick=1, exponentformat="power", range=[math.log10(x[0]), math.log10(x[-1])])
    figure.update_yaxes(type="log", dtick=1, exponentformat="power", range=[math.log10(floor / 2), math.log10(2.5 * top)])
    return figure


def table(system: System, *, method: str, dt: float, gap: Gap | None) -> list[tuple[str, str]]:
    """(quantity, value) beside the stage: times of the system, the limit of the step, its known bias, the distance of the pictures."""
    limit = stability_limit(method, omega=system.omega, friction=system.friction)
    known = bias(method, dt=dt, omega=system.omega, friction=system.friction)

    def percent(ratio: float) -> str:
        return "unstable" if not math.isfinite(ratio) else "none" if ratio == 1 else f"{100 * (ratio - 1):+.2g} %"

    rows = [("Memory of the velocity 1/γ", f"{1 / system.friction:.3g}")]
    if system.omega:
        rows += [("Period at the bottom 2π/ω", f"{2 * math.pi / system.omega:.3g}"), ("ω dt", f"{system.omega * dt:.3g}")]
    rows += [
        ("Stability limit of dt", f"{limit:.3g}" if math.isfinite(limit) else "none"),
        ("Known bias of ⟨x²⟩", percent(known.position)),
        ("Known bias of ⟨v²⟩", percent(known.velocity)),
    ]
    if gap is not None:
        rows.append(("Distance of the two pictures", plus_minus(gap.value, gap.error)))
        if gap.exact is not None:
            rows.append(("the same, exact", f"{gap.exact:.3g}"))
    return rows


def escapes_compared(system: System, seed: int) -> tuple[int, str]:
    """(Friction 0.1 becomes 1, and particles cross 0: more often, 1: less often, 2: as often, to a tenth; the counts and the formula).

    Where the counts differ by less than three standard errors they cannot tell, and Mel'nikov and Meshkov's formula answers.
    """
    friction = [0.1, 1.0]
    counts = count(system, friction, seed=seed)
    (weak, strong), (e_weak, e_strong) = counts.rate.tolist(), counts.error.tolist()
    formula = melnikov(system, torch.tensor(friction))
    times = float(formula[1] / formula[0])
    if abs(strong - weak) > 3 * math.hypot(e_weak, e_strong):
        right, known = int(strong < weak), "Mel'nikov and Meshkov's formula says"
    else:
        right = 0 if times > 1.1 else 1 if times < 1 / 1.1 else 2
        known = "Too few to tell, so the formula of Mel'nikov and Meshkov answers:"
    return right, (
        f"Counted at this kT and mass: {weak:.4f} ± {e_weak:.4f} escapes per time at γ = 0.1, {strong:.4f} ± {e_strong:.4f} at γ = 1. "
        f"{known} {times:.2f} times as often."
    )


def widths_compared(system: System, t_end: float) -> tuple[int, str]:
    """(Particles become ten times as heavy, and are in the end 0: closer together, 1: where they were to 1 %, 2: farther apart; widths)."""
    light, heavy = (late_width(replace(system, mass=mass), t_end) for mass in (system.mass, 10 * system.mass))
    return (1 if abs(heavy / light - 1) < 0.01 else 0 if heavy < light else 2), (
        f"Exactly, in the end: the standard deviation of the positions is {light:.3f} with this mass, and {heavy:.3f} with ten times "
        "as much."
    )


def speeds_compared(run: Run, system: System) -> tuple[int, str]:
    """(Velocities at the end are 0: slower than Maxwell and Boltzmann say, 1: as fast within the noise, 2: faster; the measured ratio)."""
    value, error = kinetic_temperature(run, system)
    return compared(value, 1.0, error), (
        f"⟨v²⟩ at the end is {value:.3g} times kT/m; {run.v.shape[1]} particles in equilibrium would scatter by {error:.3f}."
    )
