"""The live equation: what may break on a narrow screen and what may not."""

import pytest

from core.figures.theme import LIGHT
from pages.kit.equation import kept_together, number, substitute


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (r"p(x) = 1, \qquad kT = 1.2", r"p(x) = 1, \qquad\allowbreak {kT = 1.2}"),
        (r"a, \qquad \mathrm{d}t = \textcolor{#0072B2}{0.02}", r"a, \qquad\allowbreak {\mathrm{d}t = \textcolor{#0072B2}{0.02}}"),
        (r"a, \qquad P(x \to y) = \min(1, e^{-U(y)})", r"a, \qquad\allowbreak  P(x \to y) = \min(1, e^{-U(y)})"),
        ("E = 1", "E = 1"),
    ],
)
def test_short_pieces_stay_in_one_line(line, kept):
    assert kept_together(line) == kept


def test_the_value_that_moved_is_boxed_and_a_missing_one_is_named():
    shown = substitute("kT = ${kT}, m = ${m}", {"kT": "1", "m": "2"}, "kT", LIGHT)
    assert shown.count(r"\boxed") == 1 and LIGHT.accent in shown.split(",")[0] and LIGHT.data in shown.split(",")[1]
    with pytest.raises(KeyError, match="m"):
        substitute("m = ${m}", {}, None, LIGHT)


@pytest.mark.parametrize(("value", "latex"), [(1.5, "1.5"), (200.0, "200"), (2.5e-7, r"2.5\times10^{-7}"), (-0.25, "-0.25")])
def test_numbers(value, latex):
    assert number(value) == latex
