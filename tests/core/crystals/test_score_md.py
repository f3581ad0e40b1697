"""One score for sampling and dynamics: both uses of the exact score against quadrature, and what the shipped networks make of it."""

import math

import pytest
import torch

from core.crystals import score_md
from core.crystals.molecular_landscapes import LANDSCAPES, MullerBrownLandscape, TorusLandscape, get_landscape
from core.crystals.score_md import exact_free_energies, free_energies
from core.numerics.potentials import MullerBrown
from core.numerics.quadrature import boltzmann_law
from core.numerics.trajectory import Trajectory

MB, TORUS = "Müller–Brown", "two dihedrals"
NAMES = (MB, TORUS)


def within(found, exact, errors=4.0):
    return all(abs(v - e) < errors * s for v, e, s in zip(found.values, exact, found.errors, strict=True))


def test_muller_brown_is_the_published_surface_at_kT_23():
    """By another quadrature, on a grid of the picture, with the basins parted by the same saddle: y < 0.624 + 0.55 (x + 0.822)."""
    law = boltzmann_law(MullerBrown(), 23.0, (-2.6, 2.0, -1.4, 3.2), 500)
    y, x = torch.meshgrid(law.y, law.x, indexing="ij")
    below = float(law.probability[y < 0.624 + 0.55 * (x + 0.822)].sum())
    assert exact_free_energies(MB)[0] == pytest.approx(math.log((1 - below) / below), abs=2e-3)
    surface = MullerBrownLandscape()
    assert torch.allclose(surface.grid_moments()[0], torch.zeros(2).double(), atol=1e-4)
    assert surface.grid_moments()[1] == pytest.approx(1.0, abs=1e-4)


def test_the_torus_has_the_stated_wells():
    """U is -ln p of three wrapped normals of weights 0.50, 0.30, 0.12 on an even floor, at the stated places (checked by value)."""
    law = TorusLandscape.law
    assert law.weights.tolist() == [0.50, 0.30, 0.12] and law.even == pytest.approx(0.08)
    assert torch.allclose(law.means.rad2deg(), torch.tensor([[-80, 145], [-75, -25], [55, 45]]).double())
    assert torch.allclose(law.widths.rad2deg(), torch.tensor([[24, 26], [22, 23], [19, 21]]).double())


@pytest.mark.parametrize("name", NAMES, ids=["plane", "torus"])
def test_force_is_minus_the_slope_of_the_energy(name):
    surface = get_landscape(name)
    x = surface.law.sample(50, torch.Generator().manual_seed(0)).double()
    step = 1e-5
    for d, e in enumerate((step * torch.eye(2, dtype=torch.float64)).split(1)):
        slope = (surface.energy(x + e) - surface.energy(x - e)) / (2 * step)
        assert torch.allclose(surface.force(x)[:, d], -slope, atol=1e-5)
    assert torch.allclose(surface.placed(surface.shown(x)), x, atol=1e-9)


@pytest.mark.parametrize("name", NAMES, ids=["plane", "torus"])
def test_noised_points_have_the_exact_law(name):
    """Weights of the basins at noise time 0.2, and the mean of the target over all noised points, which is zero for every law."""
    surface, n, t = get_landscape(name), 40_000, 0.2
    generator = torch.Generator().manual_seed(3)
    x, target = surface.noised(surface.law.sample(n, generator), torch.full((n, 1), t), generator)
    assert within(free_energies(x, name), exact_free_energies(name, t))
    assert bool((target.mean(0).abs() < 4 * target.std(0) / math.sqrt(n)).all())
    assert float((target * x).sum(1).mean() + 2) == pytest.approx(0, abs=0.2) or surface.periodic  # <x . score> = -D on the plane


@pytest.mark.parametrize("name", NAMES, ids=["plane", "torus"])
def test_target_is_the_slope_of_the_kernel(name):
    """E[target | x_t] is the score: matched by a dot product with the exact score, <target . s> = <s . s>."""
    surface, n, t = get_landscape(name), 40_000, 0.1
    generator = torch.Generator().manual_seed(4)
    x, target = surface.noised(surface.law.sample(n, generator), torch.full((n, 1), t), generator)
    score = surface.diffused(t).score(x)
    gap = ((target - score) * score).sum(1)
    assert abs(float(gap.mean())) < 4 * float(gap.std()) / math.sqrt(n) < 0.2 * float(score.square().sum(1).mean())


@pytest.mark.parametrize("name", NAMES, ids=["plane", "torus"])
def test_denoising_by_the_exact_score_fills_the_basins(name):
    ends = score_md.sample(landscape=name, model="exact", n_particles=4000, seed=1, n_frames=2).final
    assert within(free_energies(ends, name), exact_free_energies(name))
    assert score_md.truth(ends, landscape=name).ratio < 2


