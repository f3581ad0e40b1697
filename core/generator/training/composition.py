"""Train the composition model of formulas (`n2c train composition`).

Rows marked `dev` are never trained on; the bound on their -log p is logged. Five minutes of one core. MODEL_composition.safetensors
and .md belong beside the weights of the flow, which grows a crystal from each formula.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from core.generator.baselines.element_exchange import exchange, replacement_table
from core.generator.baselines.substitution import Library, by_count
from core.generator.composition.composition_model import CompositionModel, draw_compositions, element_table, to_text
from core.generator.training.data import load_pool
from core.generator.training.plan import plan_of
from core.generator.weights import save_module
from core.metrics.validity import composition_valid
from core.numerics.cards import Card, table
from core.numerics.networks import n_parameters
from core.numerics.randomness import seeded
from core.numerics.training import Trainer, grouped
from core.structures.arrays import CrystalArrays
from core.structures.elements import N_SPECIES

SAMPLES = 2000  # formulas counted for the card
REPEATS = 8  # draws of the bound for each held-out formula


@dataclass(frozen=True)
class CompositionTrainConfig:
    epochs: int = 80
    batch: int = 128
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.03
    ema: float = 0.999
    clip: float = 1.0
    exchange: float = 0.15
    seed: int = 0


Formulas = dict[int, tuple[Tensor, Tensor]]


def formulas(arrays: CrystalArrays) -> Formulas:
    """Number of kinds S -> their atomic numbers (M, S) and counts (M, S), the most frequent kind first."""
    found: dict[int, list[tuple]] = {}
    for i in range(len(arrays)):
        kinds, counts = by_count(arrays.crystal(i).numbers)
        found.setdefault(len(kinds), []).append((kinds, counts))
    tensors: Formulas = {}
    for size, rows in sorted(found.items()):
        of_kinds, of_counts = zip(*rows, strict=True)
        tensors[size] = torch.tensor(of_kinds), torch.tensor(of_counts)
    return tensors


def fit(known: Formulas, table: Tensor, config: CompositionTrainConfig, held_out: Formulas) -> tuple[CompositionModel, list[dict]]:
    """The averaged weights after `config.epochs`, and the bound in nats, epoch by epoch. table: `exchange.replacement_table`."""
    with seeded(config.seed):
        composition_model = CompositionModel()
    composition_model.properties.copy_(torch.from_numpy(element_table()))
    composition_model.known.zero_()[torch.cat([kinds.flatten() for kinds, _ in known.values()])] = True
    composition_model.stoichiometries = dict(Counter(tuple(row) for _, counts in known.values() for row in counts.tolist()))
    batches = grouped({size: len(kinds) for size, (kinds, _) in known.items()}, lambda _: config.batch, seed=config.seed)
    plan = plan_of(config, steps=config.epochs * len(batches(0)))

    def objective(network: CompositionModel, generator: torch.Generator, batch: tuple[int, np.ndarray]) -> Tensor:
        size, rows = batch
        kinds, counts = (part[rows] for part in known[size])
        return network.loss(exchange(kinds, table, config.exchange, generator), counts, generator=generator).mean()

    run, history = Trainer(composition_model, objective, plan, batches), []
    with tqdm(run.epochs(), total=config.epochs, unit="epoch") as bar:
        for epoch, mean in enumerate(bar, start=1):
            history.append({"epoch": epoch, "loss": mean})
            if epoch % 10 == 0 or epoch == config.epochs:
                history[-1]["dev"] = bound(run.averaged, held_out)
            bar.set_postfix(history[-1])
    return run.averaged, history


@torch.no_grad()
def bound(composition_model: CompositionModel, held_out: Formulas) -> float:
    """The bound on -log p(kinds | counts) in nats, mean over formulas; always the same draws. composition_model: in eval mode."""
    generator = torch.Generator().manual_seed(12345)
    return (
        torch.cat(
            [composition_model.loss(kinds, counts, generator=generator) for kinds, counts in held_out.values() for _ in range(REPEATS)]
        )
        .mean()
        .item()
    )


def by_frequency(known: Formulas, held_out: Formulas) -> float:
    """The same for elements drawn by how often they occur, whatever the others are: what knowing no chemistry costs, in nats."""
    often = np.bincount(torch.cat([kinds.flatten() for kinds, _ in known.values()]).numpy(), minlength=N_SPECIES) + 0.5
    cost = -np.log(often / often.sum())
    return float(np.concatenate([cost[kinds.numpy()].sum(1) for kinds, _ in held_out.values()]).mean())


def cells_of(known: Formulas) -> list[tuple[int, ...]]:
    """Atomic numbers of every formula."""
    return [tuple(np.repeat(*row).tolist()) for kinds, counts in known.values() for row in zip(kinds.numpy(), counts.numpy(), strict=True)]


def shares(cells: Sequence[tuple[int, ...]], known: Sequence[tuple[int, ...]]) -> dict:
    """Shares of `cells` that SMACT accepts, that are not in `known`, that no earlier one equals; and their mean number of kinds."""
    made, seen = [tuple(sorted(cell)) for cell in cells], {tuple(sorted(cell)) for cell in known}
    return {
        "n": len(made),
        "valid": float(np.mean([composition_valid(cell) for cell in made])),
        "new": float(np.mean([cell not in seen for cell in made])),
        "unique": len(set(made)) / len(made),
        "kinds": float(np.mean([len(set(cell)) for cell in made])),
    }


def card(composition_model: CompositionModel, about: dict) -> str:
    """The model card, in Markdown."""
    made, data = about["made"], about["data_shares"]
    shown = {"valid": "accepted by SMACT", "new": "not in the training data", "unique": "unlike every earlier one"}
    rows = [(words, f"{made[name]:.1%}", f"{data[name]:.1%}") for name, words in shown.items()]
    return Card(
        f"{about['model']}, composition model: which elements share a cell?",
        "The first half of a crystal from nothing. The counts of the kinds are drawn from those of the training crystals, then this "
        "network decides on the elements, one kind at a time in random order (absorbing diffusion, "
        "`core/generator/composition/composition_model.py`). The flow grows the crystal.",
        {
            "Network": f"attention over the kinds of one formula, {n_parameters(composition_model):,} parameters, float32. It sees the "
            "elements' properties and the oxidation states that pymatgen lists for each (common ones and those of the ICSD), and must "
            "learn by itself what they are good for.",
            "Data": f"{about['questions']:,} crystals of `{about['data']}`. Rows marked `dev` took no part.",
            "Training": f"{about['epochs']} epochs, seed {about['seed']}, {about['minutes']:.0f} minutes of one thread of a shared AMD "
            f"EPYC; in a share of {CompositionTrainConfig.exchange:g} of the formulas elements make place for ones that crystallise alike "
            "(`core/generator/baselines/element_exchange.py`).",
        },
        f"Stoichiometries are those of the training data ({len(composition_model.stoichiometries)} of them); only the elements are new. "
        "Nothing is known of stability.",
        measured=(
            f"Bound on -log p of the elements of a formula ({about['beside']}), given its counts: {about['dev']:.2f} nats. Elements drawn "
            f"by their frequency alone cost {about['by_frequency']:.2f}.",
            table(
                (f"{made['n']:,} formulas", "composition model", about["beside"]),
                [*rows, ("kinds of atoms", f"{made['kinds']:.2f}", f"{data['kinds']:.2f}")],
            ),
            "SMACT's verdict is measured here and nowhere used: no formula is rejected for it.",
        ),
    ).markdown()


def train(data: Path, model: str, out: Path, *, epochs: int = CompositionTrainConfig.epochs, seed: int = 0) -> dict:
    """Write out/<model>_composition.safetensors and its card. Returns what is noted about it there. Raises ArrayFileError."""
    arrays = load_pool(data)
    out.mkdir(parents=True, exist_ok=True)
    dev = arrays.dev
    learnt = arrays.select(~dev)
    known, held_out = formulas(learnt), formulas(arrays.select(dev if dev.any() else ~dev))
    started = time.process_time()
    composition_model, history = fit(known, replacement_table(Library(learnt)), CompositionTrainConfig(epochs=epochs, seed=seed), held_out)
    about = {
        "data": data.name,
        "questions": len(learnt),
        "epochs": epochs,
        "seed": seed,
        "history": history,
        "minutes": (time.process_time() - started) / 60,
        "dev": history[-1]["dev"],
        "by_frequency": by_frequency(known, held_out),
        "beside": "held-out data" if dev.any() else "training data",
        "stoichiometries": to_text(composition_model.stoichiometries),
    }
    sizes = np.random.default_rng(seed).choice(learnt.num_atoms, SAMPLES).tolist()
    drawn, old = draw_compositions(composition_model, sizes, range(seed, seed + SAMPLES)), cells_of(known)
    about |= {"made": shares(drawn, old), "data_shares": shares(cells_of(held_out), old)}
    save_module(out / f"{model}_composition.safetensors", composition_model, about)
    (out / f"{model}_composition.md").write_text(card(composition_model, about | {"model": model}))
    return about
