"""The stage of `score_md`: denoising and Langevin dynamics by one score, side by side on one clock, over the exact laws."""

from __future__ import annotations

import torch
from torch import Tensor

from core.crystals.molecular_landscapes import Landscape, get_landscape
from core.figures.payload import Panel, pack_player
from core.numerics.frames import Bounds, cell_centres
from core.numerics.trajectory import Trajectory, held_frames

VIEWS: dict[str, Bounds] = {"Müller–Brown": (-2.0, 1.4, -0.9, 2.5), "two dihedrals": (-180.0, 180.0, -180.0, 180.0)}
CELLS, EDGE, MOMENTS = 72, 97, 24


def _density(landscape: Landscape, t: float, points: Tensor) -> Tensor:
    """(N,) float64: exact density at t at points of the picture, up to a constant."""
    x = landscape.placed(points)
    log_p = landscape.diffused(t).log_prob(x) if t else -landscape.energy(x)
    return (log_p - log_p.max()).exp()


def _scene(name: str, times: Tensor) -> dict:
    """Exact density (K, H, W) and marginals (K, M) each at `times` (K,)."""
    landscape, view = get_landscape(name), VIEWS[name]
    cells = cell_centres(view, CELLS, dtype=torch.float64)
    density = torch.stack([_density(landscape, t, cells) for t in times.tolist()]).reshape(-1, CELLS, CELLS)
    marginals = []
    for axis in (0, 1):
        low, high = view[2 * axis : 2 * axis + 2]
        along = density.sum(1 if axis == 0 else 2)
        along = along / (along.sum(1, keepdim=True) * (high - low) / CELLS)
        marginals.append(_on_edges(along))
    return {"density": density, "marginals_exact": tuple(marginals)}


def _on_edges(values: Tensor) -> Tensor:
    """(K, CELLS) at cell centres -> (K, EDGE) at even points from edge to edge, linear in between."""
    place = (torch.linspace(0, 1, EDGE, dtype=torch.float64) * CELLS - 0.5).clamp(0, CELLS - 1)
    low = place.floor().clamp(max=CELLS - 2).long()
    return torch.lerp(values[:, low], values[:, low + 1], place - low)


def payload(denoised: Trajectory, walked: Trajectory, *, landscape: str, t: float, what: str) -> bytes:
    """Player payload of the two runs, cut to equally many frames; the clock counts the share of each run that is done.

    t: noise time of the dynamics' force; what: the model in words.
    """
    n_frames = min(denoised.n_frames, walked.n_frames)
    denoised, walked = denoised.thinned(n_frames), walked.thinned(n_frames)
    n_frames = min(denoised.n_frames, walked.n_frames)
    surface = get_landscape(landscape)
    moments, held = held_frames(n_frames, MOMENTS)
    changing = {
        name: tuple(part[held] for part in value) if isinstance(value, tuple) else value[held]
        for name, value in _scene(landscape, denoised.times[moments]).items()
    }
    panels = [
        Panel(
            surface.shown(run.positions[:n_frames]),
            title=title,
            name="particles",
            role=role,
            **scene,
        )
        for run, title, role, scene in (
            (denoised, "Sampling: t from 1 to 0", "sample", changing),
            (
                walked,
                f"Dynamics at t₀ = {t:g}, τ from 0 to {float(walked.times[-1]):g}",
                "force",
                _scene(landscape, torch.zeros(1)),
            ),
        )
    ]
    x_label, y_label = surface.axes
    return pack_player(
        panels,
        times=torch.linspace(0, 100, n_frames),
        bounds=VIEWS[landscape],
        x_label=x_label,
        y_label=y_label,
        time_label="% of both runs",
        fps=20,
        wrap=surface.periodic,
        equal_aspect=True,
        alt=f"{denoised.n_particles:,} particles on the landscape “{landscape}”, driven by one score ({what}): on the left they are "
        "denoised, on the right they move by Langevin dynamics; behind both is the exact density.",
    )
