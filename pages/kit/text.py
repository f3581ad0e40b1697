"""Chapter texts as the page shows them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from core import texts
from core.chapters import Chapter

ASSETS = Path(__file__).resolve().parents[2] / "assets"


@lru_cache(maxsize=64)
def _sections(path: Path, modified: float) -> dict[str, str]:
    found = texts.sections(path.read_text(encoding="utf-8"))
    return {heading: texts.with_numbers(body) for heading, body in found.items()}


def sections(chapter: Chapter) -> dict[str, str]:
    """Heading -> Markdown of the chapter's text, other chapters named by number and title.

    Raises FileNotFoundError when the chapter has no text, KeyError when it names a chapter that does not exist.
    """
    path = ASSETS / "chapters" / chapter.part / f"{chapter.slug}.md"
    return _sections(path, path.stat().st_mtime)
