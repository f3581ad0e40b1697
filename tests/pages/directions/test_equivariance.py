"""Symmetry in the network: when a control moves, the number on the page must move the right way."""

from core.chapters import find
from tests.pages.conftest import Visit, reading


def test_equivariance_a_stretched_start_shows_in_the_poses_and_a_free_mean_in_the_centres():
    visit = Visit(find("equivariance"))
    uniform = visit.truth
    assert visit.put(prior="stretched", fresh=False).truth > 2 * uniform
    visit.put(prior="round", fresh=True, centred=False)
    assert abs(reading(visit, "Spread of the molecules' centres") - reading(visit, "Exact")) < 0.15
    assert reading(visit, "Exact") > 1


def test_equivariance_breaking_the_lattice_shows_in_the_equation():
    visit = Visit(find("equivariance"))

    def cspnet():
        said = next(element.value for element in visit.app.markdown if "CSPNet})" in element.value)
        return said.split(r"CSPNet})")[1].split("$")[0]

    assert "10^{-" in cspnet()
    visit.put(flaw="bare lattice")
    assert "10^{-" not in cspnet() or "10^{-2}" in cspnet()
