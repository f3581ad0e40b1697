"""Labelled mixtures: data whose class probabilities are exact at every noise level."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.numerics.densities import GaussianMixture, get_mixture


@dataclass(frozen=True, eq=False)
class Labelled:
    """A mixture whose modes carry labels (K,) 0..C-1; names (C,)."""

    density: GaussianMixture
    labels: Tensor
    names: tuple[str, ...]

    def given(self, label: int) -> GaussianMixture:
        """p(x | y)."""
        mine = self.labels == label
        weights = self.density.weights[mine]
        return GaussianMixture(weights / weights.sum(), self.density.means[mine], self.density.scales[mine])

    def share(self, label: int) -> float:
        """p(y)."""
        return float(self.density.weights[self.labels == label].sum())

    def log_class(self, x: Tensor, label: int, density: GaussianMixture | None = None) -> Tensor:
        """(N,): log p(y | x), of these data or of a noised version of them."""
        return (density or self.density).log_responsibilities(x)[:, self.labels == label].logsumexp(1)

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """x (n, D) and labels (n,)."""
        mode = torch.multinomial(self.density.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.density.dim, generator=generator)
        return self.density.means[mode] + self.density.scales[mode, None] * noise, self.labels[mode]


def three_classes() -> Labelled:
    """Three broad clouds that overlap: where a class begins is a matter of probability."""
    angle = torch.tensor([90.0, 210.0, 330.0]).deg2rad()
    means = 1.05 * torch.stack([angle.cos(), angle.sin()], 1)
    return Labelled(GaussianMixture.of([0.4, 0.35, 0.25], means, 0.45), torch.arange(3), ("A", "B", "C"))


def island() -> Labelled:
    """Class A is a cloud that overlaps with B, and a small island far from it."""
    means = torch.tensor([[-0.8, -0.2], [1.6, -1.0], [-0.2, 0.8], [0.5, 1.2]])
    return Labelled(
        GaussianMixture.of([0.35, 0.1, 0.35, 0.2], means, torch.tensor([0.5, 0.25, 0.5, 0.3])), torch.tensor([0, 0, 1, 1]), ("A", "B")
    )


def moons() -> Labelled:
    """One moon, one class."""
    density = get_mixture("two moons")
    return Labelled(density, (torch.arange(len(density.means)) >= len(density.means) // 2).long(), ("A", "B"))


LABELLED = {"three classes": three_classes, "island": island, "two moons": moons}


def get_labelled(name: str) -> Labelled:
    """The labelled data set called `name`; ValueError if there is none."""
    if name not in LABELLED:
        raise ValueError(f"labelled data set {name!r} is not one of {', '.join(LABELLED)}")
    return LABELLED[name]()
