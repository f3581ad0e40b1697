"""Chapter texts: Markdown files cut at their second-level headings, and how a text speaks of another page.

`[[langevin]]` becomes a link that shows number and title, so that no text types a number; `[[symbols]]`, a page beside the chapters,
one that shows its title. `[words](langevin)` shows words of its own.
Both take the query of a link: `[[langevin?gamma=1]]`, `[words](langevin?gamma=1)`.
"""

from __future__ import annotations

import re

from core.chapters import HOME, Chapter, find_page

_CODE = r"```.*?```|`[^`\n]*`"  # nothing in code is a reference
_NUMBERED = re.compile(rf"{_CODE}|\[\[([^\[\]?\n]*)(\?[^\[\]\n]*)?\]\]", re.DOTALL)
_WORDS = "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
_BETWEEN = r"(?:[^\S\n]+|-|[^\S\n]*\n[^\S\n]*)"  # a line may end there, a paragraph may not
_TYPED = re.compile(rf"\bchapters?{_BETWEEN}(?:\d+|{_WORDS.replace(' ', '|')})\b", re.IGNORECASE)
_WORDED = re.compile(rf"{_CODE}|\]\((\w+)(\?[^)\n]*)?\)", re.DOTALL)


def sections(markdown: str) -> dict[str, str]:
    """Heading -> Markdown under it, for every `## heading`."""
    parts = re.split(r"^## +(.+?) *$", markdown, flags=re.MULTILINE)
    return {heading: body.strip() for heading, body in zip(parts[1::2], parts[2::2])}


def references(markdown: str) -> list[tuple[str, str]]:
    """(slug, query without its question mark) of every reference to a page, of either form; the slug may be one that nobody knows."""
    found = [match for form in (_NUMBERED, _WORDED) for match in form.finditer(markdown) if match[1] is not None]
    return [(match[1], (match[2] or "").removeprefix("?")) for match in found]


def with_numbers(markdown: str) -> str:
    """The text with each `[[slug]]` as a link; its words are number and title of a chapter, the title of a page beside the chapters.

    Raises KeyError for an unknown slug.
    """

    def link(match: re.Match) -> str:
        if match[1] is None:
            return match[0]
        page = find_page(match[1])
        words = f"chapter {page.number}, {page.title}" if isinstance(page, Chapter) else page.title
        return f"[{words}]({'./' if page is HOME else page.slug}{match[2] or ''})"

    return _NUMBERED.sub(link, markdown)


def typed_numbers(text: str) -> list[tuple[int, str]]:
    """(line, words) wherever a text calls a chapter by a number: it will be another one when a chapter is put in before it."""
    return [(text.count("\n", 0, match.start()) + 1, " ".join(match[0].split())) for match in _TYPED.finditer(text)]
