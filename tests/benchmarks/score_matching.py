"""How fast a score is learned and used: `python -m tests.benchmarks.score_matching`.

One thread, processor time. Training: seconds until the squared error of the score is below 1 % of the squared score, per objective,
and one step against the bare forward and backward pass with Adam in it. Sampling: the learned score of the app and of this page,
2,000 particles, 100 steps, against diffusers' DDIMScheduler stepping the same network.
"""

from __future__ import annotations

import time

import torch
from diffusers import DDIMScheduler

from core.learning import score_matching as sm
from core.learning.reverse_process import sample
from core.numerics.networks import load_score_network
from core.numerics.objectives import OBJECTIVES, draw, loss
from core.numerics.schedules import Linear
from tests.benchmarks import report

PARTICLES, STEPS = 2000, 100


def to_the_goal(objective: str, dataset: str = "three modes") -> tuple[float, int]:
    """Processor seconds and steps until the error is below sm.GOAL, of a run planned for 1,500 steps; infinite if it never is."""
    settings, start = sm.Settings(objective=objective, dataset=dataset), time.process_time()
    for state in sm.training(settings):
        shot = sm.snapshot(state, settings)
        if float(shot.errors[-1]) < sm.GOAL:
            return time.process_time() - start, shot.step
    return float("inf"), settings.n_steps


def step_seconds(n: int = 100) -> tuple[float, float]:
    """One step as the page makes it, and the bare loop: draw, loss, backward, Adam; no averaging, clipping, measuring."""
    start = time.process_time()
    sm.fit(n_steps=n)
    ours = (time.process_time() - start) / n
    field, data, generator = sm.ScoreField("noise / σ", True, 1), sm.data("three modes"), torch.Generator().manual_seed(0)
    adam = torch.optim.Adam(field.parameters(), 4e-3)
    start = time.process_time()
    for _ in range(n):
        adam.zero_grad()
        loss("denoising", "σ²", field, draw(data, sm.SCHEDULE, sm.BATCH, generator, sm.T_MIN), sm.SCHEDULE).backward()
        adam.step()
    return ours, (time.process_time() - start) / n


def ours_ddim() -> None:
    sample(dataset="two moons", method="DDIM", eta=0.0, score="learned", n_steps=STEPS, n_particles=PARTICLES)


def page_sampler() -> None:
    sm.sample(sm.ScoreField("noise / σ", True, 1), "two moons", n_steps=STEPS, n_particles=PARTICLES)


def diffusers_ddim() -> None:
    schedule, network = Linear(), load_score_network("two moons")
    times = schedule.time_grid(STEPS)
    bar = torch.tensor([schedule.alpha_bar(t) for t in reversed(times.tolist())], dtype=torch.float64)
    betas = (1 - torch.cat([bar[:1], bar[1:] / bar[:-1]])).numpy()
    peer = DDIMScheduler(trained_betas=betas, clip_sample=False, num_train_timesteps=STEPS + 1, set_alpha_to_one=False)
    peer.set_timesteps(STEPS + 1)
    score, x = network.as_score(schedule), torch.randn(PARTICLES, 2, generator=torch.Generator().manual_seed(0))
    for k, t in enumerate(times.tolist()[:-1]):
        x = peer.step(score(x, t) * -schedule.sigma(t), STEPS - k, x).prev_sample


def seconds(job, rounds: int = 5) -> float:
    """Median processor time, after one round to warm up."""
    taken = []
    for _ in range(rounds + 1):
        start = time.process_time()
        job()
        taken.append(time.process_time() - start)
    return float(torch.tensor(taken[1:]).median())


def main() -> None:
    torch.set_num_threads(1)
    rows = []
    for objective in OBJECTIVES:
        took, steps = to_the_goal(objective)
        rows.append((f"three modes, {objective}: error below {sm.GOAL:.0%}", f"{took:.1f} s ({steps} steps)", "≤ 30 s"))
    for dataset in sm.DATA[1:]:
        took, steps = to_the_goal("denoising", dataset)
        rows.append((f"{dataset}, denoising: error below {sm.GOAL:.0%}", f"{took:.1f} s ({steps} steps)", "≤ 30 s"))
    ours, bare = step_seconds()
    rows.append(("one step with averaging and measuring / bare loop with Adam", f"{1e3 * ours:.1f} ms, {ours / bare:.2f}", "≤ 1.5"))
    page, app, peer = (seconds(job) for job in (page_sampler, ours_ddim, diffusers_ddim))
    rows.append((f"this page's network, DPM-Solver++, {PARTICLES:,} × {STEPS}", f"{page:.2f} s", "≤ 1 s"))
    rows.append((f"shipped network, DDIM, {PARTICLES:,} × {STEPS}", f"{app:.2f} s", "≤ 1 s"))
    rows.append(("the same with diffusers' DDIMScheduler; ours / theirs", f"{peer:.2f} s, {app / peer:.2f}", "≤ 1"))
    report.write("score_matching", "Learning a score and using it, one thread, processor time", ("what", "measured", "wanted"), rows)


if __name__ == "__main__":
    main()
