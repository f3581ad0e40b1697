"""A density on a grid against the same density in closed form."""

import math

import pytest
import torch

from core.numerics.distances import measure, sliced
from core.numerics.mixture import GaussianMixture
from core.numerics.schedules import Linear
from core.numerics.tabulated import Tabulated

EXACT = GaussianMixture.of([0.6, 0.4], [[0.8, -0.3], [-0.7, 0.5]], [0.4, 0.2], torch.float64)
TABLE = Tabulated.of(lambda x: EXACT.log_prob(x) + 5.0)  # a constant drops out
SCHEDULE = Linear()


@pytest.mark.parametrize("t", [0.02, 0.1, 0.5, 1.0])
def test_log_density_and_score_at_every_noise_level(t):
    law, table = EXACT.diffused(SCHEDULE, t), TABLE.diffused(SCHEDULE, t)
    x = law.sample(500, torch.Generator().manual_seed(1))
    assert (table.log_prob(x) - law.log_prob(x)).abs().max() < 0.01
    gap = (table.score(x) - law.score(x)).norm(dim=1) / law.score(x).norm(dim=1).mean()
    assert gap.max() < 0.02
    off = EXACT.diffused(SCHEDULE, min(1.0, 1.2 * t)) if t < 1 else GaussianMixture.of(1.0, [[0.0, 0.0]], 1.2, torch.float64)
    assert (table.log_prob(x) - off.log_prob(x)).abs().max() > 0.01


def test_draws_means_and_the_edge():
    n = 4000
    assert measure(sliced, TABLE.sample(n, torch.Generator().manual_seed(2)).double(), EXACT.sample, seed=3).z < 4
    mean = TABLE.mean(lambda x: torch.cat([x, x.square().sum(1, keepdim=True)], 1))
    exact = EXACT.weights @ EXACT.means
    assert torch.allclose(mean[:2], exact, atol=1e-6)
    assert float(mean[2]) == pytest.approx(float(EXACT.weights @ (EXACT.means.square().sum(1) + 2 * EXACT.scales**2)), abs=1e-6)
    noised = TABLE.diffused(SCHEDULE, 1.0)
    outside = torch.tensor([[-5.0, 0.5]], dtype=torch.float64)
    assert torch.allclose(noised.score(outside), -outside, atol=0.05)
    assert float(noised.log_prob(outside)) == pytest.approx(-0.5 * 25.25 - math.log(2 * math.pi), abs=0.1)


def test_shapes_are_checked():
    with pytest.raises(ValueError):
        Tabulated(torch.linspace(-1, 1, 5), torch.ones(4, 5))


def test_a_wide_blur_is_computed_on_fewer_points_and_the_grid_of_a_picture_exactly():
    law, table = EXACT.diffused(SCHEDULE, 0.5), TABLE.diffused(SCHEDULE, 0.5)
    assert len(table.axis) < len(TABLE.axis) == len(TABLE.diffused(SCHEDULE, 0.05).axis)
    assert float(table.weights.sum()) == pytest.approx(1.0)
    xs, ys = torch.linspace(-2, 2, 5, dtype=torch.float64), torch.linspace(-1, 3, 3, dtype=torch.float64)
    points = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1).reshape(-1, 2)
    p, px, py = (field.flatten() for field in table.fields(xs, ys))
    assert torch.allclose(p.log(), law.log_prob(points), atol=1e-6)
    assert torch.allclose(torch.stack([px / p, py / p], 1), law.score(points), atol=1e-5)


def test_a_grid_of_even_weights_is_smooth_and_noise_adds_up():
    """Gaussians of 0.7 spacings: p differs by 2 exp(-2 pi^2 0.7^2) = 1.3e-4 between the points and half-way; blurs add in quadrature."""
    axis = torch.linspace(-4, 4, 41, dtype=torch.float64)
    flat = Tabulated(axis, torch.full((41, 41), 1 / 41**2, dtype=torch.float64))
    here, between = torch.tensor([0.0, 0.1], dtype=torch.float64)[:, None]
    ratio = float(flat.fields(here, here)[0] / flat.fields(between, here)[0])
    assert abs(ratio - 1) < 3e-4
    twice = TABLE.diffused(SCHEDULE, 0.2).diffused(SCHEDULE, 0.3)
    assert twice.blur == pytest.approx(math.hypot(SCHEDULE.alpha(0.3) * SCHEDULE.sigma(0.2), SCHEDULE.sigma(0.3)))
    x = flat.diffused(SCHEDULE, 1.0).sample(20_000, torch.Generator().manual_seed(0))
    assert abs(float(x.var()) - 1) < 4 * math.sqrt(2 / 40_000) < 0.2
