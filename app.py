"""From Noise to Crystals: entry point. Run it with `make run`, `n2c run` or `streamlit run app.py`.

Streamlit imports this file once, when the server starts, because of the `app` at its end, and runs it as `__main__` for every reader.
"""

from pathlib import Path

import streamlit as st

from core.chapters import CHAPTERS, HOME, PARTS, SIDE_PAGES
from pages.kit import libraries, preview, server, shell


def entry(page):
    """Its line in the side bar. The page where the app opens has no address of its own: Streamlit gives it the bare one."""
    return st.Page(page.page, title=page.label, icon=f":material/{page.icon}:", url_path=page.slug, default=page is HOME)


def show() -> None:
    """One run of one reader's page."""
    # the icon before the pages are named: theirs, which come from the net, would stand in for it
    st.set_page_config(page_icon=Path(__file__).parent / "assets" / "icon.png", layout="wide")
    home, *beside = map(entry, SIDE_PAGES)
    sections = {"": [home, *beside]}
    for part, heading in PARTS.items():
        if pages := [entry(chapter) for chapter in CHAPTERS if chapter.part == part]:
            sections[heading] = pages
    page = st.navigation(sections, expanded=True)
    st.set_page_config(page_title="From Noise to Crystals" if page is home else page.title)
    words = st.empty()
    if page not in sections[""]:
        if not libraries.loaded():
            words.caption("The server has just started and is loading its libraries: a few seconds, once …")
        libraries.load()
        words.empty()
    shell.frame(page.url_path)
    page.run()


if __name__ == "__main__":
    show()
else:
    server.prepare()
    app = st.App(__file__, routes=preview.routes())
