import subprocess
import tomllib
from importlib import metadata

import pytest

from core.version import ROOT, commit, version


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=trunk")
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init")
    git(folder, "commit", "--allow-empty", "--message", "one")
    return folder


def test_version_of_this_checkout():
    assert version() == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_version_of_an_installed_copy_comes_from_its_metadata(tmp_path, monkeypatch):
    monkeypatch.setattr(metadata, "version", {"noise-to-crystals": "7.8.9"}.__getitem__)
    assert version(tmp_path) == "7.8.9"


def short(folder):
    commit.cache_clear()
    return commit(folder)


def test_commit_is_what_git_says_on_a_branch_packed_and_detached(checkout):
    said = git(checkout, "rev-parse", "--short=7", "HEAD")
    assert short(checkout) == said and len(said) == 7
    git(checkout, "pack-refs", "--all")
    assert not (checkout / ".git" / "refs" / "heads" / "trunk").exists()
    assert short(checkout) == said
    git(checkout, "commit", "--allow-empty", "--message", "two")
    assert short(checkout) == git(checkout, "rev-parse", "--short=7", "HEAD") != said
    git(checkout, "checkout", "--detach", "HEAD~1")
    assert short(checkout) == said


def test_commit_of_a_worktree(checkout, tmp_path):
    git(checkout, "worktree", "add", "-b", "other", str(tmp_path / "tree"))
    git(tmp_path / "tree", "commit", "--allow-empty", "--message", "two")
    assert short(tmp_path / "tree") == git(tmp_path / "tree", "rev-parse", "--short=7", "HEAD") != short(checkout)


def test_no_commit_no_word(checkout, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert short(empty) == ""
    git(empty, "init")
    assert short(empty) == ""
    (empty / ".git" / "HEAD").write_text("something else")
    assert short(empty) == ""


def test_commit_is_read_once(checkout):
    first = short(checkout)
    git(checkout, "commit", "--allow-empty", "--message", "two")
    assert commit(checkout) == first
