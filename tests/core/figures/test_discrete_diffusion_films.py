"""Films and read-outs of `discrete_diffusion` say of every token what became of it."""

import math

import numpy as np
import pytest

from core.figures import discrete_diffusion as figures
from core.figures.discrete_diffusion_stage import payload
from core.figures.payload import unpack
from core.learning import grammar
from core.learning.discrete_diffusion import Restored, checks, sample


def test_a_film_has_a_row_a_moment_and_a_cell_a_try():
    first = [(2, [("Na", True, False), ("▁", False, True)]), (0, [("Na", True, False), ("2", False, False)])]
    answer = Restored("Na1", "Na?", [first, first], 0.5, 0.25, 0.75, math.nan, ["Na2", "Na2"])
    rows = figures.formula_film(answer)
    assert [label for label, _ in rows] == ["t = 2", "t = 0"] and all(len(cells) == 2 for _, cells in rows)
    assert rows[0][1][0] == [("Na", "exact"), ("▁", "masked")] and rows[1][1][0] == [("Na", "exact"), ("2", "sample")]
    assert [value for _, value in figures.restored_rows(answer)] == ["50%", "25%", "75%"]  # whole formulas were not asked for


def test_sentences_are_told_one_after_the_other():
    story, good = grammar.written(7, order="surest", n=2, seed=3)
    rows = figures.sentence_film(story, good)
    assert len(rows) == 2 * len(story) and rows[0][0] == "7 to go" and rows[len(story) - 1][0] == "0 to go"
    assert all(role == "masked" for _, role in rows[0][1][0])
    assert {role for _, role in rows[len(story) - 1][1][0]} == {"exact" if good[0] else "sample"}


def test_a_tower_is_cut_only_where_many_others_are_to_be_seen_and_says_so():
    one = sample(tokens="elements", family="absorbing", start="one token", n_steps=50, n_particles=200, seed=1)
    figure = figures.law_figure(one, 5)
    assert figure.layout.yaxis.range[1] > max(max(trace.y) for trace in figure.data) and not figure.layout.annotations
    many = figures.law_figure(sample(tokens="elements", family="absorbing", start="data", n_steps=50, n_particles=200, seed=1), 40)
    assert "mask" in many.layout.annotations[0].text and many.layout.yaxis.range[1] < 0.5
    assert "certain: nothing to test" in dict(figures.check_rows(checks(one, 5), 5)).values()


@pytest.mark.parametrize(("tokens", "title", "first"), [("elements", "element, in Mendeleev’s order", "He"), ("counts", "number", "1")])
def test_categories_stand_on_the_axes_by_name(tokens, title, first):
    walk = sample(tokens=tokens, family="absorbing", start="data", n_steps=10, n_particles=100, seed=1)
    header = unpack(payload(walk, family="absorbing")).header
    assert title in header["y"] and header["y_ticks"][0] == {"value": 0.0, "text": first} and header["y_ticks"][-1]["text"] == "mask"
    figure = figures.law_figure(walk, 5)
    exact = next(trace for trace in figure.data if trace.name == "exact")
    assert title in figure.layout.xaxis.title.text and np.allclose(exact.y, walk.forward_law(5))
    assert {trace.type for trace in figure.data} == ({"bar", "scatter"} if tokens == "counts" else {"scatter"})
