"""Losses and outputs of the networks that know labels, on data that are a single point: there every answer has a closed form."""

import math

import pytest
import torch

from core.numerics.conditional import LabelledScoreNetwork, NoisedClassifier, classifier_loss, dropout_loss
from core.numerics.schedules import Linear

POINT = torch.tensor([[0.7, -0.4]])


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


class Knowing(LabelledScoreNetwork):
    """Says v = a eps - b x_0 exactly for data that are all at POINT; keeps the labels and levels that it was told."""

    def forward(self, u, log_ratio, label):
        self.told, self.levels = label, log_ratio
        ratio = log_ratio.exp()
        a = 1 / (1 + ratio**2).sqrt()
        b = ratio * a
        return a * (u - a * POINT) / b - b * POINT


def test_the_score_of_a_point_is_exact():
    """-(x - alpha m)/sigma^2 at every time."""
    score, path, x = Knowing(3).as_score(Linear(), 1), Linear(), torch.randn(6, 2, generator=gen())
    for t in (0.05, 0.3, 0.9):
        assert torch.allclose(score(x, t), -(x - path.alpha(t) * POINT) / path.sigma(t) ** 2, rtol=1e-3, atol=1e-3)


def test_a_knowing_network_has_no_loss_and_a_label_is_dropped_in_15_per_cent():
    n, network = 20_000, Knowing(3)
    label = torch.arange(n) % 3
    found = dropout_loss(network, POINT.expand(n, 2), label, gen(1))
    assert found.item() < 1e-4
    kept = network.told == label
    assert ((network.told == 3) | kept).all()
    assert abs(float((~kept).double().mean()) - 0.15) < 4 * math.sqrt(0.15 * 0.85 / n)


def test_what_the_classifier_is_asked_and_told():
    """log sigma/alpha is normal (-1, 1.5); a noised point is (x + ratio eps)/sqrt(1 + ratio^2); the loss is -log p of the label."""

    class Undecided(NoisedClassifier):
        def forward(self, u, log_ratio):
            self.u, self.levels = u, log_ratio
            return torch.tensor([[0.2, 0.3, 0.5]]).log().expand(len(u), 3)

    n, network = 20_000, Undecided(3)
    found = classifier_loss(network, POINT.expand(n, 2), torch.full((n,), 2), gen(2))
    assert found.item() == pytest.approx(math.log(2), rel=1e-5)
    assert abs(float(network.levels.mean()) + 1) < 4 * 1.5 / math.sqrt(n)
    assert abs(float(network.levels.std()) - 1.5) < 4 * 1.5 / math.sqrt(2 * n)
    ratio = network.levels.exp()
    eps = (network.u * (1 + ratio**2).sqrt() - POINT) / ratio
    wide = ratio[:, 0] > 0.05  # float32 gives the noise back only where there is some
    assert abs(float(eps[wide].std()) - 1) < 4 / math.sqrt(2 * 2 * int(wide.sum()))
