"""Random numbers of layers that take no generator: the first weights of a network, dropout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's own CPU generator draws inside what a seed of its own would make it draw, and goes on afterwards as if nothing had been.

    It belongs to the process: a draw by another thread at the same time takes part in the sequence.
    """
    before = torch.get_rng_state()
    torch.set_rng_state(torch.Generator().manual_seed(seed).get_state())
    try:
        yield
    finally:
        torch.set_rng_state(before)
