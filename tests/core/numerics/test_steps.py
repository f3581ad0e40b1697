"""Step laws against scipy and against the exact law of their sums; the rates of the central limit theorem."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from core.numerics.distances import ks_1d, ks_floor
from core.numerics.steps import LEVY_SCALE, STEPS, clt_asymptote, clt_distance, clt_rate, irwin_hall_cdf, sum_cdf

ONE_STEP = {
    "gaussian": stats.norm(),
    "uniform": stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
    "heavy": stats.t(3, scale=1 / math.sqrt(3)),
    "levy": stats.cauchy(scale=LEVY_SCALE),
}
N = 20_000


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(5)


def against(cdf, x):
    """Kolmogorov-Smirnov score in standard deviations above its floor."""
    exact = ks_floor(len(x))
    return (ks_1d(x, lambda v: torch.from_numpy(np.asarray(cdf(v.numpy())))) - exact.mean) / exact.std


@pytest.mark.parametrize("step", ONE_STEP)
def test_one_step_has_its_law_and_a_fifth_wider_is_caught(step, rng):
    x = STEPS[step].draw((N,), rng)
    assert x.dtype == torch.float32 and x.isfinite().all()
    assert against(ONE_STEP[step].cdf, x) < 4
    assert against(ONE_STEP[step].cdf, 1.2 * x) > 4
    grid = np.linspace(-5, 5, 201)
    assert np.allclose(sum_cdf(step, 1, grid), ONE_STEP[step].cdf(grid), atol=1e-9)


@pytest.mark.parametrize("step", STEPS)
def test_variance_and_kurtosis_are_as_stated(step, rng):
    law, x = STEPS[step], STEPS[step].draw((N,), rng).double()
    if math.isinf(law.kurtosis):
        assert math.isinf(law.variance) or ONE_STEP[step].var() == pytest.approx(law.variance)
        return
    for power, expected in ((2, law.variance), (4, 3 + law.kurtosis)):
        values = x**power
        error = 4 * float(values.std()) / math.sqrt(N) + 1e-9
        assert abs(float(values.mean()) - expected) < error < abs(float(values.mean()) - 1.2 * expected)


@pytest.mark.parametrize("n", [2, 7, 40])
@pytest.mark.parametrize("step", ["uniform", "heavy", "levy", "gaussian"])
def test_the_law_of_a_sum_is_the_sampled_one(step, n, rng):
    x = STEPS[step].draw((n, N), rng).double().sum(0) / math.sqrt(n)
    assert against(lambda v: sum_cdf(step, n, v), x) < 4
    assert against(lambda v: sum_cdf(step, n, v / 1.2), x) > 4


def test_coins_are_binomial(rng):
    n = 9
    heads = ((STEPS["coin"].draw((n, N), rng).sum(0) + n) / 2).long()
    counts = heads.bincount(minlength=n + 1).numpy()
    assert stats.chisquare(counts, N * stats.binom.pmf(range(n + 1), n, 0.5)).pvalue > stats.norm.sf(4)
    assert stats.chisquare(counts, N * stats.binom.pmf(range(n + 1), n, 0.5 * 1.2)).pvalue < stats.norm.sf(4)
    assert sum_cdf("coin", n, np.array([-3.0, 0.0, 3.0])) == pytest.approx([0.5**9, 0.5, 1.0])


def test_inversion_of_the_characteristic_function_is_irwin_hall():
    x = np.linspace(-4, 4, 161)
    at_13 = sum_cdf("uniform", 13, x)  # first n that is inverted; the alternating sum still has nine digits there
    assert np.allclose(at_13, irwin_hall_cdf(13, 6.5 + x * math.sqrt(13 / 12)), atol=1e-9)


@pytest.mark.parametrize("step", ["coin", "uniform", "heavy"])
def test_convergence_rates(step):
    """The exact distance falls onto c n^-r from theory; a rate or constant wrong by a fifth does not fit."""
    constant, exponent = clt_rate(step)
    assert exponent == {"coin": 0.5, "uniform": 1.0, "heavy": 0.5}[step]
    near, far = (abs(clt_distance(step, n) / clt_asymptote(step, n) - 1) for n in (100, 10_000))
    assert far < 0.005 and far < near
    measured = math.log(clt_distance(step, 1000) / clt_distance(step, 4000)) / math.log(4)
    assert abs(measured - exponent) < 0.02
    assert abs(clt_distance(step, 10_000) / (1.2 * clt_asymptote(step, 10_000)) - 1) > 0.1


def test_one_coin_and_one_uniform_step_by_hand():
    assert clt_distance("coin", 1) == pytest.approx(stats.norm.cdf(1) - 0.5)
    x = np.linspace(0, math.sqrt(3), 100_001)
    gap = np.abs(stats.norm.cdf(x) - (0.5 + x / (2 * math.sqrt(3)))).max()
    assert clt_distance("uniform", 1) == pytest.approx(gap, abs=1e-6)
    assert clt_distance("gaussian", 3) == 0


def test_levy_never_converges():
    distances = [clt_distance("levy", n) for n in (1, 10, 100, 1000, 10_000)]
    assert distances == sorted(distances) and distances[-1] > 0.48
    scaled = [
        np.abs(sum_cdf("levy", n, np.linspace(-3, 3, 61) * math.sqrt(n)) - ONE_STEP["levy"].cdf(np.linspace(-3, 3, 61))) for n in (10, 1000)
    ]
    assert max(map(np.max, scaled)) < 1e-12  # S_n / n keeps the law of one step


def test_a_levy_step_is_typically_as_long_as_a_gaussian_one(rng):
    median = stats.norm.ppf(0.75)
    for step in ("levy", "gaussian"):
        shorter = float((STEPS[step].draw((N,), rng).abs() < median).double().mean())
        assert abs(shorter - 0.5) < 4 * 0.5 / math.sqrt(N)
    a_fifth_longer = float((1.2 * STEPS["levy"].draw((N,), rng).abs() < median).double().mean())
    assert abs(a_fifth_longer - 0.5) > 4 * 0.5 / math.sqrt(N)


def test_unknown_laws_and_empty_sums_are_refused():
    with pytest.raises(KeyError):
        clt_distance("drunken", 3)
    with pytest.raises(ValueError):
        clt_distance("coin", 0)


def test_rates_by_value():
    """1/sqrt(2 pi n) for coins, 0.0275/n for uniform steps, 0.110/sqrt n for Student's t_3, 1/2 for ever for Levy's; none for the bell."""
    assert clt_rate("coin") == (pytest.approx(1 / math.sqrt(2 * math.pi)), 0.5)
    assert clt_rate("uniform") == (pytest.approx(0.0275, abs=1e-4), 1.0) and clt_rate("heavy") == (pytest.approx(0.110, abs=1e-3), 0.5)
    assert clt_rate("levy") == (0.5, 0.0) and clt_rate("gaussian") == (0.0, math.inf)
