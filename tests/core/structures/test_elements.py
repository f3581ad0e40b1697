"""The table of elements that the networks read, and the processes that must not load pymatgen for it."""

import subprocess
import sys

import numpy as np
from pymatgen.core import Element

from core.structures.elements import FEATURES, SYMBOLS, build, element_features


def test_the_stored_table_is_what_pymatgen_says():
    stored = element_features()
    assert stored.shape == (104, len(FEATURES)) and stored.dtype == np.float32
    assert np.abs(stored - build()).max() < 1e-6


def test_symbols_by_number():
    assert SYMBOLS[0] == "X"
    assert all(Element(symbol).Z == z for z, symbol in enumerate(SYMBOLS) if z) and len(SYMBOLS) == 104


def test_a_worker_that_grows_crystals_is_light():
    code = (
        "import sys; from core.crystals import generation; from core.generator.sampling.config import SamplerConfig\n"
        "generation.sample('perov5', ['Sr1 Ti1 O3'], SamplerConfig(steps=2), n_frames=2)\n"
        "print({m.split('.')[0] for m in sys.modules} & {'streamlit', 'pymatgen', 'pandas', 'plotly', 'smact', 'scipy'})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
