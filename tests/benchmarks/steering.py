"""`python -m tests.benchmarks.steering`: are requests fulfilled? Space groups, densities, elements; each beside what comes without asking.

Crystals from nothing by the shipped flow, 20 steps, one candidate. Groups by spglib at 0.1 Å; the 20 commonest of the training crystals.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from core.generator.registry import FOLDER, load_model
from core.generator.sampling.config import CANDIDATES
from core.generator.steering.grow import grow, measured
from core.generator.steering.request import Request
from core.generator.steering.store import load_steering
from core.structures.space_groups import group_of


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--each", type=int, default=20, help="crystals for each request")
    options.add_argument("--free", type=int, default=400, help="crystals for which nothing is asked")
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--gamma", type=float, default=1.0)
    options.add_argument("--folder", type=Path, default=FOLDER, help="of the steering weights")
    args = options.parse_args()
    torch.set_num_threads(1)
    steering = load_steering(load_model("mp20", kind="flow"), args.folder)
    config = replace(CANDIDATES, steps=args.steps)

    start = time.perf_counter()
    free = grow(steering, Request(), args.free, config, seed=1).crystals
    print(f"{args.free} crystals, nothing asked: {time.perf_counter() - start:.0f} s", flush=True)
    groups = Counter(group_of(crystal) for crystal in free)
    commonest = [int(g) for g, _ in sorted(steering.about["groups"].items(), key=lambda item: -item[1])[:20]]

    right = []
    for g in commonest:
        made = grow(steering, Request(group=g), args.each, config, gamma=args.gamma, seed=2).crystals
        found = Counter(group_of(crystal) for crystal in made)
        right.append(found[g])
        print(f"group {g:3d}: {found[g] / args.each:4.0%} (unasked {groups[g] / args.free:5.1%}); else {found.most_common(4)}", flush=True)
    share, unasked = sum(right) / (20 * args.each), sum(groups[g] for g in commonest) / 20 / args.free
    print(f"20 commonest groups: {share:.1%} fulfilled, {unasked:.2%} have a given one unasked: {share / unasked:.0f} x")

    for name in ("density", "volume_per_atom", "formation_energy", "band_gap"):
        values, at = measured(steering, name, free), steering.about["quantiles"][name]
        for percent in (10, 30, 50, 70, 90):
            target = at[percent - 1]
            window = 0.05 * abs(target) if name in ("density", "volume_per_atom") else 0.25
            made = measured(steering, name, grow(steering, Request({name: target}), args.each, config, gamma=args.gamma, seed=3).crystals)
            hit, before = np.mean(abs(made - target) <= window), np.mean(abs(values - target) <= window)
            print(
                f"{name} {target:.3g} +- {window:.2g}: {hit:.0%} asked, {before:.1%} unasked ({hit / max(before, 1e-9):.1f} x), "
                f"median {np.median(made):.3g}",
                flush=True,
            )
    allowed = (3, 8, 25)
    made = grow(steering, Request(elements=allowed), args.each, config, gamma=args.gamma, seed=4).crystals
    print(f"only Li, Mn, O: {np.mean([set(crystal.numbers.tolist()) <= set(allowed) for crystal in made]):.0%} inside")
    start = time.perf_counter()
    grow(steering, Request({"density": 5.5}), 1, config, seed=5)
    print(f"one crystal of a given density: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
