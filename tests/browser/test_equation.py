"""The equation in a real browser: what moved last is coloured where it stands, and nothing jumps."""

from playwright.sync_api import expect

from tests.browser.test_app import close, visit

COLOURED = (
    "[...document.querySelectorAll('.st-key-n2c_{0} .katex [style*=orangered]')].map(e => [e.textContent, getComputedStyle(e).color])"
)


def test_a_moved_symbol_is_coloured_in_the_equation_and_in_the_values(browser, app):
    page, _, _ = visit(browser, app, "score_fields")
    page.wait_for_selector(".st-key-n2c_values .katex", timeout=60_000)
    box = page.locator(".st-key-n2c_equation")
    height, written = box.bounding_box()["height"], box.locator(".katex-display").all_inner_texts()
    assert page.evaluate(COLOURED.format("equation")) == []
    page.locator(".st-key-kT [role=slider], .st-key-kT input[type=range]").first.press("ArrowRight")
    expect(page.locator(".st-key-n2c_values")).to_contain_text("1.02", timeout=60_000)
    page.wait_for_selector("[data-test-script-state='notRunning']", timeout=60_000)
    probe = "(() => { const e = document.createElement('i'); e.style.color = 'var(--n2c-moved)'; document.body.append(e); "
    accent = page.evaluate(probe + "const c = getComputedStyle(e).color; e.remove(); return c })()")
    assert {tuple(pair) for pair in page.evaluate(COLOURED.format("equation"))} >= {("k", accent), ("T", accent)}
    assert ["1.02", accent] in page.evaluate(COLOURED.format("values"))
    assert box.locator(".katex-display").all_inner_texts() == written, "the lines of symbols are what they were"
    assert abs(box.bounding_box()["height"] - height) < 0.5
    assert page.locator(".katex-error").count() == 0
    close(page)
