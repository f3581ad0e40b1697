"""The quicker matcher gives what pymatgen's own gives."""

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

from core.generator.baselines.library import open_library
from core.metrics.matching import found_rms, match_rms, same
from core.metrics.structure_matcher import searchable
from core.structures.builtin import STRUCTURES
from core.structures.crystal import Crystal


def plain(one, other):
    found = StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3).get_rms_dist(one.to_pymatgen(), other.to_pymatgen())
    return None if found is None else found[0]


def shaken(crystal, size, seed):
    rng = np.random.default_rng(seed)
    lattice = crystal.lattice @ (np.eye(3) + 0.1 * size * rng.standard_normal((3, 3)))
    frac = crystal.frac_coords + size * rng.standard_normal(crystal.frac_coords.shape) @ np.linalg.inv(lattice)
    order = rng.permutation(crystal.n_atoms)
    return Crystal(crystal.numbers[order], frac[order], lattice)


@pytest.mark.parametrize("size", [0.05, 0.8])
def test_the_same_rms_and_the_same_verdicts(size):
    """Of cubic, hexagonal, rhombohedral and other crystals against shaken ones, both ways, and against a doubled cell."""
    verdicts = []
    for seed, name in enumerate(name for name in STRUCTURES if "spinel" not in name):
        crystal = STRUCTURES[name]()
        other = shaken(crystal, size, seed)
        if crystal.n_atoms <= 2:
            other = Crystal.from_pymatgen(other.to_pymatgen() * [1, 1, 2])
        for one, two in ((crystal, other), (other, crystal)):
            mine, theirs = match_rms(one, two), plain(one, two)
            verdicts.append(mine is not None)
            assert (mine is None) == (theirs is None), name
            assert mine is None or mine == pytest.approx(theirs, abs=1e-6), name
    assert any(verdicts) and (size < 0.5 or not all(verdicts))


def test_what_is_the_same_does_not_depend_on_the_order():
    """pymatgen's verdict does: a pair is looked for, among shaken prototypes, that it takes for one structure in one order only."""
    library = open_library(None).arrays
    for i in range(len(library)):
        crystal = library.crystal(i)
        if crystal.n_atoms > 12:
            continue
        other = shaken(crystal, 0.7, i)
        verdicts = found_rms(crystal, other) is not None, found_rms(other, crystal) is not None
        if verdicts[0] != verdicts[1]:
            assert same(crystal, other) and same(other, crystal)
            return
    raise AssertionError("no such pair")


def test_a_needle_is_no_match_at_once():
    """Cells that resemble one of 3,000 Å would be looked for among 10^10 points."""
    needle = Crystal([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], np.diag([3.0, 3.0, 3000.0]))
    cube = Crystal([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * 4)
    assert match_rms(needle, needle) is None and match_rms(cube, needle) is None and match_rms(cube, cube) < 1e-6


@pytest.mark.parametrize("edge", [1e-3, 4.0, 1e4, 1e8])
def test_a_cell_of_any_size_is_matched_by_its_shape(edge):
    """The matcher rescales: caesium chloride stays that, and a displacement of a tenth of the edge scores the same."""
    cube = Crystal([55, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * 4.1)
    other = Crystal([55, 17], [[0, 0, 0], [0.5, 0.5, 0.6]], np.eye(3) * edge)
    assert match_rms(other, cube) == pytest.approx(0.05 * 2 ** (1 / 3), rel=1e-3)  # 0.05 each, of an edge; V/N is half the cube's
    assert same(other, cube)


@pytest.mark.parametrize("edges", [(0.1, 0.1, 1e4), (1e-2, 1e2, 1e2), (0.5, 0.5, 1e3), (1e-3, 1e3, 1e3), (1e-4, 1.0, 1.0)])
def test_needles_and_plates_are_no_match_at_once(edges):
    """The angles between all vectors about as long as their edges would not go into memory."""
    thin, cube = (Crystal([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], np.diag(cell)) for cell in (edges, (4.0, 4.0, 4.0)))
    assert not same(thin, cube) and not same(thin, thin)
    assert not searchable(thin.lattice) and searchable(cube.lattice)


def test_a_skewed_or_layered_cell_is_searched():
    """The primitive cell of silver told by far lattice points; layers of 4 Å by 120 Å, and a needle of 2 Å by 300 Å."""
    far = np.array([[1, 0, 0], [2000, 1, 0], [0, 3000, 1]]) @ (np.ones((3, 3)) - np.eye(3)) * 2.04
    assert searchable(far) and searchable(np.diag([4.0, 4.0, 120.0])) and searchable(np.diag([2.0, 2.0, 300.0]))
