"""Reading crystal files: the crystal that the file describes, or a refusal or a note that says why not."""

import gzip

import numpy as np
import pytest

from core.metrics.matching import match_rms
from core.structures.arrays import load_arrays
from core.structures.builtin import STRUCTURES
from core.structures.cif import CrystalFileError, Orbits, Statements, _density, _free_of_clashes, read_cif, read_crystal, structure_names
from core.structures.cif_sites import element_of
from core.structures.cif_symmetry import Candidate
from core.structures.crystal import Crystal
from core.structures.dataset import prepare

CUBE = "_cell_length_a 5.64\n_cell_length_b 5.64\n_cell_length_c 5.64\n_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n"
SITES = "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
LABELS = SITES.replace("_atom_site_type_symbol\n", "")
SALT = "Na1 Na 0 0 0\nCl1 Cl 0.5 0.5 0.5\n"
NAME = "_symmetry_space_group_name_H-M '{}'\n"
FACES = NAME.format("F m -3 m")
P1 = NAME.format("P 1")
MAGNETIC = "loop_\n_space_group_symop{}\nx,y,z,+1\n-x,-y,-z,-1\nloop_\n_space_group_symop{}\nx,y,z,+1\nx,y+1/2,z+1/2,-1\n"
MULTIPLE = SITES + "_atom_site_symmetry_multiplicity\n"
CARBONATE = "Ca1 Ca 0 0 0\nO1 O 0.5 0 0\nO2 O 0 0.5 0\nO3 O 0 0 0.5\n"


def cell(a, b, c, alpha, beta, gamma):
    return "".join(f"_cell_length_{k} {v}\n" for k, v in zip("abc", (a, b, c))) + "".join(
        f"_cell_angle_{k} {v}\n" for k, v in zip(("alpha", "beta", "gamma"), (alpha, beta, gamma))
    )


def states(formula, units):
    return f"_chemical_formula_sum '{formula}'\n_cell_formula_units_Z {units}\n"


NOTHING = Statements({}, "", 0.0, 0.0, 0.0)
HEXAGONAL, RHOMBOHEDRAL = cell(4.546, 4.546, 11.862, 90, 90, 120), cell(4.746, 4.746, 4.746, 57.23, 57.23, 57.23)
SILICON = cell(5.431, 5.431, 5.431, 90, 90, 90)
MONOCLINIC = cell(9, 5, 6, 90, 105, 90)
ORTHOHEXAGONAL = cell(4.05, 7.0148, 6.76, 90, 90, 90) + (
    "loop_\n_space_group_symop_operation_xyz\nx,y,z\n-1/2x-3/2y,1/2x-1/2y,z\n-1/2x+3/2y,-1/2x-1/2y,z\n-x,-y,-z\n1/2x+3/2y,-1/2x+1/2y,-z\n"
    "1/2x-3/2y,1/2x+1/2y,-z\nx+1/2,y+1/2,z\n-1/2x-3/2y+1/2,1/2x-1/2y+1/2,z\n-1/2x+3/2y+1/2,-1/2x-1/2y+1/2,z\n-x+1/2,-y+1/2,-z\n"
    "1/2x+3/2y+1/2,-1/2x+1/2y+1/2,-z\n1/2x-3/2y+1/2,1/2x+1/2y+1/2,-z\n"
)


