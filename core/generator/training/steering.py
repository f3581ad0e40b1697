"""Train what steers crystals from nothing (`n2c train steering`): adapters of the composition model, templates, the property predictor.

The composition model and the flow stay as they are. Of each crystal of a batch one or two things are told, of a fifth nothing, as in
the training of the flow's own adapters. Rows marked `dev` are never learned from; what is measured is measured on them.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.generator.baselines.substitution import by_count
from core.generator.composition.composition_model import CompositionModel
from core.generator.model.adapter import Conditions
from core.generator.registry import Model
from core.generator.steering.composition_adapter import CompositionAdapter, logs
from core.generator.steering.properties import PROPERTIES, PropertyHead, crystal_features, n_features
from core.generator.steering.store import paths, save
from core.generator.steering.templates import Templates, harvest
from core.generator.training.adapter import AdapterTrainConfig, known_conditions, told
from core.generator.training.data import load_pool
from core.generator.training.plan import plan_of
from core.metrics.energies import energies, formation_energies, references
from core.numerics.cards import Card, table
from core.numerics.networks import n_parameters
from core.numerics.randomness import seeded
from core.numerics.training import Trainer, TrainingPlan, grouped
from core.structures.arrays import ArrayFileError, CrystalArrays
from core.structures.elements import N_SPECIES

KEPT = 2  # a template that occurs less often is forgotten, unless its group has no other
QUANTILES = 99
COLUMNS = ("formation_energy_per_atom", "band_gap", "spacegroup")


@dataclass(frozen=True)
class SteeringTrainConfig:
    """chemistry: share of the crystals of which the chemical system is told, whatever else is."""

    epochs: int = 40
    batch: int = 128
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.05
    ema: float = 0.999
    clip: float = 1.0
    property_steps: int = 6000
    chemistry: float = 0.2
    seed: int = 0


Formulas = dict[int, tuple[Tensor, Tensor, Conditions]]


def formulas(arrays: CrystalArrays, composition: CompositionAdapter) -> Formulas:
    """Number of kinds -> kinds (M, S), counts (M, S) and what is known of each crystal, where the model has the counts."""
    known = known_conditions(arrays)
    rows: dict[int, list[tuple]] = {}
    for i in range(len(arrays)):
        kinds, counts = by_count(arrays.crystal(i).numbers)
        if counts in composition.patterns:
            rows.setdefault(len(kinds), []).append((i, kinds, counts))
    return {
        size: (
            torch.tensor([kinds for _, kinds, _ in found]),
            torch.tensor([counts for _, _, counts in found]),
            known.rows(torch.tensor([i for i, _, _ in found])),
        )
        for size, found in sorted(rows.items())
    }


def fit_composition(model: CompositionModel, learnt: CrystalArrays, held_out: CrystalArrays, config: SteeringTrainConfig) -> tuple:
    """(averaged adapter, log): the loss, and on held-out crystals the bounds with one thing told and with nothing."""
    with seeded(config.seed):
        adapter = CompositionAdapter(model)
    adapter.code.fit(logs(known_conditions(learnt).scalars))
    known, aside = formulas(learnt, adapter), formulas(held_out, adapter)
    batches = grouped({size: len(kinds) for size, (kinds, _, _) in known.items()}, lambda _: config.batch, seed=config.seed)
    telling = AdapterTrainConfig()

    def objective(adapter: CompositionAdapter, generator: torch.Generator, batch: tuple[int, np.ndarray]) -> Tensor:
        size, rows = batch
        kinds, counts, conditions = known[size]
        chosen = torch.from_numpy(rows)
        asked = told(conditions.rows(chosen), telling, generator)
        elements = F.one_hot(kinds[chosen], N_SPECIES).sum(1) * (torch.rand(len(rows), 1, generator=generator) < config.chemistry)
        return adapter.loss(model, kinds[chosen], counts[chosen], asked, elements.float(), generator=generator).sum(1).mean()

    run, log = Trainer(adapter, objective, plan_of(config, steps=config.epochs * len(batches(0))), batches), []
    for epoch, mean in enumerate(run.epochs(), start=1):
        log.append({"epoch": epoch, "loss": mean})
        if epoch % 10 == 0 or epoch == config.epochs:
            log[-1] |= bounds(model, run.averaged, aside)
            print(log[-1], flush=True)
    return run.averaged.eval(), log


@torch.no_grad()
def bounds(model: CompositionModel, adapter: CompositionAdapter, aside: Formulas, *, repeats: int = 4) -> dict[str, float]:
    """Nats of kinds and of counts, mean over formulas: one thing told of each, nothing, its chemical system; always the same draws."""
    adapter.eval()
    found: dict[str, float] = {}
    for name, drop, chemistry in (("told", 0.0, 0), ("untold", 1.0, 0), ("chemistry", 1.0, 1)):
        generator, losses = torch.Generator().manual_seed(12345), []
        for kinds, counts, conditions in aside.values():
            elements = chemistry * F.one_hot(kinds, N_SPECIES).sum(1).float()
            for _ in range(repeats):
                asked = told(conditions, AdapterTrainConfig(drop=drop, pair=0.0), generator)
                losses.append(adapter.loss(model, kinds, counts, asked, elements, generator=generator))
        mean = torch.cat(losses).mean(0)
        found |= {f"dev_kinds_{name}": mean[0].item(), f"dev_counts_{name}": mean[1].item()}
    return found


def property_tables(model: Model, arrays: CrystalArrays) -> tuple[Tensor, Tensor]:
    """x (M, features), y (M, 2) of the crystals, NaN where the file does not say."""
    x = torch.empty(len(arrays), n_features(model.network))
    y = torch.from_numpy(np.stack([arrays.columns[name] for name in COLUMNS[:2]], axis=1)).float()
    for n in np.unique(arrays.num_atoms):
        rows = np.flatnonzero(arrays.num_atoms == n)
        for part in np.array_split(rows, max(1, len(rows) // 128)):
            x[torch.from_numpy(part)] = crystal_features(model.network, [arrays.crystal(int(i)) for i in part])
    return x, y


def fit_properties(model: Model, learnt: CrystalArrays, held_out: CrystalArrays, config: SteeringTrainConfig) -> tuple[PropertyHead, dict]:
    """(averaged head, {property: {"mae": on held-out crystals, "constant": that of the training median}}), eV/atom and eV."""
    (x, y), (x_dev, y_dev) = property_tables(model, learnt), property_tables(model, held_out)
    with seeded(config.seed):
        head = PropertyHead(n_features(model.network))
    head.fit(x, y)

    def objective(head: PropertyHead, generator: torch.Generator) -> Tensor:
        chosen = torch.randint(len(x), (256,), generator=generator)
        target = y[chosen]
        known = ~target.isnan()
        return F.smooth_l1_loss((head(x[chosen]) / head.y_std)[known], (target / head.y_std)[known], beta=0.2)

    run = Trainer(head, objective, TrainingPlan(n_steps=config.property_steps, learning_rate=1e-3, weight_decay=0.05, seed=config.seed))
    run.run_aloud("properties", every=2000)
    best = run.averaged.eval()
    with torch.no_grad():
        error, constant = (best(x_dev) - y_dev).abs().nanmean(0), (y.nanmedian(0).values - y_dev).abs().nanmean(0)
    return best, {name: {"mae": error[i].item(), "constant": constant[i].item()} for i, name in enumerate(PROPERTIES)}


def energy_references(learnt: CrystalArrays, held_out: CrystalArrays, *, each: int = 25, aside: int = 200, seed: int = 0) -> dict:
    """{"mu": of every element, eV/atom, "mae": of formation energies by CHGNet on crystals kept aside, "n": crystals behind mu}.

    each: so many crystals of every element, at least.
    """
    rng, column = np.random.default_rng(seed), "formation_energy_per_atom"
    offset = learnt.offset
    rows: dict[int, list[int]] = {}
    for i in rng.permutation(np.flatnonzero(np.isfinite(learnt.columns[column]))):
        for z in np.unique(learnt.numbers[offset[i] : offset[i + 1]]):
            if len(rows.setdefault(int(z), [])) < each:
                rows[int(z)].append(int(i))
    chosen = sorted({i for found in rows.values() for i in found})
    crystals = [learnt.crystal(i) for i in chosen]
    mu = references(crystals, energies(crystals), learnt.columns[column][chosen].astype(float))
    others = rng.permutation(np.flatnonzero(np.isfinite(held_out.columns[column])))[:aside]
    found = formation_energies([held_out.crystal(int(i)) for i in others], mu)
    error = np.abs(found - held_out.columns[column][others].astype(float))
    return {"mu": {str(z): value for z, value in mu.items()}, "mae": float(np.nanmean(error)), "n": len(chosen)}


def kept(templates: Templates) -> Templates:
    """Without those that were seen less than KEPT times, where their group has others."""
    often: dict[int, int] = {}
    for one in templates.every:
        often[one.group] = max(often.get(one.group, 0), one.often)
    return Templates([one for one in templates.every if one.often >= min(KEPT, often[one.group])])


def train(data: Path, model: Model, out: Path, *, config: SteeringTrainConfig = SteeringTrainConfig()) -> dict:
    """Write out/<model>_steering.safetensors and its card; returns what is noted there. Raises ArrayFileError."""
    arrays = load_pool(data, model.network.config.max_atoms)
    if missing := [name for name in COLUMNS if name not in arrays.columns]:
        raise ArrayFileError(f"{data}: the column {missing[0]} is not there; steering is learned from {', '.join(COLUMNS)}")
    out.mkdir(parents=True, exist_ok=True)
    learnt, held_out = arrays.select(~arrays.dev), arrays.select(arrays.dev if arrays.dev.any() else ~arrays.dev)
    assert model.composition_model is not None
    started = time.process_time()
    properties, errors = fit_properties(model, learnt, held_out, config)
    composition, log = fit_composition(model.composition_model, learnt, held_out, config)
    templates = kept(harvest(learnt))
    known = known_conditions(learnt)
    shares = np.linspace(0.01, 0.99, QUANTILES)
    about = {
        "data": data.name,
        "questions": len(learnt),
        "beside": "held-out data" if arrays.dev.any() else "training data",
        "settings": asdict(config),
        "log": log,
        "properties": errors,
        "energies": energy_references(learnt, held_out, seed=config.seed),
        "templates": len(templates),
        "groups": {str(group): often for group, often in sorted(Counter(known.group[known.group > 0].tolist()).items())},
        "quantiles": {
            name: np.round(np.nanquantile(known.scalars[:, i].double().numpy(), shares), 4).tolist()
            for i, name in enumerate(("density", "volume_per_atom", "formation_energy", "band_gap"))
        },
        "minutes": (time.process_time() - started) / 60,
    }
    path = paths(model.name, out)[1]
    save(path, composition, properties, templates, about)
    path.with_suffix(".md").write_text(card(composition, about | {"model": model.name}))
    return about


def card(composition: CompositionAdapter, about: dict) -> str:
    """The model card, in Markdown."""
    last, errors = about["log"][-1], about["properties"]
    return Card(
        f"{about['model']}: what steers crystals from nothing",
        "Adapters beside the composition model (density, volume per atom, formation energy, band gap, crystal system, space group, "
        "chemical system), "
        "templates of how the sites of each space group fill, and a predictor of formation energy and band gap.",
        {
            "Network": f"adapters of {n_parameters(composition):,} parameters beside the frozen composition model; an MLP on the frozen "
            "flow's features for the properties. Half precision.",
            "Data": f"{about['questions']:,} crystals of `{about['data']}` (Materials Project, CC BY 4.0). Rows marked `dev` took no part.",
            "Training": f"{about['settings']['epochs']} epochs, seed {about['settings']['seed']}, {about['minutes']:.0f} min of one core.",
        },
        "A predicted energy or gap is that of a network that has seen neither your crystal nor a calculation of it. Templates are those "
        "of known crystals: a way to fill sites that nobody has seen is never tried.",
        command="n2c train steering --data POOL.npz --out runs/steering",
        measured=(
            table(
                ("nats", "nothing told", "one thing told", "chemical system told"),
                [
                    (words, *(f"{last[f'dev_{name}_{how}']:.2f}" for how in ("untold", "told", "chemistry")))
                    for words, name in (("elements of a formula", "kinds"), ("its counts", "counts"))
                ],
            ),
            table(
                ("mean absolute error", "predictor", "always the median"),
                [
                    (
                        "formation energy, eV/atom",
                        f"{errors['formation_energy']['mae']:.3f}",
                        f"{errors['formation_energy']['constant']:.3f}",
                    ),
                    ("band gap, eV", f"{errors['band_gap']['mae']:.3f}", f"{errors['band_gap']['constant']:.3f}"),
                ],
            ),
            f"Formation energies by CHGNet 0.3.0, with references of the elements fitted to {about['energies']['n']:,} known ones: mean "
            f"absolute error {about['energies']['mae']:.3f} eV/atom.",
            f"{about['templates']:,} templates in {len(about['groups'])} groups.",
        ),
        on=about["beside"],
    ).markdown()
