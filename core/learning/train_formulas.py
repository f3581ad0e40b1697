"""Train the formula denoiser (`n2c train formulas`).

The pool is one that `n2c data prepare` has written; rows marked `dev` are never trained on. Only reduced formulas are used, each once.
Seeded; a run stopped half-way goes on from its checkpoint.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from core.learning.formulas import (
    COUNTS,
    ELEMENTS,
    FAMILIES,
    SLOTS,
    FormulaDenoiser,
    FormulaModel,
    Formulas,
    balance,
    chains,
    corrupt,
    electronegativity,
    save_model,
    write,
)
from core.numerics.cards import Card, table
from core.numerics.categorical import draw
from core.numerics.networks import n_parameters
from core.numerics.randomness import seeded
from core.numerics.training import Trainer, TrainingPlan
from core.structures.arrays import ArrayFileError, load_arrays
from core.structures.formula import reduced

T = 50
MASKED_SHARES = (0.2, 0.5, 0.8)


def read_formulas(path: Path) -> tuple[list[list[tuple[str, int]]], list[list[tuple[str, int]]]]:
    """Distinct reduced formulas (training, kept aside), slots by electronegativity. A formula of both is kept aside only.

    Raises ArrayFileError for an unreadable file and where either of the two has no formula.
    """
    from pymatgen.core import Element

    data, order = load_arrays(path), electronegativity()
    starts = data.offset
    found: tuple[dict, dict] = ({}, {})
    for i, aside in enumerate(data.dev):
        slots = [(Element.from_Z(z).symbol, n) for z, n in reduced(data.numbers[starts[i] : starts[i + 1]])]
        if len(slots) > SLOTS or any(s not in ELEMENTS or n not in COUNTS for s, n in slots):
            continue
        found[bool(aside)][tuple(sorted(slots, key=lambda slot: order[slot[0]]))] = True
    train, kept = found
    if not kept or train.keys() <= kept.keys():
        raise ArrayFileError(f"{path}: formulas are needed to learn from and others, marked dev, to measure on")
    return [list(f) for f in train if f not in kept], [list(f) for f in kept]


def loss_of(data: Formulas, batch: int) -> Callable[[FormulaDenoiser, torch.Generator], Tensor]:
    """Cross-entropy of the clean tokens at a uniform time of a random family (Austin et al. 2021, the auxiliary term of eq. 5).

    A batch holds formulas of one size, drawn as often as it occurs, so that no work goes into empty slots.
    """
    sizes = data.present.sum(1)

    def loss(network: FormulaDenoiser, generator: torch.Generator) -> Tensor:
        n = int(sizes[torch.randint(len(data), (1,), generator=generator)])
        same = (sizes == n).nonzero().squeeze(1)
        rows = same[torch.randint(len(same), (batch,), generator=generator)]
        clean = Formulas(data.elements[rows, :n], data.counts[rows, :n], data.present[rows, :n])
        t = torch.randint(1, T + 1, (batch,), generator=generator)
        family = torch.arange(batch) % len(FAMILIES)
        noised = []
        for kind, x0 in (("elements", clean.elements), ("counts", clean.counts)):
            xt = torch.empty_like(x0)
            for f, name in enumerate(FAMILIES):
                mine = family == f
                xt[mine] = draw(chains(name, kind, T).cumulative[t[mine][:, None], x0[mine]], generator)
            noised.append(xt)
        elements, counts = network(*noised, clean.present, family, t / T)
        here = clean.present
        return nn.functional.cross_entropy(elements[here], clean.elements[here]) + nn.functional.cross_entropy(
            counts[here], clean.counts[here]
        )

    return loss


def trainer(data: Formulas, plan: TrainingPlan, *, batch: int = 256, width: int = 96) -> Trainer[FormulaDenoiser]:
    """A trainer of the denoiser on `data`."""
    with seeded(plan.seed):
        network = FormulaDenoiser(width=width)
    return Trainer(network, loss_of(data, batch), plan, settings={"formulas": len(data), "batch": batch})


@torch.no_grad()
def recovery(model: FormulaModel, aside: Formulas, *, seed: int = 3) -> dict[str, dict[str, float]]:
    """Share of masked elements and counts of unseen formulas that the first guess names, against the commonest token."""
    result = {}
    for share in MASKED_SHARES:
        generator = torch.Generator().manual_seed(seed)
        x = corrupt(aside, "absorbing", round(share * T), T, generator=generator)
        guesses = model.predict(x, "absorbing", share)
        row = {}
        for kind, clean, xt, guess in zip(
            ("elements", "counts"), (aside.elements, aside.counts), (x.elements, x.counts), guesses, strict=True
        ):
            hidden = (xt == guess.shape[-1] - 1) & aside.present
            row[kind] = float((guess.argmax(-1) == clean)[hidden].double().mean())
            row[f"commonest {kind}"] = float((clean[hidden] == int(model.prior(kind).argmax())).double().mean())
        result[f"{share:g}"] = row
    return result


def evaluate(model: FormulaModel, train: list, aside: list, *, n: int = 1000, seed: int = 4) -> dict:
    """Charge balance, novelty and uniqueness of n new formulas of each family, beside the data's and shuffled tokens'."""
    rng = np.random.default_rng(seed)
    picked = [train[i] for i in rng.choice(len(train), min(2000, len(train)), replace=False)]
    known = {frozenset(f) for f in train} | {frozenset(f) for f in aside}
    pool = [[slot[k] for f in train for slot in f] for k in (0, 1)]
    shuffled = []
    for f in picked[:n]:
        symbols = list(dict.fromkeys(pool[0][i] for i in rng.integers(len(pool[0]), size=4 * len(f))))[: len(f)]
        shuffled.append([(symbol, pool[1][rng.integers(len(pool[1]))]) for symbol in symbols])
    result = {"data": {"balanced": balance(picked)}, "shuffled": {"balanced": balance(shuffled)}}
    for family in FAMILIES:
        made = write(model, family, n_formulas=n, n_steps=T, seed=seed)
        content = [frozenset(f) for f in made]
        result[family] = {
            "balanced": balance(made),
            "unique": len(set(content)) / n,
            "new": float(np.mean([c not in known for c in content])),
        }
    return result


def model_card(model: FormulaModel, command: str) -> str:
    about = model.about
    hidden = [
        (share, *(f"{row[kind]:.1%} ({row[f'commonest {kind}']:.1%})" for kind in ("elements", "counts")))
        for share, row in about["recovery"].items()
    ]
    made = [
        (name, *(f"{row[key]:.1%}" if key in row else "" for key in ("balanced", "unique", "new")))
        for name, row in about["samples"].items()
    ]
    return Card(
        "Formula denoiser",
        "Guesses the clean element and count of every slot of a corrupted formula. One network for the uniform, the absorbing and the "
        "discretised-Gaussian chain.",
        {
            "Network": f"`core.learning.formulas.FormulaDenoiser`, {n_parameters(model.network):,} weights, stored in half precision.",
            "Data": f"{about['training_formulas']:,} distinct reduced formulas of the MP-20 validation split and small relatives "
            f"(Materials Project, CC BY 4.0); {about['dev_formulas']:,} others were kept aside and never trained on. The formulas "
            "themselves are not in the file, only how often each token occurs.",
            "Training": f"cross-entropy at a uniform time of a random family, {about['steps']:,} steps of {about['batch']:,} formulas, "
            f"seed {about['seed']}, {about['cpu_seconds'] / 60:.1f} CPU minutes on one core.",
        },
        f"Reduced formulas of at most {SLOTS} elements, counts up to {COUNTS[-1]}; passing SMACT's test is not stability.",
        command=command,
        measured=(
            "Masked tokens of formulas kept aside, named by the first guess (in brackets: always the commonest token):",
            table(("share masked", "elements", "counts"), hidden),
            f"1,000 new formulas from noise, {T} steps:",
            table(("from", "pass SMACT", "unique", "not in the data"), made),
            '"shuffled" draws elements and counts by frequency, each on its own.',
        ),
    ).markdown()


def train(
    pool: Path,
    out: Path,
    checkpoint: Path,
    *,
    steps: int = 6000,
    batch: int = 256,
    width: int = 96,
    seed: int = 0,
    every: int = 200,
) -> None:
    """Write the weights `out` and the card beside them. `checkpoint` is written `every` so many steps, and gone on from if it is there.

    Raises ArrayFileError for a pool that cannot be used, CheckpointError for a checkpoint of another run.
    """
    learnt, aside = read_formulas(pool)
    run = trainer(Formulas.of(learnt), TrainingPlan(n_steps=steps, learning_rate=1.5e-3, seed=seed), batch=batch, width=width)
    if checkpoint.exists():
        run.resume(checkpoint)
        print(f"resuming at step {run.step}")
    start = time.process_time()
    run.run_with_bar(checkpoint, every=every)
    seconds = time.process_time() - start
    elements, counts = Counter(s for f in learnt for s, _ in f), Counter(n for f in learnt for _, n in f)
    about = {
        "training_formulas": len(learnt),
        "dev_formulas": len(aside),
        "steps": steps,
        "batch": batch,
        "seed": seed,
        "cpu_seconds": seconds,
        "sizes": [sum(len(f) == n for f in learnt) for n in range(SLOTS + 1)],
        "frequency": {"elements": [elements[s] for s in ELEMENTS], "counts": [counts[n] for n in COUNTS]},
    }
    model = FormulaModel(run.averaged, about)
    about["recovery"] = recovery(model, Formulas.of(aside))
    about["samples"] = evaluate(model, learnt, aside)
    save_model(model, out)
    command = f"n2c train formulas POOL.npz --steps {steps} --batch {batch} --seed {seed}"
    out.with_suffix(".md").write_text(model_card(model, command))
    checkpoint.unlink(missing_ok=True)
