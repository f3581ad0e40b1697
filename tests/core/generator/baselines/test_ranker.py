import numpy as np
import pytest
import torch

from core.cli import main
from core.generator.baselines.ranker import Ranker, loss, query_of, stack
from core.generator.baselines.substitution import Library
from core.generator.predict import Refinement, answer_by_prototype, answer_by_refinement, load_ranker, proposals
from core.generator.training.ranker import candidates_rms, collect_labels, fit, queries, top_share
from core.metrics.matching import match_rms
from core.structures.arrays import from_crystals
from core.structures.crystal import Crystal
from tests.core.generator.baselines.test_substitution import caesium_chloride, perovskite, rocksalt

ALKALI, HALOGEN, EARTH, CHALCOGEN = (3, 11, 19, 37), (9, 17, 35), (12, 20, 38, 56), (8, 16, 34)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A law that the hand-made distance does not know: alkali halides are CsCl, alkaline-earth chalcogenides rock salt."""
    crystals = [caesium_chloride(a, x) for a in ALKALI for x in HALOGEN] + [rocksalt(a, x) for a in EARTH for x in CHALCOGEN]
    path = tmp_path_factory.mktemp("world") / "pool.npz"
    arrays = from_crystals(crystals, dev=np.arange(len(crystals)) % 6 == 5)
    arrays.save(path)
    return path, arrays, Library(arrays)


def asked_of(world, numbers, without=None):
    types = world[2].types(numbers, without=without)
    return query_of(numbers, types, np.full(len(types.neighbours.rows), np.nan)), types


def test_padding_does_not_matter(world):
    """The same logits in a batch of wider questions; nothing for types that are not there."""
    ranker = Ranker().eval()
    torch.nn.init.normal_(ranker.potential[-1].weight)
    torch.nn.init.normal_(ranker.circumstances[-1].weight)
    query, types = asked_of(world, (11, 17))
    wide = query_of((11, 17), types, np.full(len(types.neighbours.rows), np.nan), n_neighbours=200, n_types=20)
    narrow, wider = (ranker(stack([q]))[0] for q in (query, wide))
    assert torch.isfinite(narrow[:2]).all() and (narrow[2:] == -torch.inf).all()
    assert torch.allclose(narrow[:2], wider[:2], atol=1e-5)


def test_loss_by_hand():
    logits = torch.tensor([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    right = torch.tensor([[True, False, True], [False, False, False]])
    p = logits[0].softmax(0)
    assert loss(logits, right) == pytest.approx(-torch.log(p[0] + p[2]).item())


def test_labels_are_the_matchers_and_are_resumed(world, tmp_path, monkeypatch):
    path, arrays, library = world
    train = np.flatnonzero(~arrays.columns["dev"])
    targets = [(int(i), k) for k, i in enumerate(train)]
    monkeypatch.setattr("core.generator.training.ranker.CHUNK", 5)
    first = collect_labels(path, tmp_path, "labels", targets[:5], workers=1)
    written = (tmp_path / "labels_0.npz").stat().st_mtime_ns
    marks = collect_labels(path, tmp_path, "labels", targets, workers=2)
    assert (tmp_path / "labels_0.npz").stat().st_mtime_ns == written
    assert np.array_equal(first, marks[:5], equal_nan=True) and len(marks) == len(targets)
    i, without = targets[0]
    rms = candidates_rms(arrays.crystal(i).numbers, arrays.crystal(i), library, without)
    assert np.isfinite(rms[:2]).sum() == 1 and np.isnan(rms[2:]).all() and np.array_equal(rms, marks[0], equal_nan=True)


def test_learns_the_law_and_answers_with_it(world, tmp_path, model, flow_model):
    path, arrays, library = world
    train = np.flatnonzero(~arrays.columns["dev"])
    targets = [(int(i), k) for k, i in enumerate(train)]
    marks = collect_labels(path, tmp_path, "labels", targets, workers=1)
    query, rms = queries(arrays, library, targets, marks)
    ranker, history = fit(query, rms, epochs=15, batch=8)
    assert len(history) == 15 and top_share(ranker, query, torch.isfinite(rms)) > 0.9
    held_out = [arrays.crystal(i) for i in np.flatnonzero(arrays.columns["dev"])]
    best = [proposals(c.numbers, library, ranker)[0] for c in held_out]
    right = [match_rms(p.crystal, c) is not None and match_rms(p.crystal, c) < 0.1 for p, c in zip(best, held_out)]
    assert sum(right) >= len(right) - 1
    assert all(abs(sum(p.share for p in proposals(c.numbers, library, ranker)) - 1) < 1e-6 for c in held_out)
    cells = [c.numbers.tolist() for c in held_out if set(c.numbers.tolist()) <= {11, 17}] or [[11, 17]]
    left = answer_by_refinement(cells, cells, library, ranker, flow_model, settings=Refinement(start=0.0))
    moved = answer_by_refinement(cells, cells, library, ranker, flow_model, settings=Refinement(start=0.05, steps=3))
    assert all(match_rms(a, b) is not None and match_rms(a, b) < 0.1 for a, b in zip(left, moved))
    assert not np.allclose(left[0].frac_coords, moved[0].frac_coords)


def test_command_writes_weights_that_load_and_a_card_that_counts(world, tmp_path):
    path, arrays, library = world
    assert main(["train", "ranker", "--data", str(path), "--out", str(tmp_path), "--epochs", "2"]) == 0
    held_out = [arrays.crystal(i) for i in np.flatnonzero(arrays.columns["dev"])]
    ranker = load_ranker(tmp_path)
    first = [proposals(c.numbers, library, ranker)[0].crystal for c in held_out]
    hits = sum(match_rms(a, b) is not None for a, b in zip(first, held_out)) / len(held_out)
    text = (tmp_path / "ranker.md").read_text()
    assert f"first choice of the ranker | {hits:.1%} |" in text and f"{len(arrays) - len(held_out):,} crystals of" in text


def test_the_model_answers_where_no_prototype_is_known(world, flow_model):
    cells = [(11, 17), (38, 22, 8, 8, 8)]
    made = answer_by_prototype(cells, cells, world[2], flow_model, seed=3)
    assert [c.formula for c in made] == ["Na1 Cl1", "Sr1 Ti1 O3"]
    again = answer_by_prototype(cells[1:], cells[1:], world[2], flow_model, seed=3)
    assert np.allclose(made[1].lattice, again[0].lattice)


def test_repeated_questions_take_the_next_type(world, flow_model):
    ranker = Ranker().eval()
    made = answer_by_refinement([(11, 17)] * 2, [(11, 17)] * 2, world[2], ranker, flow_model, settings=Refinement(start=0.0))
    rms = match_rms(made[0], made[1])
    assert rms is None or rms > 0.1


def test_perovskites_of_many_elements_fall_back_to_the_distance(flow_model):
    """More elements than the ranker's questions hold: the nearest type, not an error."""
    seven = Crystal([3, 4, 5, 6, 7, 8, 9], np.random.default_rng(0).random((7, 3)), np.eye(3) * 5)
    library = Library(from_crystals([seven, perovskite(38, 22)]))
    assert proposals((11, 12, 13, 14, 15, 16, 17), library, Ranker().eval())[0].row == 0


