"""Predict, then see: the stage waits for an answer, which is then graded by what is computed from the settings in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from pages.kit import controls, progress, shell, stage

BEFORE = (  # one of them is shown to a reader whose browser remembers it
    "<span class='before right'>You answered this before, and were right.</span>"
    "<span class='before wrong'>You answered this before, and were surprised.</span>"
)


def place_above_the_stage() -> None:
    """Where the first question of the chapter will stand, whenever it is put."""
    st.session_state["_question"] = st.container(key="n2c_predict")
    with st.session_state["_question"]:
        st.html("<span></span>")  # an empty container would keep no place


Values = Mapping[str, Any]


def predict(
    slug: str,
    question: str | Callable[[Values], str],
    options: Sequence[str] | Callable[[Values], Sequence[str]],
    grade: Callable[[Values], tuple[int, str]],
) -> None:
    """Ask `question`; once an option is picked, call `grade` with the controls' values for (index of the right option, what was measured).

    The first question of a page stands above the stage, which is at rest until it is answered or skipped; further ones stand where they
    are put. `grade` runs only after the reader has answered, so its cost is never part of a page's first picture.
    Question and options may be functions of the controls' values too; where there are no options, nothing is asked.
    """
    n = progress.number()
    with st.session_state["_question"] if n == 1 else st.container():
        stage.follow(lambda: _ask(slug, n, question, options, grade))


def _ask(slug: str, n: int, question, options, grade) -> None:
    first = n == 1
    question, options = (part(controls.in_force(slug)) if callable(part) else part for part in (question, options))
    if not options:
        return
    key = f"_answer_{slug}" if first else f"_answer_{slug}_{n}"
    if (before := progress.answer(slug, n)) in options and key not in st.session_state:
        st.session_state[key] = before
    folded = first and shell.lecture() and progress.put_off(slug, lecture=True)
    with st.container(border=True, key=f"predict_{'folded_' * folded}{slug}_{n}", gap="small"):
        st.markdown(f"**Predict first.** {question}" if first else f"**Predict.** {question}")
        with st.container(horizontal=True, vertical_alignment="center", key=f"options_{n}"):
            answer = st.radio(
                question,
                options,
                index=None,
                key=key,
                horizontal=True,
                label_visibility="collapsed",
                width="content",
                on_change=progress.take_answer,
                args=(slug, n, key),
            )
            if first and answer is None:
                _offer_to_skip(slug)
        if answer is None:
            return
        right, evidence = grade(controls.in_force(slug))
        if options.index(answer) == right:
            st.success(f"Right. {evidence}", icon=":material/check:")
        else:
            st.error(f"Not this time: **{options[right].rstrip('.')}.** {evidence}", icon=":material/close:")
        progress.record(slug, n, options.index(answer) == right)


def _offer_to_skip(slug: str) -> None:
    if not progress.put_off(slug, lecture=shell.lecture()):
        st.button(
            "Skip and play",
            key="skip",
            icon=":material/play_arrow:",
            type="tertiary",
            help="The stage begins to move when you have committed yourself. Your answer is graded by numbers computed from the settings "
            "on this page.",
            on_click=progress.skip,
            args=(slug,),
        )
    else:
        progress.begun(slug)
    st.html(BEFORE, width="content")
