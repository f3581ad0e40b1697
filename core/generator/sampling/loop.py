"""From noise to crystals: the reverse process, one update rule, the methods as values of eta and corrector.

    method        eta   corrector
    flow          -     -           Euler along the learned velocity (a model trained as `Flow`)
    ancestral     1     0           DDPM / DiffCSP predictor: fresh noise at every step
    ddim          0     0           probability flow: all randomness is in the start (Song et al. 2021)
    langevin      1     1           ancestral with one Langevin step before each (DiffCSP, Algorithm 2)

Every structure owns its random numbers (seed of its own), so its law and its bits do not depend on which others
share its batch, nor on their number, to rounding of the matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.generator.model.diffusion import Diffusion
from core.generator.model.flow import Flow
from core.generator.model.network import Denoiser, Prediction
from core.generator.model.state import Cells
from core.structures.elements import MASKED


@dataclass(frozen=True)
class SamplerConfig:
    """steps: network calls of the predictor. temperature: multiplies the variance of all noise drawn.
    start: the time of the first state; above it the wrapped normal is uniform already.
    power: times are start * (1 - i / steps) ** power; larger spends more steps near the crystal.
    sharpen: score or velocity of the coordinates is multiplied by 1 + sharpen (1 - t) (anti-annealing).
    species_temperature: divides the logits when a masked species is decided.
    candidates: so many crystals are grown for each one asked for; the one that surprises the model least, when it is
    noised to times from rank_from to rank_to, is kept (or the judge's choice, where the model has one).
    rounds: the best so far is blurred and grown again, as many candidates, rounds - 1 times; round r = 0, 1, ... begins at the
    time start * again ** r and takes steps of the same length. The best of all is kept.
    sure: a crystal whose best candidate the judge trusts so much (0 to 3) is done after that round.
    """

    steps: int = 50
    eta: float = 0.0
    corrector: int = 0
    corrector_size: float = 0.1
    temperature: float = 1.0
    start: float = 1.0
    power: float = 1.0
    sharpen: float = 0.0
    species_temperature: float = 1.0
    candidates: int = 1
    rank_from: float = 0.2
    rank_to: float = 0.4
    rounds: int = 1
    again: float = 0.7
    sure: float = 3.0

    def round(self, r: int) -> SamplerConfig:
        """The settings of round r alone."""
        part = self.again**r
        return replace(self, start=self.start * part, steps=math.ceil(self.steps * part - 1e-9), rounds=1)


DEFAULT_STEPS = 50
RANKING_CALLS = 4
FLOW = "flow"
METHODS = {
    FLOW: SamplerConfig(),
    "ddim": SamplerConfig(eta=0.0),
    "ancestral": SamplerConfig(eta=1.0),
    "langevin": SamplerConfig(eta=1.0, corrector=1),
}


class Noise:
    """Independent standard normals for each structure of a batch, each from its own seed."""

    def __init__(self, seeds: Sequence[int]):
        self.generators = [torch.Generator().manual_seed(int(seed) % 2**63) for seed in seeds]

    def normal(self, *shape: int) -> Tensor:
        return torch.stack([torch.randn(shape, generator=g) for g in self.generators])

    def uniform(self, *shape: int) -> Tensor:
        return torch.stack([torch.rand(shape, generator=g) for g in self.generators])


def times(config: SamplerConfig) -> Tensor:
    """(steps + 1,) descending from `start` to 0."""
    return config.start * (1 - torch.arange(config.steps + 1) / config.steps) ** config.power


Guide = Callable[[Cells, Prediction, Tensor], Prediction]


@torch.no_grad()
def sample(
    network: Denoiser,
    process: Diffusion | Flow,
    numbers: Tensor,
    config: SamplerConfig,
    *,
    seeds: Sequence[int],
    initial: Cells | None = None,
    guide: Guide | None = None,
) -> Iterator[Cells]:
    """Yields the state at each of `times(config)`; numbers (B, N), one seed each. First noise, last the crystals.

    initial: crystals that are blurred to the time `config.start` instead of starting from noise (SDEdit, Meng et al. 2022).
    guide: sees every state and what the network said of it at t, and says what to follow instead. It may compute gradients.
    Raises ValueError for a corrector where the model knows only velocities.
    """
    if config.corrector and isinstance(process, Flow):
        raise ValueError("a flow has no Langevin corrector: its network knows the velocity, not the score")
    noise = Noise(seeds)
    state = start(numbers, noise, config) if initial is None else process.start(initial, torch.tensor(config.start), noise=noise)
    yield state
    for t, t_next in zip(times(config)[:-1], times(config)[1:], strict=True):
        for _ in range(config.corrector):
            said = network(*state, t.expand(len(numbers)))
            state = process.langevin(state, said, t, size=config.corrector_size, noise=noise, temperature=config.temperature)
        said = network(*state, t.expand(len(numbers)))
        if (state.numbers == MASKED).any():  # only elements of the training data can be decided on
            said = said._replace(species=said.species.masked_fill(~network.known, -torch.inf))
        if guide is not None:
            said = guide(state, said, t)
        state = process.step(state, said, t, t_next, config=config, noise=noise)
        yield state


@torch.no_grad()
def surprise(network: Denoiser, process: Diffusion | Flow, crystals: Cells, config: SamplerConfig) -> Tensor:
    """(B,): mean squared error of the network when these crystals are noised a little, the same noise for all.

    A crystal that the model believes in is one to which it can find back. The error, averaged over t with the right
    weights, is the variational bound on -log p (Ho et al. 2020, eq. 12); here it serves to rank crystals of one
    composition, at RANKING_CALLS times from rank_from to rank_to.
    """
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(len(crystals.numbers))
    for t in torch.linspace(config.rank_from, config.rank_to, RANKING_CALLS):
        t = t.expand(len(total))
        noised, target = process.noise(crystals, t, generator=generator, shared=True)
        said = network(*noised, t)
        total += (said.coords - target.coords).square().mean((1, 2)) + 0.2 * (said.lattice - target.lattice).square().mean(1)
    return total / RANKING_CALLS


def candidate_seeds(seeds: Sequence[int], candidates: int, first: int = 0) -> list[int]:
    """`candidates` seeds for each seed, next to each other, from the `first` on; the one of number 0 is the seed itself."""
    return [(seed + 0x9E3779B97F4A7C15 * i) % 2**63 for seed in seeds for i in range(first, first + candidates)]


def start(numbers: Tensor, noise: Noise, config: SamplerConfig) -> Cells:
    """Atoms anywhere, a cell of the standard normal law (at the given temperature)."""
    return Cells(numbers, noise.uniform(numbers.shape[1], 3), config.temperature**0.5 * noise.normal(6))
