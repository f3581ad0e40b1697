"""Energy, temperature and free energy: when a control moves, the number on the page must move the right way."""

from core.chapters import find
from tests.pages.conftest import Visit, reading


def test_boltzmann_the_narrow_basin_loses_as_it_gets_warm_and_a_deeper_one_later():
    visit = Visit(find("boltzmann"))
    warm = reading(visit, "Share on the left")
    assert reading(visit.put(kT=0.3), "Share on the left") > 0.8 > 0.5 > warm
    crossing = reading(visit, "Crossing temperature kT*")
    assert reading(visit.put(depth=5.0), "Crossing temperature kT*") > 1.5 * crossing
    assert reading(visit.put(depth=4.0, width=0.4), "Crossing temperature kT*") > crossing


def test_boltzmann_a_quench_is_far_from_the_truth():
    visit = Visit(find("boltzmann"), {"protocol": "cool", "kT": "0.3", "leaps": "0.0"})
    assert visit.truth > 5 * visit.put(leaps=0.5, n_sweeps=3000).truth


def test_boltzmann_particles_come_when_the_chemical_potential_rises():
    visit = Visit(find("boltzmann"), {"panel": "μVT"})
    few = reading(visit, "⟨N⟩")
    assert reading(visit.put(mu=0.0), "⟨N⟩") > few + 1


def test_boltzmann_more_energy_is_a_warmer_demon():
    visit = Visit(find("boltzmann"), {"panel": "NVE"})
    cool = reading(visit, "kT in the demon's purse")
    assert reading(visit.put(energy=0.4), "kT in the demon's purse") > 1.2 * cool
