"""The whole app in real Chromium: paints, moves, keeps quiet, fits a phone, needs no network."""

import re

import pytest
from playwright.sync_api import TimeoutError, expect

from core.chapters import CHAPTERS

PATHS = [""] + [chapter.slug for chapter in CHAPTERS]
# Streamlit asks for its health and configuration below the path of a deep link before it asks at the root; that 404 is its own.
QUIET = re.compile(r"favicon|manifest|WebGL.*(performance|fallback|software)|GPU stall|GL Driver Message", re.IGNORECASE)


def visit(browser, app, path, *, width=1440, height=900, scheme="light", offline=False, motion="no-preference"):
    """A page of the app at rest, and what it complained about. motion="reduce": for a reader who wants nothing to move by itself."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion=motion)
    page = context.new_page()
    complaints, foreign = [], []
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type == "error" and not QUIET.search(message.text) and "_stcore" not in message.location.get("url", "")
            else None
        ),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    host = app.split("//")[1].split("/")[0]

    def guard(route):
        if host in route.request.url or route.request.url.startswith(("data:", "blob:")):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    if offline:
        page.route("**/*", guard)
    page.goto(f"{app}/{path}")
    page.wait_for_selector(".stMainBlockContainer h1", timeout=60_000)
    page.wait_for_selector("[data-frame]", timeout=60_000)
    return page, complaints, foreign


def close(page):
    page.context.close()


def moves(page, stage):
    """Does the clock of this player run? One that plays by itself may be at its end before it is looked at: it is started again."""
    for _ in range(4):
        first = stage.get_attribute("data-frame")
        if stage.get_attribute("data-playing") not in ("1", "true"):
            page.keyboard.press("Space")
        try:
            page.wait_for_function("([e, f]) => e.getAttribute('data-frame') !== f", arg=[stage.element_handle(), first], timeout=7_500)
            return True
        except TimeoutError:
            continue
    return False


def fits(page):
    """Nothing makes the page scroll sideways."""
    return page.evaluate(
        "() => { const m = document.querySelector('[data-testid=stMain]') ?? document.documentElement;"
        " return m.scrollWidth - m.clientWidth <= 1 }"
    )


@pytest.mark.parametrize("path", PATHS)
def test_moves_and_is_quiet_without_a_network(browser, app, path):
    page, complaints, foreign = visit(browser, app, path, offline=True)
    stage = page.locator("[data-frame]").first
    stage.scroll_into_view_if_needed()
    assert moves(page, stage)
    if path:
        page.wait_for_selector(".st-key-n2c_equation .katex", timeout=30_000)
        assert page.locator(".st-key-n2c_equation .katex").first.bounding_box()["height"] > 10
    assert page.locator(".katex-error").count() == 0
    assert not page.locator("[data-testid=stException]").count()
    assert fits(page)
    assert complaints == []
    assert foreign == []
    close(page)


@pytest.mark.parametrize("path", PATHS)
def test_fits_a_phone(browser, app, path):
    page, _, _ = visit(browser, app, path, width=390, height=844, scheme="dark")
    assert fits(page)
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(300)
    assert fits(page)
    close(page)


def test_keys(browser, app):
    page, _, _ = visit(browser, app, CHAPTERS[0].slug)
    page.wait_for_selector("html[data-keys=ready]", state="attached", timeout=60_000)
    page.keyboard.press("l")
    page.wait_for_url("**mode=lecture**", timeout=60_000)
    page.wait_for_function(
        "() => getComputedStyle(document.querySelector('[data-testid=stSidebar]') ?? document.body).display === 'none'"
        " || !document.querySelector('[data-testid=stSidebar]')"
    )
    page.keyboard.press("2")
    page.wait_for_selector(".st-key-scene_2 button[kind=primary]")
    page.keyboard.press("l")
    page.wait_for_selector("[data-testid=stSidebar]:visible")
    page.keyboard.press("n")
    page.wait_for_url(f"**/{CHAPTERS[1].slug}**")
    page.wait_for_function(f"() => document.querySelector('h1')?.innerText === {CHAPTERS[1].label!r}")
    page.keyboard.press("?")
    page.wait_for_selector("[role=dialog] table")
    close(page)


def test_garbage_in_the_address_is_named_kindly(browser, app):
    page, _, _ = visit(browser, app, "brownian?sigma=banana&step=%3Cscript%3E")
    page.wait_for_selector("text=cannot be")
    assert page.locator("text=Traceback").count() == 0
    close(page)


def test_a_scene_moves_the_sliders_and_stays_when_another_one_is_moved(browser, app):
    page, complaints, _ = visit(browser, app, "torus?autoplay=1")
    page.wait_for_selector("html[data-keys=ready]", state="attached", timeout=60_000)
    sigma, images = page.locator(".st-key-sigma_max [data-testid=stSlider]"), page.locator(".st-key-images [data-testid=stSlider]")
    page.keyboard.press("5")
    page.wait_for_selector(".st-key-scene_5 button[kind=primary]", timeout=60_000)
    expect(sigma).to_contain_text("0.15")
    page.wait_for_url("**sigma_max=0.15**")
    images.locator("[data-rac] [data-rac] input").press("ArrowLeft")
    page.wait_for_selector(".st-key-scenes:not(:has(button[kind=primary]))", timeout=60_000)
    expect(sigma).to_contain_text("0.15")
    expect(images).to_contain_text("2")
    assert complaints == []
    close(page)