@pytest.mark.parametrize(
    ("text", "formula", "nearest"),
    [
        (CUBE + FACES + SITES + SALT, "Na4 Cl4", 2.82),
        # names of the space group: old, short, with a setting, by Hall symbol, by number
        (HEXAGONAL + NAME.format("R -3 m :H") + SITES + "Bi1 Bi 0 0 0.2339\n", "Bi6", 3.071),
        (HEXAGONAL + NAME.format("R -3 m H") + SITES + "Bi1 Bi 0 0 0.2339\n", "Bi6", 3.071),
        (RHOMBOHEDRAL + NAME.format("R -3 m") + SITES + "Bi1 Bi 0.2339 0.2339 0.2339\n", "Bi2", 3.071),
        (cell(4.1, 4.1, 4.1, 90, 90, 90) + NAME.format("P m 3 m") + SITES + "Ca1 Ca 0 0 0\nB1 B 0.2 0.5 0.5\n", "Ca1 B6", 1.640),
        (cell(5, 6, 7, 90, 105, 90) + NAME.format("P2(1)/n") + SITES + "Na1 Na 0.1 0.1 0.3\n", "Na4", None),
        (cell(5, 6, 7, 90, 90, 105) + NAME.format("P 21/n") + SITES + "Na1 Na 0.1 0.1 0.3\n", "Na4", None),
        (CUBE + "_space_group_name_Hall '-F 4 2 3'\n" + SITES + SALT, "Na4 Cl4", 2.82),
        (CUBE + "_space_group_IT_number 225\n" + SITES + SALT, "Na4 Cl4", 2.82),
        # origins decided by formula, by multiplicity, by distances
        (SILICON + states("Si", 8) + NAME.format("F d -3 m") + SITES + "Si1 Si 0.125 0.125 0.125\n", "Si8", 2.352),
        (SILICON + states("Si", 8) + NAME.format("F d -3 m") + SITES + "Si1 Si 0 0 0\n", "Si8", 2.352),
        # occupancy not given means full; rounding means full
        (CUBE + FACES + SITES + "_atom_site_occupancy\nNa1 Na 0 0 0 1\nCl1 Cl 0.5 0.5 0.5 .\n", "Na4 Cl4", 2.82),
        (CUBE + FACES + SITES + "_atom_site_occupancy\nNa1 Na 0 0 0 1.004\nCl1 Cl 0.5 0.5 0.5 ?\n", "Na4 Cl4", 2.82),
        # digits: 0.333 on a threefold axis is a third
        (cell(2.95, 2.95, 4.68, 90, 90, 120) + NAME.format("P 63/m m c") + SITES + "Ti1 Ti 0.333 0.667 0.25\n", "Ti2", 2.896),
        (CUBE + FACES + SITES + "Na1 Na 0 0 0\nCl1 Cl 1/2 1/2 1/2\n", "Na4 Cl4", 2.82),
        # the syntax of CIF: dots, capitals, a text that begins like a block, one atom without a list, no labels
        ((CUBE + FACES + SITES + SALT).replace("_cell_", "_cell.").replace("_atom_site_", "_atom_site."), "Na4 Cl4", 2.82),
        ((CUBE + FACES + SITES + SALT).replace("loop_", "LOOP_").replace("_cell_length_a", "_CELL_Length_A"), "Na4 Cl4", 2.82),
        ("_publ_section_comment\n;\ndata_ of 1988\n;\n" + CUBE + FACES + SITES + SALT, "Na4 Cl4", 2.82),
        ("\ufeff# first\n" + CUBE + FACES + SITES + SALT, "Na4 Cl4", 2.82),
        (CUBE + FACES + SITES.replace("_atom_site_label\n", "") + "Na 0 0 0\nCl 0.5 0.5 0.5\n", "Na4 Cl4", 2.82),
        (
            CUBE + FACES + "_atom_site_label Cu1\n_atom_site_fract_x 0\n_atom_site_fract_y 0\n_atom_site_fract_z 0\n",
            "Cu4",
            3.988,
        ),
        # labels without type symbols
        (CUBE + P1 + LABELS + "Mg1 0 0 0\nO1 0.5 0 0\nHOh 0.5 0.2 0\n", "Mg1 O1 H1", None),
        (CUBE + P1 + states("C O", 1) + LABELS + "C1 0 0 0\nO1 0.2 0 0\n", "C1 O1", None),
        (CUBE + P1 + states("Co O", 1) + LABELS + "CO1 0 0 0\nO1 0.5 0 0\n", "Co1 O1", None),
        (CUBE + P1 + SITES + "Na1 Na1+ 0 0 0\nCl1 Cl1- 0.5 0.5 0.5\n", "Na1 Cl1", None),
        (
            cell(6, 6, 6, 90, 90, 90) + P1 + states("Mg H2 O2", 1) + LABELS + "Mg1 0 0 0\n"
            "O-h1 0.333 0.667 0.22\nO-h2 0.667 0.333 0.78\nHOh1 0.333 0.667 0.43\nHOh2 0.667 0.333 0.57\n",
            "Mg1 O2 H2",
            1.26,
        ),
        (
            cell(9, 5, 6, 90, 105, 90) + states("Na Cl", 4) + NAME.format("P 21/n") + SITES + "Na1 Na 0.1 0.2 0.3\nCl1 Cl 0.4 0.3 0.7\n",
            "Na4 Cl4",
            1.744,
        ),
        # a magnetic group: its operations and centerings without the reversal of time, under both spellings of the dictionary
        (CUBE + MAGNETIC.format(".magn_operation_xyz", ".magn_centering_xyz") + SITES + SALT, "Na2 Cl2", 2.82),
        (CUBE + MAGNETIC.format("_magn_operation.xyz", "_magn_centering.xyz") + SITES + SALT, "Na2 Cl2", 2.82),
        # another spelling of the tag; a formula without blanks; images of an atom that are listed, too
        (CUBE + FACES.replace("H-M", "H_M") + SITES + SALT, "Na4 Cl4", 2.82),
        (CUBE + FACES + states("NaCl", 4) + SITES + SALT, "Na4 Cl4", 2.82),
        (CUBE + FACES + SITES + SALT + "Na2 Na 0.5 0.5 0.001\n", "Na4 Cl4", 2.82),
        # full names of space groups, and how journals set them
        (CUBE + NAME.format("F 4/m -3 2/m") + SITES + SALT, "Na4 Cl4", 2.82),
        (CUBE + NAME.format("F4/m-32/m") + SITES + SALT, "Na4 Cl4", 2.82),
        (cell(3, 4, 5, 90, 90, 90) + NAME.format("P 21/n 21/m 21/a") + SITES + "Na1 Na 0.1 0.25 0.1\n", "Na4", None),
        (cell(3, 3, 5, 90, 90, 90) + NAME.format("P 42/m 21/b 2/c") + SITES + "Na1 Na 0 0 0\n", "Na4", None),
        (cell(2.95, 2.95, 4.686, 90, 90, 120) + NAME.format("P 63/m 2/m 2/c") + SITES + "Ti1 Ti 0.3333 0.6667 0.25\n", "Ti2", 2.897),
        (HEXAGONAL + NAME.format("R -3 2/m") + SITES + "Bi1 Bi 0 0 0.2339\n", "Bi6", 3.071),
        (CUBE + NAME.format("F m -3 m (No. 225)") + SITES + SALT, "Na4 Cl4", 2.82),
        *(
            (MONOCLINIC + NAME.format(name) + SITES + "Na1 Na 0.1 0.2 0.3\nCl1 Cl 0.4 0.3 0.7\n", "Na4 Cl4", 1.744)
            for name in ("P 21 / n", "P 1 21/n", "P 1 2~1~/n 1", "P 2_{1}/n", "P2<sub>1</sub>/n")
        ),
        # operations with factors and no sign for times; a list without the identity, which the formula completes
        (ORTHOHEXAGONAL + SITES + "Fe1 Fe 0 0 0\nI1 I 0 0.3333 0.25\n", "Fe2 I4", 2.885),
        (CUBE + states("Na", 4) + "loop_\n_symmetry_equiv_pos_as_xyz\n-x,-y,z\n-y,x,z\n" + SITES + "Na1 Na 0.2 0.3 0\n", "Na4", None),
        # each alternative of its own assembly, alone
        (
            CUBE + P1 + SITES + "_atom_site_disorder_assembly\n_atom_site_disorder_group\nNa1 Na 0 0 0 A 1\nCl1 Cl 0.5 0.5 0.5 B 1\n",
            "Na1 Cl1",
            4.884,
        ),
        # oxygen and hydrogen of water, as minerals are labelled
        (CUBE + P1 + LABELS + "Ca1 0 0 0\nOw1 0.5 0.5 0.5\nHw 0.6 0.5 0.6\nOh 0 0.5 0\nHh1 0 0.6 0\n", "Ca1 O2 H2", None),
        # letters, blanks, signs and marks that CIF does not know
        (P1.replace("P 1", "P\u00a01") + CUBE + "_x Å\n" + SITES + "Naα\u00a0Na 0 0 \u22120.1\nO′ O 0.5 0.5 0.4\n\x1a", "Na1 O1", 4.884),
        # the block with a cell, not the first one that lists atoms
        (SITES + "Si1 Si 0 0 0\ndata_y\n" + CUBE + FACES + SITES + SALT, "Na4 Cl4", 2.82),
    ],
)
def test_the_crystal_that_the_file_describes(text, formula, nearest):
    content = text if text.startswith("\ufeff") else "data_x\n" + text
    content = content.replace("\ufeff", "\ufeffdata_x\n")
    crystal = read_crystal(content.encode()).crystal
    assert crystal.formula == formula
    if nearest:
        assert crystal.nearest_distance == pytest.approx(nearest, abs=2e-3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CUBE + states("Na Cl", 4) + SITES + SALT, "no symmetry.*Na1 Cl1.*Na4 Cl4"),
        (CUBE + NAME.format("F q -3 m") + SITES + SALT, "'F q -3 m' of the file is not understood"),
        (cell(4, 5, 6, 90, 90, 90) + FACES + SITES + SALT, "does not have the symmetry"),
        (CUBE + P1 + LABELS + "Na1 0 0 0\nWat1 0.5 0 0\n", "Wat1 of a site is unclear"),
        (CUBE + P1 + LABELS + "Na1 0 0 0\nCg1 0.5 0 0\n", "Cg1 of a site is unclear"),
        (CUBE + P1 + LABELS + "Na1 0 0 0\nCl1 0.5 0.5 0.5\nDu1 0.25 0.25 0.25\n", "Du1 of a site is unclear: it names no element"),
        (CUBE + P1 + LABELS + "O1 0 0 0\nCO1 0.5 0 0\n", "CO1 of a site is unclear.*more than one"),
        (CUBE + P1 + SITES + "Na1 Na 0 0 0\nX1 X 0.5 0.5 0.5\n", "X1 is of type X, which is no element"),
        (CUBE + P1 + SITES + "Na1 Na 0 0 0\nV1 Vac 0.5 0.5 0.5\n", "V1 is of type Vac"),
        (CUBE + P1 + SITES + "Na1 Na 0 0 0\nH1 H ? ? ?\n", "H1 has no coordinates"),
        (CUBE + P1 + SITES.replace("fract", "Cartn") + SALT, "Cartesian coordinates only"),
        (CUBE + P1 + SITES + "_atom_site_occupancy\nNa1 Na 0 0 0 1.5\n", "Na1 is 1.5, above 1"),
        (CUBE + P1 + SITES + "_atom_site_occupancy\nNa1 Na 0 0 0 0.5\n", "only partly occupied"),
        (
            CUBE + P1 + SITES + "_atom_site_disorder_assembly\n_atom_site_disorder_group\n"
            "Na1 Na 0 0 0 . .\nCl1 Cl 0.5 0.5 0.5 A 1\nCl2 Cl 0.52 0.5 0.5 A 2\n",
            "disordered",
        ),
        (cell(300, 5, 5, 90, 90, 90) + P1 + SITES + SALT, "edges of 300, 5, 5"),
        (cell(0.2, 5, 5, 90, 90, 90) + P1 + SITES + SALT, "edges of 0.2, 5, 5"),
        (cell(5, 5, 5, 90, 90, 190) + P1 + SITES + SALT, "make no cell"),
        (CUBE + "loop_\n_symmetry_equiv_pos_as_xyz\nx,y\n" + SITES + SALT, "operation 'x,y'"),
        (SILICON + NAME.format("F d -3 m") + SITES + "Si1 Si 0.05 0.05 0.05\n", "leaves open which symmetry"),
        (CUBE + P1 + SITES + "Rf1 Rf 0 0 0\n", "heavier than lawrencium"),
        (CUBE + P1 + SITES + "Na1 Na 0 0 zero\n", "'zero' of the site Na1"),
        (CUBE + FACES + SITES + SALT + "K1 K 0 0 0\n", "Atoms of K and Na share one place"),
        (CUBE + "_symmetry_cell_setting monoclinic\n" + SITES + SALT, "only '_symmetry_cell_setting monoclinic'"),
        (CUBE + "_space_group_magn_number_BNS 15.90\n" + SITES + SALT, "only '_space_group_magn_number_bns 15.90'"),
        (CUBE + P1 + "_cell_modulation_dimension 1\n" + SITES + SALT, "modulated"),
        (CUBE + states("C1 Na2 O3", 4) + SITES + "Na1 Na 0 0 0\nC1 C 0.5 0.5 0.5\nO1 O 0.5 0.5 0.7\n", "gives no symmetry"),
        (cell(0.999, 1, 1, 90, 90, 90) + P1 + SITES + "Na1 Na 0 0 0\n", "cell of 0.999 Å³ is too small for 1 atom"),
        (CUBE + P1 + SITES + SALT + SITES + "K1 K 0.2 0.2 0.2\n", "2 lists of atoms in one block, x"),
        (CUBE + "_cell.length_a 5.62\n" + P1 + SITES + SALT, "_cell_length_a twice: 5.64 and 5.62"),
        (CUBE + "_symmetry_Int_Tables_number 231\n" + SITES + SALT, "the number 231; there are 230"),
        (
            CUBE + "loop_\n_symmetry_equiv_pos_as_xyz\n-x,-y,-z\n" + SITES + SALT.replace("0 0 0", "0.1 0 0"),
            "which is no group, or the group",
        ),
        (CUBE + "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\nx+y,y,z\n" + SITES + SALT, "make no group"),
        (CUBE + "loop_\n_space_group_symop_ssg_operation_algebraic\nx1,x2,x3,x4\n" + SITES + SALT, "which is not understood"),
        (CUBE + P1 + SITES + "N1 NH4 0 0 0\n", "type NH4, which is no element"),
        (CUBE + P1 + "_x 'never closed\n" + SITES + SALT, "line 9"),
    ],
)
def test_refusals_name_the_cause(text, words):
    with pytest.raises(CrystalFileError, match=words):
        read_cif("data_x\n" + text)


