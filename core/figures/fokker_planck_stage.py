"""The stage of `fokker_planck`: the solved density with particles of the matching SDE, and of the probability flow, on one clock."""

from __future__ import annotations

import math

import numpy as np

from core.figures.payload import Panel, pack_player
from core.numerics.trajectory import Trajectory, held_frames
from core.physics.fokker_planck import Solution, current, washboard_diffusion

CELLS, EDGES, ARROWS, MOMENTS = 180, 129, 15, 64
TITLES = ("with noise, the SDE", "without noise, the flow J/p")


def reach(solution: Solution) -> float:
    """Half the width of the view; of the washboard only what the particles see of it."""
    if solution.setting.kind != "washboard":
        return solution.box.high[-1] * (0.75 if solution.setting.kind == "whirl" else 1.0)
    spread = 2 * washboard_diffusion(solution.setting) * float(solution.times[-1])
    return min(solution.box.high[0], max(5.0, 1.5 + 3 * math.sqrt(spread)))


def payload(solution: Solution, walks: tuple[Trajectory, Trajectory]) -> bytes:
    """Player payload of (particles of the SDE, particles of the flow). On a line the space-time map of p lies behind the paths;
    in the plane the density of each moment, its marginals, and the current J as arrows."""
    half, times = reach(solution), solution.times
    panels = []
    if solution.setting.flat:
        x = solution.box.centres(0)
        cells = -half + (np.arange(CELLS) + 0.5) * (2 * half / CELLS)
        density, marginal = (
            np.stack([np.interp(at, x, p) for p in solution.p]).astype("f4") for at in (cells, np.linspace(-half, half, EDGES))
        )
        for title, walk in zip(TITLES, walks):
            panels.append(Panel(walk.positions, title=title, name="particles", density=density, marginals_exact=marginal))
        return pack_player(
            panels,
            times=times,
            mode="1d",
            bounds=(-half, half),
            x_label="time t",
            y_label="position x",
            time_label="time t",
            alt="A map of the density in space and time, with noisy paths on the left and smooth ones on the right.",
        )
    box, n = solution.box, solution.box.cells[0]
    cut = round(n * (1 - half / box.high[0]) / 2)  # cells outside the view, on each side
    view = slice(cut, n - cut)
    half = box.high[0] - cut * box.widths[0]
    marginals = tuple(
        np.stack(
            [
                np.interp(np.linspace(-half, half, EDGES), box.centres(1 - axis), frame)
                for frame in solution.p.sum(axis=1 + axis) * box.widths[axis]
            ]
        ).astype("f4")
        for axis in (0, 1)
    )
    moments, held = (index.numpy() for index in held_frames(len(times), MOMENTS))
    arrows = np.stack([_visible(_coarse(J)) for J in current(solution, moments)[:, view, view]]).astype("f4")[held]
    density = solution.p[:, view, view].astype("f4")
    for title, walk in zip(TITLES, walks):
        panels.append(
            Panel(
                walk.positions,
                title=title,
                name="particles",
                density=density,
                arrows=arrows,
                arrow_role="current",
                marginals_exact=marginals,
            )
        )
    return pack_player(
        panels,
        times=times,
        bounds=(-half, half, -half, half),
        x_label="x₁",
        y_label="x₂",
        time_label="time t",
        trail=10,
        alt="A density flows over the plane from its start to its end, with particles on it and its current as arrows.",
    )


def _visible(arrows: np.ndarray) -> np.ndarray:
    """The same directions, with lengths to the power 0.3: currents at the rim are thousands of times smaller than in the middle."""
    length = np.linalg.norm(arrows, axis=-1, keepdims=True)
    return arrows / np.maximum(length, 1e-30) * np.where(length > 1e-4 * length.max(), length, 0) ** 0.3


def _coarse(values: np.ndarray) -> np.ndarray:
    """(ARROWS, ARROWS, 2): the mean over patches of cells, one an arrow."""
    cuts = [np.linspace(0, n, ARROWS + 1).round().astype(int)[:-1] for n in values.shape[:2]]
    sums = np.add.reduceat(np.add.reduceat(values, cuts[0], 0), cuts[1], 1)
    counts = [np.diff([*cut, n]) for cut, n in zip(cuts, values.shape[:2])]
    return sums / (counts[0][:, None, None] * counts[1][None, :, None])
