"""The registry: order, numbers, and what follows from them wherever a number is printed."""

import re
from pathlib import Path

import pytest
from streamlit.material_icon_names import ALL_MATERIAL_ICONS

from core import chapters, export, texts
from core.chapters import CHAPTERS, HOME, PARTS, SIDE_PAGES, Chapter, find, neighbours

ROOT = Path(__file__).resolve().parents[2]
DUMMY = Chapter("learning", "dummy", "A dummy", "Who was put in here?", "toys")


def test_registry():
    slugs = [page.slug for page in (*SIDE_PAGES, *CHAPTERS)]
    assert len(set(slugs)) == len(slugs)
    assert SIDE_PAGES[0] is HOME
    assert list(dict.fromkeys(chapter.part for chapter in CHAPTERS)) == list(PARTS), "the chapters of a part stand together"
    assert [chapter.number for chapter in CHAPTERS] == list(range(1, len(CHAPTERS) + 1))
    assert neighbours(CHAPTERS[0]) == (None, CHAPTERS[1])
    assert neighbours(CHAPTERS[-1])[1] is None
    assert {page.icon for page in (*SIDE_PAGES, *CHAPTERS)} <= set(ALL_MATERIAL_ICONS)
    for page in SIDE_PAGES:
        assert (ROOT / page.page).exists()
    with pytest.raises(KeyError, match="brownian"):
        find("nowhere")
    with pytest.raises(ValueError, match="part"):
        Chapter("nowhere", "x", "X", "?", "icon")
    with pytest.raises(ValueError):
        DUMMY.number  # noqa: B018


def sources():
    """Every text and source file of the project that people write."""
    trees = [path for room in ("core", "pages", "assets", "tests") for path in (ROOT / room).rglob("*")]
    for path in [*ROOT.iterdir(), *trees]:
        if path.suffix in (".py", ".md", ".js", ".css", ".toml", ".template") and "vendor" not in path.parts:
            yield path


def test_nobody_types_the_number_of_a_chapter():
    typed = [
        f"{path.relative_to(ROOT)}, line {line}: “{words}” will be wrong when a chapter is put in before it. "
        "Write [[slug]] in a chapter's text, the title or the slug elsewhere."
        for path in sources()
        for line, words in texts.typed_numbers(path.read_text(encoding="utf-8"))
    ]
    assert typed == []


@pytest.mark.parametrize("number", ["7", "12\nand", "7 to 9", "three"])
def test_a_typed_number_is_found(number):
    for word in ("chapter", "Chapters", "chapter\n"):
        assert texts.typed_numbers(f"first\nas {word} {number}")[0][0] == 2
    assert texts.typed_numbers("the chapters, three of them; two chapters; [[langevin]]; a chapter\n\nFour files; ch. 4") == []


def rows_of_readme():
    """(number, title) of each row of README's table of chapters."""
    words = (ROOT / "README.md").read_text(encoding="utf-8")
    table = words.split("| chapter | you move |")[1].split("\n\n")[0]
    return [(int(number), title) for number, title in re.findall(r"^\| (\d+) (.+?) \|", table, flags=re.MULTILINE)]


def test_the_table_of_readme_is_the_registry():
    expected = [(chapter.number, chapter.title) for chapter in CHAPTERS]
    assert rows_of_readme() == expected, "README.md, “What is in it”: one row per chapter, numbers and titles as in core/chapters.py"


def test_a_text_names_another_chapter_by_number_and_title():
    langevin = find("langevin")
    link = f"[chapter {langevin.number}, Langevin dynamics]"
    assert texts.with_numbers("See [[langevin]].") == f"See {link}(langevin)."
    assert texts.with_numbers("See [[langevin?gamma=1&kT=2]].") == f"See {link}(langevin?gamma=1&kT=2)."
    kept = "[friction](langevin?gamma=1), `a[[langevin]]`,\n```python\na[[langevin]]\n```\n"
    assert texts.with_numbers(kept) == kept
    with pytest.raises(KeyError, match="no chapter 'nowhere'"):
        texts.with_numbers("[[nowhere]]")


def test_references_of_a_text():
    words = "[[langevin]], [[torus?seed=2]], [these](boltzmann?panel=%CE%BC), [a page](https://x.org), `[[i]]`"
    assert texts.references(words) == [("langevin", ""), ("torus", "seed=2"), ("boltzmann", "panel=%CE%BC")]


@pytest.mark.parametrize("place", [0, 9, len(CHAPTERS)])
def test_a_chapter_put_in_moves_the_numbers_behind_it(place, monkeypatch):
    registry = (*CHAPTERS[:place], DUMMY, *CHAPTERS[place:])
    monkeypatch.setattr(chapters, "CHAPTERS", registry)
    seen = 0
    for number, chapter in enumerate(registry, start=1):
        assert chapter.number == number
        assert chapter.label == f"{number} · {chapter.title}"
        assert neighbours(chapter)[1] is (registry[number] if number < len(registry) else None)
        assert f"From Noise to Crystals, chapter {number}.\n" in export.script(chapter, "```python\nfigure = 1\n```", {}) + "\n"
        if chapter is not DUMMY:
            words = (ROOT / "assets" / "chapters" / chapter.part / f"{chapter.slug}.md").read_text(encoding="utf-8")
            for told, title, slug in re.findall(r"\[chapter (\d+), ([^\]]+)\]\((\w+)\)", texts.with_numbers(words)):
                named = registry[int(told) - 1]
                assert (named.slug, named.title) == (slug, title)
                seen += 1
    assert seen > 10