@pytest.mark.parametrize(
    ("text", "formula", "words"),
    [
        (
            CUBE + P1 + states("Ca C O3", 1) + SITES + "Ca1 Ca 0 0 0\nO1 O 0.5 0 0\nO2 O 0 0.5 0\nO3 O 0 0 0.5\n",
            "Ca1 O3",
            "holds C, but no",
        ),
        (CUBE + P1 + states("Na Cl", 2) + SITES + SALT, "Na1 Cl1", "say Na2 Cl2, its atoms make Na1 Cl1"),
        (CUBE + P1 + SITES + "_atom_site_calc_flag\nNa1 Na 0 0 0 d\nCg1 C 0.5 0.5 0.5 dum\n", "Na1", "Cg1 is a dummy"),
        (CUBE + P1 + SITES + "_atom_site_calc_flag\nNa1 Na 0 0 0 d\nCl1 Cl 0.5 0.5 0.5 d\nCg1 C 0.2 0.2 0.2 dum\n", "Na1 Cl1", "dummy"),
        (
            CUBE + FACES + SITES + "_atom_site_occupancy\nNa1 Na 0 0 0 1.005\nCl1 Cl 0.5 0.5 0.5 1\n",
            "Na4 Cl4",
            "Na1, 1.005, was taken as 1",
        ),
        (CUBE + P1 + SITES + "Na1 Na 0 0 0\nD1 D 0.5 0.5 0.5\n", "Na1 H1", "Deuterium"),
        (CUBE + P1 + SITES + "_atom_site_attached_hydrogens\nCa1 Ca 0 0 0 0\nO1 O 0.5 0 0 2\n", "Ca1 O1", "no places; they are missing"),
        (CUBE + P1 + SITES + SALT + "data_x\n" + CUBE + P1 + SITES + "Si1 Si 0 0 0\n", "Na1 Cl1", "2 structures; number 1, x,"),
        (CUBE + FACES + "_space_group_IT_number 221\n" + SITES + SALT, "Na4 Cl4", "F m -3 m, but gives it number 221; the name was used"),
        (CUBE + SITES + SALT, "Na1 Cl1", "no symmetry: its list of atoms was taken for the whole cell"),
        (CUBE + P1 + states("Na Cl x", 1) + SITES + SALT, "Na1 Cl1", "'Na Cl x', could not be compared"),
        (CUBE + P1 + "_cell_volume 182\n" + SITES + SALT, "Na1 Cl1", "a volume of 182 Å³, its edges and angles make 179.4 Å³"),
        (
            CUBE + P1 + "_exptl_crystal_density_diffrn 2.165\n" + SITES + SALT,
            "Na1 Cl1",
            "density of 2.165 g/cm³, its atoms and cell make 0.541",
        ),
        (CUBE + FACES + MULTIPLE + "Na1 Na 0 0 0 8\nCl1 Cl 0.5 0.5 0.5 4\n", "Na4 Cl4", "counts 8 atoms of the site Na1 in the cell"),
        (CUBE + FACES + "_space_group_name_Hall '-P 4 2 3'\n" + SITES + SALT, "Na1 Cl1", "Hall symbol's operations are those of Pm-3m"),
        (
            MONOCLINIC + "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n-y,x,z\n-x,-y,z\ny,-x,z\n" + SITES + "Na1 Na 0.1 0.2 0.3\n",
            "Na4",
            "do not leave its cell as it is",
        ),
        (CUBE + P1 + SITES + "Na1 K 0 0 0\nCl1 Cl 0.5 0.5 0.5\n", "K1 Cl1", "another element than their types (Na1); the types"),
        (CUBE + P1 + SITES + "X1 CO 0 0 0\n", "Co1", "The type CO was read as Co"),
        (CUBE + P1 + LABELS + "Na1 0 0 0\nOH1 0.5 0.5 0.5\n", "Na1 O1", "Labels of the file speak of hydrogen"),
        (CUBE + FACES + SITES + SALT + "Na2 Na 0.5 0.5 0.001\n", "Na4 Cl4", "Of 12 atoms 4 fell on another one"),
        (SILICON + states("Si", 8) + NAME.format("F d -3 m") + SITES + "Si1 Si 0 0 0\n", "Si8", "F d -3 m:1 was taken"),
        (CUBE + P1 + SITES + "Na1 Na 0 0 0\nCl1 Cl 0.1 0 0\n", "Na1 Cl1", "only 0.56 Å apart"),
        (
            CUBE + FACES + "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n-x,-y,-z\n" + SITES + "Na1 Na 0.1 0 0\n",
            "Na2",
            "names the space group F m -3 m, but its operations are those of P-1",
        ),
    ],
)
def test_what_was_assumed_or_is_missing_is_said(text, formula, words):
    reading = read_cif("data_x\n" + text)
    assert reading.crystal.formula == formula
    assert any(words in note for note in reading.notes), reading.notes


