"""Coins against the binomial, Stirling's bounds, the transfer matrix of coins with memory, and counting by throwing."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from scipy import stats

from core.foundations.microstates import (
    LISTED,
    SHOWN,
    binomial,
    counted_entropy,
    heads_law,
    independent_coins,
    likeliest,
    log_count,
    microstates,
    relative_width,
    sample,
    stirling,
    toss,
    truth,
    variance,
    width,
    widths,
)


def furthest(counts, law):
    """Largest deviation of counted outcomes from a law, in standard errors; outcomes expected less than five times left out."""
    n = int(counts.sum())
    error = (n * law * (1 - law)).sqrt()
    return float(((counts - n * law).abs() / error)[n * law > 5].max())


def test_six_coins():
    assert log_count(6).exp().round().tolist() == [1, 6, 15, 20, 15, 6, 1]  # the slide has 10 and 9 for 20 and 15
    listed, each = microstates(6)
    assert each == 1 and len({tuple(row.tolist()) for row in listed}) == 64
    assert torch.bincount(listed.sum(1)).tolist() == [1, 6, 15, 20, 15, 6, 1]


@pytest.mark.parametrize("n_coins, p", [(1, 0.3), (6, 0.5), (200, 0.07), (200, 0.93)])
def test_binomial_is_scipys(n_coins, p):
    exact = torch.as_tensor(stats.binom.pmf(range(n_coins + 1), n_coins, p))
    assert torch.allclose(binomial(n_coins, p), exact, rtol=1e-9, atol=0)
    assert not torch.allclose(binomial(n_coins, p * (1.2 if p < 0.8 else 0.8)), exact, rtol=1e-9, atol=1e-3)


@pytest.mark.parametrize("n_coins", [20, 200])
def test_many_microstates_are_spread_like_w(n_coins):
    listed, each = microstates(n_coins)
    assert len(listed) == 2**LISTED and each * len(listed) == 2.0**n_coins
    got = torch.bincount(listed.sum(1), minlength=n_coins + 1)
    assert float((got - len(listed) * binomial(n_coins, 0.5)).abs().max()) <= 1  # quantiles: never off by more than one dot


@pytest.mark.parametrize("n_coins, p, n_throws", [(6, 0.5, 200_000), (40, 0.3, 100_000), (200, 0.5, 1_000_000), (1, 0.9, 5000)])
def test_throws_follow_the_binomial(n_coins, p, n_throws):
    throws = sample(n_coins=n_coins, p=p, n_throws=n_throws, seed=1)
    assert int(throws.counts.sum()) == n_throws == throws.n_throws
    assert furthest(throws.counts, binomial(n_coins, p)) < 4 < furthest(throws.counts, binomial(n_coins, p / 1.2))
    assert truth(throws).z < 4 < truth(replace(throws, p=p / 1.2)).z


def test_the_throws_of_the_stage_are_among_all_and_never_change():
    few, many = sample(n_coins=30, n_throws=500, seed=3), sample(n_coins=30, n_throws=50_000, seed=3)
    assert torch.equal(few.heads, many.heads[:500]) and torch.equal(few.tosses, many.tosses[:500])
    assert len(many.tosses) == SHOWN and torch.equal(many.tosses.sum(1), many.heads[:SHOWN])
    assert not torch.equal(few.heads, sample(n_coins=30, n_throws=500, seed=4).heads)


@pytest.mark.parametrize("n_coins", [2, 6, 60, 200])
def test_stirling_is_off_by_what_robbins_allows(n_coins):
    """ln n! = n ln n - n + ln(2 pi n)/2 + r, 1/(12 n + 1) < r < 1/12 n (Robbins 1955), three times."""
    n = torch.arange(1, n_coins, dtype=torch.float64)
    low = 1 / (12 * n_coins + 1) - 1 / (12 * n) - 1 / (12 * (n_coins - n))
    high = 1 / (12 * n_coins) - 1 / (12 * n + 1) - 1 / (12 * (n_coins - n) + 1)
    gap = log_count(n_coins)[1:-1] - stirling(n_coins, n / n_coins, order=1)
    assert ((low < gap) & (gap < high)).all()
    off = gap - 0.5 * math.log(1.2)  # 2 pi off by a fifth
    assert not ((low < off) & (off < high)).any()
    leading = log_count(n_coins)[1:-1] - stirling(n_coins, n / n_coins)
    assert (leading < 0).all()
    assert torch.equal(stirling(4, torch.tensor([0.0, 1.0])), torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize("p", [0.5, 0.2])
def test_relative_width_falls_like_one_over_root_n(p):
    for measured in widths(p=p, seed=5):
        assert measured.exact == pytest.approx(math.sqrt((1 - p) / (p * measured.n_coins)))
        assert abs(measured.value - measured.exact) < 4 * measured.error < abs(measured.value - 1.2 * measured.exact)
    assert relative_width(400, p) == pytest.approx(relative_width(100, p) / 2)


def test_the_error_of_the_width_is_its_spread_over_repetitions():
    repeats = 200
    values = [width(sample(n_coins=10, p=0.3, n_throws=400, seed=s)) for s in range(repeats)]
    spread = torch.tensor([v.value for v in values]).std()
    stated = math.sqrt(sum(v.error**2 for v in values) / repeats)
    tolerance = 4 / math.sqrt(2 * (repeats - 1))
    assert abs(float(spread) / stated - 1) < tolerance
    assert tolerance < 0.21, "a fifth would be seen"


@pytest.mark.parametrize("memory", [0.0, 0.4, 0.9])
def test_law_of_coins_with_memory_by_listing_all_of_them(memory):
    p, n_coins = 0.3, 7
    listed = torch.zeros(n_coins + 1, dtype=torch.float64)
    for coins in itertools.product([0, 1], repeat=n_coins):
        chance = p if coins[0] else 1 - p
        for before, now in itertools.pairwise(coins):
            chance *= memory * (before == now) + (1 - memory) * (p if now else 1 - p)
        listed[sum(coins)] += chance
    law = heads_law(n_coins, p, memory)
    assert torch.allclose(law, listed, atol=1e-14)
    n = torch.arange(n_coins + 1)
    mean = float((law * n).sum())
    assert mean == pytest.approx(n_coins * p)
    assert float((law * (n - mean).square()).sum()) == pytest.approx(variance(n_coins, p, memory))
    if memory:
        assert not torch.allclose(heads_law(n_coins, p, memory / 1.2), listed, atol=1e-3)
        assert variance(n_coins, p, memory) != pytest.approx(variance(n_coins, p, memory / 1.2), rel=0.05)


def test_coins_with_memory_coin_by_coin_and_all_at_once():
    kw = dict(n_coins=40, p=0.4, memory=0.7)
    law, off = heads_law(40, 0.4, 0.7), heads_law(40, 0.4, 0.7 / 1.2)
    one_by_one = toss(40, 0.4, 0.7, 60_000, torch.Generator().manual_seed(2))
    assert furthest(torch.bincount(one_by_one.sum(1), minlength=41), law) < 4
    assert furthest(torch.bincount(one_by_one.sum(1), minlength=41), off) > 4
    assert furthest(sample(**kw, n_throws=100_000, seed=2).counts, law) < 4
    coin = one_by_one.float()
    correlation = ((coin[:, 10] - 0.4) * (coin[:, 12] - 0.4)).mean() / 0.24
    assert abs(float(correlation) - 0.7**2) < 4 / math.sqrt(60_000) < abs(float(correlation) - 1.2 * 0.7**2)
    assert truth(sample(**kw, n_throws=10_000)).verdict.startswith("Far")


@pytest.mark.parametrize("p", [0.5, 0.85])
def test_throwing_counts_microstates(p):
    counted = counted_entropy(sample(n_coins=50, p=p, n_throws=1_000_000, seed=6))
    often = counted.error < 0.05
    exact = log_count(50)[counted.heads]
    assert (((counted.value - exact) / counted.error)[often].abs() < 4).all()
    assert (((counted.value - exact - math.log(1.2)) / counted.error)[often].abs() > 3.5).all()  # W off by a fifth, s.e. below 5 %
    assert int(often.sum()) > 10


@pytest.mark.parametrize("n_coins, p", [(1, 0.5), (2, 0.7), (6, 0.5)])
def test_the_error_of_a_counted_entropy_is_its_spread_over_repetitions(n_coins, p):
    """Deviations over stated errors have variance 1 within 4 standard errors, also where a share is no small number."""
    scores = []
    for seed in range(300):
        found = counted_entropy(sample(n_coins=n_coins, p=p, n_throws=4000, seed=seed))
        top = int(found.heads[throws_most(n_coins, p)])
        scores.append(float((found.value[top] - log_count(n_coins)[top]) / found.error[top]))
    variance_of = torch.tensor(scores).var()
    assert abs(float(variance_of) - 1) < 4 * math.sqrt(2 / 300) < 0.5


def throws_most(n_coins, p):
    """The likeliest number of heads."""
    return int(binomial(n_coins, p).argmax())


def test_a_loaded_coin_counts_what_a_fair_one_never_shows():
    fair, loaded = (counted_entropy(sample(n_coins=200, p=p, n_throws=1_000_000, seed=1)).heads for p in (0.5, 0.9))
    assert int(fair.max()) < 150 < int(loaded.min())
    sticky = counted_entropy(sample(n_coins=30, memory=0.8, n_throws=100_000))
    gap = (sticky.value - log_count(30)[sticky.heads]).abs() / sticky.error
    assert float(gap.max()) > 40


@pytest.mark.parametrize("bad", [dict(n_coins=0), dict(p=0.0), dict(p=1.0), dict(memory=1.0), dict(n_throws=0), dict(p=math.nan)])
def test_numbers_that_make_no_throw_are_refused(bad):
    with pytest.raises(ValueError):
        sample(**bad)


def test_one_throw_has_no_width():
    lone = sample(n_throws=1)
    assert math.isnan(width(lone).value) and lone.tosses.shape == (1, 6) and 0 < truth(lone).value < 1


@pytest.mark.parametrize(("n_coins", "p", "memory"), [(6, 0.5, 0.0), (20, 0.8, 0.0), (40, 0.3, 0.9)])
def test_the_likeliest_number_of_heads(n_coins, p, memory):
    throws = sample(n_coins=n_coins, p=p, memory=memory, n_throws=20_000, seed=3)
    n, exact, counted = likeliest(throws)
    error = math.sqrt(exact * (1 - exact) / 20_000)
    assert abs(counted - exact) < 4 * error and counted == float((throws.heads == n).double().mean())
    if memory:
        assert n == 0, "few heads and many copies: most throws are all tails"
    else:
        assert n == math.floor((n_coins + 1) * p) and exact == pytest.approx(stats.binom.pmf(n, n_coins, p), rel=1e-9)


def test_sticky_coins_are_worth_fewer():
    assert independent_coins(1, 0.9) == pytest.approx(1) and independent_coins(50, 0.0) == pytest.approx(50)
    assert independent_coins(100_000, 0.9) == pytest.approx(100_000 * 0.1 / 1.9, rel=1e-3)
    worth = independent_coins(60, 0.9)
    assert relative_width(60, 0.3, 0.9) == pytest.approx(math.sqrt(0.7 / (0.3 * worth)), rel=1e-12)
