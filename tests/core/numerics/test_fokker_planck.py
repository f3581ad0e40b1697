"""The finite-volume scheme: what it keeps exactly, how fast it converges, and what it says about rates and currents."""

import math

import numpy as np
import pytest

from core.numerics.fokker_planck import (
    Box,
    at_centres,
    bernoulli,
    fluxes,
    implicit_euler,
    operator,
    relative_entropy,
    spectrum,
    stationary,
    work_of,
)


def last(states):
    *_, end = states
    return end


def line(n=200, half=6.0, D=0.7, k=1.3):
    """A harmonic well: (box, work, L, stationary density)."""
    box = Box((-half,), (half,), (n,))
    w = work_of(-k * box.centres(0) ** 2 / (2 * D))
    exact = np.exp(-k * box.centres(0) ** 2 / (2 * D))
    return box, w, operator(box, w, D), exact / (exact.sum() * box.volume)


def whirl(n=64, half=5.0, omega=2.0, D=1.0):
    box = Box((-half, -half), (half, half), (n, n))

    def b(points):
        return -points + omega * np.stack([-points[..., 1], points[..., 0]], -1)

    w = [b(box.points(axis))[..., 1 - axis] * box.widths[axis] / D for axis in (0, 1)]
    return box, w, operator(box, w, D)


def spot(box, centre, width):
    p = np.exp(-((box.points() - centre) ** 2).sum(-1) / (2 * width**2))
    return p / (p.sum() * box.volume)


def test_bernoulli_is_smooth_and_safe():
    z = np.array([-800.0, -1.0, -1e-12, 0.0, 1e-12, 1.0, 800.0])
    assert np.allclose(bernoulli(z), [800.0, 1 / (1 - math.exp(-1)), 1.0, 1.0, 1.0, 1 / (math.e - 1), 0.0])
    assert np.allclose(bernoulli(-z) - bernoulli(z), z)
    assert np.allclose(bernoulli(np.array([1e-9, 1e-11])), 1, atol=1e-8)


@pytest.mark.parametrize("make", [lambda: line()[:3], lambda: whirl(24)])
@pytest.mark.parametrize("dt", [1e-3, 1.0, 1e4])
def test_mass_is_kept_and_no_step_is_long_enough_to_go_negative(make, dt):
    box, _, L = make()
    p = spot(box, 1.0, 0.2)
    allowed = np.finfo(float).eps * 50 * (1 + dt * np.abs(L.diagonal()).max())
    for q in implicit_euler(L, p, dt=dt, n_steps=50):
        assert q.min() >= 0
        assert abs(q.sum() * box.volume - 1) < max(allowed, 1e-14)
    assert float(np.abs(L.sum(axis=0)).max()) < 1e-10 * np.abs(L.diagonal()).max()
    off = L - np.diag(L.diagonal()) if not hasattr(L, "tocoo") else L.tocoo()
    assert (off.data[off.row != off.col] >= 0).all()


def test_stationary_state_is_boltzmann_cell_by_cell():
    box, _, L, exact = line()
    found = stationary(L, box.cells, box.volume)
    assert np.allclose(found / exact, 1, atol=1e-9)
    assert np.abs(L @ exact).max() < 1e-12 * np.abs(L.diagonal()).max()
    hot = exact ** (1 / 1.2)
    assert np.abs(L @ hot).max() > 1e-3


@pytest.mark.parametrize("make", [lambda: line()[:3], lambda: whirl(24)])
def test_relative_entropy_never_rises(make):
    box, _, L = make()
    end = stationary(L, box.cells, box.volume)
    for dt in (0.01, 0.5, 50.0):
        H = [relative_entropy(p, end, box.volume) for p in implicit_euler(L, spot(box, 1.5, 0.3), dt=dt, n_steps=60)]
        assert np.diff(H).max() < 1e-13 and H[0] > 0.5 and H[-1] < H[0]


