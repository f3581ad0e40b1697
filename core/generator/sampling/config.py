"""The settings of the reverse process: one update rule, the methods as values of eta and corrector.

method        eta   corrector
flow          -     -           Euler along the learned velocity (a model trained as `Flow`)
ancestral     1     0           DDPM / DiffCSP predictor: fresh noise at every step
ddim          0     0           probability flow: all randomness is in the start (Song et al. 2021)
langevin      1     1           ancestral with one Langevin step before each (DiffCSP, Algorithm 2)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

FLOW = "flow"


@dataclass(frozen=True)
class SamplerConfig:
    """steps: network calls of the predictor. temperature: multiplies the variance of all noise drawn.
    start: the time of the first state; above it the wrapped normal is uniform already.
    power: times are start * (1 - i / steps) ** power; larger spends more steps near the crystal.
    anti_annealing: score or velocity of the coordinates is multiplied by 1 + anti_annealing (1 - t).
    species_temperature: divides the logits when a masked species is decided.
    candidates: so many crystals are grown for each one asked for; the one with the smallest denoising loss, when it is
    noised to times from rank_from to rank_to, is kept (or the reranker's choice, where the model has one).
    n_refinements: so often the best so far is noised again, as many candidates are grown from it, and the best of all is kept;
    refinement r = 1, 2, ... begins at the time start * renoise_fraction ** r and takes steps of the same length.
    accept_threshold: a crystal whose best candidate has this quality (0 to 3 by the reranker) is not refined any more.
    """

    steps: int = 50
    eta: float = 0.0
    corrector: int = 0
    corrector_size: float = 0.1
    temperature: float = 1.0
    start: float = 1.0
    power: float = 1.0
    anti_annealing: float = 0.0
    species_temperature: float = 1.0
    candidates: int = 1
    rank_from: float = 0.2
    rank_to: float = 0.4
    n_refinements: int = 0
    renoise_fraction: float = 0.7
    accept_threshold: float = 3.0

    @property
    def rounds(self) -> list[SamplerConfig]:
        """The first growth and each refinement, by themselves (n_refinements = 0)."""
        return [self._round(r) for r in range(self.n_refinements + 1)]

    def _round(self, r: int) -> SamplerConfig:
        part = self.renoise_fraction**r
        return replace(self, start=self.start * part, steps=math.ceil(self.steps * part - 1e-9), n_refinements=0)

    def times(self) -> Tensor:
        """(steps + 1,) descending from `start` to 0."""
        return self.start * (1 - torch.arange(self.steps + 1) / self.steps) ** self.power


METHODS = {
    FLOW: SamplerConfig(),
    "ddim": SamplerConfig(eta=0.0),
    "ancestral": SamplerConfig(eta=1.0),
    "langevin": SamplerConfig(eta=1.0, corrector=1),
}
# How the crystals are grown whose fate reranker and selector learn from, and of which the selector sees some.
CANDIDATES = SamplerConfig(steps=10, anti_annealing=10.0, temperature=0.5)
_STORED = {"sharpen": "anti_annealing", "sure": "accept_threshold", "again": "renoise_fraction"}  # names in weight files of version 0.1


def kind_of(method: str) -> str:
    """The kind of model (`registry.KINDS`) behind one of METHODS."""
    return "flow" if method == FLOW else "diffusion"


def from_stored(stored: Mapping[str, Any]) -> SamplerConfig:
    """Settings as a weight file holds them, of this version or of 0.1. Raises TypeError for a name that neither knows."""
    settings = {_STORED.get(name, name): value for name, value in stored.items()}
    if "rounds" in settings:  # the first growth was counted too
        settings["n_refinements"] = settings.pop("rounds") - 1
    return SamplerConfig(**settings)


def published_config(about: Mapping[str, Any]) -> SamplerConfig:
    """The settings with which a model's published scores were measured, from the `about` of its weights."""
    return from_stored(about.get("scoring", {}))
