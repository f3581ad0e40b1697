"""What a description may change and what it may not, on every built-in crystal; the judge's blind spot; broken symmetry."""

import math

import numpy as np
import pytest

from core.crystals.representation import (
    CELLS,
    SKEW,
    TOLERANCES,
    Sameness,
    TooLarge,
    cell_matrix,
    changed_numbers,
    deform,
    free_lattice_numbers,
    group_after_jitter,
    ladder,
    load,
    niggli_parameters,
    pair_difference,
    pair_distances,
    pair_histogram,
    sample,
    share_of_new_numbers,
    symmetry,
    truth,
)
from core.structures.builtin import STRUCTURES
from core.structures.cif import CrystalFileError
from core.structures.crystal import Crystal

ROUND_OFF = 1e-9
WYCKOFF = {  # International Tables; free: coordinates that symmetry leaves open, the cell's included
    "rock salt NaCl": (225, 192, {("Na", 4, 0), ("Cl", 4, 0)}, 1),
    "wurtzite ZnS": (186, 12, {("Zn", 2, 1), ("S", 2, 1)}, 4),
    "rutile TiO2": (136, 16, {("Ti", 2, 0), ("O", 4, 1)}, 3),
    "spinel MgAl2O4": (227, 192, {("Mg", 8, 0), ("Al", 16, 0), ("O", 32, 1)}, 2),
    "perovskite SrTiO3": (221, 48, {("Sr", 1, 0), ("Ti", 1, 0), ("O", 3, 0)}, 1),
    "layered MoS2": (194, 24, {("Mo", 2, 0), ("S", 4, 1)}, 3),
    "magnesium Mg": (194, 24, {("Mg", 2, 0)}, 2),
}


def orbits(found):
    return {(o.element, o.multiplicity, o.free) for o in found.orbits}


@pytest.mark.parametrize("name", WYCKOFF)
def test_wyckoff_positions_and_free_numbers(name):
    number, operations, expected, free = WYCKOFF[name]
    found = symmetry(load(name))
    assert (found.number, found.n_operations, orbits(found), found.free) == (number, operations, expected, free)
    assert sorted(i for orbit in found.orbits for i in orbit.atoms) == list(range(load(name).n_atoms))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", ["rock salt NaCl", "wurtzite ZnS", "rutile TiO2", "layered LiCoO2"])
def test_a_description_changes_numbers_and_no_physics(name, cell):
    story = sample(structure=name, cell=cell, origin=0.37, rotation=51.0, shuffle=True, seed=3, n_frames=2)
    assert changed_numbers(story)[0] > 0
    assert pair_difference(story.written, story.described) < ROUND_OFF
    np.testing.assert_allclose(niggli_parameters(story.described), niggli_parameters(story.written), atol=1e-5)
    before, after = symmetry(story.written), symmetry(story.described)
    assert (before.number, before.n_operations, before.free) == (after.number, after.n_operations, after.free)
    assert orbits(before) == orbits(after)
    assert story.described.nearest_distance == pytest.approx(story.written.nearest_distance, abs=1e-9)
    assert np.array_equal(story.described.numbers, story.written.numbers[story.atoms])


def test_the_path_starts_as_written_and_keeps_the_crystal_while_it_turns():
    story = sample(structure="zinc blende ZnS", rotation=70, origin=0.2, n_frames=9)
    np.testing.assert_allclose(story.path.lattices[0], story.written.lattice, atol=1e-9)
    assert all(pair_difference(story.written, story.path.frame(i)) < ROUND_OFF for i in range(story.path.n_frames))
    assert not np.allclose(story.path.lattices[3], story.path.lattices[0])
    moved = sample(structure="zinc blende ZnS", c=6, n_frames=9)
    assert pair_difference(moved.written, moved.path.final) > 0.05


def test_coordination_numbers_are_the_areas_of_the_peaks():
    for name, low, high, shell in (("rock salt NaCl", 2.5, 3.2, 6), ("diamond C", 1.2, 1.9, 4), ("copper Cu", 2.2, 3.0, 12)):
        r, g = pair_histogram(load(name))
        inside = (r > low) & (r < high)
        assert np.trapezoid(g[inside], r[inside]) == pytest.approx(shell, abs=1e-3), name


