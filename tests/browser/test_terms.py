"""Pointing at a term lights up what belongs to it, on the page and on the stage, and back; nothing changes its size."""

import re

import pytest

from core import glossary
from pages.kit.player import ASSETS
from tests.browser.test_app import close, visit
from tests.browser.test_geometry import at_rest

LIT = "() => [...document.querySelectorAll('[data-lit]')].map((e) => e.closest('[class*=st-key-]').className.match(/st-key-(\\w+)/)[1])"
HEIGHTS = "() => ['n2c_equation', 'n2c_stage', 'n2c_controls'].map((k) => document.querySelector('.st-key-' + k).offsetHeight)"
UNFOLDED = """() => {
  const legend = [...document.querySelectorAll('.st-key-prose_symbols li')].at(-1);
  const equation = document.querySelector('.st-key-n2c_equation');
  return legend && legend.getBoundingClientRect().bottom <= equation.getBoundingClientRect().bottom + 1; }"""
STAGE = """() => [...document.querySelectorAll('.st-key-n2c_stage *')].find((e) => e.shadowRoot?.querySelector('.player')).shadowRoot"""


def test_every_part_of_the_glossary_is_one_that_the_player_knows():
    script = (ASSETS / "player" / "player.js").read_text(encoding="utf-8")
    known = set(re.findall(r'"(\w+)"', re.search(r"const STAGE_PARTS = \[(.*?)\];", script)[1]))
    told = {part for symbol in glossary.load() for part in symbol.stage}
    assert told and told <= known


@pytest.mark.parametrize(
    ("address", "line", "part"),
    [
        ("score_fields?", "gradient in x", "score"),
        ("guidance?", "guided score", "score"),
        ("fokker_planck?kind=whirl&", "probability current", "current"),
    ],
)
def test_a_term_of_the_arrows_lights_the_arrows(browser, app, address, line, part):
    page, complaints, _ = visit(browser, app, f"{address}autoplay=1")
    page.wait_for_selector("html[data-keys=ready]", state="attached", timeout=60_000)
    at_rest(page)
    page.locator(".st-key-prose_symbols summary").click()
    page.locator(".st-key-prose_symbols li", has_text=line).first.focus()
    assert page.evaluate(f"({STAGE})().querySelector('.player').dataset.lit") == part
    entries = page.evaluate(
        f"[...({STAGE})().querySelectorAll('.entry[data-parts]')].map((e) => [e.dataset.parts.split(' '), e.classList.contains('faint')])"
    )
    assert any(part in parts for parts, _ in entries) and all(faint == (part not in parts) for parts, faint in entries)
    assert complaints == []
    close(page)


# chapter, a word of a value, the key of its control, a word of the legend's line of the particles
CASES = [("langevin", "kT", "kT", "position"), ("brownian", "σ", "sigma", "position")]


@pytest.mark.parametrize(("slug", "value", "key", "line"), CASES)
def test_a_term_lights_its_control_and_its_part_of_the_stage_and_back(browser, app, slug, value, key, line):
    page, complaints, _ = visit(browser, app, f"{slug}?autoplay=1")
    page.wait_for_selector("html[data-keys=ready]", state="attached", timeout=60_000)
    at_rest(page)
    page.locator(".st-key-prose_symbols summary").click()
    page.wait_for_selector(".st-key-prose_symbols li", state="visible")
    page.wait_for_function(UNFOLDED)
    at_rest(page)
    before = page.evaluate(HEIGHTS)

    page.locator(".st-key-n2c_values .katex", has_text=value).first.hover()
    assert {"n2c_values", key} <= set(page.evaluate(LIT)), "the value and what changes it"

    page.locator(".st-key-prose_symbols li", has_text=line).first.hover()
    assert page.evaluate(f"({STAGE})().querySelector('.player').dataset.lit") == "particles"
    entries = page.evaluate(
        f"[...({STAGE})().querySelectorAll('.entry')].map((e) => [e.dataset.parts ?? '', e.classList.contains('faint')])"
    )
    assert [faint for parts, faint in entries if "density" in parts] and all(
        faint == ("particles" not in parts) for parts, faint in entries if parts
    )

    page.locator(f".st-key-{key} [role=slider], .st-key-{key} input[type=range]").first.focus()
    assert "n2c_values" in page.evaluate(LIT)
    assert page.evaluate(f"({STAGE})().querySelector('.player').dataset.lit") == ""

    page.locator("[data-parts~=density]").first.hover()
    assert "prose_symbols" in page.evaluate(LIT)
    page.mouse.move(2, 2)
    assert page.evaluate(LIT) == []
    assert page.evaluate(HEIGHTS) == before
    assert complaints == []
    close(page)


def test_a_tap_lights_a_term_and_another_puts_it_out(browser, app):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{app}/langevin?autoplay=1")
    page.wait_for_selector("[data-frame]", timeout=60_000)
    page.wait_for_selector("html[data-keys=ready]", state="attached", timeout=60_000)
    at_rest(page)
    page.wait_for_selector(".st-key-n2c_controls .st-key-kT", timeout=60_000)
    term = page.locator(".st-key-n2c_values .katex", has_text="kT").first
    term.tap()
    assert "kT" in page.evaluate(LIT)
    term.tap()
    assert page.evaluate(LIT) == []
    context.close()
