"""The picture follows the thumb: coarse ones while it is held, each place asked for once, and what is committed wins."""

import pytest

from pages.kit.player import ASSETS
from tests.browser.test_app import close, visit

THUMB = ".st-key-n2c_controls [data-testid=stSlider]"


@pytest.mark.parametrize("chapter, share", [("brownian", -0.2), ("representation", 0.2)])
def test_the_picture_follows_the_thumb_and_the_committed_one_wins(browser, app, chapter, share):
    page, _, _ = visit(browser, app, f"{chapter}?autoplay=1")
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
    page.mouse.move(x + share * width, y, steps=4)
    page.wait_for_selector("html[data-preview=shown]", state="attached", timeout=30_000)
    page.wait_for_selector(".n2c-values-now .katex")
    page.mouse.move(x + 1.05 * share * width, y)
    page.wait_for_timeout(1500)  # held still: nothing is asked for again
    coarse = page.get_attribute("[data-drawn-payload]", "data-drawn-payload")
    assert coarse != committed
    assert asked and all(one != other for one, other in zip(asked, asked[1:])), asked
    page.mouse.up()
    page.wait_for_selector("html:not([data-preview])", state="attached", timeout=30_000)
    page.wait_for_selector("[data-test-script-state=notRunning]", timeout=60_000)
    drawn = page.get_attribute("[data-drawn-payload]", "data-drawn-payload")
    assert drawn != committed
    assert (drawn == coarse) == (chapter == "representation"), "crystals have few atoms: the picture under the thumb has them all"
    assert page.locator(".n2c-values-now").count() == 0
    close(page)


OVERTAKEN = """async () => {
  const html = document.documentElement;
  const preview = new Preview({ read: () => ({ mount: {} }), back() {}, show: () => new Promise((drawn) => { window.drawn = drawn; }) });
  preview.committed(true);
  const late = preview.draw(new Uint8Array(), preview.turn);
  preview.committed(true);                                    // another picture, while the coarse one is still being drawn
  drawn();
  await late;
  const overtaken = html.dataset.preview ?? "";
  const soon = preview.draw(new Uint8Array(), preview.turn);
  drawn();
  await soon;
  return [overtaken, html.dataset.preview ?? ""];
}"""


def test_a_coarse_picture_that_was_overtaken_by_a_committed_one_does_not_stay(browser):
    script = (ASSETS / "player" / "preview.js").read_text(encoding="utf-8").replace("/*KATEX*/null", '""')
    page = browser.new_page()
    page.set_content("<p></p>")
    page.add_script_tag(content='const APP = "";\n' + script)
    assert page.evaluate(OVERTAKEN) == ["", "shown"]
    page.close()
