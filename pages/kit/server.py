"""What a fresh server does before the first visitor comes."""

from streamlit.runtime.pages_manager import PagesManager

from pages.kit import libraries


def prepare() -> None:
    """Make it ready for deep links, and send the slow libraries on their way.

    Streamlit takes a folder called `pages` for its older kind of multi-page app until `st.navigation` has run once, and greets a first
    deep link with “Page not found”.
    """
    PagesManager.uses_pages_directory = False
    libraries.load(libraries.FIRST)
    libraries.load_soon()
