import pytest
import torch

from core.numerics.trajectory import Trajectory, collect, frame_indices


def test_collect_keeps_first_last_and_copies():
    buffer, times = torch.zeros(3, 2), torch.linspace(1, 0, 11)

    def states():
        for i in range(11):
            buffer.fill_(i)
            yield buffer

    kept = collect(states(), times, n_frames=4)
    assert kept.positions[:, 0, 0].tolist() == [0, 3, 7, 10]
    assert torch.equal(kept.times, times[[0, 3, 7, 10]])
    assert (kept.n_frames, kept.n_particles, kept.dim) == (4, 3, 2) and kept.final[0, 0] == 10


def test_one_frame_is_the_last_and_many_frames_are_all():
    assert frame_indices(7, 1).tolist() == [6]
    assert frame_indices(7, 100).tolist() == list(range(7))


def test_shapes_are_checked():
    with pytest.raises(ValueError):
        Trajectory(torch.zeros(3), torch.zeros(2, 5, 2))
    with pytest.raises(ValueError):
        frame_indices(0, 3)
