"""Train the networks of the guidance chapter (`n2c train guidance`).

For each labelled data set: one conditional score network with conditioning dropout, one classifier of noised points. Seeded.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import Tensor

from core.learning.labelled import Labelled, get_labelled
from core.numerics.cards import Card, table
from core.numerics.conditional import LabelledScoreNetwork, NoisedClassifier, classifier_loss, dropout_loss, save
from core.numerics.networks import n_parameters, slug
from core.numerics.randomness import seeded
from core.numerics.schedules import Linear
from core.numerics.training import Network, Trainer, TrainingPlan

SCHEDULE, BATCH, DROPOUT = Linear(), 512, 0.15
LEVELS = (0.05, 0.1, 0.3, 1.0, 3.0)


def names(dataset: str) -> tuple[str, str]:
    """Stems of the two weight files."""
    return f"guide_score_{slug(dataset)}", f"guide_classifier_{slug(dataset)}"


def score_trainer(data: Labelled, plan: TrainingPlan) -> Trainer[LabelledScoreNetwork]:
    """With conditioning dropout; draws fresh labelled points in every step."""
    with seeded(plan.seed):
        network = LabelledScoreNetwork(len(data.names))

    def loss(net: LabelledScoreNetwork, generator: torch.Generator) -> Tensor:
        return dropout_loss(net, *data.sample(BATCH, generator), generator, DROPOUT)

    return Trainer(network, loss, plan)


def classifier_trainer(data: Labelled, plan: TrainingPlan) -> Trainer[NoisedClassifier]:
    """Of noised points, fresh ones in every step."""
    with seeded(plan.seed):
        network = NoisedClassifier(len(data.names))

    def loss(net: NoisedClassifier, generator: torch.Generator) -> Tensor:
        return classifier_loss(net, *data.sample(BATCH, generator), generator)

    return Trainer(network, loss, plan)


def _trained(run: Trainer[Network]) -> Network:
    run.finish()
    return run.averaged


@torch.no_grad()
def errors(data: Labelled, score: LabelledScoreNetwork, classifier: NoisedClassifier, *, n: int = 4000) -> dict[float, tuple]:
    """Noise ratio -> E|s - exact|^2 / E|exact|^2 without a label, the same with (mean over labels), and the mean relative entropy in
    nats of the classifier's p(y|x_t) to the exact one."""
    found, generator = {}, torch.Generator().manual_seed(1)
    for ratio in LEVELS:
        t = SCHEDULE.time_at(ratio)
        law = data.density.diffused(SCHEDULE, t)
        x = law.sample(n, generator)
        free = float((score.as_score(SCHEDULE)(x, t) - law.score(x)).square().sum() / law.score(x).square().sum())
        told = []
        for label in range(len(data.names)):
            given = data.given(label).diffused(SCHEDULE, t)
            y = given.sample(n, generator)
            told.append(float((score.as_score(SCHEDULE, label)(y, t) - given.score(y)).square().sum() / given.score(y).square().sum()))
        exact = torch.stack([data.log_class(x, label, law) for label in range(len(data.names))], 1)
        guess = classifier(x, torch.full((1, 1), ratio).log())
        found[ratio] = free, sum(told) / len(told), float((exact.exp() * (exact - guess)).sum(1).mean())
    return found


def card(
    dataset: str, data: Labelled, score: LabelledScoreNetwork, classifier: NoisedClassifier, plan: TrainingPlan, seconds: float
) -> str:
    """Markdown: data, training, measured error."""
    rows = [
        (f"{ratio:g}", f"{free:.4f}", f"{told:.4f}", f"{nats:.5f}") for ratio, (free, told, nats) in errors(data, score, classifier).items()
    ]
    return Card(
        f'Guidance networks for "{dataset}"',
        f"The score with a label or without (this file's name), and p(y | x_t) at every noise level (`{names(dataset)[1]}`).",
        {
            "Network": f"`core.numerics.conditional.LabelledScoreNetwork`, {n_parameters(score):,} weights, and `NoisedClassifier`, "
            f"{n_parameters(classifier):,} weights.",
            "Data": f'`core.learning.labelled.LABELLED["{dataset}"]`, drawn afresh in every step; nothing downloaded.',
            "Training": f"{plan.n_steps:,} steps of {BATCH} points each, the label dropped in {DROPOUT:.0%} of the points for the score; "
            f"{plan}; {seconds:.0f} s of processor time.",
        },
        "Two dimensions, this one data set; strong guidance asks for the score where no training point was.",
        command=f'n2c train guidance --dataset "{dataset}" --steps {plan.n_steps} --seed {plan.seed}',
        measured=(
            "Against the exact answers: E|score - exact|^2 / E|exact|^2 over p_t, without a label and with one (mean over labels), and "
            "the classifier's mean relative entropy to the exact p(y | x_t):",
            table(("sigma/alpha", "no label", "label", "classifier, nats"), rows),
        ),
    ).markdown()


def train(dataset: str, out: Path, *, steps: int = 3000, seed: int = 0) -> str:
    """Write both weights and the card into the folder `out`; returns the card."""
    data, plan = get_labelled(dataset), TrainingPlan(n_steps=steps, ema=0.998, seed=seed)
    start = time.process_time()
    score, classifier = _trained(score_trainer(data, plan)), _trained(classifier_trainer(data, plan))
    for network, name in zip((score, classifier), names(dataset), strict=True):
        save(network, out / f"{name}.safetensors", {"dataset": dataset, "steps": str(steps), "seed": str(seed)})
    text = card(dataset, data, score, classifier, plan, time.process_time() - start)
    (out / f"{names(dataset)[0]}.md").write_text(text)
    return text
