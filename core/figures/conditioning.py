"""Figures of the conditioning chapter: what was asked for and what came, what gamma costs, and three ways to say the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from core.crystals.conditioning import UNITS, Batch, Growth, hits_per_hundred, inside, window
from core.figures.theme import LIGHT, Palette, rgba, styled
from core.generator.steering.templates import stoichiometry
from core.structures.space_groups import crystal_system

NAMES = {
    "density": "density",
    "volume_per_atom": "volume per atom",
    "formation_energy": "formation energy (predicted)",
    "band_gap": "band gap (predicted)",
}
BINS = 36


def axis(name: str) -> str:
    """Title of an axis with this property of many crystals: their formation energies are CHGNet's."""
    return f"{NAMES[name].replace('predicted', 'CHGNet') if name == 'formation_energy' else NAMES[name]} ({UNITS[name]})"


def titles(growth: Growth) -> tuple[str, str]:
    """What stands under the two crystals on the stage."""
    name = next(iter(growth.request.scalars), "")
    made = []
    for which, path, value, group in zip(("asked", "nothing asked"), growth.paths, growth.value, growth.group, strict=True):
        words = f", {value:.3g} {UNITS[name]}" if name else ""
        made.append(f"{which}: {path.final.formula}{words}, group {group}")
    return made[0], made[1]


def read_outs(growth: Growth) -> list[tuple[str, str]]:
    """What was asked, and what came of it."""
    rows = [("Formula", growth.asked.formula), ("Space group within 0.1 Å", f"{growth.group[0] or 'none'}")]
    for name in growth.request.scalars:
        rows.append((f"{NAMES[name].capitalize()}, nothing asked", f"{growth.value[1]:.3g} {UNITS[name]}"))
    return [*rows, ("Network calls", f"{growth.calls[0]}"), ("Network calls, nothing asked", f"{growth.calls[1]}")]


def certain(growth: Growth) -> tuple[str, bool]:
    """What came of the demands that are met or not met (symmetry, elements, stoichiometry), and were all?"""
    asked, found, met = growth.request, [], []
    if asked.group or asked.system:
        wanted = f"space group {asked.group}" if asked.group else f"a {asked.system} group"
        fits = growth.group[0] == asked.group if asked.group else bool(growth.group[0]) and crystal_system(growth.group[0]) == asked.system
        found.append(f"Asked for {wanted}, found space group {growth.group[0] or 'none'} within 0.1 Å.")
        met.append(fits)
    if asked.elements:
        met.append(set(growth.asked.numbers.tolist()) <= set(asked.elements))
        found.append("No other element than those allowed." if met[-1] else "There are elements that were not allowed.")
    if asked.stoichiometry:
        counts = stoichiometry(tuple(int(n) for n in np.unique(growth.asked.numbers, return_counts=True)[1]))
        met.append(counts == asked.stoichiometry)
        found.append(f"The counts are {' : '.join(map(str, counts))}.")
    return " ".join(found) or "Nothing was asked for: whatever comes is as asked.", all(met)


def property_figure(name: str, target: float, *, learnt: Sequence[float], free: Batch, asked: Batch, palette: Palette = LIGHT) -> go.Figure:
    """Distribution of the property: training data (99 quantiles), unasked, asked; the target and its window."""
    half = window(name, target)
    values = np.concatenate([np.asarray(learnt), free.values[name], asked.values[name], [target]])
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [0.005, 0.995])
    low, high = min(low, target - 2 * half), max(high, target + 2 * half)
    edges = np.linspace(low, high, BINS + 1)
    figure = go.Figure()
    figure.add_vrect(x0=target - half, x1=target + half, fillcolor=rgba(palette.exact, 0.18), line_width=0, layer="below")
    for shown, words, colour, fill in (
        (learnt, "training data", palette.data, False),
        (free.values[name], f"nothing asked ({len(free)})", palette.muted, True),
        (asked.values[name], f"asked ({len(asked)})", palette.sample, True),
    ):
        height, _ = np.histogram(np.clip(np.asarray(shown)[np.isfinite(shown)], low, high), edges, density=True)
        figure.add_scatter(
            x=np.repeat(edges, 2)[1:-1],
            y=np.repeat(height, 2),
            mode="lines",
            name=words,
            line=dict(color=colour, width=2),
            fill="tozeroy" if fill else None,
            fillcolor=rgba(colour, 0.25) if fill else None,
        )
    figure.add_scatter(
        x=[target, target],
        y=[0, 1],
        yaxis="y2",
        mode="lines",
        name="target and window",
        line=dict(color=palette.exact, dash="dash", width=2),
    )
    figure.update_layout(yaxis2=dict(overlaying="y", range=[0, 1], visible=False))
    return styled(figure, palette, x_title=axis(name), y_title=f"share per {UNITS[name]}", height=360)


