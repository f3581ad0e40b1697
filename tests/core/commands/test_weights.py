"""n2c weights list | verify | manifest."""

import shutil

import pytest

from core.cli import main
from core.numerics.manifest import SHIPPED, read


@pytest.fixture
def folder(tmp_path):
    for name in ("ranker.safetensors", "prototypes.npz"):
        shutil.copy(SHIPPED / name, tmp_path)
    return tmp_path


def run(capsys, *arguments):
    code = main(["weights", *map(str, arguments)])
    return code, capsys.readouterr()


def test_list_and_verify_of_what_ships(capsys):
    code, said = run(capsys, "list")
    assert code == 0 and all(name in said.out and entry.sha256 in said.out for name, entry in read().items())
    code, said = run(capsys, "verify")
    assert (code, said.err) == (0, "") and f"{len(read())} files, all as listed" in said.out


def test_manifest_says_what_changed(capsys, folder):
    assert run(capsys, "manifest", "--folder", folder)[1].out.startswith("prototypes.npz: new\nranker.safetensors: new\nfiles listed")
    assert run(capsys, "verify", "--folder", folder)[0] == 0
    (folder / "ranker.safetensors").write_bytes(b"other")
    (folder / "prototypes.npz").unlink()
    code, said = run(capsys, "verify", "--folder", folder)
    assert code == 2 and "ranker.safetensors has 5 bytes" in said.err and "prototypes.npz is not there" in said.err
    assert "git checkout" in said.err and said.out == ""
    code, said = run(capsys, "manifest", "--folder", folder)
    assert code == 0 and said.out.startswith("prototypes.npz: gone\nranker.safetensors: changed\nfiles listed")
    assert run(capsys, "verify", "--folder", folder)[0] == 0


@pytest.mark.parametrize("action", ["list", "verify"])
def test_a_folder_without_a_list(capsys, folder, action):
    code, said = run(capsys, action, "--folder", folder)
    assert code == 2 and "cannot be read" in said.err and "Traceback" not in said.err


def test_a_folder_that_is_none(capsys, tmp_path):
    for action in ("list", "verify", "manifest"):
        code, said = run(capsys, action, "--folder", tmp_path / "none")
        assert code == 2 and "there is no folder" in said.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("arguments", [[], ["burn"], ["list", "--fast"]])
def test_other_words_are_refused(arguments, capsys):
    assert main(["weights", *arguments]) == 2 and "n2c weights" in capsys.readouterr().err


def test_help_has_an_example(capsys):
    assert main(["weights", "--help"]) == 0 and "n2c weights verify" in capsys.readouterr().out
