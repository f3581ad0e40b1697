"""The wheel in a fresh environment, started in a folder that has nothing to do with this checkout."""

import json
import os
import re
import socket
import subprocess
import time
import urllib.request

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.NewSession_pb2 import Config
from websockets.sync.client import connect

from core.structures.builtin import STRUCTURES


def alone(environment, **more):
    """Environment variables of somebody who knows of no checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("STREAMLIT_")}
    return kept | {"HOME": str(environment), "OMP_NUM_THREADS": "1"} | more


def wait_until_healthy(server, address, patience=60.0):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except OSError:
            assert server.poll() is None, server.stdout.read()
            time.sleep(0.1)
    raise AssertionError("the server did not come up")


def visit(address, page):
    """What a browser is sent that opens `page` (the last part of its address), until the page is done."""
    asked = BackMsg()
    asked.rerun_script.page_name = page
    messages = []
    with connect(address.replace("http", "ws") + "/_stcore/stream", subprotocols=["streamlit"], max_size=None) as line:
        line.send(asked.SerializeToString())
        while not messages or messages[-1].WhichOneof("type") != "script_finished":
            messages.append(ForwardMsg.FromString(line.recv(timeout=120)))
    return messages


@pytest.fixture(scope="module")
def served(environment, tmp_path_factory):
    """Address of `n2c run`, and what its very first visitor was sent, who came by a deep link."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [environment / "bin" / "n2c", "run", "--port", str(port), "--server.address", "127.0.0.1"],
        cwd=tmp_path_factory.mktemp("empty"),
        env=alone(environment, STREAMLIT_BROWSER_GATHER_USAGE_STATS="true"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(server, address)
        yield address, visit(address, "representation")
    finally:
        server.terminate()
        server.wait(20)


def of(messages, kind):
    return [getattr(message, kind) for message in messages if message.WhichOneof("type") == kind]


def components(messages):
    return [delta.new_element.bidi_component for delta in of(messages, "delta") if delta.new_element.HasField("bidi_component")]


def failures(messages):
    return [delta.new_element.exception.message for delta in of(messages, "delta") if delta.new_element.HasField("exception")]


def test_the_first_visitor_may_come_by_a_deep_link(served):
    """Streamlit greets the very first visitor of a server with “Page not found” when a folder `pages` lies beside the script."""
    address, messages = served
    assert of(messages, "page_not_found") == []
    (navigation,) = of(messages, "navigation")
    (page,) = [page for page in navigation.app_pages if page.url_pathname == "representation"]
    assert navigation.page_script_hash == page.page_script_hash
    assert failures(messages) == []
    (player,) = [part for part in components(messages) if part.component_name.endswith("crystal_player")]
    loaded = re.search(r'"(component/[^"]*\.js)"', player.js_content)[1]
    with urllib.request.urlopen(f"{address}/{loaded}", timeout=10) as script:
        local = json.loads(re.search(r'\{"local": [^}]*\}', script.read().decode())[0])["local"]
    with urllib.request.urlopen(f"{address}/{local}", timeout=10) as engine:
        assert len(engine.read()) > 100_000


def test_the_home_page_opens(served):
    address, _ = served
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert b"<title>" in answer.read()
    messages = visit(address, "")
    assert components(messages) and failures(messages) == []
    (icon,) = [config.favicon for config in of(messages, "page_config_changed") if config.favicon]  # the title follows by itself
    with urllib.request.urlopen(f"{address}{icon}", timeout=10) as answer:
        assert answer.read(4) == b"\x89PNG"


def test_the_settings_come_along_and_the_environment_wins(served):
    _, messages = served
    (session,) = of(messages, "new_session")
    assert session.config.toolbar_mode == Config.ToolbarMode.VIEWER
    assert session.custom_theme.light.primary_color == "#0072B2" and session.custom_theme.dark.primary_color == "#56B4E9"
    assert session.config.gather_usage_stats  # false in the settings, true in the environment of this server


def test_the_command_is_there(environment, tmp_path):
    def n2c(*arguments):
        command = [environment / "bin" / "n2c", *arguments]
        ran = subprocess.run(command, cwd=tmp_path, env=alone(environment), capture_output=True, text=True, timeout=120)
        return ran.returncode, ran.stdout.splitlines()[0]

    (tmp_path / "salt.cif").write_text(STRUCTURES["rock salt NaCl"]().to_cif())
    assert n2c("--help") == (0, "usage: n2c <command> [options]")
    assert n2c("read", "salt.cif") == (0, "formula           Na4 Cl4")
    assert n2c("weights", "verify")[0] == 0
