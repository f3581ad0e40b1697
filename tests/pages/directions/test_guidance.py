"""Guidance: when a control moves, the number on the page must move the right way."""

from core.chapters import find
from tests.pages.conftest import Visit, reading


def test_guidance_beyond_one_leaves_the_tilt_and_langevin_steps_bring_it_back():
    visit = Visit(find("guidance"))
    far, fidelity = visit.truth, reading(visit, "Fidelity, mean p(y|x)")
    assert visit.put(walk="corrected").truth < far / 3
    assert visit.put(walk="ODE", gamma=1.0).truth < far / 3
    assert reading(visit, "Fidelity, mean p(y|x)") < fidelity
