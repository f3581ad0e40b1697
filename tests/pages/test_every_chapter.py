"""What every chapter must do, read from the registry: a new chapter is tested by being registered."""

import re
from urllib.parse import parse_qsl

import nbformat
import pytest
from nbclient import NotebookClient
from streamlit.testing.v1 import AppTest

from core import equations, export, glossary, texts
from core.chapters import CHAPTERS, SIDE_PAGES, find
from pages.kit import controls as kit
from pages.kit import text
from tests.pages.conftest import ROOT, Visit, asked

GARBAGE = ["", "banana", "-1e999", "nan", "<script>alert(1)</script>", "9" * 400, "🜁", "True;DROP"]
OTHER_TEXT = {
    "generation": {"formula": "Ba1 Ti1 O3"},
    "conditioning": {"elements": "Li, Mn, O", "stoichiometry": "ABX3"},
    "discrete_diffusion": {"formula": "Na1 Cl1"},
    "landscape": {"text": "cubic TiO2"},
    "score_fields": {"modes": "0 1 1 0.4; 0 -1 2 0.6"},
}


def other(chapter, control):
    """A valid value of a control that is not its default."""
    if isinstance(control, kit.Text):
        return OTHER_TEXT[chapter.slug][control.key]
    if isinstance(control, kit.Toggle):
        return not control.default
    if isinstance(control, kit.Number):
        return control.default + 1
    if isinstance(control, kit.Choice) or control.options:
        options = list(control.options)
        at = options.index(control.default)
        return options[at - 1] if at else options[1]
    far = control.high if control.default < (control.low + control.high) / 2 else control.low
    middle = control.default + (far - control.default) / 2
    steps = round((middle - control.low) / control.step) or 1
    return type(control.default)(round(control.low + steps * control.step, 6))


def opened_with(chapter, control):
    """A visit on which `control` is drawn: some controls appear only for certain choices of others."""
    visit = Visit(chapter)
    if control.key in visit.values:
        return visit
    for choice in visit.declared:
        if isinstance(choice, (kit.Choice, kit.Toggle)):
            options = choice.options if isinstance(choice, kit.Choice) else [True, False]
            for option in options:
                if control.key in visit.put(**{choice.key: option}).values:
                    return visit
            visit.put(**{choice.key: choice.default})
    raise AssertionError(f"no setting shows the control {control.label!r}")


def explained(chapter, term):
    """Is it a place in the chapter's equations, or made of their symbols?"""
    known = list(glossary.of(chapter.slug))
    return term in equations.forms(text.sections(chapter)) or equations.symbols(term, known) and not equations.unknown(term, known)


def test_home_opens():
    home = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    assert not home.exception
    assert [title.value for title in home.title] == ["From Noise to Crystals"]
    assert len(home.get("bidi_component")) >= 2


def test_opens(chapter):
    visit = Visit(chapter)
    assert visit.failures == []
    assert [title.value for title in visit.app.title] == [chapter.label]
    assert visit.truth > 0
    assert not visit.app.warning
    assert visit.equation, "the equation stands on the page, all its symbols with it"
    for control in visit.declared:
        for term in control.terms:
            assert explained(chapter, term), f"the control {control.label!r} changes {term!r}, which is nothing of the equation"
        assert re.search(r"[a-z]{3}", control.label), f"the label {control.label!r} of {control.key} has no word"
        assert not re.search(r"/ *(°|%|Å|µm|K|mPa·s)", control.label), f"{control.label!r}: units stand in brackets"
        options = [control.url(option) for option in control.options] if isinstance(control, kit.Choice) else []
        for word in re.findall(r"[\wμ+-]+", " ".join([control.label, *options])):
            if re.fullmatch(r"(?!BN$)[A-Z]{2}[A-Za-z0-9+-]*", word) or word in glossary.abbreviations():  # BN is a crystal
                assert glossary.spelled_out(word) in (control.help or ""), f"the help of {control.label!r} does not spell out {word}"
    assert len([c for c in visit.declared if not c.more and c.key in visit.values]) <= 7, "at most seven controls beside the stage"


def test_lecture_mode_opens(chapter):
    visit = Visit(chapter, {"mode": "lecture"})
    assert visit.failures == []
    assert visit.app.session_state["mode"] == "lecture"
    assert any("prose_" in element.proto.body and "display: none" in element.proto.body for element in visit.app.get("html"))


def everywhere(control):
    """The values of a control at which a page must not fail: both ends of a slider, every option of a choice."""
    if isinstance(control, kit.Choice):
        return list(control.options)
    if isinstance(control, kit.Slider):
        ends = (control.options[0], control.options[-1]) if control.options else (control.low, control.high)
        return [type(control.default)(end) for end in ends]
    return []


