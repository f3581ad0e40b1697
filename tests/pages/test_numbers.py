"""A chapter put in between: the pages around it carry the right numbers and lead to it."""

from streamlit.testing.v1 import AppTest

from core import chapters
from core.chapters import CHAPTERS, Chapter
from tests.pages.conftest import ROOT, Visit

PLACE = 5  # before Langevin dynamics


def test_a_chapter_put_in_is_counted_on_the_pages(tmp_path, monkeypatch):
    script = tmp_path / "dummy.py"
    script.write_text("import streamlit as st\nst.title('A dummy')\n")

    class Dummy(Chapter):
        page = str(script)

    dummy = Dummy("physics", "dummy", "A dummy", "Who was put in here?", "toys")
    monkeypatch.setattr(chapters, "CHAPTERS", (*CHAPTERS[:PLACE], dummy, *CHAPTERS[PLACE:]))
    before, after = Visit(CHAPTERS[PLACE - 1]), Visit(CHAPTERS[PLACE])
    for visit, place in ((before, PLACE), (after, PLACE + 2)):
        assert visit.failures == []
        assert visit.app.title[0].value.startswith(f"{place} · ")
    assert [link.proto.label for link in before.app.get("page_link")] == [
        f"{PLACE - 1} · {CHAPTERS[PLACE - 2].title}",
        f"{PLACE + 1} · A dummy",
    ]
    assert [link.proto.label for link in after.app.get("page_link")] == [
        f"{PLACE + 1} · A dummy",
        f"{PLACE + 3} · {CHAPTERS[PLACE + 1].title}",
    ]
    prose = " ".join(markdown.value for markdown in after.app.markdown)
    assert f"[chapter {PLACE}, Brownian motion](brownian)" in prose
    assert [title.value for title in Visit(dummy).app.title] == ["A dummy"]
    home = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    assert f"**{PLACE + 1} · A dummy**" in [link.proto.label for link in home.get("page_link")]
