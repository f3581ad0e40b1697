"""What the microstates figures and their stage draw is what was counted."""

import numpy as np
import pytest

from core.figures.microstates import count_table, entropy_figure, heads_figure, width_figure
from core.figures.microstates_stage import payload
from core.figures.payload import unpack
from core.figures.theme import DARK, LIGHT
from core.foundations.microstates import binomial, log_count, sample, width, widths


def trace(figure, name):
    (found,) = (t for t in figure.data if t.name == name)
    return found


def test_the_dots_end_in_their_columns():
    movie = unpack(payload(sample(n_throws=5000, seed=2)))
    microstates, throws = (panel["positions"][-1] for panel in movie.panels)
    assert np.bincount(np.rint(microstates[:, 0]).astype(int)).tolist() == [1, 6, 15, 20, 15, 6, 1]
    tossed = sample(n_throws=5000, seed=2).tosses.sum(1).numpy()
    assert (np.rint(throws[:, 0]).astype(int) == tossed).all()
    for n in range(7):
        pile = throws[np.rint(throws[:, 0]) == n, 1]
        assert pile.max() == pytest.approx(len(pile) / len(throws), abs=2e-3)
    assert movie.header["panels"][1]["title"] == "the first 2,000 of 5,000 throws" and movie.times[-1] == 100


def test_a_coarse_picture_shows_the_same_dots():
    full = unpack(payload(sample(n_throws=5000, seed=2)))
    coarse = unpack(payload(sample(n_throws=2000, seed=2), n_throws=5000, n_frames=60))
    assert coarse.times[[0, -1]].tolist() == full.times[[0, -1]].tolist() and len(coarse.times) == 60
    assert coarse.header["fps"] / 60 == pytest.approx(full.header["fps"] / len(full.times)), "at the same pace"
    for few, many in zip(coarse.header["panels"], full.header["panels"]):
        assert few["title"] == many["title"]
    for few, many in zip(coarse.panels, full.panels):
        assert (few["positions"][[0, -1]] == many["positions"][[0, -1]]).all()


@pytest.mark.parametrize(
    "kw, view", [(dict(n_coins=1, n_throws=1), "all"), (dict(n_coins=200, p=0.02), "zoom"), (dict(n_coins=200), "all")]
)
def test_the_stage_holds_everything_that_falls(kw, view):
    movie = unpack(payload(sample(**kw), view=view))
    assert all(panel["left"] <= 2 for panel in movie.header["panels"])  # beyond 4.5 standard deviations, at most
    with pytest.raises(ValueError, match="view"):
        payload(sample(**kw), view="sideways")


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_figures_draw_exact_beside_counted(palette):
    throws = sample(n_coins=12, n_throws=3000)
    heads = heads_figure(throws, palette=palette)
    exact = trace(heads, "exact ± 1 s.e.")
    assert np.allclose(exact.y, binomial(12, 0.5)[np.asarray(exact.x)]) and exact.marker.color == palette.exact
    assert np.sum(trace(heads, "3,000 throws").y) == pytest.approx(1)
    entropy = entropy_figure(throws, palette=palette)
    assert np.allclose(trace(entropy, "exact ln W / N").y, log_count(12) / 12)
    assert (np.asarray(trace(entropy, "Stirling, N → ∞").y) >= 0).all()
    drawn = width_figure(widths(p=0.5, n_throws=500), p=0.5, memory=0.5, chosen=width(throws), palette=palette)
    assert drawn.layout.xaxis.type == drawn.layout.yaxis.type == "log"
    assert trace(drawn, "on the stage").x == (12,) and trace(drawn, "√((1−p)/pN)").line.color == palette.exact


def test_count_table():
    table = dict(count_table(sample()))
    assert table["3 heads"].startswith("20 of 64 ways = 31.2%") and table["1 head"].startswith("6 of 64")
    many = dict(count_table(sample(n_coins=200)))
    assert many["Microstates, 2ᴺ"] == "1.61·10<sup>60</sup>" and many["ln W there"] == "135.75"
