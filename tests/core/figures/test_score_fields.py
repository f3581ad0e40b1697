"""What the score-field figures and stages show is what was computed."""

import numpy as np
import pytest

from core.figures import score_fields as figures
from core.figures import score_fields_stage as stage
from core.figures.payload import unpack
from core.figures.theme import LIGHT
from core.physics import score_fields as sf

SMALL = dict(n_steps=40, n_particles=60)


def trace(figure, name):
    return next(t for t in figure.data if t.name == name)


def test_stage_has_two_runs_from_the_same_points_their_laws_and_handles():
    spec = dict(source="by hand", modes=sf.MODES, points=(), sigma=0.3)
    back = unpack(stage.payload(sf.sample(kT=0.0, **spec, **SMALL), sf.sample(kT=2.0, **spec, **SMALL), kT=2.0, **spec))
    left, right = back.panels
    assert np.allclose(left["positions"][0], right["positions"][0]) and not np.allclose(left["positions"][-1], right["positions"][-1])
    assert np.allclose(left["arrows"], 2 * right["arrows"], rtol=0.05, atol=0.1)  # score = force / kT
    cell = 6 / 128
    for panel in (left, right):
        assert 0.8 < panel["marginal_x"].sum() * cell < 1.02
    assert right["density"].astype(float).mean() > left["density"].astype(float).mean()  # warmer is flatter
    handles = back.header["handles"]
    assert [tuple(mode) for mode in handles["modes"]] == list(sf.MODES)
    assert handles["sigma"] == 0.3 and handles["powers"] == [1.0, 0.5]
    ring = unpack(stage.payload(*(sf.sample(source="ring", kT=kT, **SMALL) for kT in (0.0, 1.0)), kT=1.0, source="ring"))
    assert "handles" not in ring.header


@pytest.mark.parametrize("source", sf.SOURCES)
def test_noise_stage_starts_at_the_data_and_melts(source):
    back = unpack(stage.noise_payload(source=source))
    assert (np.diff(back.times) > 0).all() and back.times[0] >= sf.LEAST_NOISE.get(source, 0.0) - 1e-6
    (panel,) = back.panels
    assert panel["density"][-1].astype(float).mean() > panel["density"][0].astype(float).mean()
    assert panel["positions"][-1].std() > panel["positions"][0].std()


def test_mode_figure_counts_everybody():
    greedy, thermal = (sf.sample(kT=kT, n_particles=500) for kT in (0.0, 1.0))
    counted = sf.basins()
    figure = figures.mode_figure(counted, greedy, thermal)
    for name in ("greedy", "Langevin", "exact share"):
        assert sum(trace(figure, name).y) == pytest.approx(1)
    assert np.allclose(trace(figure, "exact share").y, counted.mass)
    assert trace(figure, "exact share").marker.line.color == LIGHT.exact
    assert np.allclose(trace(figure, "greedy").y, counted.shares(greedy.final))


def test_constant_figure_lifts_one_curve_and_not_its_slope():
    cut = sf.rescaled(1e6)
    figure = figures.constant_figure(cut, 1e6)
    (log_p, log_cp), (score, score_c) = (figure.data[0], figure.data[2]), (figure.data[1], figure.data[3])
    assert np.allclose(np.asarray(log_cp.y) - np.asarray(log_p.y), np.log(1e6))
    assert np.allclose(score.y, score_c.y)
    assert dict(figures.readings(cut, 1e6, 1.0))["Factor c"] == "1,000,000"


def test_final_figure_draws_the_last_moment():
    run = sf.sample(**SMALL)
    figure = figures.final_figure(run, sf.basins())
    assert np.allclose(trace(figure, "walkers").x, run.final[:, 0])
