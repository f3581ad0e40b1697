"""What the commands take as arguments, and how they refuse the rest."""

import os

import pytest

from core.commands import arguments
from core.commands.arguments import CommandError


@pytest.mark.parametrize("text, number", [("1", 1), ("12", 12), ("20", 20)])
def test_whole_numbers(text, number):
    assert arguments.whole(1, 20)(text) == number


@pytest.mark.parametrize("text, words", [("0", "from 1 to 20"), ("21", "from 1 to 20"), ("2.5", "whole number"), ("", "whole number")])
def test_what_is_no_such_whole_number(text, words):
    with pytest.raises(CommandError, match=words):
        arguments.whole(1, 20)(text)


@pytest.mark.parametrize("text, number", [("0", 0.0), ("1e-3", 0.001), ("2", 2.0)])
def test_numbers(text, number):
    assert arguments.real(0, 2)(text) == number


@pytest.mark.parametrize("text", ["-0.1", "nan", "inf", "-inf", "warm", "", "2.1"])
def test_what_is_no_such_number(text):
    with pytest.raises(CommandError, match="number|at least 0 and at most 2"):
        arguments.real(0, 2)(text)


def test_a_number_above():
    assert arguments.real(0, above=True)("1e-9") == 1e-9
    with pytest.raises(CommandError, match="not above 0"):
        arguments.real(0, above=True)("0")


def test_an_input_is_a_file(tmp_path):
    there = tmp_path / "there"
    there.write_text("x")
    assert arguments.input_file(str(there)) == there
    with pytest.raises(CommandError, match="is a folder"):
        arguments.input_file(str(tmp_path))
    with pytest.raises(CommandError, match="there is no file"):
        arguments.input_file(str(tmp_path / "elsewhere"))


def test_an_input_folder(tmp_path):
    assert arguments.input_folder(str(tmp_path)) == tmp_path
    (tmp_path / "file").write_text("x")
    with pytest.raises(CommandError, match="is a file"):
        arguments.input_folder(str(tmp_path / "file"))
    with pytest.raises(CommandError, match="there is no folder"):
        arguments.input_folder(str(tmp_path / "elsewhere"))


def test_an_output_can_be_written_and_is_not_made_by_asking(tmp_path):
    target = tmp_path / "out.npz"
    assert arguments.output_file(str(target)) == target and not target.exists()
    with pytest.raises(CommandError, match="is a folder"):
        arguments.output_file(str(tmp_path))
    with pytest.raises(CommandError, match="there is no folder"):
        arguments.output_file(str(tmp_path / "missing" / "out.npz"))


def test_a_folder_to_write_into(tmp_path):
    target = tmp_path / "runs" / "new"
    assert arguments.output_folder(str(target)) == target and not target.parent.exists()
    (tmp_path / "file").write_text("x")
    for name in ("file", "file/below"):
        with pytest.raises(CommandError, match="is a file"):
            arguments.output_folder(str(tmp_path / name))


KINDS = [(arguments.input_file, "locked"), (arguments.output_file, "locked"), (arguments.output_folder, "new")]


@pytest.mark.parametrize("kind, name", KINDS)
def test_without_permission(kind, name, tmp_path, monkeypatch):
    (tmp_path / "locked").write_text("x")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may do everything, so permissions are played
    with pytest.raises(CommandError, match="may not be"):
        kind(str(tmp_path / name))


def test_inputs_are_not_overwritten(tmp_path):
    given = tmp_path / "in.npz"
    given.write_text("x")
    arguments.keep_inputs(tmp_path / "out.npz", [given, None])
    link = tmp_path / "link.npz"
    link.symlink_to(given)
    with pytest.raises(CommandError, match="is read as input"):
        arguments.keep_inputs(link, [given])


def test_faults_of_the_input_are_refusals_and_others_are_not():
    with pytest.raises(CommandError, match="^a bad line$"), arguments.refusing(KeyError, ValueError):
        raise ValueError("a bad line")
    with pytest.raises(TypeError), arguments.refusing(ValueError):
        raise TypeError
