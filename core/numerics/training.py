"""A seeded, resumable training loop with an exponential moving average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from core.numerics.files import whole

Loss = Callable[[nn.Module, torch.Generator], Tensor]


@dataclass(frozen=True)
class TrainingPlan:
    """Adam with a linear warm-up and a cosine decay to zero; `ema` is the decay per step of the averaged weights.

    momentum: Adam's beta_1.
    """

    n_steps: int = 6000
    learning_rate: float = 2e-3
    warmup: int = 100
    ema: float = 0.999
    clip_norm: float = 1.0
    momentum: float = 0.9
    seed: int = 0

    def rate(self, step: int) -> float:
        rise = min(1.0, (step + 1) / self.warmup)
        return self.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / self.n_steps))


@dataclass(frozen=True)
class Progress:
    """step (1..n_steps) just done, n_steps, and its loss."""

    step: int
    n_steps: int
    loss: float


class Trainer:
    """State of one training run: weights, moving average, optimiser, generator, step.

    loss: (network, generator) -> scalar; draws its data from the generator, so that a run is a function of the
    seed alone, interrupted or not.
    """

    def __init__(self, network: nn.Module, loss: Loss, plan: TrainingPlan):
        self.network, self.loss, self.plan = network, loss, plan
        self.averaged = copy.deepcopy(network).requires_grad_(False)
        self.optimiser = torch.optim.Adam(network.parameters(), lr=plan.learning_rate, betas=(plan.momentum, 0.999))
        self.generator = torch.Generator().manual_seed(plan.seed)
        self.step = 0

    def run(self) -> Iterator[Progress]:
        """Train to the end of the plan, yielding after every step; stop taking from it to pause."""
        while self.step < self.plan.n_steps:
            for group in self.optimiser.param_groups:
                group["lr"] = self.plan.rate(self.step)
            self.optimiser.zero_grad(set_to_none=True)
            value = self.loss(self.network, self.generator)
            value.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip_norm)
            self.optimiser.step()
            self._average()
            self.step += 1
            yield Progress(self.step, self.plan.n_steps, value.item())

    def run_aloud(self, name: str, *, every: int = 250) -> None:
        """`run` to the end, saying step and loss every so often."""
        for progress in self.run():
            if progress.step % every == 0 or progress.step == progress.n_steps:
                print(f"{name}: step {progress.step} of {progress.n_steps}, loss {progress.loss:.4f}", flush=True)

    def run_with_bar(self, checkpoint: Path, *, every: int) -> None:
        """`run` to the end under a progress bar, saving to `checkpoint` every so many steps."""
        from tqdm import tqdm

        with tqdm(total=self.plan.n_steps, initial=self.step, unit="step") as bar:
            for progress in self.run():
                bar.update()
                if progress.step % 50 == 0:
                    bar.set_postfix(loss=f"{progress.loss:.3f}")
                if progress.step % every == 0:
                    self.save(checkpoint)

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.plan.ema, (1 + self.step) / (10 + self.step))
        pairs = zip(self.averaged.parameters(), self.network.parameters(), strict=True)
        for mean, weight in pairs:
            mean.lerp_(weight, 1 - decay)

    def tensors(self) -> dict[str, Tensor]:
        """Everything needed to go on; `restore` takes it back."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.state_dict().items()}
        for i, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{k}": torch.as_tensor(v) for k, v in state.items()}
        tensors["generator"] = self.generator.get_state()
        return {k: v.contiguous() for k, v in tensors.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from `tensors`; the network must have the same shape (RuntimeError otherwise)."""
        self.network.load_state_dict(_part(tensors, "network."))
        self.averaged.load_state_dict(_part(tensors, "averaged."))
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in _part(tensors, "adam.").items():
            i, name = key.split(".", 1)
            states.setdefault(int(i), {})[name] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": states, "param_groups": groups})
        self.generator.set_state(tensors["generator"])
        self.step = int(states[0]["step"]) if states else 0

    def save(self, path: Path) -> None:
        """`tensors` as safetensors; no half file remains."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            save_file(self.tensors(), str(part), {"step": str(self.step)})

    def resume(self, path: Path) -> None:
        """Continue from `save`."""
        self.restore(load_file(str(path)))


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
