"""A tabulated field against the field itself: the error of the bilinear rule, edges, periods, lost particles."""

import math

import torch

from core.numerics.vector_table import VectorTable, grid_points


def waves(x):
    return torch.stack([x[:, 0].sin() + x[:, 1].cos(), (x[:, 0] + 0.3).cos() * 2], 1)


def test_bilinear_error_is_of_second_order_and_below_its_bound():
    x = (torch.rand(2000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5) * 6
    errors = []
    for size in (60, 120):
        table = VectorTable.of(lambda z: waves(z.double()), half=math.pi, size=size, periodic=True)
        errors.append(float((table(x) - waves(x)).abs().max()))
        assert errors[-1] < table.spacing**2 / 8 * 2 + 1e-6  # both sums of second derivatives are at most 2
    assert 3.5 < errors[0] / errors[1] < 4.5


def test_a_periodic_table_knows_every_turn():
    table = VectorTable.of(waves, half=math.pi, size=64, periodic=True)
    x = torch.tensor([[0.3, -1.0], [3.1, 3.1]])
    for turns in (-5, -1, 1, 7):
        assert torch.allclose(table(x + turns * 2 * math.pi), table(x), atol=2e-4)


def test_points_of_the_grid_are_met_and_beyond_the_edge_the_edge_goes_on():
    table = VectorTable.of(waves, half=2.0, size=9)
    points = grid_points(2.0, 9)
    assert torch.allclose(table(points), waves(points), atol=1e-6)
    assert torch.allclose(table(torch.tensor([[9.0, 0.5], [9.0, -7.0]])), waves(torch.tensor([[2.0, 0.5], [2.0, -2.0]])), atol=1e-6)


def test_a_lost_particle_stays_lost():
    table = VectorTable.of(waves, half=2.0, size=9)
    found = table(torch.tensor([[math.nan, 0.0], [0.0, 0.0]]))
    assert found[0].isnan().any() and found[1].isfinite().all()
