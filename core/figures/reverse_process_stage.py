"""The stage of `reverse_process`: reverse processes on the exact density, side by side, as a payload for the player."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from core.figures.payload import Panel, pack_player
from core.learning.reverse_process import exact_density_frames, exact_score_frames
from core.numerics.trajectory import Trajectory, held_frames, nearest

HALF = 3.0
BOUNDS = (-HALF, HALF, -HALF, HALF)
CELLS, ARROWS, MOMENTS = 72, 15, 48


def background(
    dataset: str, schedule: str, times: torch.Tensor, *, score: str = "exact", sign: float = 1.0, n_moments: int = MOMENTS
) -> dict:
    """Exact density (T, H, W), its marginals and the score field, at `n_moments` of the times and held in between.

    Costs as much as the sampling itself and depends on nothing random: cache it.
    """
    keys, held = held_frames(len(times), n_moments)
    moments = times[keys]
    density = exact_density_frames(dataset, schedule, moments, BOUNDS, CELLS, on_stage=True)
    arrows = exact_score_frames(dataset, schedule, moments, BOUNDS, ARROWS, on_stage=True, score=score) * sign
    cell = 2 * HALF / CELLS
    marginals = (density.sum(1) * cell)[held], (density.sum(2) * cell)[held]
    return {"density": density[held], "arrows": arrows[held], "marginals_exact": marginals}


def payload(runs: Sequence[tuple[str, Trajectory]], scene: dict) -> bytes:
    """Player payload of one or two runs (title, trajectory with frames on stage) on one clock, over `background`.

    Runs with different numbers of frames are shown at the frames of the first, nearest in time.
    """
    times = runs[0][1].times
    panels = []
    for title, run in runs:
        shown = run.positions[nearest(run.times, times)]
        panels.append(Panel(shown, title=title, name="particles", role="sample", arrow_role="score", **scene))
    return pack_player(
        panels,
        times=times,
        bounds=BOUNDS,
        x_label="x₁",
        y_label="x₂",
        time_label="time t",
        loop=True,
        alt="Particles walk from noise at t = 1 back to the data at t = 0, on the exact density of every moment.",
    )
