"""Simulated chains against their closed forms, the way back, formulas with a stub network, and the language of known sentences."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from core.learning import discrete_diffusion as d
from core.learning import formulas as f
from core.learning import grammar
from core.numerics.networks import ModelMissing

FOUR_SIGMA = 2 * stats.norm.sf(4)
CASES = [("counts", family, start) for family in f.FAMILIES for start in d.STARTS] + [("elements", "gaussian", "data")]


@pytest.mark.parametrize("tokens, family, start", CASES)
def test_walks_obey_their_laws_both_ways(tokens, family, start):
    walk = d.sample(tokens=tokens, family=family, start=start, n_steps=20, n_particles=4000, seed=2)
    k = walk.chain.n_categories
    for t in (3, 10):
        found = d.checks(walk, t)
        assert found.marginal.p > FOUR_SIGMA and found.posterior.p > FOUR_SIGMA
        if start == "data":
            assert d.chi_square(d.counts(walk.backward[20 - t], k), walk.forward_law(t)).p > FOUR_SIGMA
    assert d.truth(d.counts(walk.backward[-1], k), walk.prior).z < 4 or start == "one token"
    if start == "one token":
        assert (walk.backward[-1] == walk.prior.argmax()).all()


@pytest.mark.parametrize("family", f.FAMILIES)
def test_chi_square_tells_betas_a_fifth_larger(family):
    right = d.sample(tokens="counts", family=family, start="one token", n_steps=20, n_particles=10_000, reach=0.8)
    wrong = f.chains(family, "counts", 20, 0.96)
    t = 5
    assert d.chi_square(d.counts(right.forward[t], wrong.n_categories), right.prior @ wrong.cumulative[t]).p < FOUR_SIGMA


def test_chi_square_is_scipys_and_pools_rare_categories():
    law = torch.tensor([0.5, 0.3, 0.199, 0.001], dtype=torch.float64)
    counted = torch.tensor([480.0, 310.0, 207.0, 3.0])
    expected = law.numpy() * 1000
    ours, theirs = d.chi_square(counted, law), stats.chisquare([480, 310, 207, 3], expected)
    assert ours.value == pytest.approx(theirs.statistic) and ours.dof == 3  # the last stands alone as the rest
    assert d.chi_square(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0], dtype=torch.float64)).p == 0


def test_categories_expected_less_than_five_times_are_pooled():
    """Of 100: 50, 30 and 12 stand for themselves, 4, 2 and 2 are one category of 8; the degrees of freedom are three."""
    law = torch.tensor([0.5, 0.3, 0.12, 0.04, 0.02, 0.02], dtype=torch.float64)
    ours = d.chi_square(torch.tensor([44.0, 33.0, 14.0, 1.0, 5.0, 3.0]), law)
    theirs = stats.chisquare([44, 33, 14, 9], [50, 30, 12, 8])
    assert (ours.value, ours.dof, ours.p) == (pytest.approx(theirs.statistic), 3, pytest.approx(theirs.pvalue))


def test_total_variation_by_hand():
    law = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)
    assert d.total_variation(torch.tensor([1.0, 0.0, 1.0]), law) == pytest.approx(0.5)
    assert d.total_variation(torch.tensor([0.0, 0.0, 7.0]), law) == pytest.approx(1.0)


def test_forgetting_too_little_and_counting_twice_miss_the_data():
    home = {}
    for name, options in (("right", {}), ("short", {"reach": 0.05}), ("printed", {"as_printed": True})):
        walk = d.sample(tokens="counts", family="uniform", n_steps=20, n_particles=4000, **options)
        home[name] = d.truth(d.counts(walk.backward[-1], walk.chain.n_categories), walk.prior)
    assert home["right"].z < 4 < min(home["short"].z, home["printed"].z)
    printed = d.sample(tokens="counts", family="absorbing", n_steps=20, n_particles=4000, as_printed=True)
    assert d.truth(d.counts(printed.backward[-1], printed.chain.n_categories), printed.prior).z < 4  # the mask chain does not mind


@pytest.mark.parametrize("kind", f.TOKENS)
def test_every_chain_ends_in_noise(kind):
    for family in f.FAMILIES:
        chain = f.chains(family, kind, 50)
        flat = torch.zeros(chain.n_categories, dtype=torch.float64)
        flat[-1 if family == "absorbing" else slice(None)] = 1
        assert float((chain.cumulative[-1] - flat / flat.sum()).abs().sum(1).max() / 2) < 0.03


def test_elements_stand_in_mendeleevs_order():
    from pymatgen.core import Element

    numbers = [Element(symbol).mendeleev_no for symbol in f.ELEMENTS]
    assert numbers == sorted(numbers) and len(set(f.ELEMENTS)) == 87


@pytest.mark.parametrize("text, tokens", [("SrTiO3", "Sr1 Ti1 O3"), ("O3 Ti Sr", "Sr1 Ti1 O3"), ("Ba? ?1 O3", "Ba? ?1 O3"), ("?", "?1")])
def test_formulas_are_read(text, tokens):
    assert f.parse(text).texts() == [tokens]


@pytest.mark.parametrize(
    "text, words",
    [("", "empty"), ("Xx2", "Xx"), ("Na0", "not 0"), ("Na1 Na2", "twice"), ("h2o", "'h'"), ("Li99", "99"), ("LiNaKRbCsBaSr", "1 to 6")],
)
def test_bad_formulas_are_named(text, words):
    with pytest.raises(ValueError, match=words):
        f.parse(text)


class Oracle(torch.nn.Module):
    """A network that knows the only formula there is, Sr1 Ti1 O3."""

    def forward(self, elements, counts, present, family, t):
        truth = f.parse("Sr1 Ti1 O3")
        one_hot = torch.nn.functional.one_hot
        return tuple(200.0 * one_hot(x.expand(len(elements), -1), k) for x, k in ((truth.elements, 87), (truth.counts, 20)))


@pytest.fixture
def oracle(monkeypatch):
    model = f.FormulaModel(Oracle(), {"frequency": {"elements": [1] * 87, "counts": [1] * 20}, "sizes": [0, 0, 0, 1, 0, 0, 0]})
    monkeypatch.setattr(d, "load_model", lambda: model)
    return model


@pytest.mark.parametrize("family", f.FAMILIES)
def test_a_knowing_network_restores_everything(oracle, family):
    found = d.restore_formula("Sr1 Ti1 O3", family=family, level=0.7, n_steps=20, n_tries=16)
    assert found.whole == found.share == found.named == 1 and found.corrupted != found.clean
    assert f.write(oracle, family, n_formulas=4, n_steps=20, seed=0) == [[("Sr", 1), ("Ti", 1), ("O", 3)]] * 4


def test_unknown_places_are_filled_and_need_the_mask(oracle):
    found = d.restore_formula("Sr1 ?1 O?", family="absorbing", level=0.1, n_steps=20, n_tries=4)
    assert found.finals == ["Sr1 Ti1 O3"] * 4 and math.isnan(found.whole)
    with pytest.raises(ValueError, match="empty place"):
        d.restore_formula("Sr1 ?1 O3", family="uniform", level=0.5, n_steps=20)


def test_corruption_has_the_closed_form_law():
    many = f.Formulas(
        *(part.expand(20_000, -1) for part in (f.parse("Sr1 Ti1 O3").elements, f.parse("Sr1 Ti1 O3").counts, f.parse("Sr1 Ti1 O3").present))
    )
    x = f.corrupt(many, "gaussian", 4, 20, generator=torch.Generator().manual_seed(0))
    chain = f.chains("gaussian", "counts", 20)
    assert d.chi_square(d.counts(x.counts[:, 2], 20), chain.cumulative[4][2]).p > FOUR_SIGMA
    assert d.chi_square(d.counts(x.counts[:, 2], 20), chain.cumulative[5][2]).p < FOUR_SIGMA


def test_masked_formulas_have_no_content():
    assert f.parse("Sr1 ?1 O3").pairs() == [None]
    assert f.parse("O3 Ti Sr").pairs() == [[("Sr", 1), ("Ti", 1), ("O", 3)]]


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(ModelMissing, match="n2c train formulas"):
        f.load_model(tmp_path / "none.safetensors")


def test_shipped_model_beats_the_commonest_token_and_shuffled_tokens():
    about = f.load_model().about
    for row in about["recovery"].values():
        assert row["elements"] > 1.5 * row["commonest elements"] and row["counts"] > row["commonest counts"]
    error = math.sqrt(0.25 / 1000)
    for family in f.FAMILIES:
        assert about["samples"][family]["balanced"] > about["samples"]["shuffled"]["balanced"] + 4 * error
    assert about["samples"]["data"]["balanced"] > 0.85
    share, error = d.write_balance("absorbing", n_formulas=60, n_steps=20)
    assert abs(share - about["samples"]["absorbing"]["balanced"]) < 4 * error + 0.1  # other steps, same network


def test_the_guess_of_a_word_is_bayes_over_the_sentences():
    speech = grammar.language()
    x = speech.masked(1)
    x[0, 2] = speech.words.index("atoms")
    fitting = speech.sentences[speech.sentences[:, 2] == x[0, 2]]
    expected = torch.stack([torch.bincount(fitting[:, i], minlength=speech.mask) for i in range(speech.length)]).double() / len(fitting)
    assert torch.allclose(speech.guess(x)[0].double(), expected, atol=1e-6)
    assert len(torch.unique(speech.sentences, dim=0)) == len(speech.sentences) == 648


def test_one_step_is_as_grammatical_as_the_closed_form_says():
    n, exact = 2000, grammar.language().one_step_share()
    share, _ = grammar.grammatical_share(1, n=n, seed=5)
    assert exact < 0.001 and abs(share - exact) < 4 * math.sqrt(exact * (1 - exact) / n)
    with_subject = grammar.language().masked(n)
    words = grammar.language().words
    for place, word in ((0, "these"), (1, "pure"), (2, "crystals"), (3, "melt")):
        with_subject[:, place] = words.index(word)
    *_, x = grammar.unmask(with_subject, 1, generator=torch.Generator().manual_seed(0))
    fits = float(grammar.language().grammatical(x).double().mean())
    assert abs(fits - 1 / 2) < 4 * math.sqrt(1 / 4 / n) < abs(fits - 1.2 / 2)  # two ends, "the" shared: 2 * (1/2)^2


def test_one_word_a_step_is_exact_and_more_steps_never_hurt():
    shares = [grammar.grammatical_share(n, n=200, seed=1) for n in (2, 7, 60)]
    assert shares[0][0] < shares[1][0] < shares[2][0]
    speech = grammar.language()
    *_, x = grammar.unmask(speech.masked(400), 7, order="surest", generator=torch.Generator().manual_seed(3))
    assert speech.grammatical(x).all()
    exact = d.counts(speech.sentences[:, 2], speech.mask) / len(speech.sentences)
    assert d.chi_square(d.counts(x[:, 2], speech.mask), exact).p > FOUR_SIGMA


def test_same_seed_same_bits():
    one, two = (d.sample(tokens="counts", family="gaussian", n_steps=10, n_particles=50, seed=9) for _ in range(2))
    assert torch.equal(one.backward, two.backward) and torch.equal(one.forward, two.forward)
    with pytest.raises(ValueError, match="banana"):
        d.sample(tokens="banana")
    assert np.isfinite(one.forward_law(3)).all()


@pytest.mark.parametrize("family", f.FAMILIES)
def test_question_of_unchanged_tokens_has_the_exact_share(family):
    walk = d.sample(tokens="counts", family=family, n_particles=4000, n_steps=50)
    answers = []
    for t in (1, 5, 25, 50):
        answer, said = d.still_the_same(walk, t)
        exact, counted = (float(part.split("%")[0].split()[-1]) / 100 for part in (said.split("% of")[0], said.rsplit(", ", 1)[1]))
        assert abs(exact - counted) < 4 * math.sqrt(max(exact * (1 - exact), 1e-3) / 4000) + 1e-3
        answers.append(answer)
    assert answers == sorted(answers) and answers[0] < answers[-1]


def test_question_of_the_way_home():
    settings = dict(tokens="counts", family="uniform", n_particles=2000)
    assert [d.back_home(d.sample(**settings, **more))[0] for more in ({}, {"reach": 0.05}, {"as_printed": True})] == [0, 1, 1]


def test_the_way_home_is_missed_when_chance_would_do_so_once_in_a_thousand(monkeypatch):
    walk = d.sample(tokens="counts", family="uniform", n_steps=5, n_particles=50)
    for p, answer in ((0.002, 0), (0.0005, 1)):
        monkeypatch.setattr(d, "chi_square", lambda counted, law, p=p: d.ChiSquare(1.0, 1, p))
        assert d.back_home(walk)[0] == answer


def test_posterior_and_share_by_hand():
    """q(x_0 | x_1) of two categories by Bayes; more than three quarters, at least a quarter, less."""
    chain = d.DiscreteDiffusion(torch.tensor([[[0.9, 0.1], [0.4, 0.6]], [[0.5, 0.5], [0.5, 0.5]]], dtype=torch.float64))
    walk = d.Walk(chain, torch.tensor([0.3, 0.7], dtype=torch.float64), ("a", "b"), torch.zeros(3, 4).long(), torch.zeros(3, 4).long())
    assert walk.posterior_law(1, 0).tolist() == pytest.approx([0.27 / (0.27 + 0.28), 0.28 / (0.27 + 0.28)])
    for share, answer in ((0.76, 0), (0.74, 1), (0.26, 1), (0.24, 2)):
        stay = torch.tensor([[[share, 1 - share], [1 - share, share]]], dtype=torch.float64)
        one = d.Walk(d.DiscreteDiffusion(stay), walk.prior, walk.names, walk.forward, walk.backward)
        assert d.still_the_same(one, 1)[0] == answer
