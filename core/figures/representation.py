"""Figures and tables of `representation`: pair distances, space group against tolerance, and what changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import plotly.graph_objects as go

from core.crystals.representation import (
    Sameness,
    Story,
    Symmetry,
    changed_numbers,
    niggli_parameters,
    pair_histogram,
)
from core.figures.theme import LIGHT, Palette, rgba, styled
from core.structures.crystal import Crystal


def distance_figure(story: Story, *, palette: Palette = LIGHT) -> go.Figure:
    """Neighbours per atom and Å against distance: new description (filled), as written (line on top)."""
    figure = go.Figure()
    r, described = pair_histogram(story.described, n=701)
    figure.add_scatter(
        x=r,
        y=described,
        name="as told to the model",
        mode="lines",
        line=dict(color=palette.sample, width=0),
        fill="tozeroy",
        fillcolor=rgba(palette.sample, 0.55),
    )
    r, written = pair_histogram(story.written, n=701)
    figure.add_scatter(x=r, y=written, name="as written", mode="lines", line=dict(color=palette.exact, width=2))
    return styled(figure, palette, x_title="distance r (Å)", y_title="neighbours per atom and Å", height=320)


def ladder_figure(
    before: Sequence[tuple[float, int, str]], after: Sequence[tuple[float, int, str]], *, now: float, palette: Palette = LIGHT
) -> go.Figure:
    """Number of the space group found against the tolerance of the search; a line at the tolerance in force."""
    figure = go.Figure()
    for name, steps, colour, dash, place in (
        ("as written", before, palette.exact, "dash", "bottom center"),
        ("as told to the model", after, palette.sample, "solid", "top center"),
    ):
        changes = [i for i in range(len(steps)) if i == 0 or steps[i][1] != steps[i - 1][1]]
        labels = [steps[i][2] if i in changes else "" for i in range(len(steps))]
        if name == "as written" and [s[1] for s in before] == [s[1] for s in after]:
            labels = [""] * len(steps)
        figure.add_scatter(
            x=[t for t, _, _ in steps],
            y=[n for _, n, _ in steps],
            name=name,
            mode="lines+markers+text",
            text=labels,
            textposition=place,
            line=dict(color=colour, width=2.5, dash=dash, shape="hv"),
            cliponaxis=False,
            textfont=dict(color=palette.ink),
        )
    figure.add_vline(x=now, line=dict(color=palette.accent, width=1.5, dash="dot"))
    figure = styled(figure, palette, x_title="tolerance (Å)", y_title="space group number", height=320)
    ticks = [t for t, _, _ in before]
    figure.update_xaxes(
        type="log",
        tickvals=ticks,
        ticktext=[f"{t:g}" if t in (0.001, 0.01, 0.1, 0.5) else "" for t in ticks],
        tickangle=0,
        range=[np.log10(ticks[0]) - 0.3, np.log10(ticks[-1]) + 0.2],
    )
    figure.update_yaxes(range=[-12, 262], tickvals=[1, 75, 143, 195, 230])
    return figure


def change_table(story: Story, before: Symmetry, after: Symmetry, same: Sameness) -> list[dict[str, str]]:
    """Rows for the page: what was written down, then what nature knows of."""
    old, new = story.written, story.described
    n_old, n_new = 9 + 4 * old.n_atoms, 9 + 4 * new.n_atoms
    changed, _ = changed_numbers(story)
    matcher = "no match" if same.rms is None else f"match, rms {same.rms:.3f}"
    rows = [
        ("Numbers written down, 9 + 4N", f"{n_old}", f"{n_new}, {changed} of them changed"),
        ("Edges a, b, c (Å)", *(_triple(np.linalg.norm(c.lattice, axis=1), 3) for c in (old, new))),
        ("Atom 1", *(f"{c.symbols[0]} ({_triple(c.frac_coords[0] % 1.0, 2)})" for c in (old, new))),
        ("Volume per atom (Å³)", *(f"{c.volume / c.n_atoms:.4f}" for c in (old, new))),
        ("Nearest distance (Å)", *(f"{c.nearest_distance:.4f}" for c in (old, new))),
        ("Niggli cell (Å, °)", *(_niggli(c) for c in (old, new))),
        ("Space group", f"{before.name} ({before.number})", f"{after.name} ({after.number})"),
        ("Numbers symmetry leaves free", f"{before.free}", f"{after.free}"),
        ("StructureMatcher, the benchmarks' judge", "", matcher),
    ]
    return [{"": name, "as written": a, "as told to the model": b} for name, a, b in rows]


def wyckoff_table(found: Symmetry) -> list[dict[str, str]]:
    """One row an orbit: what the International Tables would say."""
    return [
        {
            "orbit": f"{k}",
            "site": orbit.name,
            "symmetry": orbit.site_symmetry,
            "here": f"{len(orbit.atoms)}",
            "free": f"{orbit.free} of 3",
            "first at": f"{_triple(orbit.place, 3)}",
        }
        for k, orbit in enumerate(found.orbits, start=1)
    ]


def _triple(values: Iterable[float], digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)


def _niggli(crystal: Crystal) -> str:
    p = niggli_parameters(crystal)
    return f"{_triple(p[:3], 3)}; {_triple(p[3:], 1)}"
