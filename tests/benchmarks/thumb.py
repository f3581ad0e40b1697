"""The picture under the thumb, in Chromium: `python -m tests.benchmarks.thumb [--beside OTHER_CHECKOUT] [slug ...]`.

The first slider that follows the thumb is dragged over two fifths of its length and back, in steps of 40 ms: pictures a second, places that
the thumb has passed a second (there can be no more pictures than that), and the time from a step of the thumb to the picture of that value.
Then it is moved by one step and let go of: the time until the committed picture is drawn, for this checkout and the other in turn.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.benchmarks.moves import Server
from tests.benchmarks.report import write
from tests.browser.conftest import chromium_options

ROOT = Path(__file__).resolve().parents[2]
STEPS, EVERY, RELEASES = 60, 40, 6
SLIDERS = "[data-testid=stSlider]:visible"
WATCH = """(player) => {
  window.seen = { thumb: [], asked: [], drawn: [], full: [] };
  const { fetch } = window;
  window.fetch = (url, ...more) => {
    if (String(url).includes("/n2c/preview/")) seen.asked.push(String(url).split("/").pop());
    return fetch(url, ...more);
  };
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      if (target.matches("[data-testid=stSlider] input")) seen.thumb.push([performance.now(), target.value]);
    }
  }).observe(document, { subtree: true, attributes: true, attributeFilter: ["aria-valuetext"] });
  new MutationObserver(() => {
    const now = performance.now();
    if (document.documentElement.dataset.preview || seen.held) seen.drawn.push([now, seen.asked.at(-1)]);
    else seen.full.push(now);
  }).observe(player, { attributes: true, attributeFilter: ["data-drawn-payload"] });
}"""


def thumb(page: Page, slider: int) -> tuple[float, float, float]:
    """(x and y of the thumb, width of the rail), in pixels."""
    place = page.locator(SLIDERS).nth(slider)
    place.scroll_into_view_if_needed()
    handle = place.locator("[role=group] [data-rac] [data-rac]").first.bounding_box()
    rail = place.locator("[role=group]").first.bounding_box()
    return handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2, rail["width"]


def open_page(browser, port: int, slug: str) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"http://127.0.0.1:{port}/{slug}?autoplay=1")
    page.wait_for_selector("[data-frame]", timeout=60_000)
    page.wait_for_selector("[data-test-script-state=notRunning]", timeout=60_000)
    page.wait_for_timeout(2500)
    page.locator("[data-frame]").first.evaluate(WATCH)
    return page


def dragged(page: Page) -> tuple[float, float, float]:
    """(pictures a second, median lag in ms, places passed a second) of a drag to and fro."""
    x, y, width = thumb(page, 0)
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate("seen.held = true")
    start = page.evaluate("performance.now()")
    for i in range(STEPS):
        page.mouse.move(x + (width * 0.4) * abs((i / STEPS * 2 + 0.5) % 2 - 1) - width * 0.2, y)
        page.wait_for_timeout(EVERY)
    took = page.evaluate("performance.now()") - start
    seen = page.evaluate("seen")
    page.evaluate("seen.held = false")
    page.mouse.up()
    page.wait_for_timeout(3000)
    lags = []
    for drawn, value in seen["drawn"]:
        moved = [at for at, shown in seen["thumb"] if shown == value and at <= drawn]
        if moved:
            lags.append(drawn - moved[-1])
    told = [value for _, value in seen["thumb"]]
    passed = sum(here != there for here, there in zip(told, told[1:]))
    return 1000 * len(seen["drawn"]) / took, statistics.median(lags) if lags else float("nan"), 1000 * passed / took


def released(page: Page) -> float:
    """Median ms from letting go of the thumb, one step on, to the committed picture."""
    times = []
    for i in range(RELEASES):
        x, y, width = thumb(page, 0)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + (1 if i % 2 else -1) * width * 0.08, y)
        page.wait_for_timeout(300)
        page.evaluate("seen.full = []")
        page.evaluate("seen.up = performance.now()")
        page.mouse.up()
        with contextlib.suppress(Exception):
            page.wait_for_function("seen.full.length && !document.documentElement.dataset.preview", timeout=8000)
            times.append(page.evaluate("seen.full[0] - seen.up"))
        page.wait_for_timeout(1200)
    return statistics.median(times) if times else float("nan")


def main() -> None:
    from core.chapters import CHAPTERS

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("slugs", nargs="*", default=[chapter.slug for chapter in CHAPTERS])
    parser.add_argument("--beside", type=Path, help="another checkout, asked in turn")
    args = parser.parse_args()
    servers = [Server(ROOT, 8701)] + ([Server(args.beside.resolve(), 8702)] if args.beside else [])
    rows = []
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(**chromium_options())
            for slug in args.slugs:
                page = open_page(browser, servers[0].port, slug)
                rate, lag, places = dragged(page)
                full = [released(page)]
                page.close()
                for other in servers[1:]:
                    page = open_page(browser, other.port, slug)
                    full.append(released(page))
                    page.close()
                row = [
                    slug,
                    f"{rate:.1f}",
                    f"{places:.1f}",
                    f"{lag:.0f}",
                    f"{full[0]:.0f}",
                    *([f"{full[1]:.0f}", f"{full[0] / full[1]:.2f}"] if args.beside else []),
                ]
                rows.append(row)
                print(*row, flush=True)
            browser.close()
    finally:
        for server in servers:
            server.process.terminate()
            server.process.wait()
    head = [
        "chapter",
        "pictures a second",
        "places a second",
        "lag, ms",
        "release to full picture, ms",
        *(["the other: ms", "ratio"] if args.beside else []),
    ]
    write("thumb", "The picture under the thumb", head, rows)


if __name__ == "__main__":
    main()
