"""Start-up and memory of the whole app, every page in a real browser: `python -m tests.benchmarks.app`. (Server time: `pages.py`.)"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
PORT = 8599


def serve() -> tuple[subprocess.Popen, float]:
    """Start the app as `make run` does; seconds until it answers its health check."""
    start = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "core.cli", "run", "--port", str(PORT)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while True:
        try:
            urllib.request.urlopen(f"http://localhost:{PORT}/_stcore/health", timeout=1).read()
            return server, time.perf_counter() - start
        except OSError:
            time.sleep(0.02)


def memory(server: subprocess.Popen) -> float:
    """MB resident in the server and its workers together (memory they share counted once: proportional set size)."""
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    return sum(process.memory_full_info().pss for process in family) / 1e6


def browse() -> list[tuple[str, str, str]]:
    """Real Chromium: start to usable page, then every page, then memory."""
    from playwright.sync_api import sync_playwright

    from core.chapters import CHAPTERS
    from tests.browser.conftest import chromium_options

    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium_options())
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        start = time.perf_counter()
        server, healthy = serve()
        try:
            page.goto(f"http://localhost:{PORT}/")
            page.wait_for_selector("[data-frame]", timeout=60_000)
            rows.append(("server start to first page usable", f"{time.perf_counter() - start:.2f} s", "≤ 6 s"))
            rows.append(("  of which until the server answers", f"{healthy:.2f} s", ""))
            for chapter in CHAPTERS:
                start = time.perf_counter()
                page.goto(f"http://localhost:{PORT}/{chapter.slug}")
                page.wait_for_selector("[data-frame]", timeout=60_000)
                rows.append((f"{chapter.slug}: address entered to picture, in the browser", f"{time.perf_counter() - start:.2f} s", ""))
                page.wait_for_timeout(2000)
            start = time.perf_counter()
            page.click(".st-key-start_gallery button")
            page.wait_for_selector("[data-frame] >> nth=1", timeout=60_000)
            rows.append(("a gallery of 16 crystals, button to picture, worker started", f"{time.perf_counter() - start:.2f} s", "≤ 10 s"))
            rows.append(("memory after every page (server and workers)", f"{memory(server):.0f} MB", "≤ 1000 MB"))
        finally:
            server.terminate()
            server.wait()
            browser.close()
    return rows


if __name__ == "__main__":
    from tests.benchmarks.report import write

    write("app", "Start-up, pages in the browser, memory", ("what", "measured", "wanted"), browse())
