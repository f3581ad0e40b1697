"""`n2c run` hands over to Streamlit: with the app of this project, from any folder, and with the settings that the reader gave."""

import os
import socket
import sys

import pytest
from streamlit import config

from core.commands import run
from core.commands.arguments import CommandError


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Run the command in an empty folder; what it would have become: (command line, environment)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    calls = []
    monkeypatch.setattr(os, "execv", lambda program, line: calls.append((program, line, dict(os.environ))))

    def start(*arguments):
        run.main(list(arguments))
        ((program, line, environment),) = calls
        assert program == sys.executable
        return line, environment

    return start


def test_the_app_of_this_project_is_served(started):
    line, _ = started()
    assert line[1:5] == ["-P", "-m", "streamlit", "run"] and line[5:] == [str(run.ROOT / "app.py")]
    assert (run.ROOT / "app.py").exists()


def test_a_port_and_options_of_streamlit(started):
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = str(probe.getsockname()[1])
    line, _ = started("--port", port, "--server.address=127.0.0.1", "--theme.base", "dark")
    assert line[6:] == ["--server.port", port, "--server.address=127.0.0.1", "--theme.base", "dark"]


def test_a_port_in_use_is_said_in_words(started):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(CommandError, match="is in use"):
            started("--server.port", str(other.getsockname()[1]))


def test_settings_of_the_folder_win_over_those_of_the_app_and_variables_over_both(started, tmp_path, monkeypatch):
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text(
        '[server]\nmaxUploadSize = 50\nheadless = false\ncorsAllowedOrigins = ["a", "b"]\n[theme.light]\nprimaryColor = "#112233"\n'
    )
    os.environ["STREAMLIT_THEME_LIGHT_PRIMARY_COLOR"] = "#445566"
    _, environment = started()
    assert environment["STREAMLIT_SERVER_MAX_UPLOAD_SIZE"] == "50" and environment["STREAMLIT_SERVER_HEADLESS"] == "false"
    assert environment["STREAMLIT_SERVER_CORS_ALLOWED_ORIGINS"] == "a b"
    assert environment["STREAMLIT_THEME_LIGHT_PRIMARY_COLOR"] == "#445566"


def test_settings_that_cannot_be_read(started, tmp_path):
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text("[server\n")
    with pytest.raises(CommandError, match="config.toml cannot be read"):
        started()


def test_the_settings_of_the_app_are_left_to_streamlit():
    assert run.settings(run.ROOT) == {}


def test_names_of_variables_are_those_of_streamlit():
    template = config._config_options_template
    assert len(template) > 100
    assert {key: run.variable(key) for key in template} == {key: option.env_var for key, option in template.items()}
