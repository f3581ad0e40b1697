"""Figures of the chapter on energy and free energy: thermodynamics against kT, the crossing, and the three ensembles."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
from scipy.optimize import brentq

from core.figures.theme import LIGHT, Palette, rgba, styled
from core.foundations.boltzmann import Landscape, Measured, Run, deepened, measured
from core.foundations.ensembles import Copies, Ensemble, Exact, exact, microcanonical_kT
from core.numerics.distances import compared

Question = tuple[str, list[str], Callable[[Any], tuple[int, str]]]  # what is asked, the options, what grades them by a run or copies

TEMPERATURES = np.geomspace(0.08, 2.5, 90)
QUANTITIES = {
    "Z": "Z (length)",
    "U": "U = ⟨E⟩",
    "S": "entropy S / k",
    "F": "F = U − TS",
    "C": "heat capacity C / k",
}
WHAT_TO_SEE = {
    "Z": "Z is the room in reach: every place counted by its Boltzmann weight.",
    "U": "The mean energy only rises with kT; the diamond is that of the particles.",
    "S": "The entropy only rises: warmer is less certain.",
    "F": "The slope of this curve is −S, of the plot beside it.",
    "C": "C is the slope of U; the diamond is what the particles' spread of E says.",
}
ENSEMBLES = {"NVE": "NVE", "NVT": "NVT", "muVT": "μVT"}


def _crossings(figure: go.Figure, landscape: Landscape, palette: Palette, *, named: bool = False) -> None:
    for kT in landscape.crossings:
        if TEMPERATURES[0] < kT < TEMPERATURES[-1]:
            figure.add_vline(
                x=kT,
                line=dict(color=palette.accent, width=1.5, dash="dot"),
                annotation_text=f"kT* = {kT:.3f}" if named else "",
                annotation_position="bottom right",
            )


def thermodynamics_figure(
    landscape: Landscape, quantity: str, kT: float, stage: Measured | None = None, *, palette: Palette = LIGHT
) -> go.Figure:
    """One of QUANTITIES against kT by quadrature; a dot at the temperature of the stage; what its particles say (± 2 s.e.) for U, C.

    Raises KeyError for another quantity.
    """
    curve = landscape.thermodynamics(TEMPERATURES)
    here = getattr(landscape.thermodynamics(kT), quantity)
    figure = go.Figure()
    _crossings(figure, landscape, palette)
    figure.add_scatter(x=curve.kT, y=getattr(curve, quantity), mode="lines", line=dict(color=palette.exact, width=2.5), name="quadrature")
    figure.add_scatter(x=[kT], y=here, mode="markers", marker=dict(color=palette.exact, size=10), name=f"at kT = {kT:g}")
    if stage is not None and quantity in ("U", "C"):
        value, error = getattr(stage, quantity)
        figure.add_scatter(
            x=[kT],
            y=[value],
            mode="markers",
            name="particles",
            error_y=dict(type="data", array=[2 * error], thickness=2),
            marker=dict(color=palette.sample, size=8, symbol="diamond"),
        )
    styled(figure, palette, x_title="kT", y_title=QUANTITIES[quantity], height=270)
    figure.update_xaxes(dtick=1, range=[0, TEMPERATURES[-1]])
    if quantity == "Z":
        figure.update_yaxes(type="log", exponentformat="power", nticks=6)
    return figure.update_layout(showlegend=False)


def free_energy_figure(landscape: Landscape, *, palette: Palette = LIGHT) -> go.Figure:
    """Free energy of either basin against kT, with every temperature at which they cross."""
    F = landscape.basin_free_energies(TEMPERATURES)
    figure = go.Figure()
    _crossings(figure, landscape, palette, named=True)
    for side, (name, dash) in enumerate((("left basin", "solid"), ("right basin", "dash"))):
        figure.add_scatter(x=TEMPERATURES, y=F[:, side], mode="lines", name=name, line=dict(color=palette.exact, width=2.5, dash=dash))
    crossings = landscape.crossings
    figure.add_scatter(
        x=crossings,
        y=[float(landscape.basin_free_energies(kT)[0]) for kT in crossings],
        mode="markers",
        name="crossing",
        marker=dict(color=palette.accent, size=11, symbol="x"),
    )
    figure.update_xaxes(range=[0, TEMPERATURES[-1]])
    return styled(figure, palette, x_title="kT", y_title="free energy of a basin")


def share_figure(run: Run, *, palette: Palette = LIGHT) -> go.Figure:
    """Share of particles in the left basin along the run (± 1 standard error) over the exact share at every temperature."""
    landscape = run.landscape
    figure = go.Figure()
    _crossings(figure, landscape, palette)
    figure.add_scatter(
        x=TEMPERATURES, y=landscape.shares(TEMPERATURES)[:, 0], mode="lines", name="equilibrium", line=dict(color=palette.exact, width=2.5)
    )
    frames = sorted({round(i) for i in np.linspace(0, len(run.kT) - 1, 40)})
    seen = [measured(run, frame) for frame in frames]
    figure.add_scatter(
        x=[m.kT for m in seen],
        y=[m.share[0] for m in seen],
        mode="markers",
        name="particles, as kT changes",
        marker=dict(color=palette.sample, size=6),
        error_y=dict(type="data", array=[m.share[1] for m in seen], color=palette.sample, thickness=1.2, width=0),
    )
    figure.update_yaxes(range=[-0.03, 1.03])
    figure.update_xaxes(range=[0, TEMPERATURES[-1]])
    return styled(figure, palette, x_title="kT", y_title="share in the left basin")


def landscape_table(run: Run) -> list[tuple[str, str]]:
    """(quantity, exact value and what the particles say) at the temperature reached."""
    landscape, kT = run.landscape, float(run.kT[-1])
    exactly, stage = landscape.thermodynamics(kT), measured(run)
    F = landscape.basin_free_energies(kT)
    crossing = ", ".join(f"{t:z.3f}" for t in landscape.crossings) or "none: one basin wins at every kT"
    estimate = landscape.harmonic_crossing
    return [
        ("Crossing temperature kT*", crossing),
        ("as two springs would have it", f"{estimate:z.3f}" if estimate else "–"),
        ("F of the left, right basin", f"{F[0]:z.3f}, {F[1]:z.3f}"),
        ("Share on the left", f"{landscape.shares(kT)[0]:z.3f} · particles {plus_minus(*stage.share)}"),
        ("U", f"{exactly.U[0]:z.3f} · particles {plus_minus(*stage.U)}"),
        ("C / k", f"{exactly.C[0]:z.3f} · particles {plus_minus(*stage.C)}"),
    ]


def energy_figure(copies: Copies, *, palette: Palette = LIGHT) -> go.Figure:
    """Copies by energy, with one standard error around the exact probabilities."""
    levels, sums = copies.levels, exact(copies.levels, copies.ensemble)
    P, R = sums.P.sum(0), copies.n.shape[1]
    share = copies.counts.sum(0).numpy() / R
    shown = np.flatnonzero((P > 1e-4) | (share > 0))
    shown = np.arange(shown[0], shown[-1] + 1)
    energy = levels.energy[0, shown]
    figure = go.Figure()
    figure.add_bar(x=energy, y=share[shown], name=f"{R:,} copies", marker=dict(color=rgba(palette.sample, 0.65), line_width=0))
    figure.add_scatter(
        x=energy,
        y=P[shown],
        mode="markers",
        name="exact sum ± 1 s.e.",
        marker=dict(color=palette.exact, size=8),
        error_y=dict(type="data", array=np.sqrt(P * (1 - P) / R)[shown], color=palette.exact, thickness=1.5),
    )
    return styled(figure, palette, x_title="energy E", y_title="probability")


def caloric_figure(copies: Copies, *, palette: Palette = LIGHT) -> go.Figure:
    """Energy per site against kT: fixed temperature as a curve, fixed energy as 1/kT = dS/dE, and the copies on the stage.

    Fixed N is that of the stage; for mu-VT the nearest to its mean, beside the curve at fixed mu.
    """
    levels, ensemble, M = copies.levels, copies.ensemble, copies.levels.n_sites
    sums = exact(levels, ensemble)
    n = ensemble.n if ensemble.kind != "muVT" else round(sums.N)
    kT = np.linspace(0.1, 3, 60)
    figure = go.Figure()
    figure.add_scatter(
        x=kT,
        y=[exact(levels, Ensemble("NVT", n=n, kT=t)).U / M for t in kT],
        mode="lines",
        name=f"NVT, N = {n}",
        line=dict(color=palette.exact, width=2.5),
    )
    energy, hot = microcanonical_kT(levels, n)
    figure.add_scatter(
        x=hot[hot <= 3],
        y=energy[hot <= 3] / M,
        mode="markers",
        name="NVE: 1/kT = dS/dE",
        marker=dict(color=palette.exact, size=9, symbol="circle-open", line_width=2),
    )
    if ensemble.kind == "muVT":
        figure.add_scatter(
            x=kT,
            y=[exact(levels, Ensemble("muVT", kT=t, mu=ensemble.mu)).U / M for t in kT],
            mode="lines",
            name=f"μVT, μ = {ensemble.mu:g}",
            line=dict(color=palette.accent, width=2, dash="dash"),
        )
    mean, error = mean_energy(copies)
    figure.add_scatter(
        x=[temperature(copies)],
        y=[mean / M],
        mode="markers",
        name="copies",
        error_y=dict(type="data", array=[2 * error / M], thickness=2),
        marker=dict(color=palette.sample, size=11, symbol="diamond"),
    )
    return styled(figure, palette, x_title="kT", y_title="energy per site")


def sites_figure(copies: Copies, *, n_shown: int = 12, palette: Palette = LIGHT) -> go.Figure:
    """The sites of the first copies, as they are at the end; a ring is an empty site, a disc a particle, a large disc an excited one."""
    M = copies.levels.n_sites
    rows, columns = {9: (3, 3), 16: (4, 4), 20: (4, 5)}.get(M, (1, M))
    sites = copies.sites[:n_shown].numpy()
    each = np.arange(M)
    x = (np.arange(len(sites))[:, None] % 6) * (columns + 1.2) + each % columns
    y = -(np.arange(len(sites))[:, None] // 6) * (rows + 1.2) - each // columns
    figure = go.Figure()
    for value, name, look in (
        (0, "empty", dict(symbol="circle-open", color=palette.muted, size=6)),
        (1, "particle", dict(color=palette.sample, size=10)),
        (2, "excited", dict(color=palette.accent, size=13, symbol="diamond")),
    ):
        if (sites == value).any():
            figure.add_scatter(x=x[sites == value], y=y[sites == value], mode="markers", name=name, marker=look, hoverinfo="skip")
    styled(figure, palette, x_title="", y_title="", height=270)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return figure


def mean_energy(copies: Copies) -> tuple[float, float]:
    """<E> of the copies at the end and its standard error."""
    energy = copies.energy[-1].double()
    return float(energy.mean()), float(energy.std()) / math.sqrt(len(energy))


def temperature(copies: Copies) -> float:
    """kT of the ensemble; for fixed energy what the demons' mean purse reads."""
    if copies.ensemble.kind != "NVE":
        return copies.ensemble.kT
    purse = copies.ensemble.total - mean_energy(copies)[0]
    return 1 / math.log1p(1 / purse) if purse > 0 else 0.0


