"""Long lists of cells, shared out to threads."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import torch

from core.generator.registry import Model
from core.generator.sampling.best_of import Progress, sample_cells
from core.generator.sampling.config import SamplerConfig
from core.generator.sampling.loop import Guide
from core.structures.crystal import Crystal

FEW, MANY = 16, 64  # compositions that one thread answers at a time, at least and at most
SHARES = 4  # so many pieces for each thread, if they are not too small


def sample_in_parallel(
    model: Model,
    cells: Sequence[Sequence[int]],
    config: SamplerConfig,
    *,
    workers: int,
    seed: int = 0,
    guide: Guide | None = None,
    progress: Progress | None = None,
) -> list[Crystal]:
    """The crystals of `sample_cells`, to rounding; long lists are shared out to threads, each with as many threads for its sums as this."""
    cells = [tuple(cell) for cell in cells]
    kinds = sorted(set(cells), key=lambda cell: (len(cell), cell))  # a composition stays in one piece: its samples are counted there
    size = min(max(-(-len(kinds) // (SHARES * workers)), FEW), MANY) if workers > 1 else max(len(kinds), 1)
    where = {cell: i // size for i, cell in enumerate(kinds)}
    pieces: list[list[int]] = [[] for _ in range(0, len(kinds), size)]
    for i, cell in enumerate(cells):
        pieces[where[cell]].append(i)
    if len(pieces) < 2:
        return [path.final for path in sample_cells(model, cells, config, seed=seed, guide=guide, progress=progress)]
    grown: dict[int, Crystal] = {}
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)) as pool:
        tasks = {
            pool.submit(sample_cells, model, [cells[i] for i in piece], config, seed=seed, guide=guide): piece for piece in reversed(pieces)
        }  # large first
        for done, task in enumerate(as_completed(tasks), start=1):
            grown |= {i: path.final for i, path in zip(tasks[task], task.result(), strict=True)}
            if progress is not None:
                progress(done, len(tasks))
    return [grown[i] for i in range(len(cells))]
