import pytest
import torch

from core.numerics.trajectory import Trajectory, collect, frame_indices, held_frames, nearest


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


def test_every_state_holds_the_moment_nearest_to_it():
    moments, held = held_frames(9, 3)
    assert moments.tolist() == [0, 4, 8]
    gap = (moments - torch.arange(9)[:, None]).abs()  # (9, 3)
    assert held.shape == (9,) and torch.equal(gap.gather(1, held[:, None]).squeeze(1), gap.amin(1))
    assert held[[0, 1, 3, 4, 5, 7, 8]].tolist() == [0, 0, 1, 1, 1, 2, 2]  # midway between two moments either will do
    for n_states, n_frames in ((1, 5), (7, 1), (5, 5), (11, 40)):
        moments, held = held_frames(n_states, n_frames)
        assert len(moments) == min(n_states, n_frames) == int(held.max()) + 1 and len(held) == n_states


def test_nearest_works_in_any_order_of_time():
    assert nearest(torch.tensor([1.0, 0.5, 0.0]), torch.tensor([0.9, 0.1, 0.6, 0.2])).tolist() == [0, 2, 1, 2]


def test_shapes_are_checked():
    with pytest.raises(ValueError):
        Trajectory(torch.zeros(3), torch.zeros(2, 5, 2))
    with pytest.raises(ValueError):
        frame_indices(0, 3)


def test_the_first_particles_are_the_same_ones():
    whole = Trajectory(torch.arange(3.0), torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(whole.first(2).positions, whole.positions[:, :2]) and whole.first(9).n_particles == 5


def test_thinned_keeps_both_ends():
    whole = Trajectory(torch.arange(11.0), torch.arange(11.0)[:, None, None])
    assert whole.thinned(3).times.tolist() == whole.thinned(3).positions[:, 0, 0].tolist() == [0, 5, 10]
    assert torch.equal(whole.thinned(50).positions, whole.positions)
