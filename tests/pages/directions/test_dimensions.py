"""The curse of dimensionality: when a control moves, the number on the page must move the right way."""

from core.chapters import find
from tests.pages.conftest import Visit, reading


def test_dimensions_a_grid_dies_and_a_score_does_not():
    visit = Visit(find("dimensions"), {"method": "grid"})
    assert visit.put(d=3).truth < 0.1
    assert visit.put(d=20).truth == 1
    assert visit.put(method="score", d=1000).truth < 0.1


def test_dimensions_neighbours_come_to_the_same_distance():
    visit = Visit(find("dimensions"), {"d": "3"})
    name = "Nearest / farthest of 1,000"
    assert reading(visit, name) < 0.2
    assert reading(visit.put(d=500), name) > 0.9
