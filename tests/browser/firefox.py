"""A headless Firefox driven by WebDriver BiDi over its own debugging port: what playwright cannot do with Debian's build."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from tests.browser.conftest import end, free_port


class Firefox:
    """One tab. `errors` collects what the console and the page complained about since it was last cleared."""

    def __init__(self, wire: ClientConnection):
        self._wire, self._sent = wire, 0
        self.errors: list[str] = []
        self._ask("session.new", capabilities={})
        self._tab = self._ask("browsingContext.getTree")["contexts"][0]["context"]
        self._ask("session.subscribe", events=["log.entryAdded"])

    def _ask(self, method: str, **params: Any) -> dict:
        self._sent += 1
        self._wire.send(json.dumps({"id": self._sent, "method": method, "params": params}))
        while True:
            heard = json.loads(self._wire.recv(timeout=60))
            if heard.get("method") == "log.entryAdded" and heard["params"]["level"] == "error":
                self.errors.append(heard["params"]["text"] or "")
            if heard.get("id") == self._sent:
                if heard["type"] == "error":
                    raise RuntimeError(f"{method}: {heard['message']}")
                return heard["result"]

    def size(self, width: int, height: int) -> None:
        self._ask("browsingContext.setViewport", context=self._tab, viewport={"width": width, "height": height})

    def go(self, address: str) -> None:
        self._ask("browsingContext.navigate", context=self._tab, url=address, wait="interactive")

    def leave(self) -> None:
        """An empty page, and nothing held against the one before: what it was still loading fails when it is left."""
        self.go("about:blank")
        time.sleep(0.3)
        self.evaluate("1")
        self.errors.clear()

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression that JSON can carry. Raises RuntimeError with the page's words where it throws."""
        found = self._ask("script.evaluate", expression=f"JSON.stringify({expression})", target={"context": self._tab}, awaitPromise=True)
        if found["type"] == "exception":
            raise RuntimeError(found["exceptionDetails"]["text"])
        return json.loads(found["result"].get("value", "null"))

    def wait_for(self, expression: str, patience: float = 60.0) -> Any:
        """The first value of the expression that is true. Raises TimeoutError naming it."""
        until = time.monotonic() + patience
        while not (found := self.evaluate(expression)):
            if time.monotonic() > until:
                raise TimeoutError(f"not within {patience:.0f} s: {expression}")
            time.sleep(0.15)
        return found


@contextmanager
def firefox(patience: float = 60.0) -> Iterator[Firefox]:
    """Start it with a profile of its own; stop it at the end. Raises RuntimeError when it does not answer."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        raise RuntimeError("these tests need Firefox: apt-get install firefox-esr")
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, "--headless", "--no-remote", "--profile", profile, f"--remote-debugging-port={port}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + patience
            while True:
                try:
                    wire = connect(f"ws://127.0.0.1:{port}/session", max_size=None)
                    break
                except (OSError, InvalidHandshake):
                    if process.poll() is not None or time.monotonic() > until:
                        raise RuntimeError(f"Firefox did not come up (exit code {process.poll()})") from None
                    time.sleep(0.2)
            with wire:
                yield Firefox(wire)
        finally:
            end(process)
