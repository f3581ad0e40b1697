"""Formulas from nothing: the bound and the sampler against closed forms for two kinds, training on a small pool, the network that ships."""

import math
import shutil
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from core.cli import main
from core.crystals.generation import sample
from core.generator.baselines.element_exchange import replacement_table
from core.generator.baselines.substitution import Library
from core.generator.composition.composition_model import CompositionModel, draw_compositions, element_table
from core.generator.registry import FOLDER, ModelMissing, load_composition_model, load_model
from core.generator.sampling.config import SamplerConfig
from core.generator.training.composition import CompositionTrainConfig, bound, by_frequency, fit, formulas, shares
from core.generator.weights import load_weights, save_weights
from core.metrics.validity import composition_valid
from core.structures.arrays import load_arrays
from core.structures.formula import FormulaError

KNOWN = [8, 11, 17, 22, 38]


@pytest.fixture(scope="module")
def composition_model():
    """Untrained, but opinionated; knows five elements."""
    torch.manual_seed(3)
    made = CompositionModel(width=32, depth=1)
    made.properties.copy_(torch.from_numpy(element_table()))
    made.known.zero_()[KNOWN] = True
    made.stoichiometries = {(1, 1): 1, (3, 1, 1): 3, (2, 2, 1): 1, (1,): 2}
    with torch.no_grad():
        made.bias.copy_(torch.randn(104))
    return made.eval().requires_grad_(False)


def chances(composition_model, kinds, counts):
    return composition_model(torch.tensor([kinds]), torch.tensor([counts]))[0].softmax(-1).double()


def test_oxidation_states_are_those_of_the_table():
    """Sodium +1 (and -1 in the ICSD), oxygen -2, titanium +4; nothing of the masked kind."""
    table = element_table()[:, -13:]
    assert table[11, 6] == table[8, 3] == table[22, 9] == 1 and table[11, 7:].sum() == 0
    assert not element_table()[0].any()


def test_logits_have_no_order_and_offer_only_what_is_left(composition_model):
    kinds, counts, order = [8, 0, 0], [3, 2, 1], [2, 0, 1]
    one, other = (
        chances(composition_model, kinds, counts),
        chances(composition_model, [kinds[i] for i in order], [counts[i] for i in order]),
    )
    assert (one[order] - other).abs().max() < 1e-6
    assert set(one[1].nonzero().flatten().tolist()) == {11, 17, 22, 38} and abs(one[1, 11] - one[2, 11]) > 1e-4


def test_bound_of_two_kinds_is_the_mean_over_both_orders(composition_model):
    """E loss = [-log p(a) p(b | a) - log p(b) p(a | b)] / 2, which no -log p can exceed (Jensen)."""
    counts = [3, 1]
    first, given_a, given_b = (chances(composition_model, kinds, counts) for kinds in ([0, 0], [8, 0], [0, 22]))
    by_a, by_b = first[0, 8] * given_a[1, 22], first[1, 22] * given_b[0, 8]
    exact = -0.5 * (by_a.log() + by_b.log())
    draws = composition_model.loss(
        torch.tensor([[8, 22]]).expand(4000, 2), torch.tensor([counts]).expand(4000, 2), generator=torch.Generator().manual_seed(0)
    ).double()
    assert abs(draws.mean() - exact) < 5 * draws.std() / 4000**0.5
    assert exact >= -(0.5 * (by_a + by_b)).log()


def test_formulas_have_the_law_of_the_first_hitting_sampler(composition_model):
    """20 ordered pairs, p(a, b) = [p(a) p(b | a) + p(b) p(a | b)] / 2, chi-square."""
    counts, n = (3, 1), 20_000
    pairs = list(permutations(KNOWN, 2))
    first = chances(composition_model, [0, 0], counts)
    exact = torch.stack(
        [
            0.5
            * (
                first[0, a] * chances(composition_model, [a, 0], counts)[1, b]
                + first[1, b] * chances(composition_model, [0, b], counts)[0, a]
            )
            for a, b in pairs
        ]
    )
    assert abs(exact.sum() - 1) < 1e-5
    drawn = composition_model.draw(counts, range(n)).tolist()
    seen = np.array([drawn.count(list(pair)) for pair in pairs])
    expected = n * exact.numpy()
    assert ((seen - expected) ** 2 / expected).sum() < chi2.ppf(1 - 1e-5, len(pairs) - 1)
    assert composition_model.draw(counts, [7, 3]).tolist() == [drawn[7], drawn[3]]
    cold = composition_model.draw(counts, range(200), temperature=0.01)
    assert len({tuple(row) for row in cold.tolist()}) <= 4


def test_counts_are_as_frequent_as_in_the_data(composition_model):
    cells = draw_compositions(composition_model, [5] * 4000, range(4000))
    assert {len(cell) for cell in cells} == {5}
    share = np.mean([len(set(cell)) == 3 and max(map(cell.count, cell)) == 3 for cell in cells])
    assert abs(share - 0.75) < 5 * (0.75 * 0.25 / 4000) ** 0.5
    assert draw_compositions(composition_model, [1, 5, 2], [5, 0, 9])[1] == cells[0]
    with pytest.raises(FormulaError, match="9 atoms"):
        draw_compositions(composition_model, [9], [0])


def test_training_learns_which_elements_go_together(pool):
    arrays = load_arrays(pool)
    dev = arrays.columns["dev"].astype(bool)
    known, held_out = formulas(arrays.select(~dev)), formulas(arrays.select(dev))
    table = replacement_table(Library(arrays.select(~dev)))
    composition_model, history = fit(known, table, CompositionTrainConfig(epochs=60, learning_rate=3e-3, warmup=10, ema=0.9), held_out)
    assert history[-1]["dev"] < by_frequency(known, held_out) - 3
    assert bound(composition_model, held_out) == history[-1]["dev"]
    made = draw_compositions(composition_model, [5] * 50 + [2] * 50, range(100))
    right = [
        bool(set(cell) & {20, 38, 56}) and cell.count(8) == 3 and 22 in cell if len(cell) == 5 else set(cell) < {11, 19, 17}
        for cell in made
    ]
    assert np.mean(right) > 0.9


