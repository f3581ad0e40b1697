"""The stage of `boltzmann`: particles over a landscape that changes its temperature, or copies of a system in the plane of N and E."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import erf

from core.figures.payload import Panel, pack_player
from core.foundations.boltzmann import Landscape, Run
from core.foundations.ensembles import Copies, exact
from core.numerics.frames import cell_centres
from core.numerics.trajectory import held_frames

X = 4.0  # half the width of the view
CELLS = (100, 240)
MOMENTS = 40  # temperatures at which exact curves are computed; held in between
CELL = 6  # pixels of the exact density to one value of N and of E


def energy_density(landscape: Landscape, energies: np.ndarray, kT: float) -> np.ndarray:
    """(M,): exact density of E(x) + p^2/2 averaged over the spacing of `energies` (M,), from P(E + p^2/2 <= e) = <erf sqrt((e - E)/kT)>."""
    half = (energies[1] - energies[0]) / 2
    edges = np.append(energies - half, energies[-1] + half)
    every = slice(None, None, 8)
    p = landscape.density(kT)[every]
    spare = np.maximum(edges[:, None] - landscape.energy[every][None], 0) / kT
    return np.diff(np.trapezoid(p * erf(np.sqrt(spare)), landscape.x[every])).clip(0) / (2 * half)


def _highest(landscape: Landscape, kT: float) -> float:
    """The energy E + p^2/2 above which 1 particle in 200 is in equilibrium."""
    low = float(landscape.energy.min())
    energies = np.linspace(low, low + 20 * (kT + 1), 400)
    below = np.cumsum(energy_density(landscape, energies, kT)) * (energies[1] - energies[0])
    return float(energies[np.searchsorted(below, 0.995)])


def _covered(landscape: Landscape, columns: np.ndarray, edges: np.ndarray, n: int = 8) -> np.ndarray:
    """(rows, columns): the share of each cell that lies below E(x). columns: their centres; edges: of the rows; n: places in a column."""
    within = (np.arange(n) + 0.5) / n - 0.5
    energy = np.interp(columns[:, None] + (columns[1] - columns[0]) * within, landscape.x, landscape.energy)
    height = (energy[None] - edges[:-1, None, None]) / np.diff(edges)[:, None, None]
    return height.clip(0, 1).mean(-1)


def landscape_payload(run: Run, *, n_moments: int = MOMENTS, fps: float = 24) -> bytes:
    """Each dot at its position and at its total energy; the ground is the landscape, brighter where the exact density is higher.

    n_moments: temperatures at which exact curves are computed.
    """
    landscape, kT = run.landscape, run.kT.numpy()
    potential = landscape.potential.energy(run.positions.reshape(-1, 1)).reshape(run.positions.shape)
    total = potential + run.kinetic
    low = float(landscape.energy.min())
    top = max([float(energy) for _, energy, _ in landscape.stationary])
    high = max(top + 0.6, _highest(landscape, float(kT.max())))
    bounds = (-X, X, low - 0.12 * (high - low), high)
    moments, held = (index.numpy() for index in held_frames(len(kT), n_moments if np.ptp(kT) else 1))
    columns = cell_centres(bounds, CELLS, dtype=torch.float64).numpy().reshape(*CELLS, 2)[0, :, 0]
    p = np.stack([np.interp(columns, landscape.x, landscape.density(t)) for t in kT[moments]])
    glow = 0.3 + 0.7 * p / p.max(1, keepdims=True)
    ground = _covered(landscape, columns, np.linspace(*bounds[2:], CELLS[0] + 1))
    x, energies = np.linspace(-X, X, 201), np.linspace(bounds[2], bounds[3], 101)
    along = np.stack([np.interp(x, landscape.x, landscape.density(t)) for t in kT[moments]])
    upward = np.stack([energy_density(landscape, energies, t) for t in kT[moments]])
    panel = Panel(
        torch.stack([run.positions, total], -1).float(),
        name="particles",
        role="sample",
        density=(glow[:, None, :] * ground)[held],
        marginals_exact=(along[held], upward[held]),
    )
    return pack_player(
        [panel],
        times=kT,
        bounds=bounds,
        equal_aspect=False,
        x_label="position x",
        y_label="energy E + p²/2",
        time_label="temperature kT",
        fps=fps,
        leap=0.2,
        isolines=False,
        alt=f"{run.n_particles} particles over a landscape with two basins while kT goes "
        f"from {kT[0]:.2f} to {kT[-1]:.2f}; each floats at its total energy.",
    )


def copies_payload(copies: Copies) -> bytes:
    """Each dot is a whole system at its number of particles and its energy, whole numbers that are spread out to be seen.

    Each gets the difference of two uniform numbers on top; what then is drawn behind is the exact law interpolated between whole numbers.
    """
    levels = copies.levels
    P = exact(levels, copies.ensemble).P
    ends = [levels.range(n) for n in range(levels.n_sites + 1)]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    P = P[:, low - levels.low : high - levels.low + 1]
    bounds = (-1.0, levels.n_sites + 1.0, low - 1.0, high + 1.0)
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(copies.n.shape[1], 2, 2, generator=generator)
    aside = u[..., 0] - u[..., 1]
    positions = torch.stack([copies.n, copies.energy], -1).float() + aside

    def between(first: float, last: float, n: int, at_centres: bool) -> np.ndarray:
        """(points, whole numbers from first + 1 to last - 1): weights of a linear interpolation that is zero at both ends."""
        cells = CELL * n
        x = first + (np.arange(cells) + 0.5) / CELL if at_centres else np.linspace(first, last, cells + 1)
        return np.maximum(1 - np.abs(x[:, None] - np.arange(first + 1, last)), 0)

    wide, tall = levels.n_sites + 2, high - low + 2
    marginals = tuple(
        (between(*ends_of, size, False) @ P.sum(axis))[None] for ends_of, size, axis in ((bounds[:2], wide, 1), (bounds[2:], tall, 0))
    )
    smooth = between(*bounds[2:], tall, True) @ P.T @ between(*bounds[:2], wide, True).T
    panel = Panel(
        positions,
        name="copies",
        role="sample",
        density=smooth[None],
        marginals_exact=marginals,
    )
    return pack_player(
        [panel],
        times=copies.attempts.double() / levels.n_sites,
        bounds=bounds,
        equal_aspect=False,
        fps=20,
        x_label="particles N",
        y_label="energy E",
        time_label="moves per site",
        alt=f"{copies.n.shape[1]} copies of a system of {levels.n_sites} sites spread over the plane of particle number and "
        "energy until they cover the exact probabilities.",
    )
