"""High dimensions: closed forms against textbook values, Monte Carlo against closed forms, walks against their exact acceptance."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from core.foundations import dimensions as dim
from core.numerics.distances import ks_1d, ks_floor

MANY = 40_000


def test_ball_in_its_cube():
    """pi/4, pi/6, pi^2/32, and the slide's formula pi^(d/2)/(d 2^(d-1) Gamma(d/2)): it is ball over cube, and goes to zero."""
    assert np.exp(dim.log_ball_share(np.array([1, 2, 3, 4]))) == pytest.approx([1, math.pi / 4, math.pi / 6, math.pi**2 / 32])
    for d in (2, 7, 30):
        assert math.exp(dim.log_ball_share(d)) == pytest.approx(math.pi ** (d / 2) / (d * 2 ** (d - 1) * math.gamma(d / 2)))
    assert (np.diff(dim.log_ball_share(np.arange(1, 1001))) < 0).all()
    assert dim.log_ball_share(1000) == pytest.approx(500 * math.log(math.pi) - 1000 * math.log(2) - math.lgamma(501))


@pytest.mark.parametrize("d", [1, 2, 5, 40])
def test_closed_forms_against_quadrature(d):
    n = 50
    assert float(dim.peel_share(d, 0.1)) == pytest.approx(integrate.quad(lambda r: d * r ** (d - 1), 0.9, 1)[0])
    nearest = integrate.quad(lambda r: (1 - r**d) ** n, 0, 1)[0]
    farthest = 1 - integrate.quad(lambda r: r ** (d * n), 0, 1)[0]
    assert float(dim.nearest_share(d, n)) == pytest.approx(nearest / farthest)
    mean, var = stats.chi.stats(d, moments="mv")
    assert float(dim.shell_radius(d)) == pytest.approx(float(mean))
    assert float(dim.shell_width(d)) == pytest.approx(math.sqrt(float(var)) / float(mean), rel=1e-6)


def test_limits():
    assert float(dim.shell_width(1000)) == pytest.approx(1 / math.sqrt(2000), rel=1e-3)
    assert float(dim.rejection_share(3, 1.2)) == pytest.approx(1.2**-3)
    assert float(dim.log_grid_points(80, 10)) == pytest.approx(80 * math.log(10))


@pytest.fixture(scope="module")
def found():
    return dim.census(n=MANY, eps=0.05, wide=1.2, n_points=500, seed=3, dims=(1, 2, 3, 5, 10, 20, 100))


@pytest.mark.parametrize(
    "name, exact",
    [
        ("ball", lambda d: math.exp(dim.log_ball_share(d))),
        ("rejection", lambda d: float(dim.rejection_share(d, 1.2))),
        ("peel", lambda d: float(dim.peel_share(d, 0.05))),
    ],
)
def test_counted_shares_are_the_exact_ones(found, name, exact):
    told = 0
    for counted in getattr(found, name):
        p = exact(counted.dim)
        error = 4 * math.sqrt(p * (1 - p) / MANY) + 4 / MANY  # the second term where p n is of order one
        assert abs(counted.value - p) <= error
        assert counted.low <= counted.value <= counted.high
        told += abs(counted.value - 1.2 * p) > error
    assert told >= 3


@pytest.mark.parametrize("name, exact", [("nearest", lambda d: dim.nearest_share(d, 500)), ("shell", dim.shell_width)])
def test_measured_ratios_are_the_exact_ones(found, name, exact):
    for average in getattr(found, name):
        # the spread of |x| has no normal error bar of its own in low dimensions: the stated one is for near-normal radii
        if name == "shell" and average.dim < 5:
            continue
        assert abs(average.value - float(exact(average.dim))) < 4 * average.error
        if average.dim >= 10 or name == "shell":
            assert abs(average.value - 1.2 * float(exact(average.dim))) > 4 * average.error


def test_none_of_n_still_bounds_the_share():
    nothing = dim.count(0, 1000, 50)
    assert nothing.value == nothing.low == 0 and (1 - nothing.high) ** 1000 == pytest.approx(stats.norm.sf(2))
    half = dim.count(500, 1000, 1)
    assert half.high - half.value == pytest.approx(2 * half.error, rel=0.05)


@pytest.mark.parametrize("d", [1, 2, 10, 200])
def test_acceptance_of_the_walk_is_a_t_law(d):
    """Counted in one step from the exact law; and for d = 1 the arctangent of `sampling`."""
    n, h = 10_000, 1.4 / math.sqrt(d)
    generator = torch.Generator().manual_seed(2)
    x, z = (torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2))
    each = (0.5 * (x.square().sum(1) - (x + h * z).square().sum(1))).clamp(max=0).exp()
    error = 4 * float(each.std()) / math.sqrt(n)
    assert abs(float(each.mean()) - float(dim.walk_acceptance(d, h))) < error
    assert abs(float(each.mean()) - float(dim.walk_acceptance(d, 1.2 * h))) > error
    assert float(dim.walk_acceptance(1, 0.7)) == pytest.approx(2 / math.pi * math.atan(2 / 0.7))
    assert float(dim.walk_acceptance(1000, dim.WALK / math.sqrt(1000))) == pytest.approx(0.234, abs=0.002)


