"""Start the server: `python -m pages.kit.serve [options of streamlit run]`.

The same as `streamlit run app.py`, but ready for deep links from the first visitor on. (Streamlit takes a folder called `pages` for its
older kind of multi-page app until `st.navigation` has run once, and greets a first deep link with “Page not found”.) The slow libraries
(`pages.kit.libraries`) are on their way before the first visitor comes.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.web.cli import main

    sys.path.insert(0, str(ROOT))
    from pages.kit import libraries

    libraries.load(libraries.FIRST)
    libraries.load_soon()
    PagesManager.uses_pages_directory = False
    sys.argv = ["streamlit", "run", str(ROOT / "app.py"), *sys.argv[1:]]
    sys.exit(main(prog_name="streamlit"))
