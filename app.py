"""From Noise to Crystals: entry point. Run it with `make run`."""

import streamlit as st

from core.chapters import CHAPTERS, PARTS
from pages.kit import libraries, shell

st.set_page_config(page_title="From Noise to Crystals", page_icon="assets/icon.png", layout="wide")

home = st.Page("pages/home.py", title="Home", icon=":material/home:", default=True)
sections: dict[str, list] = {"": [home]}
for part, heading in PARTS.items():
    pages = [st.Page(c.page, title=c.title, icon=f":material/{c.icon}:", url_path=c.slug) for c in CHAPTERS if c.part == part]
    if pages:
        sections[heading] = pages

page = st.navigation(sections, expanded=True)
if page is not home:
    libraries.load()
shell.frame()
page.run()
