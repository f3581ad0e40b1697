"""A few small perceptrons with units of their own, trained alike and averaged: what the reranker and the selector are made of."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from core.numerics.training import Trainer, TrainingPlan, shuffled


class Ensemble(nn.Module):
    """`members` perceptrons from `make` on inputs (..., n); the buffers `mean` and `spread` (n,) are the units of the inputs."""

    mean: Tensor
    spread: Tensor

    def __init__(self, n: int, make: Callable[[], nn.Module], members: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("spread", torch.ones(n))
        self.members = nn.ModuleList(make() for _ in range(members))

    def scaled(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.spread

    def logits(self, x: Tensor) -> Tensor:
        """The mean of what the members say."""
        return torch.stack([member(self.scaled(x)) for member in self.members]).mean(0)

    def learn(
        self,
        x: Tensor,
        seen: Tensor,
        loss: Callable[[Tensor, Tensor], Tensor],
        *,
        epochs: int,
        batch: int,
        learning_rate: float,
        decay: float,
        seed: int,
    ) -> None:
        """Each member for itself on batches of the first axis of x; loss(logits, rows). `seen` (M, n): the rows that set the units."""
        self.mean.copy_(seen.mean(0))
        self.spread.copy_(seen.std(0) + 1e-3)
        scaled = self.scaled(x)
        for k, member in enumerate(self.members):
            own = len(self.members) * seed + k
            batches = shuffled(torch.arange(len(x)), batch, seed=own)
            plan = TrainingPlan(
                n_steps=epochs * len(batches(0)),
                learning_rate=learning_rate,
                warmup=1,
                weight_decay=decay,
                ema=0.0,
                clip_norm=math.inf,
                seed=own,
            )
            Trainer(member, lambda network, _, rows: loss(network(scaled[rows]), rows), plan, batches).finish()
        self.eval().requires_grad_(False)
