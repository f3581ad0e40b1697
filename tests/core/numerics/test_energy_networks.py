"""Derivatives carried through the layers against autograd, and the residual against laws that obey the equation."""

import math

import pytest
import torch

from core.numerics.energy_networks import (
    EnergyNetwork,
    Jet,
    NoiseNetwork,
    TimeExperts,
    residual,
    time_features,
    time_slopes,
)
from core.numerics.randomness import seeded


def network(periodic):
    with seeded(1):
        return EnergyNetwork(periodic, width=16).double()


def points(n=6):
    g = torch.Generator().manual_seed(0)
    return (torch.randn(n, 2, generator=g, dtype=torch.float64), torch.rand(n, 1, generator=g, dtype=torch.float64))


@pytest.mark.parametrize("periodic", [False, True])
def test_jet_is_what_autograd_finds(periodic):
    net, (x, t) = network(periodic), points()
    x.requires_grad_(), t.requires_grad_()
    log_q = net.log_density(x, t)
    (score,) = torch.autograd.grad(log_q.sum(), x, create_graph=True)
    laplacian = sum(torch.autograd.grad(score[:, d].sum(), x, retain_graph=True)[0][:, d] for d in (0, 1))
    rate = torch.autograd.grad(log_q.sum(), t)[0][:, 0]
    jet = net.jet(x, t)
    for found, exact in zip(jet, (log_q, score, laplacian, rate)):
        assert torch.allclose(found, exact, atol=1e-12)
    assert torch.allclose(net.score(x, t), score, atol=1e-12)


def test_a_periodic_network_is_the_same_after_a_turn_and_a_plane_one_confined():
    (x, t), turn = points(), 2 * math.pi * torch.tensor([1.0, -3.0], dtype=torch.float64)
    assert torch.allclose(network(True).log_density(x + turn, t), network(True).log_density(x, t), atol=1e-10)
    far = torch.tensor([[50.0, 0.0]], dtype=torch.float64)
    assert -1.2 < float(network(False).score(far, t[:1])[0, 0].detach()) / 50 < -0.8  # pull of -x


def test_training_gradients_reach_every_weight_through_the_score():
    net, (x, t) = network(False), points()
    net.score(x, t).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for name, p in net.named_parameters() if name != "out.bias")


def test_slopes_of_the_time_features():
    t = torch.linspace(0, 1, 7, dtype=torch.float64)[:, None]
    step = 1e-6
    assert torch.allclose(time_slopes(t), (time_features(t + step) - time_features(t - step)) / (2 * step), atol=1e-7)


def test_the_residual_of_exact_laws_is_zero_and_of_wrong_ones_not():
    """An Ornstein-Uhlenbeck law N(0, v(t)), v = 1 + (v0 - 1) exp(-B), and a heat kernel of variance v0 + B; beta = 2, B = 2 t."""
    x, t, v0, beta = torch.randn(50, 2, dtype=torch.float64), 0.3, 0.2, 2.0

    def gaussian(v, growth):
        r2 = x.square().sum(1)
        return Jet(-r2 / (2 * v) - math.log(v), -x / v, torch.full_like(r2, -2 / v), r2 / (2 * v * v) * growth - growth / v)

    pulled = 1 + (v0 - 1) * math.exp(-beta * t)
    growth = -beta * (pulled - 1)
    assert float(residual(gaussian(pulled, growth), x, beta, confined=True).abs().max()) < 1e-12
    assert float(residual(gaussian(v0 + beta * t, beta), x, beta, confined=False).abs().max()) < 1e-12
    assert float(residual(gaussian(pulled, 1.2 * growth), x, beta, confined=True).abs().mean()) > 0.05
    assert float(residual(gaussian(pulled, growth), x, 1.2 * beta, confined=True).abs().mean()) > 0.05


def test_each_expert_answers_at_its_own_times():
    with seeded(2):
        experts = TimeExperts(0.25, width=8)
    x = torch.randn(4, 2)
    for t, own in ((0.2499, experts.early), (0.25, experts.late), (1.0, experts.late)):
        at = torch.full((1, 1), t)
        assert torch.equal(experts.score(x, at), own.score(x, at)) and torch.equal(experts.log_density(x, at), own.log_density(x, at))
        assert torch.equal(experts.jet(x, at).rate, own.jet(x, at).rate)
    assert experts.config == dict(boundary=0.25, periodic=False, width=8, depth=3, waves=3)


@pytest.mark.parametrize("periodic", [False, True])
def test_a_noise_network_answers_with_an_arrow(periodic):
    net = NoiseNetwork(periodic, width=8)
    assert net(torch.randn(5, 2), torch.full((1, 1), 0.5)).shape == (5, 2)
