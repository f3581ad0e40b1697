"""Measure trained weights on the held-out crystals and put them, with a model card, where the app looks (`n2c publish`).

One sample for each crystal marked `dev` (never trained on), scored by core/metrics/evaluation.py. The numbers go into
the header of assets/models/<model>_<kind>.safetensors, from which the page reads them, and into <model>_<kind>.md.
"""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from core.generator.cell_contents import cell_content, draw_sizes, with_species
from core.generator.registry import KINDS, MODELS, Model, load_composition_model
from core.generator.sampling.best_of import sample_cells
from core.generator.sampling.config import METHODS, SamplerConfig, published_config
from core.generator.training.data import load_pool
from core.generator.weights import load_reranker, load_weights, save_weights
from core.metrics.evaluation import census, evaluate, table
from core.metrics.report import Report
from core.metrics.validity import read_out
from core.numerics.cards import Card
from core.numerics.networks import n_parameters
from core.structures.arrays import CrystalArrays
from core.structures.crystal import Crystal


class PublishError(ValueError):
    """Weights, data and settings that cannot be measured together; the message says why."""


def measure(model: Model, truths: list[Crystal], *, settings: SamplerConfig, seed: int, workers: int) -> tuple[Report, dict]:
    """One sample per composition: the report, and the time and chance level that belong to it.

    chance: the same generated cells with atoms at random places, scored by the same matcher.
    """
    bar = tqdm(unit="step", desc="growing")

    def show(done: int, total: int) -> None:
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
    "diffusion": "wrapped-normal noise on fractional coordinates, variance-preserving noise on the logarithm of the metric "
    "(`core/generator/model/diffusion.py`).",
    "flow": "straight paths on the torus from uniform places to the crystal, straight paths of the logarithm of the metric "
    "(`core/generator/model/flow.py`).",
}


def card(model: Model) -> str:
    """The model card, in Markdown, from what is noted in the weights."""
    about, chance, plain, sizes = model.about, model.about["dev"]["chance"], model.about["plain"], model.network.config
    result = Report(**{field.name: about["dev"][field.name] for field in fields(Report)})
    species = "masked one by one and can be made too (absorbing D3PM)" if model.kind == "diffusion" and model.de_novo else "given"
    steps = f"{plain['steps']} {'ancestral ' if model.kind == 'diffusion' else ''}steps"
    time_row = (
        "time per structure, batches of up to 64, one thread",
        f"{1000 * about['dev']['seconds_per_structure']:.0f} ms of processor time",
    )
    return Card(
        f"{model.name}, {KINDS[model.kind]}: a generative model of crystals",
        f"{MODELS[model.name]}. Given the content of a cell, it grows the cell and the places of the atoms from noise.",
        {
            "Network": "attention over the atoms of one cell with pair bias and pair messages (`core/generator/model/network.py`), "
            f"width {sizes.width}, {sizes.depth} blocks, {n_parameters(model.network):,} parameters, float32. Invariant to origin, "
            "orientation and order of the atoms by construction.",
            "Process": f"{PROCESS[model.kind]} The species are {species}.",
            "Data": f"{about['training_structures']:,} crystals. {about['data_note']} {len(about['known'])} elements, cells of "
            f"{_span(about['atom_counts'])} atoms. The rows marked `dev` were never trained on.",
            "Training": f"{about['steps']:,} steps in {about['training_seconds'] / 60:.0f} minutes by the clock. {about['training_note']}",
            "Sampler of the numbers below": _sampler(model),
        },
        "The formula must be the full content of the cell. Volumes are not scored by the protocol. The model has seen few crystals for a "
        "short time on a CPU: it is meant for teaching how such models work, not for predicting materials.",
        measured=(
            table(result, time_row, judged_by="SMACT"),  # of the day when it was measured
            f"Without candidates ({steps}, one crystal each): {100 * plain['match_rate']:.1f} % matched "
            f"({100 * plain['match_rate_filtered']:.1f} % filtered), RMSE {plain['rmse']:.3f}, {100 * plain['tight_share']:.1f} % below "
            f"0.15, {1000 * plain['seconds_per_structure']:.0f} ms per structure.",
            _from_nothing(model),
            f"Chance level, for scale: random places in the same generated cells are matched in {100 * chance['match_rate']:.1f} % of "
            f"cases, at an RMSE of {chance['rmse']:.2f}, with {100 * chance['tight_share']:.1f} % below 0.15. The matcher's tolerance is "
            "wide: read a match rate only together with its RMSE.",
        ),
        on=f"{result.n:,} held-out crystals",
    ).markdown()


