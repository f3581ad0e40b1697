"""Discrete diffusion: when a control moves, the number on the page must move the right way."""

import pytest

from core.chapters import find
from tests.pages.conftest import Visit, reading


def test_discrete_diffusion_too_little_noise_misses_the_data():
    visit = Visit(find("discrete_diffusion"))
    right = visit.put(tokens="counts", start="data").truth
    assert visit.put(reach=0.05).truth > 3 * right


def test_discrete_diffusion_more_noise_loses_more_of_a_formula():
    visit = Visit(find("discrete_diffusion"), {"family": "mask"})
    little = reading(visit.put(level=0.2), "Formulas that came back whole")
    assert reading(visit.put(level=0.9), "Formulas that came back whole") < little


@pytest.mark.parametrize("formula, words", [("Xx3", "Xx"), ("", "empty"), ("Sr1 ?1 O3", "empty place")])
def test_discrete_diffusion_says_what_is_wrong_with_a_formula(formula, words):
    visit = Visit(find("discrete_diffusion")).put(formula=formula)
    assert visit.failures == []
    assert any(words in error.value for error in visit.app.error)
