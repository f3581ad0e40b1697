"""The particle player in a real browser: it moves, obeys, reports, and survives what pages and browsers do to it."""

from __future__ import annotations

import base64
import io
import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HARNESS = Path(__file__).parent / "harness" / "player_app.py"
PALETTE = json.loads((Path(__file__).resolve().parents[2] / "assets" / "palette.json").read_text())
NO_WEBGL = """(() => {
  const get = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    return kind === 'webgl2' ? null : get.call(this, kind, ...rest);
  };
})()"""

FILM_WIDTH = """(data) => new Promise((done, failed) => {
  const film = document.createElement('video');
  film.onloadedmetadata = () => done(film.videoWidth);
  film.onerror = () => failed(film.error.message);
  film.src = 'data:video/mp4;base64,' + data;
})"""


@pytest.fixture(scope="module")
def address(serve):
    return serve(HARNESS)


class Stage:
    """One open page with its first player."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".player").first

    def data(self, name: str) -> str | None:
        return self.root.get_attribute(f"data-{name}")

    @property
    def frame(self) -> int:
        return int(self.data("frame"))

    def until(self, name: str, value, timeout: int = 20_000) -> None:
        self.page.wait_for_function(
            "([root, name, value]) => root.getAttribute('data-' + name) === value",
            arg=[self.root.element_handle(), name, str(value)],
            timeout=timeout,
        )

    def until_drawn(self, other_than: str | None = None) -> str:
        self.page.wait_for_function(
            "([root, old]) => { const id = root.getAttribute('data-drawn-payload'); return id && id !== old; }",
            arg=[self.root.element_handle(), other_than],
            timeout=30_000,
        )
        return self.data("drawn-payload")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def pixels(self) -> np.ndarray:
        """(h, w, 3) of the canvas as the reader sees it."""
        image = Image.open(io.BytesIO(self.root.locator("canvas").first.screenshot()))
        return np.asarray(image.convert("RGB")).astype(int)

    def count_near(self, colour: str, within: int = 45) -> int:
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        return int((np.abs(self.pixels() - wanted).max(axis=-1) < within).sum())

    def settle(self, playing: bool) -> None:
        if self.data("playing") != str(playing).lower():
            self.root.get_by_role("button", name="Pause" if not playing else "Play", exact=True).click()
            self.until("playing", str(playing).lower())


@pytest.fixture
def open_stage(browser, address):
    """open_stage(query, **context options) -> Stage; fails the test if the page logged an error."""
    contexts, errors = [], []

    @contextmanager
    def opened(query: str = "scene=two-d", *, script: str = "", **options):
        context = browser.new_context(**({"viewport": {"width": 1200, "height": 1000}} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        if script:
            page.add_init_script(script)
        page.goto(f"{address}/?{query}")
        page.locator(".player").first.wait_for(timeout=30_000)
        stage = Stage(page)
        stage.until_drawn()
        yield stage
        context.close()

    yield opened
    assert errors == []


def test_it_plays_by_itself_and_colours_mean_the_same_as_everywhere(open_stage):
    with open_stage("scene=bare") as stage:
        first = stage.frame
        stage.page.wait_for_timeout(700)
        assert stage.data("renderer") == "webgl2"
        assert stage.frame > first
        assert stage.count_near(PALETTE["light"]["sample"]) > 300


def test_keys_work_everywhere_but_not_while_typing(open_stage):
    with open_stage() as stage:
        stage.page.locator("body").press(" ")
        stage.until("playing", "false")
        stage.press("Home")
        stage.until("frame", 0)
        stage.press("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft")
        stage.until("frame", 2)
        stage.press("End")
        stage.until("frame", 199)
        stage.press(".")
        assert stage.root.locator("select").input_value() == "2"
        stage.press(",", ",")
        assert stage.root.locator("select").input_value() == "0.5"
        note = stage.page.get_by_role("textbox", name="a note")
        note.click()
        stage.press("a", " ", "b", "ArrowLeft", "Home")
        assert note.input_value() == "a b"
        assert (stage.data("playing"), stage.frame) == ("false", 199)


def test_it_stops_at_the_end_without_loop_and_begins_again_with_it(open_stage):
    with open_stage("scene=bare&frames=20&n=50") as stage:
        stage.root.get_by_role("button", name="Loop").click()
        stage.until("playing", "false")
        assert stage.frame == 19
        stage.root.get_by_role("button", name="Loop").click()
        stage.root.get_by_role("button", name="Play", exact=True).click()
        stage.until("frame", 19)
        stage.page.wait_for_function("(root) => Number(root.dataset.frame) < 19", arg=stage.root.element_handle())
        assert stage.data("playing") == "true"


def test_python_hears_of_a_scrub_and_of_a_pause_only(open_stage):
    with open_stage() as stage:
        stage.settle(playing=True)
        stage.page.wait_for_timeout(600)
        assert stage.page.get_by_text("frame from the browser: None, playing: None").count() == 1
        stage.settle(playing=False)
        stage.page.get_by_text(f"frame from the browser: {stage.frame}, playing: False").wait_for()
        box = stage.root.locator(".scrub").bounding_box()
        stage.page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
        stage.page.wait_for_function("(root) => Number(root.dataset.frame) >= 140", arg=stage.root.element_handle())
        assert stage.frame <= 158
        stage.page.get_by_text(f"frame from the browser: {stage.frame}, playing: False").wait_for()


def test_new_data_keeps_canvas_height_clock_and_settings(open_stage):
    with open_stage() as stage:
        stage.settle(playing=False)
        stage.press("Home", *["ArrowRight"] * 10, ".")
        stage.until("frame", 10)
        canvas = stage.root.locator("canvas").first.element_handle()
        before, height = stage.data("drawn-payload"), stage.root.bounding_box()["height"]
        old = stage.pixels()
        stage.page.get_by_role("slider", name="spread").press("End")
        stage.until_drawn(other_than=before)
        assert stage.page.evaluate("([a, b]) => a === b", [canvas, stage.root.locator("canvas").first.element_handle()])
        assert stage.root.bounding_box()["height"] == height
        assert (stage.data("playing"), stage.frame, stage.root.locator("select").input_value()) == ("false", 10, "2")
        assert (old != stage.pixels()).any()


def test_a_rerun_with_the_same_data_changes_nothing(open_stage):
    with open_stage() as stage:
        stage.settle(playing=False)
        frame, picture = stage.frame, stage.pixels()
        note = stage.page.get_by_role("textbox", name="a note")
        note.fill("again")
        note.press("Enter")
        stage.page.wait_for_timeout(1200)
        marks = stage.page.evaluate("performance.getEntriesByType('mark').map((mark) => mark.name)")
        assert sum(name.startswith("player:drawn") for name in marks) == 1
        assert stage.frame == frame
        assert np.abs(stage.pixels() - picture).max() <= 8  # the compositor rounds a pixel now and then


def test_it_leaves_nothing_behind_and_comes_back(open_stage):
    count = """(() => {
      const { addEventListener: add, removeEventListener: remove } = document;
      window.keyListeners = new Set();
      document.addEventListener = function (type, f, options) {
        if (type === 'keydown' && f.name === 'onKey') keyListeners.add(f);
        return add.call(this, type, f, options);
      };
      document.removeEventListener = function (type, f, options) {
        if (type === 'keydown') keyListeners.delete(f);
        return remove.call(this, type, f, options);
      };
    })()"""
    with open_stage(script=count) as stage:
        assert stage.page.evaluate("keyListeners.size") == 1
        gl = stage.root.locator("canvas").first.evaluate_handle("(canvas) => canvas.getContext('webgl2')")
        stage.page.get_by_text("show the player").click()
        stage.root.wait_for(state="detached")
        assert stage.page.evaluate("keyListeners.size") == 0
        assert stage.page.evaluate("(gl) => gl.isContextLost()", gl)
        stage.page.get_by_text("show the player").click()
        stage.root.wait_for()
        stage.until_drawn()
        assert stage.data("renderer") == "webgl2"


def test_two_players_keys_go_to_the_one_touched_last(open_stage):
    with open_stage("scene=pair&n=200", viewport={"width": 1200, "height": 1400}) as stage:
        second = Stage(stage.page)
        second.root = stage.page.locator(".player").nth(1)
        second.until_drawn()
        for one in (stage, second):
            one.settle(playing=False)
        stage.page.locator("body").press("Home")  # the pause button of the second was touched last
        second.until("frame", 0)
        assert stage.frame > 0
        stage.root.locator(".legend").click()
        stage.press("End")
        stage.until("frame", 199)
        assert second.frame == 0


def test_reduced_motion_shows_the_end_at_rest(open_stage):
    with open_stage(reduced_motion="reduce") as stage:
        assert (stage.data("playing"), stage.frame) == ("false", 199)
        stage.root.get_by_role("button", name="Play", exact=True).click()
        stage.until("playing", "true")


def test_without_webgl_the_last_frame_is_drawn_and_said(open_stage):
    for scene in ("two-d", "one-d"):
        with open_stage(f"scene={scene}", script=NO_WEBGL) as stage:
            assert stage.data("renderer") == "2d"
            assert (stage.data("playing"), stage.frame) == ("false", 199)
            assert "no WebGL2" in stage.root.get_by_role("status").inner_text()
            assert stage.count_near(PALETTE["light"]["sample"], 60) > 300
            stage.press("Home")
            stage.until("frame", 0)
            stage.page.get_by_text("below the player").wait_for()


def test_a_lost_context_comes_back(open_stage):
    with open_stage("scene=two-d&trail=5") as stage:
        stage.settle(playing=False)
        before = stage.pixels()
        canvas = stage.root.locator("canvas").first
        canvas.evaluate("(c) => { window.lose = c.getContext('webgl2').getExtension('WEBGL_lose_context'); lose.loseContext(); }")
        stage.page.wait_for_timeout(200)
        canvas.evaluate("() => lose.restoreContext()")
        stage.page.wait_for_timeout(800)
        assert (np.abs(stage.pixels() - before).max(axis=-1) > 8).mean() < 0.002


def test_particles_that_are_gone_are_counted(open_stage):
    with open_stage("scene=bad") as stage:
        assert stage.data("playing") == "false"
        assert stage.root.locator(".note").first.is_hidden()
        stage.press("End")
        stage.until("frame", 199)
        assert stage.root.locator(".note").first.inner_text() == "12 no longer a number"


def test_view_menu_switches_layers(open_stage):
    with open_stage() as stage:
        stage.settle(playing=False)
        stage.press("Home")
        stage.until("frame", 0)
        full = stage.pixels()
        stage.root.get_by_role("button", name="View options").click()
        for layer in ("Force arrows", "Exact density"):
            stage.root.get_by_label(layer).uncheck()
        stage.press("Escape")
        stage.page.wait_for_timeout(300)
        bare = stage.pixels()
        assert (np.abs(full - bare).max(axis=-1) > 20).mean() > 0.03
        legend = stage.root.locator(".legend").inner_text()
        assert "force" not in legend and "exact density" not in legend and "exact marginal" in legend
        width = full.shape[1]
        stage.root.get_by_role("button", name="View options").click()
        stage.root.get_by_label("Histograms").uncheck()
        stage.press("Escape")
        assert stage.root.locator("canvas").first.bounding_box()["width"] != width


def test_it_says_when_only_some_paths_are_drawn(open_stage):
    with open_stage("scene=one-d") as stage:
        remark = stage.root.locator(".legend .remark")
        assert remark.all_inner_texts() == ["80 of 2,000 paths drawn, all counted"]
        stage.root.get_by_role("button", name="View options").click()
        stage.root.get_by_label("Histograms").uncheck()
        assert remark.all_inner_texts() == ["80 of 2,000 paths drawn"]
    with open_stage("scene=one-d&n=80") as stage:
        assert stage.root.locator(".legend .remark").count() == 0
    with open_stage("scene=two-d&trail=8") as stage:
        remark = stage.root.locator(".legend .remark")
        assert remark.all_inner_texts() == ["500 of 2,000 trails drawn, all counted"]
        stage.root.get_by_role("button", name="View options").click()
        trail = stage.root.get_by_role("slider", name="Trail length in frames")
        trail.fill("40")
        assert remark.all_inner_texts() == ["500 of 2,000 trails drawn, 12 frames long, all counted"]
        trail.fill("0")
        assert remark.count() == 0


def test_dark_pages_get_the_dark_palette(open_stage):
    with open_stage("scene=bare", color_scheme="dark") as stage:
        assert stage.root.evaluate("(root) => root.style.getPropertyValue('--role-sample')") == PALETTE["dark"]["sample"]
        assert stage.count_near(PALETTE["dark"]["sample"]) > 300
        assert stage.pixels().reshape(-1, 3).mean() < 90


@pytest.mark.parametrize("width", [360, 390])
def test_on_a_phone_panels_stack_and_nothing_sticks_out(open_stage, width):
    with open_stage("scene=two-panels", viewport={"width": width, "height": 800}) as stage:
        assert stage.page.evaluate("document.documentElement.scrollWidth") <= width
        box = stage.root.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["height"] > 1.5 * box["width"]
        for button in stage.root.locator(".bar button:visible, .bar select:visible").all():
            size = button.bounding_box()
            assert size["width"] >= 44 and size["height"] >= 44
        stage.root.get_by_role("button", name="View options").click()
        menu = stage.root.get_by_role("dialog").bounding_box()
        assert menu["x"] >= 0 and menu["x"] + menu["width"] <= width


def test_lecture_mode_is_larger(open_stage):
    with open_stage("scene=bare&n=200") as plain, open_stage("scene=bare&n=200&mode=lecture") as lecture:
        sizes = [float(s.root.locator("svg.axes text").first.get_attribute("font-size")) for s in (plain, lecture)]
        assert sizes[1] > 1.3 * sizes[0]


def test_readers_without_the_picture_get_words(open_stage):
    with open_stage() as stage:
        assert stage.root.get_by_role("img", name="Three modes melt into one bell.").count() == 1
        stage.settle(playing=False)
        stage.press("End")
        stage.until("frame", 199)
        assert stage.root.get_by_role("slider", name="Time").get_attribute("aria-valuetext") == "t / τ = 1.00, frame 200 of 200"


@pytest.mark.parametrize("script", ["", NO_WEBGL], ids=["webgl2", "2d"])
def test_pictures_run_on_the_clock_with_their_holes(open_stage, script):
    """One picture from the dark to the bright end of the colours, one the other way; the missing column shows the page."""

    def shares(stage, *colours):
        """Of the left and of the right half: how much of it has its colour."""
        picture = stage.pixels()
        halves = np.array_split(picture, 2, axis=1)
        wanted = [np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) for colour in colours]
        return [float((np.abs(half - colour).max(axis=-1) < 12).mean()) for half, colour in zip(halves, wanted, strict=True)]

    with open_stage("scene=pictures&frames=40", script=script) as stage:
        assert stage.data("renderer") == ("2d" if script else "webgl2")
        stage.settle(playing=False)
        for key, frame, colours in (("Home", 0, ("#0D0887", "#F0F921")), ("End", 39, ("#F0F921", "#0D0887"))):
            stage.press(key)
            stage.until("frame", frame)
            for _ in range(40):  # a busy machine paints late
                found = shares(stage, *colours)
                if all(0.6 < share < 0.93 for share in found):  # eight of nine columns, less the space between panels
                    break
                stage.page.wait_for_timeout(200)
            else:
                raise AssertionError((key, colours, found))
        assert "density 0 to 1" in stage.root.locator(".legend").inner_text()
        assert stage.root.locator(".notes .note:visible").count() == 0


def test_six_panels_fit_in_two_rows_and_on_a_phone(open_stage):
    with open_stage("scene=crowd&n=300&frames=20") as stage:
        assert stage.root.locator("svg.axes text", has_text="panel").count() == 6
        box = stage.root.bounding_box()
        assert box["height"] < 1100
    with open_stage("scene=crowd&n=300&frames=20", viewport={"width": 390, "height": 844}) as stage:
        assert stage.root.bounding_box()["height"] < 1000


ALLOT = "(height) => document.documentElement.style.setProperty('--n2c-stage-height', height)"
HEIGHT = "([root, wanted]) => Math.abs(root.getBoundingClientRect().height - wanted) <= 1"


@pytest.mark.parametrize("scene", ["two-d", "two-panels", "one-d", "crowd"])
def test_in_a_lecture_it_is_as_high_as_the_page_allots(open_stage, scene):
    with open_stage(f"scene={scene}&n=300&frames=20&mode=lecture&fill=1", viewport={"width": 1440, "height": 900}) as stage:
        root = stage.root.element_handle()
        own = stage.root.bounding_box()["height"]
        for height, pixels in (("calc(100vh - 280px)", 620), ("500px", 500), ("", own)):
            stage.page.evaluate(ALLOT, height)
            stage.page.wait_for_function(HEIGHT, arg=[root, pixels])
            canvas, stage_box = stage.root.locator("canvas").first.bounding_box(), stage.root.locator(".stage").bounding_box()
            assert canvas["y"] >= stage_box["y"] - 1
            assert canvas["y"] + canvas["height"] <= stage_box["y"] + stage_box["height"] + 1
    with open_stage(f"scene={scene}&n=300&frames=20&fill=1") as stage:  # no lecture: the mount's own height counts
        own = stage.root.bounding_box()["height"]
        stage.page.evaluate(ALLOT, "400px")
        stage.page.wait_for_timeout(300)
        assert stage.root.bounding_box()["height"] == own


@pytest.mark.parametrize("scene", ["two-d", "two-panels", "one-d", "labels", "crowd", "pictures"])
def test_on_a_phone_it_is_never_higher_than_the_page_allots(open_stage, scene):
    with open_stage(f"scene={scene}&n=300&frames=20", viewport={"width": 390, "height": 844}) as stage:
        stage.page.evaluate(ALLOT, "45vh")
        stage.page.wait_for_function("(root) => root.getBoundingClientRect().height <= 380", arg=stage.root.element_handle())
        places, buttons = stage.page.evaluate(  # at one moment: the bar may be set anew between two questions
            """(root) => {
          const box = (e) => { const { left, top, right, bottom } = e.getBoundingClientRect(); return [left, top, right, bottom]; };
          const seen = (what) => [...root.querySelectorAll(what)].filter((e) => e.offsetWidth).map(box);
          return [[box(root), ...seen('.bar button, .scrub, canvas, .legend')], seen('.bar button')]; }""",
            stage.root.element_handle(),
        )
        (left, top, right, bottom), *parts = places
        for part in parts:
            assert part[0] >= left - 1 and part[1] >= top - 1 and part[2] <= right + 1 and part[3] <= bottom + 1
        assert buttons
        for left, top, right, bottom in buttons:
            assert right - left >= 44 and bottom - top >= 44
        stage.root.get_by_role("button", name="View options").click()
        menu = stage.root.get_by_role("dialog")
        assert menu.bounding_box()["y"] >= stage.root.bounding_box()["y"]
        stage.settle(playing=False)
        menu.get_by_role("button", name="Step forward").wait_for()
        stage.press("Home")
        stage.until("frame", 0)
        menu.get_by_role("button", name="Step forward").click()
        stage.until("frame", 1)
        low = stage.root.bounding_box()["height"]
        stage.page.evaluate(ALLOT, "")
        stage.page.wait_for_function(
            "([root, low]) => root.getBoundingClientRect().height > low + 20 || low < 350", arg=[stage.root.element_handle(), low]
        )


LOSE = "(c) => { window.lose = c.getContext('webgl2').getExtension('WEBGL_lose_context'); lose.loseContext(); }"


def test_a_context_lost_again_and_again_comes_back_with_the_data_that_came_meanwhile(open_stage):
    with open_stage("scene=two-d&n=500&frames=40") as stage:
        stage.settle(playing=False)
        stage.press("End")
        stage.until("frame", 39)
        canvas = stage.root.locator("canvas").first
        for key in ("End", "Home"):
            before = stage.data("drawn-payload")
            canvas.evaluate(LOSE)
            stage.page.get_by_role("slider", name="spread").press(key)
            stage.page.wait_for_timeout(700)
            canvas.evaluate("() => lose.restoreContext()")
            stage.until_drawn(other_than=before)
            assert stage.count_near(PALETTE["light"]["sample"]) > 200
        canvas.evaluate(LOSE)  # and never given back: drawn on a fresh canvas
        stage.page.wait_for_function(
            "([root, old]) => root.querySelector('canvas') !== old", arg=[stage.root.element_handle(), canvas.element_handle()]
        )
        stage.root.locator(".legend").click()
        stage.page.locator("body").press("Home")
        stage.until("frame", 0)
        assert stage.data("renderer") == "webgl2"
        stage.page.wait_for_timeout(300)
        assert stage.count_near(PALETTE["light"]["sample"]) > 200


def test_the_stage_can_be_saved_as_picture_and_its_particles_as_a_table(open_stage):
    def save(stage, label):
        stage.root.get_by_role("button", name="View options").click()
        with stage.page.expect_download() as caught:
            stage.root.get_by_role("button", name=label).click()
        return caught.value.suggested_filename, Path(caught.value.path()).read_bytes()

    with open_stage("scene=two-panels&n=300&frames=20") as stage:
        stage.settle(playing=False)
        stage.press("Home", "ArrowRight")
        stage.until("frame", 1)
        name, table = save(stage, "Data (CSV)")
        lines = table.decode().splitlines()
        assert (name, lines[0], len(lines)) == ("stage-frame-2.csv", "panel,particle,x / ℓ,y / ℓ,label", 601)
        first = lines[1].split(",")
        assert first[0] == "Ornstein-Uhlenbeck" and first[4] in ("left", "right", "top") and all(abs(float(v)) < 6 for v in first[2:4])
        name, png = save(stage, "Picture (PNG)")
        assert name == "stage-frame-2.png"
        image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
        box = stage.root.bounding_box()
        assert abs(image.shape[1] - 2 * box["width"]) <= 2
        left = image[:, : image.shape[1] // 30]  # the label of the y axis and its numbers, no particles
        assert (np.abs(left - left[0, 0]).max(axis=-1) > 60).sum() > 100
        wanted = np.array([0x6B, 0x72, 0x80])
        assert (np.abs(image - wanted).max(axis=-1) < 45).sum() > 300
        assert (np.abs(image[:40] - image[0, 0]).max(axis=-1) > 60).sum() > 200  # the legend
        assert (np.abs(image[-45:, : image.shape[1] // 3] - image[0, 0]).max(axis=-1) > 60).sum() > 100  # where it comes from
        assert np.abs(image[[-1, 0], -1] - image[0, 0]).max() <= 2, "no rim at the right and below"


def test_a_clock_that_stands_shows_what_it_stands_at(open_stage):
    with open_stage("scene=held&n=50&frames=10") as stage:
        stage.settle(playing=False)
        assert stage.root.locator(".time").inner_text().endswith("= 0.35")


def test_one_pass_of_the_movie_can_be_saved_as_a_film(open_stage):
    with open_stage("scene=bare&n=100&frames=20") as stage:
        stage.settle(playing=False)
        stage.press("Home", "ArrowRight")
        stage.until("frame", 1)
        stage.root.get_by_role("button", name="View options").click()
        with stage.page.expect_download(timeout=30_000) as caught:
            stage.root.get_by_role("button", name="Film", exact=True).click()
        assert caught.value.suggested_filename in ("stage-frames-1-20.webm", "stage-frames-1-20.mp4")
        film = Path(caught.value.path()).read_bytes()
        assert len(film) > 2000 and (film[:4] == b"\x1aE\xdf\xa3" or film[4:8] == b"ftyp")
        assert abs(stage.page.evaluate(FILM_WIDTH, base64.b64encode(film).decode()) - 2 * stage.root.bounding_box()["width"]) <= 2
        stage.until("frame", 1)
        assert stage.data("playing") == "false"
    with open_stage("scene=bare&n=100&frames=20", script="delete window.MediaRecorder") as stage:
        stage.root.get_by_role("button", name="View options").click()
        stage.root.get_by_role("button", name="Film", exact=True).click()
        assert "cannot record films" in stage.root.get_by_role("status").inner_text()


def test_what_the_stage_shows_now_is_said_at_rest(open_stage):
    with open_stage("scene=labels&n=300&frames=20") as stage:
        now = stage.root.locator(".now")
        stage.settle(playing=False)
        stage.press("End")
        stage.page.wait_for_function("(root) => root.querySelector('.now').textContent.includes('= 1.0.')", arg=stage.root.element_handle())
        words = now.text_content()
        assert now.get_attribute("aria-live") == "polite"
        assert "Three modes melt: 300 particles; x / ℓ: mean " in words and "; label 1 " in words and "%" in words
        stage.press("Home")
        stage.page.wait_for_function("(root) => root.querySelector('.now').textContent.includes('= 0.0.')", arg=stage.root.element_handle())
        stage.settle(playing=True)
        stage.page.wait_for_function(
            "(root) => root.querySelector('.now').getAttribute('aria-live') === 'off'", arg=stage.root.element_handle()
        )


def test_full_screen_takes_the_whole_screen_and_gives_it_back(open_stage):
    with open_stage("scene=two-d&n=300&frames=20") as stage:
        root = stage.root.element_handle()
        own = stage.root.bounding_box()
        size = stage.page.evaluate("[innerWidth, innerHeight]")
        whole = (
            "([root, w, h]) => { const b = root.getBoundingClientRect(); return Math.abs(b.width - w) < 2 && Math.abs(b.height - h) < 2; }"
        )
        stage.page.locator("body").press("f")
        stage.page.wait_for_function(whole, arg=[root, *size])
        taller = "([root, least]) => root.querySelector('canvas').getBoundingClientRect().height > least"
        stage.page.wait_for_function(taller, arg=[root, own["height"] - 100])
        bar = stage.root.locator(".bar").bounding_box()
        assert bar["y"] + bar["height"] <= size[1] + 1
        stage.page.locator("body").press("f")
        stage.page.wait_for_function(whole, arg=[root, own["width"], own["height"]])
    with open_stage(
        "scene=two-d&n=300&frames=20", script="Element.prototype.requestFullscreen = () => Promise.reject(new TypeError('no'))"
    ) as stage:
        stage.root.get_by_role("button", name="Full screen").click()
        stage.page.wait_for_function(
            "(root) => root.querySelector('.notice').textContent.includes('refuses full screen')", arg=stage.root.element_handle()
        )
