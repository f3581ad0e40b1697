"""Train the six families on a named data set (`n2c train families`).

Seeded; every family has its own seed and budget, so that one can be trained again without the others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from core.learning.families import MODELS, Model
from core.numerics.cards import Card, table
from core.numerics.densities import get_dataset
from core.numerics.manifest import check
from core.numerics.networks import MODELS as FOLDER
from core.numerics.networks import slug, unusable
from core.numerics.randomness import seeded
from core.numerics.tensors import save_tensors
from core.numerics.training import Trainer, TrainingPlan

BATCH = 512
SHIPPED = ("two moons", "lattice")


@dataclass(frozen=True)
class Budget:
    """Gradient steps of BATCH points, the peak learning rate, and Adam's beta_1 (less calms the GAN's game)."""

    steps: int
    rate: float = 2e-3
    beta_1: float = 0.9


BUDGETS = {
    "EBM": Budget(1500, 4e-4),
    "VAE": Budget(4000),
    "GAN": Budget(1000, 1e-3, 0.5),
    "flow": Budget(1500),
    "diffusion": Budget(3000),
    "flow matching": Budget(3000),
}


def weights_path(dataset: str, folder: Path = FOLDER) -> Path:
    return Path(folder) / f"families_{slug(dataset)}.safetensors"


def trainer(family: str, dataset: str, *, steps: int | None = None, batch: int = BATCH, seed: int = 0) -> Trainer:
    """A trainer that draws fresh exact samples of `dataset` in every step. ValueError for unknown names."""
    if family not in MODELS:
        raise ValueError(f"family {family!r} is not one of {', '.join(MODELS)}")
    density = get_dataset(dataset)
    with seeded(seed):
        network = MODELS[family]()
    budget = BUDGETS[family]
    plan = TrainingPlan(
        n_steps=steps or budget.steps, learning_rate=budget.rate, ema=0.998, seed=seed, betas=(budget.beta_1, TrainingPlan.betas[1])
    )
    return Trainer(network, lambda net, generator: net.loss(density.sample(batch, generator), generator), plan)


def load_families(dataset: str, folder: Path = FOLDER) -> dict[str, Model]:
    """All families trained on `dataset`, ready to sample. Raises ModelMissing with the command that makes them."""
    path = weights_path(dataset, folder)
    try:
        check(path)
        tensors, loaded = load_file(str(path)), {}
        for name, kind in MODELS.items():
            part = {key.removeprefix(f"{name}/"): value.float() for key, value in tensors.items() if key.startswith(f"{name}/")}
            loaded[name] = kind()
            loaded[name].load_state_dict(part)
            loaded[name].eval().requires_grad_(False)
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise unusable(path, error, f'n2c train families --dataset "{dataset}"') from error
    return loaded


def seconds_of_training(dataset: str, folder: Path = FOLDER) -> dict[str, float]:
    """Family -> processor seconds that its training took, as noted in the weights."""
    with safe_open(str(weights_path(dataset, folder)), framework="pt") as file:
        return json.loads(file.metadata()["seconds"])


def _kept(path: Path) -> tuple[dict[str, Tensor], dict[str, float]]:
    if not path.exists():
        return {}, {}
    with safe_open(str(path), framework="pt") as file:
        return load_file(str(path)), json.loads(file.metadata()["seconds"])


def model_card(dataset: str, seconds: dict[str, float], weights: dict[str, int], seed: int) -> str:
    """Markdown: what, from what, how."""
    rows = [
        (name, f"{weights[name]:,}", f"{BUDGETS[name].steps:,}", f"{BUDGETS[name].rate:g}", f"{taken:.0f}")
        for name, taken in seconds.items()
    ]
    return Card(
        f'Six families of generative models for "{dataset}"',
        "One small network for each family, in one file.",
        {
            "Network": "those of `core.learning.families`, stored in half precision.",
            "Data": f'`core.numerics.densities.DATASETS["{dataset}"]`, drawn afresh in every step; nothing downloaded.',
            "Training": f"Adam with cosine decay, averaged weights (decay 0.998), seed {seed}. One family is trained again with "
            "`--family GAN`.",
        },
        "Two dimensions, this one data set, budgets of seconds; no family is shown at its best.",
        networks=table(("family", "weights", f"steps of {BATCH} points", "learning rate", "processor seconds"), rows),
        command=f'n2c train families --dataset "{dataset}"',
        measured=(
            "The page measures the distance to the data, its floor and the cost per sample live; the tests hold them to what the page "
            "says.",
        ),
    ).markdown()


def train(dataset: str, out: Path, *, families: Sequence[str] = (), steps: int | None = None, seed: int = 0) -> dict[str, float]:
    """Write the weights `out` and the card beside them; returns the processor seconds of every family in the file.

    families: only these (default: all), others in the file are kept. steps: instead of the family's own budget.
    """
    for name in families or MODELS:
        run, start = trainer(name, dataset, steps=steps, seed=seed), time.process_time()
        run.run_aloud(name)
        tensors, seconds = _kept(out)
        tensors |= {f"{name}/{key}": value for key, value in run.averaged.state_dict().items()}
        seconds[name] = round(time.process_time() - start, 1)
        seconds = {key: seconds[key] for key in MODELS if key in seconds}
        save_tensors(out, {key: value.half() for key, value in tensors.items()}, {"seconds": seconds, "seed": str(seed)})
        weights = {key: sum(v.numel() for k, v in tensors.items() if k.startswith(f"{key}/")) for key in seconds}
        out.with_suffix(".md").write_text(model_card(dataset, seconds, weights, seed))
    return seconds
