"""Which of the structure types that nature uses for this stoichiometry will these elements take? A small learned prototype ranker.

Every type c among the library's neighbours of a composition gets a logit from three sources:

    votes          log sum over members m of c of exp(-d(A, m) + b(m)), d = sum_i (n_i/N) |phi(a_i) - phi(m_i)|
    potential      sum over pairs of elements of <w(phi_i, phi_j), h_ij>, h the pair-distance histogram of the candidate
    circumstances  a few numbers about the type: its share of the votes, its size, the energy above hull of its nearest member, and
                   whether the library holds this very composition in it. (A data set lists each phase once: if it is known in
                   one structure already, the phase asked for is likely to be another.)

phi is a learned embedding of the elements (a linear map of their measured properties plus a small correction of each), w a
learned potential of mean force. All are trained so that the softmax over types puts its weight on those that the benchmark's
matcher maps onto the true structure, every crystal of the training pool being asked in turn with itself left out.
Neighbourhood component analysis (Goldberger et al. 2005) is the ancestor of the votes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from core.generator.baselines.fingerprint import BINS
from core.generator.baselines.substitution import N_TYPES, Types, by_count
from core.structures.elements import FEATURES, N_SPECIES, element_features

MAX_SLOTS = 6
NOBODY = -30.0  # log similarity of a type without members


class Query(NamedTuple):
    """Compositions with their candidates, padded to common sizes: B questions, M neighbours, T types, S elements.

    elements (B, S), share (B, S) n_i/N (0 = padding), replaced (B, M, S), member (B, M) (-1 = no type), bias (B, M, 2),
    pictures (B, T, S, S, BINS), nearest (B, T) the hand-made distance of the nearest member, taken (B, T) 1 where a member has the
    very composition asked for, present (B, T), size (B,).
    """

    elements: Tensor
    share: Tensor
    replaced: Tensor
    member: Tensor
    bias: Tensor
    pictures: Tensor
    nearest: Tensor
    taken: Tensor
    present: Tensor
    size: Tensor


def query_of(numbers: Iterable[int], types: Types, hull: np.ndarray, *, n_neighbours: int = 128, n_types: int = N_TYPES) -> Query:
    """One unpadded-to-batch row. hull (M,): energy above hull of the neighbours in eV/atom, NaN where the library has none.

    Raises ValueError for more than MAX_SLOTS elements.
    """
    elements, counts = by_count(numbers)
    s, found = len(elements), types.neighbours
    if s > MAX_SLOTS:
        raise ValueError(f"at most {MAX_SLOTS} elements, not {s}")
    m, t = len(found.rows), len(types.fingerprints)
    pad = lambda x, *shape: torch.from_numpy(np.pad(x, [(0, want - have) for want, have in zip(shape, x.shape)]))  # noqa: E731
    bias = np.stack([np.nan_to_num(hull), np.isnan(hull)], axis=-1).astype(np.float32)
    taken = np.array([found.distances[types.member == k].min() < 1e-6 for k in range(t)], dtype=np.float32)
    member = np.full(n_neighbours, -1)
    member[:m] = types.member
    return Query(
        pad(np.array(elements), MAX_SLOTS),
        pad(np.array(counts, dtype=np.float32) / sum(counts), MAX_SLOTS),
        pad(found.elements.astype(np.int64), n_neighbours, MAX_SLOTS),
        torch.from_numpy(member),
        pad(bias, n_neighbours, 2),
        pad(types.fingerprints, n_types, MAX_SLOTS, MAX_SLOTS, BINS),
        pad(found.distances[types.first].astype(np.float32), n_types),
        pad(taken, n_types),
        torch.arange(n_types) < t,
        torch.tensor(float(sum(counts))),
    )


def stack(queries: list[Query]) -> Query:
    return Query(*(torch.stack(parts) for parts in zip(*queries, strict=True)))


class Ranker(nn.Module):
    """Question -> logits (B, T), -inf where there is no type."""

    properties: Tensor

    def __init__(self, width: int = 12, hidden: int = 48, dropout: float = 0.2):
        super().__init__()
        self.register_buffer("properties", torch.tensor(element_features()))
        self.linear = nn.Linear(len(FEATURES), width, bias=False)
        self.own = nn.Embedding(N_SPECIES, width)
        nn.init.normal_(self.linear.weight, std=0.6)
        nn.init.normal_(self.own.weight, std=0.05)
        self.bias = nn.Linear(2, 1, bias=False)
        self.ends = nn.Linear(len(FEATURES) + width, hidden)
        self.potential = nn.Sequential(nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), to_potential := nn.Linear(hidden, BINS))
        self.circumstances = nn.Sequential(nn.Linear(10, 24), nn.SiLU(), to_logit := nn.Linear(24, 1))
        for last in (self.bias, to_potential, to_logit):
            nn.init.zeros_(last.weight)
        self.dropout = nn.Dropout(dropout)
        self.mix = nn.Parameter(torch.tensor([1.0, 0.3, 1.0]))  # votes, nearest distance, potential

    def embed(self, numbers: Tensor) -> Tensor:
        return self.linear(self.properties[numbers]) + self.own(numbers)

    def weights(self, query: Query) -> Tensor:
        """(B, M): log similarity of each neighbour."""
        gap = self.embed(query.elements)[:, None] - self.embed(query.replaced)
        distance = ((gap.square().sum(-1) + 1e-4).sqrt() * query.share[:, None]).sum(-1)
        return self.bias(query.bias).squeeze(-1) - distance

    def energies(self, query: Query) -> Tensor:
        """(B, T): the learned potential summed over the pair distances of each candidate."""
        a = self.ends(torch.cat([self.properties[query.elements], self.embed(query.elements)], dim=-1))
        w = self.potential(self.dropout(a.unsqueeze(1) + a.unsqueeze(2)))  # (B, S, S, BINS)
        return (query.pictures * w.unsqueeze(1)).sum((-1, -2, -3))

    def forward(self, query: Query) -> Tensor:
        weight = self.weights(query).unsqueeze(1)
        types = torch.arange(query.nearest.shape[1], device=weight.device)
        inside = query.member.unsqueeze(1) == types[None, :, None]  # (B, T, M)
        weight = torch.where(inside, weight, NOBODY)
        votes = weight.logsumexp(-1).masked_fill(~query.present, NOBODY)
        share, first = votes.softmax(-1), torch.zeros_like(votes)
        first[:, 0] = 1
        nearest_hull = query.bias[..., 0].gather(1, weight.argmax(-1))
        circumstances = torch.stack(
            [
                votes.clamp(min=-10) / 3,
                weight.amax(-1).clamp(min=-10) / 3,
                share,
                query.nearest,
                first,
                inside.sum(-1).log1p() / 3,
                query.taken,
                query.taken.amax(1, keepdim=True).expand_as(share),
                nearest_hull.clamp(0, 0.3) * 10,
                (query.size / 20).unsqueeze(1).expand_as(share),
            ],
            dim=-1,
        )
        logits = (
            self.mix[0] * votes
            - self.mix[1] * query.nearest
            + self.mix[2] * self.energies(query)
            + self.circumstances(circumstances).squeeze(-1)
        )
        return logits.masked_fill(~query.present, -torch.inf)


def loss(logits: Tensor, right: Tensor) -> Tensor:
    """-log of the probability on right types (B, T) bool, over the questions that have one."""
    good = right.any(1)
    log_p = logits.log_softmax(-1)
    return -log_p.masked_fill(~right, -torch.inf).logsumexp(-1)[good].mean()
