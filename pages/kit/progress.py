"""What a reader has predicted: known to this session, and kept in the reader's own browser beyond it. No account, nothing on the server."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

KIT = Path(__file__).resolve().parents[2] / "assets" / "kit"


@cache
def _teller():
    return st.components.v2.component("n2c_tell", js=(KIT / "tell.js").read_text(encoding="utf-8"), html="<span></span>")


def tell(**what: Any) -> None:
    """Tell the kit's script in the browser."""
    _teller()(key=f"n2c_tell_{what['what']}_{what.get('question', '')}", data=what)


def _answers() -> dict[tuple[str, int], str]:
    return st.session_state.setdefault("_answers", {})


def begin(slug: str) -> None:
    """A chapter is drawn: none of its questions has been put yet."""
    st.session_state["_asking"], st.session_state["_asked"] = slug, 0


def end() -> None:
    """No chapter is drawn, until one begins."""
    st.session_state["_asking"] = ""


def asking() -> str:
    """Slug of the chapter that is drawn; empty on other pages."""
    return st.session_state.get("_asking", "")


def number() -> int:
    """The next question's number, from 1."""
    st.session_state["_asked"] += 1
    return st.session_state["_asked"]


def answer(slug: str, question: int) -> str | None:
    """What the reader has answered in this session."""
    return _answers().get((slug, question))


def take_answer(slug: str, question: int, key: str) -> None:
    """Remember what the widget `key` says; for use in a callback."""
    _answers()[slug, question] = st.session_state[key]


def skip(slug: str) -> None:
    """The reader wants to see it at once; for use in a callback."""
    st.session_state.setdefault("_skipped", set()).add(slug)


def visit(slug: str, *, lecture: bool) -> dict[str, Any]:
    """What the browser is told of the page with this slug (empty: no chapter)."""
    return {
        "what": "visit",
        "chapter": slug,
        "answered": answer(slug, 1) is not None,
        "skipped": slug in st.session_state.get("_skipped", ()),
        "autoplay": autoplay(lecture=lecture),
        "lecture": lecture,
    }


def autoplay(*, lecture: bool) -> bool:
    """Does the link want no question before the stage? What a lecture's link wants holds for its further chapters too."""
    if st.query_params.get("autoplay") == "1":
        st.session_state["_autoplay"] = True
        return True
    return lecture and st.session_state.get("_autoplay", False)


def put_off(slug: str, *, lecture: bool) -> bool:
    """Has the question before the stage been skipped, by the reader or by the link?"""
    told = visit(slug, lecture=lecture)
    return not told["answered"] and (told["skipped"] or told["autoplay"])


def begun(slug: str) -> None:
    """Have the stage begin without an answer; the browser keeps it where the reader, and not the link, has skipped the question."""
    tell(what="begin", chapter=slug, skipped=slug in st.session_state.get("_skipped", ()))


def record(slug: str, question: int, right: bool) -> None:
    """Have the browser keep the verdict, if it is the first on this question."""
    tell(what="answer", chapter=slug, question=str(question), right=right)


def nothing_asked() -> None:
    """At the end of a chapter: if it has asked nothing, its players need not wait."""
    if not st.session_state["_asked"]:
        tell(what="answer", chapter=asking())
