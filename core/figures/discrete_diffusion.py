"""Figures of `discrete_diffusion`: transition matrices, counted tokens against their law, charge balance, words written at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.figures.theme import LIGHT, Palette, rgba, styled
from core.learning.discrete_diffusion import Checks, Restored, Walk, counts

FEW = 25  # categories whose shares have bars of their own
Film = list[tuple[str, list[list[tuple[str, str]]]]]  # (label, cells); a cell is its (text, role)


def matrices_figure(walk: Walk, t: int, *, palette: Palette = LIGHT) -> go.Figure:
    """Q_t (one step) and Qbar_t (all steps until t): from rows to columns, colour by the root of the probability, each to its own scale."""
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.12, subplot_titles=(f"step {t} alone", f"all {t} steps"))
    scale = [[0, rgba(palette.noise, 0.06)], [1, palette.data]]
    k = walk.chain.n_categories
    ticks = list(range(0, k, max(1, k // 4)))
    if walk.names[-1] == "?":
        ticks = [i for i in ticks if i < k - max(2, k // 12)] + [k - 1]
    labels = ["mask" if walk.names[i] == "?" else walk.names[i] for i in ticks]
    for column, q in enumerate((walk.chain.transitions[t - 1], walk.chain.cumulative[t]), start=1):
        top = max(0.12, float(q.sqrt().quantile(0.995)))
        figure.add_heatmap(
            z=q.sqrt().numpy(),
            customdata=q.numpy(),
            x=list(range(k)),
            y=list(range(k)),
            zmin=0,
            zmax=top,
            colorscale=scale,
            showscale=False,
            hovertemplate="from %{y} to %{x}: %{customdata:.3g}<extra></extra>",
            row=1,
            col=column,
        )
    figure = styled(figure, palette, x_title="to", y_title="from", height=380)
    figure.update_xaxes(tickvals=ticks, ticktext=labels, showgrid=False, tickangle=0, constrain="domain")
    figure.update_yaxes(tickvals=ticks, ticktext=labels, showgrid=False, autorange="reversed")
    figure.update_yaxes(title_text="", showticklabels=False, col=2)  # as on the left
    figure.update_layout(margin=dict(t=44))
    return figure


def axis_title(walk: Walk) -> str:
    """What the categories of `walk` are."""
    return "number in the formula" if walk.names[0].isdigit() else "element, in Mendeleev’s order"


def law_figure(walk: Walk, t: int, *, palette: Palette = LIGHT) -> go.Figure:
    """Share of tokens in each category at time t, counted both ways, and the exact law: bars of a few categories, dots of many."""
    k, law = walk.chain.n_categories, walk.forward_law(t).numpy()
    x = list(range(k))
    figure = go.Figure()
    both = (("corrupted", walk.forward[t], palette.data), ("restored", walk.backward[walk.n_steps - t], palette.sample))
    for name, tokens, colour in both:
        share = (counts(tokens, k) / len(tokens)).numpy()
        if k <= FEW:
            figure.add_bar(x=x, y=share, name=name, marker=dict(color=rgba(colour, 0.6), line_width=0))
        else:
            symbol = "circle" if name == "corrupted" else "diamond-open"
            figure.add_scatter(x=x, y=share, name=name, mode="markers", marker=dict(color=colour, size=5, symbol=symbol))
    mode, size = ("markers", 9) if k <= FEW else ("lines", 0)
    figure.add_scatter(
        x=x, y=law, name="exact", mode=mode, line=dict(color=palette.exact, width=2), marker=dict(color=palette.exact, size=size)
    )
    figure = styled(figure, palette, x_title=axis_title(walk), y_title="share of the tokens", height=380)
    ticks = list(range(0, k, max(1, k // 12)))
    figure.update_xaxes(tickvals=ticks, ticktext=["mask" if walk.names[i] == "?" else walk.names[i] for i in ticks], tickangle=0)
    third, second, first = np.sort(law)[-3:]
    cut = first > 4 * second > 0.02 and third > second / 10  # one token towers over many: show the many, say the one
    top = min(1.35 * max(float(second if cut else first), 0.02), 1.05)
    figure.update_yaxes(range=[0, top])
    if cut:
        tower = int(law.argmax())
        figure.add_annotation(
            x=tower,
            y=top,
            xanchor="right" if tower > k / 2 else "left",
            yanchor="top",
            showarrow=False,
            text=f" {'mask' if walk.names[tower] == '?' else walk.names[tower]}: {first:.0%} ↑ ",
            bgcolor=rgba(palette.background, 0.8),
        )
    figure.update_layout(bargap=0.05, barmode="group")
    return figure


def balance_figure(rates: Mapping[str, tuple[float, float]], *, palette: Palette = LIGHT) -> go.Figure:
    """Share of formulas that pass the charge test: name -> (share, standard error), 0 for an error that is not drawn."""
    colours = {"data": palette.data, "shuffled tokens": palette.noise}
    names = list(rates)
    figure = go.Figure()
    figure.add_bar(
        y=names,
        x=[100 * rates[n][0] for n in names],
        orientation="h",
        marker_color=[colours.get(n, palette.sample) for n in names],
        error_x=dict(type="data", array=[200 * rates[n][1] for n in names], color=palette.ink, thickness=1.5),
        text=[f"{100 * rates[n][0]:.0f} %" for n in names],
        textposition="inside",
        insidetextanchor="start",
        insidetextfont_color=palette.background,
    )
    figure = styled(figure, palette, x_title="charge-balanced formulas (%)", y_title="", height=220)
    figure.update_xaxes(range=[0, 100])
    figure.update_yaxes(autorange="reversed", ticks="")
    return figure


def finals_figure(finals: Sequence[str], clean: str, *, palette: Palette = LIGHT) -> go.Figure:
    """How often each formula came back, the commonest five of all tries; the one that was corrupted in the exact colour."""
    top = Counter(finals).most_common(5)
    figure = go.Figure()
    figure.add_bar(
        y=[text for text, _ in top],
        x=[100 * n / len(finals) for _, n in top],
        orientation="h",
        width=0.7,
        marker_color=[palette.exact if text == clean else palette.sample for text, _ in top],
    )
    figure = styled(figure, palette, x_title=f"share of {len(finals)} tries (%)", y_title="", height=230)
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(autorange="reversed", ticks="")
    return figure


def words_figure(
    curves: Mapping[str, Sequence[tuple[int, float, float]]], *, one_step: float, chosen: tuple[str, int], palette: Palette = LIGHT
) -> go.Figure:
    """Grammatical share against steps: name -> [(steps, share, standard error)]; the exact value at one step; `chosen` ringed."""
    figure = go.Figure()
    for (name, points), colour, dash in zip(curves.items(), (palette.sample, palette.accent), ("solid", "dash"), strict=True):
        steps, share, error = (np.array(column) for column in zip(*points, strict=True))
        figure.add_scatter(
            x=steps,
            y=100 * share,
            name=name,
            mode="lines+markers",
            line=dict(color=colour, width=2.5, dash=dash),
            error_y=dict(type="data", array=200 * error, thickness=1, color=colour),
        )
    figure.add_scatter(
        x=[1],
        y=[100 * one_step],
        mode="markers",
        name=f"exact, one step: {100 * one_step:.2g} %",
        marker=dict(color=palette.exact, size=13, symbol="diamond-open", line_width=2.5),
    )
    height = {steps: share for steps, share, _ in curves[chosen[0]]}[chosen[1]]
    figure.add_scatter(
        x=[chosen[1]],
        y=[100 * height],
        mode="markers",
        showlegend=False,
        hoverinfo="skip",
        marker=dict(color=palette.ink, size=17, symbol="circle-open", line_width=2),
    )
    figure = styled(figure, palette, x_title="steps for seven words", y_title="grammatical sentences (%)", height=340)
    figure.update_xaxes(type="log", tickvals=[1, 2, 3, 5, 7, 14, 30], ticktext=["1", "2", "3", "5", "7", "14", "30"])
    figure.update_yaxes(range=[-4, 108])
    return figure


def check_rows(found: Checks, t: int) -> list[tuple[str, str]]:
    """The two chi-square tests, as read-outs."""
    tests = (
        (f"All tokens at t = {t}", found.marginal),
        (f"The {found.n_posterior} now at {found.at.replace('?', 'mask')}, one step before", found.posterior),
    )
    return [
        row
        for name, test in tests
        for row in (
            [(f"{name}: χ² / degrees of freedom", f"{test.value:.0f} / {test.dof}"), ("Chance of a larger χ²", f"{test.p:.2g}")]
            if test.dof
            else [(name, "certain: nothing to test")]
        )
    ]


def formula_film(answer: Restored) -> Film:
    """A row a moment, a cell a try: tokens that are hidden, right or wrong."""
    return [
        (
            f"t = {moment[0][0]}",
            [[(text, "masked" if hidden else "exact" if right else "sample") for text, right, hidden in now] for _, now in moment],
        )
        for moment in zip(*answer.films, strict=True)
    ]


def restored_rows(answer: Restored) -> list[tuple[str, str]]:
    """What came back, as read-outs; none where nothing was lost."""
    if answer.share != answer.share:
        return []
    rows = [
        ("Lost tokens that came back", answer.share),
        ("named by the network's first guess", answer.named),
        ("named by always saying the commonest", answer.commonest),
        ("Formulas that came back whole", answer.whole),
    ]
    return [(name, f"{share:.0%}") for name, share in rows if share == share]


def sentence_film(story: Sequence[tuple[int, Sequence[Sequence[tuple[str, bool]]]]], good: Sequence[bool]) -> Film:
    """One sentence after the other, a row a moment; green if it ended grammatical."""
    return [
        (f"{left} to go", [[(word, "masked" if hidden else "exact" if ok else "sample") for word, hidden in sentences[k]]])
        for k, ok in enumerate(good)
        for left, sentences in story
    ]
