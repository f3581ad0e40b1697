"""The slow libraries: loaded by one thread at a time, since two pages that import pandas at once can meet it half made.

A fresh server loads `FIRST` before it answers; that is all the home page needs. The rest comes while the first visitor's browser still
loads the app itself, and every other page waits until it is there.
"""

import gc
import importlib
import sys
import threading

from core.metrics.validity import composition_valid

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

MANY = 50  # modules imported since, that are worth freezing again

_lock = threading.Lock()
_frozen = 0  # modules that were there when the collector was last told to pass over them


def load(names: tuple[str, ...] = SLOW) -> None:
    """Import them, or wait until another thread has done so; with SMACT comes the table that it reads when it is first asked.

    What they brought is then left out of garbage collection (`gc.freeze`): a full collection would look at a million objects of these
    libraries again. (Streamlit's own full collection after every run is switched off, in `.streamlit/config.toml`.)
    """
    global _frozen
    with _lock:
        for name in names:
            if name not in sys.modules:
                importlib.import_module(name)
                if name == "smact.screening":
                    composition_valid((11, 17))
        if len(sys.modules) > _frozen + MANY:
            if names is not FIRST:  # a server that is starting has a visitor waiting
                gc.collect()
            gc.freeze()
            _frozen = len(sys.modules)


def loaded() -> bool:
    """Are all of them there, so that `load` returns at once?"""
    return not _lock.locked() and all(name in sys.modules for name in SLOW)


def load_soon() -> None:
    """Import them all in the background, shortly."""
    timer = threading.Timer(AFTER, load)
    timer.daemon = True
    timer.start()
