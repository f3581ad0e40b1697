"""Model cards: what a network is, what it learned from and how, how good it is and what it cannot do, always in one layout."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

WIDTH = 120  # characters in a line of text


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    head, *lines = ("| " + " | ".join(cells) + " |" for cells in (header, *rows))
    return "\n".join([head, "|" + "---|" * len(header), *lines])


@dataclass(frozen=True)
class Card:
    """Parts of a model card; texts are given without line breaks.

    summary: what it is for. facts: name ("Network", "Data", "Training", ...) -> text. networks: a `table` of them, where there are
    several. command: trains it anew. measured: paragraphs and tables, and what they were measured `on`.
    """

    title: str
    summary: str
    facts: Mapping[str, str]
    limits: str
    measured: Sequence[str] = ()
    on: str = ""
    networks: str = ""
    command: str = ""

    def markdown(self) -> str:
        """The card as Markdown."""
        facts = "\n".join(_filled(f"- **{name}**: {text}", "  ") for name, text in self.facts.items())
        parts = [f"# {self.title}", self.summary, facts, self.networks]
        if self.command:
            parts += ["Reproduce with", f"    {self.command}"]
        if self.measured:
            parts += ["## Measured" + (f" on {self.on}" if self.on else ""), *self.measured]
        parts += ["## Limits", self.limits]
        return "\n\n".join(part if part.startswith(("#", "|", "-", " ")) else _filled(part) for part in parts if part) + "\n"


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
