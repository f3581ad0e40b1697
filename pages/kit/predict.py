"""Predict, then check: the answer is computed from what is on the stage, after the reader has committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st


def predict(slug: str, question: str, options: Sequence[str], grade: Callable[[], tuple[int, str]]) -> None:
    """Ask `question`; once an option is picked, call `grade` for (index of the right option, what was measured).

    `grade` runs only after the reader has answered, so its cost is never part of a page's first picture.
    """
    with st.container(border=True, key=f"predict_{slug}"):
        st.markdown(f"**Predict.** {question}")
        answer = st.radio(question, options, index=None, key=f"_answer_{slug}", label_visibility="collapsed")
        if answer is None:
            st.caption("Commit to an answer; it is then graded against numbers computed from the settings on this page.")
            return
        right, evidence = grade()
        if options.index(answer) == right:
            st.success(f"Right. {evidence}", icon=":material/check:")
        else:
            st.error(f"Not this time: **{options[right]}** {evidence}", icon=":material/close:")