def ensemble_table(copies: Copies) -> list[tuple[str, str]]:
    """(quantity, exact value and what the copies say)."""
    levels, ensemble, sums = copies.levels, copies.ensemble, exact(copies.levels, copies.ensemble)
    rows = [("U", f"{sums.U:z.3f} · copies {plus_minus(*mean_energy(copies))}")]
    spread = copies.energy[-1].double().std()
    rows.append(("Spread of E", f"{math.sqrt(sums.energy_variance):z.3f} · copies {float(spread):z.3f}"))
    if ensemble.kind == "NVE":
        W = levels.entropy(ensemble.n, ensemble.total)
        dearer = dict(zip(*microcanonical_kT(levels, ensemble.n)))
        rows += [
            ("W, sites alone at E₀", f"{math.exp(W):,.0f}"),
            ("ln W, sites alone at E₀", f"{W:z.3f}"),
            ("kT from 1/kT = dS/dE", f"{dearer[ensemble.total]:z.3f}" if ensemble.total in dearer else "–"),
            ("kT in the demon's purse", f"{sums.demon_kT:z.3f} · copies {temperature(copies):z.3f}"),
        ]
    elif ensemble.kind == "NVT":
        rows += [
            ("F = −kT ln Z", f"{sums.potential:z.3f}"),
            ("S = (U − F)/T", f"{sums.S:z.3f}"),
            ("C = (⟨E²⟩ − ⟨E⟩²)/kT²", f"{sums.energy_variance / ensemble.kT**2:z.3f}"),
        ]
    else:
        N = copies.n[-1].double()
        rows += [
            ("⟨N⟩", f"{sums.N:z.3f} · copies {plus_minus(float(N.mean()), float(N.std()) / math.sqrt(len(N)))}"),
            ("Ω = −kT ln Ξ", f"{sums.potential:z.3f}"),
            ("S", f"{sums.S:z.3f}"),
        ]
    return rows


