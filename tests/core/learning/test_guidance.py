"""Guidance: the tilt is exact, both ends are exact, the gap is real and is the one that theory names, and it can be mended."""

import math

import pytest
import torch
from scipy.integrate import solve_ivp

from core.learning import guidance as g
from core.learning.labelled import LABELLED, get_labelled
from core.numerics.densities import GaussianMixture
from core.numerics.integrators import ancestral, dpm_solver_pp_2m
from core.numerics.parametrisation import exact_score, guided, pushed
from core.numerics.tabulated import Tabulated


def far(**setting):
    common = {key: setting.get(key, default) for key, default in (("dataset", "three classes"), ("label", 0), ("gamma", 3.0))}
    return g.truth(g.sample(**setting), **common)


@pytest.mark.parametrize("dataset", LABELLED)
@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_both_ends_of_the_slider_are_exact(dataset, gamma):
    assert far(dataset=dataset, gamma=gamma).z < 4
    data = get_labelled(dataset)
    law = g.tilt(dataset, 0, gamma).diffused(g.PATH, 0.05)
    exact = (data.given(0) if gamma else data.density).diffused(g.PATH, 0.05)
    x = exact.sample(300, torch.Generator().manual_seed(1))
    assert (law.log_prob(x) - exact.log_prob(x)).abs().max() < 0.02


@pytest.mark.parametrize("dataset", LABELLED)
def test_beyond_them_guided_diffusion_is_not_the_tilt_and_the_noised_tilt_is(dataset):
    assert far(dataset=dataset, gamma=4.0).z > 4 > far(dataset=dataset, gamma=4.0, guide="tilt").z


def test_langevin_steps_and_weights_bring_it_back():
    assert far(gamma=3.0, walk="corrected").z < 4 < far(gamma=3.0, walk="SDE").z
    with_weights = far(gamma=2.0, walk="reweighted", n_steps=300)
    assert with_weights.value < far(gamma=2.0, walk="SDE", n_steps=300).value


GAUSS = GaussianMixture.of(1.0, [[0.0]], 1.0), GaussianMixture.of(1.0, [[0.8]], 0.6)


def gaussian_answers(gamma):
    """(mean, variance) of guided diffusion by its moment equations, and of the tilt in closed form.

    p = N(0, 1) and p(x|y) = N(0.8, 0.6^2). The field is linear, s = -a(t) x + b(t): along the probability
    flow dm/dt = -beta/2 (m + s(m)), dv/dt = -beta (v - a v).
    """

    def rates(t, y):
        alpha2, sigma2 = g.PATH.alpha_bar(t), g.PATH.sigma(t) ** 2
        var = alpha2 * 0.36 + sigma2
        a, b = (1 - gamma) + gamma / var, gamma * math.sqrt(alpha2) * 0.8 / var
        return [-0.5 * g.PATH.beta(t) * (y[0] - a * y[0] + b), -g.PATH.beta(t) * (1 - a) * y[1]]

    end = solve_ivp(rates, (1.0, g.PATH.t_min), [0.0, 1.0], rtol=1e-9, atol=1e-12).y[:, -1]
    precision = (1 - gamma) + gamma / 0.36
    return tuple(end), (gamma * 0.8 / 0.36 / precision, 1 / precision)


def test_a_gaussian_where_both_answers_are_known():
    """Guided moments follow their own equation, within 4 standard errors; those of the tilt are elsewhere."""
    gamma, n = 3.0, 20_000
    (mean, var), (tilt_mean, tilt_var) = gaussian_answers(gamma)
    field = guided(exact_score(GAUSS[0], g.PATH), exact_score(GAUSS[1], g.PATH), gamma)
    *_, x = dpm_solver_pp_2m(
        field, g.PATH, torch.randn(n, 1, generator=torch.Generator().manual_seed(2)), g.PATH.time_grid(200, spacing="log-SNR")
    )
    for found, exact, tilted, error in ((x.mean(), mean, tilt_mean, math.sqrt(var / n)), (x.var(), var, tilt_var, var * math.sqrt(2 / n))):
        assert abs(float(found) - exact) < 4 * error < abs(float(found) - tilted)
        assert abs(float(found) - 1.2 * exact) > 4 * error
    assert var < tilt_var and mean > tilt_mean  # narrower and farther


