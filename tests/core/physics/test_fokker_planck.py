"""The chapter's equation: density, particles and flow agree; ends, rates and currents are the known ones."""

import math

import numpy as np
import pytest
import torch

from core.numerics.densities import GaussianMixture, get_dataset
from core.physics import fokker_planck as fp
from core.physics.fokker_planck import Setting


def small(**params):
    return fp.solve(**{"n_cells": 48 if params.get("kind", "double well") in fp.PLANE else 300, "n_steps": 100} | params)


@pytest.mark.parametrize("params", [dict(), dict(tilt=1.0, start="two spots", kT=0.6), dict(kind="washboard", t_end=3.0)])
def test_particles_and_flow_fill_the_solved_density_of_a_line(params):
    solution = fp.solve(**{"t_end": 2.0} | params, n_cells=600, n_steps=400, n_frames=101)
    noisy, smooth = (move(solution, n_particles=4000, seed=3) for move in (fp.particles, fp.flow))
    assert fp.truth(noisy, solution).z < 4 and fp.truth(smooth, solution, what="flow").z < 4
    assert noisy.positions.shape == smooth.positions.shape == (101, 4000, 1)
    hot = fp.solve(**{"t_end": 2.0} | params | {"kT": 1.2 * params.get("kT", 1.0)}, n_cells=600)
    assert fp.truth(fp.particles(hot, n_particles=20_000, seed=3), solution).z > 4
    gaps = smooth.positions[:, smooth.positions[0, :, 0].argsort(), 0].diff(dim=1)
    assert float(gaps.min()) >= -1e-6, "a flow on a line keeps order"


@pytest.mark.parametrize(
    "params",
    [
        dict(kind="whirl"),
        dict(kind="exact score", dataset="three modes", start="wide"),
        dict(kind="learned score", dataset="two moons", start="ring", t_end=3.0),
    ],
)
def test_particles_and_flow_fill_the_solved_density_of_the_plane(params):
    solution = fp.solve(**{"t_end": 2.0} | params, n_cells=80, n_steps=200)
    noisy, smooth = (move(solution, n_particles=2000, seed=3) for move in (fp.particles, fp.flow))
    known = fp.plane_floor(solution, 2000)
    assert fp.truth(noisy, solution, known_floor=known).z < 4
    assert fp.truth(smooth, solution, what="flow", known_floor=known).z < 4
    start = fp.truth(fp.Trajectory(noisy.times[:1], noisy.positions[:1]), solution, known_floor=known)
    assert start.z > 4, "the meter sees the start"


def test_end_of_the_double_well_is_boltzmann_and_of_the_score_the_data():
    solution = small(tilt=0.7, kT=0.8)
    x = torch.as_tensor(solution.box.centres(0))[:, None]
    exact = torch.exp(-solution.setting.potential.energy(x) / 0.8).numpy()
    exact /= exact.sum() * solution.box.volume
    assert np.allclose(solution.end, exact, rtol=1e-6)
    assert not np.allclose(solution.end, exact ** (1 / 1.2) / (exact ** (1 / 1.2)).sum() / solution.box.volume, rtol=1e-2)
    assert abs(fp.distance_to_data(small(kind="exact score"))) < 1e-9
    learned = fp.distance_to_data(small(kind="learned score", dataset="three modes"))
    assert 1e-6 < learned < 0.05
    assert fp.distance_to_data(small(kind="exact score", kT=1.2)) > 10 * 1e-9
    assert fp.distance_to_data(small(kind="exact score", kT=2.0)) > 5 * learned


@pytest.mark.parametrize("start", fp.STARTS)
@pytest.mark.parametrize("kind", ["double well", "whirl"])
def test_any_start_flows_to_the_same_end(kind, start):
    solution = small(kind=kind, start=start, t_end=40.0)
    assert solution.entropy[0] > 0.05 and solution.entropy[-1] < 1e-6
    assert np.abs(solution.p[-1] - solution.end).max() < 1e-2
    assert np.diff(solution.entropy).max() < 1e-12
    assert np.abs(solution.mass - 1).max() < solution.roundoff and solution.smallest.min() >= 0


@pytest.mark.parametrize("params", [dict(), dict(kind="whirl", t_end=4.0)])
def test_decay_at_the_end_is_the_slowest_rate_of_the_operator(params):
    solution = small(**params, n_steps=200)
    found = fp.decay(solution)
    assert found.measured == pytest.approx(found.stepped, rel=0.01)  # what the second mode still adds
    assert found.measured != pytest.approx(1.2 * found.stepped, rel=0.01)
    assert found.stepped == pytest.approx(found.rate, rel=0.25) and found.rate == pytest.approx(solution.gap)
    assert fp.decay(small(t_end=0.5, n_steps=10)) is None


