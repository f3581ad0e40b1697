"""Colours and layout shared by every figure: one meaning per colour, safe for colour-blind readers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from core.numerics.distances import RAISED

if TYPE_CHECKING:
    from core.numerics.distances import Floor

ASSETS = Path(__file__).resolve().parents[2] / "assets"


@dataclass(frozen=True)
class Palette:
    """Hex colours by role; the same roles name the colours of the browser player."""

    data: str
    sample: str
    exact: str
    noise: str
    force: str
    accent: str
    ink: str
    muted: str
    grid: str
    background: str


_colours = json.loads((ASSETS / "palette.json").read_text())
LIGHT = Palette(**_colours["light"])
DARK = Palette(**_colours["dark"])


def rgba(colour: str, opacity: float) -> str:
    """`#RRGGBB` and an opacity in [0, 1] -> a CSS rgba() string."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def styled(figure: go.Figure, palette: Palette = LIGHT, *, x_title: str, y_title: str, height: int = 360) -> go.Figure:
    """Give `figure` the app's axes, type and legend; returns the same figure. What it has beyond them, it keeps.

    One plain dict replaces the parts at once: Plotly's `update_*` calls, which set value by value, take five times as long.
    """
    axis = dict(
        gridcolor=palette.grid,
        zerolinecolor=palette.grid,
        linecolor=palette.muted,
        ticks="outside",
        tickcolor=palette.muted,
        automargin=True,
    )
    titles = {"x": x_title, "y": y_title}
    look = dict(
        height=height,
        margin=dict(l=56, r=12, t=28, b=48),
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font=dict(family='"Source Sans", "Source Sans Pro", sans-serif', color=palette.ink, size=14),
        legend=dict(orientation="h", yanchor="bottom", y=1.01, x=0, bgcolor="rgba(0,0,0,0)", font=dict(size=13)),
        hoverlabel=dict(bgcolor=palette.background, font=dict(color=palette.ink)),
        dragmode=False,
    ) | {
        name: axis | dict(title=dict(text=titles[name[0]], standoff=8))
        for name in figure.layout
        if re.fullmatch(r"[xy]axis\d*", name)  # those of subplots too
    }

    def over(before: dict, part: dict) -> dict:
        return before | {key: over(before.get(key, {}), value) if isinstance(value, dict) else value for key, value in part.items()}

    for name, part in look.items():
        if isinstance(part, dict):
            look[name] = over(figure.layout[name].to_plotly_json(), part)
    return figure.update_layout(look, overwrite=True)


def band(figure: go.Figure, x: ArrayLike, low: ArrayLike, high: ArrayLike, *, colour: str, name: str) -> None:
    """Shade between `low` and `high`, each one number or one for every of `x` (n,), without a line or a hover text."""
    x = np.asarray(x)
    low, high = (np.broadcast_to(edge, x.shape) for edge in (low, high))
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([low, high[::-1]]),
        fill="toself",
        mode="lines",
        line_width=0,
        fillcolor=rgba(colour, 0.2),
        hoverinfo="skip",
        name=name,
    )


def floor_band(figure: go.Figure, floor: Floor, x: ArrayLike, *, name: str, palette: Palette = LIGHT) -> float:
    """What exact draws score against each other, mean and two standard deviations either side, along `x`, for a logarithmic axis.

    Returns the lower edge, never below a quarter of the mean.
    """
    low = max(floor.mean - 2 * floor.std, floor.mean / 4)
    band(figure, x, low, floor.mean + 2 * floor.std, colour=palette.exact, name=f"{name} (± 2 s.d.)")
    return low


def density_bars(figure: go.Figure, values: ArrayLike, edges: np.ndarray, *, name: str, palette: Palette = LIGHT) -> float:
    """Histogram of `values` (n,) as a density, bars between even `edges`. Returns the share of values outside, or not finite."""
    values = np.asarray(values, dtype=float)
    counts, _ = np.histogram(values[np.isfinite(values)], bins=edges)
    width = edges[1] - edges[0]
    figure.add_bar(
        x=edges[:-1] + width / 2,
        y=counts / (len(values) * width),
        width=width,
        name=name,
        marker=dict(color=rgba(palette.sample, 0.65), line_width=0),
    )
    return 1 - counts.sum() / len(values)


def enlarged(figure: go.Figure, by: float = 1.35) -> go.Figure:
    """A copy of `figure` for the far end of a lecture hall: type, lines and symbols `by` times as large, the whole higher."""
    bare = figure.to_dict()

    def grow(part: dict) -> None:
        for key, value in part.items():
            if key in ("font", "textfont", "tickfont") and "size" in value:
                value["size"] *= by
            elif key == "line" and isinstance(value.get("width"), int | float):
                value["width"] *= by
            elif key in ("marker", "error_x", "error_y") and isinstance(value, dict):
                for size in ("size", "width", "thickness"):
                    if isinstance(value.get(size), int | float):
                        value[size] *= by
            for child in value if isinstance(value, list | tuple) else (value,):
                if isinstance(child, dict):
                    grow(child)

    for part in (*bare["data"], bare["layout"]):
        grow(part)
    layout = bare["layout"]
    if layout.get("height"):
        layout["height"] = round(layout["height"] * by)
    layout["margin"] = {side: width * by for side, width in layout.get("margin", {}).items()}
    return go.Figure(bare)


def small(value: float, digits: int = 2) -> str:
    """A number that may be tiny, for a read-out: `0.31`, `2.4·10⁻⁵`, `below 10⁻¹⁵` (round-off, whatever its digits say), `0`."""
    if abs(value) >= 1e-3 or value == 0:
        return f"{value:.{digits}g}"
    if abs(value) < 1e-15:
        return "below 10⁻¹⁵"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}·10{str(int(exponent)).translate(RAISED)}"


def typeset(text: str) -> str:
    """Numbers as print has them: a minus sign for a hyphen before a digit, 1.2·10 to a raised power for 1.2e-05, ∞, a dash for nan."""

    def power(found: re.Match) -> str:
        return f"{found[1]}·10<sup>{int(found[2])}</sup>"

    text = re.sub(r"\bnan\b", "–", re.sub(r"\binf\b", "∞", text))
    return re.sub(r"(?<![\w.-])-(?=\.?\d|∞)|(?<=<sup>)-", "−", re.sub(r"(\d)e([+-]\d+)", power, text))
