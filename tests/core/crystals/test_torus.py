"""The torus chapter against the wrapped normal: its law, its decay, its torn targets and what they do to a sampler."""

import math

import pytest
import torch
from scipy.stats import kstest

from core.crystals import torus
from core.crystals.torus import (
    SIGMA_MIN,
    Sites,
    along_the_way,
    cell_density,
    decay,
    exact,
    get_sites,
    jump,
    oblique,
    occupation,
    orders,
    same_law,
    sample,
    truth,
    two_sample,
)
from core.numerics.torus import wrap, wrapped_normal_score


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("sites", torus.PLACES)
def test_density_is_normalised_and_the_score_is_its_gradient(sites):
    law = get_sites(sites)
    law = Sites(law.means.double(), law.shares.double())
    axis = (torch.arange(200, dtype=torch.float64) + 0.5) / 200
    for sigma in (0.05, 0.3, 1.0):
        grid = law.density(axis, axis, sigma)
        assert float(grid.mean()) == pytest.approx(1, abs=1e-9)
        assert torch.allclose(grid.mean(0), law.marginal(axis, 0, sigma), atol=1e-9)
        x = torch.rand(50, 2, generator=rng(), dtype=torch.float64, requires_grad=True)
        log_prob = law.log_prob(x, sigma)
        (gradient,) = torch.autograd.grad(log_prob.sum(), x)
        assert torch.allclose(law.score(x, sigma), gradient, rtol=1e-6, atol=1e-9)
        assert (law.score(x, 1.2 * sigma) - gradient).norm() > 0.1 * gradient.norm()
        at = law.density(x[:1, 0].detach(), x[:1, 1].detach(), sigma)
        assert float(at) == pytest.approx(float(log_prob[0].detach().exp()))


@pytest.mark.parametrize("sigma", [0.08, 0.3, 0.6])
def test_noise_then_wrap_is_the_wrapped_normal_and_the_p_value_is_uniform(sigma):
    """Over many seeds the p-values of one coordinate must be uniform numbers; against 1.2 sigma they must not be."""
    law = get_sites("corner")

    def p_values(other):
        found = []
        for seed in range(100):
            g = rng(seed)
            wrapped = wrap(law.means[[0]] + sigma * torch.randn(300, 2, generator=g))
            found += two_sample(wrapped, law.sample(300, g, sigma=other)).p_values
        return found

    assert kstest(p_values(sigma), "uniform").pvalue > 1e-4
    if sigma < 0.5:  # wider laws are too near to uniform to be told apart with 300 atoms
        assert kstest(p_values(1.2 * sigma), "uniform").pvalue < 1e-4


def test_the_page_s_two_sample_test_accepts_all_images_and_refuses_the_nearest():
    same, nearest = same_law(sites="corner", sigma=0.3, n_particles=20_000, seed=3)
    assert same.p > 1e-3 and nearest.p < 1e-9
    assert same.p == min(1, 2 * min(same.p_values))


def test_the_score_s_target_is_the_average_over_clean_atoms():
    """Denoising: near a point, the mean target of noised atoms is what `Sites.score` says, for either target."""
    law, sigma, n = get_sites("pair"), 0.3, 400_000
    g = rng(2)
    site = torch.multinomial(law.shares, n, replacement=True, generator=g)
    x = wrap(law.means[site] + sigma * torch.randn(n, 2, generator=g))
    point = torch.tensor([[0.4, 0.42]])
    near = ((x - point).abs() < 0.05).all(1)
    for n_images in (None, 0):
        target = wrapped_normal_score(x[near] - law.means[site[near]], sigma, n_images=n_images)
        error = 4 * target.std(0) / math.sqrt(int(near.sum()))
        prediction = law.score(x[near], sigma, n_images=n_images).mean(0)
        assert ((target.mean(0) - prediction).abs() < error).all()
        assert ((target.mean(0) - 1.2 * prediction).abs() > error).any()
    far = torch.tensor([[0.74, 0.79]])
    assert (law.score(far, 0.5, n_images=0) - law.score(far, 0.5)).abs().max() > 0.5


