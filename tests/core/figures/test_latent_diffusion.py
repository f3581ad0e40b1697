import numpy as np
import pytest
import torch

from core.figures import latent_diffusion as figures
from core.figures.latent_diffusion_stage import mosaic, payload, payload_of_blend
from core.figures.payload import unpack
from core.figures.theme import DARK, LIGHT
from core.learning import lattice_images
from core.learning.latent_diffusion import Curves, Reading
from core.learning.lattice_images import SIDE
from core.numerics.distances import Floor, Truth

CURVES = Curves(
    [1, 8], {"latent": [200, 500], "pixel": [400, 3200]}, {"latent": [3.0, 1.0], "pixel": [4.0, 2.0]}, 0.7, Floor(0.5, 0.05, 0.6, 200)
)


def test_mosaic_puts_the_first_picture_top_left_and_holes_between():
    x = torch.stack([torch.full((SIDE * SIDE,), float(k)) for k in range(6)])[None]
    board = mosaic(x, columns=4, gutter=2)
    assert board.shape == (1, 2 * SIDE + 2, 4 * SIDE + 6)
    value = lattice_images.brightness(torch.arange(6.0)).numpy()
    assert board[0, -1, 0] == pytest.approx(value[0]) and board[0, -1, SIDE + 2] == pytest.approx(value[1])
    assert board[0, 0, 0] == pytest.approx(value[4])
    assert np.isnan(board[0, SIDE, 0]) and np.isnan(board[0, 0, -1])  # a gutter, and a place without a picture


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_work_figure_has_floor_ceiling_and_both_spaces(palette):
    figure = figures.work_figure(CURVES, palette=palette)
    found = {trace.name: trace for trace in figure.data}
    assert list(found[figures.NAMES["latent"]].y) == [3.0, 1.0] and list(found[figures.NAMES["pixel"]].x) == [400, 3200]
    assert found[figures.NAMES["latent"]].line.color == palette.sample
    assert list(found["exact pictures through the autoencoder"].y) == [0.7, 0.7]


def test_latent_figure_draws_every_point():
    kinds = torch.tensor([0, 1, 2, 3, 3])
    figure = figures.latent_figure(torch.randn(5, 2), kinds, torch.randn(7, 2))
    assert [len(trace.x) for trace in figure.data] == [1, 1, 1, 2, 7]
    assert len({trace.marker.color for trace in figure.data}) == 5


def test_side_by_side_names_the_word_only_if_there_is_one():
    truths = {space: Truth("d", 1.0, Floor(0.5, 0.1, 0.7, 200)) for space in ("latent", "pixel")}
    reading = Reading(torch.tensor([0.2, 0.4, 0.3]), torch.tensor([2, 2, 0]))
    both = {space: reading for space in truths}
    cost = {"latent": 0.02, "pixel": 0.2}
    rows = {name: cells for name, *cells in figures.side_by_side(truths, both, reading, cost, 0.01, word="hexagonal", n_steps=30)}
    assert rows["time a picture, measured"] == ["100 µs + 50 µs to decode", "1000 µs"]
    assert rows["read as hexagonal (exact ones: 67%)"] == ["67%", "67%"]
    assert len(figures.side_by_side(truths, both, reading, cost, 0.01, word="any", n_steps=30)) == len(rows) - 1


def test_stages_are_movies_of_pictures():
    grown = unpack(payload(word="square", n_steps=3, seed=1, walk="diffusion"))
    assert grown.header["mode"] == "image" and len(grown.panels) == 3 and len(grown.times) == 4
    exact = grown.panels[0]["image"]
    assert np.array_equal(exact[0], exact[-1], equal_nan=True) and np.nanmax(exact) <= 1 and np.nanmin(exact) >= 0
    mixed = unpack(payload_of_blend(seed=1))
    assert len(mixed.panels) == 2 and mixed.times[0] == 0 and mixed.times[-1] == 1
