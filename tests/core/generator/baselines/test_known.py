"""What is known of a formula: the cells of known crystals, and the structure nearest to one that was grown."""

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Composition

from core.generator.baselines import library as libraries
from core.generator.baselines.known import formula_unit, formula_units, known_crystals, known_to_match, nearest_structure, says_ratio
from core.generator.registry import load_composition_model
from core.structures.arrays import from_crystals
from core.structures.builtin import STRUCTURES
from core.structures.crystal import Crystal
from core.structures.formula import parse_formula

TRAINING = load_composition_model("mp20").stoichiometries


def units(formula, sizes=range(1, 21), library=None):
    return formula_units(parse_formula(formula), TRAINING, sizes=sizes, library=library)


@pytest.mark.parametrize(
    "formula, z, name",
    [
        ("MgO", 1, "rock salt MgO"),
        ("ZnO", 2, "wurtzite ZnO"),
        ("MgAl2O4", 2, "spinel MgAl2O4"),
        ("SiO2", 3, "quartz SiO2"),
        ("TiO2", 2, "rutile TiO2"),
        ("SrTiO3", 1, "perovskite SrTiO3"),
        ("CaCO3", 2, "Calcite (AFLOW)"),
        ("Al2O3", 2, "Corundum (AFLOW)"),
        ("Zn2 O2", 2, "wurtzite ZnO"),
    ],
)
def test_the_cell_of_a_known_crystal_is_proposed_first(formula, z, name):
    first = units(formula)[0]
    assert first.z == z and name in first.names


def test_what_is_known_of_the_stoichiometry_follows_the_commonest_first():
    """1:1 crystals of MP-20 have one formula unit more often than two, two more often than four; nothing is known of XeF2 itself."""
    assert [one.z for one in units("ZnO")][:4] == [2, 1, 4, 8]
    assert units("XeF2")[0].names == () and [one.z for one in units("XeF2")][:3] == [2, 4, 1]
    assert [one.often for one in units("XeF2")] == sorted((one.often for one in units("XeF2")), reverse=True)


def test_only_cells_that_the_model_can_grow_are_proposed():
    assert [one.z for one in units("SrTiO3", sizes=(5,))] == [1]
    assert units("ZnO", sizes=(5,)) == []
    assert units("Mg7 Na3 B11") == []


def test_a_formula_unit_keeps_the_order_written():
    assert formula_unit((30, 30, 8, 8)) == ((30, 8), 2)
    assert formula_unit((8, 8, 8, 38, 22)) == ((8, 8, 8, 38, 22), 1)


def test_known_crystals_are_those_of_the_same_formula():
    quartz = known_crystals(parse_formula("Si2 O4"))
    assert list(quartz)[0] == "quartz SiO2" and "Coesite (AFLOW)" in quartz and len(quartz) > 5
    assert list(known_crystals(parse_formula("MgO"))) == ["rock salt MgO"]
    assert known_crystals(parse_formula("N2 C1")) == {}


def test_a_crystal_is_compared_with_those_that_it_can_be():
    """Quartz has three formula units in its primitive cell, cristobalite two or four: the matcher never maps one onto the other."""
    assert {"quartz SiO2", "quartz (alpha) (AFLOW)"} <= set(known_to_match(parse_formula("Si3 O6"))) <= set(known_crystals((14, 8, 8)))
    assert "low (alpha) Cristobalite (AFLOW)" not in known_to_match(parse_formula("Si3 O6"))
    assert list(known_to_match(parse_formula("SiO2"))) == ["quartz SiO2"]


def test_a_ratio_is_told_from_the_content_of_a_cell():
    assert [says_ratio(text) for text in ("MgO", "Al2O3", "Ca(OH)2", "C", "SrTiO₃", "H12 C11")] == [True] * 6
    assert [says_ratio(text) for text in ("Mg1 O1", "Sr1 Ti1 O3", "Na4 Cl4", "Si3O6")] == [False] * 4


def test_the_users_library_knows_more(tmp_path):
    own = Crystal([7, 7, 6] * 2, np.random.default_rng(0).random((6, 3)), np.diag([4.0, 5.0, 6.0]))
    path = tmp_path / "own.npz"
    from_crystals([own], material_id=np.array(["mine-1"])).save(path)
    assert list(known_crystals(parse_formula("CN2"), str(path))) == ["mine-1"]
    assert units("CN2", library=str(path))[0].names == ("mine-1",) and units("CN2", library=str(path))[0].z == 2
    assert nearest_structure(own, str(path)) == ("mine-1", pytest.approx(0, abs=1e-4))


def test_the_nearest_structure_is_named_with_its_distance():
    """Periclase is rock salt; MgO on the sites of tungsten carbide is not, and says of what type it is. Atoms thrown at random are none."""
    name, rms = nearest_structure(STRUCTURES["rock salt MgO"]())
    assert name == "rock salt MgO" and rms < 1e-3
    tungsten = Crystal([12, 8], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]], [[2.8, 0, 0], [-1.4, 2.8 * 0.75**0.5, 0], [0, 0, 2.75]])
    assert nearest_structure(tungsten)[0] == "Tungsten Carbide (AFLOW)"
    flat = Crystal([12, 8], [[0, 0, 0], [0.1, 0.1, 0.5]], [[9.0, 0, 0], [-4.5, 7.8, 0], [0, 0, 1.5]])
    assert nearest_structure(flat) is None


def test_every_prototype_has_a_name():
    names = libraries.builtin_library().arrays.columns["name"]
    assert not [name for name in names if not name.replace("(AFLOW)", "").strip()]
    assert "CrB type (AFLOW)" in names


def test_names_are_those_of_aflows_file():
    """Read beside the product's way: name and formula of every shipped row stand in pymatgen's file; what names no type is completed."""
    import pymatgen.analysis.prototypes as pymatgen_prototypes

    with gzip.open(Path(pymatgen_prototypes.__file__).with_name("aflow_prototypes.json.gz")) as file:
        entries = json.load(file)
    minerals: dict[str, set[str]] = {}
    for entry in entries:
        content = Counter(species["element"] for site in entry["snl"]["sites"] for species in site["species"])
        minerals.setdefault(entry["tags"]["mineral"].strip(), set()).add(Composition(content).reduced_formula)
    assert minerals["alpha"] == {"Ga", "Hg", "S", "Mn"}  # one mineral of four elements
    arrays = libraries.builtin_library().arrays
    named = [(name[: -len(" (AFLOW)")], i) for i, name in enumerate(arrays.columns["name"].tolist()) if name.endswith(" (AFLOW)")]
    for name, i in named:
        formula = Composition(arrays.crystal(i).formula.replace(" ", "")).reduced_formula
        known = minerals[""] | minerals["I4/mcm"] if name == f"{formula} type" else minerals.get(name)
        if known is None:
            known = {"sigma phase CrFe": {formula}, "Frank-Kasper μ Phase": {"Fe7W6"}, "Lazarevićite": {"Cu3AsS4"}}.get(
                name, minerals.get(name.removesuffix(f" {formula}"), set())
            )
        assert formula in known, (name, formula)
    assert {"alpha Ga", "beta Mn", "TlSe type", "Lazarevićite"} <= {name for name, _ in named} and not [n for n, _ in named if "\\" in n]
