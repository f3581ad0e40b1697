"""Figures of the landscape chapter: published scores against each other, and what each miniature thought."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.crystals.landscape import Growth, Number, System, Word, calls_of, surest_field
from core.figures.theme import LIGHT, Palette, styled
from core.generator.systems.autoregressive import FIELDS

KINDS = {  # kinds of words -> role of their colour
    "content": "muted",
    "space group": "accent",
    "lengths": "data",
    "angles": "data",
    "elements of the sites": "sample",
    "coordinates": "noise",
    "end": "muted",
    "not read": "force",
}


SEE = {  # system -> what there is to see in the figure of its thoughts, and in the one of what was measured
    "MaskGXT": (
        "In its own colour the group that the known crystal has, where it is among the guesses.",
        "On the dashed line a guess made with 70 % confidence is right in 70 of 100 cases. Bars: two standard errors.",
    ),
    "CrystaLLM-π": (
        "Low bars are gambles. The words after a gamble follow from it, right or wrong.",
        "Perplexity says among how many equally likely words the network hesitates. 1 is certainty.",
    ),
    "Chemeleon": (
        "The best bar was kept. Where all are alike, the sentence did not decide anything.",
        "Three phrasings of one crystal find it about equally well: most of that is the formula. The last bar asks for the structure.",
    ),
}


SHORT = {  # names on a plot
    "ours, flow from noise": "our flow",
    "ours, prototypes weighed against the flow": "our prototypes + flow",
    "substitution, no network": "no network",
}
SIDES = ("top center", "bottom center", "middle right", "middle left")


def sides(points: Sequence[tuple[float, float]], near: tuple[float, float]) -> list[str]:
    """Where the label of each point stands: the first of SIDES that no earlier point within `near` (in x and in y) has taken."""
    chosen: list[str] = []
    for x, y in points:
        used = {side for (a, b), side in zip(points, chosen, strict=False) if abs(a - x) < near[0] and abs(b - y) < near[1]}
        chosen.append(next((side for side in SIDES if side not in used), SIDES[0]))
    return chosen


def _marks(points: Sequence[tuple[Number, float]], places: Sequence[str], hover: str, palette: Palette) -> go.Figure:
    """Labelled points (number, x); what was published and what was measured here told apart by colour and shape."""
    figure = go.Figure()
    for ours, name, colour, symbol in ((False, "published", palette.data, "circle"), (True, "measured here", palette.sample, "diamond")):
        shown = [(one, x, place) for (one, x), place in zip(points, places, strict=True) if one.ours == ours]
        figure.add_scatter(
            x=[x for _, x, _ in shown],
            y=[one.match for one, _, _ in shown],
            text=[SHORT.get(one.system, one.system) for one, _, _ in shown],
            customdata=[f"{one.source} ({one.year})" for one, _, _ in shown],
            mode="markers+text",
            textposition=[place for _, _, place in shown],
            name=name,
            marker=dict(color=colour, size=11, symbol=symbol),
            hovertemplate=hover,
            cliponaxis=False,
        )
    return figure


def scores_figure(numbers: Sequence[Number], *, convention: str, palette: Palette = LIGHT) -> go.Figure:
    """Match rate against the rms of the matches: up and to the left is better. Numbers without an rms are not drawn."""
    points = [(one, one.rmse) for one in numbers if one.rmse is not None]
    wide = max((x for _, x in points), default=0.1)
    figure = _marks(
        points,
        sides([(x, one.match) for one, x in points], (0.25 * wide, 3.0)),
        "%{text}: %{y:.1f} %, rms %{x:.3f}<br>%{customdata}<extra></extra>",
        palette,
    )
    figure = styled(figure, palette, x_title="rms of the matches, in ∛(V/N)", y_title=f"match rate, {convention} (%)", height=400)
    figure.update_xaxes(range=[0, 1.15 * wide])
    return figure


def calls_figure(numbers: Sequence[Number], *, convention: str, palette: Palette = LIGHT) -> go.Figure:
    """Match rate against the network calls for one crystal (logarithmic), of those whose calls are known."""
    points = [(one, float(calls)) for one in numbers if (calls := calls_of(one.system))]
    figure = _marks(
        points,
        sides([(math.log10(x), one.match) for one, x in points], (0.7, 3.0)),
        "%{text}: %{y:.1f} % with %{x:,} calls<br>%{customdata}<extra></extra>",
        palette,
    )
    figure = styled(figure, palette, x_title="network calls for one crystal", y_title=f"match rate, {convention} (%)", height=400)
    figure.update_xaxes(type="log", range=[1.6, 4.1], dtick=1)
    return figure


def groups_figure(likely: Sequence[tuple[int, float]], *, true: int, palette: Palette = LIGHT) -> go.Figure:
    """The likeliest space groups of the content; the true one in the colour of the exact."""
    figure = go.Figure()
    figure.add_bar(
        x=[f"{group}" for group, _ in likely],
        y=[share for _, share in likely],
        marker_color=[palette.exact if group == true else palette.sample for group, _ in likely],
        showlegend=False,
    )
    figure = styled(figure, palette, x_title="space group", y_title="probability", height=320)
    figure.update_xaxes(type="category")
    return figure


def calibration_figure(dev: Mapping, *, palette: Palette = LIGHT) -> go.Figure:
    """Of first guesses with this confidence, how many are right; the diagonal is a guesser that knows what it does not know."""
    curve = dev["calibration"]
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="perfectly calibrated", line=dict(color=palette.exact, dash="dash"))
    errors = [2 * max(a * (1 - a), 0.25 / n) ** 0.5 / n**0.5 for a, n in zip(curve["accuracy"], curve["count"], strict=True)]
    figure.add_scatter(
        x=curve["confidence"],
        y=curve["accuracy"],
        error_y=dict(type="data", array=errors, color=palette.muted),
        mode="markers+lines",
        name="first guesses, crystals kept aside",
        marker=dict(color=palette.sample, size=9),
    )
    return styled(figure, palette, x_title="confidence of the guess", y_title="share that is right", height=320)


def words_figure(words: Sequence[Word], *, palette: Palette = LIGHT) -> go.Figure:
    """The probability that the network gave each word it wrote, in the order of writing."""
    made = [word for word in words if word.probability is not None]
    figure = go.Figure()
    for field in (*FIELDS, "not read"):
        rows = [i for i, word in enumerate(made) if word.field == field]
        if rows:
            figure.add_bar(
                x=rows,
                y=[made[i].probability for i in rows],
                text=[made[i].text for i in rows],
                name=field,
                marker_color=getattr(palette, KINDS[field]),
                textposition="none",
                hovertemplate="%{text}: %{y:.2f}<extra></extra>",
            )
    figure = styled(figure, palette, x_title="word", y_title="probability before it was chosen", height=320)
    figure.update_xaxes(tickvals=list(range(len(made))), ticktext=[word.text for word in made])
    return figure


def perplexity_figure(dev: Mapping, *, palette: Palette = LIGHT) -> go.Figure:
    """Perplexity of each kind of word on crystals kept aside."""
    names = [name for name in FIELDS if name != "end"]
    figure = go.Figure(go.Bar(x=names, y=[dev["perplexity"][name] for name in names], marker_color=palette.sample, showlegend=False))
    return styled(figure, palette, x_title="kind of word", y_title="perplexity", height=320)


def fits_figure(fits: Sequence[tuple[str, float]], *, palette: Palette = LIGHT) -> go.Figure:
    """How well each of the grown crystals fits the text."""
    figure = go.Figure()
    figure.add_bar(
        y=[name for name, _ in fits],
        x=[fit for _, fit in fits],
        orientation="h",
        marker_color=[palette.sample] + [palette.muted] * (len(fits) - 1),
        showlegend=False,
    )
    figure = styled(figure, palette, x_title="cosine between text and crystal", y_title="", height=320)
    figure.update_yaxes(autorange="reversed")
    return figure


def retrieval_figure(dev: Mapping, *, palette: Palette = LIGHT) -> go.Figure:
    """Share of captions that find their crystal: among 32 in each phrasing, and between two polymorphs; chance beside it."""
    names = ["phrasing A", "phrasing B", "phrasing C", "polymorph, 1 of 2"]
    figure = go.Figure()
    figure.add_bar(x=names, y=[*dev["retrieval"], dev["polymorphs"]], name="caption", marker_color=palette.sample)
    figure.add_scatter(
        x=names, y=[1 / 32] * 3 + [0.5], mode="markers", name="chance", marker=dict(color=palette.muted, symbol="line-ew-open", size=34)
    )
    figure = styled(figure, palette, x_title="", y_title="share that finds its own", height=320)
    figure.update_yaxes(range=[0, 1.05])
    return figure


def measured_figure(system: str, dev: Mapping, *, palette: Palette = LIGHT) -> go.Figure:
    """What was measured with the miniature of a system on crystals kept aside. Raises KeyError for a system without one."""
    draw = {"MaskGXT": calibration_figure, "CrystaLLM-π": perplexity_figure, "Chemeleon": retrieval_figure}[system]
    return draw(dev, palette=palette)


def figure_of(growth: Growth, *, true: int, palette: Palette = LIGHT) -> go.Figure | None:
    """What the system thought while it made this crystal; None for one that thinks nothing beside its path."""
    if growth.words:
        return words_figure(growth.words, palette=palette)
    if growth.fits:
        return fits_figure(growth.fits, palette=palette)
    return groups_figure(growth.groups, true=true, palette=palette) if growth.groups else None


def systems_table(systems: Sequence[System], numbers: Sequence[Number]) -> list[dict]:
    """Rows of the sortable table: what each system does, and its best-known score with its convention."""
    rows = []
    for one in systems:
        own = [n for n in numbers if n.system == one.name and n.benchmark == "MP-20"]
        rows.append(
            {
                "System": one.name,
                "Year": one.year,
                "What is diffused": one.diffused,
                "Noise": one.noise,
                "Network": one.network,
                "Weights": one.size,
                "Network calls": one.calls,
                "Conditioning": one.conditioning,
                **{f"MP-20, {c} (%)": next((n.match for n in own if n.convention == c), None) for c in ("unfiltered", "filtered")},
                "Licence of the code": one.licence,
                "Source": one.source,
            }
        )
    return rows


def numbers_table(numbers: Sequence[Number]) -> list[dict]:
    """Rows of the sortable table of scores, each with source, convention and year."""
    return [
        {
            "System": one.system,
            "Benchmark": one.benchmark,
            "Match (%)": one.match,
            "rms": one.rmse,
            "Convention": one.convention,
            "Year": one.year,
            "Source": one.source,
        }
        for one in numbers
    ]


def read_outs(growth: Growth) -> list[tuple[str, str]]:
    """What is said beside the meter."""
    if growth.words:
        sure = surest_field(growth.words)
        rows = [("Words written", f"{sum(word.probability is not None for word in growth.words)}")]
        return rows + [(f"Mean probability, {field}", f"{share:.2f}") for field, share in sure.items()]
    if growth.fits:
        return [("Best fit to the text", f"{growth.fits[0][1]:.2f}"), ("Worst of the eight", f"{growth.fits[-1][1]:.2f}")]
    return [(f"Space group {group}", f"{share:.2f}") for group, share in growth.groups]
