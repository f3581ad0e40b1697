"""The link of a page: what it carries, its QR code, and where a link that cannot be honoured is answered."""

import base64
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import segno

from core.chapters import find
from pages.kit.link import OWN, qr_code
from tests.pages.conftest import Visit


def link_of(visit):
    return next(code.value for code in visit.app.code if "seed=" in code.value and "\n" not in code.value)


def asked_of(visit):
    return parse_qs(urlsplit(link_of(visit)).query)


def test_the_link_of_a_lecture_opens_a_lecture_that_plays():
    studied, shown = Visit(find("brownian")), Visit(find("brownian"), {"mode": "lecture", "sigma": "2.0"})
    assert not {"mode", "autoplay"} & set(asked_of(studied))
    assert asked_of(shown)["mode"] == ["lecture"] and asked_of(shown)["autoplay"] == ["1"] and asked_of(shown)["sigma"] == ["2.0"]


def codes(visit):
    return [
        element.proto.body for element in visit.app.get("html") if "qr-code" in element.proto.body and "<style>" not in element.proto.body
    ]


@pytest.mark.parametrize("key", ["show_link", "show_qr_code"])
def test_a_button_shows_the_code_of_the_present_address(key):
    visit = Visit(find("brownian"), {"sigma": "2.0"})
    assert codes(visit) == []
    visit.app.button(key=key).click().run()
    assert visit.failures == []
    assert codes(visit) == [qr_code(link_of(visit))]
    visit.run()
    assert codes(visit) == [], "once asked, once shown"


def test_the_code_is_the_one_of_the_link_and_dark_on_light():
    link = "https://example.org/brownian?sigma=2.0"
    kind, _, data = qr_code(link).split('src="')[1].rstrip('">').partition(",")
    picture = base64.b64decode(data).decode() if "base64" in kind else unquote(data)
    drawn = segno.make(link, error="m", micro=False)
    assert f'viewBox="0 0 {drawn.symbol_size()[0]} {drawn.symbol_size()[1]}"' in picture.replace("'", '"')
    assert "#fff" in picture and "#000" in picture


@pytest.mark.parametrize(
    ("host", "own"), [("localhost", True), ("127.0.0.1", True), ("::1", True), ("192.168.1.7", False), ("localhost.org", False)]
)
def test_an_address_that_only_this_machine_understands_is_known(host, own):
    assert bool(OWN.fullmatch(host)) is own


def test_a_link_too_long_for_a_code_is_refused_by_the_library():
    with pytest.raises(segno.DataOverflowError):
        qr_code("https://example.org/?" + "x" * 2400)


def test_what_a_link_asks_in_vain_is_said_above_the_stage():
    visit = Visit(find("brownian"), {"sigma": "banana", "seed": "1e999"})
    kinds = [getattr(element, "type", "") for element in visit.app.main]
    assert len(visit.app.warning) == 2
    assert "Step scale" in visit.app.warning[0].value
    first = kinds.index("warning")
    assert kinds.index("title") < first < kinds.index("slider") and "bidi_component" not in kinds[kinds.index("title") : first]
    visit.put(t_end=5.0)
    assert not visit.app.warning, "gone with the next move"
