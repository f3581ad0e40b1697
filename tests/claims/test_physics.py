"""What the chapters of the second part state in numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.numerics.densities import get_dataset
from core.physics import brownian, fokker_planck, langevin, score_fields
from tests.claims.sentences import claim, numbers


@claim("brownian", "Tossed coins can only land")
@pytest.mark.parametrize("n", [20, 100, 1000])
def test_coins_stop_at_half_a_spike(n):
    assert brownian.smaller_steps("coin", n)[0] == pytest.approx(1 / math.sqrt(2 * math.pi * n), rel=0.02)


@claim("brownian", "in each direction, so", "walkers on this page obey")
def test_diffusion_of_a_grain_in_water_by_hand():
    grain = brownian.stokes_einstein(radius=0.5, viscosity=1.0, temperature=300.0)
    by_hand = 1.380649e-23 * 300 / (6 * math.pi * 1e-3 * 0.5e-6) * 1e12  # um^2/s
    assert grain.diffusion == pytest.approx(by_hand, rel=1e-6) and grain.sigma**2 == pytest.approx(2 * by_hand, rel=1e-6)
    assert brownian.variance(3.0, 0.7) == pytest.approx(0.49 * 3.0)
    for k in (1, 4):  # four times the time, twice the distance
        assert math.sqrt(brownian.variance(k * 2.0, 0.7)) == pytest.approx(math.sqrt(k) * math.sqrt(brownian.variance(2.0, 0.7)))


def test_steps_without_a_variance_go_away_from_the_bell_and_others_come_to_it():
    for step in ("coin", "uniform"):
        assert brownian.smaller_steps(step, 25)[1] < 0.6 * brownian.smaller_steps(step, 25)[0]
    far = [brownian.smaller_steps("levy", n, factor=10)[1] for n in (1, 10, 100)]
    assert far == sorted(far) and far[-1] < 0.5


@claim("langevin", r"For times below \$1/\\gamma\$")
@pytest.mark.parametrize("gamma", [0.05, 1.0, 20.0])
def test_first_it_flies_then_it_diffuses(gamma):
    system = langevin.System(kind="free", friction=gamma, kT=0.7, mass=2.0)
    early, late = torch.tensor([0.01 / gamma]).double(), torch.tensor([500 / gamma]).double()
    spread = [float(langevin.law(system, t).covariance[0, 0, 0]) for t in (early, 2 * early, late, 2 * late)]
    assert spread[1] / spread[0] == pytest.approx(4, rel=0.02) and spread[3] / spread[2] == pytest.approx(2, rel=0.02)


@claim("langevin", "BAOAB leaves the positions exact")
@pytest.mark.parametrize("dt", [0.3, 1.0, 1.8])
def test_the_bias_of_each_splitting_in_a_well(dt):
    """One deterministic half of each: the covariance that B A ... A B and A B ... B A leave as it is, with omega = kT = m = 1."""
    B, A = np.array([[1, 0], [-dt / 2, 1]]), np.array([[1, dt / 2], [0, 1]])
    baoab = B @ A @ A @ B
    factor = 1 - dt**2 / 4
    assert baoab @ np.diag([1, factor]) @ baoab.T == pytest.approx(np.diag([1, factor]), abs=1e-12)
    obabo = B @ (A @ A) @ B  # the same map between two frictions: velocities right, positions too wide
    assert obabo @ np.diag([1 / factor, 1]) @ obabo.T == pytest.approx(np.diag([1 / factor, 1]), abs=1e-12)


@claim("langevin", "Each is the first term of a series", "With a barrier of 2 kT that is a fifth")
def test_counted_escapes_lie_below_the_formulas_for_a_low_barrier():
    (percent,) = numbers("langevin", r"at γ = 1 the counted points lie about (\d+) % below Mel'nikov")
    system, gamma = langevin.System(kT=1.0, barrier=2.0), torch.tensor([1.0])
    assert 1 - langevin.finite_barrier(system) == pytest.approx(0.2, abs=0.02)
    found = langevin.count(system, gamma, n_particles=2000, time=100.0, seed=3)
    formula = float(langevin.melnikov(system, gamma)[0])
    assert abs(1 - float(found.rate[0]) / formula - percent / 100) < 4 * float(found.error[0]) / formula + 0.02  # "about"
    assert langevin.finite_barrier(replace(system, kT=0.1)) > 0.98  # the next term dies away


@claim("langevin", "vanishes like")
@pytest.mark.parametrize("kind", ["free", "harmonic"])
def test_the_two_pictures_meet_as_friction_grows(kind):
    gaps = [langevin.exact_gap(langevin.System(kind=kind, friction=gamma), 10.0) for gamma in (50.0, 100.0)]
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.02)


@claim("langevin", "with a temperature the noise is")
@pytest.mark.parametrize("kT", [0.3, 1.7])
def test_the_noise_without_inertia_has_the_mobility_in_it(kT):
    system = langevin.System(kind="harmonic", kT=kT, friction=2.0, mass=1.5, stiffness=1.3)
    _, variance = langevin.ornstein_uhlenbeck(system, torch.tensor([1e-4]).double())
    assert float(variance[0]) == pytest.approx(2 * kT / (2.0 * 1.5) * 1e-4, rel=1e-3)


@claim("fokker_planck", "At late times it falls like", "The price is first-order accuracy", "Steps are implicit")
def test_the_relative_entropy_falls_at_twice_the_gap():
    solution = fokker_planck.solve(kind="double well", tilt=0.5, t_end=12.0, n_steps=1200, n_cells=300, n_frames=1201)
    p, end = solution.p, solution.end
    left = [float((p[i] * np.log(p[i] / end)).sum()) for i in (600, 800)]
    dt = 12.0 / 1200
    numerical = math.log1p(solution.gap * dt) / dt
    assert math.log(left[0] / left[1]) / (200 * dt) == pytest.approx(2 * numerical, rel=0.02)
    assert numerical == pytest.approx(solution.gap, rel=0.01)


@claim("fokker_planck", "vanishes exactly for the Boltzmann ratio")
@pytest.mark.parametrize("w", [-8.0, -0.3, 1e-3, 2.0])
def test_the_weights_of_scharfetter_and_gummel_balance_at_boltzmanns_ratio(w):
    def B(z):
        return z / math.expm1(z)

    assert B(-w) * 1.0 == pytest.approx(B(w) * math.exp(w), rel=1e-12)


@claim("fokker_planck", "mass is kept to round-off")
@pytest.mark.parametrize("kind", ["double well", "washboard"])
@pytest.mark.parametrize("n_steps", [1, 10, 200])
def test_no_step_makes_a_density_negative_or_the_entropy_rise(kind, n_steps):
    solution = fokker_planck.solve(kind=kind, n_steps=n_steps, n_cells=200)
    assert solution.p.min() >= 0 and solution.roundoff < 1e-9
    if solution.setting.confining:
        entropy = [float((p[p > 0] * np.log(p[p > 0] / solution.end[p > 0])).sum()) for p in solution.p]
        assert all(later <= earlier + 1e-9 for earlier, later in zip(entropy, entropy[1:]))


@claim("fokker_planck", "is taken at a small noise level")
def test_the_score_of_data_is_taken_where_the_text_says():
    (t,) = numbers("fokker_planck", r"\(\$t=([\d.]+)\$ of the linear schedule\)")
    setting = fokker_planck.Setting(kind="exact score", dataset="three modes")
    x = np.array([[0.3, -0.4], [1.0, 0.2]])
    integral = 0.1 * t + 0.5 * t**2 * 19.9  # of beta from 0.1 to 20
    alpha, variance = math.exp(-integral / 2), 1 - math.exp(-integral)
    clean = get_dataset("three modes").to(torch.float64)
    noised = type(clean)(clean.weights, alpha * clean.means, (alpha**2 * clean.scales**2 + variance).sqrt())
    assert fokker_planck.drift(setting, x) == pytest.approx(noised.score(torch.as_tensor(x)).numpy(), rel=1e-6)


@claim("fokker_planck", "the noise matches the drift")
def test_only_with_kT_of_one_does_the_score_of_the_data_lead_to_the_data():
    right, hot = (fokker_planck.solve(kind="exact score", kT=kT, n_cells=64, t_end=4.0, n_steps=20) for kT in (1.0, 2.0))
    assert abs(fokker_planck.distance_to_data(right)) < 0.02 < 0.1 < fokker_planck.distance_to_data(hot)


@claim("fokker_planck", "the density is exactly Boltzmann's")
@pytest.mark.parametrize(("swirl", "kT"), [(0.5, 1.0), (2.0, 0.5), (4.0, 1.5)])
def test_the_whirl_rests_in_boltzmanns_density_with_a_current(swirl, kT):
    """b = -x + Omega J x: div(J x p) = 0 for p = exp(-|x|^2/2kT), so it is stationary, and the current Omega J x p is not zero."""
    solution = fokker_planck.solve(kind="whirl", swirl=swirl, kT=kT, n_cells=64, n_steps=4)
    centre = solution.box.points()
    exact = np.exp(-(centre**2).sum(-1) / (2 * kT)).reshape(solution.end.shape)
    assert 0.5 * np.abs(solution.end / solution.end.sum() - exact / exact.sum()).sum() < 0.02  # of cells, of first order in space
    assert fokker_planck.restlessness(solution) > 1e-3


@claim("score_fields", "they visit each place as often as", "At kT = 1 walkers fill", "Colder, and Langevin")
@pytest.mark.parametrize("kT", [0.5, 1.0, 2.0])
def test_langevin_fills_the_power_of_p(kT):
    """The score of the exact law at kT is that of p, divided by kT; at kT = 1 it is p itself."""
    law, p = score_fields.exact_law(kT=kT), score_fields.field().to(torch.float64)
    side = torch.linspace(-law.half, law.half, law.n + 1, dtype=torch.float64)[:-1] + law.cell / 2
    (i, j), (k, m) = (90, 120), (115, 80)
    here, there = (torch.stack([side[column], side[row]])[None] for row, column in ((i, j), (k, m)))
    assert float(law.log_p[i, j] - law.log_p[k, m]) == pytest.approx(float(p.log_prob(here) - p.log_prob(there)) / kT, abs=1e-4)


@claim("score_fields", "are lines of width", "The moons arrive after", "both arrive in 400")
def test_thin_lines_take_long():
    few, many = (int(numbers("score_fields", pattern)[0]) for pattern in (r"so (\d+) steps cross", r"arrive after ([\d,]+) steps"))
    moons, spirals, times = numbers("score_fields", r"lines of width ([\d.]+) and ([\d.]+), so (\d+) steps cross")
    (noise,) = numbers("score_fields", r"With noise of ([\d.]+) both arrive")
    assert [float(get_dataset(name).scales.max()) for name in ("two moons", "spirals")] == pytest.approx([moons, spirals])
    assert times == few

    def arrived(source, n_steps, sigma=0.0, n=1000):
        run = score_fields.sample(source=source, n_steps=n_steps, sigma=sigma, n_frames=2, n_particles=n)
        return score_fields.truth(run, source=source, sigma=sigma)

    for source in ("two moons", "spirals"):
        assert 2 < arrived(source, few).ratio < 4.5  # "three times"
        assert arrived(source, few, noise).within
    assert arrived("two moons", many, n=300).within


@claim("score_fields", "of more than 400 every", "A little noise", "Single points need it", "above the saddle", "CSV")
def test_least_noise_and_points_of_your_own():
    (board,) = numbers("score_fields", r"A little noise \(([\d.]+) here\)")
    (points,) = numbers("score_fields", r"Single points need it too \(([\d.]+)\)")
    assert (score_fields.noise_in_force("checkerboard", 0.0), score_fields.noise_in_force("your points", 0.0)) == (board, points)
    assert numbers("score_fields", r"of more than (\d+) every k-th is kept") == [score_fields.MAX_POINTS]
