"""Growing crystals: when a control moves, the number on the page must move the right way."""

import pytest

from core.chapters import find
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
