"""The address of what is shown: to copy, and as a QR code for the phones of a room."""

from __future__ import annotations

import re
from functools import cache
from urllib.parse import urlsplit

import segno
import streamlit as st

from pages.kit import shell

OWN = re.compile(r"localhost|127\.[\d.]+|\[?::1\]?|0\.0\.0\.0")  # hosts by which a machine calls itself


@cache
def _button():
    script = (shell.ASSETS / "kit" / "copy_link.js").read_text(encoding="utf-8")
    style = (shell.ASSETS / "kit" / "copy_link.css").read_text(encoding="utf-8")
    return st.components.v2.component("n2c_copy_link", js=script, css=style, html="<button type='button'>Copy link</button>")


def copy_button(link: str, key: str) -> None:
    """A button that puts `link` on the reader's clipboard."""
    _button()(key=key, data=link)


def qr_code(link: str) -> str:
    """A picture as HTML, black on white in either theme. Raises segno.DataOverflowError for more than 2,331 bytes."""
    picture = segno.make(link, error="m", micro=False).svg_data_uri(border=4, light="#ffffff", omitsize=True)
    return f"<img class='qr-code' alt='QR code of the link' src=\"{picture}\">"


@st.dialog("This page, as it is now", width="medium")
def _dialog(link: str) -> None:
    try:
        st.html(qr_code(link))
    except segno.DataOverflowError:
        st.info("The link is too long for a QR code: copy it instead.", icon=":material/qr_code_2:")
    if OWN.fullmatch(urlsplit(link).hostname or ""):
        st.caption(
            "This address means “this very machine” wherever it is opened. For the phones of a room, open the app by the name or "
            "number that your machine has in the network, and take the code from there."
        )
    copy_button(link, "copy_link_of_dialog")
    st.code(link, language=None, wrap_lines=True)


def show_if_asked(link: str) -> None:
    """Open the dialog when the reader has just asked for it (`shell.ask_for_link`); called at the end of a page."""
    if st.session_state.pop("_link_asked", False):
        _dialog(link)
