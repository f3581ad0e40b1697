"""Measure trained weights on the held-out crystals and put them, with a model card, where the app looks.

    python -m core.generator.training.publish RUN_DIR/model.safetensors --data POOL.npz --model mp20 [--steps N ...] [--de-novo N]

One sample for each crystal marked `dev` (never trained on), scored by core/metrics/evaluation.py. The numbers go into
the header of assets/models/<model>_<kind>.safetensors, from which the page reads them, and into <model>_<kind>.md.
"""

from __future__ import annotations

import argparse
import platform
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from core.generator.cell_contents import cell_content, draw_sizes, with_species
from core.generator.registry import FOLDER, KINDS, MODELS, Model, load_composition_model
from core.generator.sampling.best_of import sample_cells
from core.generator.sampling.config import METHODS, SamplerConfig
from core.generator.weights import load_reranker, load_weights, n_parameters, save_weights
from core.metrics.evaluation import census, evaluate, table
from core.metrics.report import Report
from core.metrics.validity import read_out
from core.structures.arrays import CrystalArrays, load_arrays
from core.structures.crystal import Crystal


def measure(model: Model, truths: list[Crystal], *, settings: SamplerConfig, seed: int, workers: int) -> tuple[Report, dict]:
    """One sample per composition: the report, and the time and chance level that belong to it.

    chance: the same generated cells with atoms at random places, scored by the same matcher.
    """
    bar = tqdm(unit="step", desc="growing")

    def show(done, total):
        bar.total = total
        bar.update(done - bar.n)

    started = time.process_time()  # one thread: a busy machine does not count
    grown = [t.final for t in sample_cells(model, [c.numbers.tolist() for c in truths], settings, seed=seed, progress=show)]
    seconds = time.process_time() - started
    bar.close()
    rng = np.random.default_rng(seed)
    lots = [Crystal(c.numbers, rng.random((c.n_atoms, 3)), c.lattice) for c in grown]
    result = evaluate(zip(grown, truths), workers=workers, progress=True)
    chance = evaluate(zip(lots, truths), workers=workers, progress=True)
    return result, {"seconds_per_structure": round(seconds / len(truths), 5), "chance": _rounded(chance)}


def reference_histograms(arrays: CrystalArrays, *, n: int = 2000, bins: int = 40, seed: int = 0) -> dict:
    """Distributions of the read-outs over `n` training crystals: {name: {"edges", "counts"}} in their units."""
    rows = np.random.default_rng(seed).permutation(len(arrays))[:n]
    outs = [read_out(arrays.crystal(i)) for i in rows]
    histograms = {}
    for name in ("nearest_distance", "volume_per_atom", "density"):
        values = np.array([getattr(out, name) for out in outs])
        edges = np.linspace(0, np.quantile(values, 0.995), bins + 1)
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
        histograms[name] = {"edges": edges.round(3).tolist(), "counts": counts.tolist()}
    return histograms


PROCESS = {
    "diffusion": """wrapped-normal noise on fractional coordinates, variance-preserving noise on the logarithm of the
  metric (`core/generator/model/diffusion.py`).""",
    "flow": """straight paths on the torus from uniform places to the crystal, straight paths of the logarithm of the metric
  (`core/generator/model/flow.py`).""",
}


def card(model: Model, result: Report) -> str:
    """The model card, in Markdown."""
    about, chance, plain = model.about, model.about["dev"]["chance"], model.about["plain"]
    sizes = model.network.config
    standard = asdict(SamplerConfig(steps=0))
    settings = ", ".join(f"{k} {v:g}" for k, v in about["scoring"].items() if v != standard[k])
    species = (
        "The species are masked one by one and can be made too (absorbing D3PM)."
        if model.kind == "diffusion" and model.de_novo
        else "The species are given."
    )
    ranked = about["scoring"]["candidates"] > 1
    choice = (
        ""
        if not ranked
        else (
            "Of so many candidates the one that the reranker in the same file trusts most (`generator/selection/reranker.py`; trained on "
            "crystals grown for training compositions; the truth plays no part here). "
            if model.reranker
            else "Of so many candidates the one that surprises the model itself least (`best_of.denoising_loss`; the truth plays no part). "
        )
    )
    if about["scoring"]["n_refinements"]:
        choice += "The best so far is then noised and grown again (`sampling.config.SamplerConfig.n_refinements`). "
    return f"""# {model.name}, {KINDS[model.kind]}: a generative model of crystals

{MODELS[model.name]}. Given the content of a cell, it grows the cell and the places of the atoms from noise.

- **Network**: attention over the atoms of one cell with pair bias and pair messages (`core/generator/model/network.py`),
  width {sizes.width}, {sizes.depth} blocks, {n_parameters(model.network):,} parameters, float32. Invariant to origin,
  orientation and order of the atoms by construction.
- **Process**: {PROCESS[model.kind]} {species}
- **Data**: {about["training_structures"]:,} crystals. {about["data_note"]}
  {len(about["known"])} elements, cells of {_span(about["atom_counts"])} atoms. The rows marked `dev` were never trained on.
- **Training**: {about["steps"]:,} steps in {about["training_seconds"] / 60:.0f} minutes by the clock. {about["training_note"]}
- **Sampler of the numbers below**: {settings}. One answer per composition. {choice}These settings were chosen on some of
  the same held-out crystals.

## Measured on {result.n} held-out crystals

{table(result)}
| time per structure, batches of up to 64, one thread | {1000 * about["dev"]["seconds_per_structure"]:.0f} ms of processor time |

Without candidates ({plain["steps"]} steps, one crystal each): {100 * plain["match_rate"]:.1f} % matched
({100 * plain["match_rate_filtered"]:.1f} % filtered), RMSE {plain["rmse"]:.3f}, {100 * plain["tight_share"]:.1f} % below 0.15,
{1000 * plain["seconds_per_structure"]:.0f} ms per structure.
{_from_nothing(model)}
Chance level, for scale: random places in the same generated cells are matched in {100 * chance["match_rate"]:.1f} % of
cases, at an RMSE of {chance["rmse"]:.2f}, with {100 * chance["tight_share"]:.1f} % below 0.15.
The matcher's tolerance is wide: read a match rate only together with its RMSE.

## Limits

The formula must be the full content of the cell. Volumes are not scored by the protocol. The model has seen few
crystals for a short time on a CPU: it is meant for teaching how such models work, not for predicting materials.
"""


