"""Five samplers against quadrature, counted crossings, autocorrelations in closed form."""

import math

import pytest
import torch

from core.foundations import sampling
from core.foundations.sampling import (
    LANDSCAPES,
    SAMPLERS,
    Efficiency,
    autocorrelation,
    crossings,
    distance_over_time,
    efficiency,
    exact,
    exact_right_share,
    freshest,
    integrated_time,
    right_share,
    sample,
    steps_of,
    truth,
)
from core.numerics.kinetic import normals, overdamped
from core.numerics.potentials import Harmonic

ARRIVED = dict(landscape="three islands", step=0.7, n_steps=1000, n_chains=800)


@pytest.mark.parametrize("name", LANDSCAPES)
def test_the_grid_holds_all_the_weight_and_the_start_is_a_minimum(name):
    surface = LANDSCAPES[name]
    assert max(exact(name, kT).edge_weight for kT in (0.5, 1.0, 2.0)) < 1e-3
    assert exact(name, 1.0).edge_weight < 1e-5
    scale = math.sqrt(surface.stiffness())
    for point in surface.minima:  # the gradient is a small part of kT per thermal width
        assert float(surface.potential.force(torch.tensor([point], dtype=torch.float64)).norm()) < 0.15 * scale
    assert surface.start in surface.minima


def test_stiffness_of_the_double_well_is_the_closed_form():
    well = LANDSCAPES["double well"].potential
    assert sampling.LANDSCAPES["double well"].stiffness() == pytest.approx(8 * well.barrier, rel=1e-6)
    steps = steps_of("double well", 2.0, 0.5, 3.0)
    assert steps.h == pytest.approx(0.5 * math.sqrt(2.0 / 16)) and steps.frequency == pytest.approx(4.0)
    assert math.sqrt(2 * 2.0 * steps.overdamped) == pytest.approx(steps.h)  # the noise of one step
    assert math.sqrt(2.0) * steps.inertial == pytest.approx(steps.h)  # a thermal velocity for one step
    assert steps.frequency * steps.inertial == pytest.approx(0.5) and 16 * steps.overdamped == pytest.approx(0.5**2 / 2)


@pytest.mark.parametrize("name", [n for n in SAMPLERS if n != "nve"])
def test_thermostatted_samplers_arrive_at_the_boltzmann_law(name):
    run = sample(sampler=name, seed=3, **ARRIVED)
    assert truth(run, landscape="three islands", kT=1.0).z < 4
    share = right_share(run)
    assert abs(share.value - exact_right_share("three islands", 1.0)) < 4 * share.error + (0.02 if name == "langevin" else 0)


def test_nve_does_not():
    run = sample(sampler="nve", seed=3, **ARRIVED)
    assert truth(run, landscape="three islands", kT=1.0).z > 4
    assert abs(right_share(run).value - exact_right_share("three islands", 1.0)) > 4 * 0.5 / math.sqrt(800)


def test_a_wrong_temperature_is_noticed():
    """The spread along y (a spring, so kT/16) at kT = 1 against the laws of 1 and 1.2."""
    y = sample(sampler="metropolis", step=1.4, n_steps=400, n_chains=4000, seed=1).trajectory.final[:, 1].double()
    error = float(y.square().std()) / math.sqrt(len(y))
    for kT, inside in ((1.0, True), (1.2, False)):
        expected = exact("double well", kT).mean(lambda p: p[:, 1].square())
        assert expected == pytest.approx(kT / 16, rel=1e-6)
        assert (abs(float(y.square().mean()) - expected) < 4 * error) == inside


def test_thermometers():
    """Along y, a spring: NVE from the bottom shares its kT/2 with the spring; BAOAB reads kT (1 - h^2/4), its known bias."""
    n = 4000
    nve = sample(sampler="nve", step=0.7, n_chains=n, n_steps=600, seed=2).temperature[1]
    assert abs(nve.value - 0.5) < 4 * nve.error < abs(nve.value - 1.2 * 0.5)
    baoab = sample(sampler="baoab", step=0.7, n_chains=n, n_steps=600, seed=2).temperature[1]
    biased = 1 - 0.7**2 / 4
    assert abs(baoab.value - biased) < 4 * baoab.error
    assert abs(baoab.value - 1.0) > 4 * baoab.error and abs(baoab.value - 1.2 * biased) > 4 * baoab.error
    assert sample(sampler="metropolis", n_chains=10, n_steps=5).temperature is None


