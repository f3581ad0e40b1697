"""How long the page waits for crystals: python -m tests.benchmarks.generation

The sampler with the page's own default settings, one thread as in the app: one structure, 16 of the largest size the
model takes, 64 of mixed sizes; the frames for the player included. Must reach: 16 structures of up to 20 atoms in 10 s.
"""

from __future__ import annotations

import statistics
import time

import torch

from core.crystals.generation import sample
from core.generator.registry import load_model
from tests.benchmarks.report import write

REPEATS = 3
CASES = (
    ("mp20", "1 structure of 10 atoms", ["Ba2 Ti2 O6"], 1, None),
    ("mp20", "16 structures of 20 atoms", ["Ca4 Ti4 O12"], 16, 10.0),
    (
        "mp20",
        "64 structures of 1 to 20 atoms",
        ["Cu1", "Na1 Cl1", "Ti2 O4", "Sr1 Ti1 O3", "Mg2 Al4 O8", "Ca4 Ti4 O12", "Li4 Fe4 P4", "Ba2 Na2 F6"],
        8,
        None,
    ),
    ("perov5", "16 structures of 5 atoms", ["Sr1 Ti1 O3"], 16, None),
)


def seconds(model, formulas, n_samples, seed) -> float:
    started = time.perf_counter()
    sample(model, formulas, n_samples=n_samples, seed=seed, progress=lambda done, total: None)
    return time.perf_counter() - started


def main() -> int:
    torch.set_num_threads(1)
    rows, slow = [], []
    for name, what, formulas, n_samples, limit in CASES:
        model = load_model(name)
        seconds(model, formulas[:1], 1, 0)
        median = statistics.median(seconds(model, formulas, n_samples, seed) for seed in range(REPEATS))
        count = len(formulas) * n_samples
        rows.append([name, what, f"{median:.2f} s", f"{1000 * median / count:.0f} ms", f"{limit:.0f} s" if limit else ""])
        if limit and median > limit:
            slow.append(what)
    write(
        "generation",
        "Growing crystals with the page's default settings (50 steps), one thread",
        ["model", "what", "time (median of 3)", "per structure", "limit"],
        rows,
    )
    print("too slow: " + ", ".join(slow) if slow else "within the limit")
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
