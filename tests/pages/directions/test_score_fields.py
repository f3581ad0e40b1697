"""Score fields: when a control moves, the numbers on the page must move the right way."""

import re

from core.chapters import find
from tests.pages.conftest import Visit, reading


def meters(visit):
    """[greedy, Langevin]: the numbers of both truth meters."""
    found = (re.search(r'data-value="([-+\d.e]+)', e.proto.body) for e in visit.app.get("html"))
    return [float(match[1]) for match in found if match]


def test_score_fields_noise_is_what_samples_and_heat_is_what_crosses():
    visit = Visit(find("score_fields"))
    greedy, langevin = meters(visit)
    assert greedy > 4 * langevin
    stuck = {"modes": "-1.7 -1.7 0.3 0.3; 1.7 1.7 0.7 0.3", "start": "one corner"}
    cold = meters(visit.put(**stuck))[1]
    assert cold > 5 * langevin
    assert meters(visit.put(sigma=0.8))[1] < cold / 3


def test_score_fields_a_constant_moves_the_integral_and_no_arrow():
    visit = Visit(find("score_fields"))
    visit.put(constant=10.0)
    assert abs(reading(visit, "∫ c p dx by quadrature") - 10) < 0.02
    shown = "".join(e.proto.body for e in visit.app.get("html"))
    assert "score fields</dt><dd>below 10⁻¹⁵" in shown


def test_score_fields_bad_modes_are_named_and_lose_nothing():
    visit = Visit(find("score_fields"))
    start = visit.picture
    visit.put(modes="one two three")
    assert visit.failures == [] and "four numbers" in visit.app.warning[0].value
    assert visit.put(modes="-1.2 -0.8 0.5 0.5; 1.3 -0.7 0.3 0.45; 0.2 1.3 0.2 0.6").picture == start


def test_score_fields_thin_lines_take_long_and_noise_shortens_it():
    visit = Visit(find("score_fields"))
    thin = meters(visit.put(source="spirals"))[1]
    assert "Far" in "".join(e.proto.body for e in visit.app.get("html"))
    assert meters(visit.put(sigma=0.2))[1] < thin / 1.5
