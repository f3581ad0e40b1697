"""The selector between a library and the flow: what it is shown, what it learns, whom it lets answer."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.cli import main
from core.generator.baselines.fingerprint import difference
from core.generator.baselines.ranker import Ranker
from core.generator.baselines.substitution import Library
from core.generator.predict import answer_by_refinement, load_selector, proposals, select_candidates
from core.generator.registry import load_model
from core.generator.sampling.best_of import sample_cells
from core.generator.sampling.config import published_config
from core.generator.selection.reranker import Reranker, n_features
from core.generator.selection.selector import GROWN, INPUTS, MARGIN, TYPES, Selector, evidence, fit, loss, pictures
from core.generator.training.selector import shares
from core.generator.weights import save_weights
from core.metrics.matching import match_rms
from core.structures.arrays import from_crystals, load_arrays
from core.structures.crystal import Crystal
from tests.core.generator.baselines.test_substitution import caesium_chloride, rocksalt


@pytest.fixture(scope="module")
def judged(flow_model):
    torch.manual_seed(3)
    return replace(flow_model, reranker=Reranker(n_features(flow_model.network)).eval().requires_grad_(False))


@pytest.fixture(scope="module")
def library():
    return Library(from_crystals([rocksalt(11, 9), rocksalt(3, 17), rocksalt(19, 17), caesium_chloride(55, 35), rocksalt(12, 8)]))


def inputs(table, name):
    return table[:, INPUTS.index(name)]


def test_votes_by_hand(judged, library):
    """Three crystals of the flow, two of them rock salt: its vote is 2/3, that of caesium chloride 1/3."""
    cell = (11, 17)
    grown = [rocksalt(11, 17), caesium_chloride(11, 17), rocksalt(11, 17)]
    proposed = proposals(cell, library, Ranker().eval())
    table, best = evidence(judged.network, judged.reranker, cell, cell, grown, proposed)
    assert table.shape == (1 + len(proposed), len(INPUTS)) and torch.isfinite(table).all()
    is_salt = [match_rms(p.crystal, grown[0]) is not None and match_rms(p.crystal, grown[0]) < 0.05 for p in proposed]
    assert sorted(is_salt) == [False, True]
    votes = inputs(table, "vote")[1:].tolist()
    assert votes[is_salt.index(True)] == pytest.approx(2 / 3, abs=0.05)
    assert votes[is_salt.index(False)] == pytest.approx(1 / 3, abs=0.05)
    assert inputs(table, "grown by the flow").tolist() == [1, 0, 0]
    assert inputs(table, "agreement of the flow's crystals")[0].item() == pytest.approx(5 / 9, abs=0.05)
    assert inputs(table, "ln share by the ranker")[1:].exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert inputs(table, "ln size of the type")[1:].exp().sort().values.tolist() == pytest.approx([2, 5], abs=1e-4)  # 1 + members
    assert 0 <= best < 3
    drawn = pictures(cell, grown)
    assert difference(drawn[0], drawn[2]) < 1e-6 < difference(drawn[0], drawn[1])
    assert inputs(table, "atoms / 20").tolist() == pytest.approx([0.1] * 3)
    high = [replace(proposed[0], hull=0.05), replace(proposed[1], hull=0.5)]
    above, _ = evidence(judged.network, judged.reranker, cell, cell, grown, high)
    assert inputs(above, "10 hull / eV").tolist() == pytest.approx([0.0, 0.5, 3.0])  # held at 0.3 eV
    alone, _ = evidence(judged.network, judged.reranker, cell, cell, grown, [])
    assert alone.shape == (1, len(INPUTS)) and torch.isfinite(alone).all()


def test_evidence_knows_no_origin(judged, library):
    cell, rng = (11, 17), np.random.default_rng(0)
    grown = [Crystal(cell, rng.random((2, 3)), rocksalt(11, 17).lattice) for _ in range(4)]
    moved = [Crystal(cell, c.frac_coords + rng.random(3), c.lattice) for c in grown]
    proposed = proposals(cell, library, Ranker().eval())
    a, b = (evidence(judged.network, judged.reranker, cell, cell, some, proposed)[0] for some in (grown, moved))
    assert (a - b).abs().max() < 2e-3


def test_loss_by_hand():
    """Two candidates present, the first right at both levels, a third that is not there and must not count."""
    logits = torch.tensor([[[1.0, 0.5], [0.0, 0.2], [9.0, 9.0]]], requires_grad=True)
    right = torch.tensor([[[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]])
    present = torch.tensor([[True, True, False]])
    cross = F.binary_cross_entropy_with_logits(logits[0, :2], right[0, :2]) * 2
    expected = cross + math.log(1 + math.exp(-1.0)) + math.log(1 + math.exp(-0.3))
    found = loss(logits, right, present)
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)
    found.backward()
    assert torch.isfinite(logits.grad).all() and (logits.grad[0, 2] == 0).all()
    nothing_right = loss(logits, torch.zeros_like(right), present)
    assert torch.isfinite(nothing_right)


def test_learns_whom_to_trust():
    """The vote tells the right candidate, with noise; absent candidates look best of all and are never right."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, TYPES + 1, len(INPUTS), generator=generator)
    present = torch.ones(500, TYPES + 1, dtype=torch.bool)
    present[::2, 4:] = False
    x[~present] = 9.0
    truth = (torch.rand(500, generator=generator) * 4).long()
    rms = torch.full((500, TYPES + 1), torch.inf).scatter(1, truth[:, None], 0.02)
    x[:, :, INPUTS.index("vote")] += 4 * rms.isfinite()
    selector = fit(x[:400], rms[:400], present[:400], epochs=10)
    found = shares(selector, x[400:], rms[400:], present[400:])
    assert found["best"]["match"] == 1 and found["selector"]["match"] > 0.85 > 0.5 > found["ranker"]["match"]
    assert found["selector"]["rms"] == pytest.approx(0.02, abs=1e-6)
    again = fit(x[:400], rms[:400], present[:400], epochs=10)
    assert torch.equal(again.trust(x), selector.trust(x))  # seeded


