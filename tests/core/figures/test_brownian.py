"""What the Brownian figures draw is what was computed."""

import numpy as np
import pytest

from core.figures.brownian import convergence_figure, grain_table, histogram_figure, mean_square_figure, named_law, plus_minus
from core.figures.theme import DARK, LIGHT
from core.numerics.steps import STEPS, clt_distance
from core.physics.brownian import convergence, mean_square, sample, slope, stokes_einstein


def trace(figure, name):
    (found,) = (t for t in figure.data if t.name == name)
    return found


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_mean_square_figure_has_the_exact_line_and_a_band_around_the_walkers(palette):
    walk = sample(sigma=2.0, t_end=3.0, dim=2, n_frames=50)
    curve = mean_square(walk, 2.0)
    figure = mean_square_figure(curve, slope(walk, 2.0), length_unit="µm", time_unit="s", palette=palette)
    exact, walkers, band = trace(figure, "d σ² t"), trace(figure, "walkers"), trace(figure, "± 2 standard errors")
    assert np.allclose(exact.y, 2 * 4 * np.asarray(exact.x)) and exact.line.color == palette.exact
    assert walkers.line.color == palette.sample
    low, high = np.asarray(band.y[:50]), np.asarray(band.y[50:])[::-1]
    assert np.allclose(high[1:] - low[1:], 4 * curve.error.numpy()[1:])
    assert (low <= np.asarray(walkers.y) + 1e-12).all() and (high >= np.asarray(walkers.y) - 1e-12).all()
    assert figure.layout.xaxis.title.text == "time t (s)" and "µm²" in figure.layout.yaxis.title.text
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)" and "exact 8" in figure.layout.annotations[0].text


def test_levy_flights_get_a_log_axis_and_one_walker_no_band():
    assert mean_square_figure(mean_square(sample(step="levy"), 1.0)).layout.yaxis.type == "log"
    assert mean_square_figure(mean_square(sample(), 1.0)).layout.yaxis.type is None
    assert len(mean_square_figure(mean_square(sample(n_particles=1), 1.0)).data) == 2


@pytest.mark.parametrize("step", STEPS)
def test_convergence_figure_draws_exact_sampled_and_floor(step):
    curve = convergence(sample(step=step, n_steps=64, n_frames=65), sigma=1.0, n_steps=64)
    figure = convergence_figure(step, curve, n_max=64)
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert np.allclose(trace(figure, "walkers").y, curve.distance)
    band = trace(figure, "sampling floor (95 %)")
    assert min(band.y) == pytest.approx(curve.floor.mean - 2 * curve.floor.std)
    if step != "gaussian":
        exact = trace(figure, f"exact: {named_law(step)}")
        assert exact.y[-1] == clt_distance(step, 64) and exact.x[-1] == 64
    assert all(min(t.y) > 0 for t in figure.data)


def test_histogram_is_a_density_beside_the_heat_kernel():
    walk = sample(sigma=0.5, t_end=4.0, n_particles=4000)
    figure = histogram_figure(walk, 0.5, length_unit="µm")
    bars, kernel = trace(figure, "walkers"), trace(figure, "N(0, σ² t)")
    assert float(np.sum(np.asarray(bars.y) * bars.width)) == pytest.approx(1, abs=2e-3)
    middle = np.asarray(kernel.y)[150]
    assert middle == pytest.approx(1 / np.sqrt(2 * np.pi)) and kernel.line.color == LIGHT.exact
    levy = histogram_figure(sample(step="levy"), 1.0)
    inside = float(np.sum(np.asarray(levy.data[0].y) * levy.data[0].width))
    assert levy.layout.annotations[0].text == f"{1 - inside:.2%} outside" and inside < 0.9
    with pytest.raises(ValueError, match="origin"):
        histogram_figure(walk, 0.5, frame=0)


def test_bins_of_a_lattice_walk_hold_equally_many_lattice_points():
    """Coins, 100 steps of 0.1: positions 0.2 apart. Bins that ignore it would hold one or two points by turns."""
    walk = sample(step="coin", n_steps=100, n_particles=20_000, seed=1)
    bars = histogram_figure(walk, 1.0, lattice=0.2).data[0]
    assert bars.width == pytest.approx(0.2)
    exact = np.exp(-(np.asarray(bars.x) ** 2) / 2) / np.sqrt(2 * np.pi)
    error = 4 * np.sqrt(exact / (20_000 * 0.2)) + 1e-3
    assert (np.abs(bars.y - exact) < error).all()
    careless = histogram_figure(walk, 1.0, n_bins=77).data[0]
    assert np.abs(careless.y - np.exp(-(np.asarray(careless.x) ** 2) / 2) / np.sqrt(2 * np.pi)).max() > 0.2


def test_grain_table_reads_in_human_units():
    table = dict(grain_table(stokes_einstein(radius=0.5, viscosity=1.35, temperature=290.15)))
    assert table["Spread in one second, σ"] == "0.794 µm" and table["Spread in one minute"] == "6.15 µm"
    assert table["Time to move its own radius"] == "132 ms"
    assert dict(grain_table(stokes_einstein(radius=50.0)))["Time to move its own radius"].endswith(" days")


def test_plus_minus():
    assert plus_minus(1.00312, 0.0123) == "1.003 ± 0.012"
    assert plus_minus(3.0, float("inf")) == "3"
    assert plus_minus(95682.0, 50927.0) == "(10 ± 5)·10<sup>4</sup>"
