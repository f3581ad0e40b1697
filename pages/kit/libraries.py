"""The slow libraries: loaded by one thread at a time, since two pages that import pandas at once can meet it half made.

A fresh server loads `FIRST` before it answers; that is all the home page needs. The rest comes while the first visitor's browser still
loads the app itself, and every other page waits until it is there.
"""

import importlib
import sys
import threading

from core.numerics.charges import composition_valid

FIRST = ("torch",)
REST = (
    "pandas",
    "plotly.graph_objs._figure",
    "plotly.graph_objs._scatter",
    "scipy.special",
    "pymatgen.analysis.structure_matcher",
    "pymatgen.io.cif",
    "smact.screening",
    "streamlit.emojis",
)
SLOW = FIRST + REST
AFTER = 1.0  # seconds in which the server comes up

_lock = threading.Lock()


def load(names: tuple[str, ...] = SLOW) -> None:
    """Import them, or wait until another thread has done so; with SMACT comes the table that it reads when it is first asked."""
    with _lock:
        for name in names:
            if name not in sys.modules:
                importlib.import_module(name)
                if name == "smact.screening":
                    composition_valid((11, 17))


def load_soon() -> None:
    """Import them all in the background, shortly."""
    timer = threading.Timer(AFTER, load)
    timer.daemon = True
    timer.start()