def test_pair_distances_are_those_of_every_image():
    crystal = Crystal([6, 8], [[0.1, 0.2, 0.3], [0.6, 0.1, 0.9]], [[3, 0.2, 0], [0, 4, 0.5], [0.3, 0, 5]])
    shifts = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3), -1).reshape(-1, 3)
    gaps = (crystal.frac_coords[:, None, None] - crystal.frac_coords[None, :, None] + shifts) @ crystal.lattice
    brute = np.linalg.norm(gaps, axis=-1).ravel()
    np.testing.assert_allclose(pair_distances(crystal, 6.0), np.sort(brute[(brute > 1e-9) & (brute < 6.0)]), atol=1e-9)


def test_the_matcher_does_not_see_a_volume_and_the_distances_do():
    blown = truth(sample(structure="rock salt NaCl", a=8, b=8, c=8, n_frames=2))
    assert blown.rms == pytest.approx(0, abs=1e-6) and not blown.same and blown.difference > 0.5
    again = truth(sample(structure="rock salt NaCl", rotation=8, n_frames=2))
    assert again.rms == pytest.approx(0, abs=1e-6) and again.same


def test_a_moved_atom_has_the_rms_that_arithmetic_gives():
    """One of N atoms moved by d: after the common shift is taken out, rms = d sqrt((1 - 1/N)/N) in units of (V/N)^(1/3)."""
    story = sample(structure="caesium chloride CsCl", site=1, move=0.3, n_frames=2)
    n, unit = 2, (story.written.volume / 2) ** (1 / 3)

    def expected(d):
        return d * math.sqrt((1 - 1 / n) / n) / unit

    found = truth(story).rms
    assert found == pytest.approx(expected(0.3), rel=1e-3)
    assert abs(found - expected(1.2 * 0.3)) > 0.1 * found


def test_jitter_makes_p1_and_a_tolerance_brings_the_group_back():
    story = sample(structure="perovskite SrTiO3", jitter=0.03, seed=5, n_frames=2)
    steps = {tolerance: number for tolerance, number, _ in ladder(story.described)}
    assert steps[0.001] == 1 and steps[0.3] == 221
    assert symmetry(story.described, 0.001).free == 6 + 3 * 5
    assert [number for _, number, _ in ladder(story.written)][:6] == [221] * 6


def test_jitter_has_the_stated_size():
    wide = Crystal([1] * 4000, np.random.default_rng(0).random((4000, 3)), 50 * np.eye(3))
    moved = (deform(wide, jitter=0.1, seed=2).frac_coords - wide.frac_coords) * 50
    error = 4 * 0.1 / math.sqrt(2 * moved.size)
    assert abs(moved.std() - 0.1) < error < abs(moved.std() - 0.12)


def test_free_lattice_numbers_of_point_groups():
    cubic = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
    permutations = [np.eye(3)[list(p)] for p in ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2))]
    full = np.array([np.diag(s) @ p for s in cubic for p in permutations])
    assert free_lattice_numbers(full) == 1
    assert free_lattice_numbers(np.array([np.eye(3)])) == 6
    assert free_lattice_numbers(np.array([np.eye(3), np.diag([-1, 1, -1])])) == 4  # monoclinic
    assert free_lattice_numbers(np.array([np.diag(s) for s in cubic])) == 3  # orthorhombic


def test_cells_have_the_volume_they_say():
    crystal = load("copper Cu")
    for cell, volume in (("as written", 1), ("primitive", 0.25), ("Niggli", 0.25), ("skewed", 1), ("2×1×1", 2), ("2×2×2", 8)):
        assert abs(np.linalg.det(cell_matrix(crystal, cell))) == pytest.approx(volume), cell
    slanted = Crystal(crystal.numbers, crystal.frac_coords @ np.linalg.inv(SKEW), SKEW @ crystal.lattice)
    np.testing.assert_allclose(niggli_parameters(slanted), niggli_parameters(crystal), atol=1e-5)


def test_a_cif_is_a_structure_and_bad_ones_are_named():
    cif = STRUCTURES["rutile TiO2"]().to_cif()
    story = sample(structure=cif, cell="Niggli", rotation=10, n_frames=2)
    assert pair_difference(story.written, STRUCTURES["rutile TiO2"]()) < 1e-3
    with pytest.raises(CrystalFileError):
        sample(structure="data_x\nbanana")
    with pytest.raises(TooLarge, match="448 atoms"):
        sample(structure="spinel MgAl2O4", cell="2×2×2")
    with pytest.raises(ValueError, match="unknown cell"):
        sample(structure="copper Cu", cell="banana")