@pytest.mark.parametrize("name", sorted(STRUCTURES))
def test_files_of_known_crystals_come_back(name):
    """With all symmetry in the file, with the name of the space group alone, and as pymatgen writes them without any."""
    from pymatgen.io.cif import CifWriter

    crystal = STRUCTURES[name]()
    for text in (crystal.to_cif(), str(CifWriter(crystal.to_pymatgen(), symprec=0.01))):
        reading = read_cif(text)
        assert reading.crystal.n_atoms == crystal.n_atoms and match_rms(reading.crystal, crystal) < 1e-3
        assert reading.crystal.volume == pytest.approx(crystal.volume, rel=1e-4)
        assert not any("Formula" in note or "open" in note for note in reading.notes), reading.notes


@pytest.mark.parametrize(
    "tags",
    [
        ("_symmetry_equiv_pos_as_xyz",),
        ("_space_group_symop_operation_xyz",),
        ("_space_group_symop.operation_xyz",),
        ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz"),
    ],
)
def test_operations_count_once_under_each_of_their_names(tags):
    """Counted twice, they would be no group any more (no note), and allow half as many sites."""
    lists = "".join(f"loop_\n{tag}\nx,y,z\n-x,-y,-z\n" for tag in tags)
    many = "".join(f"C{i} C {x:.5f} {y:.5f} {z:.5f}\n" for i, (x, y, z) in enumerate(np.random.default_rng(0).random((100, 3))))
    reading = read_cif("data_x\n" + cell(9, 9, 9, 90, 90, 90) + FACES + lists + SITES + many)
    assert reading.crystal.n_atoms == 200 and any("operations are those of P-1" in note for note in reading.notes)


