"""Space group first: crystal systems by the tables, temperature and calibration against laws that are known."""

import numpy as np
import pytest
import torch

from core.generator.systems import space_groups, train_space_groups
from core.generator.systems.space_groups import Calibration, calibration, features, fit_temperature, likeliest, top
from core.structures.elements import element_features
from core.structures.space_groups import crystal_system


def test_crystal_systems_by_the_tables():
    first = {1: "triclinic", 3: "monoclinic", 16: "orthorhombic", 75: "tetragonal", 143: "trigonal", 168: "hexagonal", 195: "cubic"}
    assert {group: crystal_system(group) for group in first} == first
    assert [crystal_system(g) for g in (2, 15, 74, 142, 167, 194, 230)] == list(first.values())
    with pytest.raises(ValueError, match="1 to 230"):
        crystal_system(231)


def test_features_know_contents_and_not_their_order():
    assert np.array_equal(features([38, 22, 8, 8, 8]), features([8, 22, 8, 38, 8]))
    assert not np.array_equal(features([22, 8, 8]), features([22, 22, 8, 8, 8, 8])), "another number of formula units is another content"
    assert features([11, 17]).shape == (space_groups.N_FEATURES,)


def test_the_temperature_of_a_known_law_is_found():
    """Classes drawn from softmax(z / 2) and logits z: T = 2, to four standard errors of the fit."""
    generator = torch.Generator().manual_seed(0)
    z = 3 * torch.randn(20_000, 5, generator=generator, dtype=torch.float64)
    drawn = torch.multinomial((z / 2).softmax(-1), 1, generator=generator)[:, 0]
    beta = torch.tensor(0.5, dtype=torch.float64)
    p = (beta * z).softmax(-1)
    information = ((p * z * z).sum(-1) - (p * z).sum(-1) ** 2).sum()
    error = 4 * float(information**-0.5) / 0.5**2  # of T = 1 / beta
    assert abs(fit_temperature(z, drawn) - 2) < error + 0.02


def test_calibration_of_a_guesser_that_knows_what_it_does_not_know():
    generator = torch.Generator().manual_seed(1)
    shares = (2 * torch.randn(40_000, 6, generator=generator, dtype=torch.float64)).softmax(-1)
    drawn = torch.multinomial(shares, 1, generator=generator)[:, 0]
    found = calibration(shares, drawn)
    for confidence, accuracy, count in zip(found.confidence, found.accuracy, found.count, strict=True):
        assert abs(confidence - accuracy) < 4 * (max(confidence * (1 - confidence), 0.25 / count) / count) ** 0.5
    assert sum(found.count) == 40_000
    assert Calibration((0.5, 0.9), (0.7, 0.9), (30, 10)).ece == pytest.approx(0.15)


def test_top_counts_the_first_k():
    shares, right = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]]), torch.tensor([1, 2])
    assert (top(shares, right, 1), top(shares, right, 2)) == (0.5, 1.0)


def test_the_shipped_classifier_knows_perovskites_and_rock_salt():
    assert likeliest([38, 22, 8, 8, 8])[0][0] == 221
    assert likeliest([11, 17])[0][0] == 225
    assert sum(share for _, share in likeliest([11, 17], 230)) == pytest.approx(1, abs=1e-4)


def test_features_by_value():
    """Sr1 Ti1 O3 by hand: shares, means, spreads and ends of 13 properties, six ranked counts in fifths, the size of the cell."""
    table = element_features()[[38, 22, 8]]
    mean = 0.2 * table[0] + 0.2 * table[1] + 0.6 * table[2]
    spread = (0.2 * (table[0] - mean) ** 2 + 0.2 * (table[1] - mean) ** 2 + 0.6 * (table[2] - mean) ** 2) ** 0.5
    shares = np.zeros(104)
    shares[[38, 22, 8]] = 0.2, 0.2, 0.6
    counts = [0.6, 0.2, 0.2, 0, 0, 0]
    rest = [0.5, 1.6094379, 0.25, 1.0, 1.0, 0.0]
    by_hand = np.concatenate([shares, mean, spread, table.min(0), table.max(0), counts, counts, rest])
    assert features([38, 22, 8, 8, 8]) == pytest.approx(by_hand, abs=1e-6)


def test_the_protocol_by_value():
    """Ten bins (five of two classes), five guesses, a tenth of the crystals for the temperature."""
    confidence = torch.linspace(0.5, 1, 2001, dtype=torch.float64)[:-1]
    assert len(calibration(torch.stack([confidence, 1 - confidence], 1), torch.zeros(2000, dtype=torch.long)).count) == 5
    assert len(likeliest([11, 17])) == 5 and train_space_groups.TUNED == 0.1
    shares = torch.tensor([[0.3, 0.25, 0.2, 0.15, 0.06, 0.04]] * 2).double()
    shares = torch.cat([shares, torch.zeros(2, 224)], 1)
    told = train_space_groups.measure(shares, torch.tensor([4, 5]), np.array([True, False]))
    assert (told["top1"], told["top5"], told["top5_new"]) == (0, 0.5, 0)
