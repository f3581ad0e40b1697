"""What the Fokker-Planck figures draw is what was computed."""

import numpy as np
import pytest

from core.figures import fokker_planck as figures
from core.figures.fokker_planck_stage import payload
from core.figures.payload import unpack
from core.figures.theme import DARK, LIGHT
from core.physics import fokker_planck as fp


def trace(figure, name):
    (found,) = (t for t in figure.data if t.name == name)
    return found


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_entropy_figure_lays_the_operators_rate_over_the_decay(palette):
    solution = fp.solve(n_cells=200, n_steps=100)
    figure = figures.entropy_figure(solution, palette=palette)
    curve, line = trace(figure, "relative entropy"), trace(figure, "exp(−2 λ t), λ from the operator")
    assert np.allclose(curve.y, solution.entropy) and curve.line.color == palette.exact
    slope = -np.log(line.y[-1] / line.y[0]) / (line.x[-1] - line.x[0]) / 2
    assert slope == pytest.approx(fp.decay(solution).stepped) and line.y[-1] == pytest.approx(curve.y[-1])
    mass = trace(figures.mass_figure(solution, palette=palette), "|mass − 1|")
    assert max(mass.y) == pytest.approx(max(np.abs(solution.mass - 1).max(), 1e-17))


def test_circulation_is_the_exact_current():
    solution = fp.solve(kind="whirl", n_cells=80, n_steps=60, t_end=10.0)
    figure = figures.circulation_figure(solution)
    exact, solved = figure.data
    assert np.allclose(np.interp(solved.x, exact.x, exact.y), solved.y, atol=solution.box.widths[0] ** 2)
    assert dict(figures.table(solution))["Second rates: λ₁ ± i Ω"].endswith("(Ω = 2)")


@pytest.mark.parametrize(
    "params", [dict(), dict(kind="washboard"), dict(kind="whirl"), dict(kind="exact score"), dict(kT=2.0, start="ring")]
)
def test_profiles_stage_and_table_for_every_drift(params):
    solution = fp.solve(**params, n_cells=64, n_steps=20, t_end=1.0)
    walks = fp.particles(solution, n_particles=100), fp.flow(solution, n_particles=100)
    figure = figures.profiles_figure(solution, walks[0])
    assert ("p∞" in [t.name for t in figure.data]) == solution.setting.confining
    made = unpack(payload(solution, walks))
    assert len(made.panels) == 2 and made.header["mode"] == ("1d" if solution.setting.flat else "2d")
    if not solution.setting.flat:
        assert made.header["panels"][0]["arrow_role"] == "current" and np.isfinite(made.panels[0]["arrows"]).all()
        total = made.panels[0]["marginal_x"][-1].mean() * (made.header["bounds"][1] - made.header["bounds"][0])
        assert total == pytest.approx(1, abs=0.03)
    rows = dict(figures.table(solution))
    assert rows["Steps on which entropy rose"] == "0 of 20"
    assert ("λ₁ with walls at ±12" in rows) != solution.setting.confining


def test_the_table_of_a_run_that_is_short_beside_its_slowest_rate():
    """Deep cold wells: the entropy stands still up to round-off, and no late decay is there to be measured."""
    rows = dict(figures.table(fp.solve(kind="double well", kT=0.3, barrier=6.0, tilt=2.0, t_end=6.0, n_steps=200, n_cells=512)))
    assert rows["Steps on which entropy rose"] == "0 of 200" and rows["Smallest density"] == "above 0"
    assert rows["Decay measured at the end"].startswith("not yet")


def test_what_is_left_of_the_start_falls_as_the_operator_says():
    """exp(-2 gap t) from where only the slowest mode is left: forgotten() answers 0, 1, 2 in the order of time."""
    made = {t: fp.solve(t_end=t, n_steps=200) for t in (0.5, 6.0, 40.0)}
    assert [figures.forgotten(solution)[0] for solution in made.values()] == [0, 1, 2]
    solution = made[6.0]
    assert f"{solution.entropy[-1] / solution.entropy[0]:.1e} of it is left" in figures.forgotten(solution)[1]


def test_only_a_whirl_still_flows():
    whirls = [fp.solve(kind="whirl", swirl=swirl, n_cells=32, n_steps=5) for swirl in (0.0, 2.0)]
    assert [figures.still_flowing(each)[0] for each in whirls] == [0, 1]