def test_atoms_stay_in_the_files_order():
    """Sites one after the other, whatever their electronegativity."""
    crystal = read_cif("data_x\n" + CUBE + P1 + SITES + "Cl1 Cl 0.5 0.5 0.5\nNa1 Na 0 0 0\nCl2 Cl 0.1 0.5 0.5\n").crystal
    assert crystal.numbers.tolist() == [17, 11, 17]
    np.testing.assert_allclose(crystal.frac_coords, [[0.5, 0.5, 0.5], [0, 0, 0], [0.1, 0.5, 0.5]])


def test_labels_against_type_symbols():
    """Where both are there, the type symbol counts."""
    assert element_of("H", "Ho1", {}) == (1, "") and element_of("Ho", "H1", {}) == (67, "")
    assert element_of(".", "Na1", {})[0] == 11 and element_of("?", "OW1", {})[0] == 8


def test_a_file_is_read_once():
    content = ("data_x\n" + CUBE + FACES + SITES + SALT).encode()
    assert read_crystal(content) is read_crystal(content)


def test_another_structure_of_the_file():
    both = "data_salt\n" + CUBE + FACES + SITES + SALT + "data_silicon\n" + SILICON + NAME.format("F d -3 m :1") + SITES + "Si1 Si 0 0 0\n"
    first, second = read_crystal(both.encode()), read_crystal(both.encode(), 2)
    assert structure_names(both.encode()) == ("salt", "silicon")
    assert (first.crystal.formula, second.crystal.formula) == ("Na4 Cl4", "Si8")
    assert second.notes == ("The file holds 2 structures; number 2, silicon, was read.",)
    with pytest.raises(CrystalFileError, match="2 structures; there is no number 3"):
        read_crystal(both.encode(), 3)


