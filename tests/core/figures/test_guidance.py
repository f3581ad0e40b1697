"""Figures of `guidance` draw the numbers that they are given."""

import numpy as np
import pytest

from core.figures import guidance as figures
from core.figures import guidance_stage
from core.figures.payload import unpack
from core.figures.theme import DARK, LIGHT
from core.learning import guidance as g

FOUND = g.sweep(dataset="three classes", label=0, gammas=(0, 1, 3), n_particles=200, n_steps=10)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_distance_over_its_floor(palette):
    band, guided = figures.distance_figure(FOUND, gamma=3.0, palette=palette).data
    assert list(guided.x) == [0, 1, 3] and list(guided.y) == FOUND.distances and guided.line.color == palette.sample
    assert max(band.y) == pytest.approx(max(f.mean + 2 * f.std for f in FOUND.floors))


def test_tradeoff_and_gap():
    tilt, guided = figures.tradeoff_figure(FOUND).data
    shown = [q.fidelity < 1 - 10**-figures.MOST_NINES for q in FOUND.guided]
    assert any(shown) and list(tilt.y) == [q.diversity for q in FOUND.tilted]
    assert np.allclose(1 - 10.0 ** -np.array(guided.x)[shown], np.array([q.fidelity for q in FOUND.guided])[shown])
    found = g.gap(dataset="three classes", label=1, gamma=2.0, n=50, n_t=6)
    gap, source = figures.gap_figure(found, guide="exact").data
    assert np.allclose(gap.y, found.gap.numpy()) and np.allclose(source.y, found.source.numpy())
    assert len(figures.gap_figure(found, guide="classifier").data) == 3


def test_the_stage_carries_both_runs():
    setting = dict(dataset="island", label=0, gamma=2.0, n_steps=10, n_particles=40)
    runs = g.sample(**setting), g.sample(**setting, guide="tilt")
    movie = unpack(guidance_stage.payload("island", 0, 2.0, "exact", *runs))
    assert np.allclose(movie.panels[0]["positions"][0], movie.panels[1]["positions"][0])
    assert movie.header["panels"][0]["density_name"] == "density with the guided score"
    assert np.allclose(movie.panels[0]["marginal_x"], movie.panels[1]["marginal_x"])
    assert movie.panels[1]["marginal_x"][-1].sum() * 6 / 56 == pytest.approx(1.0, abs=0.02)