def believer(flow: float, types: float) -> Selector:
    """Trusts the flow's crystal by `flow`, every type by `types`, whatever else it sees."""
    selector = Selector(hidden=1, members=1).eval()
    with torch.no_grad():
        for p in selector.parameters():
            p.zero_()
        first, *_, middle, _, _, last = selector.members[0]
        first.weight[0, 0], first.bias[0] = 1.0, 10.0  # SiLU(10), SiLU(11): all but linear
        middle.weight.fill_(1.0)
        logit = [math.log(p / (1 - p)) for p in (flow, types)]
        last.weight[1, 0] = logit[0] - logit[1]
        last.bias[1] = logit[1] - 10 * last.weight[1, 0]
    return selector.requires_grad_(False)


def test_the_flow_must_be_ahead_by_the_margin(judged, library):
    cell = (11, 17)
    grown = [rocksalt(11, 17)] * 2
    proposed = proposals(cell, library, Ranker().eval())
    ahead = select_candidates(believer(0.6 + MARGIN + 0.02, 0.6), judged, cell, cell, grown, proposed)
    close = select_candidates(believer(0.6 + MARGIN - 0.02, 0.6), judged, cell, cell, grown, proposed)
    assert ahead[0] is None and close[-1] is None and sum(c is None for c in close) == 1 and len(close) == 1 + len(proposed)


def test_refinement_asks_the_selector(judged, library):
    """A trusted flow answers as it would alone; a distrusted one leaves the answer to the types, which then come in turn."""
    cells = [(11, 17), (11, 17), (38, 22, 8, 8, 8)]
    alone = [path.final for path in sample_cells(judged, [cells[0], cells[2]], published_config(judged.about), seed=2)]
    seen = []
    made = answer_by_refinement(
        cells,
        cells,
        library,
        Ranker().eval(),
        judged,
        selector=believer(0.9, 0.1),
        seed=2,
        progress=lambda done, total: seen.append(done / total),
    )
    assert np.abs(made[0].lattice - alone[0].lattice).max() < 1e-4 and np.abs(made[2].lattice - alone[1].lattice).max() < 1e-4
    assert seen
    types = answer_by_refinement(cells, cells, library, Ranker().eval(), judged, selector=believer(0.1, 0.9), seed=2)
    rms = match_rms(types[0], types[1])
    assert rms is None or rms > 0.1
    found = [match_rms(types[0], one) for one in (rocksalt(11, 17), caesium_chloride(11, 17))]
    assert any(rms is not None and rms < 0.01 for rms in found)
    unknown = answer_by_refinement([(87, 17)], [(11, 17)], library, Ranker().eval(), judged, selector=believer(0.1, 0.9), seed=2)
    assert unknown[0].formula == "Fr1 Cl1"


def test_command_labels_trains_and_goes_on(pool, models_folder, judged, tmp_path, capsys):
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "ranker.safetensors").write_bytes((models_folder / "ranker.safetensors").read_bytes())
    few = ["--compositions", "20", "--epochs", "2"]
    arguments = ["train", "selector", "--data", str(pool), "--out", str(tmp_path), "--models-folder", str(folder), *few]
    assert main(arguments) == 2 and "mp20_flow" in capsys.readouterr().err  # no flow there yet
    save_weights(
        folder / "mp20_flow.safetensors", judged.network.config, judged.process, judged.network.state_dict(), judged.about, judged.reranker
    )
    assert main(arguments) == 0
    assert "choice of the selector" in capsys.readouterr().out
    written = (tmp_path / "labels_0.npz").stat().st_mtime_ns
    assert main(arguments) == 0 and (tmp_path / "labels_0.npz").stat().st_mtime_ns == written
    arrays = load_arrays(pool)
    with np.load(tmp_path / "labels_0.npz") as kept, np.load(tmp_path / "dev_0.npz") as held_out:
        assert not arrays.columns["dev"].astype(bool)[kept["row"]].any() and arrays.columns["dev"].astype(bool)[held_out["row"]].all()
        assert kept["x"].shape == (20, TYPES + 1, len(INPUTS)) and kept["present"][:, :2].all()
        about = "crystals of `pool.npz`"
    assert about in (tmp_path / "selector.md").read_text()
    assert load_selector(tmp_path).trust(torch.zeros(2, 3, len(INPUTS))).shape == (2, 3)
    assert GROWN > 1 and load_model("mp20", folder, kind="flow").reranker is not None
