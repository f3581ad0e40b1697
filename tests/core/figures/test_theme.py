"""The look that every figure shares."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.figures.theme import DARK, styled


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
