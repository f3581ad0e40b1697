"""`n2c read`: what is in a crystal file, read as the pages read an upload."""

from __future__ import annotations

import json
from collections.abc import Sequence

from core.commands.arguments import input_file, parser, refusing, whole
from core.crystals.representation import symmetry
from core.structures.cif import MAX_BYTES, CrystalFileError, read_crystal

TOLERANCE = 0.01  # Å, of the symmetry search
DESCRIPTION = f"""Read one crystal file (CIF) as the pages read an upload, and say what is in it: the content of the whole cell, the
space group (found within {TOLERANCE:g} Å, whatever the file calls it), the shortest distance between two atoms, and notes: what was
assumed or left out."""
EXAMPLE = """
n2c read quartz.cif
n2c read quartz.cif --json
n2c read several.cif --structure 2
"""


def main(arguments: Sequence[str] | None = None) -> int:
    command = parser("read", DESCRIPTION, EXAMPLE)
    command.add_argument("file", type=input_file, metavar="FILE")
    command.add_argument("--json", action="store_true", help="one JSON object: formula, spacegroup, nearest (Å), notes")
    command.add_argument("--structure", type=whole(1), default=1, metavar="N", help="which one of a file that holds several (default: 1)")
    args = command.parse_args(arguments)
    with refusing(CrystalFileError), open(args.file, "rb") as file:
        reading = read_crystal(file.read(MAX_BYTES + 1), args.structure)
    found = symmetry(reading.crystal, TOLERANCE)
    group, nearest = f"{found.name} ({found.number})", reading.crystal.nearest_distance
    if args.json:
        told = {"formula": reading.crystal.formula, "spacegroup": group, "nearest": round(nearest, 4), "notes": list(reading.notes)}
        print(json.dumps(told))
        return 0
    print(f"formula           {reading.crystal.formula}")
    print(f"space group       {group}, within {TOLERANCE:g} Å")
    print(f"nearest distance  {nearest:.3f} Å")
    for note in reading.notes:
        print(f"note              {note}")
    return 0
