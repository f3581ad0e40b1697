"""What the six families cost: python -m tests.benchmarks.generative_models

2,000 particles; those that walk may call their network 100 times. Processor time of one thread. Must reach: 1 s for diffusion.
The peer is diffusers' DDIMScheduler around the same network at the same noise levels.
"""

from __future__ import annotations

import statistics
import time

import torch
from diffusers import DDIMScheduler

from core.learning.generative_models import FAMILIES, models, sample
from tests.benchmarks.report import write

N, STEPS, REPEATS, DATASET = 2000, 100, 5, "two moons"


def seconds(job) -> float:
    """Median processor time; one more round before to warm up."""
    took = []
    for _ in range(REPEATS + 1):
        start = time.thread_time()
        job()
        took.append(time.thread_time() - start)
    return statistics.median(took[1:])


@torch.no_grad()
def diffusers_ddim():
    """The same network, levels and start, stepped by diffusers."""
    model = models(DATASET)["diffusion"]
    schedule, times = model.schedule, model.schedule.time_grid(STEPS).tolist()
    score = model.net.as_score(schedule)
    bar = torch.tensor([schedule.alpha_bar(t) for t in reversed(times)])
    betas = 1 - torch.cat([bar[:1], bar[1:] / bar[:-1]])
    scheduler = DDIMScheduler(trained_betas=betas[1:].numpy(), clip_sample=False, num_train_timesteps=STEPS)
    scheduler.set_timesteps(STEPS)
    x = torch.randn(N, 2, generator=torch.Generator().manual_seed(1))
    for i, t in zip(scheduler.timesteps, times, strict=False):
        x = scheduler.step(score(x, t) * -schedule.sigma(t), i, x).prev_sample
    return x


def main() -> int:
    torch.set_num_threads(1)
    took = {name: seconds(lambda name=name: sample(family=name, dataset=DATASET, n_steps=STEPS, n_particles=N)) for name in FAMILIES}
    peer = seconds(diffusers_ddim)
    rows = [
        [
            family.label,
            str(STEPS if family.walks else 1),
            f"{1e3 * took[name]:.1f} ms",
            f"{1e6 * took[name] / N:.2f} µs",
            "1 s" if name == "diffusion" else "",
        ]
        for name, family in FAMILIES.items()
    ]
    rows.append(
        [
            "Diffusion, diffusers' DDIMScheduler",
            str(STEPS),
            f"{1e3 * peer:.1f} ms",
            f"{1e6 * peer / N:.2f} µs",
            f"ours / theirs {took['diffusion'] / peer:.2f}",
        ]
    )
    write(
        "generative_models",
        f"Six families, {N:,} particles of the {DATASET}, one thread",
        ["family", "evaluations", "time", "per sample", "limit"],
        rows,
    )
    return 0 if took["diffusion"] <= 1.0 else 1


if __name__ == "__main__":
    raise SystemExit(main())
