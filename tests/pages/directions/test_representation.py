"""What a crystal is to a model: descriptions leave the meter at round-off, deformations do not."""

from core.chapters import find
from core.structures import cif
from core.structures.builtin import STRUCTURES
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
    visit = Visit(find("representation"))
    visit.app.file_uploader(key="upload").set_value(("mine.cif", STRUCTURES["rutile TiO2"]().to_cif().encode(), "text/plain")).run()
    assert visit.failures == [] and not visit.app.error
    assert any("P4_2/mnm" in part.proto.body for part in visit.app.get("html"))
    assert not any("mine.cif" in note.value for note in visit.app.info)


def test_representation_says_how_an_odd_file_was_read():
    """The notes of `n2c read` are those of the page."""
    visit = Visit(find("representation"))
    file = ("müller.cif", ("# Müller\n" + STRUCTURES["rutile TiO2"]().to_cif()).encode("latin-1"), "text/plain")
    visit.app.file_uploader(key="upload").set_value(file).run()
    assert visit.failures == [] and any("müller.cif: " in note.value and "Latin-1" in note.value for note in visit.app.info)


def test_representation_the_box_says_whose_crystal_it_is():
    """An upload chooses itself; a scene goes back; a bad file leaves the last good one and says so; none left is rock salt again."""
    visit = Visit(find("representation"))
    upload = lambda name, text: visit.app.file_uploader(key="upload").set_value((name, text, "text/plain")).run()  # noqa: E731
    upload("mine.cif", STRUCTURES["spinel MgAl2O4"]().to_cif().encode())
    assert visit.values["structure"] == "your file"
    assert any("mine.cif: Mg8 Al16 O32; cell 8.081 × 8.081 × 8.081 Å" in line.value for line in visit.app.caption)
    own = visit.picture
    upload("broken.cif", b"data_\n_cell_length_a banana\nloop_\n")
    assert visit.failures == [] and visit.picture == own
    assert any("broken.cif" in error.value and "mine.cif holds is still shown" in error.value for error in visit.app.error)
    visit.app.button(key="scene_1").click().run()
    assert visit.values["structure"] == "rock salt NaCl" and visit.picture != own
    assert visit.put(structure="your file").picture == own


def test_representation_a_link_to_somebodys_file_says_that_it_is_not_there():
    visit = Visit(find("representation"), {"structure": "your file"})
    assert visit.failures == [] and any("no file of yours" in warning.value for warning in visit.app.warning)
    assert visit.picture == Visit(find("representation")).picture


def test_a_file_of_several_structures_lets_the_reader_choose_and_is_read_once(monkeypatch):
    """The second of two is shown in its own order of atoms; controls moved afterwards read nothing again."""
    readings = []
    read = cif.read_cif
    monkeypatch.setattr(cif, "read_cif", lambda *args, **kwargs: readings.append(kwargs) or read(*args, **kwargs))
    salt, quartz = (STRUCTURES[name]().to_cif() for name in ("rock salt NaCl", "quartz SiO2"))
    visit = Visit(find("representation"))
    visit.app.file_uploader(key="upload").set_value(("two.cif", (salt + quartz).encode(), "text/plain")).run()
    assert "Na4 Cl4" in " ".join(element.value for element in visit.app.info)
    choice = visit.app.selectbox(key="upload_structure")
    assert choice.options == ["1: Na4Cl4", "2: Si3O6"]
    choice.set_value("2: Si3O6").run()
    assert visit.failures == [] and "number 2, Si3O6" in " ".join(element.value for element in visit.app.info)
    assert len(readings) <= 4  # each of two as uploaded, and each as the script of the page gets it
    readings.clear()
    visit.put(rotation=55.0).put(c=3.0)
    assert visit.failures == [] and readings == []
