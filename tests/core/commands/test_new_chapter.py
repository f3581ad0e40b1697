"""`n2c new-chapter` writes a chapter that is true, opens and keeps the contract; what cannot be made is refused in words."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core import cli, contract
from core.chapters import CHAPTERS, PARTS, Chapter, find
from core.commands import new_chapter

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A checkout to write into; the weights are only linked."""
    root = tmp_path / "project"
    unneeded = shutil.ignore_patterns("models", "vendor", "__pycache__", "benchmarks", "browser")
    for name in ("core", "pages", "assets", "tests"):
        shutil.copytree(ROOT / name, root / name, ignore=unneeded)
    for name in ("app.py", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    (root / "assets" / "models").symlink_to(ROOT / "assets" / "models")
    monkeypatch.chdir(root / "tests")  # anywhere inside
    return root


def run(root, *arguments):
    """Output of a Python command run in the copy."""
    env = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *arguments], cwd=root, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def everything(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_the_chapter_is_green_from_the_start(copy, capsys):
    title, question = "The Ornstein–Uhlenbeck process", "How is a start forgotten?"
    assert cli.main(["new-chapter", "ou", "--part", "physics", "--after", "langevin", "--title", title, "--question", question]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Chapter {find('langevin').number + 1}, “{title}”")
    tests = ["tests/core/physics/test_ou.py", "tests/pages/directions/test_ou.py"]
    assert all(path in said for path in tests)
    whole = ["tests/core/test_contract.py::test_chapter_keeps_the_contract[ou]", "tests/core/test_chapters.py", "tests/core/test_layers.py"]
    page = [f"tests/pages/test_every_chapter.py::test_{name}[ou]" for name in ("opens", "scenes_and_reset", "every_prediction_is_graded")]
    run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *whole, *tests, *page)


@pytest.mark.parametrize("slug", ["ou", "a_chapter_of_thirty_letters_xx"])
@pytest.mark.parametrize("part", PARTS)
def test_what_is_written_is_formatted(slug, part, tmp_path):
    longest = new_chapter.MAX_TITLE * "T", new_chapter.MAX_QUESTION * "q"
    chapter = Chapter(part, slug, *longest, "science")
    changes = new_chapter.make(chapter, ROOT)
    new_chapter.write(changes, tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ours = 'lint.isort.known-first-party = ["core", "pages", "tests"]'  # which ruff would find by the folders of a whole checkout
    run(tmp_path, "-m", "ruff", "check", "--no-cache", "--config", ours, ".")
    run(tmp_path, "-m", "ruff", "format", "--no-cache", "--check", ".")
    chapters = new_chapter.read_registry(changes["core/chapters.py"]).chapters
    assert contract.problems(chapter, tmp_path, chapters) == []
    place = chapters.index(chapter)
    assert chapters == (*CHAPTERS[:place], chapter, *CHAPTERS[place:])


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["Ornstein", "--part", "physics"], "'Ornstein' is no slug"),
        (["a-b", "--part", "physics"], "'a-b' is no slug"),
        (["../evil", "--part", "physics"], "is no slug"),
        (["class", "--part", "physics"], "'class' is no slug"),
        (["x" * 31, "--part", "physics"], "at most 30"),
        (["brownian", "--part", "physics"], "there is a page 'brownian' already"),
        (["home", "--part", "physics"], "there is a page 'home' already"),
        (["basins", "--part", "physics"], "core/physics/basins.py is there already"),
        (["trajectory", "--part", "physics"], "'trajectory' is a name that the files of a chapter use themselves"),
        (["ou", "--part", "chemistry"], "there is no part 'chemistry'; there are foundations, physics, learning, crystals"),
        (["ou", "--part", "physics", "--after", "nowhere"], "there is no chapter 'nowhere'; there are microstates"),
        (["ou", "--part", "physics", "--after", "torus"], "that chapter is in the part 'crystals', not in 'physics'"),
        (["ou", "--part", "physics", "--title", 'A "quoted" one'], "the title must be one line"),
        (["ou", "--part", "physics", "--title", "Brownian motion"], "there is a chapter “Brownian motion” already"),
        (["ou", "--part", "physics", "--question", "one\ntwo"], "the question must be one line"),
        (["ou", "--part", "physics", "--icon", ":diamond:"], "':diamond:' is no icon"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words_and_nothing_is_written(arguments, words, monkeypatch, capsys):
    written = []
    monkeypatch.setattr(new_chapter, "write", lambda *given: written.append(given))
    monkeypatch.chdir(ROOT)
    assert cli.main(["new-chapter", *arguments]) == 2
    assert words in capsys.readouterr().err and written == []


def test_outside_a_checkout(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["new-chapter", "ou", "--part", "physics"]) == 2
    assert "is not inside a checkout of From Noise to Crystals" in capsys.readouterr().err


def test_a_disk_that_refuses_leaves_nothing_behind(copy, capsys):
    shutil.rmtree(copy / "assets" / "chapters" / "physics")
    (copy / "assets" / "chapters" / "physics").write_text("a file where a folder should be")
    before = everything(copy)
    assert cli.main(["new-chapter", "ou", "--part", "physics"]) == 2
    assert "nothing was changed" in capsys.readouterr().err
    assert everything(copy) == before


def test_help_shows_an_example(capsys):
    assert cli.main(["new-chapter", "--help"]) == 0 and "n2c new-chapter ornstein_uhlenbeck --part physics" in capsys.readouterr().out
