"""Which of several grown crystals is right? A small head on what the flow's own network sees in a finished crystal.

    phi(C) = [mean_i h_i, max_i h_i, ln |v_F|^2, ln |v_L|^2, ln max_i |v_i|^2] at t in TIMES, the cell, N        features
    P(rms of C <= r | C) for r in LEVELS                                                                        Reranker
    quality(C) = sum_r P(rms <= r | C)                                                                          Reranker.quality

h are the features of the network (it stays as it is) when it is shown C without any noise and told that the time is t; v are the
velocities it answers. Trained on crystals grown for compositions of the *training* set, where the answer is known
(core/generator/training/reranker.py). Where the network's own denoising loss asks "would I move these atoms?", the reranker has been told
how such crystals ended: the discriminator of rejection sampling (Azadi et al. 2019), here within one composition.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.generator.model.network import Denoiser
from core.generator.model.state import Cells
from core.generator.selection.ensemble import Ensemble
from core.metrics.matching import MISS, TIGHT
from core.numerics.randomness import seeded

TIMES = (0.05, 0.5)
LEVELS = (MISS, MISS / 2, TIGHT * 2 / 3)  # any match, a good one, one that anybody would call the same crystal
HIDDEN, MEMBERS = 128, 3
CELL = 7  # features of the cell and the number of atoms
TINY = 1e-8


@torch.no_grad()
def features(network: Denoiser, cells: Cells) -> Tensor:
    """(B, n_features(network)) of finished crystals."""
    parts = []
    for time in TIMES:
        t = torch.full((len(cells.frac),), time)
        h, condition = network.features(*cells, t)
        prediction = network.heads(h, condition)
        square = prediction.coords.square().sum(-1)  # (B, N)
        sizes = torch.stack([square.mean(1) / 3, prediction.lattice.square().mean(1), square.amax(1)], 1)
        parts += [h.mean(1), h.amax(1), sizes.clamp(min=TINY).log()]
    return torch.cat([*parts, cells.cell, torch.full_like(cells.cell[:, :1], cells.frac.shape[1])], 1)


def velocity_sizes(phi: Tensor) -> Tensor:
    """(B, n_features) -> (B, 3 len(TIMES)): ln of the velocities' mean squares, of cell and coordinates, and of the fastest atom's."""
    block = (phi.shape[-1] - CELL) // len(TIMES)
    return torch.cat([phi[..., k * block + block - 3 : (k + 1) * block] for k in range(len(TIMES))], -1)


def n_features(network: Denoiser) -> int:
    return len(TIMES) * (2 * network.config.width + 3) + CELL


class Reranker(Ensemble):
    """MEMBERS small perceptrons, averaged."""

    def __init__(self, n: int, hidden: int = HIDDEN, members: int = MEMBERS):
        super().__init__(
            n,
            lambda: nn.Sequential(nn.Dropout(0.1), nn.Linear(n, hidden), nn.SiLU(), nn.Dropout(0.5), nn.Linear(hidden, len(LEVELS))),
            members,
        )

    def quality(self, phi: Tensor) -> Tensor:
        """(B,): how many of the LEVELS a crystal with these features is expected to reach, 0 to 3."""
        return self.logits(phi).sigmoid().sum(-1)


def loss(logits: Tensor, reached: Tensor) -> Tensor:
    """logits, reached (Q, K, levels) of K crystals of each of Q compositions: cross-entropy, and of each pair that differs in whether
    it matches, which one does.
    """
    better = reached[:, :, None, 0] - reached[:, None, :, 0]
    gap = logits[:, :, None, 0] - logits[:, None, :, 0]
    pairs = better > 0
    ranking = F.softplus(-gap[pairs]).mean() if pairs.any() else logits.new_zeros(())
    return F.binary_cross_entropy_with_logits(logits, reached) + ranking


def fit(
    phi: Tensor, rms: Tensor, *, epochs: int = 40, batch: int = 128, learning_rate: float = 1e-3, decay: float = 0.1, seed: int = 0
) -> Reranker:
    """phi (Q, K, n) of K crystals of each of Q compositions, rms (Q, K) against the truth (inf = no match) -> Reranker, ready for use."""
    reached = torch.stack([rms <= level for level in LEVELS], -1).float()
    with seeded(seed):
        reranker = Reranker(phi.shape[-1])
    reranker.learn(
        phi,
        phi.flatten(0, 1),
        lambda logits, rows: loss(logits, reached[rows]),
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        decay=decay,
        seed=seed,
    )
    return reranker
