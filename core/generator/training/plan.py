"""How the networks of crystals are trained: one plan for all of them, and one line of log for each that is due."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from core.numerics.training import TrainingPlan


class Settings(Protocol):
    """What a training's own settings say about the optimiser; clip: the largest norm of the gradient."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def warmup(self) -> int: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def ema(self) -> float: ...
    @property
    def clip(self) -> float: ...
    @property
    def seed(self) -> int: ...


def plan_of(config: Settings, *, steps: int | None, minutes: float | None = None) -> TrainingPlan:
    """The plan for a budget of so many steps or minutes. Raises ValueError for none, or two."""
    return TrainingPlan(
        n_steps=steps,
        seconds=None if minutes is None else 60 * minutes,
        learning_rate=config.learning_rate,
        warmup=config.warmup,
        floor=0.01,
        betas=(0.9, 0.99),
        weight_decay=config.weight_decay,
        ema=config.ema,
        clip_norm=config.clip,
        seed=config.seed,
    )


def append_log(folder: Path, entry: dict[str, Any]) -> None:
    """One more line of log.jsonl."""
    with open(folder / "log.jsonl", "a") as file:
        file.write(json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items()}) + "\n")
