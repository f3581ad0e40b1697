import csv

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from core.cli import main
from core.metrics.matching import match_rms
from core.structures.arrays import ArrayFileError, CrystalArrays, from_crystals, load_arrays
from core.structures.crystal import Crystal
from core.structures.dataset import CsvError, prepare, reduced_crystal

ROCKSALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
PEROVSKITE = Structure(
    Lattice.cubic(3.905), ["Sr", "Ti", "O", "O", "O"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
)
SKEWED = Structure(Lattice([[3.9, 0, 0], [3.9, 4.1, 0], [0.2, 0.3, 5.0]]), ["Fe", "O"], [[0, 0, 0], [0.4, 0.5, 0.6]])


@pytest.fixture()
def benchmark_csv(tmp_path):
    """Rows as in the published files: an unnamed index, an id, the CIF, properties; two of the rows are broken."""
    path = tmp_path / "val.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "material_id", "cif", "formation_energy_per_atom", "pretty_formula"])
        writer.writerow([0, "mp-1", ROCKSALT.to(fmt="cif"), -2.1, "NaCl"])
        writer.writerow([1, "mp-2", "data_nothing\n_cell_length_a 3", -1, "X"])
        writer.writerow([2, "mp-3", PEROVSKITE.to(fmt="cif"), "", "SrTiO3"])
        writer.writerow([3, "mp-4", "", 0, ""])
        writer.writerow([4, "mp-5", SKEWED.to(fmt="cif"), 0.25, "FeO"])
    return path


def test_prepares_the_benchmarks_files(benchmark_csv, tmp_path):
    out = tmp_path / "out.npz"
    bad = prepare(benchmark_csv, out, dev=1, progress=False)
    assert [line.split(":")[0] for line in bad] == ["row 3 (mp-2)", "row 5 (mp-4)"]
    arrays = load_arrays(out)
    assert arrays.num_atoms.tolist() == [8, 5, 2]
    assert arrays.columns["material_id"].tolist() == ["mp-1", "mp-3", "mp-5"]
    assert arrays.columns["spacegroup"].tolist()[:2] == [225, 221]
    assert np.allclose(arrays.columns["formation_energy_per_atom"], [-2.1, np.nan, 0.25], equal_nan=True)
    assert arrays.columns["dev"].sum() == 1
    assert (arrays.numbers.dtype, arrays.frac_coords.dtype, arrays.lattice.dtype) == (np.uint8, np.float32, np.float32)
    assert (arrays.frac_coords >= 0).all() and (arrays.frac_coords < 1).all()
    for i, original in enumerate((ROCKSALT, PEROVSKITE, SKEWED)):
        assert match_rms(arrays.crystal(i), Crystal.from_pymatgen(original)) < 1e-3
        assert arrays.crystal(i).volume == pytest.approx(original.volume, rel=1e-4)


def test_cells_are_reduced_and_canonical(benchmark_csv, tmp_path):
    prepare(benchmark_csv, tmp_path / "out.npz", progress=False)
    lattice = load_arrays(tmp_path / "out.npz").crystal(2).lattice
    lengths = np.linalg.norm(lattice, axis=1)
    assert (np.diff(lengths) > -1e-4).all() and lengths[-1] < np.linalg.norm(SKEWED.lattice.matrix[1])
    assert abs(lattice[0, 1]) < 1e-6 and np.allclose(lattice[2, :2], 0, atol=1e-6)


def test_primitive_on_request(benchmark_csv, tmp_path):
    assert main(["data", "prepare", str(benchmark_csv), str(tmp_path / "p.npz"), "--primitive"]) == 0
    assert load_arrays(tmp_path / "p.npz").num_atoms.tolist() == [2, 5, 2]


def test_command_names_what_is_wrong(tmp_path, capsys):
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("material_id,structure\n1,x\n")
    assert main(["data", "prepare", str(wrong), str(tmp_path / "o.npz")]) == 2
    assert "no column named cif" in capsys.readouterr().err
    assert main(["data", "prepare", str(tmp_path / "absent.csv"), str(tmp_path / "o.npz")]) == 2
    wrong.write_text("material_id,cif\n1,nonsense\n")
    with pytest.raises(CsvError, match="none of its 1 rows"):
        prepare(wrong, tmp_path / "o.npz", progress=False)
    assert not (tmp_path / "o.npz").exists()


CRYSTALS = [Crystal([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5 - 1e-12]], np.eye(3) * 4), Crystal([6], [[-1e-9, 1.0, 2.25]], np.eye(3) * 3)]


def test_arrays_are_read_back(tmp_path):
    path = tmp_path / "a.npz"
    from_crystals(CRYSTALS, tag=["a", "b"]).save(path)
    arrays = load_arrays(path)
    assert arrays.crystal(1).numbers.tolist() == [6]
    assert arrays.frac_coords.max() < 1 and np.allclose(arrays.crystal(1).frac_coords, [[0, 0, 0.25]], atol=1e-6)
    assert arrays.select([1, 0]).columns["tag"].tolist() == ["b", "a"]
    assert arrays.select(np.array([False, True])).numbers.tolist() == [6]
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_broken_files_are_named(tmp_path):
    with pytest.raises(ArrayFileError, match="absent"):
        load_arrays(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("not a zip file")
    with pytest.raises(ArrayFileError, match="not an .npz file"):
        load_arrays(tmp_path / "text.npz")
    np.savez(tmp_path / "some.npz", numbers=np.zeros(3))
    with pytest.raises(ArrayFileError, match="frac_coords, lattice, num_atoms"):
        load_arrays(tmp_path / "some.npz")
    np.savez(tmp_path / "pickled.npz", numbers=np.array([{}], dtype=object))
    with pytest.raises(ArrayFileError):
        load_arrays(tmp_path / "pickled.npz")
    with pytest.raises(ArrayFileError, match="adds up to 3"):
        CrystalArrays(np.zeros(2), np.zeros((2, 3)), np.zeros((1, 3, 3)), np.array([3]))


def test_counts_as_floats_and_numbers_that_are_none(tmp_path):
    arrays = from_crystals([Crystal.from_pymatgen(ROCKSALT), Crystal.from_pymatgen(PEROVSKITE)])
    parts = dict(numbers=arrays.numbers, frac_coords=arrays.frac_coords, lattice=arrays.lattice, num_atoms=arrays.num_atoms)
    np.savez(tmp_path / "floats.npz", **parts | {"num_atoms": arrays.num_atoms.astype(float)})
    assert load_arrays(tmp_path / "floats.npz").crystal(1).formula == "Sr1 Ti1 O3"
    np.savez(tmp_path / "halves.npz", **parts | {"num_atoms": arrays.num_atoms + 0.5})
    with pytest.raises(ArrayFileError, match="halves.npz: num_atoms"):
        load_arrays(tmp_path / "halves.npz")
    lattice = arrays.lattice.copy()
    lattice[1, 0, 0] = np.nan
    np.savez(tmp_path / "broken.npz", **parts | {"lattice": lattice})
    with pytest.raises(ArrayFileError, match="broken.npz: structure 1 has a cell"):
        load_arrays(tmp_path / "broken.npz")


@pytest.mark.parametrize("off, group", [(0.04, 221), (0.25, 99)])
def test_the_space_group_is_that_within_a_tenth_of_an_angstrom(off, group):
    """Titanium off its centre along c: a perovskite to symprec 0.1 Å when it is off by less, polar when by more."""
    polar = PEROVSKITE.copy()
    polar.translate_sites([1], [0, 0, off / 3.905])
    assert reduced_crystal(polar.to(fmt="cif"))[1] == group
