"""Train the selector between a library's structure types and the flow's own crystals (`n2c train selector`).

First the labels: compositions of the pool that are not `dev` are asked with their own entry left out of the library; the flow grows its
crystals, the ranker proposes types, and the benchmark's matcher says which candidates are right (labels_*.npz in the folder of the run, a
quarter of an hour of one core for 4,000 compositions, kept and resumed). Then a minute of training. selector.safetensors and selector.md
belong beside the weights of the flow, the reranker and the ranker.

The labels are about crystals that the flow has been trained on. A flow that knows them by heart is trusted too much: with weights that
matched 74 % of them (64 % of held-out ones) the selector did a point worse on held-out crystals than with earlier weights that matched
70 % (62 %). Hence `label_models`: a folder with an earlier flow, its reranker and the ranker.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.generator.baselines.substitution import Library
from core.generator.predict import load_ranker, proposals
from core.generator.registry import FOLDER, ModelMissing, load_model
from core.generator.sampling.best_of import sample_cells
from core.generator.sampling.config import CANDIDATES
from core.generator.selection.selector import GROWN, INPUTS, MARGIN, TYPES, Selector, evidence, fit
from core.generator.training.data import load_pool
from core.generator.training.labels import Labels, kept_labels
from core.generator.weights import save_module
from core.metrics.matching import TIGHT, found_rms
from core.numerics.cards import Card, table
from core.numerics.networks import n_parameters
from core.numerics.processes import shared_out
from core.structures.arrays import load_arrays

CHUNK = 100  # compositions in one file of labels
Target = tuple[int, int | None]  # row of the pool, and its row of the library, to be left out
_shared: dict = {}


def _start(data: Path, models_folder: Path) -> None:
    torch.set_num_threads(1)
    arrays = load_arrays(data)
    _shared.update(
        arrays=arrays, library=Library(arrays), ranker=load_ranker(models_folder), model=load_model("mp20", models_folder, kind="flow")
    )


def label_chunk(targets: list[Target]) -> Labels:
    """x, rms and present of `targets`."""
    arrays, library, model = _shared["arrays"], _shared["library"], _shared["model"]
    truths = [arrays.crystal(row) for row, _ in targets]
    grown = sample_cells(model, [truth.numbers.tolist() for truth in truths for _ in range(GROWN)], CANDIDATES)
    x = np.zeros((len(targets), TYPES + 1, len(INPUTS)), np.float32)
    rms = np.full(x.shape[:2], np.inf, np.float32)
    present = np.zeros(x.shape[:2], bool)
    for i, (truth, (_, without)) in enumerate(zip(truths, targets, strict=True)):
        own = [path.final for path in grown[GROWN * i : GROWN * (i + 1)]]
        cell = truth.numbers.tolist()
        proposed = proposals(cell, library, _shared["ranker"], without=without)[:TYPES]
        seen, best = evidence(model.network, model.reranker, cell, cell, own, proposed)
        answers = [found_rms(crystal, truth) for crystal in (own[best], *(p.crystal for p in proposed))]
        x[i, : len(seen)], present[i, : len(seen)] = seen.numpy(), True
        rms[i, : len(seen)] = [np.inf if answer is None else answer for answer in answers]
    return {"x": x, "rms": rms, "present": present}


def collect_labels(
    data: Path, models_folder: Path, out: Path, name: str, targets: list[Target], *, workers: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(Q, C, inputs), (Q, C) rms, (Q, C) present, of all `targets`; what `out` holds already is not asked again."""

    def make(parts: list[slice]) -> Iterator[Labels]:
        return shared_out(
            label_chunk, [targets[part] for part in parts], workers=workers, start=_start, arguments=(data, models_folder), spawn=True
        )

    kept = kept_labels(out, name, [row for row, _ in targets], make, size=CHUNK)
    x, rms, present = (torch.from_numpy(np.concatenate([labels[key] for labels in kept])) for key in ("x", "rms", "present"))
    return x, rms, present