def test_weights_turn_the_gaussian_into_its_tilt():
    """1-D, gamma = 2, 400 steps: mean and variance of the tilt within 4 standard errors of half as many particles, guided ones outside."""
    gamma, n, times = 2.0, 20_000, g.PATH.time_grid(400, spacing="log-SNR")
    free, given = (exact_score(law, g.PATH) for law in GAUSS)
    field, start = guided(free, given, gamma), torch.randn(n, 1, generator=torch.Generator().manual_seed(3))
    *_, x = g.reweighted(field, lambda y, t: given(y, t) - free(y, t), gamma, start, times, generator=torch.Generator().manual_seed(4))
    *_, plain = ancestral(field, g.PATH, start, times, generator=torch.Generator().manual_seed(4))
    _, (mean, var) = gaussian_answers(gamma)
    var = g.PATH.alpha_bar(0.01) * var + g.PATH.sigma(0.01) ** 2
    mean *= g.PATH.alpha(0.01)
    for sample, inside in ((x, True), (plain, False)):
        off = abs(float(sample.mean()) - mean) / math.sqrt(2 * var / n), abs(float(sample.var()) - var) / (var * math.sqrt(4 / n))
        assert (max(off) < 4) == inside, (inside, off)


def test_the_weights_of_one_step_by_hand():
    """d log w = g^2/2 gamma (gamma - 1) |push|^2 dt: of two equal groups, one pushed so that its weight is e, e/(1 + e) is drawn."""
    gamma, t, t_next, n = 3.0, 0.02, 0.01, 4000
    beta = 0.1 + 19.9 * t
    push = math.sqrt(1 / (0.5 * beta * gamma * (gamma - 1) * (t - t_next)))
    x = torch.tensor([100.0, -100.0]).repeat_interleave(n // 2)[:, None]

    def still(y, time):
        return torch.zeros_like(y)

    *_, drawn = g.reweighted(
        still, lambda y, time: push * (y > 0), gamma, x, torch.tensor([t, t_next]), generator=torch.Generator().manual_seed(0)
    )
    share = float((drawn > 0).double().mean())
    assert share == pytest.approx(math.e / (1 + math.e), abs=2 / n)  # systematic resampling is off by at most one particle


def test_particles_are_drawn_anew_when_fewer_than_half_count():
    """A quarter weighs w, the rest 1, and (w/4 + 3/4)^2/(w^2/4 + 3/4) of all count: 0.33 for w = 20, 0.93 for w = 2."""
    times, n, gamma = torch.tensor([0.03, 0.02, 0.01]), 4000, 3.0
    x = torch.cat([torch.full((n // 4, 1), 100.0), torch.full((3 * n // 4, 1), -100.0)])
    for w, share in ((20.0, 5 / 5.75), (2.0, 0.25)):
        push = math.sqrt(math.log(w) / (0.5 * (0.1 + 19.9 * 0.03) * gamma * (gamma - 1) * 0.01))
        states = g.reweighted(
            lambda y, t: 0 * y, lambda y, t, p=push: p * (y > 0), gamma, x, times, generator=torch.Generator().manual_seed(0)
        )
        _, second, _ = states
        assert float((second > 0).double().mean()) == pytest.approx(share, abs=2 / n)


def test_the_clean_classifier_is_the_gradient_of_log_p_y_given_x():
    data, x = get_labelled("island"), torch.randn(30, 2, generator=torch.Generator().manual_seed(3)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(data.log_class(x, 1).sum(), x)
    assert torch.allclose(g.clean_gradient(data, 1)(x.detach(), 0.7), gradient, rtol=1e-3, atol=1e-3)


def test_the_missing_term_by_finite_differences():
    """source = gamma (gamma - 1)/2 E|sigma grad log p_t(y|x)|^2 over the noised tilt, the gradient by autograd of log p(y|x)."""
    found, data, law = g.gap(dataset="island", label=0, gamma=2.5, n_t=4), get_labelled("island"), g.tilt("island", 0, 2.5)
    generator = torch.Generator().manual_seed(9)
    x0, eps = law.sample(400, generator), torch.randn(400, 2, generator=generator)
    for k, t in enumerate(found.t.tolist()):
        sigma = g.PATH.sigma(t)
        x = (g.PATH.alpha(t) * x0 + sigma * eps).double().requires_grad_(True)
        noised = data.density.to(torch.float64).diffused(g.PATH, t)
        (push,) = torch.autograd.grad(data.log_class(x, 0, noised).sum(), x)
        assert float(found.source[k]) == pytest.approx(2.5 * 1.5 / 2 * sigma**2 * float(push.square().sum(1).mean()), rel=1e-2)
        wanted = law.diffused(g.PATH, t).score(x.detach().float())
        score = noised.score(x.detach()) + 2.5 * push
        assert float(found.gap[k]) == pytest.approx(sigma * float((score - wanted).square().sum(1).mean().sqrt()), rel=1e-2)


def test_constants_by_value():
    """Six Langevin steps of size 0.12 at each level, to t = 0.01; the spread of a class is the root of the trace of its covariance."""
    assert (g.CORRECTIONS, g.SNR, g.PATH.t_min, g.GAMMA_MAX) == (6, 0.12, 0.01, 10.0)
    x = get_labelled("island").given(0).sample(100_000, torch.Generator().manual_seed(1))
    assert g.quality(x, "island", 0).diversity == pytest.approx(1.0, abs=0.02)
    assert math.sqrt(float(x.var(0).sum())) == pytest.approx(g._spread(get_labelled("island"), 0), rel=0.02)


def test_labelled_data_by_value():
    """Three clouds of width 0.45 at 1.05 from the centre with shares 0.4, 0.35, 0.25."""
    data = get_labelled("three classes")
    assert [data.share(k) for k in range(3)] == pytest.approx([0.4, 0.35, 0.25])
    assert data.density.means.norm(dim=1).tolist() == pytest.approx([1.05] * 3) and data.density.scales.tolist() == pytest.approx(
        [0.45] * 3
    )
    x, labels = data.sample(40_000, torch.Generator().manual_seed(0))
    first = x[labels == 0]
    assert abs(float(first.std(0).mean()) - 0.45) < 4 * 0.45 / math.sqrt(4 * len(first))
    for name in LABELLED:
        some = get_labelled(name)
        classes = torch.stack([some.log_class(x[:50], k).exp() for k in range(len(some.names))])
        assert torch.allclose(classes.sum(0), torch.ones(50), atol=1e-5)
        assert float(some.given(0).weights.sum()) == pytest.approx(1.0)


def test_the_guided_density_misses_the_noising_equation_by_the_stated_term():
    """d log q/dt + f d + f x.grad log q - g^2/2 (lap log q + |grad log q|^2) = g^2/2 gamma (1-gamma) |grad log p_t(y|x)|^2."""
    data, gamma, t, h = get_labelled("three classes"), 3.0, 0.3, 1e-4
    law = data.density.to(torch.float64)
    given = data.given(0).to(torch.float64)
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)

    def log_q(y, s):
        return (1 - gamma) * law.diffused(g.PATH, s).log_prob(y) + gamma * given.diffused(g.PATH, s).log_prob(y)

    slope = (log_q(x, t + h) - log_q(x, t - h)) / (2 * h)
    free, told = law.diffused(g.PATH, t), given.diffused(g.PATH, t)
    score = (1 - gamma) * free.score(x) + gamma * told.score(x)
    laplacian = (1 - gamma) * free.score_divergence(x) + gamma * told.score_divergence(x)
    residual = slope + 2 * g.PATH.f(t) + g.PATH.f(t) * (x * score).sum(1) - 0.5 * g.PATH.g2(t) * (laplacian + score.square().sum(1))
    stated = 0.5 * g.PATH.g2(t) * gamma * (1 - gamma) * (told.score(x) - free.score(x)).square().sum(1)
    assert torch.allclose(residual, stated, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(residual, 1.2 * stated, rtol=1e-2)


def test_the_gap_vanishes_where_it_should():
    """Zero at gamma 0 and 1 at every t; at gamma 3 zero at the end of the walk and large on the way."""
    for gamma in (0.0, 1.0):
        assert float(g.gap(dataset="three classes", label=0, gamma=gamma).gap.max()) < 0.01
    found = g.gap(dataset="three classes", label=0, gamma=3.0)
    assert float(found.gap[-1]) < 0.02 < 0.5 < float(found.gap.max())
    assert torch.equal(found.gap, found.exact_gap) and float(found.source.min()) >= 0


def test_classifier_and_classifier_free_are_one_when_exact():
    data = get_labelled("island")
    free, given = exact_score(data.density, g.PATH), exact_score(data.given(0), g.PATH)
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(6)).requires_grad_(True)
    law = data.density.diffused(g.PATH, 0.2)
    (gradient,) = torch.autograd.grad(data.log_class(x, 0, law).sum(), x)
    x = x.detach()
    by_class = pushed(free, lambda y, t: gradient, 2.5)(x, 0.2)
    assert torch.allclose(by_class, guided(free, given, 2.5)(x, 0.2), atol=1e-3)
    assert not torch.allclose(by_class, guided(free, given, 3.0)(x, 0.2), atol=1e-2)


@pytest.mark.parametrize("dataset", LABELLED)
def test_shipped_networks_know_the_scores(dataset):
    """Squared error below 3 % without and with a label at sigma/alpha = 0.3 and 1; classifier within 0.01 nats; gamma = 1 lands near."""
    score, classifier = g.networks(dataset)
    data = get_labelled(dataset)
    for ratio in (0.3, 1.0):
        t = g.PATH.time_at(ratio)
        for label, law in ((None, data.density), (0, data.given(0)), (1, data.given(1))):
            law = law.diffused(g.PATH, t)
            x = law.sample(2000, torch.Generator().manual_seed(7))
            exact, guess = law.score(x), score.as_score(g.PATH, label)(x, t)
            assert (guess - exact).square().sum() < 0.03 * exact.square().sum() < (1.2 * guess - exact).square().sum()
        law = data.density.diffused(g.PATH, t)
        x = law.sample(2000, torch.Generator().manual_seed(8))
        exact = torch.stack([data.log_class(x, label, law) for label in range(len(data.names))], 1)
        with torch.no_grad():
            assert float((exact.exp() * (exact - classifier(x, torch.full((1, 1), ratio).log()))).sum(1).mean()) < 0.01
    for guide in ("classifier-free", "classifier"):
        clean = far(dataset=dataset, gamma=1.0, guide="clean classifier")
        learned = far(dataset=dataset, gamma=1.0, guide=guide)
        assert learned.ratio < 9 and learned.value < clean.value and clean.z > 4


def test_more_guidance_is_more_fidelity_and_less_diversity():
    found = g.sweep(dataset="three classes", label=0, gammas=(0, 1, 3, 10), n_particles=800)
    fidelity, diversity = ([getattr(q, name) for q in found.guided] for name in ("fidelity", "diversity"))
    assert fidelity == sorted(fidelity) and diversity == sorted(diversity, reverse=True)
    assert found.tilted[1].diversity == pytest.approx(1.0, abs=1e-3) and found.tilted[0].fidelity == pytest.approx(0.4, abs=1e-3)
    assert found.guided[3].diversity < 0.8 * found.tilted[3].diversity


def test_the_tilt_of_two_gaussians_is_a_gaussian():
    """p = N(0, 1), p(x|y) = N(m, s^2) in two dimensions: precision (1 - gamma) + gamma/s^2."""
    p, given = GaussianMixture.of(1.0, [[0.0, 0.0]], 1.0, torch.float64), GaussianMixture.of(1.0, [[0.8, 0.0]], 0.6, torch.float64)
    table = Tabulated.of(lambda x: (1 - 3.0) * p.log_prob(x) + 3.0 * given.log_prob(x))
    mean, _, square = table.mean(lambda x: torch.stack([x[:, 0], x[:, 1], x[:, 0] ** 2], 1)).tolist()
    _, (exact_mean, exact_var) = gaussian_answers(3.0)
    assert mean == pytest.approx(exact_mean, abs=1e-6) and square - mean**2 == pytest.approx(exact_var, abs=1e-6)


@pytest.mark.parametrize("bad", [{"gamma": 11.0}, {"label": 3}, {"dataset": "x"}, {"walk": "x"}, {"guide": "x"}, {"n_steps": 0}])
def test_what_makes_no_walk_is_named(bad):
    with pytest.raises(ValueError):
        g.sample(**bad)


def test_question_of_the_better_fit_cannot_tell_the_exact_ends_and_sees_overshoot():
    def answer(gamma, walk="ODE"):
        return g.surer(g.sample(gamma=gamma, walk=walk, n_frames=1).final, "three classes", 0, gamma)[0]

    assert [answer(gamma) for gamma in (0.0, 0.5, 1.0, 3.0)] == [2, 1, 2, 0]
    assert answer(3.0, "corrected") == 2


def test_surer_counts_in_three_standard_errors():
    """Draws of the tilt itself, 200 times 300 of them: told apart in 0.27 % (the normal law's share beyond three), within four errors."""
    exact = g.tilt("three classes", 0, 2.0).diffused(g.PATH, g.PATH.t_min).sample(60_000, torch.Generator().manual_seed(5))
    told = [g.surer(x, "three classes", 0, 2.0, seed=100 + k)[0] != 2 for k, x in enumerate(exact.float().split(300))]
    share = 0.0027
    assert sum(told) / 200 <= share + 4 * math.sqrt(share * (1 - share) / 200)


def test_question_of_what_is_sampled_for_every_label():
    """At gamma 1 the density itself; at 4 something narrower, but around class B on the island, where it is wider."""
    assert g.what_it_samples("three classes", 0, 1.0)[0] == 0
    found = {
        (dataset, label): g.what_it_samples(dataset, label, 4.0) for dataset, label in (("three classes", 0), ("island", 0), ("island", 1))
    }
    assert [answer for answer, _ in found.values()] == [1, 2, 1]
    assert all(said.startswith("Mean of 5 runs: its distance is ") for _, said in found.values())


def test_question_of_the_gap_is_nowhere_where_guidance_is_exact():
    def answer(gamma, **more):
        return g.where_it_misleads(g.gap(dataset="three classes", label=0, gamma=gamma, **more))[0]

    assert [answer(gamma) for gamma in (0.0, 1.0, 3.0)] == [3, 3, 1]
    assert answer(3.0, guide="clean classifier") == 0, "a classifier that never saw noise misleads most where there is most"


@pytest.mark.parametrize("walk", g.WALKS)
def test_the_first_particles_alone_take_the_same_paths(walk):
    setting = dict(walk=walk, n_steps=20, n_particles=700, seed=5)
    few = g.sample(**setting, first=150)
    assert few.n_particles == 150
    assert torch.allclose(few.positions, g.sample(**setting).positions[:, :150], atol=1e-4)
