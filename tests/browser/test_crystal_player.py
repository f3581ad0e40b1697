"""The crystal player in real Chromium: it draws the right atoms and bonds, moves, keeps its camera, fails in words."""

import io
import json
from itertools import product
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from core.structures.builtin import STRUCTURES
from core.structures.crystal import Crystal
from pages.kit.crystal_player import LIBRARY, PUBLIC_LIBRARY

ROOT = Path(__file__).resolve().parents[2]
PLAYER = ROOT / "assets" / "player"
QUIET = ("WebGL", "GPU stall", "GL Driver", "favicon", "manifest", "_stcore")


@pytest.fixture(scope="module")
def server(serve):
    """Address of a Streamlit server that shows only the crystal player."""
    return serve(ROOT / "tests/browser/harness/crystal_app.py")


@pytest.fixture
def visit(browser, server):
    """visit(scene, ...) -> a page with the player drawn; complaints of the page fail the test."""
    contexts, complaints = [], []

    def open_page(scene, *, query="", ready="[data-drawn-payload]", script="", route=None, width=1000, height=820, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type == "error" and not any(word in message.text + message.location.get("url", "") for word in QUIET)
                else None
            ),
        )
        if script:
            page.add_init_script(script)
        if route:
            route(page)
        page.goto(f"{server}/?scene={quote(scene)}{query}")
        page.wait_for_selector(f".crystal{ready}", timeout=60_000)
        return page

    open_page.complaints = complaints
    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def facts(page) -> dict:
    return page.eval_on_selector(".crystal", "e => ({...e.dataset})")


# Playwright's own waiting does not look into shadow roots; this does.
FIND = """const find = root => { for (const e of root.querySelectorAll('*')) {
  if (e.classList?.contains('crystal')) return e;
  const inner = e.shadowRoot && find(e.shadowRoot);
  if (inner) return inner; } };"""


def wait_for(page, test: str, argument=None):
    """Wait until a JavaScript function of the player's root (and an argument) is true."""
    script = f"a => {{ {FIND} const e = find(document); return e && ({test})(e, a); }}"
    page.wait_for_function(script, arg=argument, timeout=20_000)


def camera(page) -> list[float]:
    return json.loads(facts(page)["camera"])