def test_every_control_changes_the_picture_and_fails_nowhere(chapter):
    idle = []
    for control in Visit(chapter).declared:
        visit = opened_with(chapter, control)
        before = visit.picture
        visit.put(**{control.key: other(chapter, control)})
        assert visit.failures == [], control.key
        if visit.picture == before:
            idle.append(control.key)
        for value in everywhere(control):
            visit.put(**{control.key: value})
            assert visit.failures == [], (control.key, value)
            assert visit.equation, ("a symbol of the equation is gone", control.key, value)
    assert idle == []


@pytest.mark.parametrize("first", range(0, len(GARBAGE), 2))
def test_garbage_in_every_url_parameter(chapter, first):
    """Each parameter meets half of the kinds, neighbours different ones."""
    mess = [(control, GARBAGE[(first + i) % len(GARBAGE)]) for i, control in enumerate(Visit(chapter).declared)]
    mess = [(control, raw) for control, raw in mess if not (isinstance(control, kit.Text) and control.valid(raw))]
    visit = Visit(chapter, {control.key: raw for control, raw in mess} | {"mode": GARBAGE[first], "unknown": GARBAGE[first]})
    assert visit.failures == []
    for control, _ in mess:
        if control.key in visit.values and not isinstance(control, kit.Text):  # a text field keeps what fits
            assert visit.values[control.key] == control.default, control.key
    assert len(visit.app.warning) >= len([control for control, _ in mess if control.key in visit.values])


def test_a_link_restores_everything(chapter):
    visit = Visit(chapter)
    for control in visit.declared:
        if control.key in visit.values and not isinstance(control, kit.Text):
            visit.put(**{control.key: other(chapter, control)})
    link = next(code.value for code in visit.app.code if "://" in code.value or code.value.startswith("/"))
    query = dict(pair.split("=", 1) for pair in link.split("?", 1)[1].split("&"))
    from urllib.parse import unquote_plus

    again = Visit(chapter, {key: unquote_plus(value) for key, value in query.items()})
    assert again.values == visit.values
    assert again.picture == visit.picture


def test_scenes_and_reset(chapter):
    visit = Visit(chapter)
    start, buttons = visit.picture, [b for b in visit.app.button if (b.key or "").startswith("scene_")]
    assert buttons, "a chapter has scenes"
    pictures = set()
    for button in buttons:
        visit.app.button(key=button.key).click().run()
        assert visit.failures == []
        pictures.add(visit.picture)
    assert len(pictures) == len(buttons)
    assert any(":material/warning" in (b.proto.icon or "") for b in buttons), "one of them breaks it"
    visit.app.button(key="reset").click().run()
    assert visit.picture == start


def test_every_prediction_is_graded(chapter):
    visit = Visit(chapter)
    keys = asked(visit)
    assert 2 <= len(keys) <= 3, "a chapter asks two or three questions"
    for key in keys:
        others, verdicts = len(visit.app.success), []
        for option in visit.app.radio(key=key).options:
            visit.app.radio(key=key).set_value(option).run()
            assert visit.failures == []
            verdicts.append(len(visit.app.success) - others)
        assert sorted(verdicts) == [0] * (len(verdicts) - 1) + [1], (key, "one option is right")


def test_links_to_other_chapters_open_what_they_name(chapter):
    words = (ROOT / "assets" / "chapters" / chapter.part / f"{chapter.slug}.md").read_text(encoding="utf-8")
    for slug, query in texts.references(words):
        if not (asked := dict(parse_qsl(query))):
            continue  # as good as the chapter itself, which opens elsewhere
        visit = Visit(find(slug), asked)
        assert visit.failures == [] and not visit.app.warning
        links = {control.key: control.url(visit.values[control.key]) for control in visit.declared if control.key in asked}
        assert links == asked


def recipe(chapter):
    visit = Visit(chapter)
    return text.sections(chapter)["Reproduce"], visit.app.session_state["_controls"][chapter.slug]["params"]


def test_exported_notebook_and_script_run(chapter, tmp_path, installed):
    """Both in one interpreter, which is a reader's: the script last, with a namespace of its own."""
    (tmp_path / "figure.py").write_text(export.script(chapter, *recipe(chapter)) + "import core\nprint(core.__file__)\n")
    made = nbformat.reads(export.notebook(chapter, *recipe(chapter)).decode(), as_version=4)
    made.cells.append(nbformat.v4.new_code_cell("%run figure.py"))
    NotebookClient(made, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute(env=installed)
    *notebook, script = [cell.outputs for cell in made.cells if cell.cell_type == "code"]
    assert any("application/vnd.plotly.v1+json" in output.get("data", {}) for outputs in notebook for output in outputs)
    printed = "".join(output.get("text", "") for output in script if output.get("name") == "stdout")
    assert printed.splitlines()[-1].startswith(installed["PYTHONPATH"])
    assert (tmp_path / f"{chapter.slug}.html").stat().st_size > 1000


def test_every_page_is_registered():
    """What a registered chapter needs on disk is in tests/core/test_contract.py; this is the other direction."""
    on_disk = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pages").rglob("*.py") if path.parent.name != "kit"}
    assert on_disk - {"pages/__init__.py"} == {page.page for page in (*SIDE_PAGES, *CHAPTERS)}
