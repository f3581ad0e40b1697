"""The stage of `torus`: two clouds in one periodic cell on one clock, over the exact law, with the fields that drive them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from core.crystals.torus import exact, get_sites, sample, sigma_of
from core.figures.payload import Panel, pack_player
from core.numerics.frames import cell_centres
from core.numerics.trajectory import Trajectory, held_frames

BOUNDS = (0.0, 1.0, 0.0, 1.0)
CELLS, ARROWS, MOMENTS = 56, 13, 64  # as many moments as the player keeps of a density
CLOCKS = {"melt": "time t", "freeze": "time t", "hold": "time (units of σ²)"}


def images_label(n_images: int | None) -> str:
    """In words, for titles and legends."""
    if n_images is None:
        return "all images"
    return "nearest image only" if n_images == 0 else f"{2 * n_images + 1} images a direction"


def clouds(
    params: Mapping[str, Any], n_images: int, *, draw: Callable[..., Trajectory] = sample, draw_exact: Callable[..., Trajectory] = exact
) -> bytes:
    """Player payload of two clouds: run with these arguments of `sample` and the scores of all images and of `n_images` a side; a melt
    beside exact draws. draw, draw_exact: called in place of `sample` and `exact`."""
    if params["move"] == "melt":
        common = {key: params[key] for key in ("sites", "sigma_max", "n_particles", "seed")}
        pair: list[tuple[str, Trajectory, int | None]] = [
            ("noise, then wrap", draw(**params), None),
            ("drawn from the wrapped normal", draw_exact(**common), None),
        ]
    else:
        pair = [(f"score of {images_label(k)}", draw(**{**params, "n_images": k}), k) for k in (None, n_images)]
    return payload(pair, move=params["move"], sites=params["sites"], sigma_max=params["sigma_max"])


def payload(runs: Sequence[tuple[str, Trajectory, int | None]], *, move: str, sites: str, sigma_max: float) -> bytes:
    """Player payload of runs (title, trajectory, images kept in its score) of one length; arrows are shown unless it melts."""
    law, times = get_sites(sites), runs[0][1].times
    sigmas = sigma_of(times, move=move, sigma_max=sigma_max).float()
    levels = sigmas[:1] if move == "hold" else sigmas
    keys, held = held_frames(len(levels), MOMENTS)
    centres, edges = (torch.arange(CELLS) + 0.5) / CELLS, torch.linspace(0, 1, 97)
    places = cell_centres(BOUNDS, ARROWS)
    density = law.density(centres, centres, levels[keys])[held]
    marginals = tuple(law.marginal(edges, d, levels) for d in (0, 1))
    panels = []
    for title, run, n_images in runs:
        arrows = None if move == "melt" else law.score(places, levels[keys], n_images=n_images).reshape(-1, ARROWS, ARROWS, 2)[held]
        panels.append(
            Panel(
                run.positions,
                title=title,
                name="atoms",
                role="sample",
                density=density,
                marginals_exact=marginals,
                arrows=arrows,
                arrow_role="score",
            )
        )
    return pack_player(
        panels,
        times=times,
        bounds=BOUNDS,
        x_label="x (edges a)",
        y_label="y (edges b)",
        time_label=CLOCKS[move],
        wrap=True,
        alt="Atoms move in a periodic cell: what leaves through one wall comes in through the opposite one.",
    )