def test_a_large_cell_is_refused_before_any_search(monkeypatch):
    """Just over the bound: no atom is placed in it."""
    monkeypatch.setattr("core.structures.cif.Crystal", lambda *_: pytest.fail("a crystal was made"))
    with pytest.raises(CrystalFileError, match="201, 201, 201 Å"):
        read_cif("data_x\n" + cell(201, 201, 201, 90, 90, 90) + P1 + SITES + SALT)


def test_rows_of_a_benchmark_are_read_by_the_same_reader(tmp_path):
    """A byte order mark keeps the ids, a compressed file is read, a row in another setting is right."""
    bismuth = "data_x\n" + HEXAGONAL + NAME.format("R -3 m :H") + SITES + "Bi1 Bi 0 0 0.2339\n"
    table = '\ufeffmaterial_id,cif\nmp-0,"' + "data_x\n" + CUBE + FACES + SITES + SALT + '"\nmp-1,"' + bismuth + '"\n'
    plain, packed = tmp_path / "a.csv", tmp_path / "b.csv.gz"
    plain.write_text(table, encoding="utf-8")
    packed.write_bytes(gzip.compress(table.encode()))
    for path in (plain, packed):
        assert prepare(path, tmp_path / "out.npz", progress=False) == []
        arrays = load_arrays(tmp_path / "out.npz")
        assert arrays.columns["material_id"].tolist() == ["mp-0", "mp-1"] and arrays.num_atoms.tolist() == [8, 6]


