#!/usr/bin/env bash
# A crystal has one Niggli cell. Is it the same one after the sixth digit of its cell was rounded?
# No: for the primitive cell of silicon, whose three angles are 60 degrees, edges that are off by 1e-5 angstrom give at times 60/60/60,
# at times 60/60/90 or 90/120/120, with spglib's niggli_reduce and with pymatgen's get_niggli_reduced_lattice, both as they come: their
# tolerances are finer than what a file writes. Whoever compares crystals, or trains on cells, by their reduced form gets different
# answers for one crystal. A tolerance of 1e-3 (eps, tol) gives one shape in both.
#
# Seen with spglib 2.8.0, pymatgen 2026.10.24 (pymatgen-core 2026.10.16), Python 3.11. Fails as soon as another answer comes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

"${PYTHON:-python3}" -m venv environment
environment/bin/pip install --quiet spglib==2.8.0 pymatgen==2026.10.24 pymatgen-core==2026.10.16

cat > question.py <<'END'
from importlib.metadata import version

import numpy as np
import spglib
from pymatgen.core import Lattice

silicon = 5.43 / 2 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
noise = np.random.default_rng(0)
ways = {
    "spglib": spglib.niggli_reduce,
    "spglib, eps=1e-3": lambda cell: spglib.niggli_reduce(cell, eps=1e-3),
    "pymatgen": lambda cell: Lattice(cell).get_niggli_reduced_lattice().matrix,
    "pymatgen, tol=1e-3": lambda cell: Lattice(cell).get_niggli_reduced_lattice(tol=1e-3).matrix,
}
print("spglib", version("spglib"), "pymatgen-core", version("pymatgen-core"))
cells = [silicon + noise.normal(0, 1e-5, (3, 3)) for _ in range(120)]
for name, reduce in ways.items():
    shapes = {"/".join(f"{angle:.0f}" for angle in sorted(Lattice(reduce(cell)).angles)) for cell in cells}
    print(f"{name}: {', '.join(sorted(shapes))}")
END

cat > seen <<'END'
spglib 2.8.0 pymatgen-core 2026.10.16
spglib: 60/60/60, 60/60/90, 90/120/120
spglib, eps=1e-3: 60/60/60
pymatgen: 60/60/60, 60/60/90, 90/120/120
pymatgen, tol=1e-3: 60/60/60
END

environment/bin/python -W ignore question.py | tee now
diff seen now && echo "as seen"