@pytest.mark.parametrize("n_images", [0, 1, 2])
@pytest.mark.parametrize("sigma", [0.2, 0.5, 1.0])
def test_jump_is_the_closed_form(sigma, n_images):
    edge = torch.tensor([0.5 - 1e-9, 0.5 + 1e-9], dtype=torch.float64)
    left, right = wrapped_normal_score(edge, sigma, n_images=n_images)
    assert jump(sigma, n_images) == pytest.approx(float(right - left), abs=1e-6)
    assert jump(sigma, 0) == pytest.approx(1 / sigma**2)


def test_melting_has_the_exact_law_at_every_noise_level_and_decays_at_the_exact_rate():
    n = 4000
    run = sample(move="melt", sites="honeycomb", sigma_max=0.5, n_particles=n, seed=4, n_frames=31)
    sigmas = torus.schedule(0.5).sigma(run.times)
    for frame in (0, 20, 30):
        assert truth(run, sites="honeycomb", sigma=float(sigmas[frame]), frame=frame).z < 4
    assert truth(run, sites="honeycomb", sigma=1.2 * float(sigmas[20]), frame=20).z > 4
    for order in (1, 2):
        curve = decay(run, sigma_max=0.5, n=order)
        seen = curve.exact < 0.99
        assert ((curve.value - curve.exact).abs() <= 4 * curve.error)[seen].all()
        formula = torch.exp(-((2 * math.pi * order) ** 2) * (sigmas**2 - SIGMA_MIN**2) / 2)
        assert torch.allclose(curve.exact, formula, atol=1e-6)
        assert ((curve.value - formula**1.2).abs() > 4 * curve.error).any()
    assert not run.positions.lt(0).any() and not run.positions.ge(1).any()


def test_the_cloud_that_is_never_wrapped_has_the_same_law():
    drawn = exact(sites="pair", sigma_max=0.4, n_particles=2000, seed=1, n_frames=4)
    for frame, sigma in enumerate(torus.schedule(0.4).sigma(drawn.times).tolist()):
        assert truth(drawn, sites="pair", sigma=sigma, frame=frame).z < 4


def test_freezing_brings_back_the_shares_and_the_nearest_image_does_not():
    settings = dict(move="freeze", n_particles=6000, n_frames=2, seed=5, n_steps=50)
    full, nearest, three = (occupation(sample(**settings, n_images=k).final, sites="pair") for k in (None, 0, 1))
    assert abs(full.value - full.exact) < 4 * full.error < abs(full.value - 1.2 * full.exact)
    assert nearest.value - nearest.exact > 4 * nearest.error
    assert abs(three.value - full.value) < 4 * full.error


def test_too_little_noise_keeps_the_uniform_start():
    found = occupation(sample(move="freeze", sigma_max=0.1, n_particles=5000, n_frames=2).final, sites="pair")
    assert found.exact - found.value > 8 * found.error


def test_holding_leaves_only_its_own_law_alone():
    """The nearest-image score of one site has the normal cut off at half a cell as its only fixed point."""
    settings = dict(move="hold", sites="corner", sigma_max=0.3, n_steps=300, n_particles=4000, seed=2, n_frames=2)
    full, nearest = sample(**settings), sample(**settings | {"n_images": 0})
    assert truth(full, sites="corner", sigma=0.3).z < 4 < truth(nearest, sites="corner", sigma=0.3).z
    law = get_sites("corner")
    cut = law.draw(*law.uniforms(4000, rng(9)), 0.3, n_images=0)
    assert two_sample(nearest.final, cut).p > 1e-3 > two_sample(full.final, cut).p


