"""A mixture of wrapped normals against sums over images, the heat equation and its own draws."""

import math

import pytest
import torch

from core.numerics.wrapped_mixture import WrappedMixture, wrap_angle, wrapped_score

MIXTURE = WrappedMixture(
    torch.tensor([0.6, 0.3], dtype=torch.float64),
    torch.tensor([[2.9, -1.0], [0.4, 1.5]], dtype=torch.float64),
    torch.tensor([[0.5, 0.9], [0.3, 2.5]], dtype=torch.float64),
)
POINTS = torch.tensor([[3.1, -3.0], [-3.1, 0.2], [0.5, 1.4], [-0.3, -2.0]], dtype=torch.float64)


def by_images(mixture: WrappedMixture, x: torch.Tensor) -> torch.Tensor:
    shifts = 2 * math.pi * torch.arange(-8, 9, dtype=torch.float64)
    total = torch.full((len(x),), (1 - float(mixture.weights.sum())) / (2 * math.pi) ** 2, dtype=torch.float64)
    for weight, mean, width in zip(mixture.weights, mixture.means, mixture.widths):
        part = [
            torch.exp(-((x[:, d, None] - mean[d] + shifts) ** 2) / (2 * width[d] ** 2)).sum(1) / (math.sqrt(2 * math.pi) * width[d])
            for d in (0, 1)
        ]
        total = total + weight * part[0] * part[1]
    return total


@pytest.mark.parametrize("variance", [0.0, 0.3, 4.0])
def test_density_is_the_sum_over_images_at_every_noise(variance):
    wider = WrappedMixture(MIXTURE.weights, MIXTURE.means, (MIXTURE.widths**2 + variance).sqrt())
    assert torch.allclose(MIXTURE.blurred(variance).log_prob(POINTS).exp(), by_images(wider, POINTS), rtol=1e-10)


def test_score_is_the_slope_of_the_logarithm():
    x = POINTS.clone().requires_grad_()
    (slope,) = torch.autograd.grad(by_images(MIXTURE, x).log().sum(), x)
    assert torch.allclose(MIXTURE.score(POINTS), slope, atol=1e-10)


def test_one_on_the_whole_torus():
    axis = (torch.arange(120, dtype=torch.float64) + 0.5) * (2 * math.pi / 120) - math.pi
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
    assert float(MIXTURE.log_prob(grid).exp().sum()) * (2 * math.pi / 120) ** 2 == pytest.approx(1, abs=1e-9)


def test_draws_have_the_exact_first_waves():
    n = 40_000
    x = MIXTURE.sample(n, torch.Generator().manual_seed(0)).double()
    assert float(x.min()) >= -math.pi and float(x.max()) < math.pi
    exact = (MIXTURE.weights[:, None] * torch.exp(-(MIXTURE.widths**2) / 2) * MIXTURE.means.cos()).sum(0)
    for d in (0, 1):
        cosines = x[:, d].cos()
        assert abs(float(cosines.mean() - exact[d])) < 4 * float(cosines.std()) / math.sqrt(n)


def test_wrapped_score_of_every_noise_level_at_once():
    delta, sigma = torch.tensor([[0.4, -2.9], [1.0, 3.0]]).double(), torch.tensor([[0.5], [2.0]]).double()
    rows = [
        WrappedMixture(torch.ones(1).double(), torch.zeros(1, 2).double(), s.expand(1, 2).double()).score(d[None])[0]
        for d, s in zip(delta, sigma)
    ]
    assert torch.allclose(wrapped_score(delta, sigma), torch.stack(rows), atol=1e-9)


def test_wrap_angle_keeps_the_angle():
    x = torch.tensor([4.0, -4.0, math.pi, 0.1]).double()
    assert torch.allclose(wrap_angle(x).cos(), x.cos()) and float(wrap_angle(x).abs().max()) <= math.pi


def test_shapes_and_weights_that_make_no_law_are_refused():
    with pytest.raises(ValueError, match="one row each"):
        WrappedMixture(torch.ones(2), torch.zeros(1, 2), torch.ones(1, 2))
    with pytest.raises(ValueError, match="sum to at most 1"):
        WrappedMixture(torch.tensor([0.9, 0.2]), torch.zeros(2, 2), torch.ones(2, 2))
