import math
from dataclasses import replace

import pytest
import torch

from core.numerics.densities import DATASETS, GaussianMixture, get_dataset
from core.numerics.distances import ks_1d
from core.numerics.schedules import EDM, Linear, get_schedule

UNEVEN = GaussianMixture.of([1, 2, 3], [[0, 0], [1, -1], [-2, 0.5]], [0.2, 0.5, 1.0], torch.float64)
CASES = {name: DATASETS[name]().to(torch.float64) for name in DATASETS} | {"uneven": UNEVEN}
PATHS = [
    (Linear(), 0.001),
    (Linear(), 0.1),
    (Linear(), 0.5),
    (Linear(), 1.0),
    (get_schedule("linear", "sub-VP"), 0.3),
    (EDM(), 0.02),
    (EDM(), 1.0),
]


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def direct_mixture(density, x):
    """log p and score from the definition, nothing rearranged."""
    difference = density.means - x[:, None]
    log_p = (
        density.weights.log()
        - difference.square().sum(-1) / (2 * density.scales**2)
        - density.dim * (density.scales.log() + 0.5 * math.log(2 * math.pi))
    )
    r = log_p.softmax(1)
    return log_p.logsumexp(1), (r[..., None] * difference / density.scales[:, None] ** 2).sum(1)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("schedule", "t"), PATHS)
def test_score_is_the_gradient_of_log_prob(name, schedule, t):
    density = CASES[name].diffused(schedule, t)
    near = density.sample(100, gen())
    far = 3 * density.sample(100, gen(1)) + 1  # in the tails too
    x = torch.cat([near, far]).requires_grad_(True)
    (gradient,) = torch.autograd.grad(density.log_prob(x).sum(), x)
    score = density.score(x.detach())
    scale = gradient.norm(dim=1, keepdim=True) + 1
    assert gradient.isfinite().all()
    assert ((score - gradient).abs() / scale).max() < 1e-6
    assert ((1.2 * score - gradient).abs() / scale).max() > 1e-2


@pytest.mark.parametrize("name", [n for n in CASES if n != "checkerboard"])
@pytest.mark.parametrize(("schedule", "t"), PATHS)
def test_matrix_form_equals_the_definition(name, schedule, t):
    density = CASES[name].diffused(schedule, t)
    x = density.sample(300, gen())
    log_p, score = direct_mixture(density, x)
    assert torch.allclose(density.log_prob(x), log_p, atol=1e-9)
    assert torch.allclose(density.score(x), score, atol=1e-7)
    single = density.to(torch.float32).score(x.float()).double()
    assert (single - score).abs().max() < 3e-3 * (1 + score.abs().max())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("t", [0.02, 0.3])
