"""How fast Langevin dynamics is: `python -m tests.benchmarks.langevin`.

5,000 particles, 300 steps in a double well, one thread, against torchsde's Euler method on the same equation and against drawing
the noise alone. Processor time of the thread; jobs take turns, ratios are medians over the rounds.
"""

from __future__ import annotations

import math
import time
from collections import deque

import torch
import torchsde

from core.numerics.kinetic import normals, overdamped, splitting
from core.numerics.potentials import DoubleWell

N, STEPS, ROUNDS, DT, KT, FRICTION = 5000, 300, 9, 1e-3, 1.0, 1.0
WELL = DoubleWell(barrier=2.0)


def last(states):
    return deque(states, maxlen=1).pop()


def start():
    return torch.full((N, 1), -1.0)


def noise():
    return normals((N, 1), STEPS, torch.Generator().manual_seed(1))


def noise_alone():
    return last(noise())


def ours_overdamped():
    return last(overdamped(WELL, start(), noise(), dt=DT, kT=KT))


def ours_baoab():
    return last(splitting("BAOAB", WELL, start(), torch.zeros(N, 1), noise(), dt=DT, mass=1.0, friction=FRICTION, kT=KT))


class Overdamped:
    noise_type, sde_type = "diagonal", "ito"

    def f(self, t, y):
        return WELL.force(y)

    def g(self, t, y):
        return torch.full_like(y, math.sqrt(2 * KT))


class Underdamped(Overdamped):
    """y = (x, v); the noise of x is zero, as diagonal noise asks for one per component."""

    def f(self, t, y):
        x, v = y[:, :1], y[:, 1:]
        return torch.cat([v, WELL.force(x) - FRICTION * v], 1)

    def g(self, t, y):
        return torch.tensor([0.0, math.sqrt(2 * FRICTION * KT)]).expand_as(y)


def torchsde_euler(equation, y):
    with torch.no_grad():
        return torchsde.sdeint(equation, y, torch.tensor([0.0, STEPS * DT]), dt=DT, method="euler")


JOBS = {
    "noise alone": noise_alone,
    "overdamped, ours": ours_overdamped,
    "overdamped, torchsde Euler": lambda: torchsde_euler(Overdamped(), start()),
    "BAOAB, ours": ours_baoab,
    "second order, torchsde Euler": lambda: torchsde_euler(Underdamped(), torch.cat([start(), torch.zeros(N, 1)], 1)),
}


def milliseconds(job) -> float:
    begin = time.thread_time()
    job()
    return 1e3 * (time.thread_time() - begin)


if __name__ == "__main__":
    from tests.benchmarks.report import write

    torch.set_num_threads(1)
    rounds = [{name: milliseconds(job) for name, job in JOBS.items()} for _ in range(ROUNDS + 1)][1:]
    ms = {name: torch.tensor([each[name] for each in rounds]) for name in JOBS}
    rows = [
        (name, f"{value.median():.1f} ms, {N * STEPS / value.median() * 1e-3:.0f} million particle-steps/s", "")
        for name, value in ms.items()
    ]
    for words, over, under, wanted in (
        ("overdamped: speed over torchsde", "overdamped, torchsde Euler", "overdamped, ours", "≥ 10"),
        ("overdamped: time over drawing its noise", "overdamped, ours", "noise alone", "≤ 2"),
        ("BAOAB: speed over torchsde, second order", "second order, torchsde Euler", "BAOAB, ours", "≥ 5"),
    ):
        rows.append((words, f"{(ms[over] / ms[under]).median():.2f}", wanted))
    write("langevin", f"Langevin dynamics, {N:,} particles, {STEPS} steps, one thread", ("what", "measured", "wanted"), rows)
