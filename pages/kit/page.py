"""Head and foot of a chapter."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import equations, export
from core.chapters import HOME, PARTS, Chapter, find, neighbours
from pages.kit import controls as kit_controls
from pages.kit import link as kit_link
from pages.kit import progress, shell, text, waiting
from pages.kit.colophon import colophon
from pages.kit.equation import equation
from pages.kit.predict import place_above_the_stage


@dataclass(frozen=True)
class Page:
    """A chapter while it is drawn: its registry entry, its text, its controls, and the place for what its link asks in vain."""

    chapter: Chapter
    text: Mapping[str, str]
    declared: Sequence[kit_controls.Control]
    notice: DeltaGenerator

    def prose(self, heading: str, *, expanded: bool | None = None) -> None:
        """A section of the chapter's text; folded under its heading when `expanded` is given. Hidden in lecture mode."""
        with st.container(key=f"prose_{heading.lower().replace(' ', '_')}"):
            if expanded is None:
                st.markdown(self.text[heading])
            else:
                with st.expander(heading, expanded=expanded):
                    st.markdown(self.text[heading])

    def equation(self, values: Mapping[str, str], chosen: Mapping[str, str] | str = "", heading: str = "Equation") -> None:
        """The equations under a heading of the text, the values in force (symbol -> LaTeX) and what the symbols mean.

        chosen: which form stands in each place of the equation; one word where it is the same choice everywhere.
        """
        moved = kit_controls.last_moved(self.chapter.slug)
        terms = next((control.terms for control in self.declared if control.key == moved), ())
        equation(self.chapter.slug, equations.read(self.text, heading), values, chosen, terms)

    def controls(self) -> dict[str, Any]:
        """Draw the controls; values by key."""
        values = kit_controls.controls(self.chapter.slug, self.declared, self.notice)
        st.button("Reset", key="reset", icon=":material/restart_alt:", on_click=kit_controls.reset, args=(self.declared,))
        return values

    def exports(self, params: Mapping[str, Any]) -> None:
        """Say with which arguments of the core function the downloads reproduce this figure."""
        st.session_state["_controls"][self.chapter.slug]["params"] = dict(params)

    def scenes(self, listed: Sequence[kit_controls.Scene]) -> None:
        """The chapter's scenes, its break-it among them."""
        kit_controls.scenes(self.chapter.slug, listed, self.declared)

    def link(self, values: Mapping[str, Any]) -> str:
        """The address that opens this very picture, for an audience if it is shown to one: then it also plays at once."""
        shown = {c.key: c.url(values[c.key]) for c in self.declared if c.key in values}
        if shell.lecture():
            shown |= {"mode": "lecture", "autoplay": "1"}
        parts = urlsplit(st.context.url or f"/{self.chapter.slug}")
        return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(shown), ""))

    def footer(self, function: Callable, values: Mapping[str, Any]) -> None:
        """In short, in the lecture, code, downloads, link, previous and next, version. `function`: the core function behind the stage."""
        waiting.over()
        progress.nothing_asked()
        if "In short" in self.text:
            with st.container(key="prose_to_remember", gap="small"):
                st.markdown("**In short**")
                self.prose("In short")
        self.prose("In the lecture", expanded=False)
        link = self.link(values)
        with st.container(key="prose_take_away"), st.expander("Take it with you: code, notebook, link"):
            here, there, where = st.columns(3)
            recipe, params = self.text["Reproduce"], st.session_state["_controls"][self.chapter.slug]["params"]
            here.download_button(
                "Notebook",
                lambda: export.notebook(self.chapter, recipe, params, link),
                f"{self.chapter.slug}.ipynb",
                "application/x-ipynb+json",
                on_click="ignore",
                width="stretch",
                icon=":material/download:",
                key="download_notebook",
            )
            there.download_button(
                "Script",
                lambda: export.script(self.chapter, recipe, params, link).encode(),
                f"{self.chapter.slug}.py",
                "text/x-python",
                on_click="ignore",
                width="stretch",
                icon=":material/download:",
                key="download_script",
            )
            where.caption("Both reproduce this figure with these settings and this seed, wherever the project is installed.")
            st.markdown("This link restores everything on the page:")
            st.code(link, language=None, wrap_lines=True)
            copy, code, _ = st.columns(3)
            with copy:
                kit_link.copy_button(link, "copy_link")
            code.button("QR code", key="show_qr_code", icon=":material/qr_code_2:", width="stretch", on_click=shell.ask_for_link)
            st.markdown(f"The sampler on this page, `{function.__module__}.{function.__qualname__}`:")
            st.code(_source(function), language="python")
        before, after = (neighbour or HOME for neighbour in neighbours(self.chapter))
        with st.container(horizontal=True, horizontal_alignment="distribute", key="nav"):
            with st.container(key="nav_previous", width="content"):
                st.page_link(before.page, label=before.label, icon=":material/arrow_back:")
            with st.container(key="nav_next", width="content"):
                st.page_link(after.page, label=after.label, icon=":material/arrow_forward:", icon_position="right")
        colophon()
        kit_link.show_if_asked(link)


@lru_cache(maxsize=128)
def _source(function: Callable) -> str:
    """Its text, looked up once: finding the end of a function means reading its tokens."""
    return inspect.getsource(function)


def chapter(slug: str, declared: Sequence[kit_controls.Control]) -> Page:
    """Open a chapter: title, question and lead."""
    entry = find(slug)
    with st.container(key="head"):
        st.caption(f"{PARTS[entry.part]} · chapter {entry.number}")
        st.title(entry.title, anchor=False)
        st.markdown(f"#### {entry.question}")
    page = Page(entry, text.sections(entry), declared, notice=st.empty())
    page.prose("Lead")
    progress.begin(slug)
    place_above_the_stage()
    waiting.begin()
    return page
