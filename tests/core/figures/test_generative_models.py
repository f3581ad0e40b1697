import pytest
import torch

from core.figures import generative_models as figures
from core.figures.generative_models_stage import moments, payload, payload_of_one
from core.figures.payload import unpack
from core.figures.theme import DARK, LIGHT
from core.learning.generative_models import FAMILIES, Curves, Divergence, sample
from core.learning.timeline import PAPERS
from core.numerics.distances import Floor, Truth

CURVES = Curves(
    {name: [1, 8] if family.walks else [1] for name, family in FAMILIES.items()},
    {name: [1.0, 0.1] if family.walks else [0.3] for name, family in FAMILIES.items()},
    Floor(0.05, 0.01, 0.07, 500),
    500,
)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_error_figure_draws_the_focus_last_and_thick(palette):
    figure = figures.error_figure(CURVES, focus="GAN", palette=palette)
    last = figure.data[-1]
    assert last.name == "GAN" and last.line.color == palette.sample and list(last.y) == [0.3]
    assert {trace.name for trace in figure.data} >= {family.label for family in FAMILIES.values()}
    band = next(trace for trace in figure.data if trace.fill == "toself")
    assert min(band.y) == pytest.approx(0.03) and max(band.y) == pytest.approx(0.07)


def test_table_has_a_row_a_family_with_its_cost():
    truths = {name: Truth("d", 0.1 * (i + 1), Floor(0.05, 0.01, 0.07, 1000)) for i, name in enumerate(FAMILIES)}
    rows = figures.tractable_rows(truths, dict.fromkeys(FAMILIES, 0.25), dict.fromkeys(FAMILIES, 1), dict.fromkeys(FAMILIES, 0.004))
    assert len(rows) == len(FAMILIES) and all(len(row) == len(figures.HEAD) for row in rows)
    assert rows[0][-3:] == ("2.0 × floor", "25%", "4")


def test_read_outs_without_a_density_say_so():
    assert "no density" in dict(figures.belief_rows(None, 3.0, 1e-6))["Relative entropy KL(data‖model)"]
    assert dict(figures.belief_rows(Divergence(0.5, 0.01, 9), 3.0, 2e-6))["Cost per sample"].startswith("2 µs")


def test_timeline_shows_every_paper_once_with_its_reference():
    figure = figures.timeline_figure()
    points = [trace for trace in figure.data if trace.mode == "markers+text"]
    assert sorted(text for trace in points for text in trace.text) == sorted(one.short for one in PAPERS)
    assert all(len(row) == 4 for trace in points for row in trace.customdata)
    assert len(figure.data) == len(points) + sum(len(one.parents) for one in PAPERS)


def test_stage_of_six_and_of_one():
    runs = {name: sample(family=name, n_steps=3, n_particles=20) for name in FAMILIES}
    six = unpack(payload(runs, dataset="two moons", clock="race"))
    assert len(six.panels) == 6 and six.times.tolist() == [0, 1, 2, 3]
    for name, panel in zip(runs, six.panels):
        end = torch.tensor(panel["positions"][-1])
        assert (end - runs[name].final).abs().max() < 0.01 or runs[name].final.abs().max() > 2.8
    assert len(moments(runs, "own pace")) == 61
    one = unpack(payload_of_one(runs["GAN"], dataset="two moons", family="GAN", clock="own pace", seed=1))
    assert "density" in one.panels[0] and "density" not in one.panels[1]


def test_data_beside_the_first_particles_are_the_first_of_the_data():
    whole, few = sample(family="GAN", n_particles=60), sample(family="GAN", n_particles=60, first=20)
    shown = [
        unpack(payload_of_one(run, dataset="two moons", family="GAN", clock="own pace", seed=1, n_drawn=60)).panels for run in (whole, few)
    ]
    for all_, first in zip(*shown, strict=True):
        assert (all_["positions"][:, :20] == first["positions"]).all() and first["positions"].shape[1] == 20