def test_crossings_ignore_the_top_of_the_barrier():
    slow = torch.tensor(
        [[-1.0, 0.2, 0.6, 0.1, 0.9, -0.2, -0.7], [0.0, 0.3, 0.0, 1.0, 0.0, 1.0, 1.0], [-1.0, 1.0, -1.0, 1.0, -1.0, math.nan, math.nan]]
    ).T
    counted = crossings(slow, (-0.5, 0.5))
    assert counted.value == pytest.approx((2 + 0 + 4) / 3)
    assert counted.error == pytest.approx(2 / math.sqrt(3))
    assert crossings(torch.tensor([[-1.0, 0.2, -1.0, 0.4, -0.9]]).T, (-0.5, 0.5)).value == 0, "nobody came to the other side"


def test_autocorrelation_and_its_time_of_an_autoregressive_chain():
    """Overdamped Langevin in a spring is AR(1): phi = 1 - k dt, rho_k = phi^k, tau -> (1 + phi)/(1 - phi)."""
    k, kT, dt, n, chains = 2.0, 1.5, 0.15, 800, 600
    phi, variance = 1 - k * dt, kT / k / (1 - k * dt / 2)
    start = math.sqrt(variance) * torch.randn(chains, 1, generator=torch.Generator().manual_seed(1))
    noise = normals((chains, 1), n - 1, torch.Generator().manual_seed(2))
    series = torch.stack([x[:, 0] for x in overdamped(Harmonic(k), start, noise, dt=dt, kT=kT)]).double()[:, None, :]
    rho = autocorrelation(series) / variance
    for lag in (0, 1, 3):
        each = (series[: n - lag, 0] * series[lag:, 0]).mean(0) / variance
        error = float(each.std()) / math.sqrt(chains)
        assert float(rho[0, lag]) == pytest.approx(float(each.mean()), rel=1e-9)
        assert abs(float(rho[0, lag]) - phi**lag) < 4 * error < abs(float(rho[0, lag]) - 1.2 * phi**lag)
    tau = float(integrated_time(rho)[0])
    each = series[:, 0].mean(0).square() * n / variance
    assert tau == pytest.approx(float(each.mean()), rel=1e-9)
    error = float(each.std()) / math.sqrt(chains)
    finite = float(integrated_time((phi ** torch.arange(n, dtype=torch.float64))[None])[0])
    assert finite == pytest.approx((1 + phi) / (1 - phi), rel=0.02)
    assert abs(tau - finite) < 4 * error
    assert abs(tau - 1.6 * finite) > 4 * error


def test_memory_of_nve_grows_with_the_run_and_that_of_baoab_does_not():
    options = dict(landscape="three islands", steps=(0.7,), n_chains=200)
    nve = [efficiency(sampler="nve", n_steps=n, **options) for n in (400, 1600)]
    assert float(nve[1].tau[0]) > 2.5 * float(nve[0].tau[0]) and float(nve[1].tau[0]) > nve[1].longest
    short, long = (efficiency(sampler="baoab", n_steps=n, **options) for n in (800, 1600))
    assert abs(float(long.tau[0] - short.tau[0])) < 4 * math.hypot(float(short.tau_error[0]), float(long.tau_error[0]))


def test_efficiency_of_the_random_walk_peaks_between_timid_and_bold():
    scan = efficiency(sampler="metropolis", landscape="three islands")
    best = int(scan.effective.argmax())
    assert 0 < best < len(scan.steps) - 1
    assert (scan.acceptance.diff() < 0).all() and scan.acceptance[0] > 0.9 and scan.acceptance[-1] < 0.1
    assert scan.at(0.69) == 4
    unstable = efficiency(sampler="langevin", landscape="double well", steps=(0.5, 2.8), n_steps=200)
    assert unstable.tau[0].isfinite() and unstable.tau[1] == math.inf and unstable.rho[1].isnan().all()


