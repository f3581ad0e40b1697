"""Discrete chains: closed forms, Bayes by enumeration, and chi-square against simulated chains."""

import math

import pytest
import torch
from scipy import stats

from core.numerics.categorical import (
    TRANSITIONS,
    DiscreteDiffusion,
    absorbing,
    cosine_betas,
    draw,
    draw_rows,
    gaussian,
    linear_betas,
    mutual_information_betas,
    uniform,
)

FOUR_SIGMA = 2 * stats.norm.sf(4)
K, T = 6, 12


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(15)


@pytest.fixture(params=list(TRANSITIONS))
def chain(request):
    return DiscreteDiffusion.of(request.param, K, linear_betas(T, first=0.02, last=0.4))


def p_value(categories, probabilities):
    counts = categories.flatten().bincount(minlength=K).double()
    possible = probabilities > 1e-12
    assert counts[~possible].sum() == 0
    expected = probabilities[possible] / probabilities[possible].sum() * counts.sum()
    return stats.chisquare(counts[possible].numpy(), expected.numpy()).pvalue if possible.sum() > 1 else 1.0


@pytest.mark.parametrize("family", TRANSITIONS)
def test_transitions_are_stochastic_and_small_beta_changes_little(family):
    for beta in (0.0, 0.05, 0.5, 1.0):
        q = TRANSITIONS[family](K, beta)
        assert (q >= 0).all() and torch.allclose(q.sum(1), torch.ones(K, dtype=torch.float64))
    assert torch.equal(TRANSITIONS[family](K, 0.0), torch.eye(K, dtype=torch.float64))
    assert torch.allclose(TRANSITIONS[family](K, 1e-4), torch.eye(K, dtype=torch.float64), atol=1e-3)


def test_stationary_laws():
    flat = torch.full((K,), 1 / K, dtype=torch.float64)
    assert torch.allclose(flat @ uniform(K, 0.3), flat) and torch.allclose(flat @ gaussian(K, 0.3), flat)
    assert torch.equal(absorbing(K, 0.3, mask=2)[2], torch.eye(K, dtype=torch.float64)[2])
    near, far = gaussian(K, 0.2)[0, 1], gaussian(K, 0.2)[0, 2]
    assert float(near / far) == pytest.approx(math.exp(4 * 3 / ((K - 1) ** 2 * 0.2)))


def test_cumulative_closed_forms():
    betas = cosine_betas(T)
    kept = float((1 - betas[:5]).prod())
    eye = torch.eye(K, dtype=torch.float64)
    flat = DiscreteDiffusion.of("uniform", K, betas).cumulative[5]
    assert torch.allclose(flat, kept * eye + (1 - kept) / K)
    masked = DiscreteDiffusion.of("absorbing", K, betas).cumulative[5]
    column = torch.zeros(K, K, dtype=torch.float64)
    column[:, -1] = 1
    assert torch.allclose(masked, kept * eye + (1 - kept) * column)
    even = DiscreteDiffusion.of("absorbing", K, mutual_information_betas(T)).cumulative[:, 0, 0]
    assert torch.allclose(even, 1 - torch.arange(T + 1, dtype=torch.float64) / T, atol=1e-12)


def test_simulated_chains_have_the_closed_form_marginals(chain, rng):
    """Chi-square of step-by-step chains against the one-jump law; betas a fifth larger are told apart."""
    n, start = 20_000, 1
    states = list(chain.forward_chain(torch.full((n,), start), generator=rng))
    assert len(states) == T + 1
    for t in (1, 5, T):
        assert p_value(states[t], chain.marginal(torch.tensor(start), t)) > FOUR_SIGMA
    off = torch.eye(K, dtype=torch.float64)
    wrong = DiscreteDiffusion(off + 1.2 * (chain.transitions - off))
    assert p_value(states[5], wrong.marginal(torch.tensor(start), 5)) < FOUR_SIGMA


def test_posterior_is_bayes_and_simulated_pairs_obey_it(chain, rng):
    t, start = 5, 2
    for end in range(K):
        joint = torch.tensor([chain.cumulative[t - 1][start, m] * chain.transitions[t - 1][m, end] for m in range(K)])
        if joint.sum() > 0:
            posterior = chain.posterior(torch.tensor(end), torch.tensor(start), t)
            assert torch.allclose(posterior, (joint / joint.sum()).double(), rtol=1e-5)
    states = list(chain.forward_chain(torch.full((40_000,), start), generator=rng))
    end = int(states[t].bincount(minlength=K).argsort()[-2])
    before = states[t - 1][states[t] == end]
    exact = chain.posterior(torch.tensor(end), torch.tensor(start), t)
    assert len(before) > 500 and p_value(before, exact) > FOUR_SIGMA