def with_occupancy(value):
    return read_cif("data_x\n" + CUBE + FACES + SITES + f"_atom_site_occupancy\nNa1 Na 0 0 0 {value}\nCl1 Cl 0.5 0.5 0.5 1\n")


def test_occupancy_counts_as_full_from_99_to_102_per_cent():
    for value in ("0.991", "1.019"):
        assert any(value in note for note in with_occupancy(value).notes)
    for value, word in (("0.989", "partly"), ("1.021", "above 1")):
        with pytest.raises(CrystalFileError, match=word):
            with_occupancy(value)


def test_a_cell_has_a_symmetry_to_two_per_cent_of_its_squared_edge():
    """A threefold axis along the diagonal of a prism: c/a = 1 + e changes the metric by 2 e."""
    threefold = Candidate(np.array([[[0, 0, 1], [1, 0, 0], [0, 1, 0]]]), np.zeros((1, 3)), "a threefold axis")
    assert threefold.fits(np.diag([5.0, 5.0, 5.0 * 1.009])) and not threefold.fits(np.diag([5.0, 5.0, 5.0 * 1.012]))


def test_statements_that_decide_between_settings_by_value():
    """Atoms nearer than 0.5 Å are not meant; a density within 5 % of the stated one is; both hold against nothing stated."""

    def orbits(d):
        return Orbits(Crystal(np.array([14, 14]), np.array([[0, 0, 0], [d / 4, 0, 0]]), np.eye(3) * 4), np.array([2]), 0.0)

    assert _free_of_clashes(orbits(0.51), [], NOTHING) and not _free_of_clashes(orbits(0.49), [], NOTHING)
    density = 2 * 28.085 * 1.66054 / 64
    for factor, fits in ((1.04, True), (0.96, True), (1.07, False), (0.94, False)):
        assert _density(orbits(2.0), [], NOTHING._replace(density=density * factor)) is fits
    assert _density(orbits(2.0), [], NOTHING)


@pytest.mark.parametrize("angles, makes", [((60, 60, 60), True), ((100, 119, 139), True), ((100, 121, 141), False), ((50, 60, 115), False)])
def test_three_angles_make_a_cell_when_they_make_a_corner(angles, makes):
    """Their sum is below 360 degrees and each is less than the sum of the two others."""
    text = "data_x\n" + cell(5, 5, 5, *angles) + P1 + SITES + "Na1 Na 0 0 0\n"
    if makes:
        assert read_cif(text).crystal.n_atoms == 1
    else:
        with pytest.raises(CrystalFileError, match="make no cell"):
            read_cif(text)


