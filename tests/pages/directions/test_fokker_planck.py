"""The Fokker-Planck equation: when a control moves, the number on the page must move the right way."""

from core.chapters import find
from tests.pages.conftest import Visit, reading


def test_fokker_planck_a_higher_barrier_is_remembered_longer():
    visit = Visit(find("fokker_planck"))
    low = reading(visit, "Slowest rate λ₁ of the operator")
    assert reading(visit.put(barrier=4.0), "Slowest rate λ₁ of the operator") < low / 3
    assert reading(visit.put(kT=2.0), "Slowest rate λ₁ of the operator") > low


def test_fokker_planck_unmatched_noise_does_not_lead_to_the_data():
    visit = Visit(find("fokker_planck"), {"kind": "score of data"})
    assert reading(visit, "Where it leads, from the data") < 1e-6
    assert reading(visit.put(kT=2.0), "Where it leads, from the data") > 0.01
