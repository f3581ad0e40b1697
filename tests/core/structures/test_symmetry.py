import math

import numpy as np
import pytest

from core.structures.symmetry import cell_symmetries, rotation_matrix


@pytest.mark.parametrize("axis, angle", [((1, 2, -3), 0.7), ((0, 0, 5), -2.0), ((1e-3, 0, 1), math.pi), ((1, 1, 1), 0.0)])
def test_a_rotation_keeps_lengths_hands_and_its_axis(axis, angle):
    R = rotation_matrix(axis, angle)
    assert np.allclose(R @ R.T, np.eye(3), atol=1e-14) and np.linalg.det(R) == pytest.approx(1)
    assert np.allclose(R @ np.array(axis), axis, atol=1e-14)
    assert np.trace(R) == pytest.approx(1 + 2 * math.cos(angle))
    assert np.allclose(rotation_matrix(axis, -angle), R.T, atol=1e-14)


def test_rotations_by_value():
    """A quarter turn about z takes x to y; a third of a turn about the body diagonal takes x to y to z to x."""
    assert np.allclose(rotation_matrix((0, 0, 2), math.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-15)
    assert np.allclose(rotation_matrix((1, 1, 1), 2 * math.pi / 3), [[0, 0, 1], [1, 0, 0], [0, 1, 0]], atol=1e-15)
    half = rotation_matrix((0, 3, 0), math.radians(30))
    assert np.allclose(half, [[math.sqrt(3) / 2, 0, 0.5], [0, 1, 0], [-0.5, 0, math.sqrt(3) / 2]], atol=1e-15)


def test_a_rotation_is_the_series_of_its_generator():
    """R = exp(angle K), K v = axis x v, summed term by term."""
    axis, angle = np.array([0.36, 0.48, 0.8]), 1.1
    K = np.stack([np.cross(axis, e) for e in np.eye(3)], axis=1)
    series, term = np.eye(3), np.eye(3)
    for k in range(1, 30):
        term = term @ (angle * K) / k
        series = series + term
    assert np.allclose(rotation_matrix(axis, angle), series, atol=1e-14)


def test_a_cube_has_48_symmetries_and_a_slanted_cell_two():
    cubic, slanted = cell_symmetries([np.eye(3) * 4, np.array([[4, 0, 0], [1, 5, 0], [0.3, 0.7, 6.5]])])
    assert len(cubic) == 48 and len(slanted) == 2
    assert np.allclose(np.abs(np.linalg.det(cubic)), 1)


@pytest.mark.parametrize("stretch, expected", [(1.0, 48), (1.002, 48), (1.004, 16), (1.02, 16)])
def test_a_cube_is_one_to_half_a_per_cent_of_its_squared_edge(stretch, expected):
    """c/a = 1 + e changes the squared edge by 2 e: within 0.005 at e = 0.002, not at 0.004; the 16 are those of a square prism."""
    assert len(cell_symmetries([np.diag([4.0, 4.0, 4.0 * stretch])])[0]) == expected
