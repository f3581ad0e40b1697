import math

import numpy as np
import pytest

from core.generator.baselines.fingerprint import BINS, REACH, difference, fingerprints
from core.generator.baselines.library import ASSET, build, builtin_library
from core.generator.baselines.substitution import N_TYPES, SAME_TYPE, Library, by_count, element_distances, orders
from core.metrics.matching import match_rms
from core.structures.arrays import ArrayFileError, from_crystals, load_arrays
from core.structures.builtin import STRUCTURES
from core.structures.crystal import Crystal
from core.structures.elements import element_features

SITES = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])


def perovskite(a, b, x=8, edge=3.9):
    return Crystal([a, b, x, x, x], SITES, np.eye(3) * edge)


def rocksalt(a, x):
    return Crystal([a, x], [[0, 0, 0], [0.5, 0.5, 0.5]], (np.ones((3, 3)) - np.eye(3)) * 2.8)


def caesium_chloride(a, x):
    return Crystal([a, x], [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * 4.1)


@pytest.fixture(scope="module")
def library():
    return Library(from_crystals([perovskite(38, 22), perovskite(57, 13), rocksalt(12, 8), rocksalt(19, 17), caesium_chloride(55, 17)]))


def test_elements_go_to_the_sites_of_their_like(library):
    """Ba Zr O3 from Sr Ti O3: Ba on the site of Sr, Zr on that of Ti, whichever order they are written in."""
    for numbers in ((56, 40, 8, 8, 8), (8, 40, 8, 56, 8)):
        found = library.neighbours(numbers)
        best = library.substituted(numbers, found.rows[0], found.elements[0])
        assert tuple(best.numbers) == numbers and found.rows[0] == 0
        assert match_rms(best, perovskite(56, 40)) < 1e-6
        swapped = match_rms(best, perovskite(40, 56))
        assert swapped is None or swapped > 0.1


def test_distance_by_hand(library):
    found = library.neighbours((56, 40, 8, 8, 8))
    table = library.D
    assert found.distances[0] == pytest.approx((table[56, 38] + table[40, 22] + 3 * table[8, 8]) / 5)
    assert np.allclose(table, table.T) and (table.diagonal() == 0).all()
    assert library.neighbours((38, 22, 8, 8, 8)).distances[0] == 0


def test_orders_exchange_only_equal_counts():
    assert by_count((8, 38, 22, 8, 8)) == ((8, 22, 38), (3, 1, 1))
    assert orders((3, 1, 1)).tolist() == [[0, 1, 2], [0, 2, 1]] and len(orders((1, 1, 1, 1))) == 24


def test_nothing_of_this_stoichiometry(library):
    assert library.neighbours((1,) * 7) is None and library.types((1,) * 7) is None


def test_volume_follows_the_elements(library):
    """KCl has the larger ions: the cell of a template grows with the volumes that the library gives its elements."""
    small, large = library.volumes[[12, 8]].sum(), library.volumes[[19, 17]].sum()
    made = library.substituted((19, 17), 2, (8, 12) if by_count((19, 17))[0] == (17, 19) else (12, 8))
    assert made.volume / rocksalt(12, 8).volume == pytest.approx(large / small)


def test_dev_rows_are_never_templates():
    arrays = from_crystals([rocksalt(12, 8), caesium_chloride(55, 17)], dev=[True, False])
    found = Library(arrays).types((11, 17))
    assert len(Library(arrays)) == 1 and len(found.fingerprints) == 1


def test_types_tell_structures_apart_and_leave_one_out(library):
    found = library.types((11, 17))
    assert len(found.fingerprints) == 2 and sorted(found.member.tolist()) == [0, 0, 1]
    without = library.types((19, 17), without=3)
    assert 3 not in without.neighbours.rows


def test_fingerprints_do_not_see_cell_origin_order_or_scale():
    one = STRUCTURES["rutile TiO2"]()
    supercell = Crystal.from_pymatgen(one.to_pymatgen() * [[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    moved = Crystal(supercell.numbers[::-1], supercell.frac_coords[::-1] + [0.1, 0.2, 0.3], supercell.lattice * 1.3)
    pictures = [fingerprints(c.frac_coords[None] % 1, c.lattice[None], (c.numbers[None] == 8).astype(int), 2)[0] for c in (one, moved)]
    assert difference(*pictures) < 0.002
    other = STRUCTURES["fluorite CaF2"]()
    third = fingerprints(other.frac_coords[None], other.lattice[None], (other.numbers[None] == 9).astype(int), 2)[0]
    assert difference(pictures[0], third) > 0.2


def test_fingerprint_counts_neighbours():
    """Simple cubic: 6 neighbours at 1, 12 at sqrt 2, 8 at sqrt 3, 6 at 2, each weighted by 1 / d^2."""
    picture = fingerprints(np.zeros((1, 1, 3)), np.eye(3)[None] * 2.7, np.zeros((1, 1), int), 1)[0, 0, 0]
    r = (np.arange(BINS) + 0.5) * REACH / BINS
    for low, high, expected in ((0.8, 1.2, 6), (1.2, 1.57, 12 / 2), (1.57, 1.87, 8 / 3)):
        assert picture[(r > low) & (r < high)].sum() == pytest.approx(expected, rel=0.05)


def test_built_in_prototypes_are_what_pymatgen_carries():
    """The shipped file is rebuilt from the installed package: same crystals, same names."""
    shipped, fresh = load_arrays(ASSET), build()
    assert shipped.columns["name"].tolist() == fresh.columns["name"].tolist()
    assert np.array_equal(shipped.numbers, fresh.numbers) and np.allclose(shipped.lattice, fresh.lattice, atol=1e-3)
    found = builtin_library().types((11, 17))
    names = [builtin_library().arrays.columns["name"][found.neighbours.rows[i]] for i in found.first]
    assert any("Salt" in name for name in names) and len(builtin_library()) > 250


def test_a_library_that_is_none(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"no")
    with pytest.raises(ArrayFileError, match="x.npz"):
        Library.read(tmp_path / "x.npz")


def test_fingerprints_by_value():
    """46 bins to 2.3 (V/N)^(1/3), smeared by 1.6 bins, 1/d^2 each and per atom; a pair of unlike atoms of caesium chloride at 1.09."""
    picture = fingerprints(np.array([[[0, 0, 0], [0.5, 0.5, 0.5]]]), np.eye(3)[None] * 4.1, np.array([[0, 1]]), 2)[0]
    near, second = math.sqrt(0.75) * 2 ** (1 / 3), math.sqrt(2.75) * 2 ** (1 / 3)  # 8 and 24 neighbours, in units of (V/N)^(1/3)
    r = (np.arange(46) + 0.5) * 0.05
    shell = picture[0, 1, (r > near - 0.4) & (r < near + 0.4)]
    places = r[(r > near - 0.4) & (r < near + 0.4)]
    assert picture.shape == (2, 2, 46) and second > 2.05
    assert shell.sum() == pytest.approx(8 / near**2 / 2, rel=0.02)
    mean = (places * shell).sum() / shell.sum()
    spread = math.sqrt(((places - mean) ** 2 * shell).sum() / shell.sum())
    assert mean == pytest.approx(near, abs=0.01) and spread == pytest.approx(1.6 * 0.05, rel=0.08)


def test_images_are_counted_as_far_as_the_range_asks():
    """A flat cell, whose second images are in range: the fingerprint of a supercell that does not need them."""
    flat = np.diag([3.0, 3.0, 4.5])
    one = fingerprints(np.zeros((1, 1, 3)), flat[None], np.zeros((1, 1), int), 1)[0]
    corners = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0.5, 0.5, 0]])
    four = fingerprints(corners[None], (flat * [[2], [2], [1]])[None], np.zeros((1, 4), int), 1)[0]
    assert difference(one, four) < 1e-6


def test_difference_by_hand():
    a, b = np.zeros((1, 1, 4)), np.zeros((1, 1, 4))
    a[0, 0, 0], b[0, 0, 1] = 3.0, 4.0
    assert difference(a, b) == pytest.approx(1.0) and difference(a, 2 * a) == pytest.approx(9 / 45) and difference(a, a) == 0


def test_distance_of_elements_and_limits_by_value():
    """Group, electronegativity, ionic radius and Mendeleev number count fully, period and atomic radius half, oxidation states 0.3."""
    weights = {0: 0.5, 1: 1.0, 2: 1.0, 3: 0.5, 4: 1.0, 5: 1.0, 6: 0.3, 7: 0.3}
    table = element_features().astype(float)
    for a, b in ((11, 19), (8, 16), (22, 40)):
        expected = math.sqrt(sum((w * (table[a, k] - table[b, k])) ** 2 for k, w in weights.items()))
        assert element_distances()[a, b] == pytest.approx(expected, rel=1e-6)
    assert (SAME_TYPE, N_TYPES) == (0.015, 14)


def test_volumes_of_elements_by_least_squares():
    """MgO and KCl among others: the ridge of one pulls each element towards the mean volume; nothing is below 0.3 or above 4 of it."""
    pool = Library(from_crystals([rocksalt(12, 8)] * 5 + [Crystal([19], [[0, 0, 0]], np.eye(3) * 9)] * 3))
    salt, metal = 2 * 2.8**3, 9.0**3
    mean = (5 * salt + 3 * metal) / 13
    matrix, rest = np.zeros((3, 3)), np.zeros(3)  # Mg, O, K
    for row, volume, times in (([1, 1, 0], salt, 5), ([0, 0, 1], metal, 3)):
        row = np.array(row) / math.sqrt(sum(row))
        matrix += times * np.outer(row, row)
        rest += times * row * (volume - mean * (row > 0).sum()) / math.sqrt((row > 0).sum())
    fitted = mean + np.linalg.solve(matrix + np.eye(3), rest)
    assert pool.volumes[[12, 8, 19]] == pytest.approx(np.clip(fitted, 0.3 * mean, 4 * mean), rel=1e-6)
    assert pool.volumes[26] == pytest.approx(mean)
