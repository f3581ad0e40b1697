"""Train the ranker of structure types (`n2c train ranker`).

First the labels: every crystal of the pool that is not `dev` (and then every `dev` crystal) is asked with itself left out, and the
benchmark's matcher says which of the nearest structure types are right (labels_*.npz and dev_*.npz, hours of one core for
10,000 crystals, kept and resumed). Then minutes of training; the score on the last tenth of the pool is logged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from core.generator.baselines.ranker import MAX_SLOTS, Query, Ranker, loss, query_of, stack
from core.generator.baselines.substitution import N_TYPES, Library, by_count
from core.generator.training.data import load_pool
from core.generator.training.labels import Labels, kept_labels
from core.generator.weights import save_module
from core.metrics.matching import found_rms
from core.numerics.cards import Card, table
from core.numerics.networks import n_parameters
from core.numerics.processes import shared_out
from core.numerics.randomness import seeded
from core.numerics.training import Trainer, TrainingPlan, shuffled
from core.structures.arrays import CrystalArrays, load_arrays
from core.structures.crystal import Crystal

CHUNK = 250
Target = tuple[int, int | None]  # row of the pool, and its row of the library, to be left out
_shared: dict = {}


def candidates_rms(numbers: Sequence[int], truth: Crystal, library: Library, without: int | None) -> np.ndarray:
    """(N_TYPES,): rms of each type's nearest entry against the truth, inf where the matcher finds no map, NaN beyond the last type."""
    found = library.types(numbers, n_types=N_TYPES, without=without)
    rms = np.full(N_TYPES, np.nan)
    if found is None:
        return rms
    for k, place in enumerate(found.first):
        matched = found_rms(library.substituted(numbers, found.neighbours.rows[place], found.neighbours.elements[place]), truth)
        rms[k] = np.inf if matched is None else matched
    return rms


def _start(data: Path) -> None:
    arrays = load_arrays(data)
    _shared["arrays"], _shared["library"] = arrays, Library(arrays)


def label_chunk(targets: list[Target]) -> Labels:
    """rms of the candidates of `targets`."""
    arrays, library = _shared["arrays"], _shared["library"]
    return {"rms": np.stack([candidates_rms(arrays.crystal(i).numbers.tolist(), arrays.crystal(i), library, out) for i, out in targets])}


def collect_labels(data: Path, out: Path, name: str, targets: list[Target], *, workers: int) -> np.ndarray:
    """(Q, N_TYPES) rms of the candidates of all `targets`; what `out` holds already is not asked again."""

    def make(parts: list[slice]) -> Iterator[Labels]:
        return shared_out(label_chunk, [targets[part] for part in parts], workers=workers, start=_start, arguments=(data,))

    kept = kept_labels(out, name, [row for row, _ in targets], make, size=CHUNK)
    return np.concatenate([labels["rms"] for labels in kept])


def queries(arrays: CrystalArrays, library: Library, targets: list[Target], marks: np.ndarray) -> tuple[Query, torch.Tensor]:
    """All questions that can be asked, and (B, N_TYPES) rms of their candidates."""
    hull = library.arrays.columns.get("e_above_hull", np.full(len(library), np.nan))
    query, rms = [], []
    for (i, without), own in zip(tqdm(targets, unit="question"), marks, strict=True):
        numbers = arrays.crystal(i).numbers.tolist()
        found = library.types(numbers, n_types=N_TYPES, without=without)
        if found is not None and len(by_count(numbers)[0]) <= MAX_SLOTS:
            query.append(query_of(numbers, found, hull[found.neighbours.rows], n_types=N_TYPES))
            rms.append(torch.from_numpy(own))
    return stack(query), torch.stack(rms).float()


