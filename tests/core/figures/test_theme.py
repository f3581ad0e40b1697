"""What figures share: the look, bands, histograms."""

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from core.figures.theme import DARK, LIGHT, band, density_bars, floor_band, rgba, small, styled
from core.numerics.distances import Floor


def test_every_axis_is_titled_and_what_the_figure_had_stays():
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True)
    figure.add_scatter(x=[1, 2], y=[1, 2], name="line", row=1, col=2).add_annotation(text="here")
    figure.update_xaxes(type="log", range=[0, 1], title_font_size=9, col=2).update_layout(bargap=0, margin_pad=3, legend_title_text="runs")
    drawn = styled(figure, DARK, x_title="time t", y_title="energy", height=300)
    layout = drawn.layout
    assert drawn is figure and layout.height == 300 and layout.dragmode is False
    for x, y in ((layout.xaxis, layout.yaxis), (layout.xaxis2, layout.yaxis2)):
        assert (x.title.text, y.title.text, x.title.standoff) == ("time t", "energy", 8)
        assert x.gridcolor == y.gridcolor == DARK.grid and x.ticks == y.ticks == "outside" and x.automargin and y.automargin
    assert (
        layout.xaxis.type is None and layout.xaxis2.type == "log" and layout.xaxis2.range == (0, 1) and layout.xaxis2.title.font.size == 9
    )
    assert layout.xaxis2.anchor == "y2" and layout.yaxis2.showticklabels is False and layout.annotations[0].text == "here"
    assert layout.margin.to_plotly_json() == dict(l=56, r=12, t=28, b=48, pad=3) and layout.bargap == 0
    assert layout.legend.orientation == "h" and layout.legend.title.text == "runs"
    assert layout.font.color == DARK.ink and layout.hoverlabel.font.color == DARK.ink and layout.hoverlabel.bgcolor == DARK.background
    assert layout.template == go.Figure().layout.template and layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_a_band_goes_out_along_the_lower_edge_and_back_along_the_upper():
    figure = go.Figure()
    band(figure, [1, 2, 4], 0.5, [1, 2, 3], colour=LIGHT.sample, name="between")
    (shade,) = figure.data
    assert np.asarray(shade.x).tolist() == [1, 2, 4, 4, 2, 1]
    assert np.asarray(shade.y).tolist() == [0.5, 0.5, 0.5, 3, 2, 1]
    assert shade.fill == "toself" and shade.fillcolor == rgba(LIGHT.sample, 0.2) and shade.hoverinfo == "skip"


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("std, low", [(0.1, 0.8), (0.6, 0.25)])
def test_a_floor_is_two_deviations_wide_and_stays_on_a_log_axis(palette, std, low):
    figure = go.Figure()
    assert floor_band(figure, Floor(1.0, std, 1.0 + 2 * std, 500), [10, 100], name="exact draws", palette=palette) == pytest.approx(low)
    (shade,) = figure.data
    assert np.asarray(shade.y) == pytest.approx([low, low, 1 + 2 * std, 1 + 2 * std])
    assert shade.name == "exact draws (± 2 s.d.)" and shade.fillcolor == rgba(palette.exact, 0.2)


def test_bars_are_a_density_of_all_values_and_the_rest_is_told():
    figure = go.Figure()
    outside = density_bars(figure, [0.1, 0.2, 0.6, 0.7, 0.8, 3.0, np.nan, np.inf], np.array([0, 0.5, 1.0]), name="walkers")
    (bars,) = figure.data
    assert np.asarray(bars.x).tolist() == [0.25, 0.75] and bars.width == 0.5
    assert np.asarray(bars.y) == pytest.approx([2 / 8 / 0.5, 3 / 8 / 0.5])
    assert outside == pytest.approx(3 / 8) and sum(bars.y) * 0.5 == pytest.approx(1 - outside)


@pytest.mark.parametrize(
    ("value", "printed"),
    [(0.0, "0"), (4.6e-17, "below 10⁻¹⁵"), (2.4e-114, "below 10⁻¹⁵"), (2.36e-5, "2.4·10⁻⁵"), (-3e-9, "-3.0·10⁻⁹"), (0.314, "0.31")],
)
def test_round_off_has_no_digits(value, printed):
    assert small(value) == printed
