import math

import pytest
import torch
from safetensors.torch import save_file

from core.numerics.densities import DATASETS, GaussianMixture, get_dataset
from core.numerics.networks import (
    ModelMissing,
    ScoreNetwork,
    load_network,
    load_score_network,
    noise_loss,
    save_network,
    trained_datasets,
    weights_path,
)
from core.numerics.schedules import EDM, SCHEDULES, VARIANTS, Linear, get_schedule


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def test_one_network_serves_every_schedule():
    """score_t(x) = score_VE(x / alpha) / alpha at equal noise ratio: schedules are views of one family of laws."""
    network = load_score_network("three modes").to(torch.float64)
    x_ve = torch.randn(40, 2, generator=gen(), dtype=torch.float64) * 1.5
    reference = network.as_score(EDM())(x_ve, EDM().time_at(0.6))
    for name in SCHEDULES:
        for variant in VARIANTS:
            schedule = get_schedule(name, variant)
            t = schedule.time_at(0.6)
            alpha = schedule.alpha(t)
            assert torch.allclose(network.as_score(schedule)(alpha * x_ve, t) * alpha, reference, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", DATASETS)
def test_shipped_weights_know_the_score(name):
    """Relative squared error below 2% where the score is hard (sigma/alpha 0.1 to 3); 1.2 times it is above."""
    score, schedule = load_score_network(name).as_score(Linear()), Linear()
    for ratio in (0.1, 0.3, 1.0, 3.0):
        law = get_dataset(name).diffused(schedule, schedule.time_at(ratio))
        x = law.sample(4000, gen())
        exact, guess = law.score(x), score(x, schedule.time_at(ratio))
        assert (guess - exact).square().sum() / exact.square().sum() < 0.02
        assert (1.2 * guess - exact).square().sum() / exact.square().sum() > 0.02


def test_the_loss_is_least_at_the_conditional_mean():
    """Among scalings c of the exact v = E[v|u], the loss has its minimum at c = 1 within 4 standard errors."""
    data = GaussianMixture.of(1.0, [[0.5, -0.3]], 0.8)

    class Exact(torch.nn.Module):
        factor = 1.0

        def forward(self, u, log_ratio):
            ratio = log_ratio.exp()
            a = torch.rsqrt(1 + ratio**2)
            b = a * ratio
            variance = (a * 0.8) ** 2 + b**2
            eps = b * (u - a * data.means) / variance
            x0 = data.means + a * 0.64 * (u - a * data.means) / variance
            return self.factor * (a * eps - b * x0)

    x0, losses = data.sample(60_000, gen(1)), []
    for Exact.factor in (0.8, 1.0, 1.2):
        losses.append(float(noise_loss(Exact(), x0, gen(2))))
    curvature = (losses[0] + losses[2] - 2 * losses[1]) / 0.04
    best = 1 + (losses[0] - losses[2]) / (2 * 0.2 * curvature)
    assert losses[1] < min(losses[0], losses[2])
    assert abs(best - 1) < 0.03  # 4 / sqrt(2 * 60,000) relative, doubled for the spread over noise levels


def test_gradients_reach_x_but_no_graph_is_kept_otherwise():
    score = ScoreNetwork(width=16).as_score(Linear())
    assert not score(torch.zeros(3, 2), 0.5).requires_grad
    assert score(torch.zeros(3, 2, requires_grad=True), 0.5).requires_grad


def test_weights_survive_a_round_trip_and_damage_is_named(tmp_path):
    network, path = ScoreNetwork(width=16, depth=2), tmp_path / "score_x.safetensors"
    save_network(network, path)
    u, level = torch.randn(5, 2, generator=gen()), torch.tensor([[math.log(0.3)]])
    assert torch.equal(load_network(path)(u, level), network(u, level))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelMissing, match="n2c train score"):
        load_network(path)
    save_file({"a": torch.zeros(1)}, str(path))
    with pytest.raises(ModelMissing):
        load_network(path)
    with pytest.raises(ModelMissing, match="No network was trained for 'moons'"):
        load_score_network("moons", tmp_path)


def test_shipped_files_are_small_and_carry_a_card():
    assert {"three modes", "two moons", "spirals"} <= set(trained_datasets())
    for name in trained_datasets():
        path = weights_path(name)
        assert path.stat().st_size < 1_000_000
        card = path.with_suffix(".md").read_text()
        assert "Against the exact score" in card and "Reproduce" in card