def fit(
    query: Query, rms: torch.Tensor, *, epochs: int, seed: int = 0, learning_rate: float = 3e-3, decay: float = 0.01, batch: int = 64
) -> tuple[Ranker, list[float]]:
    """The ranker after `epochs` over the questions that have an answer, and its top-1 share on the last tenth, epoch by epoch."""
    right = torch.isfinite(rms)
    cut = len(rms) - len(rms) // 10
    batches = shuffled(torch.arange(cut)[right.any(1)[:cut]], batch, seed=seed)
    plan = TrainingPlan(
        n_steps=epochs * len(batches(0)),
        learning_rate=learning_rate,
        warmup=1,
        decay="linear",
        floor=0.01,
        weight_decay=decay,
        ema=0.0,
        clip_norm=math.inf,
        seed=seed,
    )
    with seeded(seed):
        ranker = Ranker()
    run = Trainer(ranker, lambda network, _, rows: loss(network(Query(*(part[rows] for part in query))), right[rows]), plan, batches)
    last = Query(*(part[cut:] for part in query))
    history = [top_share(run.averaged, last, right[cut:]) for _ in tqdm(run.epochs(), total=epochs, unit="epoch")]
    return run.averaged, history


@torch.no_grad()
def top_share(ranker: Ranker, query: Query, right: torch.Tensor) -> float:
    """Share of questions whose first choice is right."""
    first = torch.cat([ranker(Query(*(part[rows] for part in query))).argmax(1) for rows in torch.arange(len(right)).split(256)])
    return right.gather(1, first[:, None]).float().mean().item()


def card(ranker: Ranker, about: dict) -> str:
    """The model card, in Markdown."""
    measured: tuple[str, ...] = ()
    if dev := about.get("dev"):
        rows = [
            ("nearest prototype by the fixed distance of elements, no network", f"{dev['first_by_distance']:.1%}"),
            ("first choice of the ranker", f"{dev['first_by_ranker']:.1%}"),
            (f"any of the {N_TYPES} types considered: the ceiling", f"{dev['any']:.1%}"),
        ]
        measured = (
            table(("first choice is mapped onto the truth by the benchmark's matcher", "share"), rows),
            f"Not filtered by validity. {dev['n'] - dev['answerable']} crystals have a stoichiometry that the library lacks and count as "
            "missed.",
        )
    return Card(
        "ranker: which structure type will these elements take?",
        "The prototype ranker of the method `refine`. It needs a library of known crystals, which does not ship with it.",
        {
            "Network": "learned distance of elements, a learned potential on pair-distance histograms and a small perceptron on "
            f"circumstances (`core/generator/baselines/ranker.py`), {n_parameters(ranker):,} parameters, float32.",
            "Data": f"{about['questions']:,} crystals of `{about['data']}`, each asked with itself left out. Rows marked `dev` took no "
            "part.",
            "Training": f"{about['epochs']} epochs, seed {about['seed']}; a minute on one core, after hours of labelling by the matcher.",
        },
        f"At most {MAX_SLOTS} elements; it can only choose among types that the library holds. It does not know energies of what it "
        "proposes.",
        measured=measured,
        on=f"{dev['n']:,} held-out crystals" if dev else "",
    ).markdown()


def train(data: Path, out: Path, *, targets: int | None = None, epochs: int = 8, workers: int = 1, seed: int = 0) -> dict:
    """Write out/ranker.safetensors and its card. Returns what is noted about it there; `dev` only for data with held-out rows.

    targets: ask only so many crystals. Raises ArrayFileError for unreadable data.
    """
    arrays = load_pool(data)
    out.mkdir(parents=True, exist_ok=True)
    library = Library(arrays)
    dev = arrays.dev
    order = np.random.default_rng(1).permutation(int((~dev).sum()))[:targets]
    asked: list[Target] = [(int(np.flatnonzero(~dev)[k]), int(k)) for k in order]
    held_out: list[Target] = [(int(i), None) for i in np.flatnonzero(dev)]
    query, rms = queries(arrays, library, asked, collect_labels(data, out, "labels", asked, workers=workers))
    ranker, history = fit(query, rms, epochs=epochs, seed=seed)
    about = {"data": data.name, "questions": len(rms), "epochs": epochs, "seed": seed, "history": history}
    if held_out:
        query, rms = queries(arrays, library, held_out, collect_labels(data, out, "dev", held_out, workers=workers))
        right = torch.isfinite(rms)
        about["dev"] = {
            "n": len(held_out),
            "answerable": len(rms),
            "first_by_distance": right[:, 0].sum().item() / len(held_out),
            "first_by_ranker": top_share(ranker, query, right) * len(rms) / len(held_out),
            "any": right.any(1).sum().item() / len(held_out),
        }
    save_module(out / "ranker.safetensors", ranker, about)
    (out / "ranker.md").write_text(card(ranker, about))
    return about
