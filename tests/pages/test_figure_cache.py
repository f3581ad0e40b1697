"""A figure is drawn once for all readers, and anew for whatever it depends on."""

import threading

import numpy as np
import plotly.graph_objects as go
import plotly.io
import pytest

from core.chapters import find
from core.figures import brownian as brownian_figures
from core.figures import representation as representation_figures
from core.figures import score_fields as score_fields_figures
from core.figures import score_matching as score_matching_figures
from core.learning import score_matching
from core.structures.builtin import STRUCTURES
from pages.kit.figure_cache import FigureCache, Finished, frozen
from tests.pages.conftest import Visit


def line(*y):
    return go.Figure(go.Scatter(x=list(range(len(y))), y=list(y)))


@pytest.fixture
def drawn(monkeypatch):
    """counted(module, name): the list that a figure function adds its name to when it is called."""
    names = []

    def counted(module, name):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **kwargs: names.append(name) or function(*args, **kwargs))
        return names

    return counted


def figures(visit):
    return {element.proto.id.rsplit("-", 1)[-1]: element.proto.spec for element in visit.app.get("plotly_chart")}


def test_a_finished_figure_is_the_figure():
    drawn = line(1.5, float("nan"), 2.0).update_layout(title_text="</script>", height=321)
    finished = Finished(drawn)
    full, kept = (plotly.io.from_json(plotly.io.to_json(one, validate=False)) for one in (drawn, finished))
    assert kept.data == full.data and kept.layout.title == full.layout.title and kept.layout.height == 321
    assert kept.layout.template.layout == full.layout.template.layout
    assert kept.layout.template.data.scatter == full.layout.template.data.scatter and not kept.layout.template.data.bar
    assert plotly.io.to_json(finished, validate=False) == plotly.io.to_json(finished, validate=False)


def test_the_cache_is_bounded_and_drops_what_was_not_asked_for():
    cache, calls = FigureCache(most=2), []

    def get(key):
        return cache.get(key, lambda: calls.append(key) or line(key))

    first = get(1)
    get(2)
    assert get(1) is first and calls == [1, 2]
    get(3)
    get(1)
    assert calls == [1, 2, 3]
    get(2)
    assert calls == [1, 2, 3, 2]
    small = FigureCache(most_bytes=first.size)
    for key in (1, 2, 1):
        small.get(key, lambda key=key: calls.append(key) or line(key))
    assert calls[-3:] == [1, 2, 1]


def test_two_readers_at_once_have_it_drawn_once_and_a_failure_is_not_kept():
    cache, calls, together = FigureCache(), [], threading.Barrier(2)

    def draw():
        calls.append(1)
        return line(1)

    def ask():
        together.wait()
        cache.get("a", draw)

    readers = [threading.Thread(target=ask) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert calls == [1]
    with pytest.raises(ZeroDivisionError):
        cache.get("b", lambda: line(1 / 0))
    assert cache.get("b", draw) and calls == [1, 1]


def test_what_a_figure_depends_on_must_be_comparable():
    assert frozen({"b": [1, 2], "a": {"c": 3.0}}) == frozen({"a": {"c": 3.0}, "b": (1, 2)})
    assert frozen({"a": 1}) != frozen({"a": 2})
    with pytest.raises(TypeError):
        frozen({"a": np.zeros(2)})


def test_the_second_reader_draws_nothing_and_a_moved_control_does(drawn):
    calls = drawn(brownian_figures, "mean_square_figure")
    drawn(brownian_figures, "convergence_figure")
    settings = {"t_end": "1.75", "seed": "4711"}
    first = figures(Visit(find("brownian"), settings))
    assert sorted(calls) == ["convergence_figure", "mean_square_figure"]
    calls.clear()
    visit = Visit(find("brownian"), settings)
    assert figures(visit) == first and calls == []
    moved = figures(visit.put(seed=4712))
    assert sorted(calls) == ["convergence_figure", "mean_square_figure"] and moved.keys() == first.keys()
    assert all(moved[key] != first[key] for key in first)
    calls.clear()
    assert figures(visit.put(seed=4711)) == first and calls == []
    lecture = figures(Visit(find("brownian"), settings | {"mode": "lecture"}))
    assert len(calls) == 2 and all(lecture[key] != first[key] for key in first), "larger type for the audience"


def test_pasted_points_change_the_figures_that_show_them(drawn):
    calls = drawn(score_fields_figures, "mode_figure")
    visit = Visit(find("score_fields"), {"source": "your points"})
    before = figures(visit)
    calls.clear()
    visit.app.text_area(key="points_text").set_value("0, 0\n1, 1\n-1, 0.5\n2, 0.3").run()
    after = figures(visit)
    assert visit.failures == [] and calls == ["mode_figure"]
    assert all(after[key] != before[key] for key in before)


def test_an_uploaded_crystal_changes_the_figures_that_show_it(drawn):
    calls = drawn(representation_figures, "distance_figure")
    visit = Visit(find("representation"))
    before = figures(visit)
    calls.clear()
    visit.app.file_uploader(key="upload").set_value(("own.cif", STRUCTURES["wurtzite ZnS"]().to_cif().encode(), "chemical/x-cif")).run()
    after = figures(visit)
    assert visit.failures == [] and calls == ["distance_figure"]
    assert all(after[key] != before[key] for key in before)


def test_a_trained_network_changes_the_figures_that_show_it(monkeypatch, drawn):
    calls = drawn(score_matching_figures, "aim_figure")
    settings = {"n_steps": "100", "seed": "31"}
    visit = Visit(find("score_matching"), settings)
    before = figures(visit)
    params = {key: visit.values[key] for key in ("dataset", "objective", "clock", "weighting", "output", "n_steps", "seed")}
    trained = score_matching.snapshot(score_matching.fit(**params), score_matching.Settings(**params))
    monkeypatch.setattr(score_matching, "snapshot", lambda part, settings: trained)
    calls.clear()
    after = figures(visit.run())
    assert visit.failures == [] and calls == ["aim_figure"]
    assert all(after[key] != before[key] for key in before)
