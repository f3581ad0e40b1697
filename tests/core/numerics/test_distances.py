"""Distances against scipy, closed forms, and their own promise: exact samples stay inside the floor."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from core.numerics.distances import (
    Floor,
    SlicedWasserstein,
    Truth,
    against,
    compared,
    energy_distance,
    floor,
    histogram_kl,
    histogram_kl_floor,
    ks_1d,
    ks_floor,
    measure,
    sliced,
    told_apart,
    total_variation,
    total_variation_floor,
    with_error,
)


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(20)


def gaussian(dim):
    return lambda n, generator: torch.randn(n, dim, generator=generator)


def normal_cdf(x):
    return torch.special.ndtr(x)


def test_one_dimensional_energy_distance_is_scipys(rng):
    x, y = torch.randn(700, generator=rng), 1.3 * torch.randn(500, generator=rng) + 0.2
    assert energy_distance(x, y) == pytest.approx(stats.energy_distance(x.numpy(), y.numpy()), rel=1e-6)


@pytest.mark.parametrize("dim", [3, 200])  # pair by pair, and as a matrix product
def test_energy_distance_by_blocks_is_the_double_sum(rng, dim):
    x, y = torch.randn(130, dim, generator=rng).double(), 2 * torch.randn(90, dim, generator=rng).double()
    between, within_x, within_y = ((a[:, None] - b).norm(dim=-1).mean() for a, b in ((x, y), (x, x), (y, y)))
    exact = float((2 * between - within_x - within_y).sqrt())
    assert energy_distance(x, y, block=32) == pytest.approx(exact, rel=1e-12 if dim == 3 else 1e-6)
    assert energy_distance(x.float(), y.float()) == pytest.approx(exact, rel=1e-4)


def test_the_flat_and_the_sorted_route_agree(rng):
    x, y = torch.randn(200, 1, generator=rng).double(), torch.rand(300, 1, generator=rng).double()
    nothing = torch.zeros_like
    widened = energy_distance(torch.cat([x, nothing(x)], 1), torch.cat([y, nothing(y)], 1))
    assert energy_distance(x, y) == pytest.approx(widened, rel=1e-9)


def test_energy_distance_to_a_wider_gaussian_is_the_closed_form(rng):
    """D^2 = 2 sqrt(2/pi) (sqrt(1 + s^2)) - (2 + 2 s)/sqrt(pi), plus the V-statistic's own bias E|X-X'|/n."""
    n, scale, repeats = 1000, 1.5, 60
    scores = torch.tensor(
        [energy_distance(torch.randn(n, generator=rng), scale * torch.randn(n, generator=rng)) ** 2 for _ in range(repeats)]
    )

    def expected(s):
        spread = 2 / math.sqrt(math.pi)
        return 2 * math.sqrt(2 / math.pi * (1 + s * s)) - spread * (1 + s) + spread * (1 + s) / n

    error = 4 * float(scores.std()) / math.sqrt(repeats)
    assert abs(float(scores.mean()) - expected(scale)) < error
    assert abs(float(scores.mean()) - expected(1.2 * scale)) > error


@pytest.mark.parametrize("distance", [energy_distance, sliced])
def test_exact_samples_stay_within_the_floor_at_the_nominal_rate(distance, rng):
    """The limit is a quantile of k = 399 scores, so the share itself has the variance p (1 - p) / (k + 2) of an order statistic."""
    n, trials, nominal = 200, 400, 0.95
    known, score = floor(distance, gaussian(2), n), against(distance, gaussian(2), n)
    within = sum(score(x) <= known.limit for x in gaussian(2)(n * trials, rng).split(n))
    tolerance = 4 * math.sqrt(nominal * (1 - nominal) * (1 / trials + 1 / 401))
    assert abs(within / trials - nominal) < tolerance < 0.07


def test_the_floor_does_not_move_with_its_seed():
    """Two lumps, the worst case: chance decides how many are in each. A 95 % quantile of 399 has a relative standard error of 3 %."""

    def lumps(n, generator):
        side = torch.randint(2, (n, 1), generator=generator) * 2.0 - 1
        return 0.3 * torch.randn(n, 2, generator=generator) + 2 * side

    limits = torch.tensor([floor(sliced, lumps, 500, seed=seed).limit for seed in range(12)])
    assert float(limits.std() / limits.mean()) < 0.05 and float(limits.max() / limits.min()) < 1.2


def test_few_repeats_have_no_limit():
    with pytest.raises(ValueError, match="at least 19"):
        floor(energy_distance, gaussian(1), 10, n_repeats=18)


@pytest.mark.parametrize("dim", [1, 2])
def test_a_scale_wrong_by_a_fifth_is_far_outside(dim, rng):
    n = 2000
    exact = floor(energy_distance, gaussian(dim), n, seed=3, n_repeats=39)
    right = gaussian(dim)(n, rng)
    assert measure(energy_distance, right, gaussian(dim), seed=3, known_floor=exact).z < 4
    for wrong in (1.2 * right, right / 1.2):
        truth = measure(energy_distance, wrong, gaussian(dim), seed=3, known_floor=exact)
        assert not truth.within and truth.ratio > 2 and truth.verdict.startswith("Far")


def test_sliced_wasserstein_of_a_shift_and_a_scale(rng):
    """W_2 of a shift in one dimension is the shift; of N(0, I) to N(0, s^2 I) along any direction it is |s - 1|."""
    x = torch.randn(4000, 2, generator=rng).double()
    assert sliced(x[:, :1], x[:, :1] + 0.3) == pytest.approx(0.3, rel=1e-9)
    spread = math.sqrt(float((x.square().sum(1)).var()) / len(x)) / 4  # of the mean of |x|^2 / 2, halved by the root
    assert abs(sliced(x, 1.5 * x) / 0.5 - 1) < 4 * (spread + 0.5 / math.sqrt(64))
    assert sliced(x[:, :1], x[:, :1].repeat_interleave(3, 0)) == pytest.approx(0, abs=1e-7)
    assert sliced(x[:, :1], 0.3 + x[:, :1].repeat_interleave(3, 0)[:-1]) > 0.29
    assert sliced(x, torch.full((5, 2), math.nan)) == sliced(torch.full((5, 2), math.inf), x) == math.inf


@pytest.mark.parametrize(("n", "m"), [(6, 4), (5, 20), (20, 5), (7, 7), (1, 3)])
def test_samples_of_different_sizes_are_compared_by_their_quantiles(n, m, rng):
    """Against every point repeated until both samples have n m: then the squared distance is a mean over pairs in order."""
    x, y = torch.randn(n, 1, generator=rng).double(), torch.randn(m, 1, generator=rng).double()
    long = [s.sort(0).values.repeat_interleave(k, 0) for s, k in ((x, m), (y, n))]
    assert sliced(x, y) == pytest.approx(float((long[0] - long[1]).square().mean().sqrt()), rel=1e-12)


def test_many_directions_tell_the_sliced_distance_of_two_points():
    """Along a random direction u, W_2 of two points is |u.d|; its mean square over the circle is d^2 / 2."""
    x, y = torch.zeros(1, 2), torch.tensor([[0.6, 0.8]])
    known = SlicedWasserstein(n_directions=20_000)(x, y) ** 2
    assert abs(known - 0.5) < 4 * math.sqrt(0.125 / 20_000)  # the variance of cos^2 is 1/8


def test_ks_is_scipys_and_its_floor_is_kolmogorovs(rng):
    x = torch.randn(400, generator=rng)
    assert ks_1d(x, normal_cdf) == pytest.approx(stats.kstest(x.double().numpy(), "norm").statistic, abs=1e-12)
    n, trials = 1000, 400
    scores = torch.tensor([ks_1d(torch.randn(n, generator=rng), normal_cdf) for _ in range(trials)])
    exact = ks_floor(n)
    finite_n = 1 / (6 * n)  # Kolmogorov's next order shifts the mean by -1/(6 n)
    error = 4 * exact.std / math.sqrt(trials)
    assert abs(float(scores.mean()) + finite_n - exact.mean) < error
    assert abs(float(scores.mean()) + finite_n - 1.2 * exact.mean) > error
    assert abs(float(scores.std()) / exact.std - 1) < 4 * math.sqrt(0.75 / trials)  # kurtosis of Kolmogorov's law < 5


def test_histogram_kl_is_zero_at_the_truth_and_its_floor_is_chi_square(rng):
    exact = torch.tensor([[0.1, 0.2], [0.3, 0.4]], dtype=torch.float64)
    assert histogram_kl(1000 * exact, exact) == pytest.approx(0, abs=1e-12)
    n, trials = 5000, 1200
    draws = (torch.multinomial(exact.flatten(), n, replacement=True, generator=rng) for _ in range(trials))
    scores = torch.tensor([histogram_kl(draw.bincount(minlength=4), exact.flatten()) for draw in draws])
    expected = histogram_kl_floor(n, 4)
    error = 4 * expected.std / math.sqrt(trials)
    assert abs(float(scores.mean()) - expected.mean) < error < abs(float(scores.mean()) - 1.2 * expected.mean)
    assert histogram_kl(torch.tensor([1, 0]), torch.tensor([0.0, 1.0])) == math.inf


def test_the_limit_of_kolmogorovs_law_is_its_table():
    """Critical values at 5 %: 0.2417 for 30 (Massey 1951: 0.24), 1.358/sqrt(n) for many."""
    assert ks_floor(30).limit == pytest.approx(0.2417, abs=1e-4)
    assert ks_floor(10_000).limit * 100 == pytest.approx(1.358, rel=0.005)
    assert histogram_kl_floor(5000, 4).limit == pytest.approx(7.815 / 10_000, rel=1e-4)  # chi-square with three degrees of freedom


def test_the_verdict_says_what_it_means():
    exact = Floor(0.040, 0.005, 0.0493, 2000)
    level = "95 of 100 exact samples of 2,000 particles score 0.049 or less."
    assert Truth("d", 0.0493, exact).verdict == f"As good as exact: {level}"
    assert Truth("d", 0.0494, exact).verdict == f"Close: 1.2 times the 0.040 that exact samples score on average; {level}"
    assert Truth("d", 0.07, exact).verdict.startswith("Close: 1.8 times the 0.040")
    assert Truth("d", 80.0, exact).verdict.startswith("Far: 2,000 times the 0.040")
    assert Truth("d", 8e6, exact).verdict.startswith("Far: more than 10,000 times the 0.040")
    assert Truth("d", 0.9, exact, "Å").verdict.endswith("score 0.049 Å or less.")
    assert Truth("d", 0.9, exact, of="copies").verdict.endswith("2,000 copies score 0.049 or less.")
    assert Truth("d", math.inf, exact).verdict.startswith("Blown up")
    assert Truth("d", 3e-17, Floor(3.4e-17, 1e-18, 4e-17, 2000)).verdict.endswith("score 0 but for round-off or less.")
    assert "score 4.0·10⁻⁷ or less" in Truth("d", 3e-7, Floor(3.4e-7, 2e-8, 4e-7, 2000)).verdict
    assert "score 0.0123 or less" in Truth("d", 0.0, Floor(0.01, 0.001, 0.01234, 2000)).verdict


def test_bad_samples():
    x = torch.zeros(5, 2)
    assert energy_distance(torch.full((5, 2), math.nan), x) == math.inf
    assert ks_1d(torch.tensor([math.inf]), normal_cdf) == math.inf
    with pytest.raises(ValueError, match="dimensions"):
        energy_distance(x, torch.zeros(5, 3))
    with pytest.raises(ValueError, match="non-empty"):
        energy_distance(x[:0], x)
    with pytest.raises(ValueError, match="floor is for"):
        measure(energy_distance, x, gaussian(2), seed=0, known_floor=ks_floor(7))


def test_total_variation_and_its_floor_against_de_moivre():
    """E|K - np| of a binomial count (de Moivre 1730): 2 (1-p)^(n-m+1) p^m m C(n, m), m = floor(np) + 1."""
    p, n = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64), 57
    mean = 0.0
    for q in p.tolist():
        m = math.floor(n * q) + 1
        mean += 2 * (1 - q) ** (n - m + 1) * q**m * m * math.comb(n, m) / (2 * n)
    known = total_variation_floor(n, p)
    error = known.std / math.sqrt(1999)
    assert abs(known.mean - mean) < 4 * error < abs(known.mean - 1.2 * mean)
    assert total_variation(torch.tensor([1, 0]), torch.tensor([0.25, 0.75])) == pytest.approx(0.75)
    with pytest.raises(ValueError):
        total_variation(torch.zeros(2), torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize(("value", "answer"), [(0.69, 0), (0.71, 1), (1.0, 1), (1.29, 1), (1.31, 2), (math.nan, 2), (math.inf, 2)])
def test_within_three_standard_errors_is_as_it_should_be(value, answer):
    assert compared(value, 1.0, 0.1) == answer


def test_without_an_error_only_the_exact_number_will_do():
    assert [compared(value, 0.0, 0.0) for value in (-1e-9, 0.0, 1e-9)] == [0, 1, 2]


def test_runs_are_told_apart_in_one_of_a_hundred_where_there_is_nothing_to_tell():
    """Student's t, five pairs: 4.604 standard errors. A run that blew up is farther than any that did not."""
    draws = np.random.default_rng(0).normal(size=(2, 4000, 5))
    wrong = sum(told_apart(a, b) != 0 for a, b in zip(*draws, strict=True)) / 4000
    assert abs(wrong - 0.01) < 4 * math.sqrt(0.01 * 0.99 / 4000)
    spread = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])  # standard error sqrt(2.5 / 5)
    edge = 4.604 * math.sqrt(0.5)
    assert [told_apart(spread + c * edge, np.zeros(5)) for c in (0.99, 1.01, -1.01)] == [0, 1, -1]
    assert told_apart([math.inf, 1.0], [1.0, 1.0]) == 1 and told_apart([1.0, 1.0], [math.inf] * 2) == -1
    assert with_error([1.0, 2.0, 3.0]) == "2 ± 0.58"


def test_one_law_is_sorted_once_and_another_law_anew(monkeypatch):
    """A law is known by what it draws, so two partials of one law are one; the score is that without any memory, to the bit."""
    made, real = [], SlicedWasserstein.to_many
    monkeypatch.setattr(SlicedWasserstein, "to_many", lambda self, y, n: made.append(n) or real(self, y, n))
    law = lambda width: lambda n, generator: width * torch.randn(n, 2, generator=generator)  # noqa: E731
    x = torch.randn(333, 2, generator=torch.Generator().manual_seed(1))
    for width, seed in ((1.25, 71), (1.25, 71), (1.5, 71), (1.25, 72)):
        exact = law(width)(333 * 16, torch.Generator().manual_seed(seed))
        assert against(sliced, law(width), 333, seed=seed)(x) == sliced(x, exact)
    assert made == [333] * 3
    with pytest.raises(ValueError, match="expected 333 particles"):
        against(sliced, law(1.25), 333, seed=71)(x[:100])
    assert against(sliced, law(1.25), 333, seed=71)(x * math.nan) == math.inf
