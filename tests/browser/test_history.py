"""Back and Forward: chapters and scenes are entries of the history, moves of controls are not; and what a browser keeps of its reader."""

import re

from tests.browser.test_app import close, visit

SCENE = ".st-key-scene_{} button[kind=primary]"
TICKED = (
    "() => [...document.querySelectorAll('[data-testid=stSidebarNavLink]')].some(link => link.href.endsWith('/brownian')"
    " && getComputedStyle(link, '::after').content.includes('✓'))"
)
UNFOLDED = """() => {
  const place = document.querySelector('.st-key-prose_questions_people_ask details[open]')?.getBoundingClientRect();
  return place && place.top > -5 && place.top < innerHeight;
}"""
SLIDER = "[data-testid=stSlider] input, [data-testid=stSlider] [role=slider]"


def come_to(page, title):
    page.wait_for_function(f"() => document.querySelector('h1')?.innerText.endsWith({title!r})", timeout=60_000)
    page.wait_for_selector("[data-test-script-state=notRunning]", timeout=60_000)


def playing(page):
    return page.locator("[data-frame]").first.get_attribute("data-playing") == "true"


def test_back_returns_to_a_chapter_as_it_was_left(browser, app):
    page, complaints, _ = visit(browser, app, "brownian")
    page.wait_for_selector("html[data-keys=ready]", state="attached", timeout=60_000)
    entries = page.evaluate("history.length")
    page.keyboard.press("3")
    page.wait_for_selector(SCENE.format(3), timeout=60_000)
    page.wait_for_url("**dim=in+a+plane")
    page.keyboard.press("n")
    come_to(page, "Langevin dynamics")
    assert page.evaluate("history.length") == entries + 2, "one for the scene, one for the chapter"
    page.go_back()
    come_to(page, "Brownian motion")
    page.wait_for_selector(SCENE.format(3), timeout=60_000)

    page.locator(SLIDER).first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**sigma=1.02**", timeout=60_000)
    page.wait_for_selector(f".st-key-scenes:not(:has({SCENE.format(3)}))", timeout=60_000)  # the page has followed
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("n")
    come_to(page, "Langevin dynamics")
    page.go_back()
    come_to(page, "Brownian motion")
    page.wait_for_function("() => document.querySelector('[data-testid=stSlider]').innerText.includes('1.02')", timeout=60_000)
    assert re.search(r"dim=in\+a\+plane&sigma=1.02$", page.url)
    page.go_back()
    page.wait_for_selector(SCENE.format(1), timeout=60_000)
    assert complaints == []
    close(page)


def test_a_scene_of_many_controls_is_one_entry(browser, app):
    page, _, _ = visit(browser, app, "brownian")
    page.wait_for_selector("html[data-keys=ready]", state="attached", timeout=60_000)
    entries = page.evaluate("history.length")
    page.keyboard.press("2")
    page.wait_for_selector(SCENE.format(2), timeout=60_000)
    page.wait_for_url(re.compile("step=.*&n_steps="), timeout=60_000)
    assert page.evaluate("history.length") == entries + 1
    close(page)


def test_a_key_waits_for_a_button_that_is_not_painted_yet(browser, app):
    page, _, _ = visit(browser, app, "brownian")
    page.wait_for_selector("html[data-keys=ready]", state="attached", timeout=60_000)
    page.wait_for_selector(SCENE.format(1), timeout=60_000)
    page.wait_for_selector("[data-test-script-state=notRunning]", timeout=60_000)
    place = page.locator(".st-key-scene_2").element_handle()
    place.evaluate("(place) => place.classList.remove('st-key-scene_2')")  # as if it were not there
    page.keyboard.press("2")
    page.wait_for_timeout(500)
    assert page.locator(SCENE.format(1)).count() == 1
    place.evaluate("(place) => place.classList.add('st-key-scene_2')")
    page.wait_for_selector(SCENE.format(2), timeout=60_000)
    close(page)


def test_the_stage_rests_until_the_question_is_answered_and_home_knows(browser, app):
    page, _, _ = visit(browser, app, "brownian")
    page.wait_for_selector("#n2c-ticks", state="attached", timeout=60_000)
    page.wait_for_timeout(500)
    assert not playing(page)
    page.get_by_text("twice as wide").first.click()
    page.wait_for_selector("[data-playing=true]", timeout=60_000)
    page.wait_for_selector("text=Right.", timeout=60_000)
    page.wait_for_function(TICKED)

    page.reload()
    page.wait_for_selector("[data-playing=true]", timeout=60_000)
    assert page.locator(".before.right").is_visible()

    page.goto(app)
    page.get_by_text("Predictions: 1 of 1 right").wait_for(timeout=60_000)
    page.get_by_text("Continue where you stopped: 5 · Brownian motion").click()
    come_to(page, "Brownian motion")
    page.keyboard.press("/")
    page.keyboard.type("scaled sigma")
    page.locator(".found a", has_text="Why is the coordinate score scaled").click()
    come_to(page, "Learning the score")
    page.wait_for_function(UNFOLDED, timeout=60_000)
    close(page)


def test_nothing_breaks_where_storage_is_refused(browser, app):
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('refused', 'SecurityError') } })"
    )
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{app}/brownian")
    page.wait_for_selector("html[data-keys=ready]", state="attached", timeout=60_000)
    page.get_by_text("twice as wide").first.click()
    page.wait_for_selector("[data-playing=true]", timeout=60_000)
    page.keyboard.press("n")
    come_to(page, "Langevin dynamics")
    page.go_back()
    come_to(page, "Brownian motion")
    assert errors == []
    context.close()
