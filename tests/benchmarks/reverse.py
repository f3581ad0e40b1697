"""How fast the reverse process is: python -m tests.benchmarks.reverse [--out FILE].

5,000 particles, 300 steps, exact score of three modes, one thread. Processor time of the thread, not the clock
on the wall; jobs take turns and ratios are medians over the rounds, so that a busy machine slows both sides alike.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections import deque
from pathlib import Path

import torch
from diffusers import DDPMScheduler

from core.learning.reverse_process import METHODS, prior, sample
from core.numerics.densities import get_dataset
from core.numerics.integrators import ancestral, euler_maruyama
from core.numerics.parametrisation import exact_score
from core.numerics.schedules import Linear
from core.numerics.sde import forward_sde

N, STEPS, ROUNDS = 5000, 300, 15
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


def last(states):
    return deque(states, maxlen=1).pop()


PATH = list(ancestral(SCORE, SCHEDULE, start(), TIMES, generator=torch.Generator().manual_seed(1)))


def score_alone(score=SCORE):
    """Once per step, at the states that DDPM visits."""
    for x, t in zip(PATH, TIMES.tolist()[:-1], strict=False):
        score(x, t)


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


def milliseconds(job) -> float:
    begin = time.thread_time()
    job()
    return 1e3 * (time.thread_time() - begin)


def measure() -> dict[str, torch.Tensor]:
    """(ROUNDS,) milliseconds per job, jobs taking turns; one more round before them to warm up."""
    rounds = [{name: milliseconds(job) for name, job in JOBS.items()} for _ in range(ROUNDS + 1)][1:]
    return {name: torch.tensor([r[name] for r in rounds]) for name in JOBS}


def every_method() -> dict[str, float]:
    """Milliseconds of `sample` with 200 stored frames, per method."""
    return {name: milliseconds(lambda name=name: sample(method=name, n_steps=STEPS, n_particles=N)) for name in METHODS}


def table(ms: dict[str, torch.Tensor], methods: dict[str, float]) -> str:
    noise, score = ms["noise alone"], ms["score alone"]
    ours, theirs = ms["DDPM, ours"] - score, ms["DDPM, diffusers"] - score
    rows = [
        ("score vs naive broadcast-and-softmax", ms["naive score alone"] / score, "at least 3"),
        ("reverse SDE / (noise + score)", ms["reverse SDE (Euler-Maruyama)"] / (noise + score), "at most 1.5"),
        ("DDPM / (noise + score)", ms["DDPM, ours"] / (noise + score), "at most 1.5"),
        ("DDPM overhead, ours / diffusers (noise in both)", ours / theirs, "at most 0.33"),
        ("DDPM overhead without the noise, ours / diffusers", (ours - noise) / (theirs - noise), ""),
    ]
    lines = [
        "# Reverse process, exact score of three modes",
        "",
        f"{N:,} particles, {STEPS} steps, one thread; medians of {ROUNDS} interleaved rounds; "
        f"torch {torch.__version__}, {platform.machine()}.",
        "",
        "| job | ms |",
        "|---|---|",
    ]
    lines += [f"| {name} | {value.median():.1f} |" for name, value in ms.items()]
    lines += ["", "| ratio | measured | wanted |", "|---|---|---|"]
    lines += [f"| {name} | {value.median():.2f} | {wanted} |" for name, value, wanted in rows]
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