def test_log_prob_is_normalised(name, t):
    density = CASES[name].diffused(Linear(), t)
    axis = torch.linspace(-6, 6, 301, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    mass = density.log_prob(grid).exp().sum() * 0.04**2
    assert mass == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("name", CASES)
def test_samples_have_the_exact_marginals(name):
    """Kolmogorov-Smirnov: sqrt(n) D stays below 2.23 with probability 1 - 1e-4."""
    n = 4000
    density = CASES[name]
    for t in (0.0, 0.1):
        law = density.diffused(Linear(), t) if t else density
        x = law.sample(n, gen(3))
        for axis in (0, 1):
            assert ks_1d(x[:, axis], law.marginal(axis).cdf) * math.sqrt(n) < 2.23


@pytest.mark.parametrize("name", CASES)
def test_diffused_is_the_law_of_the_noised_sample(name):
    n, schedule, t = 20_000, Linear(), 0.25
    x0 = CASES[name].sample(n, gen(4))
    eps = torch.randn(x0.shape, generator=gen(5), dtype=x0.dtype)
    x = schedule.alpha(t) * x0 + schedule.sigma(t) * eps
    law = CASES[name].diffused(schedule, t)
    wrong = schedule.alpha(t) * x0 + 1.2 * schedule.sigma(t) * eps
    for axis in (0, 1):
        assert ks_1d(x[:, axis], law.marginal(axis).cdf) * math.sqrt(n) < 2.23
    assert max(ks_1d(wrong[:, a], law.marginal(a).cdf) for a in (0, 1)) * math.sqrt(n) > 2.23


@pytest.mark.parametrize("name", ["three modes", "checkerboard", "spirals", "uneven"])
def test_posterior_mean_is_the_average_origin(name):
    """E[x0 | x_t = x] by importance weights on exact draws of x0, within 4 standard errors."""
    schedule, t, density = Linear(), 0.3, CASES[name]
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    x = density.diffused(schedule, t).sample(20, gen(6))
    mean = density.posterior_mean(x, schedule, t)
    x0 = density.sample(40_000, gen(7))
    w = (-((x[:, None] - alpha * x0).square().sum(-1)) / (2 * sigma**2)).softmax(1)
    estimate = w @ x0
    error = torch.sqrt((w**2)[..., None].mul((x0 - estimate[:, None]) ** 2).sum(1))
    z = (mean - estimate).abs() / error
    assert z.max() < 4.5  # 40 numbers at 4 standard errors each
    assert ((mean * 1.2 - estimate).abs() / error).max() > 4.5


def test_divergence_of_the_mixture_score():
    from core.numerics.likelihood import trace_divergence

    x = UNEVEN.sample(50, gen())
    by_autograd = trace_divergence(lambda y, t: UNEVEN.score(y))(x, 0.0)
    assert torch.allclose(UNEVEN.score_divergence(x), by_autograd)


@pytest.mark.parametrize("sigma", [0.003, 0.05, 0.5, 2.5])
@pytest.mark.parametrize("reach", [1.7, 3.0, 30.0])
def test_checkerboard_score_without_logarithms_where_they_are_not_needed(sigma, reach):
    """Near the board Phi itself serves, far out only its logarithm; both are the slope of log p."""
    density = get_dataset("checkerboard").to(torch.float64).diffused(EDM(), sigma / EDM().sigma_max)
    x = (torch.rand(400, 2, generator=gen(), dtype=torch.float64) * 2 - 1) * reach
    x.requires_grad_(True)
    slope, score = torch.autograd.grad(density.log_prob(x).sum(), x)[0], density.score(x.detach())
    assert float(((slope - score).norm(dim=1) / (1 + slope.norm(dim=1))).max()) < 1e-9
    plain = density._plain_score(x.detach())
    assert plain is None if reach == 30.0 and sigma < 0.5 else plain is not None if sigma >= 0.05 and reach == 1.7 else True


def test_float32_checkerboard_stays_finite_far_out_and_late():
    density = get_dataset("checkerboard").diffused(Linear(), 1e-3)
    x = torch.tensor([[0.0, 0.0], [4.0, 4.0], [-9.0, 0.5], [0.43, -0.43], [100.0, -100.0]])
    score = density.score(x)
    assert score.isfinite().all() and density.log_prob(x).isfinite().all()
    assert (score[1] < 0).all() and score[2, 0] > 0  # it points home


def test_data_sets_have_unit_size_and_nothing_is_changed():
    for name in DATASETS:
        density = get_dataset(name)
        x = density.sample(4000, gen())
        assert x.mean(0).abs().max() < 0.4 and 0.8 < x.var(0).mean() < 1.2
        before = x.clone()
        density.score(x), density.log_prob(x), density.posterior_mean(x, Linear(), 0.5), density.responsibilities(x)
        assert torch.equal(x, before)
        assert torch.equal(x, density.sample(4000, gen()))
    assert torch.allclose(UNEVEN.responsibilities(CASES["ring"].sample(9, gen())).sum(1), torch.ones(9).double())


@pytest.mark.parametrize(
    "call",
    [
        lambda: get_dataset("moon"),
        lambda: GaussianMixture.of([1, -1], [[0.0], [1.0]], 1.0),
        lambda: GaussianMixture.of(1.0, [[0.0]], 0.0),
        lambda: UNEVEN.cdf(torch.zeros(3)),
        lambda: GaussianMixture(torch.ones(2), torch.ones(3, 2), torch.ones(3)),
        lambda: replace(get_dataset("checkerboard"), weights=torch.ones(3)),
        lambda: get_dataset("checkerboard").cdf(0),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(ValueError):
        call()


def test_mixtures_of_unit_size_by_their_moments():
    """Mean 0 and mean variance 1 per axis, exactly: means' spread plus scale^2. Three modes: 1.4 from the centre, 0.5, 0.3, 0.2."""
    for name in ("ring", "two moons", "spirals", "lattice"):
        law = get_dataset(name).to(torch.float64)
        mean = law.weights @ law.means
        assert mean.abs().max() < 1e-6
        assert float((law.weights @ (law.means**2 + law.scales[:, None] ** 2)).mean()) == pytest.approx(1, abs=1e-6), name
    modes = get_dataset("three modes")
    assert modes.weights.tolist() == pytest.approx([0.5, 0.3, 0.2]) and modes.means.norm(dim=1).tolist() == pytest.approx([1.4] * 3)
    scales = {name: float(get_dataset(name).scales[0]) for name in ("three modes", "ring", "two moons", "spirals", "lattice")}
    assert scales == pytest.approx({"three modes": 0.3, "ring": 0.08, "two moons": 0.1, "spirals": 0.07, "lattice": 0.1})


def test_noise_upon_noise_of_a_board_adds_up():
    """alpha and the blur of two jumps: blur^2 = (alpha_2 blur_1)^2 + sigma_2^2."""
    path, board = Linear(), get_dataset("checkerboard")
    twice = board.diffused(path, 0.1).diffused(path, 0.2)
    assert twice.blur == pytest.approx(math.sqrt(path.alpha(0.2) ** 2 * path.sigma(0.1) ** 2 + path.sigma(0.2) ** 2))
    assert torch.allclose(twice.edges[0], board.edges[0] * path.alpha(0.1) * path.alpha(0.2))
