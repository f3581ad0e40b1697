"""Every symbol of the equations: what it means, its unit, where it is met first and who else uses it."""

import streamlit as st

from core import glossary
from core.chapters import CHAPTERS, find
from pages.kit.colophon import colophon

with st.container(key="head"):
    st.title("Symbols", anchor=False)
    st.markdown("#### What every letter in the equations means. One letter may mean several things, but within a chapter only one.")

search, within = st.columns([2, 1])
words = search.text_input(
    "Find a symbol or a word",
    key="find",
    bind="query-params",
    max_chars=60,
    placeholder="σ, sigma, friction, energy …",
    icon=":material/search:",
)
slug = within.selectbox(
    "Only in the chapter",
    [chapter.slug for chapter in CHAPTERS],
    index=None,
    format_func=lambda slug: find(slug).title,
    key="chapter",
    bind="query-params",
    placeholder="all chapters",
)


def row(entry):
    first, *others = glossary.users(entry)
    also = " ".join(f'[{chapter.number}]({chapter.slug} "{chapter.title}")' for chapter in others)
    cells = (
        f"${entry.latex}$",
        f"**{entry.name}**: {entry.meaning}",
        entry.unit,
        f"[{first.number} {first.title}]({first.slug})" + (f", also in {also}" if also else ""),
    )
    return f"| {' | '.join(cells)} |"


entries = [entry for entry in glossary.load() if glossary.matches(entry, words or "") and slug in (None, *entry.chapters)]
entries.sort(key=lambda entry: glossary.users(entry)[0].number)
if entries:
    with st.container(key="symbols"):
        st.markdown("\n".join(["| symbol | meaning | unit | first in |", "|---|---|---|---|", *map(row, entries)]))
else:
    st.info(
        f"No symbol has “{words}” in its name, meaning or unit. Greek letters can be typed by name, such as sigma.",
        icon=":material/search_off:",
    )
with st.expander("Abbreviations"):
    st.markdown("\n".join(f"- **{name}**: {words}" for name, words in glossary.abbreviations().items()))
colophon()
