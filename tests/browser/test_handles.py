"""Handles on the stage in a real browser: a mode follows the hand, the field follows the mode, and the link follows both."""

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

from tests.browser.test_app import close, visit


def first_mode(page):
    return [float(word) for word in parse_qs(urlsplit(page.url).query)["modes"][0].split(";")[0].split()]


def spot(page, part):
    """The middle of the first handle's `part`, once the page around it has come to rest."""
    page.wait_for_selector("[data-test-script-state='notRunning']", timeout=60_000)
    place = page.locator(f".handle {part}").first
    place.hover()  # waits until it neither moves nor is covered
    box = place.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_dragged_mode_reaches_python_and_the_link(browser, app):
    page, complaints, _ = visit(browser, app, "score_fields")
    x, y = spot(page, ".disc")
    root = page.locator(".player").first
    before = root.get_attribute("data-drawn-payload")
    plot = page.locator(".handles").first.bounding_box()
    page.mouse.down()
    page.mouse.move(x + 40, y - 30, steps=5)
    expect(page.locator(".said").first).to_have_text(re.compile(r"Mode 1: x -?\d"))
    moved = page.locator(".handle .disc").first.bounding_box()
    assert abs(moved["x"] + moved["width"] / 2 - x - 40) < 2 and abs(moved["y"] + moved["height"] / 2 - y + 30) < 2
    playing = root.get_attribute("data-playing")
    page.mouse.up()
    page.wait_for_function("() => location.search.includes('modes=')", timeout=60_000)
    assert root.get_attribute("data-playing") == playing  # a drag is no click on the stage
    mode = first_mode(page)
    assert mode[0] > -1.2 and mode[1] > -0.8 and mode[2:] == [0.5, 0.5]
    assert 40 / plot["width"] < (mode[0] + 1.2) / 6 * 3  # as far as the hand went, whatever the size
    page.wait_for_function(
        "([root, old]) => root.getAttribute('data-drawn-payload') !== old", arg=[root.element_handle(), before], timeout=60_000
    )
    page.locator(".handle").first.focus()
    page.keyboard.press("]")
    page.wait_for_function("() => /0\\.5[23]/.test(decodeURIComponent(location.search))", timeout=60_000)
    assert complaints == []
    close(page)


def test_the_field_follows_the_hand_before_the_server_answers(browser, app):
    page, _, _ = visit(browser, app, "score_fields")
    page.wait_for_selector(".handle .disc")
    page.keyboard.press("Space")
    page.wait_for_timeout(300)
    x, y = spot(page, ".weigh")
    canvas = page.locator("canvas.points").first
    before = canvas.screenshot()
    page.mouse.down()
    page.mouse.move(x, y - 66, steps=4)
    page.wait_for_timeout(300)
    assert canvas.screenshot() != before and "modes=" not in page.url
    page.mouse.up()
    close(page)
