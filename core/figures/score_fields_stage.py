"""The stages of `score_fields`: greedy and Langevin walkers on one clock, and the field under rising noise, for the player."""

from __future__ import annotations

from typing import Unpack

import torch

from core.figures.payload import Handles, Panel, pack_player
from core.numerics.frames import cell_centres
from core.numerics.trajectory import Trajectory
from core.physics import score_fields

HALF = score_fields.REACH
BOUNDS = (-HALF, HALF, -HALF, HALF)
CELLS, ARROWS = 80, 17
LIMITS = ((-HALF, HALF), (-HALF, HALF), score_fields.WEIGHTS, score_fields.WIDTHS)


def _edges() -> torch.Tensor:
    return torch.linspace(-HALF, HALF, 129, dtype=torch.float64)


def payload(greedy: Trajectory, thermal: Trajectory, *, kT: float, **spec: Unpack[score_fields.FieldSpec]) -> bytes:
    """Two panels from the same points: greedy ascent, and Langevin at kT over p^(1/kT). spec: as for score_fields.field."""
    density = score_fields.field(**spec)
    force = density.score(cell_centres(BOUNDS, ARROWS)).reshape(1, ARROWS, ARROWS, 2)
    log_p = density.log_prob(cell_centres(BOUNDS, CELLS)).double().reshape(1, CELLS, CELLS)
    panels = []
    for run, title, temperature, arrow_role in (
        (greedy, "Greedy, no noise", 1.0, "force"),
        (thermal, f"Langevin, kT = {kT:g}", kT, "score"),
    ):
        law = score_fields.exact_law(kT=temperature, **spec)
        marginals = tuple(law.marginal(axis, _edges())[None] for axis in (0, 1))
        panels.append(
            Panel(
                run.positions,
                title=title,
                name="walkers",
                density=(log_p / temperature - law.log_z).exp(),
                marginals_exact=marginals,
                arrows=force / temperature,
                arrow_role=arrow_role,
            )
        )
    handles = None
    if spec.get("source", "by hand") == "by hand":
        handles = Handles(spec.get("modes", score_fields.MODES), LIMITS, spec.get("sigma", 0.0), (1.0, 1 / kT))
    return pack_player(
        panels,
        times=greedy.times,
        bounds=BOUNDS,
        x_label="x₁",
        y_label="x₂",
        time_label="time t",
        loop=True,
        handles=handles,
        alt="Walkers from the same points: left they climb straight to the modes and stop, right noise keeps them moving "
        "and they fill the exact density.",
    )


def noise_payload(*, n: int = 600, **spec: Unpack[score_fields.FieldSpec]) -> bytes:
    """The density, its score and n points of it while the noise level sigma, the clock of this movie, rises."""
    source = spec.get("source", "by hand")
    levels = score_fields.noise_levels(source)
    clean = score_fields.exact_law(**spec | {"sigma": 0.0})
    generator = torch.Generator().manual_seed(5)
    x_0, eps = clean.sample(n, generator), torch.randn(n, 2, generator=generator)
    cells, places = cell_centres(BOUNDS, 64), cell_centres(BOUNDS, ARROWS)
    density, arrows, points = [], [], []
    for sigma in levels.tolist():
        smooth = score_fields.field(**spec | {"sigma": sigma})
        density.append(smooth.log_prob(cells).exp().reshape(64, 64))
        arrows.append(smooth.score(places).reshape(ARROWS, ARROWS, 2))
        points.append(x_0 + sigma * eps)
    panel = Panel(
        torch.stack(points),
        name="data with noise",
        role="data",
        density=torch.stack(density),
        arrows=torch.stack(arrows),
        arrow_role="score",
    )
    return pack_player(
        [panel],
        times=levels,
        bounds=BOUNDS,
        x_label="x₁",
        y_label="x₂",
        time_label="noise σ",
        marginals=False,
        autoplay=False,
        fps=10,
        alt="The density melts into one round hill and its arrows turn to the middle as the noise rises.",
    )
