"""One seeded, resumable training loop with an exponential moving average of the weights, for every network of the project.

| equation                                                                      | name                                    |
|-------------------------------------------------------------------------------|-----------------------------------------|
| eta_k = eta min(1, (k + 1) / warmup) (floor + (1 - floor) decay(share done))   | TrainingPlan.rate                       |
| theta <- theta - eta_k (m / (sqrt(v) + eps) + lambda theta)                   | AdamW (Loshchilov & Hutter 2019, alg. 2) |
| mean <- d mean + (1 - d) theta, d = min(ema, (1 + k) / (10 + k))              | ExponentialAverage                      |
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from core.numerics.randomness import seeded
from core.numerics.tensors import save_tensors

Loss = Callable[..., Tensor]  # (network, generator) -> scalar, or with batches (network, generator, batch) -> scalar
Batches = Callable[[int], Sequence]  # number of an epoch -> its batches, equally many in every epoch
DECAYS: dict[str, Callable[[float], float]] = {
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "linear": lambda done: 1 - done,
}
BUDGET = ("n_steps", "seconds")
Network = TypeVar("Network", bound=nn.Module)


class CheckpointError(ValueError):
    """A checkpoint that is missing, broken or of another run; the message says which."""


@dataclass(frozen=True)
class TrainingPlan:
    """AdamW with a linear warm-up and a decay to `floor`, a share of the learning rate. Without weight decay it is Adam.

    n_steps or seconds: the budget, in gradient steps or in time spent training; the other one is None.
    betas: of Adam; weight_decay: per step, times the rate. ema: decay per step of the averaged weights (0: the last weights).
    clip_norm: largest norm of the gradient (inf: any). Raises ValueError for no budget, or two, and for an unknown decay.
    """

    n_steps: int | None = 6000
    seconds: float | None = None
    learning_rate: float = 2e-3
    warmup: int = 100
    decay: str = "cosine"
    floor: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    ema: float = 0.999
    clip_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        budgets = [budget for budget in (self.n_steps, self.seconds) if budget is not None]
        if len(budgets) != 1 or budgets[0] <= 0:
            raise ValueError("a training plan needs a budget, either steps or seconds, above 0")
        if self.decay not in DECAYS:
            raise ValueError(f"decay {self.decay!r} is not one of {', '.join(DECAYS)}")

    def __str__(self) -> str:
        """For a model card."""
        adam = f"AdamW (weight decay {self.weight_decay:g})" if self.weight_decay else "Adam"
        average = f", averaged weights (decay {self.ema:g})" if self.ema else ""
        return f"{adam}, learning rate {self.learning_rate:g} with {self.decay} decay{average}, seed {self.seed}"

    def done(self, step: int, seconds: float = 0.0) -> float:
        """Share of the budget used up after so many steps and seconds, 0 to 1."""
        return min(1.0, step / self.n_steps if self.n_steps else seconds / self.seconds if self.seconds else 1.0)

    def rate(self, step: int, seconds: float = 0.0) -> float:
        """The learning rate of step number `step` = 0, 1, ..."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        return self.learning_rate * rise * (self.floor + (1 - self.floor) * DECAYS[self.decay](self.done(step, seconds)))


@dataclass(frozen=True)
class Progress:
    """step (1, 2, ...) just done, share of the budget done (0..1), and the loss of this step."""

    step: int
    done: float
    loss: float


class ExponentialAverage(Generic[Network]):
    """`mean`: a copy of the network, in evaluation mode, whose weights follow its own: mean <- d mean + (1 - d) theta.

    d = min(decay, (1 + k) / (10 + k)) after k earlier updates, so that the random start is forgotten at once.
    """

    def __init__(self, network: Network, decay: float):
        self.mean = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self._means: list[Tensor] = list(self.mean.parameters())
        self._weights: list[Tensor] = list(network.parameters())

    @torch.no_grad()
    def update(self, k: int) -> None:
        """After step k = 0, 1, ..."""
        torch._foreach_lerp_(self._means, self._weights, 1 - min(self.decay, (1 + k) / (10 + k)))


