"""Train the networks of the chapter on one score for sampling and dynamics (`n2c train score-md`).

    loss = E |sigma(t) (s(x_t, t) - grad ln p(x_t | x_0))|^2  +  weight E[ R(x_t, t)^2 / D^2 ],   t even on (0, 1)

The first term is denoising score matching, the second the residual R of the Fokker-Planck equation, both at the same points: Plainer et
al. 2025 (ScoreMD, arXiv 2506.17139), and their code (weight 5e-4). They estimate R by differences; here its derivatives are
exact, and six times the weight brings Müller and Brown's basins, by quadrature, within 0.1 kT where 5e-4 left 0.2.
Data: a fixed set of exact draws, cells of the quadrature by their weight (Müller-Brown) or the mixture itself (two dihedrals).
Seeded; a run stopped half-way goes on from its checkpoint and ends on the same weights.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from core.crystals import score_md
from core.crystals.molecular_landscapes import Landscape, get_landscape
from core.crystals.score_networks import BOUNDARY, MODELS, SLUGS, Network, load, save, weights_path
from core.numerics.cards import Card, table
from core.numerics.energy_networks import EnergyNetwork, NoiseNetwork, TimeExperts, residual
from core.numerics.networks import n_parameters
from core.numerics.randomness import seeded
from core.numerics.training import Trainer, TrainingPlan

STEPS = 6000
T_MIN = 1e-3  # smallest noise time that is trained on


@dataclass(frozen=True)
class Recipe:
    """points: in the training set; batch: in a step; weight: of the squared residual, where there is a regulariser."""

    points: int = 20_000
    batch: int = 256
    weight: float = 3e-3
    width: int = 64
    depth: int = 3
    learning_rate: float = 2e-3


def training_set(landscape: Landscape, recipe: Recipe, seed: int) -> Tensor:
    """(points, 2): the exact draws that everything is learned from; the same for every model of one seed."""
    return landscape.law.sample(recipe.points, torch.Generator().manual_seed(100 + seed))


def energy_loss(
    network: EnergyNetwork, landscape: Landscape, x0: Tensor, t: Tensor, generator: torch.Generator, weight: float = 0.0
) -> Tensor:
    """Denoising score matching at x0 (N, 2), t (N, 1), with `weight` times the mean squared residual over D^2."""
    x, target = landscape.noised(x0, t, generator)
    sigma = landscape.sigma(t)
    if not weight:
        return (sigma * (network.score(x, t) - target)).square().sum(1).mean()
    jet = network.jet(x, t)
    matching = (sigma * (jet.score - target)).square().sum(1).mean()
    off = residual(jet, x, landscape.schedule.beta(t)[:, 0], confined=not landscape.periodic)
    return matching + weight * off.square().mean() / x.shape[1] ** 2


def trainer(landscape: str, model: str, recipe: Recipe, plan: TrainingPlan) -> Trainer[Network]:
    """A trainer of one model of MODELS. Every step draws its points from the training set and its times evenly."""
    surface, kind = get_landscape(landscape), MODELS[model]
    data = training_set(surface, recipe, plan.seed)
    weight = recipe.weight if kind.regularised else 0.0
    with seeded(plan.seed):
        network = kind.network(surface.periodic, recipe.width, recipe.depth)

    def drawn(generator: torch.Generator, low: float, high: float) -> tuple[Tensor, Tensor]:
        x0 = data[torch.randint(len(data), (recipe.batch,), generator=generator)]
        return x0, low + (high - low) * torch.rand(recipe.batch, 1, generator=generator)

    def loss(net: Network, generator: torch.Generator) -> Tensor:
        if isinstance(net, TimeExperts):
            early = energy_loss(net.early, surface, *drawn(generator, T_MIN, BOUNDARY), generator)
            return early + energy_loss(net.late, surface, *drawn(generator, BOUNDARY, 1.0), generator)
        x0, t = drawn(generator, T_MIN, 1.0)
        if isinstance(net, NoiseNetwork):
            x, target = surface.noised(x0, t, generator)
            return (net(x, t) + surface.sigma(t) * target).square().sum(1).mean()
        return energy_loss(net, surface, x0, t, generator, weight)

    return Trainer(network, loss, plan, settings={"landscape": landscape, "model": model, **asdict(recipe)})


def train(
    landscape: str, model: str, out: Path, checkpoint: Path, *, steps: int, recipe: Recipe = Recipe(), seed: int = 0, every: int = 500
) -> Trainer[Network]:
    """Write the weights `out`. `checkpoint` is written `every` so many steps, gone on from if it is there, and removed at the end.

    Raises CheckpointError for a checkpoint of another run.
    """
    recipe = recipe if MODELS[model].regularised else replace(recipe, weight=0.0)
    plan = TrainingPlan(n_steps=steps, learning_rate=recipe.learning_rate, seed=seed)
    run = trainer(landscape, model, recipe, plan)
    if checkpoint.exists():
        run.resume(checkpoint)
        print(f"resuming at step {run.step} from {checkpoint}", flush=True)
    for progress in run.run():
        if progress.step % every == 0:
            run.save(checkpoint)
            print(f"{landscape}, {model}: step {progress.step}, loss {progress.loss:.4f}, {run.seconds:.0f} s", flush=True)
    save(
        out,
        run.averaged,
        {"landscape": landscape, "model": model, "steps": steps, "seed": seed, "seconds": round(run.seconds), **asdict(recipe)},
    )
    checkpoint.unlink(missing_ok=True)
    return run


def about(path: Path) -> dict:
    """What the header of a weights file of this chapter says."""
    with safe_open(str(path), framework="pt") as file:
        return json.loads(file.metadata()["about"])


def measure(landscape: str, model: str, folder: Path) -> None:
    """Free energies of both uses, of the density and the mean square of residual or curl, into the header of the weights file."""
    path, t = weights_path(landscape, model, folder), score_md.T_MIN
    found = score_md.measured(landscape, model, folder=folder)
    square = score_md.residual_map(landscape, model, t, folder=folder).mean_square(score_md.grid_law(landscape, t))
    numbers = asdict(found) | {"quadrature": score_md.model_free_energies(landscape, model, t, folder), "mean_square": square}
    save(path, load(landscape, model, folder), about(path) | {"measured": numbers})


def model_card(landscape: str, folder: Path) -> str:
    """Markdown: data, training, what `measure` has written about each network of the landscape in `folder`."""
    surface = get_landscape(landscape)
    known = {model: about(path) for model in MODELS if (path := weights_path(landscape, model, folder)).exists()}
    if not known:
        raise ValueError(f"no network of {landscape} is in {folder}")
    first, *others = surface.basins
    one = next(iter(known.values()))

    def counted(found: dict) -> str:
        pairs = zip(found["values"], found["errors"], strict=True)
        return ", ".join(f"{value:.2f} ± {error:.2f}" if value < math.inf else "nobody there" for value, error in pairs)

    rows = [
        (
            MODELS[model].label,
            f"{n_parameters(load(landscape, model, folder)):,}",
            counted(noted["measured"]["sampling"]),
            counted(noted["measured"]["dynamics"]),
            ", ".join(f"{v:.2f}" for v in noted["measured"]["quadrature"] or ()) or "no density",
            f"{noted['measured']['mean_square']:.3g}" + ("" if MODELS[model].energy else " (curl)"),
        )
        for model, noted in known.items()
    ]
    exact = ", ".join(f"F({basin.mark}) − F({first.mark}) = {v:.2f}" for basin, v in zip(others, one["measured"]["exact"], strict=True))
    seconds = ", ".join(f"{model} {noted['seconds']}" for model, noted in known.items())
    return Card(
        f"Scores for sampling and dynamics on the landscape “{landscape}”",
        "One network draws samples by denoising, and drives Langevin dynamics by its score at a noise time near zero.",
        {
            "Networks": f"`core.numerics.energy_networks`, swish, {one['depth']} hidden layers of {one['width']}; each of "
            "two experts has as many.",
            "Data": f"{one['points']:,} exact draws of `core.crystals.molecular_landscapes`; nothing downloaded.",
            "Training": f"denoising score matching, {one['steps']:,} steps of {one['batch']} points, learning rate "
            f"{one['learning_rate']:g}, seed {one['seed']}; where regularised, the squared residual of the Fokker–Planck equation with "
            f"weight {max(noted['weight'] for noted in known.values()):g}. Seconds on one shared CPU core: {seconds}.",
        },
        "Two dimensions and this one landscape. Passes between the basins are hardly in the data; speeds of crossing are not checked.",
        command=f"n2c train score-md --landscape {SLUGS[landscape]} --steps {one['steps']} --seed {one['seed']}",
        measured=(
            f"Free energies in kT; exactly {exact}. Sampling and dynamics: counted from {score_md.MANY:,} particles each, the dynamics "
            f"starting in one basin at noise time {score_md.T_MIN:g} for τ = {score_md.LONG:g}. Quadrature: of the network's density "
            "there, where the dynamics ends if it is given the time. Last: mean square of the residual there.",
            table(("network", "weights", "sampling", "dynamics", "quadrature", "⟨R²⟩"), rows),
        ),
    ).markdown()


def card_path(landscape: str, folder: Path) -> Path:
    """Where the card of a landscape lies."""
    return Path(folder) / f"dynamics_{SLUGS[landscape]}.md"
