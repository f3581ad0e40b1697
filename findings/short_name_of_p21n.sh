#!/usr/bin/env bash
# A CIF file names its space group 'P 21/n', number 14, and lists no operations: the short name of P 1 21/n 1, whose glide goes along the diagonal.
# pymatgen does not know the short name and takes the standard setting of number 14, P 21/c, whose glide goes along c, without a warning about
# the symmetry; ASE takes the number before the name, even before the full one. Half of the atoms then stand elsewhere, 2.91 Å apart, not 1.74 Å.
# Cell, formula, count of atoms and number of the group are all right, so nothing looks wrong: who reads such files in bulk trains on
# crystals that nobody measured. pymatgen is right with the full name; gemmi with both.
#
# Seen with pymatgen 2026.10.24 (pymatgen-core 2026.10.16), ASE 3.29.0, gemmi 0.7.5, Python 3.11. Fails as soon as another answer comes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

"${PYTHON:-python3}" -m venv environment
environment/bin/pip install --quiet pymatgen==2026.10.24 pymatgen-core==2026.10.16 ase==3.29.0 gemmi==0.7.5

cat > question.py <<'END'
import io
import warnings
from importlib.metadata import version

import ase.io
import gemmi
import numpy as np
from pymatgen.io.cif import CifParser

FILE = """data_x
_symmetry_space_group_name_H-M '{}'
_symmetry_Int_Tables_number 14
_cell_length_a 9
_cell_length_b 5
_cell_length_c 6
_cell_angle_alpha 90
_cell_angle_beta 105
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 Na 0.1 0.2 0.3
Cl1 Cl 0.4 0.3 0.7
"""


def shortest(distances):
    return f"{np.min(distances[distances > 0.01]):.2f} Å"


print(*(f"{name} {version(name)}" for name in ("pymatgen", "pymatgen-core", "ase", "gemmi")))
for name in ("P 1 21/n 1", "P 21/n"):
    text = FILE.format(name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = CifParser.from_str(text).parse_structures(primitive=False)[0]
        atoms = ase.io.read(io.StringIO(text), format="cif")
    warned = any("Spacegroup" in str(one.message) for one in caught)
    block = gemmi.cif.read_string(text).sole_block()
    cell = gemmi.make_small_structure_from_block(block)
    sites = cell.get_all_unit_cell_sites()
    places = [cell.cell.orthogonalize(site.fract) for site in sites]
    gaps = np.array([[cell.cell.find_nearest_image(a, b).dist() for a in places] for b in places])
    print(f"{name}: pymatgen {shortest(made.distance_matrix)}{' and a warning' if warned else ''}, "
          f"ASE {shortest(atoms.get_all_distances(mic=True))}, gemmi {shortest(gaps)}, atoms {len(made)}, {len(atoms)}, {len(sites)}")
END

cat > seen <<'END'
pymatgen 2026.10.24 pymatgen-core 2026.10.16 ase 3.29.0 gemmi 0.7.5
P 1 21/n 1: pymatgen 1.74 Å and a warning, ASE 2.91 Å, gemmi 1.74 Å, atoms 8, 8, 8
P 21/n: pymatgen 2.91 Å, ASE 2.91 Å, gemmi 1.74 Å, atoms 8, 8, 8
END

environment/bin/python -W ignore question.py | tee now
diff seen now && echo "as seen"
