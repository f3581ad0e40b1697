"""Figures of `latent_diffusion`: what arithmetic buys in each space, the latent space itself, and the two side by side in numbers."""

from __future__ import annotations

import plotly.graph_objects as go
from torch import Tensor

from core.figures.theme import LIGHT, Palette, floor_band, styled
from core.learning.latent_diffusion import Curves, Reading, multiplications, networks
from core.learning.latent_networks import LATENT, PIXELS
from core.learning.lattice_images import KINDS
from core.numerics.distances import Truth
from core.numerics.networks import n_parameters

NAMES = {"latent": "among 8 latents, decoded", "pixel": "among 576 pixels"}
SYMBOLS = ("square", "diamond-tall", "hexagon", "triangle-up")


def work_figure(curves: Curves, *, palette: Palette = LIGHT) -> go.Figure:
    """Distance to the exact law against multiplications per picture, log-log, over the floor and the autoencoder's ceiling."""
    figure = go.Figure()
    ends = [min(w[0] for w in curves.work.values()) / 1.5, max(w[-1] for w in curves.work.values()) * 1.5]
    floor_band(figure, curves.floor, ends, name=f"exact pictures, {curves.floor.n} of them", palette=palette)
    figure.add_scatter(
        x=ends,
        y=[curves.ceiling] * 2,
        mode="lines",
        line=dict(color=palette.exact, dash="dash"),
        name="exact pictures through the autoencoder",
        hovertemplate="%{y:.2f}<extra></extra>",
    )
    for space, colour, symbol in (("pixel", palette.accent, "square"), ("latent", palette.sample, "circle")):
        figure.add_scatter(
            x=curves.work[space],
            y=curves.distances[space],
            mode="lines+markers",
            name=NAMES[space],
            line=dict(color=colour, width=3),
            marker=dict(size=10, symbol=symbol),
            customdata=curves.steps,
            hovertemplate="%{customdata} steps, %{x:.2s} multiplications: %{y:.2f}<extra></extra>",
        )
    styled(figure, palette, x_title="multiplications per picture", y_title="energy distance (model units)", height=380)
    figure.update_xaxes(type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(type="log", tickvals=[0.25, 0.5, 1, 2, 4, 8])
    return figure


def latent_figure(exact: Tensor, kinds: Tensor, made: Tensor, *, palette: Palette = LIGHT) -> go.Figure:
    """The two widest directions of the latent space: where exact pictures lie, by kind, and where the walk ended."""
    figure = go.Figure()
    colours = (palette.data, palette.exact, palette.accent, palette.noise)
    for k, kind in enumerate(KINDS):
        some = exact[kinds == k]
        figure.add_scatter(
            x=some[:, 0].numpy(),
            y=some[:, 1].numpy(),
            mode="markers",
            name=f"{kind}, encoded",
            hoverinfo="name",
            marker=dict(color=colours[k], symbol=SYMBOLS[k], size=7, opacity=0.55),
        )
    figure.add_scatter(
        x=made[:, 0].numpy(),
        y=made[:, 1].numpy(),
        mode="markers",
        name="made by the latent walk",
        hoverinfo="name",
        marker=dict(color=palette.sample, size=4),
    )
    styled(figure, palette, x_title="widest direction of the latents", y_title="second widest", height=380)
    figure.update_xaxes(range=[-3.4, 3.4])
    figure.update_yaxes(range=[-3.4, 3.4])
    return figure


def side_by_side(
    truths: dict[str, Truth],
    readings: dict[str, Reading],
    exact: Reading,
    seconds: dict[str, float],
    decode: float,
    *,
    word: str,
    n_steps: int,
) -> list[tuple[str, ...]]:
    """Rows (what, latent, pixel). seconds, decode: processor time of the walk and of decoding, all pictures together."""
    made, n = networks(), truths["latent"].floor.n
    rows: list[tuple[str, ...]] = [
        ("numbers that diffuse", f"{LATENT}", f"{PIXELS}"),
        ("weights of the denoiser", *(f"{n_parameters(made[space]):,}" for space in NAMES)),
        ("multiplications a picture", *(f"{multiplications(space, n_steps) / 1e6:.2f} million" for space in NAMES)),
        (
            "time a picture, measured",
            f"{1e6 * seconds['latent'] / n:.0f} µs + {1e6 * decode / n:.0f} µs to decode",
            f"{1e6 * seconds['pixel'] / n:.0f} µs",
        ),
        ("distance to the exact law", *(f"{truths[space].value:.2f} ({truths[space].ratio:.1f} × floor)" for space in NAMES)),
        (f"off the nearest lattice (exact ones: {exact.residual:.2f})", *(f"{readings[space].residual:.2f}" for space in NAMES)),
    ]
    if word != "any":
        rows.append((f"read as {word} (exact ones: {exact.share(word):.0%})", *(f"{readings[space].share(word):.0%}" for space in NAMES)))
    return rows