def test_a_symmetric_start_misses_the_slowest_mode_and_falls_as_the_next_says():
    for params in (dict(kind="whirl", start="wide"), dict(kind="exact score", dataset="two moons", start="ring"), dict(start="ring")):
        solution = small(**params, t_end=1.5 if params == dict(start="ring") else 5.0, n_steps=200)
        found = fp.decay(solution)
        assert solution.shares[1] < 1e-9 and found.rate > 1.5 * solution.gap
        assert found.measured == pytest.approx(found.stepped, rel=0.02)
    assert fp.decay(small(start="one spot")).rate == pytest.approx(small().gap)


def test_gap_grows_with_temperature_like_kramers():
    """Two rates of escape add up to the gap; with 1/barrier corrections."""
    for barrier in (5.0, 7.0):
        curvatures = math.sqrt(8 * barrier * 4 * barrier)
        kramers = curvatures / (2 * math.pi) * math.exp(-barrier)
        gap = 1 / fp.relaxation(kind="double well", barrier=barrier, kT=1.0)
        assert gap == pytest.approx(2 * kramers, rel=1 / barrier)
    assert fp.relaxation(barrier=4.0) > 3 * fp.relaxation(barrier=2.0)


def test_washboard_diffuses_as_lifson_and_jackson_say_and_has_no_gap_of_its_own():
    solution = fp.solve(kind="washboard", barrier=3.0, t_end=20.0, n_cells=1600, n_steps=400)
    x = solution.box.centres(0)
    mean = solution.p @ x * solution.box.volume
    variance = solution.p @ x**2 * solution.box.volume - mean**2
    half = len(variance) // 2
    growth = (variance[-1] - variance[half]) / (solution.times[-1] - solution.times[half])
    exact = 2 * fp.washboard_diffusion(solution.setting)
    assert growth == pytest.approx(exact, rel=0.01)  # what h^2 and the memory of the start leave
    assert growth != pytest.approx(1.2 * exact, rel=0.01)
    assert fp.washboard_diffusion(Setting("washboard", barrier=0.0, kT=0.7)) == pytest.approx(0.7)
    near, far = (fp.box_gap(solution.setting, walls) for walls in (12.0, 24.0))
    assert near / far == pytest.approx(4, rel=0.05)
    assert solution.setting.confining is False and solution.smallest.min() >= 0


def test_current_of_the_whirl_stays_when_the_density_has_come_to_rest():
    solution = fp.solve(kind="whirl", swirl=3.0, t_end=12.0, n_cells=100, n_steps=100)
    J = fp.current(solution)
    x, y = (solution.box.points()[..., i] for i in (0, 1))
    p = np.exp(-(x * x + y * y) / 2) / (2 * math.pi)
    exact = 3.0 * np.stack([-y * p, x * p], -1)
    assert np.abs(J - exact).max() < solution.box.widths[0] ** 2 < np.abs(J - 1.2 * exact).max()
    assert np.abs(fp.current(fp.solve(kind="whirl", swirl=0.0, t_end=12.0, n_cells=60))).max() < 1e-4


def test_whirl_carries_the_mean_round_while_it_falls():
    """<x> = exp(-t) R(Omega t) x_0, exactly."""
    solution = fp.solve(kind="whirl", swirl=2.0, t_end=1.0, n_cells=96, n_steps=800)
    mean = np.einsum("yx,yxd->d", solution.p[-1], solution.box.points()) * solution.box.volume
    exact = 1.6 * math.exp(-1) * np.array([math.cos(2), math.sin(2)])
    slack = solution.dt * 1.6 + solution.box.widths[0] ** 2 * 1.6
    assert np.abs(mean - exact).max() < slack < np.abs(mean - 1.2 * exact).max() + slack
    assert np.abs(mean - 1.6 * math.exp(-1) * np.array([math.cos(2), -math.sin(2)])).max() > 10 * slack


def test_same_seed_same_particles_and_frames_are_only_a_choice():
    a, b = (fp.solve(kind="whirl", n_cells=32, n_steps=60, n_frames=n) for n in (61, 7))
    assert np.array_equal(a.p[-1], b.p[-1]) and len(b.p) == 7 and np.array_equal(a.entropy, b.entropy)
    first, second = (fp.particles(a, n_particles=50, seed=5) for _ in range(2))
    assert torch.equal(first.positions, second.positions)
    assert not torch.equal(first.final, fp.particles(a, n_particles=50, seed=6).final)


def test_draws_of_a_density_on_cells():
    solution = small(kind="exact score")
    x = fp.draw(solution.end, solution.box, 20_000, torch.Generator().manual_seed(0)).double().numpy()
    points = solution.box.points()
    for axis in (0, 1):
        mean = (solution.end * points[..., axis]).sum() * solution.box.volume
        second = (solution.end * points[..., axis] ** 2).sum() * solution.box.volume
        assert abs(x[:, axis].mean() - mean) < 4 * math.sqrt((second - mean**2) / len(x))


@pytest.mark.parametrize(
    "bad",
    [
        dict(kind="river"),
        dict(start="nowhere"),
        dict(kT=0.0),
        dict(t_end=-1.0),
        dict(n_steps=0),
        dict(n_cells=4),
        dict(kind="whirl", n_cells=1000),
        dict(tilt=math.inf),
        dict(kind="exact score", dataset="x"),
    ],
)
def test_parameters_that_make_no_run_are_refused(bad):
    with pytest.raises(ValueError):
        fp.solve(**{"n_cells": 32} | bad)


