"""What a move costs with a reader's own crystal: `python -m tests.benchmarks.upload [--moves N]`.

Two pages of “What a crystal is to a model”, one with a built-in crystal and one with the same crystal as an uploaded file, have one control
moved in turn, each time to a value that was not shown before, so that nothing of the picture is cached: processor time of the whole run,
garbage collection apart.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time

from core.chapters import find
from core.structures.builtin import STRUCTURES
from tests.benchmarks.report import write
from tests.pages.conftest import Visit

CRYSTALS = ("rock salt NaCl", "spinel MgAl2O4")


def seconds(visit: Visit, rotation: float) -> float:
    """Processor seconds of a move of the rotation. Raises AssertionError when the page fails."""
    gc.collect()
    gc.disable()
    began = time.process_time()
    visit.put(rotation=rotation)
    spent = time.process_time() - began
    gc.enable()
    assert visit.failures == [], visit.failures
    return spent


def compared(name: str, moves: int) -> tuple[float, float]:
    """(with the built-in crystal, with the same one uploaded): median processor seconds of a move."""
    builtin, own = (Visit(find("representation"), {"structure": name}) for _ in range(2))
    own.app.file_uploader(key="upload").set_value(("own.cif", STRUCTURES[name]().to_cif().encode(), "chemical/x-cif")).run()
    spent: tuple[list[float], list[float]] = ([], [])
    for k in range(moves + 2):
        for visit, each in zip((builtin, own), spent, strict=True):
            each.append(seconds(visit, 3.0 + 2 * k))
    return statistics.median(spent[0][2:]), statistics.median(spent[1][2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--moves", type=int, default=12)
    args = parser.parse_args()
    rows = []
    for name in CRYSTALS:
        builtin, own = compared(name, args.moves)
        rows.append([name, f"{1000 * builtin:.0f}", f"{1000 * own:.0f}", f"{own / builtin:.2f}"])
    write("upload", "What a move costs with a crystal from a file", ["crystal", "built-in: processor ms", "uploaded: ms", "ratio"], rows)


if __name__ == "__main__":
    main()
