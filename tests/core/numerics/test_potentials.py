"""Forces against autograd, landmarks against the literature, Boltzmann densities against closed forms."""

import math

import pytest
import torch

from core.numerics.potentials import (
    POTENTIALS,
    DoubleWell,
    Harmonic,
    MullerBrown,
    NegativeLogDensity,
    Periodic,
    TwoBasins,
    boltzmann_density,
    energy_and_force,
)

CASES = [
    (Harmonic(2.5, 0.3), 3),
    (DoubleWell(3.0, 1.4, 0.7, 2.0), 1),
    (DoubleWell(3.0, 1.4, 0.7, 2.0), 3),
    (Periodic(1.5, 0.8, 0.4), 2),
    (MullerBrown(0.05), 2),
    (NegativeLogDensity(), 2),
    (TwoBasins((3.0, 2.0), (0.3, 0.9), tilt=0.4), 1),
    (TwoBasins(tilt=-0.2), 2),
]


@pytest.mark.parametrize("potential, dim", CASES)
def test_force_is_minus_the_gradient_of_energy(potential, dim):
    x = torch.randn(64, dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before = x.clone()
    y = x.clone().requires_grad_()
    energy = potential.energy(y)
    (gradient,) = torch.autograd.grad(energy.sum(), y)
    force = potential.force(x)
    assert energy.shape == (64,) and force.shape == (64, dim) and torch.equal(x, before)
    assert torch.allclose(force, -gradient, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(1.2 * force, -gradient, rtol=1e-12, atol=1e-12)


def test_every_potential_is_registered_and_opens_with_defaults():
    assert {type(p) for p, _ in CASES} == set(POTENTIALS.values())
    for make in POTENTIALS.values():
        assert make().energy(torch.zeros(4, 2)).shape == (4,)


@pytest.mark.parametrize(
    "point, energy", [((-0.558224, 1.441726), -146.6995), ((0.623499, 0.028038), -108.1667), ((-0.050011, 0.466694), -80.7678)]
)
def test_muller_brown_minima_are_the_published_ones(point, energy):
    x = torch.tensor([point], dtype=torch.float64)
    assert float(MullerBrown().energy(x)) == pytest.approx(energy, abs=1e-3)
    assert float(MullerBrown().force(x).abs().max()) < 0.01
    assert float(MullerBrown(0.1).energy(x)) == pytest.approx(0.1 * energy, abs=1e-3)


def test_double_well_landmarks():
    well, h = DoubleWell(barrier=5.0, half_distance=2.0), 1e-4
    x = torch.tensor([[-2.0], [0.0], [2.0]], dtype=torch.float64)
    assert well.energy(x).tolist() == [0.0, 5.0, 0.0] and float(well.force(x).abs().max()) == 0
    curvature = -(well.force(x + h) - well.force(x - h))[:, 0] / (2 * h)
    assert curvature.tolist() == pytest.approx([8 * 5 / 4, -4 * 5 / 4, 8 * 5 / 4], abs=1e-6)
    tilted = DoubleWell(barrier=5.0, tilt=0.5).energy(torch.tensor([[-1.0], [1.0]]))
    assert float(tilted[1] - tilted[0]) == pytest.approx(1.0)


def test_periodic_repeats_and_runs_downhill():
    flat, tilted = Periodic(2.0, 0.7), Periodic(2.0, 0.7, 0.5)
    x = torch.linspace(-1, 1, 21, dtype=torch.float64)[:, None]
    assert torch.allclose(flat.energy(x), flat.energy(x + 0.7), atol=1e-12)
    assert torch.allclose(tilted.energy(x + 0.7) - tilted.energy(x), torch.full((21,), -0.35, dtype=torch.float64))
    assert float(flat.energy(x).max()) <= 2.0 + 1e-12


def test_boltzmann_density_of_a_spring_is_gaussian():
    grid = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    density = boltzmann_density(Harmonic(2.0), grid, kT=1.5)
    exact = torch.exp(-grid.square() * 2 / (2 * 1.5)) / math.sqrt(2 * math.pi * 1.5 / 2)
    assert torch.allclose(density, exact, atol=1e-12)
    assert not torch.allclose(boltzmann_density(Harmonic(2.0), grid, kT=1.2 * 1.5), exact, atol=1e-3)
    assert torch.isfinite(boltzmann_density(DoubleWell(400.0), grid, kT=0.01)).all()
    with pytest.raises(ValueError):
        boltzmann_density(Harmonic(), grid, kT=0.0)


@pytest.mark.parametrize("potential, dim", CASES)
def test_energy_and_force_at_once_are_the_two(potential, dim):
    x = torch.randn(64, dim, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    energy, force = energy_and_force(potential, x)
    assert torch.allclose(energy, potential.energy(x), rtol=1e-12) and torch.allclose(force, potential.force(x), rtol=1e-12, atol=1e-12)


def test_muller_brown_is_the_published_sum():
    """Theor. Chim. Acta 53, 75 (1979), term by term, all four; and its higher saddle, -40.7 at (-0.822, 0.624)."""
    A, a, b, c = (-200, -100, -170, 15), (-1, -1, -6.5, 0.7), (0, 0, 11, 0.6), (-10, -10, -6.5, 0.7)
    x0, y0 = (1, 0, -0.5, -1), (0, 0.5, 1.5, 1)
    for x, y in ((-0.822, 0.624), (0.3, 0.9), (-1.2, 1.8), (0.9, -0.3)):
        dx, dy = [x - k for k in x0], [y - k for k in y0]
        total = sum(A[k] * math.exp(a[k] * dx[k] ** 2 + b[k] * dx[k] * dy[k] + c[k] * dy[k] ** 2) for k in range(4))
        assert float(MullerBrown().energy(torch.tensor([[x, y]], dtype=torch.float64))) == pytest.approx(total, rel=1e-9)
    assert float(MullerBrown().energy(torch.tensor([[-0.822, 0.624]]))) == pytest.approx(-40.66, abs=0.02)
