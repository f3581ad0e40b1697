"""The sentences of the chapters that state a number, and which test backs which.

A test takes its numbers from the text (`numbers`), so that text and test cannot drift apart; `@claim` says which sentence it is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from core import texts
from core.chapters import find

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = ("Equation", "Forms", "Reproduce", "Papers")  # symbols, code and references
_ABBREVIATION = re.compile(r"\b(?:al|vs|eq|sec|ch|e\.g|i\.e|Phys|Math|Chem|Appl|Neural|Comput|Stat|Res|Rev|Ann|J)\.$|\b[A-Z]\.$")
_DIGIT = re.compile(r"\d")
_NO_NUMBER = re.compile(
    r"\[\[[^\]]*\]\]|\]\([^)]*\)|`[^`]*`|arXiv:[\d.]+|\b(?:1[5-9]\d\d|20[0-4]\d)\b|#\d+|[A-Za-zχ_^]\w*[\d₀₁]\w*|DPM-Solver\+\+\(2M\)"
)
Test = TypeVar("Test", bound=Callable[..., object])
POWERS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
CLAIMS: dict[str, list[str]] = {}  # slug -> patterns of the sentences that tests back


def text(slug: str) -> str:
    """What a chapter says, its white space made single blanks; without symbols, code and references."""
    chapter = find(slug)
    sections = texts.sections((ROOT / "assets" / "chapters" / chapter.part / f"{slug}.md").read_text(encoding="utf-8"))
    words = "\n\n".join(body for heading, body in sections.items() if heading not in SKIPPED)
    return "\n".join(
        " ".join(part.split()) for part in re.split(r"\n\s*\n|\n(?=\* |\| )", words) if not part.lstrip().startswith("Sources:")
    )


def sentences(slug: str) -> list[str]:
    """One by one; a row of a table counts as one."""
    found: list[str] = []
    for line in text(slug).splitlines():
        start = 0
        for end in (match.end() for match in re.finditer(r"[.?!][)*”]*(?= |$)", line)):
            if not _ABBREVIATION.search(line[start:end].rstrip()):
                found.append(line[start:end].strip())
                start = end
        found.append(line[start:].strip())
    return [one for one in found if one]


def states_a_number(sentence: str) -> bool:
    """Beside years, indices, file names and references."""
    return bool(_DIGIT.search(_NO_NUMBER.sub("", sentence)))


def numbers(slug: str, pattern: str) -> list[float]:
    """The numbers in the groups of a pattern that must be found in exactly one place of the text; `1,000` is 1000, `²³` is 23."""
    return [float(part.rstrip(".,").replace(",", "").replace("−", "-").translate(POWERS)) for part in words(slug, pattern)]


def words(slug: str, pattern: str) -> tuple[str, ...]:
    """The groups of a pattern that must be found in exactly one place of the text."""
    found = [match.groups() for match in re.finditer(pattern, text(slug))]
    assert len(found) == 1, f"{slug} has {len(found)} places like {pattern!r}: what it says has changed, so the claim must be checked anew"
    return found[0]


def claim(slug: str, *patterns: str) -> Callable[[Test], Test]:
    """The test below backs the sentences of this chapter in which the patterns are found."""
    CLAIMS.setdefault(slug, []).extend(patterns)
    return lambda test: test


def claimed(slug: str, sentence: str) -> bool:
    return any(re.search(pattern, sentence) for pattern in CLAIMS.get(slug, []))
