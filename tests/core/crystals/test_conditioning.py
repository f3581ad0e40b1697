"""Steering: requests reach the crystals, the two laws are compared honestly, and what is impossible is refused before anything grows."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from core.crystals import conditioning
from core.crystals.conditioning import Batch, FormulaError, batch, sample
from core.metrics.energies import references
from core.structures.space_groups import group_of


def made(values, *, name="density", calls=100, numbers=((3, 8),)):
    """A batch with these values."""
    n = len(values)
    return Batch({name: np.asarray(values, float)}, np.ones(n, int), numbers * n, np.ones(n, bool), 1.0, calls)


def test_the_same_settings_give_the_same_crystal_and_gamma_zero_gives_the_unasked_one():
    one, again = sample(target=6.0, n_steps=4, seed=3), sample(target=6.0, n_steps=4, seed=3)
    assert one.asked == again.asked and one.calls == (8, 4)
    free = sample(target=6.0, gamma=0.0, n_steps=4, seed=3)
    assert free.paths[0].final == free.paths[1].final == one.paths[1].final and free.calls == (4, 4)
    assert one.asked != free.asked


def test_density_on_the_stage_is_that_of_the_crystal():
    growth = sample(target=6.0, n_steps=4, seed=3)
    assert growth.value[0] == pytest.approx(growth.asked.density)
    volume = sample(property="volume_per_atom", target=15.0, n_steps=4, seed=3)
    assert volume.value[0] == pytest.approx(volume.asked.volume / volume.asked.n_atoms)


def test_a_mask_a_stoichiometry_and_a_group_hold_for_certain():
    found = batch(elements="Li, Mn, O", n=12, n_steps=2, seed=1)
    assert conditioning.inside(found, (3, 8, 25)) == 1.0
    abx3 = batch(stoichiometry="ABX3", n=8, n_steps=2, seed=1)
    for numbers in abx3.numbers:
        counts = np.sort(np.unique(numbers, return_counts=True)[1])
        assert np.array_equal(counts / counts[0], (1, 1, 3))
    both = batch(symmetry="space group", group=225, stoichiometry="AB", elements="Na, Cl, K, Br", n=4, n_steps=10, seed=1)
    assert np.mean(both.group == 225) >= 0.75 and conditioning.inside(both, (11, 17, 19, 35)) == 1.0


def test_denser_when_more_is_asked():
    light, heavy = (batch(property="density", target=target, n=24, n_steps=8, seed=1) for target in (3.0, 11.0))
    assert heavy.hits("density", 11.0).mean() > 0.3 and light.hits("density", 3.0).mean() > 0.3
    assert np.median(heavy.values["density"]) > 2 * np.median(light.values["density"])


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"target": 0.0}, ValueError, "density must be above 0"),
        ({"symmetry": "space group", "group": 231}, ValueError, "from 1 to 230"),
        ({"symmetry": "space group", "group": 0}, ValueError, "from 1 to 230"),
        ({"elements": ","}, FormulaError, "No element is allowed"),
        ({"elements": "Li", "stoichiometry": "AB"}, FormulaError, "stoichiometry"),
        ({"stoichiometry": "A19B"}, FormulaError, "stoichiometry"),
        ({"property": "smell"}, ValueError, "smell"),
        ({"symmetry": "round"}, ValueError, "round"),
        ({"gamma": -1.0}, ValueError, "gamma"),
        ({"n_steps": 0}, ValueError, "steps"),
    ],
)
def test_what_is_impossible_is_refused_in_words(asked, error, words):
    with pytest.raises(error, match=words):
        sample(**asked)


def test_windows():
    assert conditioning.window("density", 8.0) == pytest.approx(0.4) and conditioning.window("volume_per_atom", 20.0) == pytest.approx(1.0)
    assert conditioning.window("formation_energy", -2.0) == conditioning.window("band_gap", 4.0) == 0.25
    assert made([7.61, 8.0, 8.39, 8.41]).hits("density", 8.0).tolist() == [True, True, True, False]


def test_hits_for_a_hundred_calls():
    """Of 10 crystals for 200 calls 4 on target: 2 a hundred, with the error of a binomial count."""
    value, error = conditioning.hits_per_hundred(made([8.0] * 4 + [3.0] * 6, calls=200), "density", 8.0)
    assert value == pytest.approx(2.0) and error == pytest.approx(5.0 * (0.4 * 0.6 / 10) ** 0.5)


def test_the_floor_is_a_permutation_test_of_its_level():
    """Of pairs of samples of one law 95 in 100 score no more than their own limit; a law off by one of its widths is caught."""
    rng = np.random.default_rng(0)
    within = []
    for k in range(120):
        one, other = rng.normal(size=20), rng.normal(size=40)
        within.append(stats.wasserstein_distance(one, other) <= conditioning.permutation_floor(one, other, n_repeats=99, seed=k).limit)
    assert abs(np.mean(within) - 0.95) < 4 * (0.95 * 0.05 / 120) ** 0.5
    one, other = rng.normal(size=40), rng.normal(1.0, size=40)
    assert stats.wasserstein_distance(one, other) > conditioning.permutation_floor(one, other).limit


def test_truth_compares_only_what_lies_in_the_window():
    rng = np.random.default_rng(1)
    asked, free = made(rng.uniform(7.7, 8.3, 40)), made(np.concatenate([rng.uniform(7.7, 8.3, 30), rng.uniform(1, 7, 200)]))
    kept = conditioning.rejected(free, "density", 8.0)
    truth = conditioning.truth(asked, kept, "density", 8.0)
    assert len(kept) == 30 and truth.within and truth.floor.n == 40 and truth.unit == "g/cm³"
    assert not conditioning.truth(made(np.full(40, 7.65)), kept, "density", 8.0).within
    assert conditioning.truth(asked, kept[:4], "density", 8.0) is None


def test_the_law_of_the_data_in_a_window_comes_from_its_quantiles():
    """Quantiles of a uniform law on 0 to 10: inside the window it is uniform again; outside the quantiles there is nothing."""
    quantiles = np.linspace(0.1, 9.9, 99)
    inside = conditioning.of_the_data(quantiles, "band_gap", 5.0, n=100)
    assert np.allclose(inside, 4.75 + 0.5 * (np.arange(100) + 0.5) / 100)
    assert len(conditioning.of_the_data(quantiles, "band_gap", 30.0)) == 0
    assert conditioning.of_the_data(quantiles, "band_gap", 9.9).max() <= 9.9


def test_questions():
    assert [conditioning.outside(share, 48)[0] for share in (1.0, 0.9, 0.5)] == [0, 1, 2]
    hit, miss = made([8.0] * 20 + [1.0] * 4), made([8.0] * 4 + [1.0] * 20)
    assert [conditioning.exaggerated(*pair, "density", 8.0)[0] for pair in ((hit, miss), (miss, hit), (hit, hit))] == [0, 2, 1]


def test_references_of_the_elements_are_those_that_give_the_known_energies_back():
    """Three crystals made so that mu(Na) = -1.3, mu(Cl) = -1.8 and E_f = -2 of NaCl, 0 of the elements."""
    crystals = [SimpleNamespace(numbers=np.array(numbers), n_atoms=len(numbers)) for numbers in ((11,), (17, 17), (11, 17))]
    mu = references(crystals, np.array([-1.3, -1.8, -3.55]), np.array([0.0, 0.0, -2.0]))
    assert mu == pytest.approx({11: -1.3, 17: -1.8})


def test_formation_energy_of_rock_salt_by_the_potential():
    """Materials Project: -2.10 eV/atom; CHGNet with the shipped references within a tenth of an eV."""
    from core.crystals.landscape import known_crystal
    from core.metrics.energies import formation_energies

    mu = {int(z): value for z, value in conditioning.steering().about["energies"]["mu"].items()}
    salt = known_crystal("rock salt NaCl")[0]
    assert formation_energies([salt], mu)[0] == pytest.approx(-2.10, abs=0.1)
    assert group_of(salt) == 225
