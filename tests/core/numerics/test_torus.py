"""The wrapped normal against its two series, its own derivative and its samples."""

import math

import pytest
import torch

from core.numerics.torus import (
    CROSSOVER,
    FEW,
    WrappedNormal,
    embed,
    geodesic,
    measured_order,
    nearest_image_score,
    order,
    shortest,
    truncation_error,
    wrap,
    wrapped_normal,
    wrapped_normal_cdf,
    wrapped_normal_log_prob,
    wrapped_normal_quantile,
    wrapped_normal_score,
    wrapped_normal_score_rms,
)

WIDTHS = [0.01, 0.1, FEW, FEW + 1e-6, 0.25, CROSSOVER, CROSSOVER + 1e-6, 0.4, 1.0]


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(17)


@pytest.fixture
def delta():
    return torch.linspace(-0.5, 0.5, 401, dtype=torch.float64)


@pytest.mark.parametrize("sigma", WIDTHS)
def test_the_series_are_the_long_sum_over_images(sigma, delta):
    long_sum = wrapped_normal_log_prob(delta, sigma, n_images=40)
    assert torch.allclose(wrapped_normal_log_prob(delta, sigma), long_sum, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sigma", WIDTHS)
def test_the_score_is_the_gradient_of_the_log_density(sigma, delta):
    x = delta.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(wrapped_normal_log_prob(x, sigma, n_images=40).sum(), x)
    (own,) = torch.autograd.grad(wrapped_normal_log_prob(x, sigma).sum(), x)
    scale = gradient.abs().max()
    for score in (wrapped_normal_score(delta, sigma), own):
        assert ((score - gradient).abs() <= 1e-12 * scale + 1e-13).all()
    assert ((wrapped_normal_score(delta.float(), sigma) - gradient).abs() <= 1e-5 * scale).all()
    assert not ((wrapped_normal_score(delta, 1.2 * sigma) - gradient).abs() <= 1e-2 * scale).all()


def test_score_broadcasts_one_width_per_sample_and_is_periodic(delta):
    sigma = torch.tensor(WIDTHS, dtype=torch.float64)[:, None]
    together = wrapped_normal_score(delta + 3, sigma)
    apart = torch.stack([wrapped_normal_score(delta, s) for s in WIDTHS])
    interior = delta.abs() < 0.499
    assert torch.allclose(together[:, interior], apart[:, interior], rtol=1e-9, atol=1e-9)


def test_density_integrates_to_one():
    x = torch.arange(4096, dtype=torch.float64) / 4096
    for sigma in WIDTHS:
        assert float(wrapped_normal_log_prob(x, sigma).exp().mean()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("n_images", [0, 1, 2])
@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.5, 1.0])
def test_truncation_bound_holds_and_is_no_waste(sigma, n_images, delta):
    exact = wrapped_normal_log_prob(delta, sigma).exp()
    missing = float((exact - wrapped_normal_log_prob(delta, sigma, n_images=n_images).exp()).abs().max())
    bound = truncation_error(sigma, n_images)
    assert missing <= bound + 1e-14
    assert missing > bound / 3 - 1e-14


def test_noise_then_wrap_is_the_wrapped_normal(rng):
    """Every wave of the sample decays as exp(-2 pi^2 n^2 sigma^2), the exact rate to uniform."""
    law = WrappedNormal(torch.tensor([0.9, 0.2]), 0.25)
    x = law.sample(100_000, rng)
    assert x.min() >= 0 and x.max() < 1
    for n in (1, 2):
        mean, error = measured_order(x - law.mean, n)
        assert abs(mean - float(order(0.25, n))) < 4 * error
    mean, error = measured_order(x - law.mean)
    assert abs(mean - float(order(1.2 * 0.25))) > 4 * error
    assert abs(mean - math.exp(-1.2 * 2 * math.pi**2 * 0.25**2)) > 4 * error


def test_the_true_score_has_zero_mean_and_the_torn_one_does_not(rng):
    """Stein on a torus, no boundary term: E[score sin 2 pi d + 2 pi cos 2 pi d] = 0 for the score of the sampled law."""
    sigma = 0.3
    law = WrappedNormal(torch.tensor([0.0], dtype=torch.float64), sigma)
    d = law.sample(100_000, rng)[:, 0]

    def stein(score):
        values = score * torch.sin(2 * math.pi * d) + 2 * math.pi * torch.cos(2 * math.pi * d)
        return abs(float(values.mean())) / (float(values.std()) / math.sqrt(len(d)))

    assert stein(wrapped_normal_score(d, sigma)) < 4
    assert stein(wrapped_normal_score(d, 1.2 * sigma)) > 4
    assert stein(nearest_image_score(d, sigma)) > 4


@pytest.mark.parametrize("sigma", [0.02, 0.15, 0.35, 0.8])
def test_score_rms_is_the_sampled_one(sigma, rng):
    score = wrapped_normal_score(sigma * torch.randn(200_000, generator=rng, dtype=torch.float64), sigma)
    square = score.square()
    error = 4 * float(square.std()) / math.sqrt(len(square))
    table = float(wrapped_normal_score_rms(sigma))
    assert abs(float(square.mean()) - table**2) < error
    assert abs(float(square.mean()) - float(wrapped_normal_score_rms(1.2 * sigma)) ** 2) > error
    assert abs(float(square.mean()) - 1.2 * table**2) > error


