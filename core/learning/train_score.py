"""Train the small score network on a named data set (`n2c train score`).

Seeded; a run stopped half-way goes on from its checkpoint and ends on the same weights.
"""

from __future__ import annotations

from pathlib import Path

import torch

from core.numerics.cards import Card, table
from core.numerics.densities import get_dataset
from core.numerics.distances import Truth, energy_distance, floor, measure
from core.numerics.integrators import dpm_solver_pp_2m
from core.numerics.networks import ScoreNetwork, n_parameters, noise_loss, save_network
from core.numerics.randomness import seeded
from core.numerics.schedules import Linear
from core.numerics.training import Trainer, TrainingPlan

LEVELS = (0.02, 0.1, 0.3, 1.0, 3.0, 10.0)


def trainer(dataset: str, plan: TrainingPlan, *, batch: int = 1024, width: int = 96) -> Trainer[ScoreNetwork]:
    """A trainer that draws fresh exact samples of `dataset` in every step."""
    density = get_dataset(dataset)
    with seeded(plan.seed):
        network = ScoreNetwork(dim=density.dim, width=width)

    def loss(net: ScoreNetwork, generator: torch.Generator) -> torch.Tensor:
        return noise_loss(net, density.sample(batch, generator), generator)

    return Trainer(network, loss, plan, settings={"dataset": dataset, "batch": batch})


@torch.no_grad()
def score_errors(network: ScoreNetwork, dataset: str, *, n: int = 20_000, seed: int = 1) -> dict[float, float]:
    """Noise ratio -> E|score - exact|^2 / E|exact|^2 over the law of x_t: 0 perfect, 1 as bad as no score."""
    density, schedule, generator = get_dataset(dataset), Linear(), torch.Generator().manual_seed(seed)
    score, errors = network.as_score(schedule), {}
    for ratio in LEVELS:
        t = schedule.time_at(ratio)
        law = density.diffused(schedule, t)
        x = law.sample(n, generator)
        exact = law.score(x)
        errors[ratio] = float((score(x, t) - exact).square().sum() / exact.square().sum())
    return errors


def sample_quality(network: ScoreNetwork, dataset: str, *, n: int = 5000, seed: int = 2) -> Truth:
    """Energy distance of n samples (linear VP, DPM-Solver++(2M), 50 steps in log-SNR) to the data."""
    schedule = Linear()
    data = get_dataset(dataset).diffused(schedule, schedule.t_min)
    x = torch.randn(n, data.dim, generator=torch.Generator().manual_seed(seed))
    *_, x = dpm_solver_pp_2m(network.as_score(schedule), schedule, x, schedule.time_grid(50, spacing="log-SNR"))
    known = floor(energy_distance, data.sample, n, seed=seed, n_repeats=19)  # its mean goes into the card
    return measure(energy_distance, x, data.sample, seed=seed, known_floor=known)


def model_card(dataset: str, network: ScoreNetwork, plan: TrainingPlan, batch: int, seconds: float) -> str:
    """Markdown: data, training, measured error."""
    quality = sample_quality(network, dataset)
    return Card(
        f'Score network for "{dataset}"',
        "Predicts the noise in a noised point. It is told sigma/alpha and not the schedule, so it serves every schedule and variant of "
        "the app.",
        {
            "Network": f"`core.numerics.networks.ScoreNetwork`, {n_parameters(network):,} weights.",
            "Data": f'`core.numerics.densities.DATASETS["{dataset}"]`, drawn afresh in every step; nothing downloaded.',
            "Training": f"denoising score matching, {plan.n_steps:,} steps of {batch:,} points, {seconds:.0f} s on one CPU core; {plan}.",
        },
        "Two dimensions, this one data set; far from the data at low noise the network extrapolates.",
        command=f'n2c train score --dataset "{dataset}" --steps {plan.n_steps} --batch {batch} --seed {plan.seed}',
        measured=(
            "Against the exact score, E|score - exact|^2 / E|exact|^2 over p_t (0 perfect, 1 no score at all):",
            table(
                ("sigma/alpha", "relative error"),
                [(f"{ratio:g}", f"{error:.4f}") for ratio, error in score_errors(network, dataset).items()],
            ),
            f"Energy distance of {quality.floor.n:,} samples (linear VP, DPM-Solver++(2M), 50 steps) to the data: {quality.value:.4f}; "
            f"exact samples score {quality.floor.mean:.4f} ± {quality.floor.std:.4f}.",
        ),
    ).markdown()


def train(
    dataset: str,
    out: Path,
    checkpoint: Path,
    *,
    steps: int = 6000,
    batch: int = 1024,
    width: int = 96,
    seed: int = 0,
    every: int = 500,
) -> None:
    """Write the weights `out` and the card beside them. `checkpoint` is written `every` so many steps, and gone on from if it is there.

    Raises CheckpointError for a checkpoint of another run.
    """
    plan = TrainingPlan(n_steps=steps, seed=seed)
    run = trainer(dataset, plan, batch=batch, width=width)
    if checkpoint.exists():
        run.resume(checkpoint)
        print(f"resuming at step {run.step} from {checkpoint}")
    run.run_with_bar(checkpoint, every=every)
    network = run.averaged
    save_network(network, out, {"dataset": dataset, "steps": str(plan.n_steps), "seed": str(plan.seed)})
    out.with_suffix(".md").write_text(model_card(dataset, network, plan, batch, run.seconds))
    checkpoint.unlink(missing_ok=True)
