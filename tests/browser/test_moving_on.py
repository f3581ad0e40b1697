"""From one chapter to the next while something redraws itself: what was set stays where it was set."""

from tests.browser.test_app import close, visit

AT_REST = "[data-test-script-state='notRunning']"


def go(page, title):
    page.locator("[data-testid=stSidebarNav], [data-testid=stSidebar]").get_by_role("link", name=title).first.click()
    page.wait_for_selector(f".stMainBlockContainer h1:has-text('{title}')", timeout=60_000)
    page.wait_for_selector("[data-frame]", timeout=60_000)
    page.wait_for_selector(AT_REST, timeout=60_000)
    page.wait_for_timeout(1500)


def test_a_chapter_opened_while_another_trains_has_its_own_settings(browser, app):
    """Both chapters have controls `dataset` and `n_steps`; the training bar asks for a rerun every 0.8 s, also while the page changes."""
    page, _, _ = visit(browser, app, "score_matching?dataset=two moons&n_steps=6000&seed=11")
    page.locator(".st-key-start_train button").click()
    page.locator(".stButton button", has_text="Pause").wait_for(timeout=60_000)  # not the player's own
    page.wait_for_timeout(2000)
    go(page, "Guidance")
    assert "n_steps" not in page.url and "dataset" not in page.url
    close(page)