def drag(page, dx, dy):
    box = page.locator(".crystal .stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up()


# Atoms within the closed cell and the bonds between them (plus neighbours outside of atoms inside), counted by hand.
KNOWN = {
    "rock salt NaCl": (27, 54),  # 3 x 3 x 3 sites; 3 directions x 9 lines x 2 bonds
    "caesium chloride CsCl": (9, 8),  # eight corners around one centre
    "perovskite SrTiO3": (15, 6),  # 8 Sr, 1 Ti, 6 O; one octahedron and no metal-metal or Sr-O line
    "diamond C": (18, 16),  # 14 + 4 inside, each with its four bonds
    "zinc blende ZnS": (18, 16),
    "iron Fe": (9, 8),
    "copper Cu": (14, 36),  # 12 bonds for each of 6 faces' centre to 4 corners, and 12 between the centres
    "fluorite CaF2": (22, 32),  # 14 Ca, 8 F, four bonds each
}


@pytest.mark.parametrize("name", KNOWN)
def test_textbook_pictures(visit, name):
    page = visit(f"still:{name}")
    assert (int(facts(page)["atoms"]), int(facts(page)["bonds"])) == KNOWN[name]


def test_supercell_of_rock_salt(visit):
    page = visit("still:rock salt NaCl")
    page.get_by_role("button", name="2\u00d7", exact=True).click()
    wait_for(page, "e => e.dataset.atoms === '125'")
    assert int(facts(page)["bonds"]) == 3 * 25 * 4


@pytest.fixture(scope="module")
def geometry(browser):
    """geometry(crystal, repeat) -> {bonds, scene}: findBonds and buildScene of the player's own source."""
    source = (PLAYER / "crystal_cell.js").read_text().replace("/*ELEMENTS*/null", (PLAYER / "elements.json").read_text())
    page = browser.new_page()
    page.evaluate("source => { window.cells = new Function(source + '; return { findBonds, buildScene };')(); }", source)

    def call(crystal: Crystal, repeat=(1, 1, 1)) -> dict:
        cell = {
            "lattice": crystal.lattice.ravel().tolist(),
            "frac": (crystal.frac_coords % 1).ravel().tolist(),
            "numbers": crystal.numbers.tolist(),
            "n": crystal.n_atoms,
        }
        return page.evaluate(
            "([cell, repeat]) => ({ bonds: cells.findBonds(cell), scene: cells.buildScene(cell, repeat) })", [cell, list(repeat)]
        )

    yield call
    page.close()


@pytest.mark.parametrize("name", STRUCTURES)
def test_bonds_are_nearest_neighbours(geometry, name):
    """Against pymatgen: bonds are contacts of the infinite crystal, and the same for a sheared choice of its cell."""
    crystal = STRUCTURES[name]()
    found = geometry(crystal)
    structure = crystal.to_pymatgen()
    shear = np.array([[1, 1, 0], [0, 1, -1], [0, 0, 1]])
    sheared = Crystal(crystal.numbers, crystal.frac_coords @ np.linalg.inv(shear), shear @ crystal.lattice)
    lengths = sorted(bond[5] for bond in found["bonds"])
    assert lengths == pytest.approx(sorted(bond[5] for bond in geometry(sheared)["bonds"]), abs=1e-6)
    assert lengths[0] == pytest.approx(crystal.nearest_distance, abs=2e-4)
    degree = np.zeros(crystal.n_atoms, int)
    for i, j, a, b, c, length, _ in found["bonds"]:
        assert structure.get_distance(
            i, j, jimage=[a, b, c] + np.floor(crystal.frac_coords[i]).astype(int) - np.floor(crystal.frac_coords[j]).astype(int)
        ) == pytest.approx(length, abs=1e-6)
        degree[i] += 1
        degree[j] += 1
    expected = {
        "rock salt NaCl": {6},
        "zinc blende ZnS": {4},
        "wurtzite ZnS": {4},
        "graphite C": {3},
        "hexagonal BN": {3},
        "copper Cu": {12},
        "magnesium Mg": {12},
        "iron Fe": {8},
        "layered MoS2": {6, 3},
        "spinel MgAl2O4": {4, 6},
        "rutile TiO2": {6, 3},
        "nickel arsenide NiAs": {6},
        "caesium chloride CsCl": {8},
        "perovskite SrTiO3": {0, 6, 2},
    }
    if name in expected:
        assert set(degree.tolist()) == expected[name]


def test_every_drawn_bond_is_short_and_every_inside_atom_is_complete(geometry):
    """No line crosses the cell, whatever the crystal: ends are as far apart as the bond is long."""
    rng = np.random.default_rng(3)
    for trial in range(12):
        lattice = np.diag(rng.uniform(3, 7, 3)) + rng.normal(0, 0.8, (3, 3))
        crystal = Crystal(rng.choice([3, 8, 14, 22, 38], 9), rng.random((9, 3)), lattice)
        repeat = (1, 1, 1) if trial % 2 else (2, 1, 3)
        found = geometry(crystal, repeat)
        atoms, longest = found["scene"]["atoms"], max((bond[5] for bond in found["bonds"]), default=0)
        place = np.array([[atom[axis] for axis in "xyz"] for atom in atoms])
        degree = np.zeros(len(atoms), int)
        for p, q in found["scene"]["bonds"]:
            assert np.linalg.norm(place[p] - place[q]) <= longest + 1e-6
            degree[[p, q]] += 1
        ends = np.zeros(9, int)
        for i, j, *_ in found["bonds"]:
            ends[i] += 1
            ends[j] += 1  # a bond to an atom's own image has both ends there
        for atom, count in zip(atoms, degree, strict=True):
            if atom["inside"]:
                assert count == ends[atom["site"]]
        inside = {(atom["site"], *atom["shift"]) for atom in atoms if not atom["ghost"]}
        assert all((site, *shift) in inside for site in range(9) for shift in product(*map(range, repeat)))
        assert len({(atom["site"], *atom["shift"]) for atom in atoms}) == len(atoms)


def test_plays_steps_and_scrubs(visit):
    page = visit("perovskite SrTiO3", query="&autoplay=0")
    assert facts(page)["playing"] == "false" and facts(page)["frame"] == "0"
    page.keyboard.press("Space")
    wait_for(page, "e => e.dataset.playing === 'true' && Number(e.dataset.frame) > 2")
    page.keyboard.press("Space")
    wait_for(page, "e => e.dataset.playing === 'false'")
    frame = int(facts(page)["frame"])
    page.keyboard.press("ArrowRight")
    wait_for(page, "(e, f) => Number(e.dataset.frame) === f", frame + 1)
    page.get_by_text(f"frame={frame + 1} selected=None playing=False").wait_for()  # Python heard
    page.locator(".crystal .scrub").fill("41")
    wait_for(page, "e => e.dataset.frame === '41'")
    page.keyboard.press("Escape")
    page.get_by_label("note").fill("typing 1 2")  # keys in a text field are its own
    page.get_by_label("note").press("Home")
    assert facts(page)["frame"] == "41"


def test_a_key_moves_one_player_of_a_page(visit):
    """The two kinds are separate scripts and share one keyboard: the most visible player at first, then the one touched last."""
    page = visit("perovskite SrTiO3", query="&autoplay=0&beside=particles", height=1400)
    particles = page.locator(".player:not(.crystal)")
    page.locator(".player:not(.crystal)[data-drawn-payload]").wait_for()
    frames = lambda: (int(facts(page)["frame"]), int(particles.get_attribute("data-frame")))  # noqa: E731

    def press(key, seen):
        page.keyboard.press(key)
        page.wait_for_timeout(500)
        assert frames() == seen

    assert frames() == (0, 0)
    press("End", (59, 0))  # the crystal is the larger one
    particles.locator(".legend").click()
    press("End", (59, 19))
    press("ArrowLeft", (59, 18))
    page.locator(".crystal .legend").click()
    press("ArrowLeft", (58, 18))
    page.locator("label", has_text="shown").click()
    page.locator(".crystal").wait_for(state="detached")
    particles.locator(".legend").click()  # off the switch, whose keys are its own
    page.keyboard.press("Home")
    page.wait_for_function("e => e.dataset.frame === '0'", arg=particles.element_handle())


def test_lattice_species_and_coordinates_move_together(visit):
    page = visit("perovskite SrTiO3", query="&autoplay=0")
    first = page.locator(".crystal .cell").inner_text()
    assert page.locator(".crystal .labels .symbol").count() >= 5  # all five undecided: "?"
    page.keyboard.press("End")
    wait_for(page, "e => e.dataset.frame === '59' && e.dataset.atoms === '15' && e.dataset.bonds === '6'")
    last = page.locator(".crystal .cell").inner_text()
    assert last != first and "a 3.9" in last and "90\u00b0 90\u00b0 90\u00b0" in last and "59.5" in last
    assert page.locator(".crystal .labels .symbol").count() == 0


def test_camera_survives_scrubs_reruns_and_new_samples_in_one_canvas(visit):
    page = visit("perovskite SrTiO3", query="&autoplay=0")
    start = camera(page)
    drag(page, 90, -40)
    wait_for(page, "(e, c) => e.dataset.camera !== c", facts(page)["camera"] if camera(page) == start else json.dumps(start))
    turned = camera(page)
    assert turned[:4] == start[:4] and max(abs(a - b) for a, b in zip(turned[4:], start[4:], strict=True)) > 0.1
    page.eval_on_selector(".crystal canvas", "e => { e.dataset.mark = 'first'; }")
    page.locator(".crystal .scrub").fill("30")
    page.get_by_label("note").fill("rerun")
    page.get_by_label("note").press("Enter")
    payload = facts(page)["drawnPayload"]
    page.get_by_label("seed").fill("5")
    page.get_by_label("seed").press("Enter")
    wait_for(page, "(e, p) => e.dataset.drawnPayload !== p", payload)
    assert camera(page) == turned
    assert page.locator(".crystal canvas").count() == 1 and page.locator(".crystal canvas[data-mark=first]").count() == 1
    page.get_by_role("button", name="Fit").click()
    drag(page, 0, 0)
    assert camera(page)[3] == pytest.approx(start[3], abs=0.01)


def test_gallery_opens_one_and_goes_back(visit):
    page = visit("grid16", query="&autoplay=0")
    page.keyboard.press("End")
    wait_for(page, "e => Number(e.dataset.frame) === 59")
    everything = int(facts(page)["atoms"])
    assert page.locator(".crystal .title").count() == 16 and page.locator(".crystal canvas").count() == 1
    box = page.locator(".crystal .stage").bounding_box()
    page.mouse.click(box["x"] + 20, box["y"] + 30)
    page.get_by_text("frame=59 selected=0 playing=False").wait_for()
    wait_for(page, "e => e.dataset.selected === '0' && e.dataset.atoms === '27' && e.dataset.bonds === '54'")
    page.get_by_role("button", name="All 16").click()
    wait_for(page, "(e, n) => e.dataset.selected === '' && Number(e.dataset.atoms) === n", everything)
    page.get_by_text("selected=None playing=False").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paints_each_atom_where_the_pointer_finds_it(visit, scheme):
    """The picture (3Dmol) and the pointer (our projection) agree: red under O, green under Sr, page elsewhere."""
    page = visit("still:perovskite SrTiO3", color_scheme=scheme)
    page.wait_for_timeout(600)
    stage = page.locator(".crystal .stage")
    image = np.asarray(Image.open(io.BytesIO(stage.screenshot())).convert("RGB")).astype(int)
    box = stage.bounding_box()
    hits = {"O": 0, "Sr": 0, "": 0}
    for x in np.linspace(0.27, 0.73, 17) * box["width"]:
        for y in np.linspace(0.1, 0.88, 11) * box["height"]:
            page.mouse.move(box["x"] + x, box["y"] + y)
            tip = page.locator(".crystal .tip")
            said = tip.inner_text().split(",")[0] if tip.is_visible() else ""
            red, green, blue = image[int(y), int(x)]
            if said == "Sr":
                hits["Sr"] += green > 60 and green > 2 * max(red, blue)
            elif said == "O":
                hits["O"] += red > 60 and red > 2 * max(green, blue)
            elif not said:
                hits[""] += abs(image[int(y), int(x)] - image[3, -3]).max() < 12
    assert hits["Sr"] >= 10 and hits["O"] >= 4 and hits[""] >= 40, hits


def test_a_click_lights_up_the_group_of_an_atom_in_every_crystal(visit):
    page = visit("groups:rock salt NaCl")
    assert facts(page)["lit"] == "28"  # two crystals, sodium on 8 corners and 6 faces of each
    box = page.locator(".crystal .stage").bounding_box()
    at = next(
        (x, y)
        for y in np.linspace(0.3, 0.7, 9)
        for x in np.linspace(0.1, 0.4, 13)
        if says(page, box["x"] + x * box["width"], box["y"] + y * box["height"]).startswith("Cl")
    )
    x, y = box["x"] + at[0] * box["width"], box["y"] + at[1] * box["height"]
    assert "group B" in says(page, x, y)
    page.mouse.click(x, y)
    wait_for(page, "e => e.dataset.lit === '26'")  # chlorine: 12 edges and the centre
    page.mouse.click(x, y)
    wait_for(page, "e => e.dataset.lit === '0'")
    assert facts(page)["selected"] == ""


def says(page, x, y) -> str:
    page.mouse.move(x, y)
    tip = page.locator(".crystal .tip")
    return tip.inner_text() if tip.is_visible() else ""


def test_light_page_and_phone(visit):
    page = visit("grid4", width=390, height=844, reduced_motion="reduce")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    assert facts(page)["playing"] == "false" and facts(page)["frame"] == "59"  # reduced motion: the last frame, at rest
    low = "all => all.filter(e => e.offsetParent && e.offsetHeight < 44).map(e => e.className)"
    assert page.eval_on_selector_all(".crystal button", low) == []


def test_library_comes_from_this_server_once(visit, server):
    asked = []
    page = visit("perovskite SrTiO3", route=lambda page: page.on("request", lambda request: asked.append(request.url)))
    for seed in "12":
        payload = facts(page)["drawnPayload"]
        page.get_by_label("seed").fill(seed)
        page.get_by_label("seed").press("Enter")
        wait_for(page, "(e, p) => e.dataset.drawnPayload !== p", payload)
    assert sum("3Dmol" in url for url in asked) == 1
    assert [url for url in asked if not url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))] == []


