"""The networks of the chapter on one score for sampling and dynamics: which there are, where their weights lie, how they are asked.

| model        | network                                                | trained by                                             |
|--------------|--------------------------------------------------------|--------------------------------------------------------|
| plain        | score = -NN/sigma, any vector field (NoiseNetwork)      | denoising score matching                               |
| energy       | score = grad log q (EnergyNetwork)                      | the same                                               |
| regularised  | the same                                               | + weight x (residual of the Fokker-Planck equation)^2  |
| experts      | two energy networks, up to t = 0.1 and from there on   | each on its own times                                  |

Source: Plainer et al. 2025 (ScoreMD, arXiv 2506.17139), who also regularise the first of three experts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from core.crystals.molecular_landscapes import LANDSCAPES, Landscape, get_landscape
from core.numerics import manifest
from core.numerics.checks import one_of
from core.numerics.energy_networks import EnergyNetwork, NoiseNetwork, TimeExperts
from core.numerics.networks import MODELS as FOLDER
from core.numerics.networks import unusable
from core.numerics.tensors import save_tensors

BOUNDARY = 0.1  # noise time at which the second expert takes over
SLUGS = {"Müller–Brown": "muller_brown", "two dihedrals": "dihedrals"}
Network = NoiseNetwork | EnergyNetwork | TimeExperts
Score = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Model:
    """label: for the page. energy: has a log-density; experts: two networks over time; regularised: by the Fokker-Planck equation."""

    label: str
    energy: bool = True
    experts: bool = False
    regularised: bool = False

    def network(self, periodic: bool, width: int = 64, depth: int = 3) -> Network:
        """Untrained, its first weights from torch's own generator."""
        if not self.energy:
            return NoiseNetwork(periodic, width, depth)
        if self.experts:
            return TimeExperts(BOUNDARY, periodic=periodic, width=width, depth=depth)
        return EnergyNetwork(periodic, width, depth)


MODELS = {
    "plain": Model("plain score network", energy=False),
    "energy": Model("energy network"),
    "regularised": Model("energy network, Fokker–Planck regularised", regularised=True),
    "experts": Model("two experts over time", experts=True),
}


def weights_path(landscape: str, model: str, folder: Path = FOLDER) -> Path:
    """Where the weights of a model of MODELS for a landscape of LANDSCAPES lie. Raises ValueError for unknown names."""
    one_of("landscape", landscape, LANDSCAPES)
    one_of("model", model, MODELS)
    return Path(folder) / f"dynamics_{SLUGS[landscape]}_{model}.safetensors"


def save(path: Path, network: Network, about: dict) -> None:
    """Weights, shape and what they were trained on to one safetensors file."""
    save_tensors(path, network.state_dict(), {"config": network.config, "about": about})


def load(landscape: str, model: str, folder: Path = FOLDER) -> Network:
    """The trained network, in evaluation mode. Raises ModelMissing, and ValueError for unknown names."""
    path = weights_path(landscape, model, folder)
    try:
        manifest.check(path)
        with safe_open(str(path), framework="pt") as file:
            config = json.loads(file.metadata()["config"])
        kind = MODELS[model]
        network = NoiseNetwork(**config) if not kind.energy else TimeExperts(**config) if kind.experts else EnergyNetwork(**config)
        network.load_state_dict(load_file(str(path)))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise unusable(path, error, f"n2c train score-md --landscape {SLUGS[landscape]} --model {model}") from error
    return network.eval().requires_grad_(False)


def score_of(network: Network, landscape: Landscape) -> Score:
    """(x (N, 2), t) -> (N, 2), without gradients. A plain score network divides by sigma(t), which is 0 at t = 0."""

    @torch.no_grad()
    def score(x: Tensor, t: float) -> Tensor:
        at = x.new_full((1, 1), t)
        if isinstance(network, NoiseNetwork):
            return network(x, at) / -landscape.sigma(at)
        return network.score(x, at)

    return score


def exact_score(landscape: Landscape) -> Score:
    """The score of p_t itself."""

    def score(x: Tensor, t: float) -> Tensor:
        return landscape.force(x) if t == 0 else landscape.diffused(t).score(x)

    return score


def score_model(landscape: str, model: str, folder: Path = FOLDER) -> Score:
    """The score of a model of MODELS, or the exact one ("exact"). Raises ModelMissing, and ValueError for unknown names."""
    surface = get_landscape(landscape)
    return exact_score(surface) if model == "exact" else score_of(load(landscape, model, folder), surface)
