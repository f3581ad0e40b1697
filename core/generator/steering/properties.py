"""What cannot be measured on a crystal in the app is predicted: formation energy and band gap, read off the flow's own features.

| equation | name |
|---|---|
| x(C) = (mean, standard deviation, largest over the atoms of h, condition) of the flow at t = 0.02 | crystal_features |
| y = MLP(x) | PropertyHead |

A predictor errs; its mean absolute error on crystals kept aside stands wherever its numbers do (`about["properties"]`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from core.generator.model.conversion import to_cells
from core.generator.model.network import Denoiser
from core.structures.crystal import Crystal

TIME = 0.02  # nearly clean: at t = 0 itself the flow was never trained
PROPERTIES = ("formation_energy", "band_gap")  # eV/atom, eV


def n_features(network: Denoiser) -> int:
    return 4 * network.config.width


@torch.no_grad()
def crystal_features(network: Denoiser, crystals: Sequence[Crystal]) -> Tensor:
    """(B, n_features) of crystals with the same number of atoms."""
    cells = to_cells(network, crystals)
    h, condition = network.features(*cells, torch.full((len(crystals),), TIME))
    return torch.cat([h.mean(1), h.std(1, unbiased=False), h.amax(1), condition], dim=1).float()


class PropertyHead(nn.Module):
    """(B, features) -> (B, 2) in the units of PROPERTIES; a gap is never negative. Buffers: standard units of inputs and outputs."""

    def __init__(self, features: int, hidden: int = 192, dropout: float = 0.2):
        super().__init__()
        for name, size in (("x_mean", features), ("x_std", features), ("y_mean", 2), ("y_std", 2)):
            self.register_buffer(name, torch.zeros(size) if name.endswith("mean") else torch.ones(size))
        self.body = nn.Sequential(
            nn.Linear(features, hidden),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 2),
        )

    x_mean: Tensor
    x_std: Tensor
    y_mean: Tensor
    y_std: Tensor

    def fit(self, x: Tensor, y: Tensor) -> None:
        """Standard units of the training data, x (M, features), y (M, 2), NaN where unknown."""
        self.x_mean.copy_(x.mean(0))
        self.x_std.copy_(x.std(0).clamp(min=1e-3))
        self.y_mean.copy_(y.nanmean(0))
        self.y_std.copy_((y - self.y_mean).square().nanmean(0).sqrt().clamp(min=1e-3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(((x - self.x_mean) / self.x_std).clamp(-6, 6)) * self.y_std + self.y_mean
        return torch.cat([y[:, :1], y[:, 1:].clamp(min=0) if not self.training else y[:, 1:]], dim=1)


def predicted(network: Denoiser, head: PropertyHead, crystals: Sequence[Crystal]) -> Tensor:
    """(len(crystals), 2) in the units of PROPERTIES, whatever their sizes."""
    made = torch.empty(len(crystals), 2)
    by_size: dict[int, list[int]] = {}
    for i, crystal in enumerate(crystals):
        by_size.setdefault(crystal.n_atoms, []).append(i)
    with torch.no_grad():
        for rows in by_size.values():
            made[rows] = head(crystal_features(network, [crystals[i] for i in rows]))
    return made