def test_shares_by_hand():
    cells = [(11, 17), (17, 11), (11, 11, 17)]
    assert shares(cells, [(17, 11)]) == {
        "n": 3,
        "valid": pytest.approx(2 / 3),
        "new": pytest.approx(1 / 3),
        "unique": pytest.approx(2 / 3),
        "kinds": 2,
    }


def test_command_writes_a_composition_model_that_a_flow_can_use(pool, models_folder, tmp_path):
    assert main(["train", "composition", "--data", str(pool), "--model", "mp20", "--out", str(tmp_path), "--epochs", "2"]) == 0
    assert "accepted by SMACT" in (tmp_path / "mp20_composition.md").read_text()
    network, process, about = load_weights(models_folder / "mp20_flow.safetensors")
    save_weights(
        tmp_path / "mp20_flow.safetensors",
        network.config,
        process,
        network.state_dict(),
        about | {"atom_counts": [2, 3, 5], "size_shares": [0.5, 0.0, 0.5]},
    )
    flow = load_model("mp20", tmp_path, kind="flow")
    grown = sample(flow, [5, 2], SamplerConfig(steps=3), n_samples=2, kind="flow")
    assert [one.final.n_atoms for one in grown] == [5, 5, 2, 2]
    assert [one.final.numbers.tolist() for one in sample(flow, [5, 2], SamplerConfig(steps=2), n_samples=2, kind="flow", seed=0)] == [
        one.final.numbers.tolist() for one in grown
    ]
    out = tmp_path / "out.npz"
    command = ["generate", "--model", "mp20", "--models-folder", str(tmp_path), "--de-novo", "7", "--steps", "3", "--out", str(out)]
    with pytest.raises(FormulaError, match="No crystal of the training data has 3 atoms"):
        sample(flow, [3], SamplerConfig(steps=2), kind="flow")
    assert main(command) == 0
    made = load_arrays(out)
    assert len(made) == 7 and set(made.num_atoms.tolist()) == {2, 5} and made.numbers.min() > 0


def test_a_broken_composition_model_is_named(models_folder, tmp_path):
    shutil.copy(models_folder / "mp20_flow.safetensors", tmp_path)
    assert load_model("mp20", tmp_path, kind="flow").composition_model is None
    folder = tmp_path / "other"
    folder.mkdir()
    shutil.copy(models_folder / "mp20_flow.safetensors", folder)
    (folder / "mp20_composition.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(ModelMissing, match="mp20_composition.safetensors cannot be read"):
        load_model("mp20", folder, kind="flow")


def test_the_composition_model_that_ships_is_as_good_as_its_card_says():
    """SMACT accepts as many of 400 new formulas as of those on the card, to four standard errors."""
    composition_model = load_composition_model("mp20")
    sizes = [sum(counts) for counts, often in composition_model.stoichiometries.items() for _ in range(often)]
    cells = draw_compositions(composition_model, np.random.default_rng(9).choice(sizes, 400).tolist(), range(10**6, 10**6 + 400))
    card = (FOLDER / "mp20_composition.md").read_text()
    claimed = float(card.split("accepted by SMACT | ")[1].split("%")[0]) / 100
    assert abs(np.mean([composition_valid(cell) for cell in cells]) - claimed) < 4 * (claimed * (1 - claimed) * (1 / 400 + 1 / 2000)) ** 0.5


def test_logits_loss_and_temperature_by_hand(monkeypatch):
    """4 <h, o_k>/sqrt(width) + b_k over what is left; the bound of a network that says nothing is S ln K; T = 0.5 squares the odds."""
    torch.manual_seed(0)
    model = CompositionModel(width=16, depth=1).eval().requires_grad_(False)
    model.bias.copy_(torch.randn(104))
    monkeypatch.setattr(model.query, "forward", lambda h: torch.ones_like(h))
    logits = model(torch.tensor([[0, 0]]), torch.tensor([[1, 1]]))[0, 0]
    offers = model.offered.weight + model.wanted(model.properties)
    assert torch.allclose(logits[1:], (4 * offers.sum(1) / 4 + model.bias)[1:], atol=1e-5) and logits[0] == -torch.inf
    monkeypatch.setattr(model, "forward", lambda kinds, counts: torch.zeros(*kinds.shape, 104))
    bound = model.loss(torch.tensor([[8, 11, 17]] * 50), torch.ones(50, 3, dtype=torch.long), generator=torch.Generator().manual_seed(0))
    assert bound.tolist() == pytest.approx([3 * math.log(104)] * 50, rel=1e-5)
    odd = torch.full((104,), -60.0)
    odd[8], odd[16] = math.log(3.0), 0.0
    monkeypatch.setattr(model, "forward", lambda kinds, counts: odd.expand(*kinds.shape, 104))
    for temperature, share in ((1.0, 0.75), (0.5, 0.9)):
        drawn = model.draw((1,), range(4000), temperature=temperature)
        found = float((drawn == 8).double().mean())
        assert abs(found - share) < 4 * math.sqrt(share * (1 - share) / 4000) and bool(((drawn == 8) | (drawn == 16)).all())


def test_oxidation_states_reach_from_minus_five_to_seven():
    table = element_table()[:, 13:]
    assert table.shape == (104, 13) and table[25, 12] == 1 and table[17, 4] == 1, "Mn +7, Cl -1"
