"""Brownian walkers against the heat kernel, Einstein's numbers and the central limit theorem."""

import math
from dataclasses import replace

import pytest
import torch

from core.numerics.distances import ks_1d, ks_floor
from core.numerics.steps import STEPS, clt_distance
from core.physics.brownian import (
    convergence,
    heat_kernel,
    heat_kernel_cdf,
    lattice_spacing,
    mean_square,
    sample,
    slope,
    smaller_steps,
    stokes_einstein,
    truth,
    typical_distance,
    variance,
    water_viscosity,
)

FOURTH_MOMENT = [name for name, law in STEPS.items() if math.isfinite(law.kurtosis)]  # else no error bar exists


def test_same_seed_same_bits_and_stored_frames_never_change_the_walk():
    many = sample(step="heavy", n_particles=3000, n_steps=300, dim=2, seed=4)
    few = sample(step="heavy", n_particles=3000, n_steps=300, dim=2, seed=4, n_frames=5)
    assert torch.equal(many.final, few.final) and few.n_frames == 5
    assert many.positions.shape == (200, 3000, 2) and many.times[-1] == 1.0
    assert torch.equal(many.positions[0], torch.zeros(3000, 2))
    assert not torch.equal(many.final, sample(step="heavy", n_particles=3000, n_steps=300, dim=2, seed=5).final)


@pytest.mark.parametrize("n_steps", [1, 10, 700])
def test_gaussian_steps_give_the_heat_kernel_whatever_their_number(n_steps):
    sigma, t = 0.7, 3.0
    x = sample(sigma=sigma, t_end=t, n_steps=n_steps, n_particles=20_000, seed=1).final[:, 0]
    exact = ks_floor(len(x))

    def z(s):
        return (ks_1d(x, lambda v: heat_kernel_cdf(v, t, s)) - exact.mean) / exact.std

    assert z(sigma) < 4 < z(sigma * math.sqrt(1.2))
    assert z(1.0) > 4  # the slide's N(0, t) forgets sigma


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("step", FOURTH_MOMENT)
def test_mean_square_displacement_is_sigma_squared_d_t(step, dim):
    sigma, t = 1.3, 2.0
    walk = sample(step=step, sigma=sigma, t_end=t, n_particles=5000, n_steps=100, dim=dim, seed=3)
    curve = mean_square(walk, sigma)
    assert float(curve.exact[-1]) == pytest.approx(dim * variance(t, sigma))
    for frame in (10, 50, -1):
        value, error, exact = (float(v[frame]) for v in (curve.value, curve.error, curve.exact))
        assert abs(value - exact) < 4 * error
        assert abs(value - 1.2 * exact) > 4 * error
    for method in ("increments", "line"):
        fit = slope(walk, sigma, method=method)
        error = 4 * fit.error + 1e-6 * fit.exact  # float32 round-off is all that coins leave to the increments
        assert abs(fit.value - fit.exact) < error < abs(fit.value - 1.2 * fit.exact)
        assert fit.exact == pytest.approx(dim * sigma**2) and fit.diffusion == pytest.approx(fit.value / (2 * dim))


@pytest.mark.parametrize("method", ["increments", "line"])
def test_the_slopes_error_is_the_spread_over_repetitions(method):
    repeats = 150
    fits = [slope(sample(n_particles=100, n_steps=50, seed=s, n_frames=51), 1.0, method=method) for s in range(repeats)]
    values = torch.tensor([fit.value for fit in fits])
    stated = math.sqrt(sum(fit.error**2 for fit in fits) / repeats)
    tolerance = 4 / math.sqrt(2 * (repeats - 1))  # relative standard error of a standard deviation
    assert abs(float(values.std()) / stated - 1) < tolerance
    assert abs(float(values.mean()) - 1) < 4 * stated / math.sqrt(repeats)
    assert abs(float(values.mean()) - 1.2) > 4 * stated / math.sqrt(repeats)
    if method == "increments":
        assert abs(stated / math.sqrt(2 / (100 * 50)) - 1) < tolerance


def test_points_of_a_mean_square_curve_are_correlated():
    """Least squares that takes the frames for independent states an error far too small; ours is the honest one."""
    walk = sample(n_particles=400, n_steps=200, seed=8)
    curve = mean_square(walk, 1.0)
    t = walk.times
    naive = float((t.square() * curve.error.square()).sum().sqrt() / t.square().sum())
    assert slope(walk, 1.0, method="line").error > 5 * naive


