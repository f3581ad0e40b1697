"""The reverse process: when a control moves, the number on the page must move the right way."""

from core.chapters import find
from tests.pages.conftest import Visit


def test_reverse_process_more_steps_land_closer_and_the_wrong_sign_flees():
    visit = Visit(find("reverse_process"), {"versus": "nothing", "method": "Probability-flow ODE (Euler)"})
    fine = visit.truth
    assert visit.put(n_steps=3).truth > 2 * fine
    assert visit.put(n_steps=50, against=True).truth > 5 * fine


def test_without_clipping_few_long_steps_overshoot():
    scene = {"dataset": "two moons", "method": "DPM-Solver++(2M)", "versus": "nothing", "n_steps": 5}
    visit = Visit(find("reverse_process"), scene)
    loose = visit.truth
    assert visit.put(clip=1.5).truth < 0.9 * loose
