"""A density in the reader's hands: modes with exact values in a table, points of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from pages.kit import controls

Column = tuple[float, float, float, int]  # lowest, highest, value of a new row, pixels


def put(key: str, write: Callable[[Sequence], str], rows: Sequence) -> None:
    """Write `rows` into the text control `key`, which the link carries; rows that make no sense change nothing."""
    try:
        controls.put({key: write(rows)})
    except (TypeError, ValueError):
        st.toast("These values make no modes; nothing was changed.")


def table(rows: Sequence[Sequence[float]], columns: dict[str, Column], on_edit: Callable[[Sequence], None]) -> None:
    """`rows` under the names of `columns`, to be changed, added and deleted; on_edit: called with all rows before the page reruns."""
    key = f"table_{hash(tuple(rows))}"

    def edited() -> None:
        changes = st.session_state[key]
        new = [dict(zip(columns, row)) | changes["edited_rows"].get(i, {}) for i, row in enumerate(rows)]
        new = [row for i, row in enumerate(new) if i not in changes["deleted_rows"]] + changes["added_rows"]
        kept = [[column[2] if row.get(name) is None else row[name] for name, column in columns.items()] for row in new]
        on_edit(kept or rows)

    st.data_editor(
        pd.DataFrame(list(rows), columns=list(columns)),
        key=key,
        num_rows="dynamic",
        width="stretch",
        hide_index=True,
        on_change=edited,
        column_config={
            name: st.column_config.NumberColumn(name, min_value=low, max_value=high, format="%.2f", width=width)
            for name, (low, high, _, width) in columns.items()
        },
    )


def points(parse: Callable[[str], tuple], *, instead: str) -> tuple:
    """Pasted or uploaded points by `parse`; () and the reason in words when they cannot be used. instead: what is shown then."""
    file = st.file_uploader(
        "A CSV file, two columns", type=["csv", "txt", "tsv"], key="points_file", max_upload_size=2, on_change=controls.followed
    )
    pasted = st.text_area(
        "or paste: two numbers a line", key="points_text", height=120, placeholder="0.5, 1.2\n-0.3, 0.8\n…", on_change=controls.followed
    )
    text = file.getvalue().decode("utf-8", "replace") if file else pasted
    if not text.strip():
        st.caption(f"Until then: {instead}.")
        return ()
    try:
        return parse(text)
    except ValueError as error:
        st.error(f"These points cannot be used: {error}. Instead: {instead}.", icon=":material/error:")
        return ()
