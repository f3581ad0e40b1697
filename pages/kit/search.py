"""What a reader can search for: chapters, headings of their texts, symbols and questions. The search itself runs in the browser."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import streamlit as st

from core import chapters, glossary
from core.chapters import Chapter
from pages.kit import text
from pages.kit.text import ASSETS

APART = {"Lead", "Equation", "Forms", "Reproduce", "Slips"}  # sections that have no heading on the page
EVERYWHERE = {"In short", "What to look at", "Questions people ask", "In the lecture"}  # headings that tell nothing of a chapter
_LED = re.compile(r"^(?:[*-] +)?\*\*(.+?)\*\*", re.MULTILINE | re.DOTALL)  # the words that begin a paragraph in bold


def component(name: str, *parts: str, html: str, styles: tuple[str, ...] = ()):
    """A piece of the page with a search in it: the shared scripts and `parts`, as one module."""
    kit = ASSETS / "kit"
    script = "\n".join((kit / part).read_text(encoding="utf-8") for part in ("progress.js", "search.js", *parts))
    style = "\n".join((kit / part).read_text(encoding="utf-8") for part in ("search.css", *styles))
    return st.components.v2.component(name, js=script, css=style, html=html)


def plain(markdown: str) -> str:
    """Words of a line of Markdown or LaTeX, as somebody would type them: `$\\sigma_t$` becomes σt."""

    def letter(match: re.Match) -> str:
        name = match[1].removeprefix("var").upper()
        try:
            return unicodedata.lookup(f"GREEK {'CAPITAL' if match[1][0].isupper() else 'SMALL'} LETTER {name.replace('LAMBDA', 'LAMDA')}")
        except KeyError:
            return {"nabla": "∇"}.get(match[1], "")

    linked = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", markdown)
    return " ".join(re.sub(r"[{}_^$*`\\]", "", re.sub(r"\\([A-Za-z]+)", letter, linked)).split())


def anchor(heading: str) -> str:
    """Key of the section's place on the page, as `Page.prose` gives it."""
    return f"prose_{heading.lower().replace(' ', '_')}"


def _of_text(chapter: Chapter) -> Iterator[tuple[str, str, str, str]]:
    try:
        sections = text.sections(chapter)
    except FileNotFoundError:  # a chapter that has no text yet is found by its title
        return
    for heading, body in sections.items():
        if heading in APART:
            continue
        if heading not in EVERYWHERE:
            yield "heading", heading, chapter.slug, anchor(heading)
        if heading in ("What to look at", "Questions people ask"):
            kind = "question" if heading == "Questions people ask" else "heading"
            for led in _LED.findall(body):
                yield kind, plain(led), chapter.slug, anchor(heading)


def _of_glossary() -> Iterator[tuple[str, str, str, str]]:
    order = [chapter.slug for chapter in chapters.CHAPTERS]
    for symbol in glossary.load():
        if places := sorted((slug for slug in symbol.chapters if slug in order), key=order.index):
            yield "symbol", f"{plain(symbol.latex)}: {symbol.name}, {symbol.meaning}", places[0], "n2c_equation"


def entries() -> list[tuple[str, str, str, str]]:
    """(kind, words, slug, place on that page or nothing); kind: chapter, heading, symbol, question."""
    found = [("chapter", f"{chapter.label}: {chapter.question}", chapter.slug, "") for chapter in chapters.CHAPTERS]
    return [*found, *(entry for chapter in chapters.CHAPTERS for entry in _of_text(chapter)), *_of_glossary()]


@lru_cache(maxsize=2)
def _packed(registry: tuple[Chapter, ...]) -> bytes:
    names = {chapter.slug: chapter.label for chapter in registry}
    return json.dumps({"chapters": names, "entries": entries()}, ensure_ascii=False, separators=(",", ":")).encode()


def index() -> bytes:
    """The entries and the chapters' labels as JSON; made once."""
    return _packed(chapters.CHAPTERS)
