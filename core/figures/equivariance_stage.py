"""The two stages of `equivariance`: a crystal told in another way, and molecules grown by two kernels."""

from __future__ import annotations

import torch

from core.crystals.equivariance import MOVES, Cell, as_crystal, movie
from core.figures.crystal_payload import pack_crystals
from core.figures.payload import Panel, pack_player
from core.numerics.frames import cell_centres
from core.numerics.rigid_molecule import ATOMS, SCHEDULE, density
from core.numerics.trajectory import Trajectory, held_frames

HALF, CELLS, MOMENTS = 3.5, 64, 24
BOUNDS = (-HALF, HALF, -HALF, HALF)
TITLES = {"equivariant": "kernel that turns with its input", "plain": "kernel without symmetry"}


def crystal_payload(cells: list[Cell], shares: torch.Tensor, move: str) -> bytes:
    """Crystal player payload: as given, beside the same crystal on its way to another description."""
    return pack_crystals(
        [as_crystal(cells[0]), movie(cells, shares)],
        titles=["as given", MOVES[move].label],
        loop=True,
        time_label="share of the way",
        alt=f"The same crystal twice; one is told in another way: {MOVES[move].label}.",
    )


def molecule_payload(runs: dict[str, Trajectory]) -> bytes:
    """Player payload: molecules grown by each kernel over the exact density of a perfect model with that kernel."""
    times = next(iter(runs.values())).times
    points = cell_centres(BOUNDS, CELLS, dtype=torch.float64)
    keys, held = held_frames(len(times), MOMENTS)
    panels = []
    for kernel, run in runs.items():
        each = torch.stack([density(points, sigma, kernel=kernel).reshape(CELLS, CELLS) for sigma in SCHEDULE.sigma(times[keys]).tolist()])
        labels = torch.arange(len(ATOMS)).repeat_interleave(run.n_particles // len(ATOMS))
        panels.append(
            Panel(
                run.positions,
                title=TITLES[kernel],
                name="atoms",
                role="sample",
                density=each[held].float(),
                labels=labels,
                label_names=("O", "first H", "second H"),
            )
        )
    return pack_player(
        panels,
        times=times,
        bounds=BOUNDS,
        x_label="x",
        y_label="y",
        time_label="time t",
        marginals=False,
        alt="Molecules grow out of noise: on the left in every pose, on the right all in the same one.",
    )
