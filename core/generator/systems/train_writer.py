"""Train the transformer that writes crystals as text (`n2c train system writer`)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.generator.systems import store
from core.generator.systems.autoregressive import (
    FIELDS,
    UnwritableError,
    Writer,
    encode,
    log_likelihood,
    perplexity,
    prompt,
    read,
    write,
    write_many,
)
from core.generator.systems.data import Pool, read_pool
from core.generator.systems.symmetrised import symmetrised
from core.metrics.matching import TIGHT, found_rms
from core.numerics.cards import Card, table
from core.numerics.networks import n_parameters
from core.numerics.randomness import seeded
from core.numerics.training import Trainer, TrainingPlan, grouped
from core.structures.crystal import Crystal

EPOCHS = 24
TOKENS = 2048  # in a batch
DROPPED = 0.2  # share of the sentences whose property is not told
ASKED = (12.0, 18.0, 27.0)  # Å^3 per atom, asked for when the prefix is put to the test


def sentences(pool: Pool, rows: Iterable[int]) -> tuple[list[list[str]], list[int], Tensor]:
    """Those of the rows that can be written: sentences, their rows, volumes per atom in Å^3."""
    found, kept = [], []
    for i in rows:
        crystal = pool.crystals[i]
        if (as_written := symmetrised(crystal)) is None:
            continue
        try:
            found.append(write(crystal.numbers.tolist(), as_written))
        except UnwritableError:
            continue
        kept.append(int(i))
    volumes = torch.tensor([pool.crystals[i].volume / pool.crystals[i].n_atoms for i in kept])
    return found, kept, volumes


def by_field(network: Writer, told: list[list[str]], volumes: Tensor) -> dict[str, float]:
    """Perplexity of each kind of word, and of all, on sentences that were not trained on."""
    values: dict[str, list[Tensor]] = {field: [] for field in FIELDS}
    with torch.no_grad():
        for sentence, volume in zip(told, volumes, strict=True):
            log_p = log_likelihood(network, encode([sentence]), network.prefix(volume[None]))[0]
            fields = read(sentence).fields[1:]
            for field in FIELDS:
                values[field].append(log_p[torch.tensor([f == field for f in fields])])
    all_of = {field: torch.cat(parts) for field, parts in values.items()}
    return {"all": perplexity(torch.cat(list(all_of.values())))} | {field: perplexity(v) for field, v in all_of.items()}


def outcome(crystal: Crystal, sentence: list[str]) -> tuple[bool, float | None]:
    """(is it a crystal of the content asked for, rms to the known one or None)."""
    try:
        made = read(sentence).crystal()
    except UnwritableError:
        return False, None
    return True, found_rms(made, crystal) if made.n_atoms <= 160 else None


def evaluate(network: Writer, pool: Pool, rows: list[int], told: list[list[str]], volumes: Tensor, *, n: int = 300) -> dict:
    """On the first n of the sentences kept aside: perplexity by field, validity, match rate, what the prefix does, words per second."""
    starts = [prompt(pool.crystals[i].numbers.tolist()) for i in rows[:n]]
    began = time.perf_counter()
    written = write_many(network, starts, volumes=volumes[:n].tolist(), seed=1)
    seconds = time.perf_counter() - began
    results = [outcome(pool.crystals[i], sentence) for i, sentence in zip(rows[:n], written, strict=True)]
    rms = [r for _, r in results if r is not None]
    untold = [outcome(pool.crystals[i], s) for i, s in zip(rows[:n], write_many(network, starts, seed=1), strict=True)]
    made: dict[str, float] = {}
    for volume in ASKED:
        found = []
        for sentence in write_many(network, starts[:100], volumes=[volume] * len(starts[:100]), seed=2):
            try:
                crystal = read(sentence).crystal()
            except UnwritableError:
                continue
            found.append(crystal.volume / crystal.n_atoms)
        made[f"{volume:g}"] = float(np.median(found)) if found else float("nan")
    return {
        "n": len(starts),
        "perplexity": by_field(network, told, volumes),
        "valid": float(np.mean([ok for ok, _ in results])),
        "match_rate": len(rms) / len(starts),
        "tight": float(np.mean([r is not None and r < TIGHT for _, r in results])),
        "rmse": float(np.mean(rms)) if rms else float("nan"),
        "match_rate_without": float(np.mean([r is not None for _, r in untold])),
        "volumes": made,
        "words_per_second": sum(len(w) - len(s) for w, s in zip(written, starts, strict=True)) / seconds,
    }


def train(pool_path: Path, out: Path, checkpoint: Path, *, epochs: int = EPOCHS, seed: int = 0, every: int = 200) -> dict:
    """Write the weights and the card beside them; a stopped run goes on from `checkpoint`.

    Raises ArrayFileError for a pool that cannot be used, CheckpointError for a checkpoint of another run.
    """
    pool = read_pool(pool_path)
    learnt, _, volumes = sentences(pool, pool.train)
    lengths = np.array([len(sentence) for sentence in learnt])
    rows_of = {int(n): np.flatnonzero(lengths == n) for n in np.unique(lengths)}
    batches = grouped({n: len(rows) for n, rows in rows_of.items()}, lambda n: max(1, TOKENS // n), seed=seed)
    with seeded(seed):
        network = Writer()
    log_volume = volumes.log()
    network.units.copy_(torch.stack([log_volume.mean(), log_volume.std()]))
    tokens, prefix = {n: encode([learnt[i] for i in rows]) for n, rows in rows_of.items()}, network.prefix(volumes)

    def loss(network: Writer, generator: torch.Generator, batch: tuple[int, np.ndarray]) -> Tensor:
        length, which = batch
        told = prefix[torch.from_numpy(rows_of[length][which])]
        told = torch.where(torch.rand(len(told), generator=generator) < DROPPED, torch.nan, told)
        return -log_likelihood(network, tokens[length][torch.from_numpy(which)], told).mean()

    plan = TrainingPlan(n_steps=epochs * len(batches(0)), learning_rate=2e-3, weight_decay=0.05, betas=(0.9, 0.99), seed=seed)
    run = Trainer(network, loss, plan, batches, settings={"sentences": len(learnt)})
    if checkpoint.exists():
        run.resume(checkpoint)
        print(f"resuming at step {run.step}")
    start = time.process_time()
    run.run_with_bar(checkpoint, every=every)
    told, rows, aside = sentences(pool, pool.dev)
    about = {
        "sentences": len(learnt),
        "words": int(lengths.sum()),
        "epochs": epochs,
        "seed": seed,
        "cpu_seconds": time.process_time() - start,
        "dev": evaluate(run.averaged, pool, rows, told, aside),
    }
    store.save(out, run.averaged, about)
    out.with_suffix(".md").write_text(model_card(run.averaged, about))
    checkpoint.unlink(missing_ok=True)
    return about


def model_card(network: Writer, about: dict) -> str:
    dev = about["dev"]
    return Card(
        "Crystals as text",
        "Writes a crystal word by word: content of the cell (given), space group, conventional cell, one atom of each "
        "orbit. The volume per "
        "atom can be asked for; it reaches every layer as keys and values of two ghost words (after CrystaLLM-π).",
        {
            "Network": f"`core.generator.systems.autoregressive.Writer`, {n_parameters(network):,} weights, stored in half precision.",
            "Data": f"{about['sentences']:,} crystals of the MP-20 validation split and small relatives (Materials Project, CC BY 4.0), "
            f"{about['words']:,} words; rows kept aside were never trained on.",
            "Training": f"next word, {about['epochs']} epochs, the volume untold in {DROPPED:.0%} of the sentences, seed {about['seed']}, "
            f"{about['cpu_seconds'] / 60:.0f} CPU minutes on one core.",
        },
        "One sentence for each composition, no search; cells of at most 20 atoms; sentences of at most 128 words. A "
        "crystal is symmetric by "
        "construction, right or wrong.",
        command=f"n2c train system writer POOL.npz --epochs {about['epochs']} --seed {about['seed']}",
        measured=(
            "Perplexity of the words of sentences kept aside (1 = always sure and right), the volume told:",
            table(("words", "perplexity"), [(name, f"{value:.2f}") for name, value in dev["perplexity"].items()]),
            f"One sentence for each of {dev['n']} compositions, temperature 0.8, the ten likeliest words: "
            f"{dev['valid']:.1%} are a crystal of "
            f"the content asked for; {dev['match_rate']:.1%} match the known one (unfiltered; "
            f"{dev['match_rate_without']:.1%} when the volume is "
            f"not told), rms {dev['rmse']:.3f}, {dev['tight']:.1%} below 0.15. {dev['words_per_second']:.0f} words a second in batches.",
            "Median volume per atom (Å³) that was made where another was asked for: "
            + ", ".join(f"{asked} → {made:.1f}" for asked, made in dev["volumes"].items())
            + ".",
        ),
        on="crystals kept aside (validation split)",
    ).markdown()