def test_every_built_in_crystal_can_be_told_in_every_cell():
    for name in STRUCTURES:
        for cell in CELLS[:4]:
            story = sample(structure=name, cell=cell, origin=0.1, n_frames=2)
            assert pair_difference(story.written, story.described) < ROUND_OFF, (name, cell)


def test_question_of_the_numbers_counts_what_changed():
    same = sample(structure="rock salt NaCl", n_frames=2)
    assert share_of_new_numbers(same) == (0, "0 of the 41 numbers are other ones.")
    shifted = sample(structure="rock salt NaCl", origin=0.15, n_frames=2)  # 24 coordinates of 41 numbers
    assert share_of_new_numbers(shifted) == (1, "24 of the 41 numbers are other ones.")
    assert share_of_new_numbers(sample(structure="rock salt NaCl", origin=0.15, rotation=40.0, n_frames=2))[0] == 2


def test_question_of_the_jitter_depends_on_the_tolerance():
    assert [group_after_jitter(STRUCTURES["rock salt NaCl"](), tolerance)[0] for tolerance in (0.01, 0.1)] == [2, 0]
    assert group_after_jitter(STRUCTURES["caesium chloride CsCl"](), 0.01)[0] == 1, "two atoms always lie on one line"
    assert group_after_jitter(STRUCTURES["rock salt NaCl"](), 0.01, jitter=0.0)[0] == 0


def test_deformations_by_value():
    """Ten per cent along a, five degrees between a and b, of a cube; an atom by 0.3 Å along b."""
    cube = Crystal([55, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * 4)
    long, slanted, shifted = deform(cube, stretch=(10, 0, 0)), deform(cube, gamma=5.0), deform(cube, site=2, move=0.3, direction="b")
    assert np.allclose(np.linalg.norm(long.lattice, axis=1), [4.4, 4, 4])
    a, b, _ = slanted.lattice / 4
    assert math.degrees(math.acos(a @ b)) == pytest.approx(95)
    assert np.allclose((shifted.frac_coords - cube.frac_coords) @ cube.lattice, [[0, 0, 0], [0, 0.3, 0]])


def test_the_pair_histogram_by_value():
    """To 7 Å; a shell of k neighbours is a Gaussian of 0.05 Å and area k, whole also at the end of the range."""
    cube = Crystal([84], [[0, 0, 0]], np.eye(3) * 3.35)
    r, g = pair_histogram(cube)
    assert r[-1] == 7.0 and g[np.abs(r - 3.35).argmin()] == pytest.approx(6 / (math.sqrt(2 * math.pi) * 0.05), rel=1e-3)
    half = np.abs(r - 3.40).argmin()
    assert g[half] == pytest.approx(6 / (math.sqrt(2 * math.pi) * 0.05) * math.exp(-0.5 * ((r[half] - 3.35) / 0.05) ** 2), rel=1e-3)
    assert pair_histogram(cube, r_max=3.35)[1][-1] == pytest.approx(6 / (math.sqrt(2 * math.pi) * 0.05), rel=1e-3)


def test_difference_is_one_when_no_distance_is_shared():
    """Shells of a cube of 3 Å and of 3.3 Å: apart by more than six widths up to the last but one; with itself 0."""
    small, large = (Crystal([84], [[0, 0, 0]], np.eye(3) * edge) for edge in (5.0, 6.0))
    assert pair_difference(small, large) == pytest.approx(1, abs=1e-9) and pair_difference(small, small) == 0


def test_thresholds_of_sameness_and_of_new_numbers(monkeypatch):
    assert Sameness(9e-12, 1e-12, None).same and not Sameness(11e-12, 1e-12, None).same
    for changed, answer in ((33, 0), (34, 1), (66, 1), (67, 2)):
        monkeypatch.setattr("core.crystals.representation.changed_numbers", lambda story, n=changed: (n, 100))
        assert share_of_new_numbers(None)[0] == answer
    assert TOLERANCES == (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


def test_rounding_does_not_change_the_niggli_cell():
    """Primitive silicon with its cell off by 1e-5 Å, thirty times: 60, 60, 60 degrees each time."""
    rng = np.random.default_rng(0)
    silicon = Crystal([14, 14], [[0, 0, 0], [0.25, 0.25, 0.25]], 5.43 / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]))
    for _ in range(30):
        rounded = Crystal(silicon.numbers, silicon.frac_coords, silicon.lattice + 1e-5 * rng.standard_normal((3, 3)))
        np.testing.assert_allclose(niggli_parameters(rounded)[3:], 60, atol=0.01)
