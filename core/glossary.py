"""Symbols of the equations and what they mean, and abbreviations spelled out, from one file: assets/glossary.toml.

A letter that means different things in different chapters has an entry for each meaning; within a chapter it means one thing.
The first chapter of a meaning is the first in the order of the registry.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from core import chapters
from core.chapters import Chapter

PATH = Path(__file__).resolve().parents[1] / "assets" / "glossary.toml"


@dataclass(frozen=True)
class Symbol:
    """One meaning of one symbol. chapters: slugs of those whose equations use it so.

    stage: what it is on a stage of particles, in words that assets/player/player.js knows (STAGE_PARTS); the first that is drawn is meant.
    Raises ValueError for an empty field, `stage` excepted.
    """

    latex: str
    name: str
    meaning: str
    unit: str
    chapters: tuple[str, ...]
    stage: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if empty := [field.name for field in fields(self) if field.name != "stage" and not getattr(self, field.name)]:
            raise ValueError(f"the entry of the symbol {self.latex!r} ({self.name!r}) has an empty {empty[0]}")

    @property
    def plain(self) -> str:
        """The symbol without LaTeX, as one would type it into a search: `sigma σ`, `p_theta p_θ`."""
        words = re.sub(r"\\(?:text|mathrm|mathcal|mathbb|mathbf|tilde|bar|dot|langle|rangle)\b|[{}\s]", "", self.latex).replace("\\", "")
        return f"{words} {re.sub(r'[A-Za-z]+', lambda match: _greek(match[0]), words)}"


def _greek(word: str) -> str:
    """sigma -> σ; another word as it is."""
    try:
        return unicodedata.lookup(f"GREEK {'CAPITAL' if word[0].isupper() else 'SMALL'} LETTER {word.removeprefix('var')}")
    except KeyError:
        return word


def parse(text: str) -> tuple[Symbol, ...]:
    """Entries of a glossary. Raises ValueError where one is wrong, or where a chapter would have two meanings of one symbol."""
    entries: list[Symbol] = []
    seen: dict[tuple[str, str], str] = {}
    for number, given in enumerate(tomllib.loads(text).get("symbol", []), start=1):
        expected = {field.name for field in fields(Symbol)}
        if set(given) | {"stage"} != expected:
            raise ValueError(
                f"entry {number} of the glossary must have {', '.join(sorted(expected - {'stage'}))}, and has {', '.join(sorted(given))}"
            )
        entry = Symbol(**given | {name: tuple(given.get(name, ())) for name in ("chapters", "stage")})
        for slug in entry.chapters:
            if other := seen.get((slug, entry.latex)):
                raise ValueError(f"{entry.latex} has two meanings in '{slug}': {other} and {entry.name}")
            seen[slug, entry.latex] = entry.name
        entries.append(entry)
    return tuple(entries)


@lru_cache(maxsize=4)
def _load(path: Path, modified: float) -> tuple[Symbol, ...]:
    return parse(path.read_text(encoding="utf-8"))


def load(path: Path = PATH) -> tuple[Symbol, ...]:
    """All entries, in the order of the file; read again when the file has changed. Raises ValueError, FileNotFoundError."""
    return _load(path, path.stat().st_mtime)


def of(slug: str, entries: Sequence[Symbol] | None = None) -> dict[str, Symbol]:
    """LaTeX -> entry, of the symbols of one chapter."""
    return {entry.latex: entry for entry in (load() if entries is None else entries) if slug in entry.chapters}


@lru_cache(maxsize=4)
def _abbreviations(path: Path, modified: float) -> dict[str, str]:
    return tomllib.loads(path.read_text(encoding="utf-8"))["abbreviation"]


def abbreviations(path: Path = PATH) -> dict[str, str]:
    """Abbreviation -> what it stands for."""
    return _abbreviations(path, path.stat().st_mtime)


def spelled_out(*names: str) -> str:
    """`EDM: …. ODE: ….`, for the help of a control. Raises KeyError for an abbreviation that is not in the glossary."""
    return " ".join(f"{name}: {abbreviations()[name]}." for name in names)


def users(entry: Symbol) -> list[Chapter]:
    """The chapters that use the symbol so, in the order of reading: the first is where it is met first."""
    return [chapter for chapter in chapters.CHAPTERS if chapter.slug in entry.chapters]


def matches(entry: Symbol, words: str) -> bool:
    """Is every word of a search in the symbol, its name, its meaning or its unit?"""
    text = f"{entry.latex} {entry.plain} {entry.name} {entry.meaning} {entry.unit}".casefold()
    return all(word in text for word in words.casefold().split())