@pytest.mark.parametrize("move", torus.MOVES)
def test_same_seed_same_bits_and_stored_frames_change_nothing(move):
    settings = dict(move=move, n_particles=50, n_steps=20, corrector="corrector-first" if move == "freeze" else "none", seed=3)
    once, again = sample(**settings), sample(**settings)
    assert torch.equal(once.positions, again.positions)
    assert not torch.equal(once.final, sample(**settings | {"seed": 4}).final)
    if move != "melt":  # there the frames are the noise levels
        assert torch.equal(once.final, sample(**settings | {"n_frames": 2}).final)


def test_both_orders_of_the_corrector_end_on_the_same_law():
    found = orders(budgets=(40,), n_particles=1000, n_repeats=2)
    floor = truth(sample(n_particles=1000, n_frames=2), sites="pair", sigma=SIGMA_MIN)
    assert set(found) == set(torus.ORDERS) and {points[0][0] for points in found.values()} == {40}
    assert all(points[0][1] < floor.floor.mean + 4 * floor.floor.std for points in found.values())
    run = sample(move="freeze", corrector="predictor-first", sites="corner")
    way = along_the_way(run, move="freeze", sites="corner", sigma_max=0.5, n_points=4)
    assert len(way.distances) == len(way.floors) == 4 and way.sigmas[0] > way.sigmas[-1]


def test_wrapped_noise_in_an_oblique_cell_is_a_density_and_the_fractional_one_is_not_round():
    lattice, sigma = oblique(60, 1.6), 0.2
    assert float(torch.linalg.det(lattice)) == pytest.approx(1)
    assert float(lattice[1].norm() / lattice[0].norm()) == pytest.approx(1.6)
    frac = torch.cartesian_prod(*[(torch.arange(60, dtype=torch.float64) + 0.5) / 60] * 2)
    for isotropic in ("fractional", "Cartesian"):
        assert float(cell_density(frac @ lattice, lattice, sigma, isotropic=isotropic).mean()) == pytest.approx(1, abs=1e-9)
    shift = torch.tensor([[2.0, -3.0]], dtype=torch.float64) @ lattice
    x = torch.rand(5, 2, generator=rng(), dtype=torch.float64)
    angle = torch.linspace(0, 2 * math.pi, 9, dtype=torch.float64)
    ring = 0.1 * torch.stack([angle.cos(), angle.sin()], -1)
    spread = {}
    for isotropic in ("fractional", "Cartesian"):
        assert torch.allclose(
            cell_density(x + shift, lattice, sigma, isotropic=isotropic), cell_density(x, lattice, sigma, isotropic=isotropic)
        )
        around = cell_density(ring, lattice, 0.05, isotropic=isotropic)
        spread[isotropic] = float((around.max() - around.min()) / around.max())
    assert spread["Cartesian"] < 1e-9 < 0.3 < spread["fractional"]


@pytest.mark.parametrize(
    "wrong",
    [
        dict(move="boil"),
        dict(sites="nowhere"),
        dict(corrector="often"),
        dict(sigma_max=0.02),
        dict(n_steps=0),
        dict(n_images=-1),
        dict(n_particles=0),
    ],
)
def test_bad_settings_are_named(wrong):
    with pytest.raises(ValueError):
        sample(**wrong)
    with pytest.raises(ValueError):
        oblique(0, 1)
    with pytest.raises(ValueError):
        cell_density(torch.zeros(1, 2), torch.eye(2), 0.1, isotropic="neither")


def test_constants_by_value():
    """Noise from 0.02 of an edge; a held run counts its time in sigma^2, its step a fifth of the size asked for."""
    assert SIGMA_MIN == 0.02 and float(torus.schedule(0.5).sigma(0.0)) == pytest.approx(0.02)
    assert get_sites("pair").shares.tolist() == [0.75, 0.25]
    held = sample(move="hold", size=0.1, n_steps=40, n_particles=3, n_frames=2)
    assert float(held.times[-1]) == pytest.approx(40 * 0.02)


def test_the_error_of_an_occupation_is_that_of_a_share():
    """sqrt(p (1 - p)/n) with p = 3/4: exact draws differ from p by it."""
    found = occupation(get_sites("pair").sample(400, rng(), sigma=0.02), sites="pair")
    assert found.error == pytest.approx(math.sqrt(0.75 * 0.25 / 400)) and abs(found.value - 0.75) < 4 * found.error


