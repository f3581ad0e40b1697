import numpy as np
import pytest

from core.figures.generation import READ_OUTS, convergence_figure, noise_levels, read_out_histograms
from core.figures.theme import DARK, LIGHT
from core.generator.model.diffusion import Diffusion
from core.metrics.convergence import Convergence
from core.metrics.validity import ReadOut

OUTS = [ReadOut("Na1 Cl1", True, True, 2.0 + 0.1 * i, 2.5 + 0.01 * i, 20 + i) for i in range(10)]


def test_noise_levels_are_the_process():
    figure = noise_levels(Diffusion(), now=0.5, palette=DARK)
    coords, cell = figure.data
    assert np.allclose(np.asarray(coords.y)[[0, 100, 200]], [0.005, 0.05, 0.5])
    assert np.asarray(cell.y)[0] == pytest.approx(0, abs=1e-6) and np.asarray(cell.y)[-1] == pytest.approx(1, abs=1e-3)
    assert coords.line.color == DARK.noise and figure.layout.shapes[0].x0 == 0.5


def test_coming_to_rest_shows_each_run_and_the_median():
    times = np.linspace(1, 0, 5)
    runs = [Convergence(times, k * times, 0.1 * k * times) for k in (1.0, 2.0, 6.0)]
    figure = convergence_figure(runs)
    assert len(figure.data) == 2 * (3 + 1)
    medians = [trace for trace in figure.data if trace.name]
    assert np.allclose(medians[0].y, 2 * times) and np.allclose(medians[1].y, 0.2 * times)
    assert medians[0].yaxis != medians[1].yaxis
    assert "Å" in figure.layout.yaxis.title.text and figure.layout.xaxis.autorange == "reversed"


def test_a_cell_that_does_not_move_is_not_drawn_as_round_off():
    """Ticks are plain decimals: no 4.6e−17, neither of round-off that fills the axis nor of a zero that is not quite one."""
    times = np.linspace(1, 0, 5)
    figure = convergence_figure([Convergence(times, 3 * times, 4.6e-17 * times)])
    assert tuple(figure.layout.yaxis.range) == pytest.approx((0, 3.15)) and tuple(figure.layout.yaxis2.range) == (0, 0.05)
    assert figure.layout.yaxis.tickformat == figure.layout.yaxis2.tickformat == ".2~f"


def test_histograms_are_densities_over_the_references_bins():
    reference = {name: {"edges": [0, 10, 20, 40], "counts": [1, 2, 1]} for name in READ_OUTS}
    figure = read_out_histograms(OUTS, reference, palette=LIGHT)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    lines = [trace for trace in figure.data if trace.type == "scatter"]
    assert len(bars) == len(lines) == 3
    assert np.allclose(lines[0].y, [0.025, 0.05, 0.0125])
    assert all(np.isclose((np.array(bar.y) * np.array(bar.width)).sum(), 1) for bar in bars)
    assert bars[0].y[0] == pytest.approx(0.1)  # every nearest distance lies below 10 Å


def test_histograms_without_a_reference_and_beyond_its_range():
    assert len(read_out_histograms(OUTS).data) == 3
    far = {"density": {"edges": [0, 1, 2], "counts": [1, 1]}}
    bar = read_out_histograms(OUTS, far).data[2]
    assert np.allclose(bar.y, [0, 1])  # values beyond the last edge are counted in the last bin
