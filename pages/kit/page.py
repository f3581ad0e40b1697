"""Head and foot of a chapter."""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import streamlit as st

from core import equations, export, glossary
from core.chapters import HOME, PARTS, Chapter, find, neighbours
from pages.kit import controls as kit_controls
from pages.kit import link as kit_link
from pages.kit import preview, progress, shell, stage, text, waiting
from pages.kit.colophon import colophon
from pages.kit.equation import equation, values_in_force
from pages.kit.player import PlayerState, player
from pages.kit.predict import place_above_the_stage
from pages.kit.stage import Places


@dataclass
class Page:
    """A chapter while it is drawn: its registry entry, its text, its controls, and the places of its stage."""

    chapter: Chapter
    text: Mapping[str, str]
    declared: Sequence[kit_controls.Control]
    on: Places | None = None

    def prose(self, heading: str, *, expanded: bool | None = None) -> None:
        """A section of the chapter's text under its heading; folded when `expanded` is given. Hidden in lecture mode."""
        with st.container(key=f"prose_{heading.lower().replace(' ', '_')}"):
            if expanded is None:
                if heading != "Lead":
                    st.markdown(f"##### {heading}")
                st.markdown(self.text[heading])
            else:
                with st.expander(heading, expanded=expanded):
                    st.markdown(self.text[heading])

    def stage(
        self,
        draw: Callable[[Mapping[str, Any]], None],
        *,
        scenes: Sequence[kit_controls.Scene],
        equation: Callable[[Mapping[str, Any]], tuple[Mapping[str, str], Mapping[str, str] | str]],
        picture: Callable[[Mapping[str, Any]], bytes] | None = None,
        session: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
        waits: str = "",
    ) -> None:
        """Equation, stage, controls, scenes and meter: what a move of a control draws again first.

        draw: called with the values of the controls; it fills `page.on.stage` and `page.on.meter`, and may add to the other places, which
        are filled here.
        equation: values -> (symbol -> LaTeX of its value, form in each place of the equation or one word for all places).
        picture: values -> a coarse payload of the stage, of the same law and the same first particles, in at most a tenth of a second,
        without caches or anything else of Streamlit; it is called on another thread while a slider is dragged. None: no preview, and
        every slider says that it acts when it is let go of, and why it `waits`.
        session: values -> what `picture` and `equation` are given besides when a slider is dragged, under names that no control has:
        what they need of the reader's session, which is out of their reach there.
        """
        if picture is None:
            self.declared = [
                replace(control, previewed=False, waits=control.waits or waits) if isinstance(control, kit_controls.Slider) else control
                for control in self.declared
            ]
        stage.follow(lambda: self._stage(draw, scenes, equation, picture, session), key="stage")

    def _stage(self, draw, scenes, equation_of, picture, session) -> None:
        self.on = stage.places()
        slug = self.chapter.slug
        with self.on.controls:
            values = kit_controls.controls(slug, self.declared, self.on.notice)
            st.button("Reset", key="reset", icon=":material/restart_alt:", on_click=kit_controls.reset, args=(self.declared,))
        written, known = equations.read(self.text, "Equation"), tuple(glossary.of(slug))

        def in_force(values: Mapping[str, Any], key: str) -> list[str]:
            shown, chosen = equation_of(values)
            return values_in_force(written, known, shown, chosen, self._terms(key))

        dragged = {**values, **(session(values) if session else {})}
        name = preview.offer(preview.Offer(self.declared, dragged, picture, in_force)) if picture else ""
        progress.tell(what="preview", name=name)
        with self.on.equation:
            equation(slug, written, *equation_of(values), self._terms(kit_controls.last_moved(slug)), self.declared)
        draw(values)
        with self.on.caption:
            kit_controls.scenes(scenes, values, self.declared)

    def player(self, payload: bytes, **how: Any) -> PlayerState:
        """The particle player of the stage; arguments as for `pages.kit.player.player`."""
        with self.on.stage:
            return player(payload, **{"key": "stage", "height": 480, "report": False, "fill": True, "preview": True} | how)

    def _terms(self, key: str | None) -> tuple[str, ...]:
        return next((control.terms for control in self.declared if control.key == key), ())

    def follow(self, draw: Callable[[Mapping[str, Any]], None]) -> None:
        """Draw with the values of the controls, after the stage, now and after every move."""
        stage.follow(lambda: draw(kit_controls.in_force(self.chapter.slug)))

    def exports(self, params: Mapping[str, Any], function: Callable | None = None) -> None:
        """Say with which arguments of the core function the downloads reproduce this figure.

        function: the core function behind the stage, where it is not the one that the foot of the page names.
        """
        st.session_state["_controls"][self.chapter.slug] |= {"params": dict(params), "function": function}

    def link(self, values: Mapping[str, Any]) -> str:
        """The address that opens this very picture, for an audience if it is shown to one: then it also plays at once."""
        shown = {c.key: c.url(values[c.key]) for c in self.declared if c.key in values}
        if shell.lecture():
            shown |= {"mode": "lecture", "autoplay": "1"}
        parts = urlsplit(st.context.url or f"/{self.chapter.slug}")
        return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(shown), ""))

    def footer(self, function: Callable) -> None:
        """In short, in the lecture, code, downloads, link, previous and next, version. `function`: the core function behind the stage."""
        waiting.over()
        progress.nothing_asked()
        self.prose("In short")
        self.prose("In the lecture", expanded=False)
        self.follow(lambda values: self._take_away(function, self.link(values)))
        before, after = (neighbour or HOME for neighbour in neighbours(self.chapter))
        with st.container(horizontal=True, horizontal_alignment="distribute", key="nav"):
            with st.container(key="nav_previous", width="content"):
                st.page_link(before.page, label=before.label, icon=":material/arrow_back:")
            with st.container(key="nav_next", width="content"):
                st.page_link(after.page, label=after.label, icon=":material/arrow_forward:", icon_position="right")
        colophon()
        kit_link.show_if_asked(self.link(kit_controls.in_force(self.chapter.slug)))

    def _take_away(self, function: Callable, link: str) -> None:
        st.html(f"<p class='n2c-address'>{html.escape(link)}</p>")  # on paper only
        title = "Take it with you: code, notebook, link"
        function = st.session_state["_controls"][self.chapter.slug]["function"] or function
        with st.container(key="prose_take_away"), st.expander(title, key="take_away", on_change="rerun") as taken:
            if not taken.open:
                return
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


@lru_cache(maxsize=128)
def _source(function: Callable) -> str:
    """Its text, looked up once: finding the end of a function means reading its tokens."""
    return inspect.getsource(function)


def chapter(slug: str, declared: Sequence[kit_controls.Control]) -> Page:
    """Open a chapter: title, question and lead. `Page.stage` comes next."""
    entry = find(slug)
    with st.container(key="head"):
        st.caption(PARTS[entry.part])
        st.title(entry.label, anchor=False)
        st.markdown(f"#### {entry.question}")
    page = Page(entry, text.sections(entry), declared)
    page.prose("Lead")
    progress.begin(slug)
    stage.begin()
    place_above_the_stage()
    waiting.begin()
    return page
