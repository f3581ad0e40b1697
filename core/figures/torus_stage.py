"""The stage of `torus`: two clouds in one periodic cell on one clock, over the exact law, with the fields that drive them."""

from __future__ import annotations

import torch

from core.crystals.torus import get_sites, sigma_of
from core.figures.payload import Panel, pack_player
from core.numerics.frames import cell_centres
from core.numerics.trajectory import Trajectory

BOUNDS = (0.0, 1.0, 0.0, 1.0)
CELLS, ARROWS = 56, 13
CLOCKS = {"melt": "time t", "freeze": "time t", "hold": "time (units of σ²)"}


def images_label(n_images: int | None) -> str:
    """In words, for titles and legends."""
    if n_images is None:
        return "all images"
    return "nearest image only" if n_images == 0 else f"{2 * n_images + 1} images a direction"


def payload(runs: list[tuple[str, Trajectory, int | None]], *, move: str, sites: str, sigma_max: float) -> bytes:
    """Player payload of runs (title, trajectory, images kept in its score) of one length; arrows are shown unless it melts."""
    law, times = get_sites(sites), runs[0][1].times
    sigmas = sigma_of(times, move=move, sigma_max=sigma_max).tolist()
    centres, edges = (torch.arange(CELLS) + 0.5) / CELLS, torch.linspace(0, 1, 97)
    places = cell_centres(BOUNDS, ARROWS)
    levels = sigmas if len(set(sigmas)) > 1 else sigmas[:1]
    density = torch.stack([law.density((centres, centres), sigma) for sigma in levels])
    marginals = tuple(torch.stack([law.marginal(edges, d, sigma) for sigma in levels]) for d in (0, 1))
    panels = []
    for title, run, n_images in runs:
        arrows = (
            None
            if move == "melt"
            else torch.stack([law.score(places, sigma, n_images=n_images).reshape(ARROWS, ARROWS, 2) for sigma in levels])
        )
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