def _from_nothing(model: Model) -> str:
    """The paragraph on crystals made without a formula."""
    about = model.about
    if "de_novo_census" not in about:
        return ""
    c = about["de_novo_census"]
    formula = " of formulas that the composition model beside it made up" if model.composition_model else ""
    return f"""
From nothing ({c["n"]} crystals{formula}, {about["de_novo"]["steps"]} steps): {100 * c["structure_validity"]:.1f} % structurally valid,
{100 * c["composition_validity"]:.1f} % with a composition that SMACT accepts, {100 * c["uniqueness"]:.1f} % unique,
{100 * c["novelty"]:.1f} % not in the training data (same matcher).
"""


def _span(counts: list[int]) -> str:
    return f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])


def _rounded(result: Report) -> dict:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(result).items()}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m core.generator.training.publish", description=__doc__.split("\n")[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", choices=sorted(MODELS), required=True)
    parser.add_argument("--limit", type=int, help="only the first so many held-out crystals")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    for name, kind in SamplerConfig.__annotations__.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float if kind == "float" else int)
    parser.add_argument("--de-novo", type=int, help="also make so many crystals from nothing and judge them")
    parser.add_argument("--data-note", default="", help="where the data come from, for the card")
    parser.add_argument("--training-note", default="", help="on what machine it was trained, for the card")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    arrays = load_arrays(args.data)
    dev = arrays.columns["dev"].astype(bool)
    held_out = np.flatnonzero(dev)[: args.limit]
    network, process, about = load_weights(args.weights)
    chosen = {name: getattr(args, name) for name in SamplerConfig.__annotations__ if getattr(args, name) is not None}
    settings = SamplerConfig(**chosen)
    about |= {
        "scoring": asdict(settings),
        "known": network.known.nonzero().flatten().tolist(),
        "atom_counts": (sizes := np.unique(arrays.num_atoms[~dev], return_counts=True))[0].tolist(),
        "size_shares": (sizes[1] / sizes[1].sum()).round(5).tolist(),
        "data_note": args.data_note,
        "training_note": args.training_note,
        "machine": platform.machine(),
    }
    model = Model(args.model, network, process, about, load_reranker(args.weights, network))
    if model.kind == "flow":
        model = replace(model, composition_model=load_composition_model(args.model))
    result, extra = measure(model, [arrays.crystal(i) for i in held_out], settings=settings, seed=args.seed, workers=args.workers)
    default = replace(settings, candidates=1, rounds=1) if model.kind == "flow" else METHODS["ancestral"]
    plain, plain_extra = measure(model, [arrays.crystal(i) for i in held_out], settings=default, seed=args.seed, workers=args.workers)
    about |= {
        "dev": _rounded(result) | extra,
        "plain": _rounded(plain) | plain_extra | {"steps": default.steps},
        "reference": reference_histograms(arrays.select(~dev)),
    }
    if args.de_novo:
        about["de_novo"] = asdict(
            settings if model.kind == "flow" else replace(METHODS["ancestral"], steps=100, species_temperature=settings.species_temperature)
        )
        cells = with_species(model, [cell_content(model, n) for n in draw_sizes(model, args.de_novo, seed=args.seed)], seed=args.seed)
        made = sample_cells(model, cells, SamplerConfig(**about["de_novo"]), seed=args.seed)
        about["de_novo_census"] = asdict(census([path.final for path in made], arrays.select(~dev), workers=args.workers, progress=True))
    args.folder.mkdir(parents=True, exist_ok=True)
    save_weights(
        args.folder / f"{args.model}_{model.kind}.safetensors", network.config, process, network.state_dict(), about, model.reranker
    )
    (args.folder / f"{args.model}_{model.kind}.md").write_text(card(model, result))
    print(table(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
