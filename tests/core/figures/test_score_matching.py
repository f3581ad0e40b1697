"""Figures of `score_matching` draw the numbers that they are given."""

import numpy as np
import pytest
import torch

from core.figures import score_matching as figures
from core.figures import score_matching_stage as stage
from core.figures.payload import unpack
from core.figures.theme import DARK, LIGHT
from core.learning import score_matching as sm

SHOT = sm.snapshot(None, sm.Settings(n_steps=500))
TRAINED = sm.Snapshot(SHOT.settings, SHOT.field, 100, torch.tensor([50.0, 100.0]), torch.tensor([0.5, 0.3]), torch.tensor([0.1, 0.02]))


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_loss_stands_over_its_floor(palette):
    loss, floor, clocked = figures.loss_figure(TRAINED, 0.25, 0.2, palette=palette).data
    assert list(loss.y) == pytest.approx([0.5, 0.3]) and set(floor.y) == {0.25} and set(clocked.y) == {0.2}
    assert floor.line.color == palette.exact and loss.line.color == palette.sample
    assert len(figures.loss_figure(TRAINED, 0.2, 0.2).data) == 2
    assert [set(t.y) for t in figures.loss_figure(SHOT, 0.2, 0.2).data] == [{0.2}]


def test_errors_of_all_that_was_trained():
    shots = {"denoising": TRAINED, "sliced": SHOT, "explicit": TRAINED}
    drawn = figures.error_figure(shots, "denoising")
    assert len(drawn.data) == 2 and drawn.data[0].line.width > drawn.data[1].line.width
    assert list(drawn.data[0].y) == pytest.approx([0.1, 0.02])
    untrained = figures.error_figure({"denoising": SHOT}, "denoising").layout.annotations
    assert [note.text for note in untrained] == ["learned: below 1%", "not trained yet"]


def test_map_and_errors_carry_the_numbers():
    found = sm.error_map(SHOT.field, "three modes", height=0.5, n_x=11, n_t=7)
    heat, contour = figures.map_figure(found, height_on_map=0.5).data
    assert np.allclose(10 ** np.asarray(heat.z), found.error.numpy().clip(1e-3), rtol=1e-4)
    assert np.allclose(contour.z, found.density.numpy()) and float(found.density.max()) == 1
    wrong = sm.where_it_is_wrong(SHOT.field, "three modes", n=300, n_t=5)
    away, here = figures.where_figure(wrong).data
    assert np.allclose(here.y, wrong.on_path.numpy()) and np.allclose(away.y, wrong.off_path.numpy(), equal_nan=True)


def test_the_arrow_ends_where_it_aims():
    found = sm.aim(SHOT.field, "ring", (0.5, -0.3), 0.3)
    drawn = {trace.name: trace for trace in figures.aim_figure(found, "ring", 0.3).data}
    exact = drawn["E[x₀|xₜ], exact"]
    assert (exact.x[1], exact.y[1]) == pytest.approx(tuple(found.exact.tolist())) and exact.x[0] == pytest.approx(0.5)
    assert len(drawn["x₀ that may have been"].x) == 600


def test_the_stage_shows_both_runs_and_the_error():
    runs = [sm.sample(field, "three modes", n_steps=12, n_particles=50, seed=3) for field in (None, SHOT.field)]
    movie = unpack(stage.payload(SHOT, *runs, stage.exact_scene("three modes", runs[0].times)))
    first, second = movie.header["panels"]
    assert (first["density_name"], second["density_name"], second["density_role"]) == ("exact density", "error of the score", "accent")
    assert np.allclose(movie.panels[0]["positions"][0], movie.panels[1]["positions"][0])
    assert np.nanmax(np.abs(movie.panels[1]["positions"][-1] - runs[1].positions[-1].numpy().clip(-3.4, 3.4))) < 0.01
    assert "untrained" in second["title"]
