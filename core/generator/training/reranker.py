"""Train the reranker of a flow model's own crystals (`n2c train reranker`).

First the labels: for compositions of the pool that are not `dev` the model grows some candidates each, and the benchmark's matcher
compares them with the truth (labels_*.npz in the folder of the run, a quarter of an hour of one core for 10,000 compositions, kept and
resumed). Then minutes of training. Crystals that earlier weights grew for the same compositions can be judged too (`also`): they
are wrong more often, and the reranker learns more from them. model.safetensors holds the same network and its reranker; `publish`
measures both on the dev set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from core.generator.model.conversion import to_cells
from core.generator.registry import Model, in_precision
from core.generator.sampling.config import CANDIDATES, SamplerConfig
from core.generator.sampling.parallel import sample_in_parallel
from core.generator.selection.reranker import Reranker, features, fit
from core.generator.training.data import load_pool
from core.generator.training.labels import Labels, kept_labels, read_labels
from core.generator.weights import load_weights, save_weights
from core.metrics.matching import found_rms
from core.numerics.processes import shared_out
from core.structures.arrays import CrystalArrays
from core.structures.crystal import Crystal

CHUNK = 1000  # compositions in one file of labels
BATCH = 64


def label_crystals(
    model: Model, arrays: CrystalArrays, rows: np.ndarray, *, n: int, settings: SamplerConfig, seed: int, workers: int
) -> Labels:
    """Grow `n` crystals for each of `rows` and compare them with the truth: frac and lattice, crystal by crystal, and rms (rows, n)."""
    truths = [arrays.crystal(i) for i in rows for _ in range(n)]
    grown = sample_in_parallel(in_precision(model), [truth.numbers.tolist() for truth in truths], settings, workers=workers, seed=seed)
    rms = shared_out(_rms, list(zip(grown, truths, strict=True)), workers=workers, chunk=32)
    return {
        "frac": np.concatenate([c.frac_coords for c in grown]).astype(np.float32),
        "lattice": np.stack([c.lattice for c in grown]).astype(np.float32),
        "rms": np.array([np.inf if r is None else r for r in rms], dtype=np.float32).reshape(-1, n),
    }


def _rms(pair: tuple[Crystal, Crystal]) -> float | None:
    return found_rms(*pair)


def labelled_features(model: Model, arrays: CrystalArrays, labels: Labels, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """(Q, K, n) features and (Q, K) rms of the crystals of `label_crystals` for `rows`."""
    rms = labels["rms"]
    numbers = [arrays.crystal(i).numbers for i in rows for _ in range(rms.shape[1])]
    places = np.split(labels["frac"], np.cumsum([len(one) for one in numbers])[:-1])
    grown = [Crystal(*parts) for parts in zip(numbers, places, labels["lattice"], strict=True)]
    return all_features(model, grown).view(*rms.shape, -1), torch.from_numpy(rms)


def all_features(model: Model, crystals: Sequence[Crystal]) -> Tensor:
    """(M, n): features of crystals of any sizes."""
    seen: dict[int, Tensor] = {}
    for n in sorted({c.n_atoms for c in crystals}):
        for rows in torch.tensor([i for i, c in enumerate(crystals) if c.n_atoms == n]).split(BATCH):
            for i, phi in zip(rows.tolist(), features(model.network, to_cells(model.network, [crystals[i] for i in rows])), strict=True):
                seen[i] = phi
    return torch.stack([seen[i] for i in range(len(crystals))])


def shares(reranker: Reranker, phi: Tensor, rms: Tensor) -> dict[str, float]:
    """Share of compositions answered with a match by the first crystal, by the reranker's choice and by the best of all."""
    matched = rms.isfinite().float()
    chosen = reranker.quality(phi).argmax(1)
    return {
        "first": matched[:, 0].mean().item(),
        "chosen": matched.gather(1, chosen[:, None]).mean().item(),
        "any": matched.amax(1).mean().item(),
    }


def train(
    weights: Path,
    data: Path,
    out: Path,
    *,
    also: Sequence[Path] = (),
    compositions: int | None = None,
    candidates: int = 2,
    epochs: int = 40,
    workers: int = 1,
    seed: int = 0,
) -> dict:
    """Write out/model.safetensors: the network of `weights` with a reranker. Returns what is noted about it there.

    also: folders of runs with earlier weights, on the same compositions. held_out in the answer: `shares` on a tenth kept aside.
    Raises ArrayFileError for data or labels that cannot be used, WeightsError for the weights.
    """
    arrays = load_pool(data)
    network, process, about = load_weights(weights)
    model = Model("reranked", network, process, about)
    out.mkdir(parents=True, exist_ok=True)
    learnt = np.flatnonzero(~arrays.dev)
    order = np.random.default_rng(seed).permutation(learnt)[:compositions]

    def make(parts: list[slice]) -> Iterator[Labels]:
        for part in parts:
            yield label_crystals(model, arrays, order[part], n=candidates, settings=CANDIDATES, seed=seed, workers=workers)

    parts = [order[i : i + CHUNK] for i in range(0, len(order), CHUNK)]
    earlier = [[read_labels(folder / f"labels_{k}.npz", rows) for k, rows in enumerate(parts)] for folder in also]
    labels = [*earlier, kept_labels(out, "labels", order, make, size=CHUNK)]
    chunks: list[tuple[Tensor, Tensor]] = []
    for rows, *some in tqdm(list(zip(parts, *labels, strict=True)), unit="chunk"):
        seen, known = zip(*(labelled_features(model, arrays, one, rows) for one in some), strict=True)
        chunks.append((torch.cat(seen, 1), torch.cat(known, 1)))
    phi, rms = (torch.cat(parts) for parts in zip(*chunks, strict=True))
    tenth = max(1, len(phi) // 10)
    held_out = shares(fit(phi[tenth:], rms[tenth:], epochs=epochs, seed=seed), phi[:tenth], rms[:tenth])
    reranker = fit(phi, rms, epochs=epochs, seed=seed)
    learned = {"compositions": len(phi), "candidates": rms.shape[1], "epochs": epochs, "held_out": held_out}
    save_weights(out / "model.safetensors", network.config, process, network.state_dict(), about | {"reranker": learned}, reranker)
    return learned
