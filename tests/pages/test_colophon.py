"""The foot of every page: version, commit, where to report an error."""

import pytest
from streamlit.testing.v1 import AppTest

from core.chapters import CHAPTERS, find
from core.version import commit, version
from pages.kit.colophon import words
from tests.pages.conftest import ROOT, Visit

OWN = "the repository that this copy came from"


def captions(app):
    return [element.value for element in app.caption]


def test_last_words_of_a_chapter_and_of_home(monkeypatch):
    monkeypatch.delenv("N2C_REPORT_URL", raising=False)
    home = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    chapter = Visit(CHAPTERS[0])
    for app in (home, chapter.app):
        assert captions(app)[-1].startswith(f"From Noise to Crystals {version()}") and OWN in captions(app)[-1]
        assert commit() in captions(app)[-1]
    monkeypatch.setenv("N2C_REPORT_URL", "mailto:errors@example.org")
    assert captions(chapter.run().app)[-1].endswith("[Report an error](<mailto:errors@example.org>)")


def test_an_audience_does_not_see_it():
    assert not any("From Noise to Crystals" in caption for caption in captions(Visit(find("brownian"), {"mode": "lecture"}).app))


@pytest.mark.parametrize("address", ["", "the tracker", "javascript:alert(1)", "https://a b", "https://a>[b](c)", "https://"])
def test_an_address_that_is_no_link_is_not_shown(address):
    assert words(address) == words("") and OWN in words(address)


def test_a_link_is_shown_as_it_is():
    address = "https://example.org/issues/new?labels=error&title=(x)"
    assert words(address).endswith(f"[Report an error](<{address}>)") and OWN not in words(address)
