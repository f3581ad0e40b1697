"""Train the space-group classifier (`n2c train system space-groups`)."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from core.generator.systems import store
from core.generator.systems.data import Pool, read_pool
from core.generator.systems.space_groups import SpaceGroups, calibration, features, fit_temperature, top
from core.numerics.cards import Card, table
from core.numerics.networks import n_parameters
from core.numerics.randomness import seeded
from core.numerics.training import Trainer, TrainingPlan
from core.structures.formula import reduced
from core.structures.space_groups import N_GROUPS, SYSTEMS, crystal_system

STEPS = 4000
TUNED = 0.1  # share of the training crystals that only the temperature is fitted on


def tables(pool: Pool) -> tuple[Tensor, Tensor]:
    """(n, F) features and (n,) groups from 0."""
    return torch.tensor(np.stack([features(c.numbers.tolist()) for c in pool.crystals])), torch.tensor(pool.groups) - 1


def measure(shares: Tensor, groups: Tensor, seen: np.ndarray) -> dict:
    """What the card and the page say. seen: (B,) bool, compositions that were trained on too."""
    new = torch.tensor(~seen)
    curve = calibration(shares, groups)
    system = torch.tensor([list(SYSTEMS).index(crystal_system(g + 1)) for g in range(N_GROUPS)])
    by_system = torch.zeros(len(shares), len(SYSTEMS), dtype=shares.dtype).index_add_(1, system, shares)
    return {
        "n": len(shares),
        "top1": top(shares, groups, 1),
        "top5": top(shares, groups, 5),
        "top1_new": top(shares[new], groups[new], 1),
        "top5_new": top(shares[new], groups[new], 5),
        "n_new": int(new.sum()),
        "system": top(by_system, system[groups], 1),
        "ece": curve.ece,
        "calibration": {"confidence": curve.confidence, "accuracy": curve.accuracy, "count": curve.count},
    }


def train(pool_path: Path, out: Path, *, steps: int = STEPS, batch: int = 256, seed: int = 0) -> dict:
    """Write the weights and the card beside them; returns what was measured. Raises ArrayFileError for a pool that cannot be used."""
    pool = read_pool(pool_path)
    x, y = tables(pool)
    rows = torch.from_numpy(np.random.default_rng(seed).permutation(pool.train))
    tune, learn = rows[: int(TUNED * len(rows))], rows[int(TUNED * len(rows)) :]
    with seeded(seed):
        network = SpaceGroups()
    network.mean.copy_(x[learn].mean(0))
    network.std.copy_(x[learn].std(0).clamp(min=1e-2))

    def loss(network: SpaceGroups, generator: torch.Generator) -> Tensor:
        chosen = learn[torch.randint(len(learn), (batch,), generator=generator)]
        return nn.functional.cross_entropy(network(x[chosen]), y[chosen])

    run = Trainer(network, loss, TrainingPlan(n_steps=steps, learning_rate=1e-3, weight_decay=0.02, seed=seed))
    start = time.process_time()
    run.run_aloud("space groups", every=1000)
    best = run.averaged
    with torch.no_grad():
        best.temperature.fill_(fit_temperature(best(x[tune]), y[tune]))
        shares = best(x[torch.tensor(pool.dev)]).softmax(-1)
    known = {reduced(pool.crystals[i].numbers) for i in pool.train}
    seen = np.array([reduced(pool.crystals[i].numbers) in known for i in pool.dev])
    commonest = int(y[learn].bincount(minlength=N_GROUPS).argmax())
    about = {
        "trained_on": len(learn),
        "tuned_on": len(tune),
        "steps": steps,
        "batch": batch,
        "seed": seed,
        "cpu_seconds": time.process_time() - start,
        "temperature": float(best.temperature),
        "commonest": [commonest + 1, float((y[torch.tensor(pool.dev)] == commonest).double().mean())],
        "dev": measure(shares, y[torch.tensor(pool.dev)], seen),
    }
    store.save(out, best, about)
    out.with_suffix(".md").write_text(model_card(best, about))
    return about


def model_card(network: SpaceGroups, about: dict) -> str:
    dev = about["dev"]
    return Card(
        "Space group first",
        "The space group of a crystal from nothing but the content of its cell: a probability for each of the 230.",
        {
            "Network": f"`core.generator.systems.space_groups.SpaceGroups`, {n_parameters(network):,} weights, stored in half precision.",
            "Data": f"{about['trained_on']:,} crystals of the MP-20 validation split and small relatives (Materials Project, CC BY 4.0), "
            f"and {about['tuned_on']:,} more for the temperature alone; rows kept aside were never trained on.",
            "Training": f"cross-entropy, {about['steps']:,} steps of {about['batch']} compositions, seed {about['seed']}, "
            f"{about['cpu_seconds']:.0f} CPU seconds on one core; logits are divided by T = {about['temperature']:.2f}.",
        },
        "Compositions alone: polymorphs of one formula have one answer. Groups that are rare in the data are never the first guess.",
        command=f"n2c train system space-groups POOL.npz --steps {about['steps']} --seed {about['seed']}",
        measured=(
            table(
                ("", "crystals", "first guess right", "among the first five"),
                [
                    ("all", f"{dev['n']:,}", f"{dev['top1']:.1%}", f"{dev['top5']:.1%}"),
                    ("composition not in the training part", f"{dev['n_new']:,}", f"{dev['top1_new']:.1%}", f"{dev['top5_new']:.1%}"),
                ],
            ),
            f"Always the commonest group, {about['commonest'][0]}: {about['commonest'][1]:.1%}. The crystal system is right in "
            f"{dev['system']:.1%}. Expected calibration error {dev['ece']:.3f} in ten bins.",
        ),
        on="crystals kept aside (validation split)",
    ).markdown()
