"""Two basins: thermodynamics against springs and identities, the crossing against its equation, Metropolis against quadrature."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from core.foundations.boltzmann import COLD, HOT, Landscape, Run, deepened, measured, metropolis, sample, truth
from core.numerics.distances import ks_1d, ks_floor
from core.numerics.potentials import Harmonic, TwoBasins

SPRING = Landscape(Harmonic(5.0))
DEFAULT = Landscape()


@dataclass(frozen=True)
class TwoSprings:
    """The lower of two parabolas: basins whose free energies have a closed form at low kT."""

    depths = (3.0, 2.0)
    stiffness = (200.0, 8.0)
    centres = (-1.5, 1.5)

    def energy(self, x):
        return torch.minimum(*(k / 2 * (x[..., 0] - c).square() - d for k, c, d in zip(self.stiffness, self.centres, self.depths)))

    def force(self, x):
        wells = [k / 2 * (x[..., :1] - c).square() - d for k, c, d in zip(self.stiffness, self.centres, self.depths)]
        forces = [-k * (x[..., :1] - c) for k, c in zip(self.stiffness, self.centres)]
        return torch.where(wells[0] < wells[1], *forces)


@pytest.mark.parametrize("kT", [0.1, 0.7, 1.5])
def test_a_spring_in_closed_form(kT):
    """Z = sqrt(2 pi kT/k), U = kT/2, C = 1/2, S = (1 + ln(2 pi kT/k))/2."""
    got = SPRING.thermodynamics(kT)

    def exact(kT, k=5.0):
        Z = math.sqrt(2 * math.pi * kT / k)
        return [Z, kT / 2, 0.5 * (1 + math.log(2 * math.pi * kT / k)), -kT * math.log(Z)]

    values = [float(v[0]) for v in (got.Z, got.U, got.S, got.F)]
    assert values == pytest.approx(exact(kT), rel=1e-9, abs=1e-12) and float(got.C[0]) == pytest.approx(0.5, rel=1e-9)
    for value, off in zip(values, exact(1.2 * kT)):
        assert value != pytest.approx(off, rel=1e-3)
    for value, off in zip(values[:1] + values[2:], (lambda e: e[:1] + e[2:])(exact(kT, 6.0))):
        assert value != pytest.approx(off, rel=1e-3)


@pytest.mark.parametrize("kT", [0.3, 0.766, 1.6])
def test_thermodynamic_identities(kT):
    """S = -int p ln p, S = -dF/dkT, C = dU/dkT = kT dS/dkT: none of them is how the module computes it."""
    h = 1e-4
    low, here, high = (DEFAULT.thermodynamics(t) for t in (kT - h, kT, kT + h))
    p = DEFAULT.density(kT)
    S, C = float(here.S[0]), float(here.C[0])
    assert S == pytest.approx(-np.trapezoid(p * np.log(p.clip(1e-300)), DEFAULT.x), rel=1e-9)
    assert S == pytest.approx(-float(high.F[0] - low.F[0]) / (2 * h), rel=1e-6)
    assert C == pytest.approx(float(high.U[0] - low.U[0]) / (2 * h), rel=1e-6)
    assert C == pytest.approx(kT * float(high.S[0] - low.S[0]) / (2 * h), rel=1e-6)
    assert C != pytest.approx(float(high.U[0] - low.U[0]) / (2 * h) / 1.2, rel=1e-6)
    other = DEFAULT.thermodynamics(1.2 * kT)
    assert float(other.S[0]) != pytest.approx(S, rel=1e-2)


@pytest.mark.parametrize("kT", [0.1, 1.0])
def test_quadrature_agrees_with_scipy(kT):
    def weight(x):
        return math.exp(-float(DEFAULT.potential.energy(torch.tensor([[x]], dtype=torch.float64))) / kT)

    Z = sum(integrate.quad(weight, a, b, epsabs=0, epsrel=1e-10, limit=200)[0] for a, b in ((-6, -1.7), (-1.7, -1.3), (-1.3, 6)))
    left = sum(integrate.quad(weight, a, b, epsabs=0, epsrel=1e-10, limit=200)[0] for a, b in ((-6, -1.7), (-1.7, DEFAULT.divide)))
    assert float(DEFAULT.thermodynamics(kT).Z[0]) == pytest.approx(Z, rel=1e-8)
    assert DEFAULT.shares(kT)[0] == pytest.approx(left / Z, rel=1e-5)
    assert DEFAULT.shares(1.2 * kT)[0] != pytest.approx(left / Z, rel=1e-5)
    assert float(np.exp(-DEFAULT.basin_free_energies(kT) / kT).sum()) == pytest.approx(Z, rel=1e-8)


def test_crossing_is_where_the_free_energies_meet():
    (kT,) = DEFAULT.crossings
    left, right = DEFAULT.basin_free_energies(kT)
    assert left == pytest.approx(right, abs=1e-8)
    colder, hotter = (DEFAULT.basin_free_energies(t) for t in (kT / 1.2, 1.2 * kT))
    assert colder[0] < colder[1] - 0.05 and hotter[0] > hotter[1] + 0.05  # deep and narrow below, shallow and wide above
    assert DEFAULT.shares(kT) == pytest.approx([0.5, 0.5])
    assert abs(DEFAULT.harmonic_crossing / kT - 1) < 0.05


def test_crossing_of_two_springs_in_closed_form():
    """Low temperature: Z_i = exp(d_i/kT) sqrt(2 pi kT/k_i), so kT* = 2 (d_1 - d_2)/ln(k_1/k_2)."""
    springs = Landscape(TwoSprings())
    exact = 2 * (3.0 - 2.0) / math.log(200.0 / 8.0)
    assert springs.crossings[0] == pytest.approx(exact, rel=0.02)  # what leaves the parabolas weighs exp(-2.5 / 0.62)
    assert springs.crossings[0] != pytest.approx(1.2 * exact, rel=0.02)
    assert springs.harmonic_crossing == pytest.approx(exact, rel=1e-6)


def test_landscapes_without_a_crossing_or_without_a_barrier_say_so():
    assert Landscape(TwoBasins((1.0, 3.0), (0.1, 0.8))).crossings == []
    swallowed = Landscape(TwoBasins((4.0, 0.5), (0.6, 1.2), tilt=0.8))
    assert swallowed.barrier is None and swallowed.minima is None and swallowed.harmonic_crossing is None
    assert swallowed.divide == pytest.approx(-0.15) and np.isfinite(swallowed.shares(1.0)).all()
    (left, E_left), (right, E_right) = DEFAULT.minima
    assert left < DEFAULT.barrier < right and E_left < E_right


def test_exact_draws_follow_the_exact_density():
    draws = DEFAULT.draw(20_000, 0.8, torch.Generator().manual_seed(1))
    exact = ks_floor(len(draws))

    def z(kT):
        return (ks_1d(draws, lambda x: DEFAULT.cdf(x, kT)) - exact.mean) / exact.std

    assert z(0.8) < 4 < z(0.8 * 1.2)


@pytest.mark.parametrize("leaps", [0.0, 0.3, 1.0])
def test_metropolis_keeps_the_boltzmann_distribution_and_finds_it(leaps):
    """From equilibrium at kT it stays there; from equilibrium at 1.2 kT it goes there."""
    potential, n = TwoBasins((3.0, 2.0), (0.4, 0.8)), 20_000
    landscape, exact = Landscape(potential), ks_floor(n)
    for start, sweeps in ((1.0, 60), (1.2, 250)):
        x = landscape.draw(n, start, torch.Generator().manual_seed(2))
        temperatures = torch.ones(sweeps + 1, dtype=torch.float64)
        *_, x = metropolis(potential, x, temperatures, leaps=leaps, generator=torch.Generator().manual_seed(3))

        def z(kT, x=x):
            return (ks_1d(x, lambda y: landscape.cdf(y, kT)) - exact.mean) / exact.std

        if start == 1.0 or leaps > 0:  # shuffles alone do not carry enough particles over the barrier: that is the break
            assert z(1.0) < 4
            assert z(1.2) > 4


@pytest.mark.parametrize("protocol, kT", [("heat", 0.8), ("hold", 0.5), ("cool", 0.9)])
def test_particles_arrive_in_equilibrium(protocol, kT):
    run = sample(protocol=protocol, kT=kT, leaps=0.3, n_sweeps=800, n_particles=6000, seed=1)
    assert float(run.kT[0]) == pytest.approx({"heat": COLD, "hold": kT, "cool": HOT}[protocol]) and float(run.kT[-1]) == pytest.approx(kT)
    assert truth(run).z < 4
    seen, exact, off = measured(run), run.landscape.thermodynamics(kT), run.landscape.thermodynamics(1.2 * kT)
    for (value, error), right, wrong in (
        (seen.U, exact.U[0], off.U[0]),
        (seen.share, run.landscape.shares(kT)[0], run.landscape.shares(1.2 * kT)[0]),
    ):
        assert abs(value - right) < 4 * error < abs(value - wrong)
    assert abs(seen.C[0] - exact.C[0]) < 4 * seen.C[1] < abs(seen.C[0] - 1.44 * exact.C[0])  # kT^2 in it off by a fifth


def test_kinetic_energy_is_maxwells_at_every_moment():
    run = sample(n_particles=6000, n_frames=30, seed=4)
    for frame in (0, 10, -1):
        kT = float(run.kT[frame])
        distance = stats.kstest(run.kinetic[frame].numpy(), stats.gamma(0.5, scale=kT).cdf).statistic
        exact = ks_floor(6000)
        assert (distance - exact.mean) / exact.std < 4
        off = stats.kstest(run.kinetic[frame].numpy(), stats.gamma(0.5, scale=1.2 * kT).cdf).statistic
        assert (off - exact.mean) / exact.std > 4


def test_a_quench_is_caught_where_it_was_and_annealing_is_not():
    quench = sample(protocol="cool", kT=0.3, leaps=0.0, seed=1)
    assert truth(quench).verdict.startswith("Far")
    frozen, _ = measured(quench).share
    hot, cold = quench.landscape.shares(HOT)[0], quench.landscape.shares(0.3)[0]
    assert abs(frozen - hot) < 0.1 < abs(frozen - cold) - 0.3
    assert truth(sample(protocol="cool", kT=0.3, leaps=0.5, n_sweeps=3000, seed=1)).z < 4


def test_same_seed_same_bits_and_stored_frames_change_nothing():
    many, few = sample(n_sweeps=200, n_particles=300, seed=7), sample(n_sweeps=200, n_particles=300, seed=7, n_frames=5)
    assert torch.equal(many.positions[-1], few.positions[-1]) and few.positions.shape == (5, 300)
    assert not torch.equal(many.positions[-1], sample(n_sweeps=200, n_particles=300, seed=8).positions[-1])


@pytest.mark.parametrize(
    "bad",
    [dict(kT=0.0), dict(protocol="boil"), dict(leaps=1.5), dict(n_sweeps=0), dict(widths=(0.0, 1.0)), dict(n_frames=1), dict(kT=-1.0)],
)
def test_numbers_that_make_no_run_are_refused(bad):
    with pytest.raises(ValueError):
        sample(**bad)


def test_free_energy_of_a_basin_that_nobody_visits():
    """A right basin 50 kT above the left one: F of a spring there, not infinity (its share is far below round-off)."""
    landscape = Landscape(TwoBasins(depths=(8.0, 3.0), widths=(0.1, 0.8)))
    kT = 0.05
    (_, low), (x, high) = landscape.minima
    assert (high - low) / kT > 80
    k = (
        float(
            -(
                landscape.potential.force(torch.tensor([[x + 1e-4]], dtype=torch.float64))
                - landscape.potential.force(torch.tensor([[x - 1e-4]], dtype=torch.float64))
            )
        )
        / 2e-4
    )
    spring = high - kT / 2 * math.log(2 * math.pi * kT / k)
    assert landscape.basin_free_energies(kT)[1] == pytest.approx(spring, abs=0.003)
    assert landscape.basin_free_energies(kT)[1] != pytest.approx(high - kT / 2 * math.log(1.2 * 2 * math.pi * kT / k), abs=0.003)


def test_the_protocol_by_value():
    """Heating starts at 0.1 and cooling at 2, in even steps of ln kT over nine tenths of the run; the rest stays at kT."""
    heat, cool = (sample(protocol=protocol, kT=1.2, n_sweeps=100, n_particles=5, n_frames=101).kT for protocol in ("heat", "cool"))
    for kT, start in ((heat, 0.1), (cool, 2.0)):
        exact = [start * (1.2 / start) ** min(1.0, k / 90) for k in range(101)]
        assert kT.tolist() == pytest.approx(exact, rel=1e-6)
    assert deepened(DEFAULT).potential.depths == (DEFAULT.potential.depths[0] + 1.0, DEFAULT.potential.depths[1])


def test_error_bars_are_the_spread_over_repetitions():
    """Deviations of U, C and the share from their exact values over stated errors: variance 1 within 4 standard errors of 300 runs."""
    kT, n, exact = 0.9, 1000, DEFAULT.thermodynamics(0.9)
    scores = []
    for seed in range(300):
        x = DEFAULT.draw(n, kT, torch.Generator().manual_seed(seed))[None]
        found = measured(Run(DEFAULT, torch.tensor([kT]), x, torch.zeros(1, n)))
        pairs = ((found.U, exact.U[0]), (found.C, exact.C[0]), (found.share, DEFAULT.shares(kT)[0]))
        scores.append([(value - float(known)) / error for (value, error), known in pairs])
    assert (torch.tensor(scores).var(0) - 1).abs().max() < 4 * math.sqrt(2 / 300) < 0.5
