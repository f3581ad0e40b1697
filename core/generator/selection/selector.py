"""The selector: which structure type of a library is the crystal asked for, once the flow model has grown some of its own?

The ranker (core/generator/baselines/ranker.py) knows elements and structure types; the flow knows geometry. Both have an opinion on one
composition, and where they agree they are seldom wrong.

    same(a, b)  = logistic((ALIKE - d(a, b)) / SOFT), d the difference of fingerprints        crystals a, b of one structure type?
    vote(c)     = mean_s same(s, c), and the same weighted by softmax_s 2 quality(s)          s: the crystals that the flow grew
    x_c         = votes, what the reranker makes of c, ln share of c by the ranker, ...          INPUTS, one row for each candidate c
    P(c matches), P(c matches with rms < TIGHT)                                               Selector

The candidates are the best crystal of the flow and the library's most trusted types. Trained on compositions of the training set with
their own entry taken out of the library (core/generator/training/selector.py). Mixtures of experts whose gate is learned go back to Jacobs
et al. 1991.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.generator.baselines.fingerprint import difference, fingerprints
from core.generator.baselines.substitution import Proposal, by_count
from core.generator.model.conversion import to_cells
from core.generator.model.network import Denoiser
from core.generator.selection.ensemble import Ensemble
from core.generator.selection.reranker import LEVELS, TIMES, Reranker, features, velocity_sizes
from core.metrics.matching import TIGHT
from core.numerics.randomness import seeded
from core.structures.crystal import Crystal

GROWN = 8  # crystals that the flow grows for one composition
TYPES = 6  # structure types that are weighed
MARGIN = 0.1  # of trust, by which the flow must be ahead of all types before its crystal is taken: theirs are more exact
ALIKE, SOFT = 0.03, 0.01  # of fingerprint differences
HIDDEN, DROPOUT, MEMBERS = 48, 0.3, 8
INPUTS = (
    "grown by the flow",
    *(f"reranker, rms <= {level:g}" for level in LEVELS),
    *(f"reranker of the flow's best, rms <= {level:g}" for level in LEVELS),
    *(f"velocity size {k}" for k in range(3 * len(TIMES))),
    "vote",
    "weighted vote",
    "same as the flow's best",
    "smallest difference",
    "vote for the flow's best",
    "agreement of the flow's crystals",
    "atoms / 20",
    "ln share by the ranker",
    "distance of the elements",
    "this composition is known in this type",
    "10 hull / eV",
    "ln size of the type",
    "largest ln share",
    "this composition is known",
)


def pictures(cell: Sequence[int], crystals: Sequence[Crystal]) -> np.ndarray:
    """(B, m, m, BINS) fingerprints of crystals whose atoms are in the order of `cell`, elements in `by_count` order."""
    elements, _ = by_count(cell)
    slots = np.array([elements.index(int(z)) for z in cell])
    return fingerprints(
        np.stack([c.frac_coords for c in crystals]),
        np.stack([np.asarray(c.lattice) for c in crystals]).astype(float),
        np.broadcast_to(slots, (len(crystals), len(slots))),
        len(elements),
    )


@torch.no_grad()
def evidence(
    network: Denoiser,
    reranker: Reranker,
    cell: Sequence[int],
    stand_in: Sequence[int],
    grown: Sequence[Crystal],
    proposed: Sequence[Proposal],
) -> tuple[Tensor, int]:
    """(1 + len(proposed), len(INPUTS)), and which of `grown` the reranker likes best: the first row is about that one.

    cell: atomic numbers; stand_in: the same with elements that the model knows. network: of the flow that grew them.
    """
    crystals = [*grown, *(p.crystal for p in proposed)]
    phi = features(network, to_cells(network, [Crystal(np.array(stand_in), c.frac_coords, c.lattice) for c in crystals]))
    logits, n = reranker.logits(phi), len(grown)
    quality = logits[:n].sigmoid().sum(-1)
    best, weight = int(quality.argmax()), (2 * quality).softmax(0)
    rows = [best, *range(n, len(crystals))]
    drawn = pictures(cell, crystals)
    gaps = torch.from_numpy(np.stack([difference(drawn, one) for one in drawn[:n]])).float()  # (S, S + C)
    same = ((ALIKE - gaps) / SOFT).sigmoid()
    share = torch.tensor([p.share for p in proposed]).log().clamp(min=-8.0)
    taken = torch.tensor([float(p.taken) for p in proposed])
    column = lambda values, of_flow=0.0: torch.cat([torch.tensor([float(of_flow)]), values.float()])  # noqa: E731
    everybody = lambda value: torch.full((len(rows),), float(value))  # noqa: E731
    table = [
        column(torch.zeros(len(proposed)), 1),
        *logits[rows].T,
        *logits[best].unsqueeze(1).expand(-1, len(rows)),
        *velocity_sizes(phi[rows]).T,
        same[:, rows].mean(0),
        weight @ same[:, rows],
        column(same[best, n:], same[best, n:].max() if len(proposed) else 0),
        column(gaps[:, n:].amin(0).clamp(max=0.5)),
        everybody(same[best, :n].mean()),
        everybody(same[:, :n].mean()),
        everybody(len(cell) / 20),
        column(share),
        column(torch.tensor([p.distance for p in proposed])),
        column(taken),
        column(torch.tensor([p.hull for p in proposed]).nan_to_num(0.0).clamp(0, 0.3) * 10),
        column(torch.tensor([float(p.size) for p in proposed]).log1p()),
        everybody(share.max() if len(proposed) else 0),
        everybody(taken.max() if len(proposed) else 0),
    ]
    return torch.stack(table, 1), best


class Selector(Ensemble):
    """MEMBERS perceptrons, averaged, on rows of `evidence`."""

    def __init__(self, hidden: int = HIDDEN, members: int = MEMBERS):
        n = len(INPUTS)
        super().__init__(
            n,
            lambda: nn.Sequential(
                nn.Linear(n, hidden),
                nn.SiLU(),
                nn.Dropout(DROPOUT),
                nn.Linear(hidden, hidden),
                nn.SiLU(),
                nn.Dropout(DROPOUT),
                nn.Linear(hidden, 2),
            ),
            members,
        )

    def trust(self, x: Tensor) -> Tensor:
        """(..., C): probability that a candidate is the crystal asked for, rms below TIGHT."""
        return self.logits(x)[..., 1].sigmoid()


def loss(logits: Tensor, right: Tensor, present: Tensor) -> Tensor:
    """logits, right (Q, C, 2), present (Q, C): cross-entropy of every candidate, and -ln of the share of the right ones in a softmax
    over the candidates of one composition, where there is one.
    """
    total = F.binary_cross_entropy_with_logits(logits[present], right[present]) * 2
    logits = logits.masked_fill(~present.unsqueeze(-1), -1e9)
    log_share = logits.log_softmax(1).masked_fill(right == 0, -torch.inf).logsumexp(1)  # (Q, 2)
    for log_right, any_right in zip(log_share.T, right.any(1).T, strict=True):
        if any_right.any():
            total = total - log_right[any_right].mean()
    return total


def fit(
    x: Tensor,
    rms: Tensor,
    present: Tensor,
    *,
    epochs: int = 60,
    batch: int = 64,
    learning_rate: float = 2e-3,
    decay: float = 0.05,
    seed: int = 0,
) -> Selector:
    """x (Q, C, inputs), rms (Q, C) against the truth (inf = no match), present (Q, C) -> Selector, ready for use."""
    right = torch.stack([rms.isfinite(), rms < TIGHT], -1).float() * present.unsqueeze(-1)
    with seeded(seed):
        selector = Selector()
    selector.learn(
        x,
        x[present],
        lambda logits, rows: loss(logits, right[rows], present[rows]),
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        decay=decay,
        seed=seed,
    )
    return selector
