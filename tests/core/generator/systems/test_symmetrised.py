"""Orbits and conventional cells by the International Tables."""

import numpy as np
import pytest

from core.crystals.landscape import known_crystal
from core.generator.systems.symmetrised import lattice_of, orbit, symmetrised
from core.structures.crystal import Crystal
from core.structures.space_groups import operations


def test_orders_of_groups_and_orbits_by_the_tables():
    assert [len(operations(g)[0]) for g in (1, 2, 136, 167, 221, 225)] == [1, 2, 16, 36, 48, 192]
    assert [len(orbit(225, place)) for place in ((0, 0, 0), (0.25, 0.25, 0.25), (0.1, 0.17, 0.29))] == [4, 8, 192]
    assert orbit(221, (0.49, 0.5, 0.51))[0].tolist() == pytest.approx([0.5, 0.5, 0.5]), "moved onto the special position"
    with pytest.raises(ValueError, match="1 to 230"):
        operations(0)


def test_a_conventional_cell_by_value():
    """Rock salt, whose primitive cell holds two atoms: cubic, 5.64 Å, one atom of each kind."""
    found = symmetrised(known_crystal("rock salt NaCl")[0])
    assert found.group == 225 and found.lengths == pytest.approx((5.6402,) * 3, abs=1e-3) and found.angles == pytest.approx((90.0,) * 3)
    assert sorted(z for z, _ in found.sites) == [11, 17] and found.crystal().n_atoms == 8


def test_cells_from_lengths_and_angles():
    lattice = lattice_of((3.0, 4.0, 5.0), (70.0, 80.0, 100.0))
    assert np.linalg.norm(lattice, axis=1) == pytest.approx([3, 4, 5])
    assert np.degrees(np.arccos(lattice[1] @ lattice[2] / 20)) == pytest.approx(70)
    assert np.degrees(np.arccos(lattice[0] @ lattice[2] / 15)) == pytest.approx(80)
    with pytest.raises(ValueError, match="no cell has the angles"):
        lattice_of((3.0, 4.0, 5.0), (120.0, 120.0, 120.0))


@pytest.mark.parametrize("angstrom, group", [(0.05, 136), (0.08, 6)])
def test_the_group_is_that_within_a_tenth_of_an_angstrom(angstrom, group):
    """One of rutile's four oxygens is moved: an operation that takes it to another one is off by up to twice as much."""
    crystal = known_crystal("rutile TiO2")[0]
    moved = crystal.frac_coords.copy()
    moved[2, 1] += angstrom / np.linalg.norm(crystal.lattice[1])
    assert symmetrised(Crystal(crystal.numbers, moved, crystal.lattice)).group == group


@pytest.mark.parametrize("x, atoms", [(0.0149, 1), (0.0151, 2)])
def test_a_site_is_special_within_three_hundredths(x, atoms):
    """Of an edge: the inversion takes x to -x, twice x away."""
    assert len(orbit(2, (x, 0, 0))) == atoms
