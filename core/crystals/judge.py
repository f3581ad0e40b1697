"""Which of several grown crystals is right? A small head on what the flow's own network sees in a finished crystal.

    phi(C) = [mean_i h_i, max_i h_i, ln |v_F|^2, ln |v_L|^2, ln max_i |v_i|^2] at t in TIMES, the cell, N        features
    P(rms of C <= r | C) for r in LEVELS                                                                        Judge
    quality(C) = sum_r P(rms <= r | C)                                                                          Judge.quality

h are the features of the network (it stays as it is) when it is shown C without any noise and told that the time is t; v are the
velocities it answers. Trained on crystals grown for compositions of the *training* set, where the answer is known
(core/crystals/train_judge.py). Where the network's own surprise asks "would I move these atoms?", the judge has been told
how such crystals ended: the discriminator of rejection sampling (Azadi et al. 2019), here within one composition.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.crystals.metrics import MISS, TIGHT
from core.crystals.network import Denoiser
from core.crystals.state import Cells

TIMES = (0.05, 0.5)
LEVELS = (MISS, MISS / 2, TIGHT * 2 / 3)  # any match, a good one, one that anybody would call the same crystal
HIDDEN, MEMBERS = 128, 3
TINY = 1e-8


@torch.no_grad()
def features(network: Denoiser, cells: Cells) -> Tensor:
    """(B, n_features(network)) of finished crystals."""
    parts = []
    for time in TIMES:
        t = torch.full((len(cells.frac),), time)
        h, condition = network.features(*cells, t)
        said = network.heads(h, condition)
        square = said.coords.square().sum(-1)  # (B, N)
        sizes = torch.stack([square.mean(1) / 3, said.lattice.square().mean(1), square.amax(1)], 1)
        parts += [h.mean(1), h.amax(1), sizes.clamp(min=TINY).log()]
    return torch.cat([*parts, cells.cell, torch.full_like(cells.cell[:, :1], cells.frac.shape[1])], 1)


def n_features(network: Denoiser) -> int:
    return len(TIMES) * (2 * network.config.width + 3) + 7


class Judge(nn.Module):
    """MEMBERS small perceptrons, averaged; `mean` and `spread` (n,) are the units of the features."""

    def __init__(self, n: int, hidden: int = HIDDEN, members: int = MEMBERS):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("spread", torch.ones(n))
        self.members = nn.ModuleList(
            nn.Sequential(nn.Dropout(0.1), nn.Linear(n, hidden), nn.SiLU(), nn.Dropout(0.5), nn.Linear(hidden, len(LEVELS)))
            for _ in range(members))

    def scaled(self, phi: Tensor) -> Tensor:
        return (phi - self.mean) / self.spread

    def quality(self, phi: Tensor) -> Tensor:
        """(B,): how many of the LEVELS a crystal with these features is expected to reach, 0 to 3."""
        logits = torch.stack([member(self.scaled(phi)) for member in self.members]).mean(0)
        return logits.sigmoid().sum(-1)


def loss(logits: Tensor, reached: Tensor) -> Tensor:
    """logits, reached (Q, K, levels) of K crystals of each of Q compositions: cross-entropy, and of each pair that differs in whether
    it matches, which one does.
    """
    better = reached[:, :, None, 0] - reached[:, None, :, 0]
    gap = logits[:, :, None, 0] - logits[:, None, :, 0]
    pairs = better > 0
    ranking = F.softplus(-gap[pairs]).mean() if pairs.any() else logits.new_zeros(())
    return F.binary_cross_entropy_with_logits(logits, reached) + ranking


def fit(phi: Tensor, rms: Tensor, *, epochs: int = 40, batch: int = 128, learning_rate: float = 1e-3, decay: float = 0.1,
        seed: int = 0) -> Judge:
    """phi (Q, K, n) of K crystals of each of Q compositions, rms (Q, K) against the truth (inf = no match) -> Judge, ready for use."""
    reached = torch.stack([rms <= level for level in LEVELS], -1).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = Judge(phi.shape[-1])
        judge.mean.copy_(phi.mean((0, 1)))
        judge.spread.copy_(phi.std((0, 1)) + 1e-3)
        scaled = judge.scaled(phi)
        for member in judge.members:
            optimizer = torch.optim.AdamW(member.parameters(), lr=learning_rate, weight_decay=decay)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
            for _ in range(epochs):
                for rows in torch.randperm(len(phi)).split(batch):
                    optimizer.zero_grad()
                    loss(member(scaled[rows]), reached[rows]).backward()
                    optimizer.step()
                schedule.step()
    return judge.eval().requires_grad_(False)
