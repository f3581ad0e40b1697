"""Predict first: the question stands above the stage, which rests until it is answered, skipped or the link says so."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from core.chapters import find
from tests.pages.conftest import ROOT, Visit


def told(app, what):
    """What the browser was told in the last run."""
    protos = [element.proto for element in app.get("bidi_component") if element.proto.component_name == "n2c_tell"]
    return [said for said in (json.loads(proto.json) for proto in protos) if said["what"] == what]


def mounts(app):
    """How the players of the page are mounted, and all that they are sent."""
    sent = [e.proto.bytes for e in app.get("bidi_component") if e.proto.component_name in ("particle_player", "crystal_player")]
    return [json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")]) for data in sent], sent


def kinds(app):
    return [(getattr(element, "type", ""), getattr(element, "key", None)) for element in app.main]


def test_the_question_stands_above_a_stage_that_rests():
    visit = Visit(find("brownian"))
    order = kinds(visit.app)
    assert order.index(("radio", "_answer_brownian")) < order.index(("bidi_component", "stage"))
    assert [mount["rest"] for mount in mounts(visit.app)[0]] == ["brownian"]
    (said,) = told(visit.app, "visit")
    assert said["chapter"] == "brownian" and not (said["answered"] or said["skipped"] or said["autoplay"])
    assert told(visit.app, "answer") == []


def test_an_answer_lets_it_play_and_sends_the_picture_only_once():
    visit = Visit(find("brownian"))
    before = mounts(visit.app)[1]
    visit.app.radio(key="_answer_brownian").set_value("four times as wide").run()
    assert told(visit.app, "visit")[0]["answered"]
    assert told(visit.app, "answer") == [{"what": "answer", "chapter": "brownian", "question": "1", "right": False}]
    assert mounts(visit.app)[1] == before, "the payload stays what it is: the browser knows that it may play"
    assert visit.app.error and not [button for button in visit.app.button if button.key == "skip"]
    visit.put(sigma=2.0)
    assert visit.app.error, "the answer stays visible"


def test_an_answer_is_still_there_on_the_way_back():
    visit = Visit(find("brownian"))
    visit.app.radio(key="_answer_brownian").set_value("twice as wide").run()
    visit.app.switch_page(find("langevin").page).run()
    assert not told(visit.app, "visit")[0]["answered"]
    visit.app.switch_page(find("brownian").page).run()
    assert visit.app.radio(key="_answer_brownian").value == "twice as wide"
    assert told(visit.app, "visit")[0]["answered"] and visit.app.success


def test_skipping():
    visit = Visit(find("brownian"))
    visit.app.button(key="skip").click().run()
    assert told(visit.app, "visit")[0]["skipped"] and told(visit.app, "answer") == []
    assert visit.app.radio(key="_answer_brownian").value is None, "it can still be answered"
    assert not [button for button in visit.app.button if button.key == "skip"]


@pytest.mark.parametrize(
    ("query", "plays", "folded"),
    [
        ({}, False, False),
        ({"autoplay": "1"}, True, False),
        ({"autoplay": "0"}, False, False),
        ({"autoplay": "1", "mode": "lecture"}, True, True),
        ({"mode": "lecture"}, False, False),
    ],
)
def test_a_link_can_let_it_play_at_once(query, plays, folded):
    visit = Visit(find("brownian"), query)
    assert visit.failures == [] and told(visit.app, "visit")[0]["autoplay"] is plays
    assert any((key or "").startswith("predict_folded_") for _, key in kinds(visit.app)) is folded


def test_in_a_lecture_the_further_chapters_play_at_once_too():
    visit = Visit(find("brownian"), {"autoplay": "1", "mode": "lecture"})
    del visit.app.query_params["autoplay"]
    visit.app.switch_page(find("langevin").page).run()
    assert told(visit.app, "visit")[0]["autoplay"]
    visit.app.session_state["mode"] = "study"
    visit.run()
    assert not told(visit.app, "visit")[0]["autoplay"]


def test_home_asks_nothing_and_plays():
    home = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    assert {mount["rest"] for mount in mounts(home)[0]} == {""}
    assert told(home, "visit")[0]["chapter"] == ""


def several():
    import streamlit as st

    from pages import kit
    from pages.kit import progress, stage
    from pages.kit.predict import place_above_the_stage

    progress.begin("brownian")
    stage.begin()
    st.session_state["_controls"] = {"brownian": {"values": {"kT": 2}}}
    place_above_the_stage()
    st.title("The stage")
    if not st.session_state.get("silent"):
        kit.predict("brownian", "First?", ["yes", "no"], lambda values: (0, "Computed."))
        kit.predict("brownian", lambda values: f"At kT = {values['kT']}?", ["yes", "no"], lambda values: (1, "Counted."))
        kit.predict("brownian", "Never?", lambda values: [], lambda values: (0, ""))
    progress.nothing_asked()


def test_a_chapter_may_ask_several_questions_and_the_first_stands_above():
    app = AppTest.from_function(several).run()
    order = kinds(app)
    radios = [place for place, (kind, _) in enumerate(order) if kind == "radio"]
    assert radios[0] < order.index(("title", None)) < radios[1]
    assert app.radio(key="_answer_brownian_2").label == "At kT = 2?" and len(radios) == 2
    app.radio(key="_answer_brownian_2").set_value("yes").run()
    assert [(said["question"], said["right"]) for said in told(app, "answer")] == [("2", False)]
    assert app.error[0].value.startswith("Not this time: **no.** Counted.")
    app.radio(key="_answer_brownian").set_value("yes").run()
    assert [(said["question"], said["right"]) for said in told(app, "answer")] == [("1", True), ("2", False)]
    assert len(app.success) == len(app.error) == 1


def test_a_chapter_that_asks_nothing_lets_its_players_play():
    app = AppTest.from_function(several)
    app.session_state["silent"] = True
    assert told(app.run(), "answer") == [{"what": "answer", "chapter": "brownian"}]