def _shares(found: Mapping[float, Batch], share_of: Callable[[Batch], float], name: str, colour: str, dash: str) -> go.Scatter:
    gammas = list(found)
    share = np.array([share_of(found[gamma]) for gamma in gammas])
    n = np.array([len(found[gamma]) for gamma in gammas])
    error = np.sqrt(np.maximum(share * (1 - share), 1 / n) / n)
    return go.Scatter(
        x=[f"{gamma:g}" for gamma in gammas],
        y=share,
        error_y=dict(type="data", array=error, color=colour, thickness=1),
        mode="lines+markers",
        name=name,
        line=dict(color=colour, dash=dash),
        marker=dict(size=8),
    )


def gamma_figure(found: Mapping[float, Batch], name: str, target: float, *, palette: Palette = LIGHT) -> go.Figure:
    """On target, valid, unique, and how much of the periodic table is left, against gamma; bars: one standard error."""
    largest = max(made.n_elements for made in found.values())
    figure = go.Figure(
        [
            _shares(found, lambda made: made.hits(name, target).mean(), "on target", palette.sample, "solid"),
            _shares(found, lambda made: made.valid.mean(), "valid", palette.data, "dash"),
            _shares(found, lambda made: made.unique, "unique", palette.accent, "dot"),
        ]
    )
    figure.add_scatter(
        x=[f"{gamma:g}" for gamma in found],
        y=[made.n_elements / largest for made in found.values()],
        mode="lines+markers",
        name=f"elements in use, of {largest}",
        line=dict(color=palette.muted, dash="longdash"),
        marker=dict(size=8),
    )
    figure = styled(figure, palette, x_title="guidance γ", y_title="share", height=360)
    figure.update_xaxes(type="category")
    figure.update_yaxes(range=[0, 1.05])
    return figure


def hits_figure(found: Mapping[float, Batch], free: Batch, name: str, target: float, *, palette: Palette = LIGHT) -> go.Figure:
    """Crystals on target for a hundred network calls: guided at each gamma, and unasked ones screened; bars: one standard error."""
    guided = [hits_per_hundred(made, name, target) for made in found.values()]
    screened = hits_per_hundred(free, name, target)
    figure = go.Figure()
    figure.add_bar(
        x=[f"γ = {gamma:g}" for gamma in found] + ["screening"],
        y=[value for value, _ in guided] + [screened[0]],
        error_y=dict(type="data", array=[error for _, error in guided] + [screened[1]], color=palette.ink, thickness=1),
        marker_color=[palette.sample] * len(guided) + [palette.muted],
        showlegend=False,
    )
    return styled(figure, palette, x_title="", y_title="on target per 100 network calls", height=360)


def ways_figure(ways: Mapping[str, Batch], elements: Sequence[int], *, palette: Palette = LIGHT) -> go.Figure:
    """Share of crystals that hold only the elements named, and how many of these are valid, in each way of saying so."""
    names, share = list(ways), np.array([inside(made, elements) for made in ways.values()])
    n = np.array([len(made) for made in ways.values()])
    valid = [
        float(np.mean([set(one) <= set(elements) and ok for one, ok in zip(made.numbers, made.valid, strict=True)]))
        for made in ways.values()
    ]
    figure = go.Figure()
    error = dict(type="data", array=np.sqrt(np.maximum(share * (1 - share), 1 / n) / n), color=palette.ink, thickness=1)
    figure.add_bar(x=names, y=share, error_y=error, name="only these elements", marker_color=palette.sample)
    figure.add_bar(x=names, y=valid, name="and valid", marker_color=palette.data)
    figure = styled(figure, palette, x_title="", y_title="share of the crystals", height=340)
    figure.update_yaxes(range=[0, 1.08])
    return figure


def groups_figure(asked: Batch, free: Batch, *, group: int, palette: Palette = LIGHT) -> go.Figure:
    """Space groups that came out, the commonest first, of asked and of unasked crystals; the one asked for in the colour of the exact."""
    shares = {int(g): float(np.mean(asked.group == g)) for g in np.unique(asked.group)}
    shown = sorted(shares, key=lambda g: -shares[g])[:8]
    if group and group not in shown:
        shown = [group, *shown[:7]]
    names = [str(g) if g else "none" for g in shown]
    figure = go.Figure()
    figure.add_bar(
        x=names,
        y=[shares.get(g, 0.0) for g in shown],
        name=f"asked ({len(asked)})",
        marker_color=[palette.exact if group and g == group else palette.sample for g in shown],
    )
    figure.add_bar(
        x=names, y=[float(np.mean(free.group == g)) for g in shown], name=f"nothing asked ({len(free)})", marker_color=palette.muted
    )
    figure = styled(figure, palette, x_title="space group found", y_title="share of the crystals", height=340)
    figure.update_xaxes(type="category")
    return figure