@pytest.mark.parametrize("isotropic", ["fractional", "Cartesian"])
def test_a_cell_of_any_area_holds_one_atom(isotropic):
    """Density per area times the area; narrow noise of the same volume has its peak at 1/(2 pi sigma^2 area) for both."""
    lattice, sigma = 1.5 * oblique(70, 1.3), 0.05
    frac = torch.cartesian_prod(*[(torch.arange(80, dtype=torch.float64) + 0.5) / 80] * 2)
    assert float(cell_density(frac @ lattice, lattice, sigma, isotropic=isotropic).mean()) * 2.25 == pytest.approx(1, abs=1e-9)
    peak = cell_density(torch.zeros(1, 2, dtype=torch.float64), lattice, sigma, isotropic=isotropic)
    assert float(peak) == pytest.approx(1 / (2 * math.pi * sigma**2 * 2.25))


def test_question_of_the_wave_agrees_with_a_melt():
    for sigma, expected in ((0.1, 0), (0.35, 1), (0.6, 2)):
        answer, said = torus.wave_left(sigma)
        found = torus.decay(torus.sample(move="melt", sigma_max=sigma, n_particles=20_000), sigma_max=sigma)
        assert answer == expected
        assert abs(float(found.value[-1]) - float(said.rsplit("= ", 1)[1].split(" ")[0])) < 4 * float(found.error[-1]) + 0.005


def test_question_of_the_tear_measures_the_score_on_both_sides():
    for sigma, n_images, expected in ((0.5, 0, 0), (2.0, 0, 1), (0.5, 1, 1), (0.5, 3, 2), (1.0, 3, 1), (0.1, 1, 2)):
        answer, _ = torus.size_of_the_tear(sigma, n_images)
        sides = wrapped_normal_score(torch.tensor([-0.5, 0.5 - 1e-9], dtype=torch.float64), sigma, n_images=n_images)
        tear = float(sides[0] - sides[1]) * sigma
        assert answer == expected == (0 if tear >= 1 else 1 if tear >= 1e-3 else 2)


@pytest.mark.parametrize("move", torus.MOVES)
def test_the_first_atoms_alone_take_the_paths_that_they_take_among_all(move):
    settings = dict(move=move, n_images=1, n_steps=20, corrector="predictor-first" if move == "freeze" else "none", n_particles=500, seed=3)
    whole, part = sample(**settings), sample(**settings, first=37)
    assert torch.equal(part.positions, whole.positions[:, :37]) and torch.equal(part.times, whole.times)
    assert torch.equal(exact(n_particles=500, first=37).positions, exact(n_particles=500).positions[:, :37])


def test_many_noise_levels_at_once_are_one_after_the_other():
    law, sigmas, axis = get_sites("pair"), torch.tensor([0.02, 0.1, 0.3, 0.31, 0.8]), torch.linspace(0, 1, 23)
    x = torch.rand(40, 2, generator=rng())
    for at_once, one in (
        (law.density(axis, axis[:7], sigmas), lambda sigma: law.density(axis, axis[:7], sigma)),
        (law.marginal(axis, 1, sigmas), lambda sigma: law.marginal(axis, 1, sigma)),
        (law.score(x, sigmas), lambda sigma: law.score(x, sigma)),
        (law.score(x, sigmas, n_images=0), lambda sigma: law.score(x, sigma, n_images=0)),
    ):
        each = torch.stack([one(sigma) for sigma in sigmas.tolist()])
        assert at_once.shape == each.shape and torch.allclose(at_once, each, rtol=1e-4, atol=1e-4 * float(each.abs().max()))


def test_question_of_the_first_site_is_graded_by_the_moat():
    right, said = torus.fuller_first_site(4000)
    assert right == 1 and "exact draws: 75 ±" in said
