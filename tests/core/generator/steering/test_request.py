"""What is asked, as people write it: read, or refused with the way out, before anything is grown."""

import pytest

from core.generator.registry import load_model
from core.generator.steering.request import Request, parse_stoichiometry
from core.generator.steering.templates import stoichiometry
from core.structures.formula import FormulaError, parse_elements

KNOWN = frozenset({1, 3, 8, 25, 26})


@pytest.mark.parametrize("text", ["Li, Mn, O", "Li,Mn,O", "O Mn Li", "Li-Mn-O", " li mn o ", "Li, Mn, O, O"])
def test_elements_are_read(text):
    assert parse_elements(text, KNOWN) == (3, 8, 25)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" , ", "No element is allowed"),
        ("Li, Qq", "'Qq' is no element"),
        ("Li, He", "He was not in the training data"),
        ("Li, Og", "No crystal with Og is known"),
        ("LiMnO", "'LiMnO' is no element"),
    ],
)
def test_elements_are_refused_in_words(text, words):
    with pytest.raises(FormulaError, match=words):
        parse_elements(text, KNOWN)


def test_stoichiometries():
    assert parse_stoichiometry("ABX3") == parse_stoichiometry("X3 A B") == parse_stoichiometry("A2B2X6") == (3, 1, 1)
    assert parse_stoichiometry("A") == (1,) and parse_stoichiometry("AB2X4") == (4, 2, 1)
    assert stoichiometry((12, 4, 4)) == (3, 1, 1)
    for bad in ("", "MgO", "AA", "A0B", "3", "A1.5B"):
        with pytest.raises(FormulaError):
            parse_stoichiometry(bad)


def test_a_request_allows_what_it_says():
    request = Request(elements=(3, 8), stoichiometry=(2, 1))
    assert [request.allows(counts) for counts in ((2, 1), (4, 2), (1, 1), (3, 1, 1))] == [True, True, False, False]
    assert not Request(elements=(3, 8)).allows((1, 1, 1)) and Request().allows((5, 4, 3, 2))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"scalars": {"density": 0.0}}, "density must be above 0"),
        ({"scalars": {"band_gap": -1.0}}, "a band gap is 0 or more"),
        ({"scalars": {"smell": 1.0}}, "nothing can be asked by the name"),
        ({"group": 231}, "space groups are numbered from 1 to 230"),
        ({"system": "octagonal"}, "no crystal system"),
    ],
)
def test_impossible_requests_are_refused_when_they_are_made(asked, words):
    with pytest.raises(ValueError, match=words):
        Request(**asked)


def test_every_element_of_the_model_may_be_allowed():
    known = load_model("mp20", kind="flow").known
    assert len(parse_elements("Li, Mn, O, Pb, Xe", known)) == 5
