"""Networks that know of labels: a score network with conditioning dropout, and a classifier of noised points.

| equation                                                | name                                             |
|---------------------------------------------------------|--------------------------------------------------|
| s(x, t | y); label dropped in a share of the training   | LabelledScoreNetwork (Ho & Salimans 2022, Alg. 1)|
| p(y | x_t) at every noise level, grad log by autograd   | NoisedClassifier (Dhariwal & Nichol 2021, sec. 4)|
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from core.numerics.manifest import check
from core.numerics.networks import MODELS, RATIO_RANGE, ResidualNetwork, ScoreNetwork, noise_loss, unusable
from core.numerics.schedules import Schedule
from core.numerics.sde import Score
from core.numerics.tensors import save_tensors

Network = TypeVar("Network", bound=nn.Module)


class LabelledScoreNetwork(ResidualNetwork):
    """`ScoreNetwork` in the plane with one more input: a label 0..n_classes-1, or n_classes for “no label”."""

    def __init__(self, n_classes: int, width: int = 64, depth: int = 3):
        super().__init__(2, width, depth, n_space=24, n_level=12)
        self.config = dict(n_classes=n_classes, width=width, depth=depth)
        self.null = n_classes
        self.from_label = nn.Embedding(n_classes + 1, width * depth)

    def forward(self, u: Tensor, log_ratio: Tensor, label: Tensor) -> Tensor:
        """u (N, D), log_ratio (N, 1) or (1, 1), label (N,) or (1,) -> v (N, D)."""
        return self.through(self.into(torch.cat([u, self.space(u)], 1)), self.from_level(self.level(log_ratio)) + self.from_label(label))

    def as_score(self, schedule: Schedule, label: int | None = None) -> Score:
        """The score given a label, or without one; (x (N, D), t) -> (N, D). Variance-preserving paths only."""
        index = torch.tensor([self.null if label is None else label])

        def score(x: Tensor, t: float) -> Tensor:
            ratio = x.new_full((1, 1), schedule.noise_ratio(t))
            with torch.no_grad():
                a = torch.rsqrt(1 + ratio**2)
                v = self(x, ratio.clamp(*RATIO_RANGE).log(), index)
                return torch.addcmul(a * v, x, a * ratio) * (-1 / schedule.sigma(t))

        return score


def dropout_loss(network: LabelledScoreNetwork, x0: Tensor, label: Tensor, generator: torch.Generator, dropout: float = 0.15) -> Tensor:
    """Denoising score matching; each label is replaced by “none” with probability `dropout`."""
    dropped = torch.rand(len(label), generator=generator) < dropout
    conditioning = torch.where(dropped, network.null, label)
    return noise_loss(lambda u, level: network(u, level, conditioning), x0, generator)


class NoisedClassifier(nn.Module):
    """(noised point, noise level) -> log p(y | x_t) (N, C)."""

    def __init__(self, n_classes: int, width: int = 48, depth: int = 2):
        super().__init__()
        self.config = dict(n_classes=n_classes, width=width, depth=depth)
        self.body = ScoreNetwork(width=width, depth=depth)
        self.body.out = nn.Linear(width, n_classes)

    def forward(self, u: Tensor, log_ratio: Tensor) -> Tensor:
        return self.body(u, log_ratio).log_softmax(1)

    def gradient(self, schedule: Schedule, label: int) -> Score:
        """grad_x log p(label | x_t) as a field (x (N, D), t) -> (N, D). Variance-preserving paths only."""

        def field(x: Tensor, t: float) -> Tensor:
            with torch.enable_grad():
                x = x.detach().requires_grad_(True)
                level = x.new_full((1, 1), schedule.noise_ratio(t)).clamp(*RATIO_RANGE).log()
                return torch.autograd.grad(self(x, level)[:, label].sum(), x)[0]

        return field


def classifier_loss(network: NoisedClassifier, x0: Tensor, label: Tensor, generator: torch.Generator) -> Tensor:
    """Cross-entropy of noised points; log noise ratio normal (-1, 1.5), as wide as the score network's."""
    log_ratio = torch.randn(len(x0), 1, generator=generator).mul_(1.5).sub_(1.0)
    ratio = log_ratio.exp()
    u = (x0 + ratio * torch.randn(x0.shape, generator=generator)) * torch.rsqrt(1 + ratio**2)
    return nn.functional.nll_loss(network(u, log_ratio), label)


def save(network: nn.Module, path: Path, metadata: dict[str, str]) -> None:
    """Weights and shape to one safetensors file."""
    save_tensors(path, network.state_dict(), {"config": network.config, **metadata})


def load(kind: type[Network], name: str, folder: Path = MODELS) -> Network:
    """A network of this kind in evaluation mode. Raises ModelMissing when the file is absent or unreadable."""
    path = Path(folder) / f"{name}.safetensors"
    try:
        check(path)
        with safe_open(str(path), framework="pt") as file:
            network = kind(**json.loads(file.metadata()["config"]))
        network.load_state_dict(load_file(str(path)))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise unusable(path, error, "n2c train guidance") from error
    return network.eval().requires_grad_(False)