def test_first_order_in_time_second_in_space_against_ornstein_uhlenbeck():
    D, k, t, x0, s0 = 0.7, 1.3, 0.8, 1.0, 0.4
    decay = math.exp(-k * t)
    mean, variance = x0 * decay, s0**2 * decay**2 + D / k * (1 - decay**2)

    def error(n, steps, kT=D):
        box, _, L, _ = line(n, D=kT)
        p = last(implicit_euler(L, spot(box, x0, s0), dt=t / steps, n_steps=steps))
        exact = np.exp(-((box.centres(0) - mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
        return np.abs(p - exact).sum() * box.volume

    in_time = [error(1600, steps) for steps in (10, 20, 40)]
    assert all(1.8 < a / b < 2.2 for a, b in zip(in_time, in_time[1:]))
    in_space = [error(n, 6400) for n in (20, 40, 80)]
    assert all(3.2 < a / b < 4.8 for a, b in zip(in_space, in_space[1:]))
    assert error(400, 3200) < 1e-3 < 30 * 1e-3 < error(400, 3200, kT=1.2 * D)


def test_spectrum_of_a_harmonic_well_and_of_a_whirl():
    """Ornstein-Uhlenbeck: rates 0, k, 2k, ...; with a whirl the first two are k +- i Omega (second order in h)."""
    exact = 1.3 * np.arange(4)
    coarse, fine = (spectrum(line(n)[2], line(n)[3]).real for n in (100, 200))
    better = fine + (fine - coarse) / 3  # Richardson
    assert np.allclose(better, exact, atol=2e-4)
    assert not np.allclose(better, 1.2 * exact, atol=0.1)
    box, _, L = whirl(64)
    rates = spectrum(L, stationary(L, box.cells, box.volume))
    assert abs(rates[0]) < 1e-8
    assert np.allclose(sorted(rates[1:3], key=lambda r: r.imag), [1 - 2j, 1 + 2j], atol=(box.widths[0]) ** 2)
    assert not np.allclose(sorted(rates[1:3], key=lambda r: r.imag), [1.2 - 2j, 1.2 + 2j], atol=(box.widths[0]) ** 2)


def test_measured_decay_is_the_spectral_gap():
    box, _, L, end = line()
    gap = float(spectrum(L, end)[1].real)
    dt = 0.02
    H = [relative_entropy(p, end, box.volume) for p in implicit_euler(L, spot(box, 1.5, 0.3), dt=dt, n_steps=350)]
    measured = -0.5 * math.log(H[350] / H[250]) / (100 * dt)
    assert measured == pytest.approx(math.log(1 + gap * dt) / dt, rel=2e-3)  # relative size of the next mode by then
    assert measured != pytest.approx(math.log(1 + 1.2 * gap * dt) / dt, rel=2e-3)


def test_current_of_a_whirl_circulates_and_that_of_a_force_vanishes():
    box, w, L = whirl(100)
    end = stationary(L, box.cells, box.volume)
    J = at_centres(fluxes(box, w, 1.0, end))
    x, y = box.points()[..., 0], box.points()[..., 1]
    p = np.exp(-(x * x + y * y) / 2) / (2 * math.pi)
    exact = 2.0 * np.stack([-y * p, x * p], -1)
    assert np.abs(J - exact).max() < box.widths[0] ** 2 < np.abs(J - 1.2 * exact).max()
    box, w, L, exact = line()
    assert np.abs(fluxes(box, w, 0.7, exact)[0]).max() < 1e-13


def test_operator_is_the_divergence_of_the_flux():
    box, w, L = whirl(20)
    p = spot(box, 0.7, 0.8)
    div = 0
    for axis, J in enumerate(fluxes(box, w, 1.0, p)):
        full = np.pad(J, [(1, 1) if a == axis else (0, 0) for a in range(2)])
        div = div - np.diff(full, axis=axis) / box.widths[axis]
    assert np.allclose((L @ p.ravel()).reshape(p.shape), div, atol=1e-12)


def test_points_are_in_the_order_x_y_and_faces_lie_between():
    box = Box((0.0, 10.0), (2.0, 16.0), (2, 3))
    points = box.points()
    assert points.shape == (2, 3, 2) and points[0, 0].tolist() == [11.0, 0.5] and points[1, 2].tolist() == [15.0, 1.5]
    assert box.points(0).shape == (1, 3, 2) and box.points(0)[0, 0].tolist() == [11.0, 1.0]
    assert box.points(1).shape == (2, 2, 2) and box.points(1)[0, 0].tolist() == [12.0, 0.5]
    assert box.volume == 2.0


def test_what_makes_no_equation_is_refused():
    with pytest.raises(ValueError, match="cells"):
        Box((0.0,), (1.0,), (1,))
    box, w, L, p = line(20)
    with pytest.raises(ValueError, match="inner face"):
        operator(box, [w[0][1:]], 1.0)
    with pytest.raises(ValueError, match="inner face"):
        operator(box, [w[0] * np.nan], 1.0)
    with pytest.raises(ValueError, match="dt"):
        list(implicit_euler(L, p, dt=0.0, n_steps=1))
