"""What the forward-process figures and stage show is what was computed."""

import numpy as np
import pytest
import torch

from core.figures import forward_process as figures
from core.figures import forward_process_stage as stage
from core.figures.payload import unpack
from core.figures.theme import LIGHT, small
from core.learning import forward_process as fp


@pytest.mark.parametrize("variant", ["VP", "VE"])
def test_stage_lays_two_crowds_over_one_exact_density(variant):
    runs = [fp.sample(rule=rule, variant=variant, n_steps=30, n_particles=80, on_stage=True) for rule in ("Euler", "jump")]
    back = unpack(stage.payload(*runs, stage.background("checkerboard", "linear", variant, runs[0].times), scaled=variant == "VE"))
    assert back.header["overlay"] and [p["role"] for p in back.header["panels"]] == ["sample", "data"]
    assert "density" in back.panels[0] and "density" not in back.panels[1]
    width = 2 * stage.HALF / (stage.EDGES - 1)
    assert np.allclose(back.panels[0]["marginal_x"].sum(1) * width, 1, atol=0.03)
    assert ("√" in back.header["x"]) == (variant == "VE")


@pytest.mark.parametrize("variant", ["VP", "sub-VP", "VE"])
def test_schedule_figure_draws_every_clock(variant):
    drawn = figures.schedule_figures("cosine", variant, t_end=0.5)
    assert [len(figure.data) for figure in drawn] == 3 * [len(fp.CLOCKS)]
    alpha = next(t for t in drawn[0].data if t.name == "cosine")
    assert np.allclose(alpha.y, fp.clock("cosine", variant).alpha(torch.as_tensor(np.asarray(alpha.x))))
    assert alpha.line.color == LIGHT.accent and alpha.line.width > 3


def test_collapse_figure_prints_the_deviation():
    result = fp.collapse()
    in_time, on_path = figures.collapse_figures(result, "linear", "VP")
    assert f"{small(result.deviation)} of the curve's height" in on_path.layout.annotations[0].text
    assert len(in_time.data) == len(fp.CLOCKS) and len(on_path.data) == 2 * len(fp.CLOCKS)  # with marks on the path


def test_stiffness_figure_shows_the_finite_clocks_two():
    figure = figures.stiffness_figure("finite time", "VP", n_steps=20)
    assert any(": 2 at the end" in (a.text or "") for a in figure.layout.annotations)
    euler = next(t for t in figure.data if t.name == "Euler: −f Δt")
    assert euler.y[-1] == pytest.approx(1)
    figures.stiffness_figure("EDM", "VE", n_steps=1)


def test_price_and_final_figures_and_readings():
    price = fp.price_of_too_little_noise()
    figure = figures.price_figure(price, t_end=0.3)
    back = next(t for t in figure.data if t.name == "way back to the data")
    assert np.allclose(back.y, price.back)
    runs = [fp.sample(rule=rule, n_steps=20, n_particles=200) for rule in ("Euler", "jump")]
    assert np.asarray(figures.final_figure(*runs).data[0].y).sum() * 8 / 60 == pytest.approx(1, abs=0.05)
    rows = dict(figures.readings(fp.chain_moments(schedule="finite time", n_steps=10), "VP"))
    assert rows["Noise variance, Euler"] == "2"


def test_the_key_says_which_line_is_which_clock():
    key = {name: line for name, *line in figures.clock_key("cosine")}
    for trace in figures.schedule_figures("cosine", "VP")[1].data:
        assert key[trace.name] == [trace.line.color, trace.line.dash, trace.line.width]


def test_fewer_moments_hold_the_density_longer_and_keep_its_ends():
    times = fp.frame_times(1.0, 60)
    fine, coarse = (stage.background("three modes", "linear", "VP", times, n_moments=n)["density"] for n in (40, 5))
    assert torch.equal(fine[[0, -1]], coarse[[0, -1]])
    assert [len(density.unique(dim=0)) for density in (fine, coarse)] == [40, 5]
