"""The equation on a page: what may break on a narrow screen and what may not, and the values beneath."""

import pytest

from core.equations import MOVED
from pages.kit.equation import in_force, kept_together, number


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


def test_values_are_bound_to_symbols_and_only_those_in_force_are_said():
    values = {"kT": "0.5", r"\sigma^2 t": "2", r"\tau": "1"}
    lines, known = [r"x = kT\,\sigma\,t"], ["x", "kT", r"\sigma", "t", r"\tau"]
    assert in_force(values, lines, known, []) == ["kT = 0.5", r"\sigma^2 t = 2"]
    coloured = rf"\textcolor{{{MOVED}}}"
    assert in_force(values, lines, known, ["kT"])[0] == coloured + "{kT = 0.5}"
    assert in_force(values, lines, known, [r"\sigma"])[1] == rf"{{{coloured}{{\sigma}}}}^2 t = 2"
    assert len(in_force(values, [*lines, r"\tau"], known, [])) == 3


@pytest.mark.parametrize(("value", "latex"), [(1.5, "1.5"), (200.0, "200"), (2.5e-7, r"2.5\times10^{-7}"), (-0.25, "-0.25")])
def test_numbers(value, latex):
    assert number(value) == latex
