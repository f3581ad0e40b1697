"""A few small perceptrons with units of their own, trained alike and averaged: what the reranker and the selector are made of."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """`members` perceptrons from `make` on inputs (..., n); the buffers `mean` and `spread` (n,) are the units of the inputs."""

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
    ) -> None:
        """Each member for itself on batches of the first axis of x; loss(logits, rows). `seen` (M, n): the rows that set the units."""
        self.mean.copy_(seen.mean(0))
        self.spread.copy_(seen.std(0) + 1e-3)
        scaled = self.scaled(x)
        for member in self.members:
            optimizer = torch.optim.AdamW(member.parameters(), lr=learning_rate, weight_decay=decay)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
            for _ in range(epochs):
                for rows in torch.randperm(len(x)).split(batch):
                    optimizer.zero_grad()
                    loss(member(scaled[rows]), rows).backward()
                    optimizer.step()
                schedule.step()
        self.eval().requires_grad_(False)
