"""Pages are tested through app.py, the way a reader meets them."""

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from core import equations, glossary, texts
from core.chapters import CHAPTERS

ROOT = Path(__file__).resolve().parents[2]
# every AppTest looks through all installed packages for components: once is enough
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)


class Visit:
    """One reader on one chapter."""

    def __init__(self, chapter, query=None):
        self.chapter = chapter
        self.app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
        self.app.switch_page(chapter.page)
        for key, value in (query or {}).items():
            self.app.query_params[key] = value
        self.app.session_state["take_away"] = True  # unfolded
        self.app.run()

    def run(self):
        self.app.run()
        return self

    def put(self, **values):
        """Move controls, as a reader would, and run the page."""
        for key, value in values.items():
            self.app.session_state[key] = value
        return self.run()

    @property
    def failures(self):
        return [element.message for element in self.app.exception]

    @property
    def state(self):
        return self.app.session_state["_controls"][self.chapter.slug]

    @property
    def values(self):
        return dict(self.state["values"])

    @property
    def declared(self):
        return list(self.state["declared"])

    @property
    def picture(self):
        """Fingerprint of everything drawn from numbers: player payloads, figures and the truth meter."""
        made = hashlib.sha256()
        for kind in ("bidi_component", "plotly_chart"):
            for element in self.app.get(kind):
                proto = element.proto
                if kind == "bidi_component" and proto.component_name.startswith("n2c_"):
                    continue  # the kit's own, which carry the link
                made.update(proto.SerializeToString(deterministic=True))
        for element in self.app.get("html"):
            if "truth-value" in element.proto.body:
                made.update(element.proto.body.encode())
        return made.hexdigest()

    @property
    def equation(self):
        """Symbols of the equation on the page, if it is one of the chapter's with all its symbols; nothing if one is gone."""
        known = list(glossary.of(self.chapter.slug))
        shown = {symbol for element in self.app.get("latex") for symbol in equations.symbols(element.value, known)}
        sections = texts.sections((ROOT / "assets" / "chapters" / self.chapter.part / f"{self.chapter.slug}.md").read_text())
        for heading in equations.headings(sections):
            constant = {symbol for line in equations.read(sections, heading).lines for symbol in equations.symbols(line, known)}
            if constant <= shown:
                return shown
        return set()

    @property
    def truth(self):
        """The number on the truth meter."""
        for element in self.app.get("html"):
            if found := re.search(r'(?:data-value="|data-testid="truth-value">)([-+.\deinf]+)', element.proto.body):
                return float(found[1])
        raise AssertionError("no truth meter on the page")


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Folder of a fresh virtual environment with the project's wheel in it; what the project needs it borrows from this one."""
    folder = tmp_path_factory.mktemp("installed")
    source, wheels, fresh = folder / "source", folder / "wheels", folder / "environment"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv", "build", "dist", "runs", "tests", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(source)]
    install = [*pip, "--python", str(fresh / "bin" / "python"), "install", "--no-deps", "--no-index", "--find-links", str(wheels)]
    venv.create(fresh)
    subprocess.run(build, check=True, stderr=subprocess.PIPE)
    subprocess.run([*install, "noise-to-crystals"], check=True, stderr=subprocess.PIPE)
    (site,) = fresh.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))  # not the .pth files there: they lead to this checkout
    return fresh


@pytest.fixture(scope="session")
def installed(environment):
    """Environment variables of a reader who has installed the project (not this checkout) and nothing else of it."""
    (site,) = environment.glob("lib/python*/site-packages")
    return os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}


@pytest.fixture(params=CHAPTERS, ids=lambda chapter: chapter.slug)
def chapter(request):
    return request.param


def reading(visit, name):
    """A number from the page's read-outs, by its name."""
    for element in visit.app.get("html"):
        if found := re.search(rf"<dt>{re.escape(name)}</dt><dd>([-+.\d]+)", element.proto.body.replace("−", "-")):
            return float(found[1])
    raise AssertionError(f"no reading {name!r} on the page")


def asked(visit):
    """Keys of the questions of a page, in their order, the first one's above the stage."""
    return [radio.key for radio in visit.app.radio if (radio.key or "").startswith("_answer_")]


def right_answer(visit, number):
    """(index of the right option of question `number`, from 1, what was measured) with the settings in force."""
    slug = visit.chapter.slug
    key = f"_answer_{slug}" if number == 1 else f"_answer_{slug}_{number}"
    before = [element.value for element in visit.app.success]
    for i, option in enumerate(visit.app.radio(key=key).options):
        visit.app.radio(key=key).set_value(option).run()
        assert visit.failures == []
        if said := [element.value for element in visit.app.success if element.value not in before]:
            return i, said[0]
    raise AssertionError(f"no option of {key} is right")
