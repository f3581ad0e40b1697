"""Places of logarithmic sliders."""

import pytest

from pages import kit
from pages.kit.controls import Slider


def test_graded_places_are_preferred_numbers_from_end_to_end():
    assert kit.graded(1, 100)[:14] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16]
    assert kit.graded(0.05, 0.2) == [0.05, 0.055, 0.06, 0.07, 0.08, 0.09, 0.1, 0.11, 0.12, 0.14, 0.16, 0.18, 0.2]
    assert kit.graded(3, 65, 15, 32)[-1] == 65 and {15, 32} <= set(kit.graded(3, 65, 15, 32))
    assert all(isinstance(n, int) for n in kit.graded(1, 2000))
    ratios = [high / low for low, high in zip(kit.graded(0.01, 50.0), kit.graded(0.01, 50.0)[1:])]
    assert max(ratios) < 1.21 and min(ratios) > 1.07
    for low, high in ((0, 1), (2, 1), (-1.0, 1.0)):
        with pytest.raises(ValueError):
            kit.graded(low, high)


def test_a_notice_names_a_few_of_many_places():
    few = Slider("n", "Number of steps n", 10, options=[1, 10, 100])
    assert few.expects() == "one of 1, 10, 100"
    many = Slider("g", "Friction γ", 1.0, options=kit.graded(0.05, 50.0))
    assert many.expects() == "one of 0.05, 0.055, 0.06, … (61 in all), 50.0" and not many.valid("0.13")
