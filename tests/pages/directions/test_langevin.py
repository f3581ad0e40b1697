"""Langevin dynamics: when a control moves, the number on the page must move the right way."""

from core.chapters import find
from tests.pages.conftest import Visit, reading


def test_langevin_a_naive_step_lies_and_a_splitting_does_not():
    visit = Visit(find("langevin"), {"kind": "harmonic", "dt": "0.2", "friction": "0.5"})
    honest = visit.truth
    assert visit.put(method="Euler–Maruyama").truth > 2 * honest
    assert visit.put(method="BAOAB", dt=2.01).truth > 10 * honest


def test_langevin_the_two_pictures_meet_as_friction_grows():
    visit = Visit(find("langevin"), {"kind": "harmonic", "friction": "2.0"})
    far = reading(visit, "Distance of the two pictures")
    assert reading(visit.put(friction=20.0), "Distance of the two pictures") < far / 5


def test_langevin_boltzmann_does_not_know_the_mass():
    visit = Visit(find("langevin"), {"kind": "harmonic", "mass": "0.5"})
    assert visit.truth < 0.04 and visit.put(mass=5.0).truth < 0.04  # floor 0.019 +- 0.006
