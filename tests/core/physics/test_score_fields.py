"""Score fields: exact scores, the normaliser that is not there, greedy ends on modes and Langevin on p^(1/kT)."""

import math

import pytest
import torch

from core.numerics.densities import GaussianMixture, get_dataset
from core.physics import score_fields as sf
from core.physics.basins import GridLaw, find_basins

SPECS = [dict(source=source, sigma=sigma) for source in sf.SOURCES for sigma in (0.0, 0.4)]
ONE = dict(source="by hand", modes=((0.0, 0.0, 1.0, 0.5),))


def field64(**spec):
    return sf.field(**spec).to(torch.float64)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_score_is_the_gradient_of_log_p(spec):
    density = field64(**spec)
    x = (torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4 - 2).requires_grad_(True)
    slope = torch.autograd.grad(density.log_prob(x).sum(), x)[0]
    assert torch.allclose(density.score(x.detach()), slope, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(density.score(x.detach()), 1.2 * slope, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("source", sf.SOURCES)
def test_noise_convolves_with_a_gaussian_of_exactly_that_width(source):
    """p_sigma(x) = E N(x; x_0, sigma^2) over draws of the data, within 4 standard errors at each of 9 places; not with 1.2 sigma."""
    sigma, n = 0.6, 40_000
    rest = sigma**2 - sf.noise_in_force(source, 0.0) ** 2
    x_0 = sf.field(source=source).sample(n, torch.Generator().manual_seed(1)).double()
    places = torch.cartesian_prod(*[torch.tensor([-1.2, 0.1, 1.3], dtype=torch.float64)] * 2)
    kernel = torch.exp(-torch.cdist(places, x_0).square() / (2 * rest)) / (2 * math.pi * rest)
    mean, error = kernel.mean(1), kernel.std(1) / math.sqrt(n)
    exact, wrong = (field64(source=source, sigma=s).log_prob(places).exp() for s in (sigma, 1.2 * sigma))
    assert ((mean - exact).abs() / error).max() < 4 < ((mean - wrong).abs() / error).max()


@pytest.mark.parametrize("constant", [1e-12, 0.1, 1e12])
@pytest.mark.parametrize("source", sf.SOURCES)
def test_a_constant_leaves_the_score_alone_and_lifts_the_logarithm(source, constant):
    cut = sf.rescaled(constant, source=source)
    assert cut.deviation < 1e-12
    seen = cut.log_p > cut.log_p.max() - 500
    assert torch.allclose((cut.log_cp - cut.log_p)[seen], torch.full_like(cut.log_p[seen], math.log(constant)), atol=1e-9)
    assert cut.integral == pytest.approx(constant, rel=2e-3)  # quadrature: the grid cuts off the far tails


@pytest.mark.parametrize("kT", [0.5, 2.0])
def test_score_of_the_thermal_law_is_force_over_kT(kT):
    """Central differences of ln p^(1/kT) on the grid against force/kT at the cell edges."""
    law = sf.exact_law(kT=kT, n=400)
    density = field64()
    axis = (torch.arange(law.n, dtype=torch.float64) + 0.5) * law.cell - law.half
    x = torch.stack(torch.meshgrid(axis[1:-1], axis[1:-1], indexing="xy"), -1).reshape(-1, 2)
    slope = ((law.log_p[1:-1, 2:] - law.log_p[1:-1, :-2]) / (2 * law.cell)).reshape(-1)
    force = sf.LogPotential(density).force(x)[:, 0]
    inner = x.abs().max(1).values < 2.5
    assert (slope - force / kT)[inner].abs().max() < 0.02 * force.abs().max()
    assert (slope - 1.2 * force / kT)[inner].abs().max() > 0.1 * force[inner].abs().max() / kT


def test_greedy_ends_on_modes_and_langevin_on_p():
    greedy, thermal = sf.sample(kT=0.0, n_particles=2000), sf.sample(kT=1.0, n_particles=2000)
    assert torch.equal(greedy.positions[0], thermal.positions[0])
    density = sf.field()
    assert density.score(greedy.final).norm(dim=1).max() < 1e-2  # at rest
    assert density.score(thermal.final).norm(dim=1).median() > 0.5
    assert sf.truth(greedy).ratio > 4 and sf.truth(thermal).z < 4
    counted = sf.basins()
    share = counted.shares(thermal.final)
    error = torch.sqrt(counted.mass * (1 - counted.mass) / 2000)
    assert ((share - counted.mass).abs() / error).max() < 4
    assert ((counted.shares(greedy.final) - counted.mass).abs() / error).max() > 4


@pytest.mark.parametrize("kT", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("step", [0.1, 0.8])
def test_langevin_in_one_mode_settles_to_eulers_variance_at_kT(kT, step):
    """kT w^2 / (1 - dt / 2 w^2) within 4 standard errors, and not 1.2 kT; with a long step also not the continuum's kT w^2."""
    n, width = 8000, 0.5
    x = sf.sample(kT=kT, step=step, n_steps=int(40 / step), n_particles=n, seed=3, **ONE).final
    exact = sf.stationary_variance(width, kT, step * width**2)
    error = exact * math.sqrt(2 / (2 * n))
    assert abs(float(x.square().mean()) - exact) < 4 * error < abs(float(x.square().mean()) - 1.2 * exact)
    if step == 0.8:
        assert abs(float(x.square().mean()) - kT * width**2) > 4 * error


def test_past_twice_the_width_squared_nothing_settles():
    assert sf.stationary_variance(0.5, 1.0, 0.5) == math.inf
    assert sf.sample(step=2.2, kT=0.0, n_steps=100, **ONE).final.norm(dim=1).median() > 100
    assert sf.sample(step=1.8, kT=0.0, n_steps=100, **ONE).final.norm(dim=1).max() < 1e-6
    three = dict(modes=tuple((x, y, weight, 0.5) for x, y, weight, _ in sf.MODES))  # the scene on the page
    hops = sf.field(**three).score(sf.sample(step=2.2, kT=0.0, **three).final).norm(dim=1)
    rests = sf.field(**three).score(sf.sample(step=1.8, kT=0.0, **three).final).norm(dim=1)
    assert hops.min() > 1e-2 > rests.max()


def test_exact_law_integrates_to_one_and_its_draws_have_its_moments():
    law = sf.exact_law()
    assert law.log_z == pytest.approx(0, abs=1e-3)
    x, y, weight, width = (torch.tensor(column, dtype=torch.float64) for column in zip(*sf.MODES))
    weight = weight / weight.sum()
    n = 20_000
    draws = law.sample(n, torch.Generator().manual_seed(2)).double()
    mean, second = float((weight * x).sum()), float((weight * (x**2 + width**2)).sum())
    error = math.sqrt((second - mean**2) / n)
    assert abs(float(draws[:, 0].mean()) - mean) < 4 * error < abs(float(draws[:, 0].mean()) - 1.2 * mean)
    line = torch.linspace(-3, 3, 301, dtype=torch.float64)
    exact = sum(w * torch.exp(-((line - m) ** 2) / (2 * s * s)) / (s * math.sqrt(2 * math.pi)) for w, m, s in zip(weight, x, width))
    assert torch.allclose(law.marginal(0, line), exact, atol=2e-3)
    assert not torch.allclose(law.marginal(1, line), exact, atol=2e-2)


def test_basins_of_far_modes_hold_their_weights_and_shallow_bumps_merge():
    far = sf.basins(modes=((-2.0, 0.0, 0.7, 0.3), (2.0, 0.0, 0.3, 0.3)))
    assert torch.allclose(far.mass, torch.tensor([0.7, 0.3], dtype=torch.float64), atol=1e-4)
    assert torch.allclose(far.peaks.float(), torch.tensor([[-2.0, 0.0], [2.0, 0.0]]), atol=0.06)
    assert len(sf.basins(modes=((-0.5, 0.0, 0.5, 0.4), (0.5, 0.0, 0.5, 0.4))).mass) == 1  # barrier of 0.2 kT
    assert len(find_basins(GridLaw.of(sf.field(modes=((-0.5, 0.0, 0.5, 0.4), (0.5, 0.0, 0.5, 0.4))), n=96), barrier=0.05).mass) == 2
    assert len(sf.basins(source="checkerboard").mass) == 8
    assert len(sf.basins(source="checkerboard", sigma=2.0).mass) == 1
    assert float(sf.basins(source="spirals").mass.sum()) == pytest.approx(1)


def test_noise_merges_modes_and_shortens_the_arrows():
    counts = [len(sf.basins(source="checkerboard", sigma=sigma).mass) for sigma in (0.0, 0.5, 1.5)]
    assert counts[0] > counts[-1] and counts == sorted(counts, reverse=True)
    x = torch.rand(500, 2, generator=torch.Generator().manual_seed(0)) * 4 - 2
    lengths = [float(sf.field(sigma=sigma).score(x).norm(dim=1).mean()) for sigma in (0.0, 0.5, 2.0)]
    assert lengths == sorted(lengths, reverse=True)


def test_modes_travel_as_text_and_bad_text_is_refused_in_words():
    assert sf.parse_modes(sf.format_modes(sf.MODES)) == sf.MODES
    assert sf.format_modes([(9, -0.001, 0, 0.456)]) == "3 0 0.01 0.46"
    for text, word in (
        ("", "1 to 12"),
        ("1 2 3", "four numbers"),
        ("a b c d", "four numbers"),
        ("9 0 1 0.5", "x must be"),
        ("0 0 -1 0.5", "weight"),
        ("0 0 1 nan", "width"),
        ("0 0 1 .5;" * 13, "not 13"),
    ):
        with pytest.raises(ValueError, match=word):
            sf.parse_modes(text)


def test_own_points_are_read_scaled_and_thinned():
    points = torch.tensor(sf.parse_points("x,y\n1;2\n3\t4\n\n5 9, 7\n"))
    assert points.shape == (3, 2)
    assert torch.allclose(points.mean(0), torch.zeros(2), atol=1e-4) and float(points.square().mean()) == pytest.approx(1, abs=1e-3)
    assert len(sf.parse_points("\n".join(f"{i} {i * i}" for i in range(5000)))) <= sf.MAX_POINTS
    density = sf.field(source="your points", points=tuple(map(tuple, points.tolist())), sigma=0.3)
    assert torch.allclose(density.means, points.float()) and density.scales.unique().tolist() == pytest.approx([0.3])
    for text, word in (("1 2", "two points"), ("1 2\nbanana\n3 4", "line 2"), ("1 2\n1 2", "one spot"), ("1 2\n1 inf", "finite")):
        with pytest.raises(ValueError, match=word):
            sf.parse_points(text)


def test_same_seed_same_bits_and_frames_never_change_the_walk():
    many, few = sf.sample(n_steps=100, n_particles=50), sf.sample(n_steps=100, n_particles=50, n_frames=4)
    assert torch.equal(many.final, few.final) and few.n_frames == 4
    assert torch.equal(sf.field(source="ring").means, get_dataset("ring").means)


@pytest.mark.parametrize(
    "bad", [dict(step=0.0), dict(kT=-1.0), dict(n_steps=0), dict(n_particles=0), dict(start="there"), dict(source="moon"), dict(sigma=-1.0)]
)
def test_bad_parameters_are_refused(bad):
    with pytest.raises(ValueError):
        sf.sample(**{"n_particles": 5, "n_steps": 5} | bad)
    with pytest.raises(ValueError):
        sf.rescaled(0.0)


def test_along_a_level_ridge_walkers_come_as_far_as_einstein_says():
    """The angle on a narrow ring is free diffusion: its spread times the radius is sqrt(2 kT t) while it is well below a turn."""
    run = sf.sample(source="ring", step=0.1, n_steps=500, n_particles=2000, seed=3, n_frames=501)
    x = run.positions[100:]  # the ring is found first
    turned = torch.atan2(x[..., 1], x[..., 0]).diff(dim=0)
    angle = ((turned + math.pi) % (2 * math.pi) - math.pi).sum(0)
    radius = x[-1].norm(dim=1).mean()
    rest = run.times[-1] - run.times[100]
    far = sf.wandered(run, 1.0) * math.sqrt(float(rest / run.times[-1]))
    assert float(radius * angle.std()) == pytest.approx(far, rel=0.1)
    assert sf.wandered(run, 4.0) == pytest.approx(2 * sf.wandered(run, 1.0))


@pytest.mark.parametrize("source", ["by hand", "ring", "checkerboard", "your points"])
def test_the_first_walkers_are_those_of_the_whole_crowd(source):
    for kT in (0.0, 1.0):
        whole, first = (sf.sample(source=source, kT=kT, n_steps=10, n_particles=300, first=first) for first in (None, 128))
        assert torch.equal(first.positions, whole.positions[:, :128])


def test_which_modes_are_basins_by_value():
    """Half a kT between the peak and the saddle; a thousandth of the law."""
    for share, number in ((0.05, 2), (0.002, 2), (0.0005, 1)):
        density = GaussianMixture.of([1 - share, share], [[-2.0, 0.0], [2.0, 0.0]], 0.4)
        assert len(find_basins(GridLaw.of(density)).mass) == number
    for apart, number in ((2.4, 1), (3.2, 2)):  # in widths: ln of peak over saddle is 0.13 and 0.66
        density = GaussianMixture.of(1.0, [[-apart / 4, 0.0], [apart / 4, 0.0]], 0.5)
        assert len(find_basins(GridLaw.of(density)).mass) == number


def test_starts_and_noise_levels_by_value():
    """Spread over +-3 or a cloud at (-2.3, -2.3); edges and points blurred by 0.05 and 0.1 at least; noise levels from 0.02 to 2.5."""
    spread, corner = (sf.starting_points(start, 20_000, torch.Generator().manual_seed(0)) for start in sf.STARTS)
    assert 2.98 < float(spread.max()) <= 3 and -3 <= float(spread.min()) < -2.98
    assert (corner.mean(0) + 2.3).abs().max() < 4 * 0.2 / math.sqrt(20_000) and abs(float(corner.std()) - 0.2) < 0.005
    assert [sf.noise_in_force(source, 0.0) for source in ("by hand", "checkerboard", "your points")] == [0.0, 0.05, 0.1]
    levels = sf.noise_levels()
    assert (float(levels[0]), float(levels[-1])) == (pytest.approx(0.02), pytest.approx(2.5))
    assert sf.field().weights.tolist() == pytest.approx([0.5, 0.3, 0.2])


def test_a_constant_and_a_temperature_in_closed_form():
    """One mode of width w at kT = 1/2: int p^2 = 1/(4 pi w^2), the score twice that of p, whatever the constant."""
    found = sf.rescaled(3.0, kT=0.5, **ONE)
    assert found.integral == pytest.approx(3 / (4 * math.pi * 0.25), rel=1e-3)
    assert torch.allclose(found.score, -2 * found.x / 0.25, atol=1e-6) and torch.allclose(found.score_c, found.score, atol=1e-6)
    assert torch.allclose(found.log_cp - found.log_p, torch.full_like(found.x, math.log(3.0)))


def test_modes_by_hand_have_widths_and_weights_within_bounds():
    for row, good in (("0, 0, 1, 0.1", True), ("0, 0, 1, 0.09", False), ("0, 0, 0.01, 1.5", True), ("0, 0, 0.009, 1", False)):
        if good:
            assert len(sf.parse_modes(row)) == 1
        else:
            with pytest.raises(ValueError):
                sf.parse_modes(row)