def test_distance_falls_on_the_way():
    run = sample(sampler="baoab", seed=1, **ARRIVED)
    times, distances = distance_over_time(run, landscape="three islands", kT=1.0)
    assert times[0] >= 1 and times[-1] == 1000 and (times.diff() > 0).all()
    assert float(distances[-1]) < float(distances[0]) / 4


def test_stored_frames_never_change_the_chains_and_the_seed_decides():
    many, few = (sample(sampler="mala", n_steps=50, n_chains=20, seed=4, n_frames=n) for n in (51, 3))
    assert torch.equal(many.slow, few.slow) and few.trajectory.n_frames == 3
    assert torch.equal(many.trajectory.positions[:, :, 0], many.slow)
    assert not torch.equal(many.slow, sample(sampler="mala", n_steps=50, n_chains=20, seed=5).slow)
    start = torch.tensor(LANDSCAPES["double well"].start)
    assert (many.trajectory.positions[0] == start).all()


@pytest.mark.parametrize(
    "bad",
    [
        dict(landscape="moon"),
        dict(sampler="guess"),
        dict(kT=0.0),
        dict(step=-1.0),
        dict(n_steps=0),
        dict(n_chains=0),
        dict(friction=math.nan),
    ],
)
def test_numbers_that_make_no_chain_are_refused(bad):
    with pytest.raises(ValueError):
        sample(**bad)


def test_the_freshest_sampler_and_how_sure_that_is():
    def earning(tau, error):
        return Efficiency(torch.tensor([0.5, 1.0]), torch.zeros(2, 10), torch.tensor([99.0, tau]), torch.tensor([1.0, error]), None)

    best, second, apart = freshest({"a": earning(30.0, 3.0), "b": earning(10.0, 4.0), "c": earning(math.inf, 0.0)}, 1.0)
    assert (best, second) == ("b", "a") and apart == pytest.approx(20 / 5)
    assert freshest({"a": earning(30.0, 0.0), "b": earning(math.inf, 0.0)}, 1.0) == ("a", "b", math.inf)


def test_long_steps_suit_those_who_may_refuse():
    short, long = (
        freshest({name: efficiency(sampler=name, n_steps=400, n_chains=32) for name in ("metropolis", "langevin")}, step)
        for step in (0.2, 8.0)
    )
    assert long[0] == "metropolis" and long[2] == math.inf and short[2] < math.inf


def test_landscapes_by_value():
    """Wells of 2, half a unit apart in energy, stiff across (16); the Mueller-Brown surface at 3 %; islands of 0.5, 0.3, 0.2."""
    double, surface = LANDSCAPES["double well"].potential, LANDSCAPES["Müller–Brown"].potential
    assert double.energy(torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.5]])).tolist() == pytest.approx(
        [2.0, 0.25, -0.25, 2.25]
    )
    assert float(surface.energy(torch.tensor([[-0.558, 1.442]]))) == pytest.approx(-146.7 * 0.03, rel=1e-3)
    assert sampling.ISLANDS.weights.tolist() == pytest.approx([0.5, 0.3, 0.2])


def test_correlations_begin_at_one_and_effective_samples_are_per_thousand():
    """rho_0 = <(x - mu)^2>/s^2 of chains that start in the law: 1 within 4 standard errors of the mean square."""
    n = 20_000
    found = efficiency(sampler="metropolis", steps=(1.0,), n_steps=2, n_chains=n)
    law = exact("double well", 1.0)
    x = law.sample(n, torch.Generator().manual_seed(5))[:, 0].double()
    mu = law.mean(lambda points: points[:, 0])
    square = (x - mu).square() / law.mean(lambda points: (points[:, 0] - mu).square())
    assert abs(float(found.rho[0, 0]) - 1) < 4 * float(square.std()) / math.sqrt(n) < 0.04
    assert Efficiency(torch.ones(1), torch.ones(1, 9), torch.tensor([20.0]), torch.ones(1), None).effective.tolist() == [50.0]


def test_constant_energy_is_kept_by_nve():
    """Kinetic plus potential energy changes by the error of the step, of order step^2 kT, not by kT."""
    assert sample(sampler="nve", step=0.1, n_steps=200, n_chains=100).energy_change < 0.02
