"""The particle player in software-rendered Chromium: `python -m tests.benchmarks.player [--url URL --slider NAME | --beside CHECKOUT]`.

Frames per second, bytes on the wire and the time from letting go of a slider to the first frame of the new data. Prints a table
and writes it to tests/benchmarks/results/player.md. The peer in the same run is a Plotly figure with frames.
With --url, the delay is measured on that page of a running app instead of on the bare harness.
With --beside CHECKOUT, only the frames per second of this build and of that older checkout are measured, in alternation.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.benchmarks.report import write
from tests.browser.conftest import chromium_options, served

HARNESS = Path(__file__).resolve().parents[1] / "browser" / "harness"
FRAMES, REPEATS = 200, 20
RELEASED = "addEventListener('pointerup', () => { window.released = performance.now(); }, true)"
DRAWN = "(id) => performance.getEntriesByName(`player:drawn:${id}`)[0].startTime - window.released"


def open_page(browser: Browser, url: str):
    """A page with its player drawn, and a list that collects the sizes of the messages it receives."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    sizes: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: sizes.append(len(data))))
    page.goto(url)
    return page, sizes


def frames_per_second(browser: Browser, url: str, seconds: float = 8.0) -> float:
    """Median of the player's own half-second counts, while it plays."""
    page, _ = open_page(browser, url)
    root = page.locator(".player").first
    page.wait_for_function("(root) => root.dataset.fps", arg=root.element_handle(timeout=60_000), timeout=60_000)
    page.wait_for_timeout(1500)
    seen, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        seen.append(float(root.get_attribute("data-fps")))
        page.wait_for_timeout(500)
    page.close()
    return statistics.median(seen)


def slider_delays(browser: Browser, url: str, name: str) -> tuple[list[float], int]:
    """Milliseconds from the release of the slider to the first new frame, and the largest message."""
    page, sizes = open_page(browser, url)
    root = page.locator(".player").first
    page.wait_for_function("(root) => root.dataset.drawnPayload", arg=root.element_handle(timeout=60_000), timeout=60_000)
    page.evaluate(RELEASED)
    thumb = page.get_by_role("slider", name=name).first
    track = thumb.locator("xpath=ancestor::*[@data-orientation='horizontal'][1]")
    page.wait_for_timeout(2000)  # the rest of the page
    delays = []
    sizes.clear()
    for i in range(REPEATS + 2):
        before, box = root.get_attribute("data-drawn-payload"), track.bounding_box()
        # never twice at the same place: a payload seen before would be found already drawn
        x, y = box["x"] + box["width"] * (0.45 + 0.02 * i if i % 2 else 0.4 - 0.015 * i), box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 2, y, steps=2)
        page.wait_for_timeout(100)
        page.mouse.up()
        page.wait_for_function("([root, old]) => root.dataset.drawnPayload !== old", arg=[root.element_handle(), before])
        delays.append(page.evaluate(DRAWN, root.get_attribute("data-drawn-payload")))
        page.wait_for_timeout(900)
    page.close()
    # a value met a second time has its mark from the first: not counted
    return [delay for delay in delays[2:] if delay > 0], max(sizes)


def plotly_frames(browser: Browser, address: str, n: int) -> tuple[float, int]:
    """Frames per second and bytes of the same walkers as a Plotly figure with frames."""
    page, sizes = open_page(browser, f"{address}/?n={n}")
    page.locator(".updatemenu-button").first.wait_for(timeout=120_000)
    page.evaluate("""() => { window.shown = 0; const plot = document.querySelector('.js-plotly-plot');
      plot.on('plotly_animatingframe', () => { shown++; }); }""")
    page.locator(".updatemenu-button").first.click()
    page.wait_for_timeout(1000)
    before, start = page.evaluate("shown"), time.monotonic()
    page.wait_for_timeout(5000)
    rate = (page.evaluate("shown") - before) / (time.monotonic() - start)
    page.close()
    return rate, max(sizes)


def beside(checkout: Path, rounds: int = 5) -> None:
    """Print the frames per second of all layers at 10,000 particles, here and of `checkout`, and the median ratio of the rounds."""
    query = f"?scene=two-d&n=10000&frames={FRAMES}"
    older = checkout / HARNESS.relative_to(HARNESS.parents[2]) / "player_app.py"
    with sync_playwright() as playwright, served(HARNESS / "player_app.py") as address, served(older) as other:
        browser = playwright.chromium.launch(**chromium_options())
        ratios = []
        for _ in range(rounds):
            here, there = frames_per_second(browser, f"{address}/{query}"), frames_per_second(browser, f"{other}/{query}")
            ratios.append(here / there)
            print(f"{here:.1f} frames per second, {there:.1f} beside it: {here / there:.2f} times as many", flush=True)
        browser.close()
    print(f"median of {rounds}: {statistics.median(ratios):.2f} times as many; load average {os.getloadavg()[0]:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a page of a running app, for the delay")
    parser.add_argument("--slider", default="spread", help="accessible name of the slider to move")
    parser.add_argument("--beside", type=Path, help="an older checkout, for the frames per second")
    args = parser.parse_args()
    if args.beside:
        beside(args.beside.resolve())
        return
    rows = []
    with sync_playwright() as playwright, served(HARNESS / "player_app.py") as address, served(HARNESS / "plotly_app.py") as peer:
        browser = playwright.chromium.launch(**chromium_options())
        plotly_rate, plotly_bytes = plotly_frames(browser, peer, 2000)
        for scene, what in (("bare", "points only"), ("two-d", "density, arrows, marginals too"), ("one-d", "1-D, all of it")):
            rate = frames_per_second(browser, f"{address}/?scene={scene}&n=10000&frames={FRAMES}")
            rows.append((f"frames per second, 10,000 × {FRAMES}, {what}", f"{rate:.0f}", "≥ 50", ""))
        rate = frames_per_second(browser, f"{address}/?scene=bare&n=2000&frames={FRAMES}")
        rows.append(
            (
                f"frames per second, 2,000 × {FRAMES}, points only",
                f"{rate:.0f}",
                "",
                f"{rate / plotly_rate:.1f} × Plotly ({plotly_rate:.0f})",
            )
        )
        for scene, what in (("bare", "points only"), ("two-d", "density, arrows, marginals too"), ("one-d", "1-D, all of it")):
            delays, size = slider_delays(browser, f"{address}/?scene={scene}&n=2000&frames={FRAMES}", "spread")
            per = size / (2000 * FRAMES)
            rows.append(
                (
                    f"bytes on the wire per particle and frame, 2,000 × {FRAMES}, {what}",
                    f"{per:.2f}",
                    "≤ 4",
                    f"{size / plotly_bytes:.2f} × Plotly ({plotly_bytes / 2000 / FRAMES:.1f})",
                )
            )
            rows.append(delay_row(f"slider release to new frame, {what}", delays))
        if args.url:
            delays, _ = slider_delays(browser, args.url, args.slider)
            rows.append(delay_row(f"slider release to new frame, {args.url.split('/', 3)[-1] or 'home'}", delays))
        browser.close()
    busy = f"load average during the run {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    write("player", f"Particle player ({busy})", ("what", "measured", "wanted", "peer"), rows)


def delay_row(what: str, delays: list[float]) -> tuple[str, str, str, str]:
    late = sorted(delays)[min(len(delays) - 1, int(0.95 * len(delays)))]
    return what, f"median {statistics.median(delays):.0f} ms, p95 {late:.0f} ms", "≤ 250, ≤ 500 ms", ""


if __name__ == "__main__":
    main()
