import math

import numpy as np
import pytest
import torch

from core.figures.reverse_process import CURVES, error_figure, likelihood_figure, schedule_figure
from core.figures.theme import DARK, LIGHT
from core.learning.reverse_process import METHODS, ErrorCurves, Likelihoods
from core.numerics.distances import Floor
from core.numerics.schedules import SCHEDULES, get_schedule

CURVE = ErrorCurves(
    {"DDPM": [4, 8, 16], "ODE Heun": [4, 8, 16]},
    {"DDPM": [math.inf, 0.3, 0.1], "ODE Heun": [1, 0.2, 0.05]},
    Floor(0.05, 0.01, 0.07, 500),
    500,
)


def traces(figure):
    return {trace.name: trace for trace in figure.data}


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_error_figure_shows_every_number_over_the_floor(palette):
    figure = error_figure(CURVE, chosen="DDPM", palette=palette)
    found = traces(figure)
    ddpm, heun = found[METHODS["DDPM"].label], found[METHODS["ODE Heun"].label]
    assert list(ddpm.y) == [None, 0.3, 0.1] and list(heun.x) == [4, 8, 16]
    assert ddpm.line.color == palette.sample and heun.line.color == palette.muted and ddpm.line.width > heun.line.width
    band = next(t for t in figure.data if t.fill == "toself")
    assert min(band.y) == pytest.approx(0.03) and max(band.y) == pytest.approx(0.07)
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)" and "evaluations" in figure.layout.xaxis.title.text


def test_likelihood_figure_has_the_identity_and_the_error():
    exact = torch.tensor([-3.0, -1.0], dtype=torch.float64)
    figure = likelihood_figure(Likelihoods(torch.zeros(2, 2), exact + 0.5, exact))
    line, points = figure.data
    assert list(line.x) == list(line.y) == [-3.0, -0.5] and line.line.color == LIGHT.exact
    assert np.allclose(points.y - points.x, 0.5) and "0.5 nats" in points.name


@pytest.mark.parametrize("quantity", CURVES)
@pytest.mark.parametrize("variant", ["VP", "sub-VP", "VE"])
def test_schedule_figure_draws_the_schedule(quantity, variant):
    schedules = {name: get_schedule(name, variant) for name in SCHEDULES}
    marks = schedules["cosine"].time_grid(9)
    figure = schedule_figure(schedules, quantity=quantity, chosen="cosine", marks=marks)
    found = traces(figure)
    assert set(found) == {*SCHEDULES, "steps"}
    for name, schedule in schedules.items():
        i = 77
        assert found[name].y[i] == pytest.approx(getattr(schedule, quantity)(float(found[name].x[i])))
        assert np.isfinite(found[name].y).all()
    assert len(found["steps"].x) == 10
    assert found["cosine"].line.color == LIGHT.noise and found["linear"].line.color == LIGHT.muted


def test_without_a_choice_no_curve_is_muted():
    figure = schedule_figure({"linear": SCHEDULES["linear"]}, quantity="beta")
    assert [t.line.color for t in figure.data] == [LIGHT.noise]
    with pytest.raises(KeyError):
        schedule_figure({}, quantity="gamma")
