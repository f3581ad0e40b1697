"""Samplers against closed forms in a harmonic well: acceptance, variances, energies; and one contract for all five."""

import math

import pytest
import torch

from core.numerics.potentials import DoubleWell, Harmonic
from core.numerics.samplers import BAOAB, MALA, OverdampedLangevin, RandomWalkMetropolis, VelocityVerlet

K, KT = 2.5, 0.8
SPREAD = math.sqrt(KT / K)
WELL = Harmonic(K)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def exactly(n, dim=1, seed=9):
    return SPREAD * torch.randn(n, dim, generator=gen(seed))


def all_five(potential=WELL, step=0.5):
    return {
        "metropolis": RandomWalkMetropolis(potential, KT, step),
        "mala": MALA(potential, KT, step / 2),
        "langevin": OverdampedLangevin(potential, KT, step / 2),
        "baoab": BAOAB(potential, KT, step),
        "nve": VelocityVerlet(potential, KT, step),
    }


@pytest.mark.parametrize("name", all_five())
def test_contract(name):
    x = exactly(50, 2)
    before = x.clone()
    one, two = (list(all_five()[name].run(x, 20, gen(3))) for _ in range(2))
    assert len(one) == 21 and torch.equal(x, before) and torch.equal(one[0][0].position, x)
    for (state, info), (again, _) in zip(one, two):
        assert torch.equal(state.position, again.position) and state.position.shape == (50, 2)
        assert info.acceptance is None or (info.acceptance.shape == (50,) and 0 <= info.acceptance.min() <= info.acceptance.max() <= 1)
        if state.energy is not None:
            assert torch.equal(state.energy, WELL.energy(state.position))
        if state.force is not None:
            assert torch.equal(state.force, WELL.force(state.position))
    assert (one[1][1].acceptance is not None) == (name in ("metropolis", "mala"))
    assert (one[1][0].velocity is not None) == (name in ("baoab", "nve"))


@pytest.mark.parametrize("name", all_five())
def test_a_step_length_for_every_chain_is_the_same_as_one_for_all(name):
    potential, x = DoubleWell(2.0), exactly(40, 2).double()
    one = list(all_five(potential, 0.1)[name].run(x, 30, gen(3)))[-1][0].position
    each = list(all_five(potential, torch.full((40, 1), 0.1, dtype=torch.float64))[name].run(x, 30, gen(3)))[-1][0].position
    assert torch.allclose(one, each, atol=1e-9)


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_acceptance_of_the_random_walk_in_a_gaussian(scale):
    """<min(1, exp(-dU/kT))> = (2/pi) arctan(2 sigma/scale): the angle that a proposal's plane leaves free."""
    chains = torch.stack([info.acceptance for _, info in list(RandomWalkMetropolis(WELL, KT, scale).run(exactly(4000), 40, gen()))[1:]])
    mean, error = float(chains.mean()), float(chains.mean(0).std()) / math.sqrt(4000)
    exact = 2 / math.pi * math.atan(2 * SPREAD / scale)
    assert abs(mean - exact) < 4 * error
    wrong = 2 / math.pi * math.atan(2 * SPREAD * math.sqrt(1.2) / scale)
    assert abs(mean - wrong) > 4 * error


@pytest.mark.parametrize(
    "name, step, factor",
    [
        ("metropolis", 2.0, 1.0),
        ("mala", 1.0, 1.0),
        ("mala", 0.6, 1.0),
        ("langevin", 0.6, 1 / (1 - K * 0.3 / 2)),
        ("baoab", 0.8, 1.0),
        ("nve", 0.8, None),
    ],
)
def test_stationary_variance_at_a_large_step(name, step, factor):
    """Metropolis, MALA and BAOAB have kT/k at any step; Euler-Maruyama kT/k / (1 - k dt/2), not the continuum's."""
    n = 6000
    x = exactly(n)
    square = torch.zeros(n)
    for i, (state, _) in enumerate(all_five(step=step)[name].run(x, 300, gen(5))):
        if i > 100:
            square += state.position[:, 0].square() / 200
    mean, error = float(square.mean()), float(square.std()) / math.sqrt(n)
    if factor is None:  # from the exact law, Verlet rings at <x^2> = (kT/k)/2 (1 + 1/(1 - h^2/4)): a shadow spring
        factor = 0.5 * (1 + 1 / (1 - K * step**2 / 4))
    assert abs(mean - factor * KT / K) < 4 * error, (mean, factor * KT / K, error)
    assert abs(mean - 1.2 * factor * KT / K) > 4 * error


def test_mala_is_langevin_until_it_first_refuses():
    x, dt = exactly(400, 2), 0.2
    free = [s.position for s, _ in OverdampedLangevin(WELL, KT, dt).run(x, 5, gen(2))]
    asked = [s.position for s, _ in MALA(WELL, KT, dt).run(x, 5, gen(2))]
    moved = torch.stack([(a != b).any(1) for a, b in zip(asked, asked[1:])]).all(0)
    assert moved.sum() > 100 and not moved.all()
    for a, b in zip(free, asked):
        assert torch.allclose(a[moved], b[moved], atol=1e-5)


def test_verlet_keeps_the_shadow_energy_of_a_spring_and_baoab_does_not():
    """m v^2 + k x^2 (1 - h^2/4) is exact for velocity Verlet."""
    dt = 0.7

    def shadow(state, k=K):
        return state.velocity.square().sum(1) + k * (1 - k * dt**2 / 4) * state.position.square().sum(1)

    nve = [s for s, _ in VelocityVerlet(WELL, KT, dt).run(exactly(200, 2).double(), 500, gen())]
    assert torch.allclose(shadow(nve[-1]), shadow(nve[0]), rtol=1e-10)
    assert not torch.allclose(shadow(nve[7], 1.2 * K), shadow(nve[0], 1.2 * K), rtol=1e-2)
    bath = [s for s, _ in BAOAB(WELL, KT, dt).run(exactly(200, 2).double(), 50, gen())]
    assert not torch.allclose(shadow(bath[-1]), shadow(bath[0]), rtol=0.1)


def test_a_proposal_without_an_energy_is_refused():
    class Cliff:
        def energy(self, x):
            return torch.where(x[:, 0] > 0, math.nan, 0.0)

    states = list(RandomWalkMetropolis(Cliff(), 1.0, 1.0).run(-torch.ones(500, 1), 50, gen()))
    assert float(states[-1][0].position.max()) <= 0 and states[-1][0].position.isfinite().all()


def test_first_velocities_are_maxwells_for_every_mass():
    """Variance kT/m of each component, within 4 standard errors; with and without a bath."""
    for mass in (1.0, 4.0):
        for sampler in (BAOAB(Harmonic(), 0.6, 0.1, 1.0, mass), VelocityVerlet(Harmonic(), 0.6, 0.1, mass)):
            state, _ = next(sampler.run(torch.zeros(20_000, 1), 1, torch.Generator().manual_seed(0)))
            assert abs(float(state.velocity.var()) * mass / 0.6 - 1) < 4 * math.sqrt(2 / 20_000) < 0.2
