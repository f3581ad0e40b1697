"""Chapter texts: one Markdown file a chapter, cut at its second-level headings."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from core.chapters import Chapter

ASSETS = Path(__file__).resolve().parents[2] / "assets"


@lru_cache(maxsize=64)
def _sections(path: Path, modified: float) -> dict[str, str]:
    parts = re.split(r"^## +(.+?) *$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {heading: body.strip() for heading, body in zip(parts[1::2], parts[2::2])}


def sections(chapter: Chapter) -> dict[str, str]:
    """Heading -> Markdown of the chapter's text. Raises FileNotFoundError when the chapter has none."""
    path = ASSETS / "chapters" / chapter.part / f"{chapter.slug}.md"
    return _sections(path, path.stat().st_mtime)
