"""How fast the guidance page's numbers are: `python -m tests.benchmarks.guidance`. One thread, processor time; medians."""

from __future__ import annotations

import torch

from core.figures.guidance_stage import payload
from core.learning import guidance
from tests.benchmarks import report
from tests.benchmarks.score_matching import seconds

SETTING = dict(dataset="three classes", label=0, gamma=3.0)


def main() -> None:
    torch.set_num_threads(1)
    free = seconds(lambda: guidance.sample(**SETTING | {"gamma": 1.0}, n_frames=1))
    rows = [("guided walk, exact scores, 1,500 × 60", f"{free:.2f} s", "≤ 0.5 s")]
    for guide in ("classifier-free", "classifier", "tilt"):
        took = seconds(lambda guide=guide: guidance.sample(**SETTING, guide=guide, n_frames=1))
        rows.append((f"the same, {guide}; over exact scores", f"{took:.2f} s, {took / free:.1f}", "≤ 1 s"))
    runs = guidance.sample(**SETTING), guidance.sample(**SETTING, guide="tilt")
    rows.append(("payload of the stage", f"{seconds(lambda: payload(*SETTING.values(), 'exact', *runs)):.2f} s", "≤ 0.5 s"))
    every = seconds(lambda: guidance.sweep(dataset="three classes", label=0))
    rows.append(("all γ: distances, floors, qualities", f"{every:.2f} s", "≤ 1 s"))
    report.write("guidance", "Guidance, one thread, processor time", ("what", "measured", "wanted"), rows)


if __name__ == "__main__":
    main()
