"""Train the encoders of captions and crystals (`n2c train system captions`)."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.generator.registry import FOLDER, load_model
from core.generator.systems import store
from core.generator.systems.captions import TEMPLATES, CrystalText, caption, contrastive_loss, encode, phrasings, ranks, seen_by, vocabulary
from core.generator.systems.data import Pool, read_pool
from core.numerics.cards import Card, table
from core.numerics.networks import n_parameters
from core.numerics.randomness import seeded
from core.numerics.training import Trainer, TrainingPlan
from core.structures.formula import reduced
from core.structures.space_groups import crystal_system

STEPS = 3000
CHOICES = 32  # crystals of which one is the right one


def retrieval(network: CrystalText, words: Tensor, features: Tensor, *, seed: int = 0) -> float:
    """Share of texts whose own crystal (the same row) scores best among CHOICES, the others drawn at random."""
    with torch.no_grad():
        scores = network.logits(words, features)
    rng = np.random.default_rng(seed)
    n = len(scores)
    hits = []
    for i in range(n):
        others = rng.choice(np.delete(np.arange(n), i), CHOICES - 1, replace=False)
        hits.append(int(ranks(scores[i, [i, *others.tolist()]][None])[0]) == 0)
    return float(np.mean(hits))


def polymorphs(network: CrystalText, pool: Pool, features: Tensor, rows: np.ndarray) -> tuple[float, int]:
    """Of crystals kept aside that share their formula with one of another crystal system: how often the text finds the right one of two."""
    by_formula: dict[tuple, list[int]] = {}
    for i, crystal in enumerate(pool.crystals):
        by_formula.setdefault(reduced(crystal.numbers), []).append(i)
    hits = []
    for i in rows:
        own = crystal_system(int(pool.groups[i]))
        for j in by_formula[reduced(pool.crystals[i].numbers)]:
            if crystal_system(int(pool.groups[j])) != own:
                words = encode([caption(pool.crystals[i], int(pool.groups[i]), 0)])
                with torch.no_grad():
                    hits.append(int(ranks(network.logits(words, features[[i, j]]))[0]) == 0)
    return float(np.mean(hits)), len(hits)


def train(pool_path: Path, out: Path, *, steps: int = STEPS, batch: int = 128, seed: int = 0, folder: Path = FOLDER) -> dict:
    """Write the weights and the card beside them; returns what was measured. folder: of the flow's weights.

    Raises ArrayFileError for a pool that cannot be used, ModelMissing.
    """
    pool = read_pool(pool_path)
    start = time.process_time()
    features = seen_by(load_model("mp20", folder, kind="flow").network, pool.crystals)
    written = [
        [caption(crystal, int(group), k) for k in range(len(TEMPLATES))] for crystal, group in zip(pool.crystals, pool.groups, strict=True)
    ]
    words = [encode([texts[k] for texts in written]) for k in range(len(TEMPLATES))]
    learn = torch.from_numpy(pool.train)
    with seeded(seed):
        network = CrystalText(features.shape[1])
    network.mean.copy_(features[learn].mean(0))
    network.std.copy_(features[learn].std(0).clamp(min=1e-3))

    def loss(network: CrystalText, generator: torch.Generator) -> Tensor:
        rows = learn[torch.randperm(len(learn), generator=generator)[:batch]]
        template = int(torch.randint(len(TEMPLATES), (1,), generator=generator))
        return contrastive_loss(network.logits(words[template][rows], features[rows]))

    run = Trainer(network, loss, TrainingPlan(n_steps=steps, learning_rate=1e-3, weight_decay=0.02, seed=seed))
    run.run_aloud("captions", every=500)
    dev = torch.from_numpy(pool.dev)
    told = [encode([phrasings(pool.crystals[i], int(pool.groups[i]))[k] for i in pool.dev]) for k in range(3)]
    share, n = polymorphs(run.averaged, pool, features, pool.dev)
    about = {
        "trained_on": len(learn),
        "words": len(vocabulary()),
        "steps": steps,
        "batch": batch,
        "seed": seed,
        "cpu_seconds": time.process_time() - start,
        "dev": {
            "n": len(dev),
            "retrieval": [retrieval(run.averaged, w, features[dev]) for w in told],
            "polymorphs": share,
            "pairs": n,
        },
    }
    store.save(out, run.averaged, about)
    out.with_suffix(".md").write_text(model_card(run.averaged, about))
    return about


def model_card(network: CrystalText, about: dict) -> str:
    dev = about["dev"]
    return Card(
        "Captions and crystals",
        "Two encoders into one space, one of short English captions and one of crystals, trained so that what belongs "
        "together lies together.",
        {
            "Network": f"`core.generator.systems.captions.CrystalText`, {n_parameters(network):,} weights, stored in half precision. It "
            "reads crystals through the frozen network of `mp20_flow`.",
            "Data": f"{about['trained_on']:,} crystals of the MP-20 validation split and small relatives (Materials Project, CC BY 4.0), "
            f"each with {len(TEMPLATES)} captions made from formula and crystal system; {about['words']} words, learned from nothing.",
            "Training": f"contrastive, {about['steps']:,} steps of {about['batch']} pairs, seed {about['seed']}, "
            f"{about['cpu_seconds'] / 60:.1f} CPU minutes on one core.",
        },
        "It knows the words of the captions and no others: no properties, no names of minerals, no sentences.",
        command=f"n2c train system captions POOL.npz --steps {about['steps']} --seed {about['seed']}",
        measured=(
            table(
                ("caption like", f"own crystal first of {CHOICES}"),
                [
                    (phrase, f"{share:.1%}")
                    for phrase, share in zip(
                        ("tetragonal TiO2", "crystal structure of TiO2 with tetragonal symmetry", "a compound of titanium and oxygen …"),
                        dev["retrieval"],
                        strict=True,
                    )
                ],
            ),
            f"Two crystals of one formula and of different crystal systems: the caption finds the right one in {dev['polymorphs']:.1%} of "
            f"{dev['pairs']} pairs (chance: 50 %). Most of the first number is the formula's doing.",
        ),
        on=f"{dev['n']:,} crystals kept aside (validation split)",
    ).markdown()
