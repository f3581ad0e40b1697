import numpy as np
import torch

from core.numerics.densities import get_dataset
from core.numerics.frames import cell_centres, density_frames, stage_scale
from core.numerics.schedules import Linear, get_schedule


def test_cell_centres_run_row_by_row_from_the_lowest():
    points = cell_centres((0, 4, 0, 3), (3, 4))
    assert points.shape == (12, 2) and points.dtype == torch.float32
    np.testing.assert_allclose(points[[0, 1, 4, -1]], [[0.5, 0.5], [1.5, 0.5], [0.5, 1.5], [3.5, 2.5]])
    assert torch.equal(cell_centres((-1, 1, -1, 1), 5), cell_centres((-1, 1, -1, 1), (5, 5)))
    assert cell_centres((0, 1, 0, 1), 2, dtype=torch.float64).dtype == torch.float64


def test_density_frames_are_the_density_at_the_centres():
    """Rows are y: of a picture that is not square, one pixel by hand, and all of them sum to the share inside."""
    density, times, bounds = get_dataset("three modes"), torch.tensor([0.1, 0.9]), (-4.0, 4.0, -5.0, 5.0)
    frames = density_frames(density, Linear(), times, bounds, (50, 40))
    assert frames.shape == (2, 50, 40)
    point = torch.tensor([[-4 + 7.5 * 0.2, -5 + 30.5 * 0.2]])
    assert torch.allclose(frames[0, 30, 7], density.diffused(Linear(), 0.1).log_prob(point).exp(), rtol=1e-4)
    assert torch.allclose(frames.sum((1, 2)) * 0.2 * 0.2, torch.ones(2), atol=1e-3)
    path = get_schedule("geometric")
    scaled = density_frames(density, path, times, bounds, (50, 40), on_stage=True)
    assert stage_scale(path, times)[1] > 5 and torch.allclose(scaled.sum((1, 2)) * 0.2 * 0.2, torch.ones(2), atol=1e-3)