@pytest.mark.parametrize("name", NAMES, ids=["plane", "torus"])
def test_dynamics_by_the_exact_force_forgets_its_basin(name):
    run = score_md.dynamics(landscape=name, model="exact", t=0.0, duration=48.0, start="one basin", n_particles=1500, seed=1, n_frames=5)
    surface = get_landscape(name)
    assert bool((surface.basin_of(run.positions[0]) == 0).all())
    assert within(free_energies(run.final, name), exact_free_energies(name))
    early = free_energies(run.positions[1], name)
    assert early.values[0] > exact_free_energies(name)[0] + 2 * early.errors[0]  # a quarter of the way it still remembers


def test_steps_longer_than_two_over_the_curvature_throw_particles_out():
    """2/k by value: k = 48.2 at the deepest minimum of Müller and Brown in units of the model."""
    assert score_md.longest_step(MB) == pytest.approx(2 / 48.22, rel=1e-3)

    def inside(dt):
        final = score_md.dynamics(landscape=MB, model="exact", t=0.0, dt=dt, duration=8.0, start="exact", n_particles=300).final
        return float((final.abs() < 3.6).all(1).double().mean())

    assert inside(0.01) > 0.99 and inside(0.4) < 0.8


def test_counted_free_energies_by_hand():
    surface = get_landscape(TORUS)
    centres = surface.law.means.float()
    x = centres[torch.tensor([0] * 6 + [1] * 3 + [2] * 2)]
    found = free_energies(torch.cat([x, torch.full((4, 2), math.nan)]), TORUS)
    assert found.values == pytest.approx((math.log(2), math.log(3)))
    assert found.errors == pytest.approx((math.sqrt(1 / 6 + 1 / 3), math.sqrt(1 / 6 + 1 / 2)))
    assert found.off((math.log(2), 0.0)) == pytest.approx(math.log(3))
    assert free_energies(x[:6], TORUS).values == (math.inf, math.inf)


def test_profile_counts_a_density():
    n = 20_000
    x = get_landscape(MB).law.sample(n, torch.Generator().manual_seed(5))
    found = score_md.profile(x, MB, 1, bins=24)
    seen = found.counted.isfinite() & (found.exact < 5)
    pull = ((found.counted - found.exact) / found.error)[seen]
    assert float(found.exact.min()) == 0 and float(pull.square().mean()) < 1 + 4 * math.sqrt(2 / int(seen.sum()))


@pytest.mark.parametrize("name", NAMES, ids=["plane", "torus"])
def test_the_first_particles_take_the_paths_that_they_take_in_the_crowd(name):
    for run in (score_md.sample, score_md.dynamics):
        how = dict(landscape=name, model="exact", n_particles=60, seed=4, n_frames=3)
        short = {"n_steps": 5} if run is score_md.sample else {"duration": 0.1, "t": 0.0}
        whole, part = run(**how, **short), run(**how, **short, first=7)
        assert isinstance(whole, Trajectory)
        assert torch.allclose(whole.positions[:, :7], part.positions, atol=1e-5)


def test_the_dynamics_starts_where_it_is_said():
    surface, how = get_landscape(TORUS), dict(landscape=TORUS, model="exact", n_particles=200, seed=3)
    ends = score_md.sample(n_steps=20, **how).final
    assert torch.equal(score_md.starting_points(start="denoised", n_denoise=20, **how), ends)
    assert torch.allclose(score_md.dynamics(t=0.0, duration=0.1, n_denoise=20, **how).positions[0], ends, atol=1e-5)
    assert bool((surface.basin_of(score_md.starting_points(start="one basin", **how)) == 0).all())
    assert len(set(surface.basin_of(score_md.starting_points(start="exact", **how)).tolist())) == 3


def test_what_makes_no_run_is_refused():
    with pytest.raises(ValueError, match="landscape"):
        score_md.sample(landscape="hill")
    with pytest.raises(ValueError, match="model"):
        score_md.sample(model="oracle")
    with pytest.raises(ValueError, match="start"):
        score_md.dynamics(model="exact", start="nowhere")
    with pytest.raises(ValueError, match="noise time"):
        score_md.dynamics(model="exact", t=1.5)
    with pytest.raises(ValueError, match="dt"):
        score_md.dynamics(model="exact", dt=0.0)


def test_question_of_the_blurred_force_is_answered_by_quadrature():
    for name in LANDSCAPES:
        for t in (1e-4, 0.1, 0.14, 0.16, 0.18, 0.2, 0.22, 0.3):
            off = max(abs(a - b) for a, b in zip(exact_free_energies(name), exact_free_energies(name, t), strict=True))
            assert score_md.blurred_force(name, t)[0] == (0 if off < 0.05 else 1 if off <= 0.2 else 2)
        assert score_md.blurred_force(name, 1e-4)[0] == 0 and score_md.blurred_force(name, 0.3)[0] == 2


def test_question_of_time_zero_counts_the_lost():
    assert score_md.at_time_zero(MB, "exact")[0] == 0
