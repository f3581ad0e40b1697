"""Growing crystals: from a formula and a seed to a crystal, every state on the way kept for the player.

equation                                               name
p(F, L | A), reverse process of the crystal diffusion  generate
p(A, F, L), species masked at first                    generate with a number of atoms for a formula (diffusion)
p(A) p(F, L | A), species decided first                the same (flow)
q(F_t, L_t | F_0, L_0), one path of the forward law    forward
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from core.generator.baselines.library import open_library
from core.generator.baselines.substitution import Proposal, prototype
from core.generator.composition.composition_model import compose
from core.generator.model.network import Denoiser
from core.generator.model.state import Cells
from core.generator.registry import KINDS, MODELS, Model, ModelMissing, load_model
from core.generator.sampling.loop import (
    FLOW,
    METHODS,
    Guide,
    Noise,
    SamplerConfig,
    candidate_seeds,
    sample,
    surprise,
    times,
)
from core.generator.selection.reranker import features
from core.metrics.report import MIN_DISTANCE, composition_valid, found_rms, structure_valid
from core.numerics.trajectory import frame_indices
from core.structures.crystal import Crystal, CrystalTrajectory
from core.structures.elements import MASKED, MAX_NUMBER
from core.structures.formula import FormulaError
from core.structures.lattice import lattice_to_vector, nearest_distances, vector_to_lattice

__all__ = [
    "KINDS",
    "METHODS",
    "MODELS",
    "Cancelled",
    "ModelMissing",
    "ReadOut",
    "forward",
    "generate",
    "load_model",
    "match_known",
    "read_out",
]
BATCH = 64
FEW, MANY = 16, 64  # compositions that one thread answers at a time, at least and at most
CROWDED = 100.0  # trust that atoms on top of each other cost
SHARES = 4  # so many pieces for each thread, if they are not too small
Progress = Callable[[int, int], None]


class Cancelled(Exception):
    """Raised inside `generate` when the caller asked to stop."""


def generate(
    model_name: str | Model,
    compositions: Sequence[str | Sequence[int] | int],
    *,
    n_samples: int = 1,
    n_steps: int = 50,
    method: str = "ancestral",
    temperature: float = 1.0,
    candidates: int = 1,
    sharpen: float = 0.0,
    power: float = 1.0,
    start: float = 1.0,
    library: str | None = None,
    seed: int = 0,
    n_frames: int = 100,
    guide: Guide | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[CrystalTrajectory]:
    """Crystals of the given cell contents, in their order, the samples of one composition next to each other.

    compositions: formulas ("Sr1 Ti1 O3"), atomic numbers, or a number of atoms whose species are to be decided too (de novo; masked,
    number 0, in the first frames of a diffusion model; a flow is given a formula that its composer draws). Atoms keep the order written.
    n_steps: network calls. temperature multiplies the variance of all noise drawn (of the starting cell too). candidates: crystals
    grown for each one asked for; the one that the model's judge trusts most (without a judge: that surprises the model least) is kept.
    sharpen: anti-annealing. power: the schedule, times start (1 - i / n_steps)^power. start below 1: begin with the nearest prototype
    of another composition in `library` (a file; None = the built-in one), blurred to that time. n_frames: states kept, first and last
    among them; never changes the crystals. guide: see `sampler.sample`. progress(done, total) counts steps of batches; cancelled() is
    asked at every step.

    The k-th cell of one composition has the same random numbers whatever else is asked for in the same call.
    Raises FormulaError, ModelMissing, Cancelled; KeyError for an unknown model or method; ValueError for steps < 1, power <= 0.
    """
    model = _model_for(model_name, method)
    config = replace(
        METHODS[method],
        steps=n_steps,
        temperature=temperature,
        candidates=candidates,
        sharpen=sharpen,
        power=power,
        start=start,
        rank_from=model.scoring.rank_from,
        rank_to=model.scoring.rank_to,
    )
    cells = decided(model, [content(model, asked) for asked in compositions for _ in range(n_samples)], seed=seed)
    initial = [known_relative(cell, library).crystal for cell in cells] if start < 1 else None
    return run(model, cells, config, seed=seed, n_frames=n_frames, initial=initial, guide=guide, progress=progress, cancelled=cancelled)


def content(model: Model, asked: str | Sequence[int] | int) -> tuple[int, ...]:
    """Atomic numbers of the cell asked for, 0 for species to be decided. Raises FormulaError for what the model cannot do."""
    if not isinstance(asked, int):
        return model.composition(asked)
    if not model.de_novo:
        raise FormulaError(f"The {KINDS[model.kind]} model {model.name} needs a formula: it was never trained to decide on species.")
    if asked not in model.atom_counts:
        raise FormulaError(
            f"{asked} atoms in the cell; the model {model.name} was trained on cells of {model.atom_counts[0]} to "
            f"{model.atom_counts[-1]} atoms."
        )
    return (MASKED,) * asked


def decided(model: Model, cells: Sequence[tuple[int, ...]], *, seed: int = 0) -> list[tuple[int, ...]]:
    """`cells`, those without species filled by the model's composer; a diffusion model has none and decides on the way."""
    filled = list(cells)
    rows = [i for i, cell in enumerate(cells) if MASKED in cell]
    if rows and model.composer is not None:
        made = compose(model.composer, [len(cells[i]) for i in rows], structure_seeds([cells[i] for i in rows], seed))
        for i, cell in zip(rows, made, strict=True):
            filled[i] = cell
    return filled


