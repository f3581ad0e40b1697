"""Growing crystals: when a control moves, the number on the page must move the right way."""

import pytest

from core.chapters import find
from core.figures.crystal_payload import payload_header
from core.structures.builtin import STRUCTURES
from tests.pages.conftest import Visit, reading


def test_generation_another_seed_is_another_crystal_and_the_same_seed_the_same():
    visit = Visit(find("generation"))
    first = reading(visit, "Density")
    other = reading(visit.put(seed=2), "Density")
    assert other != first
    assert reading(visit.put(seed=1), "Density") == first


def test_generation_more_steps_bring_the_atoms_to_rest():
    """With five steps the last jump is long; with a hundred the crystal of the same seed has settled: no two atoms overlap."""
    visit = Visit(find("generation"), {"model": "Perov-5"})
    assert reading(visit.put(n_steps=100), "Nearest distance") > 1.0


@pytest.mark.parametrize("formula, words", [("Xx3", "not an element"), ("", "empty"), ("H400", "400"), ("Sr1 Ti1 O0", "0 atoms")])
def test_generation_says_what_is_wrong_with_a_formula(formula, words):
    visit = Visit(find("generation")).put(formula=formula)
    assert visit.failures == []
    assert any(words in error.value for error in visit.app.error), [error.value for error in visit.app.error]
    assert not visit.put(formula="Na1 Cl1").app.error


def test_generation_says_what_is_wrong_with_a_file():
    visit = Visit(find("generation"))
    visit.app.file_uploader(key="upload").set_value(("broken.cif", b"data_\n_cell_length_a banana\nloop_\n", "text/plain")).run()
    assert visit.failures == []
    assert any("broken.cif" in error.value for error in visit.app.error)
    assert visit.app.get("bidi_component"), "the crystal on the stage stays"


def test_generation_from_nothing_the_flow_makes_up_a_formula_of_so_many_atoms():
    """Another seed is another formula; a model that knows no formulas says so."""
    visit = Visit(find("generation"), {"given": "nothing", "n_atoms": "4"})
    assert visit.failures == [] and not visit.app.error
    first = reading(visit, "Density")
    assert reading(visit.put(seed=3), "Density") != first
    visit.put(model="Perov-5")
    assert any("needs a formula" in error.value for error in visit.app.error)
    assert not visit.put(given="a formula").app.error


def titles(visit):
    """What stands under the crystals on the stage."""
    payloads = [element.proto.bytes for element in visit.app.get("bidi_component") if element.proto.component_name.startswith("crystal")]
    return [crystal["title"] for crystal in payload_header(payloads[0][payloads[0].index(b"N2CX") :])["crystals"]]


def buttons(visit):
    return {button.key: button.label for button in visit.app.button}


def write(visit, formula):
    """As a reader does, into the field."""
    visit.app.text_input(key="formula").set_value(formula).run()
    return visit


@pytest.mark.parametrize(
    "formula, units, name", [("ZnO", 2, "wurtzite ZnO"), ("MgAl2O4", 2, "spinel"), ("SiO2", 3, "quartz"), ("MgO", 1, "rock salt")]
)
def test_generation_a_ratio_takes_the_cell_of_a_known_crystal_and_offers_others(formula, units, name):
    visit = write(Visit(find("generation"), {"n_steps": "5"}), formula)
    assert visit.failures == [] and not visit.app.error
    assert visit.values["units"] == units and (units == 1 or visit.app.query_params["units"] == str(units))
    assert name in buttons(visit)[f"units_{units}"]
    others = [key for key in buttons(visit) if key.startswith("units_") and key != f"units_{units}"]
    visit.app.button(key=others[0]).click().run()
    assert visit.failures == [] and visit.values["units"] == int(others[0].split("_")[1])


def test_generation_an_old_link_means_what_it_meant():
    """A formula in a link without a number of formula units is the content of the cell."""
    visit = Visit(find("generation"), {"formula": "ZnO", "n_steps": "5"})
    assert visit.values["units"] == 1 and titles(visit)[0].startswith("grown: Zn1 O1")
    assert write(visit, "Zn1 O1").values["units"] == 1


def test_generation_says_on_the_stage_what_a_crystal_is_nearest_to():
    visit = write(Visit(find("generation")), "MgO")
    assert titles(visit)[1].startswith("known: rock salt MgO · ")
    assert "nearest" in titles(visit)[0] or "rock salt MgO" in titles(visit)[0]
    assert "no known crystal of this formula" in titles(write(visit, "N2 C1"))[0]
    assert any("No crystal of this formula is known here" in element.proto.body for element in visit.app.get("html"))


def test_generation_a_formula_that_cannot_be_read_keeps_the_last_crystal():
    """Stage, meter and read-outs stay those of the last crystal; the words say so."""
    visit = write(Visit(find("generation")), "NaCl")
    before = visit.picture, reading(visit, "Density"), visit.truth, titles(visit)
    write(visit, "Xx3")
    assert (visit.picture, reading(visit, "Density"), visit.truth, titles(visit)) == before
    assert any("Xx is not an element" in error.value and "keeps NaCl" in error.value for error in visit.app.error)
    visit.put(seed=5)
    assert titles(visit)[0].startswith("grown: Na1 Cl1") and visit.app.error
    broken = Visit(find("generation"), {"formula": "Xx3"})
    assert broken.failures == [] and broken.app.error and titles(broken)[0].startswith("grown: Sr1 Ti1 O3")


def test_generation_an_upload_of_another_formula_says_how_to_use_it():
    visit = Visit(find("generation"), {"n_steps": "5"})
    visit.app.file_uploader(key="upload").set_value(("mine.cif", STRUCTURES["rutile TiO2"]().to_cif().encode(), "text/plain")).run()
    assert any("mine.cif holds Ti2 O4" in note.value and "not compared" in note.value for note in visit.app.info)
    visit.app.button(key="grow_own").click().run()
    assert visit.failures == [] and not visit.app.info
    assert titles(visit)[0].startswith("grown: Ti2 O4") and titles(visit)[1].startswith("known: mine.cif")
