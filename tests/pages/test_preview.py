"""The picture under the thumb is a coarse picture of the very run that is committed when the thumb is let go of."""

import json
import threading

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.chapters import CHAPTERS, find
from core.figures.payload import unpack
from pages.kit import preview
from pages.kit.controls import Choice, Slider
from tests.pages.conftest import Visit

FLOWS = 25  # places of a slider from which the picture flows: six a second, if a thumb takes four seconds over the length


def offered(visit):
    """What this reader's page offers, or None."""
    return preview._offers.get(visit.app.session_state["_preview"]) if "_preview" in visit.app.session_state else None


def parted(envelope):
    end = 4 + int.from_bytes(envelope[:4], "little")
    return json.loads(envelope[4:end]), envelope[end:]


def stage_of(visit):
    sent = [e.proto.bytes for e in visit.app.get("bidi_component") if e.proto.component_name in ("particle_player", "crystal_player")]
    return parted(sent[0])[1]


def values_shown(visit):
    (line,) = [element.value for element in visit.app.markdown if element.value.startswith("$") and element.value.endswith("$")]
    return [part.strip("$ ") for part in line.split("$ $")]


def ends(slider):
    """Two places of a slider that are not where it stands, as the browser counts."""
    if slider.options:
        at = list(slider.options).index(slider.default)
        return [place for place in (max(at - 1, 0), min(at + 1, len(slider.options) - 1)) if place != at]
    return [
        slider.default + share * (far - slider.default) for far in (slider.low, slider.high) for share in (0.5,) if far != slider.default
    ]


def places(slider):
    """How many there are."""
    return len(slider.options) or round((slider.high - slider.low) / (slider.step or 1)) + 1


def on_grid(slider, place):
    """The place that a slider with steps has nearest to this one."""
    if slider.options:
        return place
    step = slider.step or 1
    return type(slider.default)(round(slider.low + round((place - slider.low) / step) * step, 6))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.slug)
def test_a_preview_is_of_the_run_that_is_committed(chapter):
    visit = Visit(chapter)
    offer = offered(visit)
    sliders = [control for control in visit.declared if isinstance(control, Slider) and control.key in visit.values]
    for slider in sliders:
        assert offer and slider.previewed or "Acts when you let go: " in slider.explained, "a slider that waits says so, and why"
    if offer is None:
        return
    followed = [slider for slider in sliders if slider.previewed]
    assert followed and places(followed[0]) >= FLOWS
    for slider in followed:
        place = on_grid(slider, ends(slider)[-1])
        told, payload = parted(offer.drawn(slider.key, place))
        visit.put(**{slider.key: slider.at(place)})
        assert told["equation"] == values_shown(visit), slider.key
        if payload[:4] == b"N2CX":
            assert payload == stage_of(visit), "crystals have few atoms: all of them are shown"
            visit.put(**{slider.key: slider.default})
            continue
        coarse, full = unpack(payload), unpack(stage_of(visit))
        assert [p.get("name") for p in coarse.header["panels"]] == [p.get("name") for p in full.header["panels"]]
        assert coarse.header["bounds"] == pytest.approx(full.header["bounds"], rel=0.02), slider.key
        assert coarse.times[[0, -1]] == pytest.approx(full.times[[0, -1]])
        assert len(payload) <= len(stage_of(visit))
        span = np.ptp(np.array(full.header["bounds"]).reshape(-1, 2), axis=1)
        for few, all_ in zip(coarse.panels, full.panels, strict=True):
            if "positions" in few and slider.key != "n_particles":
                first, same = few["positions"][-1], all_["positions"][-1][: len(few["positions"][-1])]
                assert np.nanmax(np.abs(first - same) / span, initial=0) < 2e-3, (slider.key, "the first particles are the same ones")
        visit.put(**{slider.key: slider.default})


def test_what_the_server_answers(monkeypatch):
    visit = Visit(find("brownian"))
    name = visit.app.session_state["_preview"]
    client = TestClient(Starlette(routes=preview.routes()))
    answer = client.get(f"/n2c/preview/{name}/sigma/1.5")
    assert answer.status_code == 200 and r"\sigma = 1.5" in json.dumps(parted(answer.content)[0]).replace("\\\\", "\\").replace("}", "")
    assert client.get(f"/n2c/preview/{name}x/sigma/1.5").status_code == 404, "nobody else's page"
    for key, place in (("sigma", "99"), ("sigma", "nan"), ("sigma", "one"), ("seed", "3"), ("nothing", "3")):
        assert client.get(f"/n2c/preview/{name}/{key}/{place}").status_code == 204, (key, place)
    monkeypatch.setattr(preview, "_free", threading.BoundedSemaphore(1))
    with preview._free:
        assert client.get(f"/n2c/preview/{name}/sigma/1.5").status_code == 503, "too much to do"
    assert client.get(f"/n2c/preview/{name}/sigma/1.5").status_code == 200


def test_a_place_of_a_slider_is_a_value():
    some = Slider("kT", "Temperature kT", 1.0, low=0.5, high=2.0, step=0.1)
    assert some.at(1.5) == 1.5 and isinstance(Slider("n", "Particles n", 10, low=1, high=20, step=1).at(12.0), int)
    assert Slider("g", "Friction γ", 5.0, options=[1.0, 5.0, 20.0]).at(2) == 20.0
    for place in (0.4, 2.1, float("nan"), float("inf")):
        with pytest.raises(ValueError):
            some.at(place)


def test_the_reader_who_was_quiet_longest_is_forgotten():
    offers = preview.Offers(most=2)
    made = preview.Offer([Choice("a", "A", "b", options=["b"])], {}, lambda values: b"", lambda values, key: [])
    for name in ("one", "two"):
        offers.put(name, made)
    offers.put("one", made)
    offers.put("three", made)
    assert offers.get("two") is None and offers.get("one") and offers.get("three")