def shares(selector: Selector, x: Tensor, rms: Tensor, present: Tensor) -> dict[str, dict[str, float]]:
    """Match rate, rms of the matches and tight share of the flow's best, the ranker's first, the selector's choice, the best of all."""
    trust = selector.trust(x).masked_fill(~present, -1.0)
    trust[:, 0] -= MARGIN * present[:, 1]
    choices = {
        "flow": torch.zeros(len(x), dtype=torch.long),
        "ranker": present[:, 1].long(),
        "selector": trust.argmax(1),
        "best": rms.argmin(1),
    }
    found = {name: rms.gather(1, choice[:, None]).squeeze(1) for name, choice in choices.items()}
    return {
        name: {
            "match": one.isfinite().float().mean().item(),
            "rms": one[one.isfinite()].mean().item(),
            "tight": (one < TIGHT).float().mean().item(),
        }
        for name, one in found.items()
    }


ROWS = {
    "flow": f"best of {GROWN} of the flow",
    "ranker": "first type of the ranker",
    "selector": "choice of the selector",
    "best": "best of all candidates: the ceiling",
}


def card(selector: Selector, about: dict) -> str:
    """The model card, in Markdown."""
    measured: tuple[str, ...] = ()
    if "dev" in about:
        shown = {words: about["dev"][name] for name, words in ROWS.items()}
        rows = [(words, f"{one['match']:.1%}", f"{one['rms']:.4f}", f"{one['tight']:.1%}") for words, one in shown.items()]
        measured = (table(("answer", "match", "rms of the matches", f"rms < {TIGHT:g}"), rows),)
    earlier = " The labels were made with an earlier flow, which knew these crystals less by heart (`--label-models`)."
    return Card(
        "selector: a type of the library, or the flow's own crystal?",
        f"Last word of the method `refine` on MP-20. It sees {TYPES} types that the ranker proposes and {GROWN} crystals that the flow "
        "grew, and how they agree. It needs a library of known crystals, which does not ship with it.",
        {
            "Network": f"{len(selector.members)} perceptrons on {len(INPUTS)} numbers for each candidate "
            f"(`core/generator/selection/selector.py`), {n_parameters(selector):,} parameters, float32.",
            "Data": f"{about['questions']:,} crystals of `{about['data']}`, each asked with itself left out of the library. Rows marked "
            "`dev` took no part, but margin and inputs were chosen on them.",
            "Training": f"{about['epochs']} epochs, seed {about['seed']}; a minute on one core, after a quarter of an hour of growing."
            + (earlier if about.get("earlier") else ""),
        },
        "Made for the flow, the reranker and the ranker beside it. The flow has seen the crystals of the labels in its training and "
        "answers them better than new ones, so that the selector trusts it a little too much.",
        measured=measured,
        on=f"{about['dev_questions']:,} held-out crystals, not filtered by validity" if measured else "",
    ).markdown()


def train(
    data: Path,
    out: Path,
    *,
    models_folder: Path = FOLDER,
    label_models: Path | None = None,
    compositions: int = 4000,
    epochs: int = 60,
    workers: int = 1,
    seed: int = 0,
) -> dict:
    """Write out/selector.safetensors and its card. Returns what is noted about it there; `dev` only for data with held-out rows.

    models_folder: where flow, reranker and ranker are; label_models: where those that make the labels are, if others.
    Raises ArrayFileError for unreadable data, ModelMissing where one of these models is absent.
    """
    arrays = load_pool(data)
    for folder in (models_folder, label_folder := label_models or models_folder):
        load_ranker(folder)
        if load_model("mp20", folder, kind="flow").reranker is None:
            raise ModelMissing(f"the flow in {folder} has no reranker; train one first (n2c train reranker)")
    out.mkdir(parents=True, exist_ok=True)
    dev = arrays.dev
    order = np.random.default_rng(seed).permutation(int((~dev).sum()))[:compositions]
    asked: list[Target] = [(int(np.flatnonzero(~dev)[k]), int(k)) for k in order]
    held_out: list[Target] = [(int(i), None) for i in np.flatnonzero(dev)]
    selector = fit(*collect_labels(data, label_folder, out, "labels", asked, workers=workers), epochs=epochs, seed=seed)
    about = {"data": data.name, "questions": len(asked), "epochs": epochs, "seed": seed, "earlier": label_models is not None}
    if held_out:
        about["dev"] = shares(selector, *collect_labels(data, models_folder, out, "dev", held_out, workers=workers))
        about["dev_questions"] = len(held_out)
    save_module(out / "selector.safetensors", selector, about)
    (out / "selector.md").write_text(card(selector, about))
    return about
