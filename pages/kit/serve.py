"""Start the server: `python -m pages.kit.serve [options of streamlit run]`.

The same as `streamlit run app.py`, but ready for deep links from the first visitor on. (Streamlit takes a folder called `pages` for its
older kind of multi-page app until `st.navigation` has run once, and greets a first deep link with “Page not found”.) The slow libraries
are loaded before the first visitor comes, in one thread: two pages that import pandas at once can meet it half made.
"""

import importlib
import sys
from pathlib import Path

SLOW = ("torch", "pandas", "plotly.graph_objects", "pymatgen.analysis.structure_matcher", "pymatgen.io.cif", "smact.screening",
        "streamlit.emojis")
ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":  # a worker process imports this file too, and has no need of Streamlit
    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.web.cli import main

    for library in SLOW:
        importlib.import_module(library)
    PagesManager.uses_pages_directory = False
    sys.path.insert(0, str(ROOT))
    sys.argv = ["streamlit", "run", str(ROOT / "app.py"), *sys.argv[1:]]
    sys.exit(main(prog_name="streamlit"))
