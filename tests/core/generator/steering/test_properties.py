"""Energies and gaps that are predicted: the features by hand, the head in its units, and what the shipped one says of known crystals."""

import numpy as np
import pytest
import torch

from core.crystals.conditioning import steering
from core.crystals.landscape import known_crystal
from core.generator.model.conversion import to_cells
from core.generator.registry import load_model
from core.generator.steering.grow import measured
from core.generator.steering.properties import PropertyHead, crystal_features, n_features, predicted


def test_features_by_hand():
    """Mean, standard deviation and largest over the atoms, and the condition, at t = 0.02."""
    network, crystal = load_model("mp20", kind="flow").network, known_crystal("rutile TiO2")[0]
    with torch.no_grad():
        h, condition = network.features(*to_cells(network, [crystal]), torch.tensor([0.02]))
    exact = torch.cat([h.mean(1), ((h - h.mean(1, keepdim=True)) ** 2).mean(1).sqrt(), h.max(1).values, condition], dim=1)
    found = crystal_features(network, [crystal])
    assert found.shape == (1, n_features(network)) and torch.allclose(found, exact, atol=1e-4)


def test_the_head_works_in_standard_units_and_no_gap_is_negative():
    torch.manual_seed(0)
    head = PropertyHead(4, hidden=8).eval()
    x, y = torch.randn(50, 4), torch.stack([3 * torch.randn(50) - 1, torch.rand(50)], dim=1)
    y[0, 1] = torch.nan
    head.fit(x, y)
    assert torch.allclose(head.y_mean, y[1:].mean(0), atol=0.2) and not head.y_mean.isnan().any()
    with torch.no_grad():
        for layer in head.body:
            if isinstance(layer, torch.nn.Linear):
                layer.weight.zero_()
                layer.bias.zero_()
        assert torch.allclose(head(x), head.y_mean.expand(50, 2))
        head.body[-1].bias.copy_(torch.tensor([1.0, -100.0]))
        assert torch.allclose(head(x)[:, 0], head.y_mean[0] + head.y_std[0]) and (head(x)[:, 1] == 0).all()


def test_known_crystals_are_told_apart():
    """Materials Project: NaCl -2.1 eV/atom and a gap of 5.0 eV, copper 0 and none; whatever stands in one batch."""
    by, crystals = steering(), [known_crystal(name)[0] for name in ("rock salt NaCl", "copper Cu")]
    found = predicted(by.model.network, by.properties, crystals)
    assert found[0, 0] == pytest.approx(-2.1, abs=0.6) and found[0, 1] > 2
    assert found[1, 0] == pytest.approx(0.0, abs=0.3) and found[1, 1] < 0.3
    assert np.allclose(measured(by, "band_gap", crystals[1:]), found[1:, 1], atol=1e-5)
