"""Boltzmann laws on a grid against Gaussians and mixtures in closed form."""

import math

import pytest
import torch

from core.numerics.distances import ks_1d, ks_floor
from core.numerics.mixture import GaussianMixture
from core.numerics.potentials import DoubleWell, Harmonic, NegativeLogDensity
from core.numerics.quadrature import boltzmann_law

BOX = (-6.0, 6.0, -6.0, 6.0)


def test_a_spring_is_gaussian():
    law = boltzmann_law(Harmonic(2.0), 0.8, BOX)
    assert law.edge_weight < 1e-15
    assert law.mean(lambda x: x[:, 0].square()) == pytest.approx(0.4, abs=1e-12)
    assert law.mean(lambda x: x[:, 0].square()) != pytest.approx(1.2 * 0.4, abs=1e-3)
    at, density = law.marginal(1)
    assert torch.allclose(density, torch.exp(-at.square() / 0.8) / math.sqrt(math.pi * 0.8), atol=1e-12)
    assert float(law.cdf(torch.tensor([0.0]))[0]) == pytest.approx(0.5)
    assert law.cdf(torch.tensor([-9.0, 9.0])).tolist() == pytest.approx([0, 1])


def test_a_mixture_is_itself_at_kT_one():
    mixture = GaussianMixture.of([0.7, 0.3], [[-1.0, 0.5], [1.5, -0.5]], [0.4, 0.6])
    law = boltzmann_law(NegativeLogDensity(mixture), 1.0, BOX)
    x = torch.linspace(-3, 3, 25, dtype=torch.float64)
    assert torch.allclose(law.cdf(x), mixture.to(torch.float64).marginal(0).cdf(x), atol=1e-3)  # linear inside a cell
    assert law.mean(lambda p: p[:, 1]) == pytest.approx(0.7 * 0.5 - 0.3 * 0.5, abs=1e-7)


def test_draws_follow_both_marginals():
    law = boltzmann_law(DoubleWell(2.5, 1.0, 0.25, 20.0), 1.0, (-2.5, 2.5, -2.5, 2.5))
    x, exact = law.sample(8000, torch.Generator().manual_seed(1)), ks_floor(8000)
    other = boltzmann_law(DoubleWell(2.5, 1.0, 0.25, 20.0), 1.2, (-2.5, 2.5, -2.5, 2.5))
    for axis in (0, 1):
        assert ks_1d(x[:, axis], lambda v, a=axis: law.cdf(v, a)) < exact.mean + 4 * exact.std
        assert ks_1d(x[:, axis], lambda v, a=axis: other.cdf(v, a)) > exact.mean + 4 * exact.std


def test_a_temperature_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        boltzmann_law(Harmonic(), 0.0, BOX)


def test_draws_are_even_inside_their_cell():
    """On a coarse grid: the mean of the draws is that of the law, within 4 standard errors; half a cell off is seen."""
    law = boltzmann_law(Harmonic(1.0, 0.4), 1.0, BOX, size=16)
    x = law.sample(20_000, torch.Generator().manual_seed(0)).double()
    for axis in (0, 1):
        error = 4 * float(x[:, axis].std()) / math.sqrt(20_000)
        assert abs(float(x[:, axis].mean()) - law.mean(lambda p, a=axis: p[:, a])) < error < law.cell[axis] / 4
