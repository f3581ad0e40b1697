"""Brownian motion: when a control moves, the number on the page must move the right way."""

import pytest

from core.chapters import find
from tests.pages.conftest import Visit, reading


def test_brownian_levy_flights_never_become_gaussian_and_coins_do():
    visit = Visit(find("brownian"))
    bell = visit.truth
    assert visit.put(step="levy").truth > 5 * bell
    few = visit.put(step="coin", n_steps=2).truth
    assert visit.put(n_steps=1000).truth < few / 4


def test_brownian_a_smaller_grain_spreads_faster():
    visit = Visit(find("brownian"), {"world": "pollen grain"})
    large = reading(visit, "Diffusion constant D")
    small = reading(visit.put(radius=0.25), "Diffusion constant D")
    assert small == pytest.approx(2 * large, rel=0.01)  # D = kT / (6 pi eta r), three digits shown
