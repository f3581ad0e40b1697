"""The slow libraries are loaded once and then left alone by the garbage collector."""

import subprocess
import sys

from tests.pages.conftest import ROOT

PROBE = """
import gc
from pages.kit import libraries
libraries.load()
frozen = gc.get_freeze_count()
watched = len(gc.get_objects())  # what the collector still looks at
libraries.load()
print(frozen, watched, gc.get_freeze_count())
"""


def test_what_was_imported_is_not_looked_at_again_and_again():
    ran = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=True)
    frozen, watched, again = map(int, ran.stdout.split())
    assert frozen > 200_000 > 10_000 > watched
    assert again == frozen, "a second call freezes nothing more"
