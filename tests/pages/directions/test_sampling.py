"""Monte Carlo versus molecular dynamics: when a control moves, the number on the page must move the right way."""

from core.chapters import find
from tests.pages.conftest import Visit, reading


def test_sampling_nve_stays_far_from_the_law_and_longer_runs_do_not_help():
    visit = Visit(find("sampling"), {"sampler": "BAOAB"})
    thermostatted = visit.truth
    stuck = visit.put(sampler="nve").truth
    assert stuck > 3 * thermostatted
    assert visit.put(n_steps=4000).truth > 3 * thermostatted


def test_sampling_timid_steps_do_not_arrive():
    visit = Visit(find("sampling"))
    arrived = visit.truth
    assert visit.put(step=0.1).truth > 3 * arrived


def test_sampling_baoabs_thermometer_reads_low_for_long_steps():
    visit = Visit(find("sampling"))
    name = "BAOAB, kinetic temperature"
    assert reading(visit.put(step=0.2), name) > reading(visit.put(step=0.7), name)
