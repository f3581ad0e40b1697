"""The stage of `sampling`: five samplers and the exact law, six panels on one clock."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from core.figures.payload import Panel, pack_player
from core.foundations.sampling import SAMPLERS, Run, exact, get_landscape
from core.numerics.frames import cell_centres

CELLS = (64, 80)
POINTS = 120


def _background(landscape: str, kT: float) -> dict:
    """Exact density on the view (1, H, W) and its marginals (1, M) each."""
    surface, law = get_landscape(landscape), exact(landscape, kT)
    points = cell_centres(surface.view, CELLS, dtype=torch.float64)
    energy = surface.potential.energy(points) / kT
    density = torch.exp(energy.min() - energy).reshape(1, *CELLS)
    marginals = []
    for axis in (0, 1):
        edge = torch.linspace(surface.view[2 * axis], surface.view[2 * axis + 1], POINTS, dtype=torch.float64)
        half = 0.5 * float(edge[1] - edge[0])
        marginals.append(((law.cdf(edge + half, axis) - law.cdf(edge - half, axis)) / (2 * half))[None])
    return {"density": density, "marginals_exact": tuple(marginals)}


def payload(runs: Mapping[str, Run], *, landscape: str, kT: float, chosen: str) -> bytes:
    """Player payload: one panel per sampler, the sixth shows exact draws, as many as there are chains. All clocks count looks."""
    scene = _background(landscape, kT)
    trajectory = next(iter(runs.values())).trajectory
    panels = [
        Panel(
            run.trajectory.positions, title=("▸ " if name == chosen else "") + SAMPLERS[name].label, name="chains", role="sample", **scene
        )
        for name, run in runs.items()
    ]
    draws = exact(landscape, kT).sample(trajectory.n_particles, torch.Generator().manual_seed(3))
    panels.append(Panel(draws.expand(len(trajectory.times), -1, -1), title="Exact draws", name="exact draws", role="exact", **scene))
    return pack_player(
        panels,
        times=trajectory.times,
        bounds=get_landscape(landscape).view,
        time_label="looks at the landscape",
        fps=15,
        marginals=False,
        alt=f"{trajectory.n_particles} chains of each of five samplers start in one well of the "
        f"{landscape} landscape and spread, or fail to, over the exact density; a sixth panel shows exact draws.",
    )