def test_logits_of_an_untrained_ranker_by_hand(world):
    """votes - 0.3 nearest: votes are ln sum exp(-sum_i n_i/N |phi(a_i) - phi(m_i)|) over the members; other parts begin at nothing."""
    ranker = Ranker().eval()
    query, types = asked_of(world, (11, 17))
    assert ranker.mix.tolist() == pytest.approx([1.0, 0.3, 1.0])
    phi = ranker.embed(torch.arange(104)).detach()
    constant = float(ranker.circumstances[-1].bias.detach())
    flat = ranker.potential[-1].bias.detach()  # the last weights are zero
    logits = ranker(stack([query]))[0].detach()
    wanted = query.elements[:2]
    for k in range(2):
        members = np.flatnonzero(types.member == k)
        gaps = [(phi[wanted] - phi[torch.from_numpy(types.neighbours.elements[m].astype(int))]) for m in members]
        distance = torch.stack([((gap.square().sum(-1) + 1e-4).sqrt() * 0.5).sum() for gap in gaps])
        bias = ranker.bias(query.bias[members]).squeeze(-1).detach()
        votes = (bias - distance).logsumexp(0)
        expected = votes - 0.3 * query.nearest[k] + (query.pictures[k].sum((0, 1)) * flat).sum() + constant
        assert float(logits[k]) == pytest.approx(float(expected), rel=1e-4)
