"""Five objectives, one minimum: each exceeds the true error by its own constant, checked on data whose Fisher information is known."""

import math

import pytest
import torch

from core.numerics.mixture import GaussianMixture
from core.numerics.objectives import OBJECTIVES, WEIGHTINGS, draw, loss
from core.numerics.schedules import Linear

SCHEDULE, N, T_MIN = Linear(), 40_000, 0.05
WIDTH = 0.5
DATA = GaussianMixture.of(1.0, [[0.4, -0.2]], WIDTH)
MIXED = GaussianMixture.of([0.7, 0.3], [[1.0, 0.0], [-0.5, 0.8]], [0.4, 0.2])


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def scaled_exact(factor):
    """factor * the exact score of the Gaussian: J = (factor - 1)^2 / 2 times the Fisher information."""

    def model(x, t):
        alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
        return factor * (alpha * DATA.means - x) / (alpha**2 * WIDTH**2 + sigma**2)

    return model


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_is_the_error_plus_its_constant(name, weighting):
    """loss - constant = (c - 1)^2 F within 4 standard errors for c = 1 and 1.2, with F = E lambda D/(alpha^2 s^2 + sigma^2) / 2."""
    batch = draw(DATA, SCHEDULE, N, gen(1), T_MIN)
    fisher = 2 / (batch.alpha**2 * WIDTH**2 + batch.sigma**2)
    weight = WEIGHTINGS[weighting](SCHEDULE, batch.t)
    offset = (weight * OBJECTIVES[name].offset(fisher, 2 / batch.sigma**2)).mean()
    whole = (weight * fisher / 2).mean()
    for factor in (1.0, 1.2):
        values = weight[:, 0] * OBJECTIVES[name].terms(scaled_exact(factor), batch).detach()
        error = 4 * float((values - (weight * OBJECTIVES[name].offset(fisher, 2 / batch.sigma**2))[:, 0]).std()) / math.sqrt(N) + 1e-6
        assert abs(float(values.mean() - offset - (factor - 1) ** 2 * whole)) < error
        if name != "explicit":
            assert abs(float(values.mean() - 1.2 * offset - (factor - 1) ** 2 * whole)) > error


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_gradient_vanishes_at_the_exact_score_and_points_back_to_it(name):
    """d loss / d factor is 0 at 1 within 4 standard errors over batches, and positive at 1.2."""
    slopes = {}
    for value in (1.0, 1.2):
        slopes[value] = []
        for seed in range(16):
            factor = torch.tensor(value, requires_grad=True)
            loss(name, "σ²", scaled_exact(factor), draw(DATA, SCHEDULE, 2000, gen(seed), T_MIN), SCHEDULE).backward()
            slopes[value].append(float(factor.grad))
        slopes[value] = torch.tensor(slopes[value])
    for value, found in slopes.items():
        z = float(found.mean() / (found.std() / 4).clamp_min(1e-7))
        assert (abs(z) < 4) == (value == 1.0), (value, z)


def test_hutchinson_and_sliced_estimate_the_exact_trace():
    """The mean over points of v.(grad s)v against the trace, for a score that is not linear."""
    batch = draw(MIXED, SCHEDULE, N, gen(3), 0.2)

    def model(x, t):
        return MIXED.along(x, SCHEDULE.alpha(t), SCHEDULE.sigma(t))[1]

    exact = OBJECTIVES["implicit"].terms(model, batch).detach()
    for name in ("Hutchinson", "sliced"):
        gap = OBJECTIVES[name].terms(model, batch).detach() - exact
        assert 0 < abs(float(gap.mean())) < 4 * float(gap.std()) / math.sqrt(N)
        assert float(gap.std()) > 0.01
    assert float((OBJECTIVES["sliced"].terms(model, batch).detach() - exact).std()) > float(
        (OBJECTIVES["Hutchinson"].terms(model, batch).detach() - exact).std()
    )  # the price of a Gaussian direction


def test_a_batch_is_what_it_says():
    batch = draw(MIXED, SCHEDULE, 5000, gen(4), T_MIN)
    assert batch.t.min() >= T_MIN and batch.t.max() <= 1 and batch.t[:, 0].diff().gt(0).all()
    assert torch.allclose(batch.alpha**2 + batch.sigma**2, torch.ones(5000, 1), atol=1e-5)
    late = batch.t[:, 0] > 0.9
    assert abs(float(batch.x[late].var()) - 1) < 4 * math.sqrt(2 / (2 * int(late.sum())))


def test_score_along_and_posterior_agree_with_the_diffused_density():
    """`along` at one level is `diffused`; the posterior's mean is Tweedie's, its law Bayes' (log p + log N - log p_t)."""
    t = 0.3
    alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    law, x = MIXED.diffused(SCHEDULE, t), torch.randn(50, 2, generator=gen(5))
    log_p, score = MIXED.along(x, torch.full((50, 1), alpha), torch.full((50, 1), sigma))
    assert torch.allclose(log_p, law.log_prob(x), atol=1e-4) and torch.allclose(score, law.score(x), atol=1e-4)
    posterior = MIXED.posterior(x[0], alpha, sigma)
    mean = posterior.weights @ posterior.means
    assert torch.allclose(mean, MIXED.posterior_mean(x[:1], SCHEDULE, t)[0], atol=1e-5)
    x0 = torch.randn(20, 2, generator=gen(6)) * 0.7
    likelihood = -0.5 * ((x[0] - alpha * x0) / sigma).square().sum(1) - 2 * math.log(sigma) - math.log(2 * math.pi)
    bayes = MIXED.log_prob(x0) + likelihood - law.log_prob(x[:1])
    assert torch.allclose(posterior.log_prob(x0), bayes, atol=1e-3)
    wrong = MIXED.posterior(x[0], alpha, 1.2 * sigma)
    assert not torch.allclose(wrong.log_prob(x0), bayes, atol=1e-2)


def test_the_weights_by_value():
    """At t = 0.4 of the linear schedule: the integral of beta is 1.632, sigma^2 = 1 - exp(-1.632), g^2 = beta = 8.06."""
    t = torch.tensor([[0.4]])
    found = {name: float(weight(SCHEDULE, t)) for name, weight in WEIGHTINGS.items()}
    assert found == pytest.approx({"σ²": 0.804462, "1": 1.0, "g²": 8.06}, rel=1e-4)
