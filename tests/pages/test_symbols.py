"""The page of symbols: everything on it, found by a word, a letter or a chapter."""

import pytest
from streamlit.testing.v1 import AppTest

from core import glossary
from core.chapters import SYMBOLS, find
from tests.pages.conftest import ROOT


def rows(**query):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.switch_page(SYMBOLS.page)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app, [line for element in app.markdown for line in element.value.splitlines() if line.startswith("| $")]


def test_every_symbol_is_there_with_its_first_chapter():
    _, shown = rows()
    assert len(shown) == len(glossary.load())
    torus, brownian = find("torus"), find("brownian")
    (normal,) = (row for row in shown if "normal distribution" in row)
    assert f"[{brownian.number} {brownian.title}](brownian)" in normal and f"[{torus.number}](torus" in normal


def test_symbols_are_found_by_letter_and_by_chapter():
    _, by_letter = rows(find="γ")
    assert len(by_letter) >= 5 and all("gamma" in row.casefold() or "γ" in row for row in by_letter)
    _, by_chapter = rows(chapter=find("guidance").title)
    assert len(by_chapter) == len(glossary.of("guidance"))
    app, none = rows(find="flux capacitor")
    assert none == [] and "flux capacitor" in app.info[0].value


@pytest.mark.parametrize("query", [{"find": "9" * 400}, {"chapter": "nowhere"}, {"find": "<script>", "chapter": ""}, {"find": "$x | y"}])
def test_garbage_does_no_harm(query):
    rows(**query)
