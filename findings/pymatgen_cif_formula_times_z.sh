#!/usr/bin/env bash
# How many atoms does a CIF file say that its cell holds? By the core dictionary: _chemical_formula_sum times _cell_formula_units_Z.
# For the cubic cell of rock salt pymatgen writes the formula of the whole cell, 'Na4 Cl4', and beside it Z = 4: sixteen of each,
# four times what the file's own list of atoms holds..
# A reader that checks atoms against the file's own statement calls every such file wrong, and one that trusts formula and Z for
# a density or a missing symmetry is off by Z. Allow for it: the formula may be the cell's where the greatest divisor of its counts is Z.
#
# Seen with pymatgen 2026.10.24 (pymatgen-core 2026.10.16), Python 3.11. Fails as soon as another answer comes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

"${PYTHON:-python3}" -m venv environment
environment/bin/pip install --quiet pymatgen==2026.10.24 pymatgen-core==2026.10.16

cat > question.py <<'END'
from importlib.metadata import version

from pymatgen.core import Lattice, Structure

salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
print("pymatgen", version("pymatgen"), "pymatgen-core", version("pymatgen-core"))
print("atoms in the cell:", len(salt))
for line in salt.to(fmt="cif").splitlines():
    if line.startswith(("_chemical_formula_sum", "_cell_formula_units_Z")):
        print(" ".join(line.split()))
END

cat > seen <<'END'
pymatgen 2026.10.24 pymatgen-core 2026.10.16
atoms in the cell: 8
_chemical_formula_sum 'Na4 Cl4'
_cell_formula_units_Z 4
END

environment/bin/python -W ignore question.py | tee now
diff seen now && echo "as seen"
