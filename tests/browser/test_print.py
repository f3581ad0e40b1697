"""A chapter on paper: what is to be read is there and nothing is cut; what is to be pressed is not."""

from tests.browser.test_app import close, visit
from tests.browser.test_geometry import at_rest

SHOWN = "(name) => [...document.querySelectorAll(name)].filter((e) => e.getClientRects().length && e.checkVisibility()).length"
CUT = """() => [...document.querySelectorAll('.stMain, .stMainBlockContainer, .stApp, .st-key-n2c_equation .katex-display')]
  .filter((e) => e.scrollHeight > e.clientHeight + 2 && getComputedStyle(e).overflowY !== 'visible').map((e) => e.className)"""


def test_a_chapter_on_paper(browser, app):
    page, _, _ = visit(browser, app, "brownian?autoplay=1")
    at_rest(page)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 794, "height": 1123})
    page.wait_for_timeout(500)
    for name in ("[data-testid=stSidebar]", "[data-testid=stHeader]", ".stMain button", ".st-key-n2c_controls", ".st-key-nav a"):
        assert page.evaluate(SHOWN, name) == 0, name
    for name in (
        ".st-key-n2c_lines .katex",
        ".st-key-n2c_values .katex",
        ".st-key-n2c_stage",
        ".look",
        ".truth",
        ".st-key-prose_in_short p",
    ):
        assert page.evaluate(SHOWN, name) > 0, name
    bar = page.locator(".st-key-n2c_stage .bar")
    assert bar.count() and not bar.first.is_visible()
    assert page.locator(".n2c-address").inner_text().startswith("http")
    assert page.evaluate(CUT) == []
    assert len(page.pdf(format="A4")) > 20_000
    close(page)
