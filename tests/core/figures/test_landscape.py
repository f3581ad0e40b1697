"""Figures of the systems: conventions are never mixed, labels of neighbours stand on different sides."""

import pytest

from core.crystals import landscape
from core.figures import landscape as figures


@pytest.mark.parametrize("convention", landscape.CONVENTIONS)
def test_points_are_those_of_one_convention_with_ours_among_them(convention):
    shown = landscape.selected("MP-20", convention)
    figure = figures.scores_figure(shown, convention=convention)
    drawn = {(x, y) for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True)}
    assert drawn == {(one.rmse, one.match) for one in shown if one.rmse is not None}
    published, ours = figure.data
    assert "DiffCSP" in published.text and set(ours.text) == {"our flow", "our prototypes + flow", "no network"}
    calls = figures.calls_figure(shown, convention=convention)
    assert 2000 in calls.data[0].x and landscape.own_calls() in calls.data[1].x


def test_labels_of_neighbours_stand_on_different_sides():
    assert figures.sides([(0, 0), (0.1, 0), (5, 0)], (1, 1)) == ["top center", "bottom center", "top center"]


def test_calibration_and_tables_show_what_was_measured():
    dev = landscape.measured("MaskGXT")
    diagonal, curve = figures.calibration_figure(dev).data
    assert list(curve.y) == dev["calibration"]["accuracy"] and list(diagonal.x) == list(diagonal.y)
    rows = figures.systems_table(landscape.systems(), landscape.numbers())
    row = next(row for row in rows if row["System"] == "DiffCSP")
    assert (row["MP-20, unfiltered (%)"], row["MP-20, filtered (%)"], row["Network calls"]) == (57.8, 51.49, 2000)
    assert all(row["Source"] and row["Convention"] for row in figures.numbers_table(landscape.numbers()))
