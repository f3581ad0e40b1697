"""A checkout whose weight files are gone or broken: every page opens and says what is missing and how to get it."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from core.chapters import CHAPTERS
from tests.pages.conftest import ROOT

PROBE = """
import json, sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=120).run()
said = {"home": [[e.message for e in app.exception], [e.value for e in [*app.error, *app.warning, *app.info]]]}
for page in sys.argv[1:]:
    app = AppTest.from_file("app.py", default_timeout=120).run()  # afresh: unlike a browser it carries widgets of one page to the next
    app.switch_page(page)
    if "reverse" in page:
        app.query_params["score"] = "learned"
    app.run()
    said[page] = [[e.message for e in app.exception], [e.value for e in [*app.error, *app.warning, *app.info]]]
print(json.dumps(said))
"""


@pytest.mark.parametrize("damage", ["gone", "broken"])
def test_pages_without_weights(damage, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "build", "runs", "tests", "vendor"))
    weights = list((copy / "assets" / "models").glob("*.safetensors"))
    assert weights
    for path in weights:
        path.unlink()
        if damage == "broken":
            path.write_bytes(b"not a weight file")
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, *(chapter.page for chapter in CHAPTERS)],
        cwd=copy,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(copy)},
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    opened = json.loads(ran.stdout.splitlines()[-1])
    assert all(exceptions == [] for exceptions, _ in opened.values()), opened
    for page in ("home", "pages/crystals/generation.py"):
        assert any("assets/models/" in words and "n2c train" in words for words in opened[page][1]), opened[page]
    assert any("exact score is used instead" in words for words in opened["pages/learning/reverse_process.py"][1])
