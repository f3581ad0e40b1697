"""What can be searched for: all of it leads to a place that is on the page."""

import json

import pytest

from core import chapters
from core.chapters import CHAPTERS, Chapter
from core.glossary import Symbol
from pages.kit import search
from tests.pages.conftest import Visit


def test_chapters_headings_and_questions_are_found():
    entries = search.entries()
    assert [entry[2] for entry in entries if entry[0] == "chapter"] == [chapter.slug for chapter in CHAPTERS]
    assert ("chapter", f"{CHAPTERS[4].label}: {CHAPTERS[4].question}", "brownian", "") in entries
    assert ("heading", "The pollen grain", "brownian", "prose_the_pollen_grain") in entries
    assert ("question", "Why is the coordinate score scaled by σ?", "score_matching", "prose_questions_people_ask") in entries
    assert not [entry for entry in entries if entry[1] in ("Slips", "In short")], "the one is not on the page, the other on every page"
    assert not [entry for entry in entries if "$" in entry[1] or "**" in entry[1]]


def test_symbols_come_from_the_glossary(monkeypatch):
    assert len({words for kind, words, *_ in search.entries() if kind == "symbol"}) > 50
    level = Symbol(r"\bar\sigma_t", "noise level", "width of the noise", "length", ("torus", "brownian", "gone"))
    monkeypatch.setattr(search.glossary, "load", lambda: (level,))
    assert search.entries()[-1] == ("symbol", "σt: noise level, width of the noise", "brownian", "n2c_equation")


@pytest.mark.parametrize(
    ("markdown", "words"),
    [(r"$\lambda=\sigma^2$", "λ=σ2"), (r"\Omega", "Ω"), (r"\varepsilon", "ε"), ("see [this](langevin?kT=2)", "see this")],
)
def test_plain_words(markdown, words):
    assert search.plain(markdown) == words


def test_every_entry_of_a_chapter_leads_to_a_place_on_its_page():
    slug = "score_matching"
    keys = {getattr(element, "key", None) for element in Visit(chapters.find(slug)).app.main}
    anchors = {anchor for kind, _, of, anchor in search.entries() if of == slug and anchor}
    assert anchors and anchors <= keys


def test_the_index_follows_the_registry(monkeypatch):
    before = search.index()
    dummy = Chapter("physics", "brownian", "A dummy", "Who was put in here?", "toys")
    monkeypatch.setattr(chapters, "CHAPTERS", (dummy, *CHAPTERS[5:]))
    after = json.loads(search.index())
    assert after["chapters"]["brownian"] == "1 · A dummy" and after["chapters"]["langevin"] == "2 · Langevin dynamics"
    monkeypatch.undo()
    assert search.index() == before