def ensemble_terms(sums: Exact) -> dict[str, str]:
    """Symbol -> LaTeX of its value: what is held fixed, the sum over all states (as a logarithm), the thermodynamic potential."""
    e = sums.ensemble
    held, name, potential, value = {
        "NVE": ({"N": str(e.n), "E_0": str(e.total)}, r"\ln W", "S", sums.S),
        "NVT": ({"N": str(e.n), "kT": f"{e.kT:g}"}, r"\ln Z", "F", sums.potential),
        "muVT": ({"kT": f"{e.kT:g}", r"\mu": f"{e.mu:g}"}, r"\ln\Xi", r"\Omega", sums.potential),
    }[e.kind]
    return held | {name: f"{sums.log_Z:z.3f}", potential: f"{value:z.3f}"}


def matched(copies: Copies) -> tuple[Exact, Exact]:
    """(heat bath, demon) of the same N and the same mean energy, for the prediction.

    The demon's energy is that of the stage, or the nearest to it; the bath's kT is then solved for (1e4 if only an endless one does).
    """
    levels, ensemble = copies.levels, copies.ensemble
    sums = exact(levels, ensemble)
    n = ensemble.n if ensemble.kind != "muVT" else max(2, round(sums.N))
    low, high = levels.range(n)
    demons = [exact(levels, Ensemble("NVE", n=n, total=total)) for total in range(low, high + 1)]
    demon = min(demons, key=lambda e: abs(e.U - sums.U))

    def gap(log_kT: float) -> float:
        return exact(levels, Ensemble("NVT", n=n, kT=math.exp(log_kT))).U - demon.U

    ends = math.log(0.02), math.log(1e4)
    log_kT = brentq(gap, *ends) if gap(ends[0]) < 0 < gap(ends[1]) else min(ends, key=lambda end: abs(gap(end)))
    return exact(levels, Ensemble("NVT", n=n, kT=math.exp(log_kT))), demon


