"""The stage of `guidance`: guided diffusion, and beside it the walk that does end on the tilted density, from the same noise."""

from __future__ import annotations

import torch

from core.figures.payload import Panel, pack_player
from core.learning import guidance
from core.learning.guidance import PATH
from core.numerics.frames import cell_centres
from core.numerics.trajectory import Trajectory, held_frames, nearest

HALF = 3.0
BOUNDS = (-HALF, HALF, -HALF, HALF)
CELLS, ARROWS, MOMENTS = 56, 13, 24


def _axis(n: int) -> torch.Tensor:
    return cell_centres(BOUNDS, (1, n))[:, 0]


def _normalised(log_p: torch.Tensor) -> torch.Tensor:
    return (log_p - log_p.max()).exp()


def payload(
    dataset: str, label: int, gamma: float, guide: str, guided: Trajectory, promised: Trajectory, n_moments: int = MOMENTS
) -> bytes:
    """Left: the density whose score is the guided field, p_t(x) p_t(y|x)^gamma, and the field that is walked along. Right: the tilt,
    noised. The curves at the edges are the tilt's on both sides. n_moments: of these fields; they are held in between."""
    times = guided.times
    keys, held = held_frames(len(times), n_moments)
    data, tilt = guidance.get_labelled(dataset), guidance.tilt(dataset, label, gamma)
    field = guidance.field(dataset, label, gamma, guide)
    cells, places = cell_centres(BOUNDS, CELLS), cell_centres(BOUNDS, ARROWS)
    lefts, rights, fields, wanted = [], [], [], []
    for t in times[keys].tolist():
        law, noised = data.density.diffused(PATH, t), tilt.diffused(PATH, t)
        lefts.append(_normalised(law.log_prob(cells) + gamma * data.log_class(cells, label, law)))
        rights.append(noised.fields(*[_axis(CELLS)] * 2)[0].float())
        fields.append(field(places, t))
        p, px, py = noised.fields(*[_axis(ARROWS)] * 2)
        wanted.append(torch.stack([px, py], -1).div(p.clamp_min(1e-300)[..., None]).float())
    left, right = (torch.stack(rows).reshape(-1, CELLS, CELLS)[held] for rows in (lefts, rights))
    walked, promise = (torch.stack(rows).reshape(-1, ARROWS, ARROWS, 2)[held] for rows in (fields, wanted))
    cell = 2 * HALF / CELLS
    marginals = right.sum(1) * cell, right.sum(2) * cell
    panels = [
        Panel(
            guided.positions,
            title="guided diffusion",
            name="guided particles",
            role="sample",
            density=left,
            arrows=walked,
            density_name="density with the guided score",
            density_role="force",
            arrow_role="score",
            marginals_exact=marginals,
        ),
        Panel(
            promised.positions[nearest(promised.times, times)],
            title="score of the promised density",
            name="particles of the promised density",
            role="data",
            density=right,
            density_name="promised density with noise",
            arrows=promise,
            arrow_role="score",
            marginals_exact=marginals,
        ),
    ]
    return pack_player(
        panels,
        times=times,
        bounds=BOUNDS,
        x_label="x₁",
        y_label="x₂",
        time_label="time t",
        alt="Guided particles on the left and particles of the promised density on the right walk from noise to data.",
    )
