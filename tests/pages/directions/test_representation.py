"""What a crystal is to a model: descriptions leave the meter at round-off, deformations do not."""

from core.chapters import find
from tests.pages.conftest import Visit


def test_representation_only_a_deformation_moves_the_meter():
    visit = Visit(find("representation"))
    assert visit.truth < 1e-10
    assert visit.put(cell="2×2×2", rotation=125.0, origin=0.65).truth < 1e-10
    small = visit.put(c=2.0).truth
    assert small > 1e-3
    assert visit.put(c=0.0, site="2", move=0.4).truth > 1e-3


def test_representation_a_bad_file_and_a_huge_cell_are_named():
    visit = Visit(find("representation"))
    visit.app.file_uploader(key="upload").set_value(("broken.cif", b"data_\n_cell_length_a banana\nloop_\n", "text/plain")).run()
    assert visit.failures == []
    assert any("broken.cif" in error.value for error in visit.app.error)
    visit = Visit(find("representation")).put(structure="spinel MgAl2O4", cell="2×2×2")
    assert visit.failures == [] and any("448 atoms" in warning.value for warning in visit.app.warning)


def test_representation_a_good_file_is_shown():
    from core.structures.builtin import STRUCTURES

    visit = Visit(find("representation"))
    visit.app.file_uploader(key="upload").set_value(("mine.cif", STRUCTURES["rutile TiO2"]().to_cif().encode(), "text/plain")).run()
    assert visit.failures == [] and not visit.app.error
    assert any("P4_2/mnm" in str(table.value.to_numpy()) for table in visit.app.table)
    assert not any("mine.cif" in note.value for note in visit.app.info)


def test_representation_says_how_an_odd_file_was_read():
    """The notes of `n2c read` are those of the page."""
    from core.structures.builtin import STRUCTURES

    visit = Visit(find("representation"))
    file = ("müller.cif", ("# Müller\n" + STRUCTURES["rutile TiO2"]().to_cif()).encode("latin-1"), "text/plain")
    visit.app.file_uploader(key="upload").set_value(file).run()
    assert visit.failures == [] and any("müller.cif: " in note.value and "Latin-1" in note.value for note in visit.app.info)
