"""Beside the known: what counts as the same crystal, and what chance would score."""

import numpy as np

from core.metrics.comparison import compare, known_like, origin, same_content
from core.metrics.matching import MISS, TIGHT
from core.structures.builtin import STRUCTURES
from core.structures.crystal import Crystal, CrystalTrajectory


def shaken(crystal, size, seed=0):
    noise = np.random.default_rng(seed).normal(size=crystal.frac_coords.shape) * size
    return Crystal(crystal.numbers, crystal.frac_coords + noise @ np.linalg.inv(crystal.lattice), crystal.lattice)


def perovskite():
    return next(build() for name, build in STRUCTURES.items() if "SrTiO3" in name)


def test_a_crystal_is_itself_and_shaking_is_measured():
    crystal = perovskite()
    assert compare(crystal, known_like(crystal)).rms < 1e-6
    small, large = (compare(shaken(crystal, size), known_like(crystal)) for size in (0.05, 0.15))
    assert 0 < small.rms < large.rms < TIGHT
    spacing = (crystal.volume / crystal.n_atoms) ** (1 / 3)
    expected = 0.05 * 3**0.5 / spacing  # rms length of a 3-d Gaussian kick, in units of (V/N)^(1/3)
    assert abs(small.rms - expected) < 4 * expected / (2 * 15) ** 0.5 + 0.2 * expected  # 15 coordinates; the matcher takes out the mean


def test_a_wrong_arrangement_is_no_match_and_chance_is_reported():
    crystal = perovskite()
    wrong = Crystal(crystal.numbers, np.full((5, 3), 0.5) + 0.01 * np.arange(15).reshape(5, 3), crystal.lattice)
    found = compare(wrong, known_like(wrong), n_random=20)
    assert found.rms is None and found.score == MISS and not found.tight
    assert found.chance_total == 20 and 0 <= found.chance_matches < 20
    assert "Not" in found.verdict and "20" in found.chance


def test_chance_throws_its_atoms_all_over_the_box(monkeypatch):
    crystal, asked = perovskite(), []
    monkeypatch.setattr("core.metrics.comparison.match_known", lambda one, others: asked.append(one))
    compare(crystal, known_like(crystal), n_random=60)
    thrown = np.concatenate([one.frac_coords.ravel() for one in asked[1:]])
    assert len(thrown) == 60 * 15 and all((one.lattice == crystal.lattice).all() for one in asked)
    assert abs(thrown.mean() - 0.5) < 4 / (12 * len(thrown)) ** 0.5 and thrown.max() > 0.99


def test_only_crystals_of_the_same_content_are_asked():
    crystal = perovskite()
    half = crystal.frac_coords * [1, 1, 0.5]
    double = Crystal(np.tile(crystal.numbers, 2), np.vstack([half, half + [0, 0, 0.5]]), crystal.lattice * np.array([[1], [1], [2]]))
    assert list(known_like(double)) == list(known_like(crystal))
    assert same_content(double, {"one": crystal, "other": Crystal([11], [[0, 0, 0]], np.eye(3) * 4)}) == {"one": crystal}
    assert compare(double, known_like(double)).rms < 1e-6
    exotic = Crystal([96], [[0, 0, 0]], np.eye(3) * 4)
    assert known_like(exotic) == {} and compare(exotic, {}) is None


def test_the_origin_is_where_the_known_crystal_has_it():
    """Whatever the shift and the order of the atoms, the only Sr comes to lie on the only Sr; alone, into the corner."""
    crystal = perovskite()
    order = [4, 2, 0, 1, 3]
    moved = Crystal(crystal.numbers[order], crystal.frac_coords[order] + [0.3, 0.1, 0.7], crystal.lattice)
    seated = CrystalTrajectory.still(moved).moved(origin(moved, crystal)).final
    off = seated.frac_coords - crystal.frac_coords[order]
    assert np.abs(off - off.round()).max() < 1e-12
    alone = CrystalTrajectory.still(moved).moved(origin(moved)).final
    assert np.abs(alone.frac_coords[list(alone.numbers).index(38)]).max() < 1e-12
    assert np.abs(origin(moved, Crystal([11], [[0.2, 0, 0]], np.eye(3))) - origin(moved)).max() == 0  # nothing in common
