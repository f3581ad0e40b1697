"""Words stand where the stage will be until it is there."""

from streamlit.testing.v1 import AppTest

from core.chapters import find
from tests.pages.conftest import Visit

WORDS = "Computing the first picture"


def words(app):
    return [element.proto.body for element in app.get("html") if WORDS in element.proto.body]


def half_drawn():
    import streamlit as st

    from pages.kit import waiting

    waiting.begin()
    if st.session_state.get("drawn"):
        waiting.over()


def test_words_until_the_stage_is_there():
    app = AppTest.from_function(half_drawn).run()
    assert len(words(app)) == 1
    app.run()
    assert len(words(app)) == 1, "an interrupted run has shown nothing yet"
    app.session_state["drawn"] = True
    app.run()
    assert words(app) == []
    app.session_state["drawn"] = False
    app.run()
    assert words(app) == [], "the old picture stays while a new one is computed"


def test_a_page_that_is_there_has_no_words_left():
    assert words(Visit(find("brownian")).app) == []
