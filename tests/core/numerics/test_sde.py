import math
from types import SimpleNamespace

import pytest
import torch

from core.numerics.densities import get_dataset
from core.numerics.integrators import euler_maruyama, heun
from core.numerics.parametrisation import (
    clipped,
    exact_score,
    from_data_model,
    from_noise_model,
    scaled,
    to_data_model,
    to_noise_model,
)
from core.numerics.potentials import Harmonic
from core.numerics.schedules import VARIANTS, get_schedule
from core.numerics.sde import forward_sde, langevin


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("variant", VARIANTS)
def test_forward_moments_match_the_closed_form_jump(variant):
    """Mean alpha x0 and variance sigma^2 within 4 standard errors plus the step's own bias, measured by halving it."""
    schedule, n = get_schedule("linear", variant), 20_000
    x0, sde = torch.full((n, 1), 1.5, dtype=torch.float64), forward_sde(schedule)

    def moments(n_steps):
        *_, x = euler_maruyama(sde, x0, torch.linspace(0, 0.5, n_steps + 1, dtype=torch.float64), generator=gen())
        return float(x.mean()), float(x.var())

    mean, variance = moments(800)
    alpha, sigma = schedule.alpha(0.5), schedule.sigma(0.5)
    bias_mean, bias_variance = (2 * abs(a - b) for a, b in zip((mean, variance), moments(400)))
    assert abs(mean - 1.5 * alpha) < 4 * sigma / math.sqrt(n) + bias_mean
    tolerance = 4 * sigma**2 * math.sqrt(2 / n) + bias_variance
    assert abs(variance - sigma**2) < tolerance < 0.2 * sigma**2


@pytest.mark.parametrize("dt", [0.1, 0.5, 1.0])
def test_stationary_variance_of_the_discretised_equation(dt):
    """Harmonic well: Euler-Maruyama settles at kT/k / (1 - k dt/2), not at kT/k."""
    k, kT, n = 1.3, 0.7, 40_000
    sde = langevin(SimpleNamespace(force=lambda x: -k * x), kT=kT)
    times = torch.arange(0, 12, dt, dtype=torch.float64)
    x = torch.randn(n, 1, generator=gen(1), dtype=torch.float64) * math.sqrt(kT / k / (1 - k * dt / 2))
    *_, x = euler_maruyama(sde, x, times, generator=gen(2))
    expected = kT / k / (1 - k * dt / 2)
    tolerance = 4 * expected * math.sqrt(2 / n)
    assert abs(float(x.square().mean()) - expected) < tolerance
    assert abs(1.2 * expected - expected) > 2 * tolerance


def test_probability_flow_and_reverse_share_their_marginal():
    """The forward law pushed 0.2 -> 0.6 by the noiseless flow is the exact law at 0.6."""
    schedule, data = get_schedule("linear"), get_dataset("three modes").to(torch.float64)
    x = data.diffused(schedule, 0.2).sample(8000, gen())
    flow = forward_sde(schedule).probability_flow(exact_score(data, schedule))
    *_, x = heun(flow, x, torch.linspace(0.2, 0.6, 41, dtype=torch.float64))
    law = data.diffused(schedule, 0.6)
    from core.numerics.distances import ks_1d

    assert max(ks_1d(x[:, a], law.marginal(a).cdf) for a in (0, 1)) * math.sqrt(len(x)) < 2.23


def test_parametrisations_are_one_model():
    schedule = get_schedule("cosine", "sub-VP")
    score = exact_score(get_dataset("two moons").to(torch.float64), schedule)
    x = torch.randn(50, 2, generator=gen(), dtype=torch.float64)
    for t in (0.05, 0.5, 0.9):
        for there, back in ((to_noise_model, from_noise_model), (to_data_model, from_data_model)):
            again = back(there(score, schedule), schedule)
            assert torch.allclose(again(x, t), score(x, t), rtol=1e-9, atol=1e-9)
        bounded = to_data_model(clipped(score, schedule, 0.3), schedule)(x, t)
        assert bounded.abs().max() <= 0.3 + 1e-12
        assert torch.allclose(scaled(score, -1)(x, t), -score(x, t))
    wide = clipped(score, schedule, 50.0)
    assert torch.allclose(wide(x, 0.5), score(x, 0.5))


def test_langevin_refuses_impossible_constants():
    with pytest.raises(ValueError):
        langevin(None, kT=-1)
    with pytest.raises(ValueError):
        langevin(None, kT=1, friction=0)


def test_langevin_by_hand():
    """dx = force/friction dt + sqrt(2 kT/friction) dB: a spring of 3 with friction 4 at kT 0.5."""
    sde = langevin(Harmonic(3.0), 0.5, friction=4.0)
    assert sde.drift(torch.tensor([[2.0]]), 0.0).item() == pytest.approx(-1.5) and sde.diffusion(0.0) == pytest.approx(0.5)
