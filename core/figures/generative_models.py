"""Figures of `generative_models`: what an evaluation buys in each family, what each can tell, and forty years on one line."""

from __future__ import annotations

import plotly.graph_objects as go

from core.figures.theme import LIGHT, Palette, floor_band, styled
from core.learning.generative_models import FAMILIES, Curves, Divergence
from core.learning.timeline import PAPERS, ROWS, paper
from core.numerics.distances import Truth

SYMBOLS = dict(zip(FAMILIES, ("circle", "square", "diamond", "star", "triangle-up", "pentagon")))
ROW_NAMES = {"energy": "energies<br>and scores", "variational": "VAE", "adversarial": "GAN", "flow": "flows", "diffusion": "diffusion"}


def error_figure(curves: Curves, *, focus: str, palette: Palette = LIGHT) -> go.Figure:
    """Distance to the data against network evaluations per sample, log-log, over the band of exact samples; `focus` is drawn thick."""
    figure = go.Figure()
    everything = sorted({n for evaluations in curves.evaluations.values() for n in evaluations})
    ends = [everything[0] / 1.3, everything[-1] * 1.3]
    floor_band(figure, curves.floor, ends, name=f"exact sampler, {curves.n_particles} particles", palette=palette)
    for name in sorted(curves.evaluations, key=lambda name: name == focus):
        here = name == focus
        colour = palette.sample if here else palette.muted
        figure.add_scatter(
            x=curves.evaluations[name],
            y=curves.distances[name],
            mode="lines+markers",
            name=FAMILIES[name].label,
            line=dict(color=colour, width=3.5 if here else 1.5),
            marker=dict(symbol=SYMBOLS[name], size=12 if here else 9),
            hovertemplate="%{x} evaluations: %{y:.3f}<extra>" + FAMILIES[name].label + "</extra>",
        )
    styled(figure, palette, x_title="network evaluations per sample", y_title="distance to the data (units of x)", height=400)
    figure.update_xaxes(type="log", tickvals=everything)
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    return figure


HEAD = ("family", "around Z", "density?", "exact samples?", "calls", "distance", "stray", "µs a sample")


def tractable_rows(
    truths: dict[str, Truth], strays: dict[str, float], evaluations: dict[str, int], seconds: dict[str, float]
) -> list[tuple[str, ...]]:
    """A row a family under HEAD, with the distance in floors, the share of stray samples and the cost per sample as measured."""
    return [
        (
            family.label,
            family.way,
            family.density,
            family.exact,
            str(evaluations[name]),
            f"{truths[name].ratio:.1f} × floor",
            f"{strays[name]:.0%}",
            f"{1e6 * seconds[name] / truths[name].floor.n:.3g}",
        )
        for name, family in FAMILIES.items()
    ]


def belief_rows(found: Divergence | None, seconds: float, cost: float) -> list[tuple[str, str]]:
    """Read-outs of the family in focus: relative entropy of the data to it, seconds of training, cost per sample in s."""
    kl = "no density, no number" if found is None else f"{found.value:.3f} ± {found.error:.3f} nats"
    return [
        ("Relative entropy KL(data‖model)", kl),
        ("Cost per sample", f"{1e6 * cost:.3g} µs, measured for this picture"),
        ("Trained in", f"{seconds:.0f} s on one core"),
    ]


def timeline_figure(*, palette: Palette = LIGHT) -> go.Figure:
    """Papers by year and family, with lines from what they build on; filled: shown in the lecture. Hover for the reference."""
    figure = go.Figure()
    place = {one.short: (_squeezed(one.year), -ROWS.index(one.row) + _lift(one.short)) for one in PAPERS}
    for one in PAPERS:
        for parent in one.parents:
            (x0, y0), (x1, y1) = place[parent], place[one.short]
            known = one.in_deck and paper(parent).in_deck
            figure.add_scatter(
                x=[x0, x1],
                y=[y0, y1],
                mode="lines",
                hoverinfo="skip",
                showlegend=False,
                line=dict(color=palette.accent if known else palette.grid, width=2),
            )
    for in_deck, name in ((True, "shown in the lecture"), (False, "further reading")):
        some = [one for one in PAPERS if one.in_deck == in_deck]
        figure.add_scatter(
            x=[place[one.short][0] for one in some],
            y=[place[one.short][1] for one in some],
            mode="markers+text",
            name=name,
            text=[one.short for one in some],
            textposition=[_side(one.short) for one in some],
            textfont=dict(size=12, color=palette.ink),
            marker=dict(size=12, color=palette.accent if in_deck else palette.background, line=dict(color=palette.accent, width=2)),
            customdata=[(one.authors, one.title, one.where, int(one.year)) for one in some],
            hovertemplate="<b>%{customdata[1]}</b><br>%{customdata[0]}, %{customdata[3]}<br>%{customdata[2]}<extra></extra>",
        )
    styled(figure, palette, x_title="year in which it was first public", y_title="", height=540)
    years = (1985, 1990, 1995, 2000, 2005, *range(2012, 2024, 2))
    figure.update_xaxes(tickvals=[_squeezed(year) for year in years], ticktext=[str(year) for year in years], range=[-3.2, 37.6])
    figure.update_yaxes(
        tickvals=[-i for i in range(len(ROWS))], ticktext=[ROW_NAMES[row] for row in ROWS], range=[-len(ROWS) + 0.45, 0.6], zeroline=False
    )
    figure.add_vline(x=_squeezed(2011), line=dict(color=palette.muted, width=1, dash="dot"))
    for text, anchor in (("← five years a mark", "right"), ("two years a mark →", "left")):
        figure.add_annotation(
            x=_squeezed(2011),
            y=0,
            yref="paper",
            xanchor=anchor,
            yanchor="bottom",
            showarrow=False,
            text=f" {text} ",
            font=dict(size=12, color=palette.muted),
        )
    figure.update_layout(hovermode="closest")
    return figure


def _squeezed(year: float) -> float:
    """Years before 2011 take less room, so that the crowded decade can be read."""
    return 0.42 * (year - 1985) if year < 2011 else 10.92 + 1.9 * (year - 2011)


LIFTS = {
    "Normalizing flows": -0.4,
    "Neural ODE": -0.15,
    "RealNVP": 0.1,
    "NICE": 0.1,
    "DDPM": 0.2,
    "Score SDE": -0.25,
    "NCSN": -0.1,
    "Latent diffusion": 0.3,
    "Consistency models": -0.28,
    "Score matching": -0.3,
    "Denoising score matching": -0.3,
    "Contrastive divergence": 0.1,
}
SIDES = {
    "Boltzmann machine": "bottom center",
    "Score matching": "bottom center",
    "Denoising score matching": "top right",
    "GAN": "bottom right",
    "StyleGAN": "top right",
    "NICE": "middle left",
    "RealNVP": "top left",
    "Normalizing flows": "bottom right",
    "Neural ODE": "bottom right",
    "DPM": "bottom center",
    "NCSN": "bottom center",
    "Score SDE": "bottom center",
    "Latent diffusion": "middle right",
}  # where no line runs


def _lift(short: str) -> float:
    return LIFTS.get(short, 0.0)


def _side(short: str) -> str:
    return SIDES.get(short, "top center")
