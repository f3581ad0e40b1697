"""The composition model told what is asked: untrained, unasked or with gamma = 0 nothing changes; guidance is linear in the logits."""

import numpy as np
import pytest
import torch

from core.generator.model.adapter import conditions
from core.generator.registry import load_model
from core.generator.steering.composition_adapter import CompositionAdapter, chemical_system, drawn_counts, drawn_kinds, logs
from core.structures.formula import FormulaError

NOTHING, COUNTS = conditions({}), (3, 1, 1)
NONE = chemical_system(())


@pytest.fixture(scope="module")
def model():
    return load_model("mp20", kind="flow").composition_model


@pytest.fixture
def adapter(model):
    """One that says something."""
    torch.manual_seed(0)
    made = CompositionAdapter(model).eval().requires_grad_(False)
    for layer in made.out:
        torch.nn.init.normal_(layer.weight, std=0.3)
    torch.nn.init.normal_(made.change.weight, std=0.5)
    made.wish.fill_(0.5)
    return made


def drawn(model, adapter, asked=NOTHING, told=NONE, gamma=1.0, **more):
    return drawn_kinds(model, adapter, asked, told, gamma, COUNTS, range(40), **more)


def test_nothing_asked_or_gamma_zero_changes_nothing(model, adapter):
    plain, dense = model.draw(COUNTS, range(40)), conditions({"density": 9.0})
    assert torch.equal(drawn(model, None), plain) and torch.equal(drawn(model, adapter), plain)
    assert torch.equal(drawn(model, adapter, dense, gamma=0.0), plain)
    assert not torch.equal(drawn(model, adapter, dense), plain)
    of = [drawn_counts(model, adapter, asked, NONE, gamma, range(40)) for asked, gamma in ((NOTHING, 1.0), (dense, 0.0), (dense, 1.0))]
    assert of[0] == of[1] != of[2]


def test_an_untrained_adapter_changes_nothing(model):
    fresh, dense = CompositionAdapter(model).eval(), conditions({"density": 9.0, "space_group": 225})
    assert torch.equal(drawn(model, fresh, dense, chemical_system((3, 8, 25))), model.draw(COUNTS, range(40)))
    assert torch.allclose(fresh.counts(dense, NONE)[0], fresh.prior, atol=1e-6)


def test_the_prior_of_counts_is_that_of_the_training_crystals(model):
    often = np.array(list(model.stoichiometries.values()), float)
    assert np.allclose(CompositionAdapter(model).prior.exp().numpy(), often / often.sum(), atol=1e-6)
    drawn_ = drawn_counts(model, None, NOTHING, NONE, 1.0, range(3000))
    first = list(model.stoichiometries)[0]
    share = often[0] / often.sum()
    assert abs(np.mean([counts == first for counts in drawn_]) - share) < 4 * (share * (1 - share) / 3000) ** 0.5


def test_guided_logits_are_linear_in_gamma(model, adapter):
    """log p_gamma = log p + gamma (log p(. | y) - log p) + const, seen through the model's own draws."""
    asked, kinds, counts = conditions({"density": 9.0}), torch.zeros(1, 3, dtype=torch.long), torch.tensor([COUNTS])
    plain = model(kinds, counts).log_softmax(-1)
    told = model(kinds, counts, **adapter.mix(asked, NONE)).log_softmax(-1)
    seen = {}
    for gamma in (1.0, 3.0):

        def draw(_, seeds, *, logits, gamma=gamma):
            seen[gamma] = logits(kinds, counts)
            return torch.zeros(1, 3)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(model, "draw", draw)
            drawn_kinds(model, adapter, asked, NONE, gamma, COUNTS, [0])
    finite = ~plain.isinf()
    assert torch.allclose(seen[1.0][finite], told[finite], atol=1e-4)
    assert torch.allclose(seen[3.0][finite], (plain + 3 * (told - plain))[finite], atol=1e-3)
    assert torch.equal(seen[3.0].isinf(), plain.isinf())


def test_counts_are_guided_beyond_what_was_learned(model, adapter):
    """With gamma = 60 all draws are the pattern of the largest log p + 60 (log p(. | y) - log p); with 1 they are not all one."""
    asked = conditions({"density": 9.0})
    change = adapter.counts(asked, NONE)[0] - adapter.prior
    best = adapter.patterns[int((adapter.prior + 60 * change).argmax())]
    assert set(drawn_counts(model, adapter, asked, NONE, 60.0, range(30))) == {best}
    assert len(set(drawn_counts(model, adapter, asked, NONE, 1.0, range(30)))) > 5


def test_a_mask_lets_nothing_else_in(model, adapter):
    allowed = (3, 8, 25, 26)
    for gamma in (0.0, 1.0, 10.0):
        assert set(drawn(model, adapter, conditions({"density": 9.0}), gamma=gamma, mask=allowed).unique().tolist()) <= set(allowed)
    with pytest.raises(FormulaError, match="3 kinds of atoms cannot be made of 2 elements"):
        drawn(model, adapter, mask=(3, 8))
    with pytest.raises(FormulaError, match="stoichiometry"):
        drawn_counts(model, None, NOTHING, NONE, 1.0, [0], allowed=lambda counts: False)


def test_the_wish_for_an_element_is_added_to_its_logit_alone(model, adapter):
    """WISH w = 8 * 0.5 = 4 nats for each element named, before the softmax."""
    with torch.no_grad():
        adapter.out.requires_grad_(False)
        for layer in adapter.out:
            layer.weight.zero_()
    kinds, counts = torch.zeros(1, 3, dtype=torch.long), torch.tensor([COUNTS])
    change = model(kinds, counts, **adapter.mix(NOTHING, chemical_system((3, 8)))) - model(kinds, counts)
    assert torch.allclose(change[0, 0, [3, 8, 25]], torch.tensor([4.0, 4.0, 0.0]), atol=1e-4)


def test_density_and_volume_enter_by_their_logarithms():
    asked = conditions({"density": 9.0, "band_gap": 2.0}).scalars
    assert torch.allclose(logs(asked)[0, [0, 3]], torch.tensor([2.1972246, 2.0])) and bool(logs(asked)[0, 1].isnan())
