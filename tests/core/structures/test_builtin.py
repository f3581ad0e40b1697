"""Built-in crystals against measured densities and bond lengths; arrays and uploads against abuse."""

import time
from itertools import product

import numpy as np
import pytest

from core.structures.builtin import STRUCTURES
from core.structures.cif import CrystalFileError, read_cif
from core.structures.crystal import Crystal, CrystalTrajectory

# name -> (density in g/cm^3, nearest distance in Å) from handbooks, not from the cell parameters in the code
MEASURED = {
    "rock salt NaCl": (2.165, 2.820),
    "caesium chloride CsCl": (3.988, 3.571),
    "zinc blende ZnS": (4.09, 2.342),
    "wurtzite ZnS": (4.09, 2.342),
    "gallium arsenide GaAs": (5.318, 2.448),
    "fluorite CaF2": (3.18, 2.365),
    "rutile TiO2": (4.25, 1.949),
    "perovskite SrTiO3": (5.12, 1.952),
    "spinel MgAl2O4": (3.58, 1.92),
    "layered LiCoO2": (5.05, 1.922),
    "diamond C": (3.515, 1.545),
    "silicon Si": (2.329, 2.352),
    "graphite C": (2.26, 1.422),
    "hexagonal BN": (2.28, 1.446),
    "layered MoS2": (5.0, 2.417),
    "nickel arsenide NiAs": (7.8, 2.43),
    "rock salt MgO": (3.58, 2.106),
    "wurtzite ZnO": (5.61, 1.974),
    "quartz SiO2": (2.65, 1.605),
    "copper Cu": (8.93, 2.556),
    "iron Fe": (7.87, 2.482),
    "magnesium Mg": (1.738, 3.197),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_prototype_matches_space_group_density_and_bond(name):
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    prototype = STRUCTURES[name]
    crystal = prototype()
    density, distance = MEASURED[name]
    assert SpacegroupAnalyzer(crystal.to_pymatgen()).get_space_group_symbol() == prototype.spacegroup
    assert crystal.density == pytest.approx(density, rel=0.015)
    assert crystal.nearest_distance == pytest.approx(distance, rel=0.005)


def test_coordination_numbers():
    """Neighbours within 1.15 of the shortest bond: six in rock salt, four in zinc blende, eight around Ca."""
    cases = [
        ("rock salt NaCl", "Na", 6),
        ("zinc blende ZnS", "Zn", 4),
        ("fluorite CaF2", "Ca", 8),
        ("caesium chloride CsCl", "Cs", 8),
        ("perovskite SrTiO3", "Ti", 6),
        ("spinel MgAl2O4", "Al", 6),
        ("spinel MgAl2O4", "Mg", 4),
        ("layered MoS2", "Mo", 6),
    ]
    for name, symbol, expected in cases:
        structure = STRUCTURES[name]().to_pymatgen()
        site = next(site for site in structure if site.specie.symbol == symbol)
        distances = sorted(neighbour.nn_distance for neighbour in structure.get_neighbors(site, 4))
        assert sum(d < 1.15 * distances[0] for d in distances) == expected, name


def brute_force_nearest(crystal: Crystal, reach: int) -> float:
    shifts = np.array(list(product(range(-reach, reach + 1), repeat=3)))
    frac = crystal.frac_coords[:, None, None] - crystal.frac_coords[None, :, None] + shifts
    distances = np.linalg.norm(frac @ crystal.lattice, axis=-1)
    return distances[distances > 1e-9].min()


def test_nearest_distance_in_skewed_cells():
    """Sheared by whole lattice vectors the crystal is the same, so its nearest distance is too."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        lattice = np.diag(rng.uniform(3, 6, 3)) + rng.normal(0, 0.5, (3, 3))
        crystal = Crystal([6, 8, 14], rng.random((3, 3)), lattice)
        shear = np.array([[1, 3, -2], [0, 1, 4], [0, 0, 1]])
        sheared = Crystal(crystal.numbers, crystal.frac_coords @ np.linalg.inv(shear) + 7, shear @ lattice)
        assert crystal.nearest_distance == pytest.approx(brute_force_nearest(crystal, 3), abs=1e-9)
        assert sheared.nearest_distance == pytest.approx(crystal.nearest_distance, abs=1e-9)


def test_own_image_counts_as_neighbour():
    assert Crystal([1], [[0.2, 0.3, 0.4]], np.diag([2.0, 3, 4])).nearest_distance == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["rutile TiO2", "layered MoS2"])
def test_files_read_back(name):
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Structure

    crystal = STRUCTURES[name]()
    from_poscar = Crystal.from_pymatgen(Structure.from_str(crystal.to_poscar(), fmt="poscar"))
    assert from_poscar.formula == crystal.formula
    np.testing.assert_allclose(from_poscar.lattice, crystal.lattice, atol=1e-7)
    np.testing.assert_allclose(from_poscar.frac_coords, crystal.frac_coords, atol=1e-7)
    again = read_cif(crystal.to_cif()).crystal
    assert StructureMatcher(scale=False).fit(again.to_pymatgen(), crystal.to_pymatgen())
    count, header, *rows = crystal.to_extxyz().splitlines()
    cell = np.array(header.split('"')[1].split(), float).reshape(3, 3)
    positions = np.array([row.split()[1:] for row in rows], float)
    assert int(count) == len(rows) == crystal.n_atoms
    np.testing.assert_allclose(cell, crystal.lattice, atol=1e-7)
    np.testing.assert_allclose(positions, crystal.frac_coords @ crystal.lattice, atol=1e-7)


def test_symmetric_cif_is_expanded():
    from pymatgen.io.cif import CifWriter

    crystal = STRUCTURES["spinel MgAl2O4"]()
    assert read_cif(str(CifWriter(crystal.to_pymatgen(), symprec=0.01))).crystal.n_atoms == 56


@pytest.mark.parametrize(
    "numbers, frac, lattice, words",
    [
        ([], np.zeros((0, 3)), np.eye(3), "at least one atom"),
        ([1], [[0, 0]], np.eye(3), "frac_coords has shape"),
        ([1, 2], [[0, 0, 0]], np.eye(3), "frac_coords has shape"),
        ([1], [[0, 0, np.nan]], np.eye(3), "not finite"),
        ([1], [[0, 0, 0]], np.full((3, 3), np.inf), "not finite"),
        ([1], [[0, 0, 0]], np.ones((3, 3)), "no volume"),
        ([119], [[0, 0, 0]], np.eye(3), "atomic numbers"),
        ([1.5], [[0, 0, 0]], np.eye(3), "whole numbers"),
        (["Na"], [[0, 0, 0]], np.eye(3), "array of numbers"),
    ],
)
def test_bad_arrays_are_named(numbers, frac, lattice, words):
    with pytest.raises(ValueError, match=words):
        Crystal(numbers, frac, lattice)


def test_crystal_owns_its_arrays():
    numbers, lattice = np.array([11]), np.eye(3)
    crystal = Crystal(numbers, [[0, 0, 0]], lattice)
    numbers[0], lattice[0, 0] = 3, 9
    assert crystal.numbers[0] == 11 and crystal.volume == pytest.approx(1)
    with pytest.raises(ValueError):
        crystal.numbers[0] = 3


def test_trajectory_frames_and_masks():
    numbers = np.array([[0, 0], [11, 0], [11, 17]])
    lattices = np.stack([np.eye(3) * length for length in (4, 5, 6)])
    path = CrystalTrajectory([1.0, 0.5, 0.0], numbers, np.zeros((3, 2, 3)), lattices)
    assert path.final.formula == "Na1 Cl1" and path.frame(1).formula == "Na1 X1"
    assert path.final.volume == pytest.approx(216)
    with pytest.raises(ValueError, match="masked"):
        path.frame(0).to_pymatgen()
    with pytest.raises(IndexError):
        path.frame(3)
    with pytest.raises(ValueError, match="frame 1"):
        CrystalTrajectory([1.0, 0], numbers[:2], np.zeros((2, 2, 3)), np.stack([np.eye(3), np.zeros((3, 3))]))


NACL = STRUCTURES["rock salt NaCl"]().to_cif()
BIG = (
    "data_x\n_cell_length_a 50\n_cell_length_b 50\n_cell_length_c 50\n_cell_angle_alpha 90\n"
    "_cell_angle_beta 90\n_cell_angle_gamma 90\n{symmetry}loop_\n_atom_site_label\n_atom_site_fract_x\n"
    "_atom_site_fract_y\n_atom_site_fract_z\n{rows}"
)
FACE_CENTRED = "_symmetry_space_group_name_H-M 'F m -3 m'\n"


def rows(n):
    points = np.random.default_rng(1).random((n, 3))
    return "".join(f"C{i} {x:.4f} {y:.4f} {z:.4f}\n" for i, (x, y, z) in enumerate(points))


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "empty"),
        ("\x00\x01 not a cif", "CIF|no atoms"),
        ("{}", "CIF|no atoms"),
        ("data_x\n_cell_length_a 3\n", "no atoms"),
        (NACL.replace("_cell_length_a", "_cell_width"), "cell"),
        (NACL.replace("5.64", "0.00"), "cell|used"),
        (NACL.replace("00 1\n", "00 0.5\n"), "partly occupied"),
        (NACL.replace("Na", "Qq"), "Qq, which is no element"),
        (NACL[: len(NACL) - 20], "CIF"),
        ("x" * 1_000_001, "1 MB"),
        (BIG.format(symmetry="", rows=rows(201)), "201 sites"),
        (BIG.format(symmetry=FACE_CENTRED, rows=rows(20)), "cell holds 3840 atoms"),
        (BIG.format(symmetry=FACE_CENTRED, rows=rows(40)), "symmetry operations"),
        (BIG.format(symmetry=FACE_CENTRED, rows=rows(190)), "symmetry operations"),
    ],
)
def test_bad_uploads_get_plain_words_quickly(text, words):
    start = time.process_time()
    with pytest.raises(CrystalFileError, match=words) as caught:
        read_cif(text)
    assert time.process_time() - start < 10
    assert "Traceback" not in str(caught.value) and len(str(caught.value)) < 200
