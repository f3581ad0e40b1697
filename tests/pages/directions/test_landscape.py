"""The systems: when a control moves, the numbers on the page must move the right way."""

from core.chapters import find
from core.figures.crystal_payload import payload_header
from tests.pages.conftest import Visit, reading


def titles(visit):
    """What stands under the crystals on the stage."""
    payloads = [element.proto.bytes for element in visit.app.get("bidi_component") if element.proto.component_name.startswith("crystal")]
    return [crystal["title"] for crystal in payload_header(payloads[0][payloads[0].index(b"N2CX") :])["crystals"]]


def test_landscape_projection_is_nearer_than_the_wrong_group():
    visit = Visit(find("landscape"))
    assert visit.truth < 0.1 and titles(visit)[0].startswith("projected: group 136, 1 free")
    assert visit.put(system="MaskGXT").truth > 0.3, "the prototype's group is not rutile's"
    assert reading(visit, "Space group 136") > reading(visit, "Space group 63")


def test_landscape_the_writer_says_its_words_and_a_larger_volume_makes_a_larger_cell():
    visit = Visit(find("landscape"), {"system": "CrystaLLM-π", "crystal": "rock salt NaCl"})
    assert visit.failures == [] and reading(visit, "Words written") >= 16
    visit.put(heat=0.0, volume=10.0)
    small = visit.picture
    assert visit.put(volume=30.0).picture != small


def test_landscape_unknown_words_and_no_words_are_said():
    visit = Visit(find("landscape"), {"system": "Chemeleon", "n_steps": "5"})
    assert not visit.app.warning
    visit.put(text="the blue crystal of TiO2")
    assert any("blue" in warning.value for warning in visit.app.warning)
    visit.put(text="")
    assert visit.failures == [] and any("empty" in error.value for error in visit.app.error)
