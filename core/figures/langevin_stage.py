"""The stage of `langevin`: paths with and without inertia on one clock, or the same particles in phase space."""

from __future__ import annotations

import math

import torch

from core.figures.payload import Panel, pack_player
from core.numerics.frames import Bounds, cell_centres
from core.numerics.trajectory import Trajectory, held_frames
from core.physics.langevin import Run, System, law, position_density

CELLS, EDGES, ARROWS, MOMENTS = 160, 129, (13, 17), 48


def reach(system: System, t_end: float) -> float:
    """Half the height of the view: four spreads, or where the double well is 8 kT (and at least one barrier) deep."""
    if system.kind == "double well":
        return 1.02 * math.sqrt(1 + math.sqrt(max(1.0, 8 * system.kT / system.barrier)))
    end = float(law(system, torch.tensor([t_end])).covariance[0, 0, 0]) if system.kind == "free" else system.kT / system.stiffness
    return max(4 * math.sqrt(end), 1.15 * abs(system.start))


def _later(times: torch.Tensor) -> torch.Tensor:
    """The times with the spike at 0 replaced by the first moment after it."""
    return times.clamp(min=float(times[times > 0].min()))


def paths(run: Run, slow: Trajectory | None, system: System, *, method: str) -> bytes:
    """Player payload: positions against time, with inertia and (if `slow` is given) without, on the same noise.

    Behind: the exact density of each equation; for the double well the one that both end in.
    """
    moving = run.positions
    half = reach(system, float(moving.times[-1]))
    cells = -half + (torch.arange(CELLS) + 0.5) * (2 * half / CELLS)
    edges = torch.linspace(-half, half, EDGES)
    panels = []
    for title, walk, inertia in ((f"with inertia ({method})", moving, True), ("without inertia, same noise", slow, False)):
        if walk is not None:
            density, marginal = (position_density(system, x, _later(walk.times), inertia=inertia).float() for x in (cells, edges))
            panels.append(Panel(walk.positions, title=title, name="particles", density=density, marginals_exact=marginal))
    return pack_player(
        panels,
        times=moving.times,
        mode="1d",
        bounds=(-half, half),
        x_label="time t",
        y_label="position x",
        time_label="time t",
        alt=f"{moving.n_particles} particles leave one point; with inertia their paths are smooth, without it rough; both "
        "fill the exact density.",
    )


def phase_space(run: Run, system: System) -> bytes:
    """Player payload: velocity over position, on the exact law of both, with the drift (v, force/m - gamma v) as arrows."""
    walk, times = run.positions, _later(run.positions.times)
    half = reach(system, float(times[-1]))
    top = max(4 * system.speed, 0.9 * system.omega * abs(system.start) + 2 * system.speed if system.kind == "harmonic" else 0.0)
    if system.kind == "double well":
        top = max(top, 1.15 * math.sqrt(2 * system.barrier / system.mass))
    bounds = (-half, half, -top, top)
    positions = torch.stack([walk.positions[..., 0], run.velocities.positions[..., 0]], -1)
    edges = torch.linspace(-half, half, EDGES), torch.linspace(-top, top, EDGES)
    speeds = torch.exp(-edges[1].square() / (2 * system.speed**2)) / (math.sqrt(2 * math.pi) * system.speed)
    panel = Panel(
        positions,
        name="particles",
        density=_phase_density(system, times, bounds),
        arrows=_drift(system, bounds),
        arrow_role="drift",
        marginals_exact=(position_density(system, edges[0], times).float(), speeds[None]),
    )
    return pack_player(
        [panel],
        times=walk.times,
        bounds=bounds,
        x_label="position x",
        y_label="velocity v",
        time_label="time t",
        trail=10,
        equal_aspect=False,
        alt=f"{walk.n_particles} particles swirl in the plane of position and velocity, spiral in by "
        "friction and are kicked out by noise, on the exact density.",
    )


def _phase_density(system: System, times: torch.Tensor, bounds: Bounds, size: tuple[int, int] = (72, 96)) -> torch.Tensor:
    points = cell_centres(bounds, size, dtype=torch.float64)
    if system.kind == "double well":
        energy = system.landscape.energy(points[:, :1]) + 0.5 * system.mass * points[:, 1].square()
        return torch.exp(-(energy - energy.min()) / system.kT).reshape(1, *size).float()
    moments, held = held_frames(len(times), MOMENTS)
    exact = law(system, times[moments])
    apart = points[None] - exact.mean[:, None]
    squeezed = exact.covariance + 1e-6 * torch.diag_embed(torch.diagonal(exact.covariance, dim1=1, dim2=2))
    weight = torch.exp(-0.5 * torch.einsum("tni,tij,tnj->tn", apart, torch.linalg.inv(squeezed), apart))
    return weight.reshape(-1, *size).float()[held]


def _drift(system: System, bounds: Bounds) -> torch.Tensor:
    points = cell_centres(bounds, ARROWS, dtype=torch.float64)
    x, v = points[:, :1], points[:, 1:]
    push = system.landscape.force(x) / system.mass - system.friction * v
    wide, high = bounds[1] - bounds[0], bounds[3] - bounds[2]
    return torch.cat([v, push * wide / high], 1).reshape(1, *ARROWS, 2).float()  # as it looks in axes of different units