def fuller(run: Run) -> tuple[int, str]:
    """(0: the left basin, 1: the right one holds more at the temperature reached, what was computed and counted)."""
    shares = run.landscape.shares(float(run.kT[-1]))
    return int(shares.argmax()), (
        f"At kT = {float(run.kT[-1]):g}, exactly {shares[0]:.3f} of the weight is in the left basin; of the particles on the "
        f"stage {plus_minus(*measured(run).share)}."
    )


def more_spread(copies: Copies) -> tuple[int, str]:
    """(0: the energy spreads more in the heat bath, 1: with the demon, 2: alike, both numbers), at one mean energy."""
    warm, fixed = matched(copies)
    spread = [e.energy_variance**0.5 for e in (warm, fixed)]
    right = 2 if abs(spread[0] - spread[1]) <= 0.02 * spread[0] else int(spread[1] > spread[0])
    return right, f"With ⟨E⟩ = {warm.U:.2f} and {fixed.U:.2f} the spreads of E are {spread[0]:.3f} and {spread[1]:.3f}."


def crossing_moves(run: Run) -> tuple[int, str]:
    """(0: kT* rises when the left basin is one unit deeper, 1: falls, 2: there are no two to compare; both numbers).

    Of several crossings the lowest counts.
    """
    before, after = (each.crossings[:1] for each in (run.landscape, deepened(run.landscape)))
    words = [f"at kT* = {found[0]:.3f}" if found else "at no temperature" for found in (before, after)]
    right = 2 if not (before and after) else int(after[0] < before[0])
    return right, f"The free energies are equal {words[0]}; with the left basin deeper by one, {words[1]}."


