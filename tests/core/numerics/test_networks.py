import math

import pytest
import torch
from safetensors.torch import save_file

from core.numerics.densities import DATASETS, GaussianMixture, get_dataset
from core.numerics.networks import (
    FourierFeatures,
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


def test_a_network_that_knows_the_point_has_no_loss_and_is_asked_at_the_stated_levels():
    """Data at one point: v = a eps - b x_0 is a function of u. Log ratios: a quarter even from 0.003 to 200, the rest N(-1.2, 1.2)."""
    point, asked = torch.tensor([[0.7, -0.4]]), []

    def knowing(u, log_ratio):
        asked.append(log_ratio[:, 0])
        b = torch.sin(torch.atan(log_ratio.exp()))
        a = torch.cos(torch.atan(log_ratio.exp()))
        return a * (u - a * point) / b - b * point

    n = 40_000
    assert float(noise_loss(knowing, point.expand(n, 2), gen(3))) < 1e-3
    even, normal = asked[0][: n // 4], asked[0][n // 4 :]
    low, high = math.log(0.003), math.log(200.0)
    assert low <= float(even.min()) < low + 0.01 and high - 0.01 < float(even.max()) <= high
    assert abs(float(even.mean()) - (low + high) / 2) < 4 * (high - low) / math.sqrt(12 * n / 4)
    assert abs(float(normal.mean()) + 1.2) < 4 * 1.2 / math.sqrt(0.75 * n)
    assert abs(float(normal.std()) - 1.2) < 4 * 1.2 / math.sqrt(1.5 * n)


def test_the_score_of_a_network_that_knows_the_point():
    """eps = b u + a v and score = -eps/sigma give -(x - alpha m)/sigma^2 along every path, VE too."""
    point = torch.tensor([[0.7, -0.4]], dtype=torch.float64)

    class Knowing(ScoreNetwork):
        def forward(self, u, log_ratio):
            b = torch.sin(torch.atan(log_ratio.exp()))
            a = torch.cos(torch.atan(log_ratio.exp()))
            return a * (u - a * point) / b - b * point

    x = torch.randn(6, 2, generator=gen(), dtype=torch.float64)
    for path in (Linear(), get_schedule("linear", "sub-VP"), EDM()):
        score = Knowing().as_score(path)
        for t in (path.time_at(0.1), path.time_at(1.0), path.time_at(5.0)):
            assert torch.allclose(score(x, t), -(x - path.alpha(t) * point) / path.sigma(t) ** 2, rtol=1e-6)


def test_fourier_features_by_value():
    """Normal frequencies of 0.35 turns a length for places, 0.15 for levels; cos and sin of 2 pi f x."""
    network = ScoreNetwork()
    for features, scale, n in ((network.space, 0.35, 48), (network.level, 0.15, 12)):
        spread = float(features.frequencies.square().mean().sqrt()) / (2 * math.pi)
        assert abs(spread / scale - 1) < 4 / math.sqrt(2 * n), "one draw of so many frequencies"
    assert torch.allclose(FourierFeatures(1, 5, 0.2, seed=3).frequencies / (2 * math.pi * 0.2), torch.randn(1, 5, generator=gen(3)))


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
