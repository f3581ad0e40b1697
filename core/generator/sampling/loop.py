"""From noise to crystals: the reverse process, one update rule for all methods (`sampling.config`).

Every structure owns its random numbers (seed of its own), so its law and its bits do not depend on which others
share its batch, nor on their number, to rounding of the matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from core.generator.model.diffusion import Diffusion
from core.generator.model.flow import Flow
from core.generator.model.network import Denoiser, Prediction
from core.generator.model.state import Cells
from core.generator.sampling.config import SamplerConfig
from core.structures.elements import MASKED


class Noise:
    """Independent standard normals for each structure of a batch, each from its own seed."""

    def __init__(self, seeds: Sequence[int]):
        self.generators = [torch.Generator().manual_seed(int(seed) % 2**63) for seed in seeds]

    def normal(self, *shape: int) -> Tensor:
        return torch.stack([torch.randn(shape, generator=g) for g in self.generators])

    def uniform(self, *shape: int) -> Tensor:
        return torch.stack([torch.rand(shape, generator=g) for g in self.generators])


Guide = Callable[[Cells, Prediction, Tensor], Prediction]
Project = Callable[[Cells], Cells]


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
    project: Project | None = None,
) -> Iterator[Cells]:
    """Yields the state at each of `config.times()`; numbers (B, N), one seed each. First noise, last the crystals.

    initial: crystals that are blurred to the time `config.start` instead of starting from noise (SDEdit, Meng et al. 2022).
    guide: sees every state and the network's prediction at t, and returns the prediction to follow instead. It may compute gradients.
    project: where every state, the first one too, is put before the network sees it (growth inside a symmetry).
    Raises ValueError for fresh noise or a corrector where the model knows only velocities.
    """
    if (config.corrector or config.eta) and isinstance(process, Flow):
        raise ValueError("a flow has no fresh noise and no Langevin corrector: its network knows the velocity, not the score")
    noise, times = Noise(seeds), config.times()
    state = start(numbers, noise, config) if initial is None else process.start(initial, torch.tensor(config.start), noise=noise)
    state = state if project is None else project(state)
    yield state
    for t, t_next in zip(times[:-1], times[1:], strict=True):
        for _ in range(config.corrector):
            assert isinstance(process, Diffusion)
            prediction = network(*state, t.expand(len(numbers)))
            state = process.langevin(state, prediction, t, size=config.corrector_size, noise=noise, temperature=config.temperature)
        prediction = network(*state, t.expand(len(numbers)))
        if (state.numbers == MASKED).any():  # only elements of the training data can be decided on
            prediction = prediction._replace(species=prediction.species.masked_fill(~network.known, -torch.inf))
        if guide is not None:
            prediction = guide(state, prediction, t)
        state = process.step(state, prediction, t, t_next, config=config, noise=noise)
        state = state if project is None else project(state)
        yield state


def start(numbers: Tensor, noise: Noise, config: SamplerConfig) -> Cells:
    """Atoms anywhere, a cell of the standard normal law (at the given temperature)."""
    return Cells(numbers, noise.uniform(numbers.shape[1], 3), config.temperature**0.5 * noise.normal(6))