def test_heat_kernel_is_normalised_solves_the_heat_equation_and_is_its_cdfs_slope():
    x = torch.linspace(-12, 12, 4801, dtype=torch.float64)
    t, sigma, h = torch.tensor(1.5, dtype=torch.float64), 1.2, 1e-4
    p = heat_kernel(x, t, sigma)
    step = float(x[1] - x[0])
    assert float(p.sum()) * step == pytest.approx(1, abs=1e-12)
    in_time = (heat_kernel(x, t + h, sigma) - heat_kernel(x, t - h, sigma)) / (2 * h)
    curvature = (p[2:] - 2 * p[1:-1] + p[:-2]) / step**2
    assert torch.allclose(in_time[1:-1], sigma**2 / 2 * curvature, atol=1e-5)
    assert not torch.allclose(in_time[1:-1], 1.2 * sigma**2 / 2 * curvature, atol=1e-5)
    slope_of_cdf = (heat_kernel_cdf(x + h, t, sigma) - heat_kernel_cdf(x - h, t, sigma)) / (2 * h)
    assert torch.allclose(slope_of_cdf, p, atol=1e-7)
    assert heat_kernel(x, torch.tensor([[1.0], [2.0]]), sigma).shape == (2, 4801)
    with pytest.raises(ValueError, match="spike"):
        heat_kernel(x, 0.0, sigma)


@pytest.mark.parametrize("step", STEPS)
def test_walkers_converge_as_the_exact_law_of_their_sum(step):
    walk = sample(step=step, sigma=2.0, n_steps=64, n_particles=20_000, seed=2, n_frames=65)
    curve = convergence(walk, sigma=2.0, n_steps=64)
    assert curve.n_steps[0] == 1 and curve.n_steps[-1] == 64
    for n, distance in zip(curve.n_steps.tolist(), curve.distance.tolist()):
        exact = clt_distance(step, n)  # |KS(sample, phi) - KS(law, phi)| <= KS(sample, law), which is at the floor
        assert abs(distance - exact) < curve.floor.mean + 4 * curve.floor.std
    if step == "coin":
        assert abs(float(curve.distance[0]) - 1.2 * clt_distance(step, 1)) > curve.floor.mean + 4 * curve.floor.std


@pytest.mark.parametrize("dim", [1, 2])
def test_truth_accepts_brownian_motion_and_refuses_a_fifth_and_levy(dim):
    walk = sample(sigma=0.5, t_end=4.0, dim=dim, seed=6)
    assert truth(walk, sigma=0.5).z < 4
    assert truth(walk, sigma=0.5 * 1.2).z > 4
    levy = truth(sample(step="levy", dim=dim, seed=6), sigma=1.0)
    assert levy.z > 4 and levy.verdict.startswith("Far")
    assert truth(sample(step="levy", n_steps=400, seed=6), sigma=1.0).value > truth(sample(step="levy", n_steps=4, seed=6), sigma=1.0).value


@pytest.mark.parametrize("dim", [1, 2])
def test_the_meter_measures_in_units_of_the_exact_spread(dim):
    """The same numbers, drawn out five times: the same distance."""
    one, wide = (sample(step="gaussian", dim=dim, sigma=sigma, t_end=t_end, n_particles=1000) for sigma, t_end in ((1.0, 1.0), (2.5, 4.0)))
    assert truth(wide, sigma=2.5).value == pytest.approx(truth(one, sigma=1.0).value, rel=1e-4)


def test_truth_of_coins_is_limited_by_their_lattice():
    coarse = truth(sample(step="coin", n_steps=4, seed=1), sigma=1.0)
    fine = truth(sample(step="coin", n_steps=4000, seed=1), sigma=1.0)
    assert coarse.value > clt_distance("coin", 4) - 4 * coarse.floor.std
    assert coarse.z > 4 > fine.z


def test_coins_stay_on_their_lattice():
    walk = dict(step="coin", sigma=0.6, t_end=2.0, n_steps=50)
    x = sample(**walk, n_particles=3000, seed=2).final[:, 0].double()
    cells = (x - x.min()) / lattice_spacing(**walk)
    assert float((cells - cells.round()).abs().max()) < 1e-4 and float(cells.max()) > 10
    assert lattice_spacing(**walk | dict(step="heavy")) == 0
    assert lattice_spacing(**walk) == pytest.approx(2 * 0.6 * math.sqrt(2.0 / 50))


