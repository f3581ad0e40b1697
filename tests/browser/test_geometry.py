"""What must be seen together is on one screen: the whole stage with the first slider on a phone, everything for the hall above the fold."""

import pytest

from core.chapters import CHAPTERS
from tests.browser.test_app import close, visit

REST = "[data-test-script-state=notRunning]"
PLACES = """() => Object.fromEntries(['n2c_equation', 'n2c_stage', 'n2c_caption', 'scenes', 'n2c_meter'].map((key) => {
  const { top, bottom, width } = document.querySelector('.st-key-' + key).getBoundingClientRect();
  return [key, { top, bottom, width }];
}))"""
SETTLED = """() => {
  const places = JSON.stringify([...document.querySelectorAll('[class*=st-key-n2c_]')].map((part) => part.getBoundingClientRect()));
  const same = places === window.placesBefore;
  window.placesBefore = places;
  return same;
}"""


CUT = """() => [...document.querySelectorAll(
    '.st-key-n2c_meter :is(.truth-name, .truth-value, .truth-words), .st-key-n2c_values p, .st-key-n2c_values .katex')]
  .filter((part) => part.clientWidth > 0 && part.scrollWidth > part.clientWidth + 2  // a root of KaTeX reaches 2 px over its end
    || part.matches('.katex') && part.getClientRects().length > 1)
  .map((part) => part.className + ': ' + part.textContent.slice(0, 60))"""


def at_rest(page):
    page.wait_for_selector(REST, timeout=60_000)
    page.wait_for_function(SETTLED, polling=250, timeout=30_000)


@pytest.mark.parametrize("slug", [chapter.slug for chapter in CHAPTERS])
def test_stage_and_first_slider_share_the_screen_of_a_phone(browser, app, slug):
    page, _, _ = visit(browser, app, f"{slug}?autoplay=1", width=390, height=844, motion="reduce")
    at_rest(page)
    slider = page.locator(".st-key-n2c_controls [data-testid=stSlider]").first
    slider.evaluate("(slider) => slider.scrollIntoView({ block: 'end' })")
    at_rest(page)
    stage, thumb = page.locator(".st-key-n2c_stage").bounding_box(), slider.bounding_box()
    assert stage["height"] <= 0.45 * 844
    assert stage["y"] >= 0 and stage["y"] + stage["height"] <= thumb["y"] + 1, "the slider is under the stage, and neither is cut"
    assert thumb["y"] + thumb["height"] <= 844 + 1
    close(page)


@pytest.mark.parametrize("slug", [chapter.slug for chapter in CHAPTERS])
def test_the_hall_sees_everything_in_every_scene(browser, app, slug):
    page, _, _ = visit(browser, app, f"{slug}?mode=lecture&autoplay=1", motion="reduce")
    page.wait_for_selector("html[data-keys=ready]", state="attached", timeout=60_000)
    for scene in range(1, page.locator("[class*=st-key-scene_]").count() + 1):
        page.keyboard.press(str(scene))
        page.wait_for_selector(f".st-key-scene_{scene} button[kind=primary]", timeout=60_000)
        at_rest(page)
        for key, place in page.evaluate(PLACES).items():
            assert 0 <= place["top"] and place["bottom"] <= 900, (scene, key)
            assert key != "n2c_stage" or place["width"] > 0.9 * 1440 and place["bottom"] - place["top"] > 290, scene
        assert page.evaluate(CUT) == [], "the words of the meters and the values in force are whole"
    page.set_viewport_size({"width": 1920, "height": 1080})
    at_rest(page)
    places = page.evaluate(PLACES)
    assert max(place["bottom"] for place in places.values()) <= 1080 and places["n2c_stage"]["width"] > 0.9 * 1920
    close(page)


def test_controls_over_the_stage_and_equation_out_of_the_way(browser, app):
    page, _, _ = visit(browser, app, "brownian?mode=lecture&autoplay=1")
    page.wait_for_selector("html[data-keys=ready]", state="attached", timeout=60_000)
    at_rest(page)
    slider, equation = page.locator(".st-key-n2c_controls [data-testid=stSlider]").first, page.locator(".st-key-n2c_equation")
    before = page.evaluate(PLACES)["n2c_stage"]
    assert not slider.is_visible() and equation.is_visible()
    page.keyboard.press("c")
    at_rest(page)
    over = slider.bounding_box()
    assert before["top"] - 200 < over["y"] < before["bottom"] and page.evaluate(PLACES)["n2c_stage"] == before
    page.keyboard.press("c")
    page.keyboard.press("e")
    at_rest(page)
    after = page.evaluate(PLACES)["n2c_stage"]
    assert not slider.is_visible() and not equation.is_visible()
    assert after["bottom"] - after["top"] > before["bottom"] - before["top"] + 40, "the stage takes its room"
    page.keyboard.press("l")
    page.wait_for_selector("[data-testid=stSidebar]:visible")
    assert equation.is_visible() and slider.is_visible()
    close(page)
