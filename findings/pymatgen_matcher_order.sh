#!/usr/bin/env bash
# Rock salt written with neutral atoms (Na, Cl) and rock salt written with ions (Na+, Cl-): do they match?
# StructureMatcher says yes when the neutral crystal is given first, and no when the ions are.
# Its default comparison of species is not symmetric: Na == Na+ by the composition of a site, Na+ != Na.
# Whoever looks a crystal up in a list, or counts unlike ones, gets an answer that depends on the order of two arguments
# as soon as some files carry oxidation states. ElementComparator, which looks at the elements alone, says yes both ways.
#
# Seen with pymatgen 2026.10.24 (pymatgen-core 2026.10.16), Python 3.11 and 3.12. Fails as soon as another answer comes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

"${PYTHON:-python3}" -m venv environment
environment/bin/pip install --quiet pymatgen==2026.10.24 pymatgen-core==2026.10.16

cat > question.py <<'END'
from importlib.metadata import version

from pymatgen.analysis.structure_matcher import ElementComparator, StructureMatcher
from pymatgen.core import Lattice, Structure


def rock_salt(cation, anion):
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), [cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]])


atoms, ions = rock_salt("Na", "Cl"), rock_salt("Na+", "Cl-")
print("pymatgen", version("pymatgen"), "pymatgen-core", version("pymatgen-core"))
for name, matcher in (("by default", StructureMatcher()), ("by element", StructureMatcher(comparator=ElementComparator()))):
    print(f"{name}: fit(atoms, ions) {matcher.fit(atoms, ions)}, fit(ions, atoms) {matcher.fit(ions, atoms)}")
END

cat > seen <<'END'
pymatgen 2026.10.24 pymatgen-core 2026.10.16
by default: fit(atoms, ions) True, fit(ions, atoms) False
by element: fit(atoms, ions) True, fit(ions, atoms) True
END

environment/bin/python -W ignore question.py | tee now
diff seen now && echo "as seen"
