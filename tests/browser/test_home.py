"""Home in a real browser: a title slide for a hall, and a start page that a phone can hold."""

import pytest

from core.chapters import CHAPTERS
from tests.browser.test_app import close, fits, visit
from tests.browser.test_geometry import at_rest

BOXES = """() => [...document.querySelectorAll('.st-key-n2c_chain *')].filter((place) => place.shadowRoot).map((place) =>
  ['.player', '.bar'].map((part) => place.shadowRoot.querySelector(part).getBoundingClientRect()).map(({ top, bottom, left, right }) =>
    ({ top, bottom, left, right })))"""


def inside(box, width, height):
    return 0 <= box["x"] and 0 <= box["y"] and box["x"] + box["width"] <= width + 1 and box["y"] + box["height"] <= height + 1


def test_the_hall_sees_a_title_slide_with_every_chapter(browser, app):
    page, _, _ = visit(browser, app, "?mode=lecture")
    for width, height in ((1440, 900), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        at_rest(page)
        (walk, _), (crystal, _) = page.evaluate(BOXES)
        assert walk["left"] < 0.03 * width and crystal["right"] > 0.97 * width, "the chain fills the width"
        assert walk["bottom"] - walk["top"] > 0.4 * height
        links = page.locator(".st-key-home_list a").all()
        assert [link.inner_text() for link in links] == [chapter.label for chapter in CHAPTERS]
        assert all(inside(part.bounding_box(), width, height) for part in [page.locator("h1"), page.locator("h4"), *links])
        columns: dict[int, float] = {}
        for link in links:
            columns.setdefault(round(link.bounding_box()["x"]), link.bounding_box()["y"])
        assert len(columns) in (2, 3) and max(columns.values()) - min(columns.values()) < 1, "they begin at one height"
    title, sentence = page.locator("h1").bounding_box(), page.locator("h4").bounding_box()
    assert title["y"] + title["height"] <= sentence["y"] + 1 and sentence["y"] + sentence["height"] <= walk["top"] + 1
    assert page.locator("[class*=st-key-way_]").count() == 0
    page.locator(".st-key-home_list a").last.click()
    page.wait_for_function(f"() => document.querySelector('h1')?.innerText === {CHAPTERS[-1].label!r}")
    assert page.evaluate("document.documentElement.dataset.lecture") == "1"
    close(page)


@pytest.mark.parametrize("width", [1280, 1440, 1920])
def test_the_links_of_the_chain_stand_on_one_line(browser, app, width):
    page, _, _ = visit(browser, app, "", width=width)
    at_rest(page)
    (walk, walk_bar), (crystal, crystal_bar) = page.evaluate(BOXES)
    assert abs(walk["top"] - crystal["top"]) <= 1 and abs(walk["bottom"] - crystal["bottom"]) <= 1
    assert abs(walk_bar["bottom"] - crystal_bar["bottom"]) <= 1
    close(page)


def test_who_teaches_goes_to_the_title_slide_and_who_studies_to_the_first_chapter(browser, app):
    page, _, _ = visit(browser, app, "")
    page.locator(".st-key-way_teach button").click()
    page.wait_for_selector(".st-key-home_list")
    page.wait_for_url("**mode=lecture**")
    page.wait_for_selector("html[data-keys=ready]", state="attached")
    page.keyboard.press("l")
    page.locator(".st-key-way_study a").click()
    page.wait_for_url(f"**/{CHAPTERS[0].slug}**")
    close(page)


def test_a_phone_scrolls_less_than_three_screens_for_every_chapter(browser, app):
    page, _, _ = visit(browser, app, "", width=390, height=844)
    at_rest(page)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight") < 2500
    assert page.locator("[class*=st-key-home_] a").count() == len(CHAPTERS)
    assert all(link.bounding_box()["height"] >= 24 for link in page.locator("[class*=st-key-home_] a").all())
    assert fits(page)
    close(page)