@pytest.mark.parametrize(
    "x, y, atoms", [("0.33", "0.67", 2), ("0.333", "0.667", 2), ("0.330", "0.670", 6), ("0.3333", "0.6667", 2), ("0.3330", "0.6670", 6)]
)
def test_a_place_is_special_to_the_digits_that_it_is_given(x, y, atoms):
    """On the threefold axis of P 6/m m m at (1/3, 2/3, 0): rounding moves a coordinate by half of its last digit."""
    text = "data_x\n" + cell(4, 4, 3, 90, 90, 120) + NAME.format("P 6/m m m") + SITES + f"B1 B {x} {y} 0\n"
    reading = read_cif(text)
    assert reading.crystal.n_atoms == 2 and (atoms == 6) == any(note.startswith("Of 6 atoms 4") for note in reading.notes)


def test_a_cell_of_200_atoms_is_read_by_default():
    rows = "".join(f"H{i} H {i / 201:.5f} 0 0\n" for i in range(201))
    long = "data_x\n" + cell(190, 5, 5, 90, 90, 90) + P1 + SITES
    assert read_cif(long + rows[: rows.rindex("H200 ")]).crystal.n_atoms == 200
    with pytest.raises(CrystalFileError, match="more than a cell of 200 atoms"):
        read_cif(long + rows)


def test_a_crystal_written_and_read_again_is_the_same_atom_for_atom():
    """In its order, whatever the electronegativities, in a cell without right angles."""
    numbers, lattice = [17, 11, 17, 8], np.array([[4.0, 0, 0], [-1.2, 5.1, 0], [0.7, 0.9, 6.3]])
    crystal = Crystal(numbers, np.random.default_rng(0).random((4, 3)), lattice)
    reading = read_cif(crystal.to_cif())
    assert reading.crystal.numbers.tolist() == numbers
    np.testing.assert_allclose(reading.crystal.frac_coords, crystal.frac_coords, atol=1e-8)
    np.testing.assert_allclose(reading.crystal.lattice @ reading.crystal.lattice.T, lattice @ lattice.T, atol=1e-6)


@pytest.mark.parametrize("z, atoms", [(0.0087, 2), (0.0091, 3)])
def test_two_sites_within_a_twentieth_of_an_angstrom_are_one_place(z, atoms):
    """At 0.049 Å and at 0.051 Å."""
    reading = read_cif("data_x\n" + CUBE + P1 + SITES + SALT + f"Na2 Na 0 0 {z}\n")
    assert reading.crystal.n_atoms == atoms


@pytest.mark.parametrize("counts", [(4, 4), (48, 48)])
def test_a_multiplicity_is_that_of_the_cell_or_the_order_of_the_site_symmetry(counts):
    """192 operations of F m -3 m, 4 atoms: SHELX writes 48 where others write 4."""
    sites = "Na1 Na 0 0 0 {}\nCl1 Cl 0.5 0.5 0.5 {}\n".format(*counts)
    for tag in ("symmetry_multiplicity", "site_symmetry_multiplicity"):
        reading = read_cif("data_x\n" + CUBE + FACES + MULTIPLE.replace("symmetry_multiplicity", tag) + sites)
        assert reading.crystal.formula == "Na4 Cl4" and not reading.notes


def test_what_is_given_twice_alike_is_given_once():
    twice = "_cell.length_a 5.640(2)\n_space_group.name_H-M_alt 'Fm-3m'\n_space_group_name_H-M_alt 'F m -3 m'\n_cell_length_b ?\n"
    reading = read_cif("data_x\n" + CUBE + twice + SITES + SALT)
    assert reading.crystal.formula == "Na4 Cl4" and not reading.notes


def test_operations_that_make_a_group_need_no_word():
    """Products of glide planes and screw axes are of the group up to whole edges."""
    lists = "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n-x,-y,-z\n-x+1/2,y+1/2,-z+1/2\nx+1/2,-y+1/2,z+1/2\n"
    reading = read_cif("data_x\n" + MONOCLINIC + lists + SITES + "Na1 Na 0.1 0.2 0.3\n")
    assert reading.crystal.formula == "Na4" and not reading.notes