def test_einsteins_grain():
    """Einstein 1905, sec. 5: diameter 0.001 mm, 17 C, 1.35 mPa s: 0.8 um in a second, 6 um in a minute, to one digit."""
    grain = stokes_einstein(radius=0.5, viscosity=1.35, temperature=290.15)
    assert round(grain.sigma, 1) == 0.8 and round(grain.sigma * math.sqrt(60)) == 6
    assert round(grain.sigma * math.sqrt(1.2), 1) != 0.8
    assert grain.sigma**2 == pytest.approx(2 * grain.diffusion)
    assert 2 * 3 * grain.diffusion * grain.own_radius_time == pytest.approx(0.5**2)
    mass, drag = 4 / 3 * math.pi * 0.5e-6**3 * 1000, 6 * math.pi * 1.35e-3 * 0.5e-6
    assert grain.velocity_memory == pytest.approx(mass / drag)
    doubled = stokes_einstein(radius=1.0, viscosity=1.35, temperature=2 * 290.15)
    assert doubled.diffusion == pytest.approx(grain.diffusion)
    walk = sample(sigma=grain.sigma, t_end=60.0, dim=2, seed=9)
    fit = slope(walk, grain.sigma)
    assert abs(fit.diffusion - grain.diffusion) < 4 * fit.error / 4 < abs(fit.diffusion - 1.2 * grain.diffusion)


def test_water():
    for temperature, measured in ((293.15, 1.0016), (298.15, 0.8900), (333.15, 0.4660)):  # IAPWS 2008
        assert abs(water_viscosity(temperature) / measured - 1) < 0.025
    with pytest.raises(ValueError, match="liquid"):
        water_viscosity(250.0)


@pytest.mark.parametrize(
    "bad", [dict(step="drunken"), dict(sigma=0.0), dict(t_end=math.nan), dict(n_steps=0), dict(n_particles=0), dict(n_frames=1)]
)
def test_parameters_that_make_no_walk_are_refused(bad):
    with pytest.raises(ValueError):
        sample(**bad)
    with pytest.raises(ValueError):
        stokes_einstein(radius=-1.0)


def test_one_walker_has_no_error_bar():
    walk = sample(n_particles=1, seed=0)
    assert slope(walk, 1.0).error == math.inf
    assert torch.isinf(mean_square(walk, 1.0).error).all()
    assert replace(slope(walk, 1.0), value=4.0).diffusion == 2.0


def test_smaller_steps_help_all_who_have_a_variance_and_have_something_to_gain():
    def spike(n):
        return math.comb(n, n // 2) / 2 ** (n + 1)  # of n coins, n even: half of the lattice's middle

    assert smaller_steps("coin", 10) == pytest.approx((spike(10), spike(40)), rel=1e-9)
    before, after = smaller_steps("uniform", 50)
    assert after / before == pytest.approx(1 / 4, rel=0.01)
    before, after = smaller_steps("levy", 50)
    assert after > before > 0.1 and smaller_steps("gaussian", 50) == (0.0, 0.0)


@pytest.mark.parametrize("step", STEPS)
def test_typical_distance(step):
    """sqrt(2/pi) sigma sqrt(t) of the bell; n sigma sqrt(dt) times the median of one Cauchy step for Lévy walkers."""
    walked = dict(step=step, sigma=2.0, t_end=3.0, n_steps=400)
    exact = math.sqrt(2 * 3.0 / math.pi) * 2.0
    if step == "levy":
        exact = 400 * 2.0 * math.sqrt(3.0 / 400) * float(STEPS["levy"].draw((100_001,), torch.Generator().manual_seed(1)).abs().median())
    assert typical_distance(**walked) == pytest.approx(exact, rel=0.1)
    further = typical_distance(**walked | {"t_end": 12.0, "n_steps": 1600})
    assert further / typical_distance(**walked) == pytest.approx(4 if step == "levy" else 2, rel=0.15)


def test_the_default_grain_by_value():
    """One micrometre across in water of 1 mPa s at 20 degrees: D = 1.380649e-23 * 293.15 / (6 pi 1e-3 0.5e-6) = 0.4294 um^2/s."""
    grain = stokes_einstein()
    assert grain.diffusion == pytest.approx(1.380649 * 293.15 / (6 * math.pi * 0.5) * 1e-2, rel=1e-9) == pytest.approx(0.4294, abs=1e-4)
    assert grain.sigma == pytest.approx(math.sqrt(2 * 0.4294), rel=1e-3)
