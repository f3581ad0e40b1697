"""What the kit does to figures and read-outs before they are shown."""

import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from core.figures.theme import enlarged, styled, typeset
from pages.kit.truth import _words
from tests.pages.conftest import ROOT


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("-2.520 · particles -2.536 ± 0.029", "−2.520 · particles −2.536 ± 0.029"),
        ("1.1e-13 of the longest arrow", "1.1·10<sup>−13</sup> of the longest arrow"),
        ("2e+06", "2·10<sup>6</sup>"),
        ("p-value of 2-D, x-1, DPM-Solver++(2M)", "p-value of 2-D, x-1, DPM-Solver++(2M)"),
        ("(-0.5, .3)", "(−0.5, .3)"),
        ("3 - 2", "3 - 2"),
        ("1990-05", "1990-05"),
        ("-inf, nan", "−∞, –"),
        ("information of the nanotube", "information of the nanotube"),
    ],
)
def test_numbers_are_printed_as_in_a_book(text, printed):
    assert typeset(text) == printed


def test_the_words_of_a_meter_raise_powers_and_print_numbers():
    assert (
        _words("x_T from p^(1/kT), p^γ, 4.2e+02 & -1") == "x<sub>T</sub> from p<sup>1/kT</sup>, p<sup>γ</sup>, 4.2·10<sup>2</sup> &amp; −1"
    )


def test_a_figure_for_the_lecture_is_larger_and_the_original_as_before():
    figure = go.Figure(go.Scatter(x=[0, 1], y=[1, 2], mode="lines+markers+text", text="a", line_width=2, marker_size=8, textfont_size=12))
    styled(figure, x_title="x", y_title="y", height=300).add_annotation(text="here", font_size=12)
    before = figure.to_plotly_json()
    large = enlarged(figure, by=1.5)
    assert large.layout.font.size == 21 and large.layout.annotations[0].font.size == 18 and large.layout.height == 450
    assert large.data[0].line.width == 3 and large.data[0].marker.size == 12 and large.data[0].textfont.size == 18
    assert figure.to_plotly_json() == before and list(large.data[0].y) == [1, 2]


def test_under_a_figure_stands_what_there_is_to_see():
    def page():
        import plotly.graph_objects as go
        import streamlit as st

        from pages import kit

        st.session_state["_chapter"] = "nowhere"
        kit.figure(lambda: go.Figure(), key="bare", alt="An empty figure.", see="Nothing at all.", of=())
        kit.side_by_side(("", lambda: go.Figure(), "left", "Another.", "Nothing here either."), of=())

    assert [caption.value for caption in AppTest.from_function(page).run().caption] == ["Nothing at all.", "Nothing here either."]


def test_in_the_hall_the_lecturer_says_what_there_is_to_see():
    assert '[class*="st-key-see_"] { display: none' in (ROOT / "assets" / "kit" / "lecture.css").read_text()
