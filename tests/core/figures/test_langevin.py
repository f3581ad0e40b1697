"""What the Langevin figures draw is what was computed."""

import numpy as np
import pytest
import torch

from core.figures import langevin as figures
from core.figures.langevin_stage import paths, phase_space
from core.figures.payload import unpack
from core.figures.theme import DARK, LIGHT
from core.numerics.kinetic import bias
from core.physics import langevin
from core.physics.langevin import System

SMALL = dict(n_particles=200, t_end=5.0, seed=1)


def trace(figure, name):
    (found,) = (t for t in figure.data if t.name == name)
    return found


@pytest.mark.parametrize("kind", langevin.KINDS)
@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_spread_has_both_asymptotes_and_memory_the_exact_curve(kind, palette):
    system, run = System(kind), langevin.sample(kind=kind, **SMALL)
    figure = figures.spread_figure(langevin.spread(run, system), system, palette=palette)
    fast, slow = trace(figure, "ballistic  kT t²/m"), trace(figure, "diffusive  2 kT t/γm")
    assert np.allclose(fast.y, np.asarray(fast.x) ** 2) and np.allclose(slow.y, 2 * np.asarray(slow.x))
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    remembered = figures.memory_figure(langevin.memory(run, system), system, palette=palette)
    names = [t.name for t in remembered.data]
    assert ("exact" in names) == (kind != "double well") and trace(remembered, "particles").line.color == palette.sample


def test_bias_figure_draws_the_closed_form_and_the_measured_point():
    system, run = System("harmonic"), langevin.sample(kind="harmonic", dt=0.5, **SMALL)
    figure = figures.bias_figure(run, system, method="OBABO", dt=0.5)
    line = trace(figure, "OBABO: ⟨x²⟩ k/kT")
    at = 40
    assert line.y[at] == pytest.approx(bias("OBABO", dt=float(line.x[at]), omega=1.0, friction=1.0).position)
    point = trace(figure, "particles: ⟨x²⟩")
    assert point.y[0] == pytest.approx(float(run.x[-1].double().var())) and point.error_y.array[0] > 0


def test_a_blown_up_run_still_makes_every_figure():
    params = dict(kind="harmonic", dt=2.1, n_particles=50, t_end=1500.0)
    system, run = System("harmonic"), langevin.sample(**params)
    assert not torch.isfinite(run.x[-1]).all()
    for figure in (
        figures.spread_figure(langevin.spread(run, system), system),
        figures.memory_figure(langevin.memory(run, system), system),
        figures.velocity_figure(run, system, method="BAOAB", dt=2.1),
        figures.bias_figure(run, system, method="BAOAB", dt=2.1),
    ):
        assert figure.layout.xaxis.title.text
    assert dict(figures.table(system, method="BAOAB", dt=2.1, gap=None))["Known bias of ⟨x²⟩"] == "unstable"
    assert unpack(phase_space(run, system)).header["panels"][0]["lost"] > 0


def test_rate_figure_has_error_bars_and_the_formulas():
    system = System(barrier=3.0)
    counts = langevin.count(system, [0.1, 1.0, 10.0], n_particles=200)
    figure = figures.rate_figure(counts, system)
    points = trace(figure, "counted, ± 2 s.e.")
    assert np.allclose(points.y, counts.rate) and np.allclose(points.error_y.array, 2 * counts.error)
    line = trace(figure, "Kramers")
    assert np.allclose(line.y, langevin.kramers(system, torch.as_tensor(line.x)))


@pytest.mark.parametrize("kind", langevin.KINDS)
def test_stage_shows_both_pictures_or_phase_space(kind):
    params = dict(kind=kind, **SMALL)
    system, run, slow = System(kind), langevin.sample(**params), langevin.overdamped(**params)
    both = unpack(paths(run, slow, system, method="BAOAB"))
    assert both.header["mode"] == "1d" and len(both.panels) == 2 and len(unpack(paths(run, None, system, method="BAOAB")).panels) == 1
    half = both.header["bounds"][1]
    assert np.allclose(both.panels[0]["positions"][-1, :, 0], run.x[-1].numpy().clip(-half, half), atol=half * 0.14)
    plane = unpack(phase_space(run, system))
    assert plane.header["panels"][0]["arrow_role"] == "drift" and plane.panels[0]["positions"].shape == (200, 200, 2)
    middle = plane.panels[0]["marginal_y"][-1]
    assert np.argmax(middle) == len(middle) // 2
