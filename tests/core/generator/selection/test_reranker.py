"""The reranker of grown crystals: what it sees has the network's symmetries, what it learns is which candidate is right."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.cli import main
from core.generator.model.conversion import to_cells
from core.generator.registry import load_model
from core.generator.sampling.batching import candidate_seeds, structure_seeds
from core.generator.sampling.best_of import sample_cells
from core.generator.sampling.config import SamplerConfig
from core.generator.sampling.loop import Noise
from core.generator.selection.reranker import LEVELS, Reranker, features, fit, loss, n_features
from core.generator.training.labels import read_labels
from core.generator.training.reranker import labelled_features, shares
from core.generator.weights import WeightsError, load_reranker, load_weights, save_weights
from core.structures.arrays import load_arrays
from core.structures.crystal import Crystal


def test_features_know_no_origin_no_order_and_no_image(flow_model):
    rng = np.random.default_rng(0)
    crystal = Crystal([38, 22, 8, 8, 8], rng.random((5, 3)), np.diag([3.9, 4.1, 4.4]))
    order = [3, 0, 4, 1, 2]
    moved = Crystal(crystal.numbers[order], crystal.frac_coords[order] + [0.3, 0.8, -2.1], crystal.lattice)
    other = Crystal(crystal.numbers, crystal.frac_coords + 0.05 * rng.random((5, 3)), crystal.lattice)
    one, same, far = features(flow_model.network, to_cells(flow_model.network, [crystal, moved, other]))
    assert len(one) == n_features(flow_model.network)
    assert (one - same).abs().max() < 1e-3 < (one - far).abs().max()


def test_loss_by_hand():
    """Two crystals, the first matches: cross-entropy of all levels, and ln(1 + exp(-(a - b))) for the pair."""
    logits = torch.tensor([[[1.0, 0.0, 0.0], [0.5, 0.0, 0.0]]])
    reached = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    expected = F.binary_cross_entropy_with_logits(logits, reached) + math.log(1 + math.exp(-0.5))
    assert abs(float(loss(logits, reached) - expected)) < 1e-6
    alike = torch.ones_like(reached)
    assert float(loss(logits, alike)) == pytest.approx(float(F.binary_cross_entropy_with_logits(logits, alike)))


def test_learns_which_candidate_is_right():
    """One feature of twenty says how far a crystal is off, with noise as large as itself: chance is right in half of the pairs."""
    generator = torch.Generator().manual_seed(0)
    rms = torch.rand(600, 2, generator=generator)
    phi = torch.randn(600, 2, 20, generator=generator)
    phi[..., 7] = rms + 0.1 * torch.randn(600, 2, generator=generator)
    rms = torch.where(rms > LEVELS[0], torch.inf, rms)
    reranker = fit(phi[:400], rms[:400], epochs=30)
    found = shares(reranker, phi[400:], rms[400:])
    assert found["first"] < 0.6 and found["any"] - 0.05 < found["chosen"] <= found["any"]
    assert torch.equal(reranker.quality(phi), fit(phi[:400], rms[:400], epochs=30).quality(phi))  # seeded
    quality = reranker.quality(phi)
    assert quality.min() >= 0 and quality.max() <= len(LEVELS)


def lover_of_large_cells(network):
    reranker = Reranker(n_features(network), hidden=1, members=1).eval()
    volume = n_features(network) - 7
    with torch.no_grad():
        for p in reranker.parameters():
            p.zero_()
        reranker.members[0][1].weight[0, volume] = 0.1
        reranker.members[0][1].bias.fill_(5.0)  # far on the rising side of SiLU
        reranker.members[0][4].weight.fill_(0.1)
    return reranker.requires_grad_(False)


def test_run_keeps_the_candidate_that_the_reranker_prefers(flow_model):
    """A reranker that likes large cells gets the largest of six; each candidate is the crystal of its own seed."""
    reranker = lover_of_large_cells(flow_model.network)
    cell, settings = (38, 22, 8, 8, 8), SamplerConfig(steps=4, candidates=6)
    best = sample_cells(replace(flow_model, reranker=reranker), [cell], settings, seed=3)[0].final
    plain = sample_cells(flow_model, [cell], replace(settings, candidates=1), seed=3)[0].final
    assert best.volume >= plain.volume
    rivals = {sample_cells(flow_model, [cell], replace(settings, rank_from=0.1 * k), seed=3)[0].final.volume for k in range(3)}
    assert best.volume >= max(rivals) - 1e-3
    assert len(set(candidate_seeds([3], 6))) == 6


def test_a_later_round_begins_at_the_best_so_far_and_never_loses_it(flow_model):
    model = replace(flow_model, reranker=lover_of_large_cells(flow_model.network))
    cells, settings = [(38, 22, 8, 8, 8), (11, 17), (38, 8), (11, 11, 8)], SamplerConfig(steps=4, candidates=3)
    assert [(r.start, r.steps) for r in replace(settings, n_refinements=1).rounds] == [(1.0, 4), (0.7, 3)]
    one, two, three = (sample_cells(model, cells, replace(settings, n_refinements=n), seed=3, n_frames=9) for n in (0, 1, 2))
    improved = 0
    for k, (first, second, third) in enumerate(zip(one, two, three, strict=True)):
        assert first.final.volume <= second.final.volume <= third.final.volume
        if second.times[0] == 1:
            assert np.array_equal(first.frac_coords, second.frac_coords)
            continue
        improved += 1
        own = candidate_seeds([structure_seeds(cells, 3)[k]], 3, 3)
        blurred = flow_model.process.start(to_cells(flow_model.network, [first.final] * 3), torch.tensor(0.7), noise=Noise(own))
        assert min(np.abs(second.frac_coords[0] - frac.numpy()).max() for frac in blurred.frac) < 1e-5
    assert 0 < improved
    alone = sample_cells(model, cells[1:2], replace(settings, n_refinements=2), seed=3)[0].final
    assert np.abs(alone.lattice - three[1].final.lattice).max() < 1e-4
    trust = [
        [float(model.reranker.quality(features(model.network, to_cells(model.network, [path.final])))) for path in paths]
        for paths in (one, two)
    ]
    accept_threshold, seen = sorted(trust[0])[2] - 1e-4, []
    some = sample_cells(
        model,
        cells,
        replace(settings, n_refinements=2, accept_threshold=accept_threshold),
        seed=3,
        n_frames=9,
        progress=lambda done, total: seen.append(done / total),
    )
    for k, path in enumerate(some):  # who is sure has done, the others go on as if nobody else were there
        expected = one[k] if trust[0][k] >= accept_threshold else two[k] if trust[1][k] >= accept_threshold else three[k]
        assert np.abs(path.final.lattice - expected.final.lattice).max() < 1e-3
    assert sum(path.times[0] == 1 for path in some) >= 2
    assert seen == sorted(seen) and seen[-1] == 1
    with pytest.raises(ValueError, match="refinements"):
        sample_cells(model, cells, replace(settings, n_refinements=-1))


def test_weights_travel_with_their_reranker(flow_model, tmp_path):
    network, path = flow_model.network, tmp_path / "mp20_flow.safetensors"
    torch.manual_seed(0)
    reranker = Reranker(n_features(network)).eval()
    save_weights(path, network.config, flow_model.process, network.state_dict(), {}, reranker)
    again, _, _ = load_weights(path)
    assert torch.equal(again.coords.weight, network.coords.weight)
    phi = torch.randn(4, n_features(network))
    assert torch.equal(load_reranker(path, again).quality(phi), reranker.quality(phi))
    assert torch.equal(load_model("mp20", tmp_path, kind="flow").reranker.quality(phi), reranker.quality(phi))
    assert flow_model.reranker is None
    save_weights(path, network.config, flow_model.process, network.state_dict(), {}, Reranker(5))
    with pytest.raises(WeightsError, match="mp20_flow"):
        load_reranker(path, network)


def test_command_labels_trains_and_goes_on(pool, models_folder, tmp_path, capsys):
    arguments = [
        "train",
        "reranker",
        str(models_folder / "mp20_flow.safetensors"),
        "--data",
        str(pool),
        "--out",
        str(tmp_path),
        "--compositions",
        "12",
        "--epochs",
        "2",
    ]
    assert main(arguments) == 0
    assert "reranker's choice" in capsys.readouterr().out
    written = (tmp_path / "labels_0.npz").stat().st_mtime_ns
    assert main(arguments) == 0
    assert (tmp_path / "labels_0.npz").stat().st_mtime_ns == written
    model = load_model("mp20", models_folder, kind="flow")
    arrays = load_arrays(pool)
    with np.load(tmp_path / "labels_0.npz") as kept:
        rows = kept["row"]
    assert not arrays.columns["dev"].astype(bool)[rows].any()
    phi, rms = labelled_features(model, arrays, read_labels(tmp_path / "labels_0.npz", rows), rows)
    assert phi.shape == (12, 2, n_features(model.network)) and rms.shape == (12, 2)
    network, _, about = load_weights(tmp_path / "model.safetensors")
    assert about["reranker"]["compositions"] == 12 and load_reranker(tmp_path / "model.safetensors", network) is not None
    later = [*arguments[:5], "--out", str(tmp_path / "later"), *arguments[7:], "--also", str(tmp_path)]
    assert main(later) == 0
    assert load_weights(tmp_path / "later" / "model.safetensors")[2]["reranker"]["candidates"] == 4
    assert main([*later, "--seed", "1"]) == 2
    assert "labels of other compositions" in capsys.readouterr().err
    assert main([*arguments[:2], str(tmp_path / "nothing"), *arguments[3:]]) == 2
