"""Steering: when a control moves, the numbers on the page must move the right way."""

import re

import pytest

from core.chapters import find
from pages.kit import steering
from tests.pages.conftest import Visit


def value(visit):
    """The number of the truth meter, in the units of the property."""
    for element in visit.app.get("html"):
        if found := re.search(r'data-testid="truth-value">([-−\d.]+)', element.proto.body):
            return float(found[1].replace("−", "-"))
    raise AssertionError("no meter")


def test_conditioning_a_denser_request_gives_a_denser_crystal():
    visit = Visit(find("conditioning"), {"density": "3.0"})
    light = value(visit)
    assert light < 5 < value(visit.put(density=10.0))


def test_conditioning_what_cannot_be_is_said_and_the_page_stays():
    visit = Visit(find("conditioning"))
    visit.put(elements="Li, Qq")
    assert visit.failures == [] and any("'Qq' is no element" in error.value for error in visit.app.error)
    visit.put(elements="Li", stoichiometry="ABX3")
    assert visit.failures == [] and any("stoichiometry" in error.value for error in visit.app.error)
    visit.put(elements="Li, Mn, O", stoichiometry="", property="nothing")
    assert visit.failures == [] and not visit.app.error
    assert any("as asked" in element.proto.body for element in visit.app.get("html"))


def test_conditioning_a_click_in_the_periodic_table_allows_an_element():
    visit = Visit(find("conditioning"), {"property": "none"})
    visit.app.pills(key="periodic_table").set_value(["Li", "O"]).run()
    assert visit.failures == [] and visit.values["elements"] == "Li, O"


@pytest.mark.parametrize(
    ("asked", "figures"),
    [({}, 4), ({"property": "none", "elements": "Li, Mn, O"}, 1), ({"property": "none", "symmetry": "cubic"}, 1)],
    ids=["property", "elements", "symmetry"],
)
def test_conditioning_figures_of_many_crystals(monkeypatch, asked, figures):
    """The jobs are done at once, and small."""
    monkeypatch.setattr(steering, "job", lambda key, label, function, arguments: function(**arguments | {"n": 3, "n_steps": 1}))
    visit = Visit(find("conditioning"), asked)
    assert visit.failures == [] and len(visit.app.get("plotly_chart")) == figures
