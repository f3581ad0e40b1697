"""How fast the reverse process is: python -m tests.benchmarks.reverse [--out FILE].

5,000 particles, 300 steps, exact score of three modes, one thread. Every number is the best of several rounds
that take turns, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import time
from pathlib import Path

import torch
from diffusers import DDPMScheduler

from core.learning.reverse_process import METHODS, prior, sample
from core.numerics.densities import get_dataset
from core.numerics.integrators import ancestral, euler_maruyama
from core.numerics.parametrisation import exact_score
from core.numerics.schedules import Linear
from core.numerics.sde import forward_sde

N, STEPS, ROUNDS = 5000, 300, 7
RESULTS = Path(__file__).parent / "results" / "reverse.md"
SCHEDULE = Linear()
TIMES = SCHEDULE.time_grid(STEPS)
MINUS_SIGMA = [-SCHEDULE.sigma(t) for t in TIMES.tolist()]
DATA = get_dataset("three modes")
SCORE = exact_score(DATA, SCHEDULE)


def naive_score(x, t):
    """The textbook form: (N, K, D) differences, a softmax, a weighted sum."""
    alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    variance = (alpha * DATA.scales) ** 2 + sigma**2
    difference = alpha * DATA.means[None] - x[:, None, :]
    log_p = DATA.weights.log() - difference.square().sum(-1) / (2 * variance) - variance.log()
    return (log_p.softmax(1)[..., None] * difference / variance[:, None]).sum(1)


def start(seed=0):
    return prior(SCHEDULE, N, torch.Generator().manual_seed(seed))


def noise_alone():
    generator, noise = torch.Generator().manual_seed(0), torch.empty(N, 2)
    for _ in range(STEPS):
        noise.normal_(generator=generator)


def score_alone(score=SCORE):
    x = start()
    for t in TIMES.tolist()[:-1]:
        score(x, t)


def last(states):
    for x in states:
        pass
    return x


def reverse_sde():
    sde = forward_sde(SCHEDULE).reverse(SCORE)
    return last(euler_maruyama(sde, start(), TIMES, generator=torch.Generator().manual_seed(1)))


def ours_ddpm():
    return last(ancestral(SCORE, SCHEDULE, start(), TIMES, generator=torch.Generator().manual_seed(1)))


def diffusers_ddpm():
    """The same score at the same 300 noise levels, stepped by diffusers' DDPMScheduler."""
    bar = torch.tensor([SCHEDULE.alpha_bar(t) for t in reversed(TIMES.tolist())])
    betas = 1 - torch.cat([bar[:1], bar[1:] / bar[:-1]])
    scheduler = DDPMScheduler(trained_betas=betas[1:].numpy(), clip_sample=False, num_train_timesteps=STEPS)
    scheduler.set_timesteps(STEPS)
    generator, x = torch.Generator().manual_seed(1), start()
    for i, t, minus_sigma in zip(scheduler.timesteps, TIMES.tolist(), MINUS_SIGMA, strict=False):
        x = scheduler.step(SCORE(x, t) * minus_sigma, i, x, generator=generator).prev_sample
    return x


JOBS = {
    "noise alone": noise_alone,
    "score alone": score_alone,
    "naive score alone": lambda: score_alone(naive_score),
    "reverse SDE (Euler-Maruyama)": reverse_sde,
    "DDPM, ours": ours_ddpm,
    "DDPM, diffusers": diffusers_ddpm,
}


def measure() -> dict[str, float]:
    """Milliseconds per job: the best of ROUNDS rounds, jobs taking turns."""
    best = dict.fromkeys(JOBS, float("inf"))
    for _, (name, job) in itertools.product(range(ROUNDS), JOBS.items()):
        begin = time.perf_counter()
        job()
        best[name] = min(best[name], 1e3 * (time.perf_counter() - begin))
    return best


def every_method() -> dict[str, float]:
    """Milliseconds of `sample` with 200 stored frames, per method."""
    found = {}
    for name in METHODS:
        begin = time.perf_counter()
        sample(method=name, n_steps=STEPS, n_particles=N)
        found[name] = 1e3 * (time.perf_counter() - begin)
    return found


def table(ms: dict[str, float], methods: dict[str, float]) -> str:
    noise, score = ms["noise alone"], ms["score alone"]
    ours, theirs = ms["DDPM, ours"] - score, ms["DDPM, diffusers"] - score
    rows = [
        ("score vs naive broadcast-and-softmax", ms["naive score alone"] / score, "at least 3"),
        ("reverse SDE / (noise + score)", ms["reverse SDE (Euler-Maruyama)"] / (noise + score), "at most 1.5"),
        ("DDPM / (noise + score)", ms["DDPM, ours"] / (noise + score), "at most 1.5"),
        ("DDPM overhead, ours / diffusers (noise in both)", ours / theirs, "at most 0.33"),
        ("DDPM overhead without the noise, ours / diffusers", (ours - noise) / (theirs - noise), ""),
    ]
    lines = ["# Reverse process, exact score of three modes", "",
             f"{N:,} particles, {STEPS} steps, one thread, best of {ROUNDS} interleaved rounds; "
             f"torch {torch.__version__}, {platform.machine()}.", "", "| job | ms |", "|---|---|"]
    lines += [f"| {name} | {value:.1f} |" for name, value in ms.items()]
    lines += ["", "| ratio | measured | wanted |", "|---|---|---|"]
    lines += [f"| {name} | {value:.2f} | {wanted} |" for name, value, wanted in rows]
    lines += ["", f"`sample(...)` with 200 stored frames, {STEPS} steps:", "", "| method | ms |", "|---|---|"]
    lines += [f"| {name} | {value:.0f} |" for name, value in methods.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    text = table(measure(), every_method())
    print(text)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)


if __name__ == "__main__":
    main()