def known_relative(numbers: Sequence[int], library: str | None = None) -> Proposal:
    """The nearest known crystal of another composition with the wanted elements on its sites: the baseline without a network.

    Raises FormulaError where none has this stoichiometry, ArrayFileError for an unreadable library.
    """
    found = None if MASKED in numbers else prototype(numbers, open_library(library), other=True)
    if found is None:
        raise FormulaError("No known crystal has this stoichiometry: begin with noise, or give a larger library.")
    return found


def name_of(found: Proposal, library: str | None = None) -> str:
    """What a library calls an entry: its name, its id, or at least its formula."""
    entries = open_library(library).arrays
    for column in ("name", "material_id"):
        if column in entries.columns:
            return f"{entries.columns[column][found.row]}, {entries.crystal(found.row).formula}"
    return entries.crystal(found.row).formula


def draw_sizes(model: Model, n: int, *, seed: int = 0) -> list[int]:
    """`n` numbers of atoms, distributed as in the training data."""
    shares = np.array(model.about.get("size_shares") or [1.0] * len(model.atom_counts), dtype=float)
    return np.random.default_rng(abs(seed)).choice(model.atom_counts, size=n, p=shares / shares.sum()).tolist()


def _model_for(model_name: str | Model, method: str) -> Model:
    METHODS[method]  # KeyError before anything is loaded
    model = load_model(model_name, kind=kind_of(method)) if isinstance(model_name, str) else model_name
    if model.kind != kind_of(method):
        raise ValueError(f"the sampler {method} needs a {kind_of(method)} model, not a {model.kind} model")
    return model


def kind_of(method: str) -> str:
    """The kind of model (`models.KINDS`) behind a method of the sampler."""
    return "flow" if method == FLOW else "diffusion"


