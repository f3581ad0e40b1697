"""The last line of a page: version, commit, and where to report an error."""

from __future__ import annotations

import os
import re

import streamlit as st

from core.version import commit, version
from pages.kit import shell

REPORT = "N2C_REPORT_URL"  # environment variable of an installation: a link or a mailto
ADDRESS = re.compile(r"(https?://|mailto:)[^\s<>]+")


def words(address: str) -> str:
    """Markdown. address: where errors are reported; one that is no link (`http`, `https`, `mailto`) counts as none."""
    which = f"From Noise to Crystals {version()}" + (f", commit `{commit()}`" if commit() else "")
    if ADDRESS.fullmatch(address):
        return f"{which} · [Report an error](<{address}>)"
    return f"{which} · Report an error in the issue tracker of the repository that this copy came from (CONTRIBUTING.md says what to send)."


def colophon() -> None:
    """Draw it; nothing in lecture mode."""
    if not shell.lecture():
        with st.container(key="colophon"):
            st.caption(words(os.environ.get(REPORT, "").strip()))
