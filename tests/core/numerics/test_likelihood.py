import pytest
import torch

from core.numerics.densities import get_dataset
from core.numerics.likelihood import log_likelihood, trace_divergence
from core.numerics.parametrisation import exact_score, scaled
from core.numerics.schedules import EDM, Linear, get_schedule


@pytest.mark.parametrize("schedule", [Linear(), get_schedule("cosine", "sub-VP"), EDM()], ids=["VP", "sub-VP", "EDM"])
@pytest.mark.parametrize("name", ["three modes", "two moons"])
def test_likelihood_of_the_flow_is_the_exact_density(schedule, name):
    """The error falls as the square of the step until the prior's own mismatch; a wrong score misses by far."""
    data = get_dataset(name).to(torch.float64)
    law = data.diffused(schedule, schedule.t_min)
    x = law.sample(60, torch.Generator().manual_seed(0))
    score, exact = exact_score(data, schedule), law.log_prob(x)

    def rms(model, n_steps):
        times = schedule.time_grid(n_steps, spacing="log-SNR").flip(0)
        return float((log_likelihood(model, schedule, x, times) - exact).square().mean().sqrt())

    coarse, fine = rms(score, 40), rms(score, 160)
    assert fine < 0.02 and fine < max(coarse / 4, 0.006)
    assert rms(scaled(score, 1.2), 160) > 5 * fine


def test_divergence_is_the_trace_of_the_jacobian():
    matrix = torch.tensor([[1.0, 2.0], [-3.0, 0.5]])
    divergence = trace_divergence(lambda x, t: x @ matrix.T + t)
    assert torch.allclose(divergence(torch.randn(7, 2), 0.3), torch.full((7,), 1.5))


def test_times_must_ascend():
    with pytest.raises(ValueError):
        log_likelihood(lambda x, t: -x, Linear(), torch.zeros(1, 2), Linear().time_grid(5))