def test_score_rms_limits_and_shape():
    sigma = torch.tensor([[0.005, 0.03], [1.2, 1.7]])
    rms = wrapped_normal_score_rms(sigma)
    assert rms.shape == sigma.shape and rms.dtype == sigma.dtype
    assert torch.allclose(rms[0], 1 / sigma[0], rtol=1e-5)
    wide = 2 * math.sqrt(2) * math.pi * torch.exp(-2 * math.pi**2 * sigma[1].double().square())
    assert torch.allclose(rms[1].double(), wide, rtol=2e-5)
    beyond = math.log(float(wrapped_normal_score_rms(torch.tensor(2.5, dtype=torch.float64))))
    assert beyond == pytest.approx(math.log(2 * math.sqrt(2) * math.pi) - 2 * math.pi**2 * 2.5**2, rel=1e-7)
    assert torch.isfinite(wrapped_normal_score_rms(torch.tensor([0.0001, 3.0]))).all()


def test_wrap_and_shortest_displacement():
    x = torch.tensor([-1e-9, 0.0, 1.0, 2.75, -0.25])
    assert wrap(x).tolist() == [0.0, 0.0, 0.0, 0.75, 0.75]
    a, b = torch.tensor([0.9, 0.1]), torch.tensor([0.1, 0.3])
    assert torch.allclose(shortest(a, b), torch.tensor([0.2, 0.2]), atol=1e-6)
    assert torch.allclose(geodesic(a, b, 0.5), torch.tensor([0.0, 0.2]), atol=1e-6)
    assert torch.allclose(geodesic(a, b, 1.0), b, atol=1e-6)


def test_embedding_is_periodic_and_keeps_small_distances():
    x = torch.tensor([[0.999, 0.5]], dtype=torch.float64)
    y = torch.tensor([[0.001, 0.5]], dtype=torch.float64)
    assert float((embed(x) - embed(y)).norm()) == pytest.approx(0.002, rel=1e-4)
    assert torch.allclose(embed(x), embed(x + 1))


def test_diffusing_adds_variances_and_bad_laws_are_refused():
    class Exploding:
        def sigma(self, t):
            return 0.4 * t

    law = WrappedNormal(torch.zeros(3), 0.3).diffused(Exploding(), 1.0)
    assert law.sigma == pytest.approx(0.5)
    with pytest.raises(ValueError):
        WrappedNormal(torch.zeros(3), 0.0)


@pytest.mark.parametrize("sigma", [0.01, 0.2, 0.5, 1.5])
@pytest.mark.parametrize("n_images", [None, 0, 1])
def test_distribution_function_and_its_inverse(sigma, n_images):
    d = torch.linspace(-0.5, 0.5, 4001, dtype=torch.float64)
    below = wrapped_normal_cdf(d, sigma, n_images=n_images)
    density = wrapped_normal_log_prob(d, sigma, n_images=n_images).exp()
    summed = torch.cumulative_trapezoid(density, d)
    assert torch.allclose(below[1:], summed / summed[-1], atol=1e-3 if sigma < 0.1 else 1e-6)
    assert (float(below[0]), float(below[-1])) == (0, 1)
    share = torch.linspace(1e-6, 1 - 1e-6, 999, dtype=torch.float64)
    found = wrapped_normal_quantile(share, sigma, n_images=n_images)
    assert torch.allclose(wrapped_normal_cdf(found, sigma, n_images=n_images), share, atol=1e-9)
    assert wrapped_normal_quantile(torch.tensor([0.0, 1.0]), sigma).abs().max() <= 0.5


def test_a_truncated_score_is_the_gradient_of_the_truncated_density(delta):
    x = delta[1:-1].clone().requires_grad_()
    for n_images in (0, 1, 3):
        (gradient,) = torch.autograd.grad(wrapped_normal_log_prob(x, 0.5, n_images=n_images).sum(), x)
        assert torch.allclose(wrapped_normal_score(x, 0.5, n_images=n_images), gradient, atol=1e-10)
    assert torch.equal(wrapped_normal_score(x, 0.5, n_images=0), nearest_image_score(x, 0.5))


@pytest.mark.parametrize("sigma", WIDTHS)
def test_density_and_score_at_once_are_the_two(sigma, delta):
    log_prob, score = wrapped_normal(delta + 3, sigma)
    torch.testing.assert_close(log_prob, wrapped_normal_log_prob(delta, sigma), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(score, wrapped_normal_score(delta, sigma), rtol=1e-11, atol=1e-11 / sigma**2)


def test_the_truncation_bound_by_value():
    """The first image left out, N(n + 1/2; 0, sigma^2), its opposite one and the geometric rest: for sigma = 0.5 and none kept."""
    first = math.exp(-0.5 * (0.5 / 0.5) ** 2) / (math.sqrt(2 * math.pi) * 0.5)
    assert truncation_error(0.5, 0) == pytest.approx(first * (1 + math.exp(-2.0)) / (1 - math.exp(-4.0)))