def _sampler(model: Model) -> str:
    """The settings that are not the usual ones, and how one of several crystals was chosen."""
    config, standard = published_config(model.about), SamplerConfig(steps=0)
    parts = [", ".join(f"{k} {v:g}" for k, v in asdict(config).items() if v != getattr(standard, k)) + ". One answer per composition."]
    if config.candidates > 1 and model.reranker:
        parts.append(
            "Of so many candidates the one that the reranker in the same file trusts most (`core/generator/selection/reranker.py`; trained "
            "on crystals grown for training compositions; the truth plays no part here)."
        )
    elif config.candidates > 1:
        parts.append(
            "Of so many candidates the one with the least denoising loss by the model itself (`best_of.denoising_loss`; the truth plays "
            "no part)."
        )
    if config.n_refinements:
        parts.append("The best so far is then noised and grown again (`sampling.config.SamplerConfig.n_refinements`).")
    return " ".join([*parts, "These settings were chosen on some of the same held-out crystals."])


def _from_nothing(model: Model) -> str:
    """The paragraph on crystals made without a formula, or none."""
    about = model.about
    if "de_novo_census" not in about:
        return ""
    c = about["de_novo_census"]
    formula = " of formulas that the composition model beside it made up" if model.composition_model else ""
    return (
        f"From nothing ({c['n']} crystals{formula}, {about['de_novo']['steps']} steps): {100 * c['structure_validity']:.1f} % structurally "
        f"valid, {100 * c['composition_validity']:.1f} % with a composition that SMACT accepts, {100 * c['uniqueness']:.1f} % unique, "
        f"{100 * c['novelty']:.1f} % not in the training data (same matcher)."
    )


def _span(counts: list[int]) -> str:
    return f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])


def _rounded(result: Report) -> dict:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(result).items()}


def publish(
    weights: Path,
    data: Path,
    model_name: str,
    folder: Path,
    *,
    settings: SamplerConfig,
    limit: int | None = None,
    seed: int = 0,
    workers: int = 1,
    de_novo: int | None = None,
    data_note: str = "",
    training_note: str = "",
) -> tuple[Report, Path]:
    """Write the weights with their numbers, and the card, into `folder`; the report, and the path of the weights.

    limit: only the first so many held-out crystals. de_novo: also make so many from nothing and judge them. The notes are for the card.
    Raises ArrayFileError, WeightsError and ModelMissing for files that cannot be read, PublishError for what cannot be measured.
    """
    arrays = load_pool(data)
    dev = arrays.dev
    if not dev.any():
        raise PublishError(f"{data}: no row is marked dev, and only such crystals can be measured on")
    held_out = [arrays.crystal(i) for i in np.flatnonzero(dev)[:limit]]
    network, process, about = load_weights(weights)
    about |= {
        "scoring": asdict(settings),
        "known": network.known.nonzero().flatten().tolist(),
        "atom_counts": (sizes := np.unique(arrays.num_atoms[~dev], return_counts=True))[0].tolist(),
        "size_shares": (sizes[1] / sizes[1].sum()).round(5).tolist(),
        "data_note": data_note,
        "training_note": training_note,
        "machine": platform.machine(),
    }
    model = Model(model_name, network, process, about, load_reranker(weights, network))
    if model.kind == "flow":
        if settings.eta or settings.corrector:
            raise PublishError("a flow has no fresh noise and no Langevin corrector: eta and corrector are of diffusion models")
        model = replace(model, composition_model=load_composition_model(model_name))
    if de_novo and not model.de_novo:
        raise PublishError(f"the {KINDS[model.kind]} model {model_name} needs a formula: it cannot make crystals from nothing")
    result, extra = measure(model, held_out, settings=settings, seed=seed, workers=workers)
    default = replace(settings, candidates=1, n_refinements=0) if model.kind == "flow" else METHODS["ancestral"]
    plain, plain_extra = measure(model, held_out, settings=default, seed=seed, workers=workers)
    about |= {
        "dev": _rounded(result) | extra,
        "plain": _rounded(plain) | plain_extra | {"steps": default.steps},
        "reference": reference_histograms(arrays.select(~dev)),
    }
    if de_novo:
        about["de_novo"] = asdict(
            settings if model.kind == "flow" else replace(METHODS["ancestral"], steps=100, species_temperature=settings.species_temperature)
        )
        cells = with_species(model, [cell_content(model, n) for n in draw_sizes(model, de_novo, seed=seed)], seed=seed)
        made = sample_cells(model, cells, SamplerConfig(**about["de_novo"]), seed=seed)
        about["de_novo_census"] = asdict(census([path.final for path in made], arrays.select(~dev), workers=workers, progress=True))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model_name}_{model.kind}.safetensors"
    save_weights(path, network.config, process, network.state_dict(), about, model.reranker)
    path.with_suffix(".md").write_text(card(model))
    return result, path