def test_missing_library_falls_back_to_its_public_address(visit):
    def route(page):
        page.route(f"**/{LIBRARY}", lambda route: route.fulfill(status=404))
        page.route(PUBLIC_LIBRARY, lambda route: route.fulfill(path=PLAYER / LIBRARY, content_type="text/javascript"))

    page = visit("still:diamond C", route=route)
    assert facts(page)["renderer"] == "3dmol" and facts(page)["bonds"] == "16"
    visit.complaints[:] = [text for text in visit.complaints if "404" not in text]


@pytest.mark.parametrize("cause", ["no library", "no webgl"])
def test_without_a_picture_there_are_words_and_numbers(visit, cause):
    def route(page):
        page.route("**/*3Dmol*", lambda route: route.abort())

    script = """const get = HTMLCanvasElement.prototype.getContext; delete window.OffscreenCanvas;
      HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
        return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest); };"""
    page = visit("perovskite SrTiO3", **({"route": route} if cause == "no library" else {"script": script}))
    assert facts(page)["renderer"] == "table"
    words = page.locator(".crystal .notice").inner_text()
    assert ("3Dmol.js" in words) if cause == "no library" else ("WebGL" in words)
    rows = page.locator(".crystal .table tbody tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["Sr", "Ti", "O", "O", "O"]
    assert rows[1].split()[1:] == ["0.5000", "0.5000", "0.5000"] and "3.905" in page.locator(".crystal .table p").inner_text()
    assert not page.locator("[data-testid=stException]").count()
    visit.complaints[:] = [text for text in visit.complaints if "ERR_FAILED" not in text]


def test_leaving_frees_the_context(visit):
    """Mounted and unmounted ten times: never more than one live WebGL context, no listener of 3Dmol left behind."""
    script = """window.contexts = []; const get = HTMLCanvasElement.prototype.getContext;
      HTMLCanvasElement.prototype.getContext = function (...a) { const c = get.apply(this, a);
        if (String(a[0]).startsWith('webgl') && c && !window.contexts.includes(c)) window.contexts.push(c); return c; };
      window.resizes = 0; const add = window.addEventListener; const drop = window.removeEventListener;
      EventTarget.prototype.addEventListener = new Proxy(EventTarget.prototype.addEventListener, { apply(f, t, a) {
        if (t === window && a[0] === 'resize') window.resizes++; return Reflect.apply(f, t, a); } });
      EventTarget.prototype.removeEventListener = new Proxy(EventTarget.prototype.removeEventListener, { apply(f, t, a) {
        if (t === window && a[0] === 'resize') window.resizes--; return Reflect.apply(f, t, a); } });"""
    page = visit("still:rock salt NaCl", script=script)
    listening = page.evaluate("window.resizes")
    toggle = page.locator("label", has_text="shown")
    for _ in range(10):
        toggle.click()
        page.locator(".crystal").wait_for(state="detached")
        assert page.evaluate("window.contexts.filter(c => !c.isContextLost()).length") == 0
        toggle.click()
        page.wait_for_selector(".crystal[data-drawn-payload]")
        assert page.evaluate("window.contexts.filter(c => !c.isContextLost()).length") == 1
    assert page.evaluate("window.contexts.length") == 11 and page.evaluate("window.resizes") == listening


def test_a_lost_context_is_opened_again(visit):
    page = visit("still:rock salt NaCl")
    before = camera(page)
    page.eval_on_selector(".crystal canvas", "e => e.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()")
    page.wait_for_timeout(1500)
    assert page.locator(".crystal canvas").count() == 1
    assert page.eval_on_selector(".crystal canvas", "e => !e.getContext('webgl2').isContextLost()")
    assert facts(page)["atoms"] == "27" and camera(page) == before


def test_its_height_follows_what_the_page_allots(visit):
    allot = "(height) => document.documentElement.style.setProperty('--n2c-stage-height', height)"
    page = visit("rock salt NaCl", query="&mode=lecture&fill=1", width=1440, height=900)
    for pixels in (620, 480):
        page.evaluate(allot, f"{pixels}px")
        wait_for(page, "(e, wanted) => Math.abs(e.getBoundingClientRect().height - wanted) <= 1", pixels)
    for scene in ("rock salt NaCl", "grid4"):
        page = visit(scene, width=390, height=844)
        page.evaluate(allot, "45vh")
        wait_for(page, "e => e.getBoundingClientRect().height <= 380")
        assert page.locator(".crystal .stage").bounding_box()["height"] > 200


def test_a_context_lost_again_and_again_comes_back_with_the_crystal_that_came_meanwhile(visit):
    page = visit("rock salt NaCl", query="&autoplay=0")
    for key in ("ArrowUp", "ArrowUp"):
        before = facts(page)["drawnPayload"]
        page.locator(".crystal canvas").evaluate("c => c.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()")
        page.get_by_label("seed").press(key)
        page.get_by_label("seed").press("Enter")
        wait_for(page, "(e, old) => e.dataset.drawnPayload !== old", before)
        wait_for(page, "e => { const c = e.querySelector('canvas'); return c && !c.getContext('webgl2').isContextLost(); }")
        page.wait_for_timeout(400)
        shot = np.asarray(Image.open(io.BytesIO(page.locator(".crystal .stage").screenshot())).convert("RGB")).astype(int)
        assert (np.abs(shot - shot[2, -3]).max(axis=-1) > 40).mean() > 0.005


def test_the_picture_can_be_saved_and_what_it_shows_is_said(visit):
    page = visit("still:rock salt NaCl")
    wait_for(page, "e => e.querySelector('.now').textContent !== ''")
    words = page.locator(".crystal .now").text_content()
    assert "8 atoms" in words and "a 5.64" in words and "90°, 90°, 90°" in words and "shortest distance 2.82 Å" in words
    page.get_by_role("button", name="View options").click()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Picture (PNG)").click()
    assert caught.value.suggested_filename == "stage-frame-1.png"
    image = np.asarray(Image.open(caught.value.path()).convert("RGB")).astype(int)
    assert (np.abs(image - image[-1, 0]).max(axis=-1) > 60).mean() > 0.01
