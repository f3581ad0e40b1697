"""Captions and crystals: what is read of a text, the loss by value, and what the shipped encoders find."""

import math

import pytest
import torch

from core.crystals.landscape import known_crystal
from core.generator.registry import load_model
from core.generator.systems import captions


@pytest.mark.parametrize(
    "text, words",
    [
        ("tetragonal TiO2", "tetragonal Ti 1 O 2"),
        ("A cubic crystal made of strontium, titanium and oxygen", "a cubic crystal made of Sr Ti and O"),
        ("In2O3 in the cubic crystal system", "In 2 O 3 in the cubic crystal system"),
        ("rutile", "<unknown>"),
        ("Ti99", "<unknown>"),
        ("", ""),
    ],
)
def test_words_of_a_text(text, words):
    assert captions.tokens(text) == words.split()


def test_words_that_are_not_known_are_said():
    assert captions.unknown_words("blue tetragonal TiO2, please") == ["blue", "please"]


def test_three_phrasings_say_formula_and_crystal_system():
    said = captions.phrasings(*known_crystal("rutile TiO2"))
    assert len(set(said)) == 3
    assert all("tetragonal" in text and "TiO2" in text and "<unknown>" not in captions.tokens(text) for text in said)
    assert captions.caption(*known_crystal("perovskite SrTiO3"), 5).endswith("strontium, titanium and oxygen")


def test_the_loss_by_value():
    """Nothing known: ln of the number of pairs. Two pairs, the right ones better by 1 on both sides: ln(1 + 1/e)."""
    assert float(captions.contrastive_loss(torch.zeros(8, 8))) == pytest.approx(math.log(8))
    assert float(captions.contrastive_loss(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))) == pytest.approx(math.log(1 + math.exp(-1)))
    lopsided = torch.tensor([[1.0, 0.0], [3.0, 4.0]])  # rows: ln(1 + 1/e) twice; columns: ln(1 + e^2), ln(1 + e^-4)
    by_hand = 0.5 * (math.log1p(math.exp(-1)) + 0.5 * (math.log1p(math.exp(2)) + math.log1p(math.exp(-4))))
    assert float(captions.contrastive_loss(lopsided)) == pytest.approx(by_hand)


def test_ties_count_against_the_right_one():
    assert captions.ranks(torch.tensor([[1.0, 0.0, 0.5], [1.0, 1.0, 2.0]])).tolist() == [0, 2]


def test_the_shipped_encoders_find_a_crystal_by_each_phrasing():
    names = ("rutile TiO2", "perovskite SrTiO3", "rock salt NaCl", "wurtzite ZnS", "zinc blende ZnS", "quartz SiO2")
    features = captions.seen_by(load_model("mp20", kind="flow").network, [known_crystal(name)[0] for name in names])
    for i, name in enumerate(names[:3]):
        for text in captions.phrasings(*known_crystal(name)):
            fits = captions.fits(text, features)
            assert int(fits.argmax()) == i and float(fits.abs().max()) <= 1 + 1e-5


def test_limits_and_phrasings_by_value():
    assert len(captions.tokens("a " * 50)) == 32
    assert captions.tokens("Ti20 Ti21") == ["Ti", "20", "<unknown>"]
    assert captions.phrasings(*known_crystal("rutile TiO2")) == [
        "tetragonal TiO2",
        "crystal structure of TiO2 with tetragonal symmetry",
        "a compound of titanium and oxygen with the formula TiO2 and a tetragonal lattice",
    ]


def test_the_scale_of_the_logits_is_bounded():
    """e^4.6 = 99.484, as the 100 of CLIP."""
    torch.manual_seed(0)
    encoders = captions.CrystalText(n_features=6).eval()
    words, features = captions.encode(["cubic NaCl", "tetragonal TiO2"]), torch.randn(3, 6)
    with torch.no_grad():
        cosines = encoders.text(words) @ encoders.crystal(features).T
        for log_scale, scale in ((1.0, math.e), (4.5, 90.017), (9.0, 99.484)):
            encoders.log_scale.fill_(log_scale)
            assert torch.allclose(encoders.logits(words, features), scale * cosines, rtol=1e-4)
