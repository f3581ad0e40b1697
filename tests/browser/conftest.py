"""A real Chromium and a real Streamlit server for the browser tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


def chromium_path() -> str:
    """The system's Chromium. Raises RuntimeError with what to install when there is none."""
    for name in CHROMIUM:
        if path := shutil.which(name):
            return path
    raise RuntimeError(f"the browser tests need one of {', '.join(CHROMIUM)} on PATH (apt-get install chromium)")


def chromium_options() -> dict:
    """Keyword arguments for playwright.chromium.launch: the system's Chromium, rendering in software."""
    return {"executable_path": chromium_path(), "args": list(FLAGS)}


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end(process: subprocess.Popen, patience: float = 15.0) -> None:
    """Stop it, and kill it where it does not stop."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def served(script: Path, *, patience: float = 60.0) -> Iterator[str]:
    """Serve `script` with Streamlit on a free port; yields its address once it is healthy, stops it at the end."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(script),
        "--server.port",
        str(port),
        "--server.address",
        "127.0.0.1",
        "--server.headless",
        "true",
        "--server.fileWatcherType",
        "none",
        "--browser.gatherUsageStats",
        "false",
    ]
    server = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                pass
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"streamlit did not come up for {script} (exit code {server.poll()})")
            time.sleep(0.1)
        yield address
    finally:
        end(server)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser test that waited in vain is tried once more, and the report says so (R): on a busy machine a browser is late at times."""
    again = pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"])
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(again)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**chromium_options())
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """serve(script) -> address; each script is served once for the whole session."""
    running: dict[Path, tuple] = {}

    def start(script: Path) -> str:
        script = Path(script).resolve()
        if script not in running:
            context = served(script)
            running[script] = (context, context.__enter__())
        return running[script][1]

    yield start
    for context, _ in running.values():
        context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def app(serve) -> str:
    """Address of the whole app."""
    return serve(ROOT / "app.py")
