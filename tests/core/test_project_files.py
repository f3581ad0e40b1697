"""The files that say what this project is agree with each other."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(name):
    lines = (line.strip() for line in (ROOT / name).read_text().splitlines())
    return {canonicalize_name(r.name): r for r in (Requirement(line) for line in lines if line and not line.startswith("#"))}


PINS = requirements("constraints.txt")


def test_citation_file_is_valid_and_names_this_version():
    """CFF 1.2.0: the four required keys, and the types of those that are used (schema guide of the Citation File Format)."""
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cff["cff-version"] == "1.2.0" and cff["message"] and cff["title"]
    assert set(cff) <= set("cff-version message type title abstract version date-released license authors keywords".split())
    assert cff["type"] in ("software", "dataset") and cff["license"] == PROJECT["license"] == "MIT"
    assert isinstance(cff["date-released"], date) and all(isinstance(word, str) for word in cff["keywords"])
    assert [list(author) for author in cff["authors"]] == [["name"]]
    assert cff["version"] == PROJECT["version"]


def test_changelog_begins_with_this_version():
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert released[0] == (PROJECT["version"], str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["date-released"]))
    versions = [tuple(map(int, version.split("."))) for version, _ in released]
    assert versions == sorted(versions, reverse=True)


def test_licence_has_the_words_of_mit():
    words = " ".join((ROOT / "LICENSE").read_text().split())
    assert words.startswith("MIT License Copyright (c) 2026 the From Noise to Crystals authors Permission is hereby granted")
    assert 'THE SOFTWARE IS PROVIDED "AS IS"' in words and "README.md" in words


def test_one_version_of_ruff():
    (hooks,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert hooks["rev"] == f"v{PINS['ruff'].specifier}".replace("==", "")
    assert str(requirements("requirements-test.txt")["ruff"].specifier) == str(PINS["ruff"].specifier)
    assert [hook["id"] for hook in hooks["hooks"]] == ["ruff-check", "ruff-format"]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt"])
def test_constraints_pin_every_requirement_within_its_bounds(name):
    for package, asked in requirements(name).items():
        assert package in PINS, f"constraints.txt lacks {package}: run make lock"
        (pin,) = PINS[package].specifier
        assert pin.operator == "==" and pin.version in asked.specifier, f"{PINS[package]} is not {asked}: run make lock"


def test_constraints_hold_versions_and_nothing_else():
    """No address, no build of one machine: the file serves every index and every processor."""
    for line in (ROOT / "constraints.txt").read_text().splitlines()[1:]:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line


def test_streamlit_stays_at_the_minor_version_that_the_kit_was_written_for():
    assert str(requirements("requirements.txt")["streamlit"].specifier) == "==1.67.*"


def test_findings_table_is_the_folder():
    """The form of a finding is in findings/README.md."""
    table = re.findall(r"^\| `(\w+\.sh)` \| [^|]+ \| [^|]+ \|$", (ROOT / "findings" / "README.md").read_text(), flags=re.MULTILINE)
    files = sorted(path for path in (ROOT / "findings").iterdir() if path.name != "README.md")
    assert sorted(table) == [path.name for path in files] and table
    for path in files:
        lines = path.read_text().splitlines()
        words = [line for line in lines[1 : lines.index("set -euo pipefail")] if line.startswith("# ")]
        assert lines[0] == "#!/usr/bin/env bash" and 4 <= len(words) <= 7, f"{path.name}: three to six lines of words, then the versions"
        assert "mktemp -d" in path.read_text() and "pip install" in path.read_text()
        assert not re.search(r"^\s*(from|import) (core|pages)\b", path.read_text(), flags=re.MULTILINE), f"{path.name} uses the product"
