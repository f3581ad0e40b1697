"""What a sampler leaves behind: states of many particles at a few moments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Trajectory:
    """Positions of N particles in D dimensions at T times.

    times: (T,), in the order in which the sampler visited them (descending for a reverse process).
    positions: (T, N, D), same unit as the sampler's state.
    Raises ValueError when the shapes disagree.
    """

    times: Tensor
    positions: Tensor

    def __post_init__(self) -> None:
        if self.times.ndim != 1 or self.positions.ndim != 3 or len(self.times) != len(self.positions):
            raise ValueError(f"times {tuple(self.times.shape)} and positions {tuple(self.positions.shape)} must be (T,) and (T, N, D)")

    @property
    def n_frames(self) -> int:
        return self.positions.shape[0]

    @property
    def n_particles(self) -> int:
        return self.positions.shape[1]

    @property
    def dim(self) -> int:
        return self.positions.shape[2]

    @property
    def final(self) -> Tensor:
        """(N, D): the last stored state."""
        return self.positions[-1]

    def first(self, n: int) -> Trajectory:
        """The first n of the particles, or all of them if they are fewer."""
        return Trajectory(self.times, self.positions[:, :n])

    def thinned(self, n_frames: int) -> Trajectory:
        """At most n_frames of the frames, as `frame_indices` chooses them."""
        kept = frame_indices(self.n_frames, n_frames)
        return Trajectory(self.times[kept], self.positions[kept])


def frame_indices(n_states: int, n_frames: int) -> Tensor:
    """At most `n_frames` evenly spaced indices into `n_states` states, first and last always among them."""
    if n_states < 1 or n_frames < 1:
        raise ValueError("a trajectory needs at least one state and one frame")
    if n_frames == 1:
        return torch.tensor([n_states - 1])
    return torch.linspace(0, n_states - 1, min(n_states, n_frames)).round().long().unique()


def nearest(values: Tensor, targets: Tensor) -> Tensor:
    """(M,): for each of `targets` (M,), the index of the nearest of `values` (K,)."""
    return (targets[:, None] - values).abs().argmin(1)


def held_frames(n_states: int, n_frames: int) -> tuple[Tensor, Tensor]:
    """What is worked out at a few moments and held in between: `moments` (K,) as of `frame_indices`, and for every state which of
    them is nearest, `held` (n_states,), so that rows (K, ...) worked out at `moments` become rows[held] (n_states, ...)."""
    moments = frame_indices(n_states, n_frames)
    return moments, nearest(moments, torch.arange(n_states))


def collect(states: Iterable[Tensor], times: Tensor, *, n_frames: int = 200) -> Trajectory:
    """Run a sampler to its end, keeping at most `n_frames` of its states.

    states: yields the (N, D) state at each of `times`, in order. What is kept never changes what is sampled.
    """
    keep = frame_indices(len(times), n_frames)
    wanted = set(keep.tolist())
    kept = [state.clone() for i, state in enumerate(states) if i in wanted]
    return Trajectory(times[keep], torch.stack(kept))
