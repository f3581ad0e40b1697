"""What the reader of crystal files makes of a folder of them: python -m tests.benchmarks.crystal_files FOLDER [--list]

Every file below FOLDER whose name ends in .cif or .mcif is read as an upload is. Its folder is its source, one row of the table each.
A file that states a formula is held against what was read: formula times Z, or any multiple of the formula where the file gives no Z. A
difference is silent if no note speaks of the content. The formula is parsed here once more, by a rule of its own. --list names the files.
Must reach: no traceback, no silent difference, 0.3 s of processor time for the slowest file.

The files are other people's and none is kept here; any collection will do (the published counts name the public repositories).
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import gemmi

from core.structures.cif import CrystalFileError, CrystalReading, read_crystal
from core.structures.elements import SYMBOLS
from tests.benchmarks.report import write

LIMIT = 0.3  # s
ABOUT_THE_CONTENT = re.compile(r"formula|Formula|dummy|hydrogen|left out|no place")
KINDS = ("read, no formula stated", "read, agrees", "read, difference said", "read, SILENT difference", "refused in words", "TRACEBACK")


@dataclass(frozen=True)
class Result:
    path: Path
    kind: str
    words: str
    seconds: float


def stated(content: bytes) -> tuple[Counter, float]:
    """(element -> count, Z or 0) of the first block of the file that lists atoms; an empty counter where it states no formula."""
    document = gemmi.cif.read_string(re.sub(r"[^\x09-\x7f]", "?", content.decode("utf-8-sig", "replace")), check_level=0)
    for block in document:
        tags = [tag.lower().replace(".", "_") for item in block if item.loop for tag in item.loop.tags]
        pairs = {
            item.pair[0].lower().replace(".", "_"): gemmi.cif.as_string(item.pair[1]) for item in block if isinstance(item.pair, tuple)
        }
        if not any(tag.startswith("_atom_site_") and "_aniso" not in tag for tag in [*tags, *pairs]):
            continue
        formula: Counter = Counter()
        for symbol, count in re.findall(r"([A-Z][a-z]?)\s*(\d+\.?\d*|\.\d+)?", pairs.get("_chemical_formula_sum", "")):
            formula["H" if symbol == "D" else symbol] += float(count or 1)
        units = re.match(r"\d+", pairs.get("_cell_formula_units_z", ""))
        return formula, float(units[0]) if units else 0.0
    return Counter(), 0.0


def agrees(reading: CrystalReading, formula: Counter, units: float) -> bool:
    """Is the content formula times Z? pymatgen writes the content of the cell as the formula, and its greatest common divisor as Z."""
    counts = Counter(SYMBOLS[z] for z in reading.crystal.numbers)
    if set(counts) != {symbol for symbol, n in formula.items() if n > 0}:
        return False
    first = next(iter(counts))
    possible = [units or counts[first] / formula[first]]
    if all(n == int(n) for n in formula.values()) and gcd(*(int(n) for n in formula.values())) == units:
        possible.append(1.0)
    return any(all(abs(counts[symbol] - k * n) <= 0.01 * k * n for symbol, n in formula.items()) for k in possible)


def tried(path: Path) -> Result:
    content = path.read_bytes()
    started = time.process_time()
    try:
        reading = read_crystal(content)
    except CrystalFileError as refusal:
        return Result(path, "refused in words", str(refusal), time.process_time() - started)
    except Exception as error:  # this is what is counted
        return Result(path, "TRACEBACK", f"{type(error).__name__}: {error}", time.process_time() - started)
    seconds = time.process_time() - started
    formula, units = stated(content)
    if not formula:
        kind = "read, no formula stated"
    elif agrees(reading, formula, units):
        kind = "read, agrees"
    else:
        kind = "read, difference said" if any(map(ABOUT_THE_CONTENT.search, reading.notes)) else "read, SILENT difference"
    says = " ".join(f"{symbol}{n:g}" for symbol, n in formula.items())
    return Result(path, kind, f"{reading.crystal.formula}; states {says}, Z {units:g}; {' '.join(reading.notes)}", seconds)


def main() -> int:
    folders = [Path(name) for name in sys.argv[1:] if not name.startswith("--")]
    if not folders:
        print("crystal_files: name a folder of crystal files; none are kept here")
        return 0
    paths = sorted(path for path in folders[0].rglob("*") if path.suffix.lower() in (".cif", ".mcif") and path.is_file())
    results = [tried(path) for path in paths]
    if "--list" in sys.argv:
        for result in results:
            print(f"{result.kind:26} {result.seconds:5.2f} s  {result.path.relative_to(folders[0])}: {result.words[:400]}")
    sources: dict[str, list[Result]] = {}
    for result in results:
        sources.setdefault(result.path.relative_to(folders[0]).parts[0].replace("+", "/"), []).append(result)
    rows = []
    for name, those in [*sources.items(), ("all", results)]:
        kinds = Counter(result.kind for result in those)
        rows.append([name, len(those), *(kinds[kind] for kind in KINDS), f"{max(result.seconds for result in those):.2f} s"])
    write("crystal_files", "Public crystal files, read as an upload is", ["source", "files", *KINDS, "slowest"], rows)
    bad = [result for result in results if result.kind in (KINDS[3], KINDS[5]) or result.seconds > LIMIT]
    print("\n".join(f"{result.path}: {result.kind}, {result.seconds:.2f} s, {result.words}" for result in bad) or "as it must be")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
