"""What the knowledge of the Wyckoff sites is worth: crystals kept aside grown with and without projection, the same network and noise.

    python -m tests.benchmarks.projection POOL.npz

POOL as `n2c data prepare --dev N` writes it. One crystal for each of 300 compositions, protocol of DiffCSP, every match counted
(unfiltered). The second part grows eight of each of 40 and lets the caption of the true crystal choose.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from core.crystals.landscape import N_CANDIDATES, flow, grow, system_of
from core.generator.sampling.symmetry import symmetry_of
from core.generator.systems import captions
from core.generator.systems.data import read_pool
from core.metrics.matching import TIGHT, found_rms
from core.structures.space_groups import crystal_system
from tests.benchmarks.report import write

N, N_CHOSEN, STEPS = 300, 40, 20


def main(pool_path: str) -> None:
    torch.set_num_threads(1)
    pool = read_pool(Path(pool_path))
    rows = []
    for name, inside in (("projected on the true sites and crystal system", symmetry_of), ("free", lambda crystal: None)):
        found = [
            found_rms(grow(pool.crystals[i], inside(pool.crystals[i]), n_steps=STEPS, seeds=[int(i)])[0].final, pool.crystals[i])
            for i in pool.dev[:N]
        ]
        rms = [r for r in found if r is not None]
        rows.append((name, f"{len(rms) / N:.1%}", f"{np.mean(rms):.3f}", f"{np.mean([r < TIGHT for r in rms]) * len(rms) / N:.1%}"))
    chosen, all_of = [], []
    for i in pool.dev[:N_CHOSEN]:
        crystal, group = pool.crystals[i], int(pool.groups[i])
        grown = [p.final for p in grow(crystal, None, n_steps=STEPS, seeds=[int(i) * N_CANDIDATES + k for k in range(N_CANDIDATES)])]
        fits = captions.fits(captions.caption(crystal, group, 2), captions.seen_by(flow().network, grown))
        right = [system_of(one) == crystal_system(group) for one in grown]
        chosen.append(right[int(fits.argmax())])
        all_of.append(float(np.mean(right)))
    rows.append(("crystal system as the caption says: the chosen of eight", f"{np.mean(chosen):.1%}", "", ""))
    rows.append(("crystal system as the caption says: all eight", f"{np.mean(all_of):.1%}", "", ""))
    title = f"Projection on Wyckoff sites: {N} crystals kept aside, {STEPS} steps, one crystal each"
    write("projection", title, ("", "match (share)", "mean rms of the matches", "rms < 0.15"), rows)


if __name__ == "__main__":
    main(sys.argv[1])
