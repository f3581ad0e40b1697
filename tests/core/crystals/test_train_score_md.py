"""Training of the score networks: what is drawn, what is asked, and that a stopped run ends where it would have ended."""

import math
from dataclasses import replace

import pytest
import torch

from core.commands import train_score_md as command
from core.crystals import score_md, score_networks, train_score_md
from core.crystals.molecular_landscapes import get_landscape
from core.crystals.train_score_md import Recipe, energy_loss, trainer
from core.numerics.energy_networks import EnergyNetwork, TimeExperts
from core.numerics.networks import ModelMissing
from core.numerics.randomness import seeded
from core.numerics.training import TrainingPlan

MB, TORUS = "Müller–Brown", "two dihedrals"
SMALL = Recipe(points=200, batch=32, width=8)


class ExactTorus(EnergyNetwork):
    """The torus at one noise time, as a network that has learned everything."""

    def __init__(self, t):
        super().__init__(True, width=4)
        self.t, self.law = t, get_landscape(TORUS).diffused(t)

    def score(self, x, t):
        return self.law.score(x)


def test_the_loss_is_least_at_the_exact_score():
    """E|sigma (s - target)|^2 exceeds its least value by E|sigma (s - exact)|^2: here by 0.1^2 sigma^2 D for an error of 0.1."""
    surface, t, n = get_landscape(TORUS), 0.1, 4000
    x0 = surface.law.sample(n, torch.Generator().manual_seed(0))
    at, exact = torch.full((n, 1), t), ExactTorus(t)
    best = float(energy_loss(exact, surface, x0, at, torch.Generator().manual_seed(1)))
    exact.score = lambda x, t: exact.law.score(x) + 0.1
    worse = float(energy_loss(exact, surface, x0, at, torch.Generator().manual_seed(1)))
    sigma2 = float(surface.sigma(torch.tensor(t))) ** 2
    assert worse - best == pytest.approx(0.02 * sigma2, abs=4 * 0.2 * math.sqrt(sigma2 * 2 / n))
    assert worse > best - 1e-9


def test_the_regulariser_adds_its_weight_times_the_squared_residual():
    surface = get_landscape(MB)
    with seeded(0):
        network = EnergyNetwork(False, width=8)
    x0 = surface.law.sample(64, torch.Generator().manual_seed(0))
    t = torch.linspace(0.01, 0.9, 64)[:, None]
    plain, one, ten = (float(energy_loss(network, surface, x0, t, torch.Generator().manual_seed(1), w).detach()) for w in (0.0, 1.0, 10.0))
    assert one > plain and ten - plain == pytest.approx(10 * (one - plain), rel=1e-4)
    x, _ = surface.noised(x0, t, torch.Generator().manual_seed(1))
    jet, beta = network.jet(x, t), 0.1 + 19.9 * t[:, 0]
    off = beta / 2 * (jet.laplacian + jet.score.square().sum(1) + (x * jet.score).sum(1) + 2) - jet.rate
    assert one - plain == pytest.approx(float(off.square().mean().detach()) / 4, rel=1e-4)


@pytest.mark.parametrize("model", ["plain", "regularised", "experts"])
def test_a_stopped_run_ends_on_the_weights_of_an_unbroken_one(model, tmp_path):
    plan = TrainingPlan(n_steps=6, seed=3)
    whole = trainer(TORUS, model, SMALL, plan)
    whole.finish()
    broken = trainer(TORUS, model, SMALL, plan)
    for progress in broken.run():
        if progress.step == 4:
            broken.save(tmp_path / "c.safetensors")
            break
    again = trainer(TORUS, model, SMALL, plan)
    again.resume(tmp_path / "c.safetensors")
    again.finish()
    assert again.step == 6
    for a, b in zip(whole.averaged.state_dict().values(), again.averaged.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_each_expert_learns_on_its_own_times(monkeypatch):
    seen = []
    loss = train_score_md.energy_loss
    monkeypatch.setattr(train_score_md, "energy_loss", lambda net, *rest: seen.append((net, rest[2], *rest[4:])) or loss(net, *rest))
    run = trainer(MB, "experts", replace(SMALL, batch=1000), TrainingPlan(n_steps=1))
    run.finish()
    (early, t_early, *none), (late, t_late, *nothing) = seen
    assert isinstance(run.network, TimeExperts) and early is run.network.early and late is run.network.late
    assert 0.001 <= float(t_early.min()) < 0.003 and float(t_early.max()) <= 0.1 <= float(t_late.min()) and float(t_late.max()) <= 1
    assert none == nothing == []  # without the regulariser


def test_the_regularised_network_is_trained_with_the_weight_of_the_recipe(monkeypatch):
    seen = []
    loss = train_score_md.energy_loss
    monkeypatch.setattr(train_score_md, "energy_loss", lambda *given: seen.append(given[5:]) or loss(*given))
    for model in ("energy", "regularised"):
        trainer(MB, model, SMALL, TrainingPlan(n_steps=1)).finish()
    assert seen == [(0.0,), (3e-3,)]


def test_the_command_writes_weights_that_load_and_their_card(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(score_md, "MANY", 100)
    monkeypatch.setattr(score_md, "LONG", 0.5)
    arguments = f"--landscape dihedrals --model experts --steps 2 --batch 8 --points 50 --out {tmp_path} --runs {tmp_path / 'runs'}"
    assert command.score_md(arguments.split()) == 0
    network = score_networks.load(TORUS, "experts", tmp_path)
    assert isinstance(network, TimeExperts) and not any(p.requires_grad for p in network.parameters())
    assert not list((tmp_path / "runs").glob("*")) and "wrote" in capsys.readouterr().out
    card = (tmp_path / "dynamics_dihedrals.md").read_text()
    assert card == train_score_md.model_card(TORUS, tmp_path)
    numbers = train_score_md.about(score_networks.weights_path(TORUS, "experts", tmp_path))["measured"]
    assert f"| {numbers['mean_square']:.3g} |" in card and f"{numbers['quadrature'][1]:.2f}" in card and "F(αL) − F(β) = 1.31" in card
    with pytest.raises(ModelMissing, match="n2c train score-md --landscape dihedrals --model plain"):
        score_networks.load(TORUS, "plain", tmp_path)