class Trainer(Generic[Network]):
    """State of one training run: weights, moving average, optimiser, generator, step, seconds of training.

    loss: (network, generator) -> scalar; draws its data from the generator. With `batches` it is (network, generator, batch) and the
    batches of epoch 0, 1, ... come one after the other. What the network draws by itself (dropout) is seeded by the step. So a run
    of so many steps is a function of the seed alone, interrupted or not. settings (plain JSON): what else the run depends on; a
    checkpoint of other settings is not resumed.
    """

    def __init__(self, network: Network, loss: Loss, plan: TrainingPlan, batches: Batches | None = None, settings: Mapping | None = None):
        self.network, self.loss, self.plan, self.batches, self.settings = network, loss, plan, batches, settings or {}
        self.average = ExponentialAverage(network, plan.ema)
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=plan.learning_rate, betas=plan.betas, weight_decay=plan.weight_decay, fused=True
        )
        self.generator = torch.Generator().manual_seed(plan.seed)
        self.step, self.seconds = 0, 0.0
        self._epoch, self._of_epoch = 0, batches(0) if batches else ()

    @property
    def averaged(self) -> Network:
        """The network with the averaged weights, in evaluation mode, without gradients."""
        return self.average.mean

    @property
    def epoch(self) -> int:
        """Number of whole epochs done."""
        return self.step // len(self._of_epoch)

    @property
    def done(self) -> float:
        return self.plan.done(self.step, self.seconds)

    def run(self) -> Iterator[Progress]:
        """Train to the end of the plan, yielding after every step; stop taking from it to pause."""
        self.network.train()
        while self.done < 1:
            started = time.perf_counter()
            value = self._advance()
            self.seconds += time.perf_counter() - started
            yield Progress(self.step, self.done, value)

    def _advance(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate(self.step, self.seconds)
        with seeded(self.plan.seed * 1_000_003 + self.step):
            value = self.loss(self.network, self.generator, *self._batch())
        self.optimiser.zero_grad()  # here and not earlier: memory given back before the loss is asked for again by it, a tenth of a step
        value.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip_norm)
        self.optimiser.step()
        self.average.update(self.step)
        self.step += 1
        return value.item()

    def _batch(self) -> tuple:
        if self.batches is None:
            return ()
        if self.epoch != self._epoch:
            self._epoch, self._of_epoch = self.epoch, self.batches(self.epoch)
        return (self._of_epoch[self.step % len(self._of_epoch)],)

    def finish(self) -> None:
        """`run` to the end."""
        for _ in self.run():
            pass

    def epochs(self) -> Iterator[float]:
        """`run` to the end, yielding the mean loss of every epoch."""
        losses = []
        for progress in self.run():
            losses.append(progress.loss)
            if progress.step % len(self._of_epoch) == 0:
                yield sum(losses) / len(losses)
                losses = []

    def run_aloud(self, name: str, *, every: int = 250) -> None:
        """`run` to the end, saying step and loss every so often."""
        for progress in self.run():
            if progress.step % every == 0 or progress.done == 1:
                print(f"{name}: step {progress.step}, {progress.done:.0%}, loss {progress.loss:.4f}", flush=True)

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

    def tensors(self) -> dict[str, Tensor]:
        """Everything needed to go on, but for the seconds spent; `restore` takes it back."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.state_dict().items()}
        for i, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{k}": torch.as_tensor(v) for k, v in state.items()}
        tensors |= {"generator": self.generator.get_state(), "step": torch.tensor(self.step)}
        return {k: v.contiguous() for k, v in tensors.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
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
        self.step = int(tensors["step"])

    def save(self, path: Path) -> None:
        """The run so far as safetensors; no half file remains."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        save_tensors(path, self.tensors(), {"seconds": self.seconds, "plan": asdict(self.plan), "settings": dict(self.settings)})

    def resume(self, path: Path) -> None:
        """Continue from `save`. Raises CheckpointError when it cannot be read or belongs to another plan (its budget may differ),
        other settings or another network.
        """
        try:
            with safe_open(str(path), framework="pt") as file:
                about = {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            theirs = about["plan"] | about["settings"]
            seconds = float(about["seconds"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} cannot be read as a checkpoint ({type(error).__name__})") from None
        ours = json.loads(json.dumps(asdict(self.plan) | dict(self.settings)))
        other = sorted(name for name in theirs | ours if name not in BUDGET and theirs.get(name) != ours.get(name))
        if other:
            raise CheckpointError(f"{path} was written with other settings ({', '.join(other)}); go on with those, or start anew")
        try:
            self.restore(tensors)
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(f"{path} is of another network ({str(error).splitlines()[0]})") from None
        self.seconds = seconds


def shuffled(rows: Tensor, size: int, *, seed: int) -> Batches:
    """All of `rows` (M,) in every epoch, `size` in a batch (the last may be smaller), in an order fixed by seed and epoch."""

    def batches(epoch: int) -> Sequence[Tensor]:
        return rows[torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(len(rows)))].split(size)

    return batches


def grouped(groups: Mapping[int, int], size: Callable[[int], int], *, seed: int) -> Batches:
    """Batches (group, rows) of one group each. groups: name -> number of its rows, all of which come once in every epoch; size: name
    -> the most rows in a batch, batches of a group being as equal as possible. Order and rows are fixed by seed and epoch.
    """

    def batches(epoch: int) -> Sequence[tuple[int, np.ndarray]]:
        rng = np.random.default_rng((seed, epoch))
        parts = []
        for group, n in sorted(groups.items()):
            parts += [(group, rows) for rows in np.array_split(rng.permutation(n), -(-n // size(group)))]
        return [parts[i] for i in rng.permutation(len(parts))]

    return batches


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