def run(
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
    """The sampler on cells of any sizes, each size in batches of its own. initial: crystals to start from, blurred to config.start.

    Of several rounds the path kept is that of the round which found the answer.
    """
    if min(config.steps, config.candidates, config.rounds, n_frames) < 1 or config.temperature < 0 or config.power <= 0:
        raise ValueError("steps, samples, rounds and frames must be at least 1, the temperature at least 0, the power of the times above 0")
    seeds = structure_seeds(cells, seed)
    rounds = [config.round(r) for r in range(config.rounds)]
    batches = [
        rows
        for n in sorted({len(c) for c in cells})
        for rows in _chunks([i for i, c in enumerate(cells) if len(c) == n], max(1, BATCH // config.candidates))
    ]
    steps = sum(settings.steps for settings in rounds)
    done, total = 0, len(batches) * steps
    results: dict[int, CrystalTrajectory] = {}

    def watched(states: Iterator[Cells], keep: Sequence[int]) -> list[Cells]:
        """The states `keep` of a round, with word of every step."""
        nonlocal done
        frames = []
        for i, state in enumerate(states):
            if cancelled is not None and cancelled():
                raise Cancelled
            if i in keep:
                frames.append(state)
            done += i > 0
            if progress is not None:
                progress(done, total)
        return frames

    for number, rows in enumerate(batches):
        numbers = torch.tensor([cells[i] for i in rows])
        best = None if initial is None else to_cells(model.network, [initial[i] for i in rows])
        trust = torch.full((len(rows),), -torch.inf)  # in the best so far
        for r, settings in enumerate(rounds):
            k, unsure = settings.candidates, (trust < settings.sure).nonzero().flatten()
            if not len(unsure):
                done = (number + 1) * steps
                if progress is not None:
                    progress(done, total)
                break
            every = unsure.repeat_interleave(k)
            own = candidate_seeds([seeds[rows[i]] for i in unsure.tolist()], k, r * k)
            keep = frame_indices(settings.steps + 1, n_frames).tolist()
            frames = watched(
                sample(
                    model.network,
                    model.process,
                    numbers[every],
                    settings,
                    seeds=own,
                    initial=None if best is None else _taken(best, every),
                    guide=guide,
                ),
                keep,
            )
            found = torch.zeros(len(unsure))
            if k > 1 or len(rounds) > 1:
                found, choice = trust_in(model, frames[-1], settings).view(-1, k).max(1)
                frames = [_taken(frame, choice + k * torch.arange(len(unsure))) for frame in frames]
            better = (found > trust[unsure]) | (r == 0)
            frames, improved = [_taken(frame, better) for frame in frames], unsure[better]
            trust[improved] = found[better]
            best = (
                frames[-1]
                if best is None
                else Cells(*(old.index_copy(0, improved, new) for old, new in zip(best, frames[-1], strict=True)))
            )
            made = _trajectories(model.network, frames, times(settings)[keep])
            results |= {rows[i]: path for i, path in zip(improved.tolist(), made, strict=True)}
    return [results[i] for i in range(len(cells))]


def run_in_parts(
    model: Model, cells: Sequence[Sequence[int]], config: SamplerConfig, *, workers: int, seed: int = 0, progress: Progress | None = None
) -> list[Crystal]:
    """The crystals of `run`, to rounding; long lists are shared out to threads, each with as many threads for its sums as this one has."""
    cells = [tuple(cell) for cell in cells]
    kinds = sorted(set(cells), key=lambda cell: (len(cell), cell))  # a composition stays in one piece: its samples are counted there
    size = min(max(-(-len(kinds) // (SHARES * workers)), FEW), MANY) if workers > 1 else max(len(kinds), 1)
    where = {cell: i // size for i, cell in enumerate(kinds)}
    pieces: list[list[int]] = [[] for _ in range(0, len(kinds), size)]
    for i, cell in enumerate(cells):
        pieces[where[cell]].append(i)
    if len(pieces) < 2:
        return [path.final for path in run(model, cells, config, seed=seed, progress=progress)]
    made: dict[int, Crystal] = {}
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)) as pool:
        tasks = {pool.submit(run, model, [cells[i] for i in piece], config, seed=seed): piece for piece in reversed(pieces)}  # large first
        for done, task in enumerate(as_completed(tasks), start=1):
            made |= {i: path.final for i, path in zip(tasks[task], task.result(), strict=True)}
            if progress is not None:
                progress(done, len(tasks))
    return [made[i] for i in range(len(cells))]


def trust_in(model: Model, crystals: Cells, config: SamplerConfig) -> Tensor:
    """(B,): by what the candidates of one composition are told apart: the judge's opinion, or minus the surprise of the model.

    Crystals in which two atoms lie on top of each other come last, whatever model and judge think of them.
    """
    trust = (
        -surprise(model.network, model.process, crystals, config)
        if model.judge is None
        else model.judge.quality(features(model.network, crystals))
    )
    metric = model.network.metric(crystals.numbers, crystals.cell.clamp(-6, 6))
    crowded = nearest_distances(crystals.frac, metric) < MIN_DISTANCE
    return trust.nan_to_num(nan=-torch.inf) - CROWDED * crowded


def _taken(cells: Cells, rows: Tensor) -> Cells:
    return Cells(*(values[rows] for values in cells))


def to_cells(network: Denoiser, crystals: Sequence[Crystal]) -> Cells:
    """Crystals of one size, as the network sees them."""
    numbers = torch.tensor(np.stack([c.numbers for c in crystals]))
    vector = lattice_to_vector(torch.tensor(np.stack([c.lattice for c in crystals])))
    frac = torch.tensor(np.stack([c.frac_coords for c in crystals])).float() % 1.0
    return Cells(numbers, frac, network.to_cell(numbers, vector).float())


def forward(
    crystal: Crystal, *, model_name: str | Model = "mp20", kind: str = "diffusion", n_frames: int = 100, seed: int = 0
) -> CrystalTrajectory:
    """One path of the forward process that starts at `crystal`, at `n_frames` times from 0 to 1.

    Diffusion: the increments are those of the process's SDE, so that each frame has the law on which the model was trained and
    neighbouring frames belong together. Flow: the straight path to one draw of noise. The cell is drawn in the canonical
    orientation (c along z). Raises ValueError for masked atoms, elements beyond 103 or fewer than two frames, ModelMissing.
    """
    if (crystal.numbers == MASKED).any() or n_frames < 2:
        raise ValueError("the forward process starts from a crystal with all elements and needs two frames or more")
    if crystal.numbers.max() > MAX_NUMBER:
        raise ValueError(f"the forward process knows the elements up to number {MAX_NUMBER}")
    model = load_model(model_name, kind=kind) if isinstance(model_name, str) else model_name
    grid = torch.linspace(0, 1, n_frames)
    frames = model.process.path(to_cells(model.network, [crystal]), grid, noise=Noise([seed]))
    return _trajectories(model.network, frames, grid)[0]


def structure_seeds(cells: Sequence[Sequence[int]], seed: int) -> list[int]:
    """One seed for each cell, from `seed`, its composition, and how often that came before in the list."""
    seen: Counter = Counter()
    seeds = []
    for numbers in cells:
        key = tuple(numbers)
        state = np.random.SeedSequence([abs(seed), int(seed < 0), seen[key], *key]).generate_state(2, np.uint32)
        seeds.append(int(state[0]) << 31 | int(state[1]) >> 1)
        seen[key] += 1
    return seeds


def _chunks(rows: list[int], size: int) -> list[list[int]]:
    return [list(part) for part in np.array_split(rows, -(-len(rows) // size))]


def _trajectories(network: Denoiser, frames: list[Cells], frame_times: Tensor) -> list[CrystalTrajectory]:
    """T batched states -> one trajectory for each structure of the batch."""
    numbers = frames[0].numbers
    lattices = torch.stack([lattices_of(network, frame) for frame in frames]).numpy()  # (T, B, 3, 3)
    frac = torch.stack([frame.frac for frame in frames]).double().numpy()  # (T, B, N, 3)
    kinds = torch.stack([frame.numbers for frame in frames]).numpy()
    return [CrystalTrajectory(frame_times.numpy(), kinds[:, b], frac[:, b], lattices[:, b]) for b in range(len(numbers))]


def lattices_of(network: Denoiser, state: Cells) -> Tensor:
    """(B, 3, 3) float64 in Å. Cells more than six standard deviations out are drawn at six."""
    return vector_to_lattice(network.to_vector(state.numbers, state.cell.double().clamp(-6, 6)))


@dataclass(frozen=True)
class ReadOut:
    """What a crystallographer looks at first. density in g/cm^3, distances in Å, volume_per_atom in Å^3."""

    formula: str
    structure_valid: bool
    composition_valid: bool
    density: float
    nearest_distance: float
    volume_per_atom: float

    @property
    def words(self) -> str:
        """A verdict of two words for a gallery."""
        return "atoms too close" if not self.structure_valid else "valid" if self.composition_valid else "no charge balance"


def read_out(crystal: Crystal) -> ReadOut:
    """Raises ValueError while an atom is masked."""
    return ReadOut(
        crystal.formula,
        structure_valid(crystal),
        composition_valid(crystal.numbers),
        crystal.density,
        crystal.nearest_distance,
        crystal.volume / crystal.n_atoms,
    )


def match_known(crystal: Crystal, known: Sequence[Crystal]) -> tuple[int, float] | None:
    """(index, rms) of the closest of `known` that StructureMatcher maps onto `crystal`, or None.

    rms in units of (V/N)^(1/3), after both are brought to one volume.
    """
    content = reduced_content(crystal)
    found = [
        (rms, i) for i, other in enumerate(known) if reduced_content(other) == content and (rms := found_rms(crystal, other)) is not None
    ]
    return (min(found)[1], min(found)[0]) if found else None


def reduced_content(crystal: Crystal) -> dict[int, int]:
    """Atomic number -> count in the reduced formula."""
    counts = Counter(crystal.numbers.tolist())
    divisor = np.gcd.reduce(list(counts.values()))
    return {z: n // divisor for z, n in counts.items()}
