"""The command `n2c`: help and refusals come at once, and nothing that goes wrong ends in a traceback."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from core import cli
from core.commands import data, dispatch, train
from core.commands.arguments import CommandError
from core.version import version

ROOT = Path(__file__).resolve().parents[2]
SLOW = ("torch", "numpy", "pymatgen", "streamlit", "plotly")
PROBE = f"""
import sys
from core import cli
code = cli.main(sys.argv[1:])
sys.exit(code if not set(sys.modules) & set({SLOW}) else "slow libraries were imported")
"""
COMMANDS = [(name,) for name in cli.COMMANDS] + [("train", kind) for kind in train.KINDS] + [("data", kind) for kind in data.TABLES]


def quickly(*arguments):
    return subprocess.run([sys.executable, "-c", PROBE, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.fixture
def command(monkeypatch):
    """Put a function in the place of every command."""

    def put(function):
        monkeypatch.setattr(dispatch.importlib, "import_module", lambda name: SimpleNamespace(main=function))

    return put


def test_help_names_every_command():
    ran = quickly("--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    for name, (_, line) in cli.COMMANDS.items():
        assert f"\n  {name} " in ran.stdout and line in ran.stdout


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(names, capsys):
    assert cli.main([*names, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.startswith(f"usage: n2c {' '.join(names)}")
    assert re.search(rf"^ +(\w+=\S+ )?n2c {' '.join(names)}", out, re.MULTILINE)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((), "usage: n2c"),
        (("rnu",), "did you mean run?"),
        (("xyz",), "there are run, "),
        (("--port",), "there is no command"),
        (("train",), "usage: n2c train"),
        (("train", "flows"), "did you mean flow?"),
        (("train", "flows", "--help"), "did you mean flow?"),
        (("run", "--port", "many"), "'many' is not a whole number"),
        (("run", "--port", "70000"), "from 1 to 65535"),
        (("run", "somewhere"), "'somewhere' is not an option"),
    ],
)
def test_what_cannot_be_is_refused_in_words(arguments, words):
    ran = quickly(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "") and words in ran.stderr and "Traceback" not in ran.stderr


def test_a_module_runs_it_too():
    ran = subprocess.run([sys.executable, "-m", "core.cli", "--version"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, f"n2c {version()}\n")


def test_a_command_gets_its_arguments_and_gives_its_exit_code(command):
    given = []
    command(lambda arguments: given.extend(arguments) or 7)
    assert cli.main(["run", "--port", "1"]) == 7 and given == ["--port", "1"]


def test_a_refusal_of_a_command_is_said(command, capsys):
    def refuse(arguments):
        raise CommandError("the well is dry")

    command(refuse)
    assert cli.main(["run"]) == 2
    assert capsys.readouterr() == ("", "n2c run: the well is dry\n")


def test_an_interruption_ends_quietly(command, capsys):
    def wait(arguments):
        raise KeyboardInterrupt

    command(wait)
    assert cli.main(["run"]) == 130
    assert capsys.readouterr() == ("", "n2c run: stopped\n")


def test_a_reader_who_leaves_ends_it_quietly():
    writer = "import sys; from core import cli; from core.commands import dispatch; from types import SimpleNamespace as N\n"
    writer += "dispatch.importlib.import_module = lambda name: N(main=lambda a: [print('x' * 99) for _ in range(9999)] and 0)\n"
    writer += "sys.exit(cli.main(['run']))"
    process = subprocess.Popen([sys.executable, "-c", writer], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait(30) == 141
