"""Train the adapters of a flow (`n2c train adapter`): which crystal, if its density, gap, symmetry or energy is asked for?

The flow's own weights are read and kept. For every crystal of a batch one or two of what is known about it are told, at random; for a
fifth of the crystals nothing is, so that the flow is not forgotten (Ho & Salimans 2022). Rows marked `dev` are never trained on; their
loss with and without the condition is logged.

The flow has learned the cells of its training crystals by heart, and adapters that see those only learn that a condition says nothing
new. So elements change places with alike ones, as in the training of the flow (`baselines.element_exchange`), and where a volume or
density is told, the cell is stretched at random: the volume told is always that of the cell shown.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from core.generator.baselines.element_exchange import exchange, replacement_table
from core.generator.baselines.substitution import Library
from core.generator.model.adapter import PLACES, SCALARS, Adapter, AdapterConfig, Conditions, cell_mass
from core.generator.model.flow import Flow
from core.generator.model.network import Denoiser
from core.generator.model.state import Cells
from core.generator.registry import Model
from core.generator.training.data import Bucket, batches_of, every_batch, load_pool, make_buckets, training_times
from core.generator.training.denoiser import CHECKPOINT, WEIGHTS
from core.generator.training.plan import append_log, plan_of
from core.generator.weights import save_module
from core.numerics.cards import Card, table
from core.numerics.networks import n_parameters
from core.numerics.randomness import seeded
from core.numerics.training import Trainer
from core.structures.arrays import CrystalArrays
from core.structures.crystal import GRAMS_PER_CM3
from core.structures.elements import atomic_masses
from core.structures.space_groups import crystal_system


@dataclass(frozen=True)
class AdapterTrainConfig:
    """drop: share of crystals of which nothing is told; pair: share of the others of which two things are.

    exchange: share of crystals whose elements make place for alike ones; stretch: standard deviation of log V where it is told.
    """

    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.01
    ema: float = 0.9995
    clip: float = 1.0
    atoms_per_batch: int = 512
    max_batch: int = 96
    drop: float = 0.2
    pair: float = 0.5
    exchange: float = 0.7
    stretch: float = 0.06
    seed: int = 0


def known_conditions(arrays: CrystalArrays) -> Conditions:
    """Everything that is known of each crystal; NaN and 0 where the file does not say.

    Columns formation_energy_per_atom (eV/atom), band_gap (eV), spacegroup (0: unknown) are optional; volume and density come from the
    cells themselves.
    """
    n = len(arrays)
    volume = np.abs(np.linalg.det(arrays.lattice.astype(np.float64)))
    owner = np.repeat(np.arange(n), arrays.num_atoms)
    mass = np.bincount(owner, atomic_masses()[arrays.numbers.astype(int)], n)
    absent = np.full(n, np.nan)
    columns = (
        GRAMS_PER_CM3 * mass / volume,
        volume / arrays.num_atoms,
        arrays.columns.get("formation_energy_per_atom", absent),
        arrays.columns.get("band_gap", absent),
    )
    group = torch.from_numpy(np.asarray(arrays.columns.get("spacegroup", np.zeros(n))).astype(np.int64))
    system = torch.tensor([PLACES[crystal_system(int(g))] if g else 0 for g in group])
    return Conditions(torch.from_numpy(np.stack(columns, axis=1)).float(), system, group)


def told(known: Conditions, config: AdapterTrainConfig, generator: torch.Generator) -> Conditions:
    """What a batch is told of `known`: nothing with probability `drop`, else one thing, or two with probability `pair`."""
    n = len(known.group)
    available = torch.cat([~known.scalars.isnan(), (known.system > 0).unsqueeze(1), (known.group > 0).unsqueeze(1)], dim=1)
    order = torch.rand(available.shape, generator=generator).masked_fill(~available, -1.0).argsort(1, descending=True).argsort(1)
    how_many = 1 + (torch.rand(n, 1, generator=generator) < config.pair).long()
    how_many[torch.rand(n, 1, generator=generator) < config.drop] = 0
    chosen = available & (order < how_many)
    scalars = known.scalars.masked_fill(~chosen[:, : len(SCALARS)], torch.nan)
    return Conditions(scalars, known.system * chosen[:, -2], known.group * chosen[:, -1])


def stretched(
    network: Denoiser, clean: Cells, conditions: Conditions, spread: float, generator: torch.Generator
) -> tuple[Cells, Conditions]:
    """Cells with log V + spread * eps where a volume is told, and the conditions with the volumes and densities of the cells returned."""
    asked = ~conditions.scalars[:, :2].isnan()
    vector = network.to_vector(clean.numbers, clean.cell)
    vector[:, 0] += spread * torch.randn(len(vector), generator=generator) * asked.any(1)
    volume = vector[:, 0].exp()
    exact = torch.stack([GRAMS_PER_CM3 * cell_mass(clean.numbers).to(volume) / volume, volume / clean.numbers.shape[1]], dim=1)
    scalars = torch.cat([torch.where(asked, exact, torch.nan), conditions.scalars[:, 2:]], dim=1)
    return clean._replace(cell=network.to_cell(clean.numbers, vector)), conditions._replace(scalars=scalars)


class Run(Trainer[Adapter]):
    """The training of adapters beside a model that stays as it is."""

    def __init__(
        self,
        adapter: Adapter,
        model: Model,
        buckets: dict[int, Bucket],
        known: dict[int, Conditions],
        replacements: Tensor,
        config: AdapterTrainConfig,
        *,
        steps: int | None,
        minutes: float | None,
    ):
        assert isinstance(model.process, Flow)
        self.model, self.buckets, self.known, self.replacements, self.config = model, buckets, known, replacements, config
        self.losses: list[list[float]] = []
        batches = batches_of(buckets, atoms_per_batch=config.atoms_per_batch, max_batch=config.max_batch, seed=config.seed)
        super().__init__(
            adapter,
            self.objective,
            plan_of(config, steps=steps, minutes=minutes),
            batches,
            asdict(config) | {"adapter": asdict(adapter.config)},
        )

    def objective(self, adapter: Adapter, generator: torch.Generator, batch: tuple[int, np.ndarray]) -> Tensor:
        """The flow's loss with what is told of the crystals."""
        n, rows = batch
        clean = self.buckets[n].draw(rows, self.model.network, generator)
        known = self.known[n].rows(torch.from_numpy(rows))
        numbers = exchange(clean.numbers, self.replacements, self.config.exchange, generator)
        other = (numbers != clean.numbers).any(1)
        clean = clean._replace(numbers=numbers)
        scalars = known.scalars.clone()
        scalars[:, [SCALARS.index("formation_energy"), SCALARS.index("band_gap")]] += torch.where(other, torch.nan, 0.0).unsqueeze(1)
        conditions = told(known._replace(scalars=scalars), self.config, generator)
        clean, conditions = stretched(self.model.network, clean, conditions, self.config.stretch, generator)
        t = training_times(len(rows), generator)
        coords, lattice = losses(self.model, adapter, clean, conditions, t, generator)
        self.losses.append([coords.item(), lattice.item()])
        return coords + self.model.process.lattice_weight * lattice

    @torch.no_grad()
    def dev_loss(self, buckets: dict[int, Bucket], known: dict[int, Conditions]) -> dict[str, float]:
        """Mean losses of held-out crystals with one thing told of each and with nothing, the same noise in both."""
        found: dict[str, float] = {}
        for name, drop in (("told", 0.0), ("untold", 1.0)):
            generator, settings = torch.Generator().manual_seed(12345), AdapterTrainConfig(drop=drop, pair=0.0)
            total, atoms = np.zeros(2), 0
            for n, rows in every_batch(buckets, size=64):
                clean = buckets[n].draw(rows, self.model.network, None)
                conditions = told(known[n].rows(torch.from_numpy(rows)), settings, generator)
                t = training_times(len(rows), generator)
                both = losses(self.model, self.averaged, clean, conditions, t, generator)
                total += np.array([loss.item() for loss in both]) * len(rows) * n
                atoms += len(rows) * n
            found |= {f"dev_coords_{name}": total[0] / atoms, f"dev_lattice_{name}": total[1] / atoms}
        return found


