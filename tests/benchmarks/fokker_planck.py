"""How fast the Fokker-Planck equation is solved: `python -m tests.benchmarks.fokker_planck`.

Everything from the drift to the last step, entropy and spectrum included, one thread; the peer is the same equation stepped as a
system of ordinary differential equations by scipy's stiff solver. Processor time; medians.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch
from scipy.integrate import solve_ivp

from core.numerics.fokker_planck import operator
from core.physics.fokker_planck import solve, start_density, work

ROUNDS = 5
LINE = dict(kind="double well", t_end=6.0, n_cells=400, n_steps=400)
PLANE = dict(kind="whirl", t_end=6.0, n_cells=100, n_steps=200)


def milliseconds(job) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        job()
        times.append(1e3 * (time.process_time() - begin))
    return statistics.median(times)


def stiff() -> np.ndarray:
    solution = solve(**LINE | {"n_steps": 1})
    L = operator(solution.box, work(solution.setting, solution.box), solution.setting.kT)
    done = solve_ivp(lambda t, p: L @ p, (0, 6.0), start_density(solution.setting, solution.box), method="BDF", jac=L, rtol=1e-4, atol=1e-8)
    return done.y[:, -1]


if __name__ == "__main__":
    from tests.benchmarks.report import write

    torch.set_num_threads(1)
    line, plane, peer = milliseconds(lambda: solve(**LINE)), milliseconds(lambda: solve(**PLANE)), milliseconds(stiff)
    ours, theirs = solve(**LINE), stiff()
    exact = solve(**LINE | {"n_steps": 12_800}).p[-1]

    def off(p):
        return np.abs(p - exact).sum() * ours.box.volume

    write(
        "fokker_planck",
        "Fokker–Planck equation, one thread",
        ("what", "measured", "wanted"),
        [
            ("1-D, 400 cells × 400 steps", f"{line:.1f} ms", "≤ 100 ms"),
            ("2-D, 100 × 100 cells × 200 steps", f"{plane:.0f} ms", "≤ 2000 ms"),
            ("scipy BDF on the same 1-D operator, rtol 1e-4", f"{peer:.1f} ms", ""),
            ("1-D: time, scipy over ours", f"{peer / line:.1f}", ""),
            ("error at the end (L1), ours / scipy", f"{off(ours.p[-1]):.1e} / {off(theirs):.1e}", ""),
            ("mass lost in 1-D / 2-D", f"{np.abs(ours.mass - 1).max():.0e} / {np.abs(solve(**PLANE).mass - 1).max():.0e}", "round-off"),
        ],
    )
