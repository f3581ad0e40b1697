"""Best of several candidates, refined: rounds of growing, each a pure function from states to better states.

A round grows `candidates` crystals for each composition, from noise or from the best so far noised again, and keeps of each composition
the one of the highest quality. `sample_cells` repeats rounds and never loses the best.

equation                                                           name
q(C), by which candidates are compared                             candidate_quality
mean_t |eps_theta(x_t, t) - eps|^2, a part of the bound on -ln p   denoising_loss   (Ho et al. 2020, eq. 12)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from core.generator.model.conversion import to_cells, to_trajectories
from core.generator.model.diffusion import Diffusion
from core.generator.model.flow import Flow
from core.generator.model.network import Denoiser
from core.generator.model.state import Cells
from core.generator.registry import Model
from core.generator.sampling.batching import batches, candidate_seeds, structure_seeds
from core.generator.sampling.config import SamplerConfig
from core.generator.sampling.loop import Guide, sample
from core.generator.selection.reranker import features
from core.metrics.validity import MIN_DISTANCE
from core.numerics.trajectory import frame_indices
from core.structures.crystal import Crystal, CrystalTrajectory
from core.structures.lattice import nearest_distances

RANKING_CALLS = 4
CROWDED = 100.0  # quality that atoms on top of each other cost
Progress = Callable[[int, int], None]


class Cancelled(Exception):
    """Raised inside `sample_cells` when the caller asked to stop."""


class Round(NamedTuple):
    """What a round keeps of each of B compositions. frames: its states at the times asked for; quality (B,) of the last one."""

    frames: list[Cells]
    quality: Tensor


class StepCounter:
    """Reports every network step of a run of `total`, and asks whether to stop. Raises Cancelled from `step`."""

    def __init__(self, total: int, progress: Progress | None, cancelled: Callable[[], bool] | None):
        self.done, self.total, self.progress, self.cancelled = 0, total, progress, cancelled

    def step(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled
        self.skip_to(self.done + 1)

    def skip_to(self, done: int) -> None:
        """`done` steps are over, whether they were needed or not."""
        if done > self.done:
            self.done = done
            if self.progress is not None:
                self.progress(done, self.total)


def sample_cells(
    model: Model,
    cells: Sequence[Sequence[int]],
    config: SamplerConfig,
    *,
    seed: int = 0,
    n_frames: int = 1,
    initial: Sequence[Crystal] | None = None,
    guide: Guide | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[CrystalTrajectory]:
    """Crystals of the cell contents `cells` (atomic numbers), in their order, each size in batches of its own.

    initial: crystals to start from, noised to config.start. n_frames: states kept of the round that found the answer; never changes it.
    Raises Cancelled; ValueError for settings out of range.
    """
    check(config, n_frames)
    seeds, rounds, rows_of = structure_seeds(cells, seed), config.rounds, batches(cells, config.candidates)
    steps = sum(settings.steps for settings in rounds)
    counter = StepCounter(len(rows_of) * steps, progress, cancelled)
    paths: dict[int, CrystalTrajectory] = {}
    for number, rows in enumerate(rows_of, start=1):
        numbers = torch.tensor([cells[i] for i in rows])
        best = None if initial is None else to_cells(model.network, [initial[i] for i in rows])
        quality = torch.full((len(rows),), -torch.inf)  # of the best so far
        for r, settings in enumerate(rounds):
            open_rows = (quality < settings.accept_threshold).nonzero().flatten()
            if not len(open_rows):
                break
            keep = frame_indices(settings.steps + 1, n_frames).tolist()
            grown = grow_round(
                model,
                numbers[open_rows],
                settings,
                seeds=candidate_seeds([seeds[rows[i]] for i in open_rows.tolist()], settings.candidates, r * settings.candidates),
                initial=None if best is None else take(best, open_rows),
                compared=len(rounds) > 1,
                keep=keep,
                guide=guide,
                on_step=counter.step,
            )
            better = (grown.quality > quality[open_rows]) | (r == 0)
            frames, improved = [take(frame, better) for frame in grown.frames], open_rows[better]
            quality = quality.index_copy(0, improved, grown.quality[better])
            best = frames[-1] if best is None else replaced(best, improved, frames[-1])
            made = to_trajectories(model.network, frames, settings.times()[keep])
            paths |= {rows[i]: path for i, path in zip(improved.tolist(), made, strict=True)}
        counter.skip_to(number * steps)
    return [paths[i] for i in range(len(cells))]


def grow_round(
    model: Model,
    numbers: Tensor,
    config: SamplerConfig,
    *,
    seeds: Sequence[int],
    initial: Cells | None = None,
    compared: bool = False,
    keep: Iterable[int] = (),
    guide: Guide | None = None,
    on_step: Callable[[], None] | None = None,
) -> Round:
    """`config.candidates` crystals of each row of `numbers` (B, N), of which the one of the highest quality is kept.

    seeds: B * candidates, those of one composition next to each other. initial: B cells to start from, noised to config.start.
    keep: indices of the states to return, the last among them. compared: work out the quality of a single candidate too (else 0).
    """
    k = config.candidates
    every, kept = torch.arange(len(numbers)).repeat_interleave(k), set(keep) | {config.steps}
    states = sample(
        model.network,
        model.process,
        numbers[every],
        config,
        seeds=seeds,
        initial=None if initial is None else take(initial, every),
        guide=guide,
    )
    frames = []
    for i, state in enumerate(states):
        if i in kept:
            frames.append(state)
        if i > 0 and on_step is not None:
            on_step()
    if k == 1 and not compared:
        return Round(frames, torch.zeros(len(numbers)))
    quality, choice = candidate_quality(model, frames[-1], config).view(-1, k).max(1)
    return Round([take(frame, choice + k * torch.arange(len(numbers))) for frame in frames], quality)


def candidate_quality(model: Model, crystals: Cells, config: SamplerConfig) -> Tensor:
    """(B,): by what the candidates of one composition are told apart: the reranker's opinion, or minus the model's denoising loss.

    Crystals in which two atoms lie on top of each other come last, whatever model and reranker think of them.
    """
    quality = (
        -denoising_loss(model.network, model.process, crystals, config)
        if model.reranker is None
        else model.reranker.quality(features(model.network, crystals))
    )
    metric = model.network.metric(crystals.numbers, crystals.cell.clamp(-6, 6))
    crowded = nearest_distances(crystals.frac, metric) < MIN_DISTANCE
    return quality.nan_to_num(nan=-torch.inf) - CROWDED * crowded


@torch.no_grad()
def denoising_loss(network: Denoiser, process: Diffusion | Flow, crystals: Cells, config: SamplerConfig) -> Tensor:
    """(B,): mean squared error of the network when these crystals are noised a little, the same noise for all.

    A crystal that the model believes in is one to which it can find back. The error, averaged over t with the right
    weights, is the variational bound on -log p (Ho et al. 2020, eq. 12); here it serves as a likelihood proxy that ranks crystals of
    one composition, at RANKING_CALLS times from rank_from to rank_to.
    """
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(len(crystals.numbers))
    for t in torch.linspace(config.rank_from, config.rank_to, RANKING_CALLS):
        t = t.expand(len(total))
        noised, target = process.noise(crystals, t, generator=generator, shared=True)
        prediction = network(*noised, t)
        coords, lattice = prediction.coords - target.coords, prediction.lattice - target.lattice
        total += coords.square().mean((1, 2)) + 0.2 * lattice.square().mean(1)
    return total / RANKING_CALLS


def check(config: SamplerConfig, n_frames: int = 1) -> None:
    """Raises ValueError for settings out of range."""
    if min(config.steps, config.candidates, config.n_refinements + 1, n_frames) < 1 or config.temperature < 0 or config.power <= 0:
        raise ValueError(
            "steps, candidates and frames must be at least 1, refinements and the temperature at least 0, the power of the times above 0"
        )


def take(cells: Cells, rows: Tensor) -> Cells:
    """The cells `rows` of a batch, by index or boolean mask."""
    return Cells(*(values[rows] for values in cells))


def replaced(cells: Cells, rows: Tensor, new: Cells) -> Cells:
    """The batch with the cells `rows` (indices) replaced by `new`."""
    return Cells(*(old.index_copy(0, rows, other) for old, other in zip(cells, new, strict=True)))
