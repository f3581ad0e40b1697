"""Crystals as text: what is written can be read again, the law of the writer is a law, and bad sentences are named."""

import math

import pytest
import torch

from core.crystals.landscape import CRYSTALS, known_crystal
from core.generator.systems import autoregressive as ar
from core.generator.systems.symmetrised import symmetrised
from core.metrics.matching import match_rms

TITANIA = "<begin> Ti n2 O n4 sg136 l46 l46 l30 d90 d90 d90 Ti x0 x0 x0 O x29 x29 x0 <end>".split()


@pytest.mark.parametrize("name", CRYSTALS)
def test_what_is_written_reads_as_the_same_crystal(name):
    crystal, group = known_crystal(name)
    sentence = ar.write(crystal.numbers.tolist(), symmetrised(crystal))
    reading = ar.read(sentence)
    assert reading.group == group and reading.ended and len(reading.fields) == len(sentence)
    assert match_rms(reading.crystal(), crystal) < 0.03, "half a 96th of an edge and half a tenth of an Å"


def test_a_sentence_by_value():
    made = ar.read(TITANIA).crystal()
    assert made.formula == "Ti2 O4" and made.lattice[2, 2] == pytest.approx(3.0)
    assert made.frac_coords[2].tolist() == pytest.approx([29 / 96, 29 / 96, 0])


@pytest.mark.parametrize(
    "sentence, words",
    [
        ("<begin> Ti n1 l40", "word 4, l40"),
        ("<begin> Ti Ti", "word 3"),
        ("<begin> Ti n1 sg221 l40 l40 l40 d90 d90 d90 <end> Ti", "word 12"),
    ],
)
def test_a_word_in_the_wrong_place_is_named(sentence, words):
    with pytest.raises(ar.UnwritableError, match=words):
        ar.read(sentence.split())


@pytest.mark.parametrize(
    "end, words",
    [
        (18, "no end"),
        ("sg225", "not what was asked for"),
    ],
)
def test_a_sentence_that_is_no_crystal_says_why(end, words):
    sentence = TITANIA[:end] if isinstance(end, int) else [end if word.startswith("sg") else word for word in TITANIA]
    with pytest.raises(ar.UnwritableError, match=words):
        ar.read(sentence).crystal()
    with pytest.raises(ar.UnwritableError, match="count"):
        ar.prompt([8] * 21)


def test_a_word_depends_on_those_before_it_alone_and_shares_add_up():
    torch.manual_seed(0)
    network = ar.Writer(width=32, depth=2).eval()
    tokens, prefix = ar.encode([TITANIA]), torch.tensor([0.3])
    with torch.no_grad():
        before = network(tokens, prefix)
        changed = tokens.clone()
        changed[0, 10:] = 7
        after = network(changed, prefix)
        assert torch.allclose(before[0, :10], after[0, :10], atol=1e-5) and not torch.allclose(before[0, 10:], after[0, 10:], atol=1e-3)
        log_p = ar.log_likelihood(network, tokens, prefix)
        shares = before[0, :-1].softmax(-1)[torch.arange(len(TITANIA) - 1), tokens[0, 1:]]
        assert torch.allclose(log_p[0].exp(), shares, atol=1e-5)
        assert not torch.allclose(network(tokens, torch.tensor([2.0])), before), "the ghosts are looked at"
        untold = network(tokens, torch.tensor([float("nan")]))
        assert torch.isfinite(untold).all() and not torch.allclose(untold, network(tokens, torch.tensor([0.0])))
    assert ar.perplexity(torch.full((5,), -math.log(7.0))) == pytest.approx(7.0)


def test_the_prefix_in_its_units():
    network = ar.Writer(width=32, depth=1)
    network.units.copy_(torch.tensor([3.0, 0.5]))
    assert float(network.prefix(torch.tensor([math.exp(4.0)]))[0]) == pytest.approx(2.0, abs=1e-5)


def test_a_stream_is_its_seeds_and_greedy_at_temperature_zero():
    network, _ = ar.load()
    start = ar.prompt([38, 22, 8, 8, 8])
    written = [
        list(ar.stream(network, start, volume_per_atom=None, seed=seed, temperature=heat))
        for seed, heat in ((1, 0.8), (1, 0.8), (2, 0), (3, 0))
    ]
    assert written[0] == written[1] and written[2] == written[3]
    assert all(word.startswith("sg") for word in (w[0][0] for w in written)), "the content is given in whole"
    with torch.no_grad():
        first = network(ar.encode([start]), torch.tensor([float("nan")]))[0, -1].softmax(-1)
    assert written[2][0][1] == pytest.approx(float(first[ar.number_of()[written[2][0][0]]]), abs=1e-5)


def test_a_larger_volume_asked_for_is_a_larger_volume_written():
    network, _ = ar.load()
    starts = [
        ar.prompt(known_crystal(name)[0].numbers.tolist())
        for name in ("rock salt NaCl", "perovskite SrTiO3", "fluorite CaF2", "rock salt MgO")
    ]
    made = []
    for volume in (10.0, 30.0):
        crystals = [ar.read(s).symmetrised().crystal() for s in ar.write_many(network, starts, volumes=[volume] * 4, temperature=0)]
        made.append([crystal.volume / crystal.n_atoms for crystal in crystals])
    assert all(small < large for small, large in zip(*made, strict=True))
