"""Growing crystals: from a formula and a seed to a crystal, every state on the way kept for the player.

equation                                               name
p(F, L | A), reverse process of the crystal diffusion  sample
p(A, F, L), species masked at first                    sample with a number of atoms for a formula (diffusion)
p(A) p(F, L | A), species decided first                the same (flow)
q(F_t, L_t | F_0, L_0), one path of the forward law    forward
rms of the best map to a known crystal, and by chance  truth
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from core.generator.baselines.library import known_relative
from core.generator.cell_contents import cell_content, with_species
from core.generator.model.conversion import to_cells, to_trajectories
from core.generator.registry import KINDS, MODELS, Model, ModelMissing, load_model
from core.generator.sampling.best_of import Cancelled, Progress, sample_cells
from core.generator.sampling.config import METHODS, SamplerConfig, published_config
from core.generator.sampling.loop import Guide, Noise
from core.metrics.comparison import Comparison, compare, known_like
from core.metrics.convergence import Convergence
from core.structures.crystal import Crystal, CrystalTrajectory
from core.structures.elements import MASKED

__all__ = ["KINDS", "METHODS", "MODELS", "Cancelled", "ModelMissing", "forward", "half_way_first", "luck", "sample", "truth"]


def sample(
    model_name: str | Model,
    compositions: Sequence[str | Sequence[int] | int],
    config: SamplerConfig = METHODS["ancestral"],
    *,
    kind: str = "diffusion",
    n_samples: int = 1,
    library: str | None = None,
    seed: int = 0,
    n_frames: int = 100,
    guide: Guide | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[CrystalTrajectory]:
    """Crystals of the given cell contents, in their order, the samples of one composition next to each other.

    compositions: formulas ("Sr1 Ti1 O3"), atomic numbers, or a number of atoms whose species are to be decided too (de novo; masked,
    number 0, in the first frames of a diffusion model; a flow is given a formula that its composition model draws). Atoms keep the order
    written. config: of the sampler; its ranking times are those of the model's published scores, whatever it says. config.start below 1:
    begin with the nearest prototype of another composition in `library` (a file; None = the built-in one), noised to that time.
    kind: of the model, "flow" or "diffusion" (`config.kind_of` says which one a method needs). n_frames: states kept, first and last
    among them; never changes the crystals. guide: see `loop.sample`. progress(done, total) counts steps of batches; cancelled() is
    asked at every step.

    The k-th cell of one composition has the same random numbers whatever else is asked for in the same call.
    Raises FormulaError, ModelMissing, Cancelled; KeyError for an unknown model or kind; ValueError for settings out of range.
    """
    model = load_model(model_name, kind=kind) if isinstance(model_name, str) else model_name
    scoring = published_config(model.about)
    config = replace(config, rank_from=scoring.rank_from, rank_to=scoring.rank_to)
    cells = with_species(model, [cell_content(model, query) for query in compositions for _ in range(n_samples)], seed=seed)
    initial = [known_relative(cell, library).crystal for cell in cells] if config.start < 1 else None
    return sample_cells(
        model, cells, config, seed=seed, n_frames=n_frames, initial=initial, guide=guide, progress=progress, cancelled=cancelled
    )


def forward(
    crystal: Crystal, *, model_name: str | Model = "mp20", kind: str = "diffusion", n_frames: int = 100, seed: int = 0
) -> CrystalTrajectory:
    """One path of the forward process that starts at `crystal`, at `n_frames` times from 0 to 1.

    Diffusion: the increments are those of the process's SDE, so that each frame has the law on which the model was trained and
    neighbouring frames belong together. Flow: the straight path to one draw of noise. The cell is drawn in the canonical
    orientation (c along z). Raises ValueError for masked atoms or fewer than two frames, ModelMissing.
    """
    if (crystal.numbers == MASKED).any() or n_frames < 2:
        raise ValueError("the forward process starts from a crystal with all elements and needs two frames or more")
    model = load_model(model_name, kind=kind) if isinstance(model_name, str) else model_name
    grid = torch.linspace(0, 1, n_frames)
    frames = model.process.path(to_cells(model.network, [crystal]), grid, noise=Noise([seed]))
    return to_trajectories(model.network, frames, grid)[0]


def truth(crystal: Crystal, known: Mapping[str, Crystal] | None = None) -> Comparison | None:
    """The crystal beside the closest of `known` (default: the crystals built in code), and beside what random atoms in its box would score.

    None where no known crystal has its content.
    """
    return compare(crystal, known_like(crystal) if known is None else known)


def half_way_first(path: Convergence) -> tuple[int, str]:
    """Which is for good within half of its first distance from the end first: 0 the box, 1 the atoms, 2 both at the same state kept."""
    last = [int(np.flatnonzero(distance > distance[0] / 2)[-1]) + 1 if distance[0] else 0 for distance in (path.cell, path.coords)]
    cell, coords = (float(path.times[i]) for i in last)
    return (2 if last[0] == last[1] else int(last[0] > last[1])), (
        f"The box is half-way home at t = {cell:.2f}, the atoms at t = {coords:.2f}; t falls from {float(path.times[0]):g} to 0."
    )


def right_of_as_many(few: int, many: int, n: int) -> tuple[int, str]:
    """Right ones of n with few steps and of n with many: 0 fewer with few, 2 more, 1 if chance alone does as much in one case of twenty
    (Fisher's exact test, one-sided)."""
    from scipy import stats  # slow to load

    less, more = (stats.fisher_exact([[few, n - few], [many, n - many]], alternative=side).pvalue for side in ("less", "greater"))
    right = 0 if less <= 0.05 else 2 if more <= 0.05 else 1
    told = "" if right != 1 else " So few cannot tell the two apart." if few != many else ""
    return right, f"Of {n} crystals, {few} come out right with five steps, {many} with fifty.{told}"


def luck(comparison: Comparison) -> tuple[int, str]:
    """Of random atoms in the same box, how many the wide tolerance lets pass: 0 none, 1 at most a third, 2 more."""
    share = comparison.chance_matches / comparison.chance_total
    return (0 if not comparison.chance_matches else 1 if share <= 1 / 3 else 2), comparison.chance
