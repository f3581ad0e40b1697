"""The picture follows the thumb: coarse ones while it is held, each place asked for once, and what is committed wins."""

from tests.browser.test_app import close, visit

THUMB = ".st-key-n2c_controls [data-testid=stSlider]"


def test_the_picture_follows_the_thumb_and_the_committed_one_wins(browser, app):
    page, _, _ = visit(browser, app, "brownian?autoplay=1")
    page.wait_for_selector("[data-test-script-state=notRunning]", timeout=60_000)
    page.wait_for_function("document.documentElement.dataset.offer")
    asked, committed = [], page.get_attribute("[data-drawn-payload]", "data-drawn-payload")
    page.on("request", lambda request: asked.append(request.url.split("/n2c/preview/")[1]) if "/n2c/preview/" in request.url else None)
    slider = page.locator(THUMB).first
    handle = slider.locator("[role=group] [data-rac] [data-rac]").first.bounding_box()
    width = slider.locator("[role=group]").first.bounding_box()["width"]
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 0.2 * width, y, steps=4)
    page.wait_for_selector("html[data-preview=shown]", state="attached", timeout=30_000)
    page.wait_for_selector(".n2c-values-now .katex")
    page.mouse.move(x - 0.21 * width, y)
    page.wait_for_timeout(1500)  # held still: nothing is asked for again
    coarse = page.get_attribute("[data-drawn-payload]", "data-drawn-payload")
    assert coarse != committed
    assert asked and all(one != other for one, other in zip(asked, asked[1:])), asked
    page.mouse.up()
    page.wait_for_selector("html:not([data-preview])", state="attached", timeout=30_000)
    page.wait_for_selector("[data-test-script-state=notRunning]", timeout=60_000)
    assert page.get_attribute("[data-drawn-payload]", "data-drawn-payload") not in (coarse, committed)
    assert page.locator(".n2c-values-now").count() == 0
    close(page)