def test_progress_of_walk_and_mala():
    found = dim.progress(dims=(1, 10, 100, 1000), n=2500, seed=1)
    for average in found.walk:
        exact = dim.walk_progress(average.dim, dim.WALK / math.sqrt(average.dim))
        assert abs(average.value - exact) < 4 * average.error
        assert abs(average.value - 1.2 * exact) > 2 * average.error
    last = found.mala[-1]
    assert abs(last.value - float(dim.mala_progress(1000))) < 0.15 * last.value  # a limit: at 1,000 it is not yet reached
    assert float(dim.mala_progress(10**9)) * 1000 == pytest.approx(dim.WALK_MALA**2 * 0.574 / 2, rel=2e-3)  # acceptance 0.574
    assert last.value > 50 * found.walk[-1].value


def test_stage_points_follow_the_exact_distances():
    ball, gauss = dim.sample(d=200, n_points=5000, seed=4)
    exact = ks_floor(5000)
    for i in (0, len(ball.times) // 2, -1):
        d = float(ball.times[i])
        r = ball.positions[i].norm(dim=1)
        assert ks_1d(r, lambda v, d=d: v.clamp(0, 1) ** d) < exact.mean + 4 * exact.std
        far = gauss.positions[i].norm(dim=1)
        assert ks_1d(far, lambda v, d=d: torch.as_tensor(stats.chi.cdf(v.numpy() * math.sqrt(d), d))) < exact.mean + 4 * exact.std
        wrong = 1.2 * d
        assert ks_1d(r, lambda v, d=wrong: v.clamp(0, 1) ** d) > exact.mean + 4 * exact.std
    assert ball.times[0] == 1 and ball.times[-1] == 200 and (ball.times.diff() > 0).all()
    assert dim.sample(d=1)[0].n_frames == 1
    r = torch.linspace(0, 4, 200_001, dtype=torch.float64)
    for d in (2.0, 30.0):
        for density in (dim.ball_density, dim.shell_density):
            assert float(torch.trapezoid(density(r, d) * 2 * math.pi * r, r)) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize(
    "method, good, bad",
    [
        ("direct", (1, 1000), ()),
        ("grid", (1,), (14, 100)),
        ("rejection", (1, 5), (100, 1000)),
        ("walk", (1, 5), (200, 1000)),
        ("score", (1, 1000), ()),
    ],
)
def test_what_looks_buy(method, good, bad):
    direct = ks_floor(10_000)
    for d in good:
        found = dim.truth(dim.spend(method, d=d), d)
        limit = direct.mean + 4 * direct.std if method in ("direct", "grid", "rejection") else 6 * direct.mean  # chains remember
        assert found.value < limit and found.floor.n == 10_000
    for d in bad:
        assert dim.distance(dim.spend(method, d=d), d) > 0.3
    assert dim.distance(dim.spend(method, d=3), 3) < 0.1 < dim.distance(dim.spend(method, d=3), 4)


def test_one_grid_point_and_no_accepted_draw():
    lonely = dim.spend("grid", d=14)
    assert lonely.radii.tolist() == [0.0] and dim.distance(lonely, 14) == 1.0
    assert len(dim.spend("grid", d=13).radii) == 2**13
    nothing = dim.spend("rejection", d=1000)
    assert len(nothing.radii) == 0 and dim.distance(nothing, 1000) == 1.0


@pytest.mark.parametrize(
    "bad", [dict(method="guess", d=3), dict(method="walk", d=0), dict(method="walk", d=1001), dict(method="grid", d=3, n=5)]
)
def test_bad_numbers_are_refused(bad):
    with pytest.raises(ValueError):
        dim.spend(**bad)
    with pytest.raises(ValueError):
        dim.census(wide=1.0)
    with pytest.raises(ValueError):
        dim.sample(d=0)


def test_errors_of_ratios_are_their_spread_over_repetitions():
    """Of a shell's width in 20 dimensions over 300 censuses; and no error at all for the ratio of a number to its double."""
    shells = [dim.census(dims=(20,), n=300, n_points=2, seed=seed).shell[0] for seed in range(300)]
    scores = torch.tensor([(shell.value - float(dim.shell_width(20))) / shell.error for shell in shells])
    assert abs(float(scores.var()) - 1) < 4 * math.sqrt(2 / 300) < 0.5
    x = torch.rand(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    locked = dim._ratio(x, 2 * x, 1)
    assert locked.value == pytest.approx(0.5) and locked.error < 1e-12
