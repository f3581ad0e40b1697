"""Every chapter in a second engine, Debian's Firefox: paints, moves or says why it cannot, and does not complain."""

import re

import pytest

from core.chapters import CHAPTERS
from tests.browser.firefox import firefox

PLAYERS = """(() => {
  const found = [];
  const walk = (root) => root.querySelectorAll('*').forEach((e) => {
    if (e.classList.contains('player')) found.push(e);
    if (e.shadowRoot) walk(e.shadowRoot);
  });
  walk(document);
  return found.map((e) => ({ ...e.dataset, notice: e.querySelector('.notice')?.hidden ? '' : e.querySelector('.notice')?.textContent }));
})()"""
DRAWN = f"{PLAYERS}.some((player) => player.drawnPayload)"
# what the browser says that is no fault of a chapter: no WebGL in a headless Firefox, Streamlit's search for its settings, the MathML
# that KaTeX writes for an index without a base (for screen readers; the formula itself is painted)
QUIET = re.compile(r"WebGL|_stcore|favicon|manifest|source map|Invalid markup: Incorrect number of children for <msu", re.IGNORECASE)


@pytest.fixture(scope="module")
def fox():
    with firefox() as browser:
        browser.size(1440, 900)
        yield browser


@pytest.mark.parametrize("slug", [chapter.slug for chapter in CHAPTERS])
def test_a_chapter_works_in_firefox(fox, app, slug):
    fox.leave()
    fox.go(f"{app}/{slug}?autoplay=1")
    fox.wait_for(DRAWN)
    fox.wait_for("document.querySelector('.st-key-n2c_equation .katex')?.getBoundingClientRect().height > 10")
    (player, *_) = fox.evaluate(PLAYERS)
    if player["renderer"] in ("webgl2", "3dmol"):
        fox.wait_for(f"{PLAYERS}[0].frame !== {player['frame']!r}", 15)
    else:
        assert "no WebGL" in player["notice"], "a stage that cannot move says why"
    if player["renderer"] == "2d":
        fox.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Home', bubbles: true })) && null")
        fox.wait_for(f"{PLAYERS}[0].frame === '0'", 15)
    assert fox.evaluate("document.querySelectorAll('[data-testid=stException], .katex-error').length") == 0
    assert [words for words in fox.errors if not QUIET.search(words)] == []