def losses(
    model: Model, adapter: Adapter, clean: Cells, conditions: Conditions, t: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mean squared errors of the velocities of coordinates and cell, with the conditions."""
    state, target = model.process.noise(clean, t, generator=generator)
    prediction = model.network(*state, t, adapter.mix(conditions, model.network, state.numbers))
    return F.mse_loss(prediction.coords, target.coords), F.mse_loss(prediction.lattice, target.lattice)


def train(
    data: Path,
    model: Model,
    out: Path,
    *,
    minutes: float | None,
    steps: int | None = None,
    resume: bool = False,
    config: AdapterTrainConfig = AdapterTrainConfig(),
    save_every: float = 120.0,
) -> Run:
    """Until the budget is used up. Raises ArrayFileError for unreadable data, CheckpointError for a run that cannot be resumed."""
    sizes = model.network.config
    arrays = load_pool(data, sizes.max_atoms)
    parts = arrays.select(~arrays.dev), arrays.select(np.flatnonzero(arrays.dev)[:512])
    buckets, held_out = (make_buckets(part, augment=False) for part in parts)
    known, held_known = (_by_size(part) for part in parts)
    with seeded(config.seed):
        adapter = Adapter(AdapterConfig(width=sizes.width, blocks=sizes.depth))
    adapter.code.fit(known_conditions(parts[0]).scalars[:, 2:])
    replacements = replacement_table(Library(parts[0]))
    run = Run(adapter, model, buckets, known, replacements, config, steps=steps, minutes=minutes)
    out.mkdir(parents=True, exist_ok=True)
    if resume and (out / CHECKPOINT).exists():
        run.resume(out / CHECKPOINT)
    saved = run.seconds
    with tqdm(total=100, unit="%", bar_format="{percentage:3.0f}%|{bar}| {elapsed}<{remaining}", mininterval=10) as bar:
        for progress in run.run():
            bar.n = round(100 * progress.done)
            bar.update(0)
            if run.seconds - saved > save_every:
                saved = run.seconds
                _write(run, out, data, held_out, held_known, len(parts[0]))
    _write(run, out, data, held_out, held_known, len(parts[0]))
    return run


def _by_size(arrays: CrystalArrays) -> dict[int, Conditions]:
    """Conditions in the order of `make_buckets`."""
    known = known_conditions(arrays)
    return {int(n): known.rows(torch.from_numpy(np.flatnonzero(arrays.num_atoms == n))) for n in np.unique(arrays.num_atoms)}


def _write(run: Run, out: Path, data: Path, held_out: dict[int, Bucket], known: dict[int, Conditions], n: int) -> None:
    """Log, checkpoint and averaged weights."""
    coords, lattice = np.mean(run.losses or [[np.nan, np.nan]], axis=0).tolist()
    run.losses.clear()
    entry = {"step": run.step, "epoch": run.epoch, "seconds": round(run.seconds), "coords": coords, "lattice": lattice}
    entry |= run.dev_loss(held_out, known)
    append_log(out, entry)
    run.save(out / CHECKPOINT)
    about = {
        "data": data.name,
        "training_structures": n,
        "steps": run.step,
        "training_seconds": round(run.seconds),
        "model": run.model.name,
    }
    save_module(out / WEIGHTS, run.averaged, about | {"adapter": asdict(run.averaged.config), "log": entry})
    (out / WEIGHTS).with_suffix(".md").write_text(card(run.averaged, about, entry))


def card(adapter: Adapter, about: dict, entry: dict[str, float]) -> str:
    """The model card, in Markdown."""
    rows = [
        (words, f"{entry[f'dev_{name}_untold']:.4f}", f"{entry[f'dev_{name}_told']:.4f}")
        for words, name in (("coordinates", "coords"), ("cell", "lattice"))
    ]
    return Card(
        f"{about['model']}: adapters of the flow",
        "Conditions for crystals: density or volume per atom, formation energy, band gap, crystal system, space group. The flow is as it "
        "was.",
        {
            "Network": f"an MLP beside each block, mixed in from zero, {n_parameters(adapter):,} parameters, float32 "
            "(`core/generator/model/adapter.py`).",
            "Data": f"{about['training_structures']:,} crystals of `{about['data']}` (Materials Project, CC BY 4.0). Rows marked `dev` "
            "took no part.",
            "Training": f"{about['steps']:,} steps, {about['training_seconds'] / 60:.0f} minutes of one core.",
        },
        "With the formula given a density is a volume. Asked for a space group, the adapter alone reaches it seldom: the sites of a "
        "template do that (`core/generator/steering`).",
        command=f"n2c train adapter --data {about['data']} --minutes {about['training_seconds'] / 60:.0f} --out runs/adapter",
        measured=(table(("mean squared error of the velocity of the", "nothing told", "one thing told"), rows),),
        on="held-out crystals, the same noise",
    ).markdown()