def test_only_what_is_no_gradient_stays_restless():
    assert fp.restlessness(fp.solve(kind="double well", n_steps=5)) < 1e-9
    assert fp.restlessness(fp.solve(kind="whirl", swirl=0.0, n_cells=32, n_steps=5)) < 1e-9
    slow, fast = (fp.restlessness(fp.solve(kind="whirl", swirl=swirl, n_cells=32, n_steps=5)) for swirl in (0.5, 4.0))
    assert 0.001 < slow < fast


@pytest.mark.parametrize("kind", ["double well", "whirl", "exact score"])
def test_the_first_particles_are_those_of_the_whole_crowd(kind):
    solution = fp.solve(kind=kind, n_cells=32, n_steps=20, t_end=1.0)
    for move in (fp.particles, fp.flow):
        whole, first = (move(solution, n_particles=300, seed=5, first=first) for first in (None, 100))
        assert torch.equal(first.positions, whole.positions[:, :100]), move.__name__


def test_the_slowest_rate_does_not_ask_where_it_begins():
    setting = fp.Setting(barrier=3.0, start="ring")
    assert fp.gap(setting, 200) == fp.solve(barrier=3.0, start="one spot", n_cells=200).gap == fp.solve(barrier=3.0, n_cells=200).gap
    assert fp.gap(fp.Setting(barrier=4.0), 200) < fp.gap(setting, 200)


def test_thinned_keeps_the_ends_and_the_record_of_every_step():
    solution = fp.solve(n_cells=64, n_steps=50)
    few = solution.thinned(6)
    assert few.times.tolist() == solution.times[::10].tolist() and np.array_equal(few.p, solution.p[::10])
    assert np.array_equal(few.entropy, solution.entropy)


def test_constants_of_the_settings_by_value():
    """A washboard of period 2; data noised to t = 0.06 of the linear schedule, B = 0.1 t + 19.9 t^2/2; a box of five widths."""
    washboard = Setting("washboard").potential
    x = torch.tensor([[0.3], [2.3], [1.3]], dtype=torch.float64)
    here, later, between = washboard.energy(x).tolist()
    assert here == pytest.approx(later) and abs(here - between) > 0.5
    total = 0.1 * 0.06 + 19.9 * 0.06**2 / 2
    alpha, sigma = math.exp(-total / 2), math.sqrt(1 - math.exp(-total))
    data = get_dataset("three modes").to(torch.float64)
    noised = GaussianMixture(data.weights, alpha * data.means, (alpha**2 * data.scales**2 + sigma**2).sqrt())
    points = np.random.default_rng(0).normal(size=(20, 2))
    assert np.allclose(fp.score(Setting("exact score"), points), noised.score(torch.as_tensor(points)).numpy(), rtol=1e-6, atol=1e-9)
    assert Setting("whirl", kT=1.0).box(8).high == (5.0, 5.0) and Setting("whirl", kT=0.25).box(8).high == (3.6, 3.6)


def test_the_whirl_at_another_temperature():
    """Stiffness 1, Omega = 2, kT = 0.5: density, particles and flow turn by 2 t while they fall by exp(-t), to variance 0.5.

    The grid and the implicit steps blur by 3 %; a fifth more kT is 14 to 20 %.
    """
    t = 0.6
    solution = fp.solve(kind="whirl", kT=0.5, t_end=t, n_cells=96, n_steps=60, n_frames=61)
    start = solution.p[0]
    points, cell = solution.box.points(), solution.box.volume

    def moments(p):
        mean = (p[..., None] * points).sum((0, 1)) * cell
        return mean, float((p[..., None] * (points - mean) ** 2).sum() * cell) / 2

    (m, v), (mean, var) = moments(start), moments(solution.p[-1])
    turned = math.exp(-t) * np.array([m[0] * math.cos(2 * t) - m[1] * math.sin(2 * t), m[0] * math.sin(2 * t) + m[1] * math.cos(2 * t)])
    expected = 0.5 + (v - 0.5) * math.exp(-2 * t)
    assert np.allclose(mean, turned, atol=0.02) and var == pytest.approx(expected, rel=0.05)
    assert moments(solution.end)[1] == pytest.approx(0.5, rel=0.02)
    for move in (fp.particles, fp.flow):
        x = move(solution, n_particles=8000, seed=1).final.double()
        assert np.allclose(x.mean(0).numpy(), turned, atol=4 * math.sqrt(expected / 8000) + 0.02)
        assert abs(float(x.var(0).mean()) / expected - 1) < 4 / math.sqrt(8000) + 0.05


def test_round_off_is_machine_precision_times_steps_and_stiffness():
    solution = small(n_steps=100, t_end=2.0)
    h = 2 * solution.box.high[0] / 300
    assert solution.roundoff == pytest.approx(2.0**-52 * 101 * (1 + 4 / h**2 * 0.02))