def test_impossible_pairs_are_named():
    masked = DiscreteDiffusion.of("absorbing", K, linear_betas(T))
    with pytest.raises(ValueError, match="impossible"):
        masked.posterior(torch.tensor([1]), torch.tensor([0]), 3)


def test_reverse_with_a_certain_prediction_is_the_posterior(chain):
    x0, xt = torch.tensor([2, 2, 5]), torch.tensor([2, 5, 5])
    certain = torch.nn.functional.one_hot(x0, K).double()
    assert torch.allclose(chain.reverse(xt, certain, 4), chain.posterior(xt, x0, 4))


def test_reverse_with_the_exact_predictor_is_bayes_over_all_pasts(chain):
    """The joint-weighted sum printed as eq. 4 agrees only for the mask chain; for the others it counts x_t twice."""
    t, xt = 5, torch.arange(K)
    prior = torch.tensor([0.4, 0.05, 0.25, 0.1, 0.2, 0.0], dtype=torch.float64)
    past = prior @ chain.cumulative[t - 1]
    exact = (chain.transitions[t - 1] * past[:, None]).T
    exact = exact / exact.sum(1, keepdim=True)
    p_x0 = chain.exact_predictor(prior)(xt, t)
    assert torch.allclose(chain.reverse(xt, p_x0, t), exact)
    printed = chain.transitions[t - 1].T * (p_x0 @ chain.cumulative[t - 1])
    printed = printed / printed.sum(1, keepdim=True)
    masked = bool((chain.cumulative[t][:-1, 0] == 0)[1:].all())
    assert torch.allclose(printed, exact) == masked


def test_reverse_chain_with_the_exact_predictor_recovers_the_data(chain, rng):
    prior = torch.tensor([0.4, 0.05, 0.25, 0.1, 0.2, 0.0], dtype=torch.float64)  # the last is the mask
    n = 20_000
    x_end = draw((prior @ chain.cumulative[-1]).expand(n, K), rng)
    states = list(chain.reverse_chain(x_end, chain.exact_predictor(prior), generator=rng))
    assert len(states) == T + 1
    for t, x in ((T // 2, states[T - T // 2]), (0, states[-1])):
        assert p_value(x, prior @ chain.cumulative[t]) > FOUR_SIGMA
    wrong = prior * torch.tensor([1.2, 1, 1, 1, 1, 1], dtype=torch.float64)
    assert p_value(states[-1], wrong / wrong.sum()) < FOUR_SIGMA


def test_draw_follows_its_rows_and_the_seed(rng):
    rows = torch.tensor([[0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 3.0]]).expand(50, 3, 3)
    assert torch.equal(draw(rows, rng), torch.tensor([1, 0, 2]).expand(50, 3))
    one, two = (draw(torch.rand(8, 4, generator=torch.Generator().manual_seed(1)), torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)


def test_bad_matrices_and_betas_are_refused():
    with pytest.raises(ValueError, match="rows"):
        DiscreteDiffusion(torch.ones(3, K, K))
    with pytest.raises(ValueError, match="beta"):
        uniform(K, 1.5)
    with pytest.raises(ValueError, match="mask"):
        absorbing(K, 0.1, mask=K)


def test_rows_of_a_table_are_drawn_as_if_they_were_spelled_out():
    """The same seed gives the same tokens; a row of no numbers, which nothing leads to, does no harm to the others."""
    table = torch.rand(6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    table[2] = torch.nan
    table[4, [0, 3, 8]] = 0
    rows = torch.tensor([0, 1, 3, 4, 5])[torch.randint(5, (20_000,), generator=torch.Generator().manual_seed(1))]
    spelled, bisected = (f(torch.Generator().manual_seed(2)) for f in (lambda g: draw(table[rows], g), lambda g: draw_rows(table, rows, g)))
    assert torch.equal(spelled, bisected) and not (bisected[rows == 4] == 3).any()


def test_betas_by_value():
    """Linear from 0.02 to 1; the cosine's with offset 0.008, at most 0.999; 1/(T - t + 1)."""
    assert linear_betas(3).tolist() == pytest.approx([0.02, 0.51, 1.0])
    bar = [math.cos((k / 4 + 0.008) / 1.008 * math.pi / 2) ** 2 for k in range(5)]
    assert cosine_betas(4).tolist() == pytest.approx([min(1 - bar[k + 1] / bar[k], 0.999) for k in range(4)])
    assert mutual_information_betas(4).tolist() == pytest.approx([1 / 4, 1 / 3, 1 / 2, 1.0])
