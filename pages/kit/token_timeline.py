"""A strip of moments: rows of short texts whose tokens are coloured by what they are."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

Token = tuple[str, str]  # (text, role); role: "exact", "sample", "masked" or "plain"


def token_timeline(rows: Sequence[tuple[str, Sequence[Sequence[Token]]]], *, alt: str) -> None:
    """rows: (label, cells), a cell being its tokens. alt: one sentence for readers who do not see it."""

    def cell(tokens: Sequence[Token]) -> str:
        return "<td>" + " ".join(f"<span class='{html.escape(role)}'>{html.escape(text)}</span>" for text, role in tokens) + "</td>"

    body = "".join(f"<tr><th scope='row'>{html.escape(label)}</th>{''.join(map(cell, cells))}</tr>" for label, cells in rows)
    st.html(f"<div class='film'><table aria-label=\"{html.escape(alt)}\">{body}</table></div>")
