"""What a picture costs among latents and among pixels: python -m tests.benchmarks.latent_diffusion

200 pictures, 30 steps, one thread; processor time, turn by turn. Pixel diffusion is the peer of latent diffusion in the same run.
"""

from __future__ import annotations

import statistics
import time

import torch

from core.learning.latent_diffusion import N_JUDGED, multiplications, pictures, sample, truth
from tests.benchmarks.report import write

STEPS, REPEATS = 30, 5


def main() -> int:
    torch.set_num_threads(1)
    walked, decoded, made = {"latent": [], "pixel": []}, [], {}
    for seed in range(REPEATS + 1):
        for space, took in walked.items():
            start = time.thread_time()
            z = sample(space=space, n_steps=STEPS, n_images=N_JUDGED, seed=seed, n_frames=1).final
            middle = time.thread_time()
            made[space] = pictures(z, space)
            took.append(middle - start)
            if space == "latent":
                decoded.append(time.thread_time() - middle)
    walk = {space: statistics.median(took[1:]) for space, took in walked.items()}
    decode = statistics.median(decoded[1:])
    total = {"latent": walk["latent"] + decode, "pixel": walk["pixel"]}
    rows = [
        [
            space,
            f"{multiplications(space, STEPS) / 1e6:.2f} million",
            f"{1e6 * walk[space] / N_JUDGED:.0f} µs",
            f"{1e6 * decode / N_JUDGED:.0f} µs" if space == "latent" else "",
            f"{total[space] / total['pixel']:.2f}",
            f"{truth(made[space]).value:.2f}, {truth(made[space]).ratio:.1f} × floor",
        ]
        for space in walk
    ]
    write(
        "latent_diffusion",
        f"{N_JUDGED} pictures of lattices, {STEPS} steps, one thread",
        ["space", "multiplications a picture", "walk, a picture", "decoding, a picture", "time / that of pixels", "energy distance"],
        rows,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
