"""What the figures of the dimensions chapter write and draw is what was computed."""

import math

import numpy as np
import pytest

from core.figures import dimensions as figures
from core.figures.dimensions_stage import payload
from core.figures.payload import unpack
from core.foundations import dimensions


def test_powers_of_ten_in_words_and_latex():
    assert figures.power(math.log10(0.1645)) == "0.1645" and figures.power(-69.7286) == "1.9 × 10⁻⁷⁰"
    assert figures.power(1000 - 1e-13) == "1.0 × 10¹⁰⁰⁰" and figures.power(99.999) == "1.0 × 10¹⁰⁰"
    assert figures.power(3.5) == "3,162" and figures.latex_power(6 + math.log10(2)) == r"2.0\times 10^{6}"
    for log10 in (-300.4, -8.0, 5.0, 26.6, 999.97):
        mantissa, exponent = figures._scientific(log10)
        assert 1 <= float(mantissa) < 10 and math.log10(float(mantissa)) + exponent == pytest.approx(log10, abs=0.03)


def drawn(method="direct", eps=0.1, d=30, n=2000):
    ball, gauss = dimensions.sample(d=d, n_points=50)
    return ball, unpack(payload(ball, gauss, eps=eps, method=method, found=dimensions.spend(method, d=d, n=n)))


@pytest.mark.parametrize(("per_axis", "looks"), [(2, "1,024"), (10, "1.0 × 10¹⁰")])
def test_the_stage_says_what_a_grid_could_pay_for_and_what_a_finer_one_would_take(per_axis, looks):
    ball, gauss = dimensions.sample(d=10, n_points=50)
    shown = unpack(payload(ball, gauss, eps=0.1, method="grid", found=dimensions.spend("grid", d=10, n=2000), per_axis=per_axis))
    assert shown.header["panels"][2]["title"] == f"Grid, d = 10: 2 per axis; {per_axis} would take {looks} looks"  # 2^10 < 2000 < 3^10


def test_the_stage_shows_exact_distances():
    ball, shown = drawn()
    assert len(shown.panels) == 3 and shown.times[0] == 1 and shown.times[-1] == 30
    assert np.allclose(np.linalg.norm(shown.panels[0]["positions"][-1], axis=1), ball.positions[-1].norm(dim=1), atol=2e-3)


@pytest.mark.parametrize("eps", [0.05, 0.4])
def test_the_stage_shows_how_thick_the_peel_is(eps):
    _, shown = drawn(eps=eps, d=3)
    lit = shown.panels[0]["density"][-1] > 0
    reach = np.arange(lit.shape[0]) + 0.5 - lit.shape[0] / 2
    radius = np.hypot(*np.meshgrid(reach, reach)) * 3.5 / lit.shape[0]
    assert lit.any() and radius[lit].min() == pytest.approx(1 - eps, abs=0.04) and radius[lit].max() <= 1
    assert shown.header["panels"][0]["title"] == f"Ball, its peel at d = 3: {100 * dimensions.peel_share(3, eps):.3g} %"


def test_the_stage_shows_what_a_method_finds():
    def radii(method, d):
        return np.linalg.norm(drawn(method, d=d)[1].panels[2]["positions"][-1], axis=1) * math.sqrt(d)

    assert radii("direct", 30).mean() == pytest.approx(dimensions.shell_radius(30), rel=0.02)
    assert radii("grid", 30).max() < 0.05, "its only point is the centre"
    assert radii("walk", 500).mean() < 0.9 * dimensions.shell_radius(500), "still on its way"
    _, shown = drawn("rejection", d=300)
    assert np.isnan(shown.panels[2]["positions"]).all() and shown.header["panels"][2]["title"] == "Rejection, d = 300: nothing"


def test_cost_figure_has_exact_lines_and_an_upper_limit_where_nothing_was_hit():
    found = dimensions.census(n=1000, dims=(1, 5, 20, 200))
    figure = figures.cost_figure(found, d=5, per_axis=10, wide=1.2)
    grid = next(trace for trace in figure.data if trace.name.startswith("grid"))
    assert np.allclose(grid.y, grid.x)  # ten per axis: log10 of 10^d
    arrows = [trace for trace in figure.data if trace.marker.symbol == "arrow-up"]
    assert [a.x[0] for a in arrows] == [20, 200] and all(2 < a.y[0] < 3 for a in arrows)


def test_bought_figure_marks_the_chosen_method():
    curves = {"grid": [0.1, 1.0], "walk": [0.02, 0.03]}
    figure = figures.bought_figure(curves, dimensions.ks_floor(1000), dims=(1, 10), d=10, chosen="walk")
    widths = {trace.name: trace.line.width for trace in figure.data if trace.name in dimensions.METHODS.values()}
    assert widths["random walk"] > widths["grid"]