def share_kept_up(run: Run) -> tuple[int, str]:
    """(0: fewer particles on the left at the end than in equilibrium, 1: as many within three standard errors, 2: more; both numbers)."""
    exact, counted = float(run.landscape.shares(float(run.kT[-1]))[0]), measured(run).share[0]
    error = math.sqrt(exact * (1 - exact) / run.n_particles)
    return compared(counted, exact, error), (
        f"In equilibrium {exact:.3f} of them are on the left; {counted:.3f} are, and {run.n_particles:,} exact draws would scatter by "
        f"{error:.3f}."
    )


def energy_kept_up(copies: Copies) -> tuple[int, str]:
    """(0: the copies' mean energy at the end lies below the exact one, 1: as it should within three standard errors, 2: above)."""
    sums, (counted, _) = exact(copies.levels, copies.ensemble), mean_energy(copies)
    error = math.sqrt(sums.energy_variance / copies.energy.shape[1])
    return compared(counted, sums.U, error), (
        f"Exactly ⟨E⟩ = {sums.U:z.3f}; the copies have {counted:z.3f}, and as many exact draws would scatter by {error:.3f}."
    )


LANDSCAPE_QUESTIONS: list[Question] = [
    (
        "At the temperature kT, in which basin are more particles in equilibrium?",
        ["the left one", "the right one"],
        fuller,
    ),
    (
        "The left basin is made deeper by one unit of energy. What becomes of the temperature kT* at which both basins hold the same?",
        ["it rises", "it falls", "there are no two to compare"],
        crossing_moves,
    ),
    (
        "Did the particles on the stage have time enough? At the end, how many of them are in the left basin?",
        ["fewer than in equilibrium", "as many, within the noise", "more than in equilibrium"],
        share_kept_up,
    ),
]


ENSEMBLE_QUESTIONS: list[Question] = [
    (
        "The same sites, the same mean energy. Once they sit in a heat bath, once they share a fixed energy with one small demon. When "
        "does their energy fluctuate more?",
        ["in the heat bath", "with the demon", "equally"],
        more_spread,
    ),
    (
        "Did the copies on the stage have time enough? At the end, their mean energy is …",
        ["lower than the exact one", "the exact one, within the noise", "higher than the exact one"],
        energy_kept_up,
    ),
]


def plus_minus(value: float, error: float) -> str:
    """`1.003 ± 0.012`, to two digits of the error."""
    if not 0 < error < math.inf:
        return f"{value:z.3f}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:z.{digits}f} ± {error:.{digits}f}"
