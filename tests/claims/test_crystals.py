"""What the chapters of the fourth part state in numbers."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from core.crystals import conditioning, landscape, representation, score_md, torus
from core.generator.model.adapter import Adapter, AdapterConfig, conditions
from core.generator.registry import load_model
from core.generator.sampling.symmetry import symmetry_of
from core.metrics import matching
from core.metrics.comparison import compare
from core.numerics import rigid_molecule
from core.numerics.torus import wrapped_normal_score, wrapped_normal_score_rms
from core.structures.builtin import STRUCTURES
from core.structures.crystal import Crystal
from core.structures.space_groups import group_of
from tests.claims.sentences import claim, numbers


@claim("torus", "torn at half a cell", "too small to see up to")
def test_the_tear_of_the_nearest_image_and_of_one_more():
    for sigma in (0.05, 0.2, 0.5):
        assert torus.jump(sigma, 0) == pytest.approx(1 / sigma**2, rel=1e-6)
    (sigma,) = numbers("torus", r"too small to see up to σ ≈ ([\d.]+)")
    assert torus.jump(sigma, 1) < 0.01 / sigma < torus.jump(1.5 * sigma, 1)


@claim("torus", "It dies as", "64 % of it", "At σ = 0.5 the cell")
def test_the_first_mode_dies_at_the_rate_of_the_text():
    wide, percent, wider, digit, power = numbers("torus", r"at σ = ([\d.]+) it is down to ([\d.]+) %, at σ = (\d) to (\d) · 10([⁻⁰-⁹]+)\.")
    sigma, left = numbers("torus", r"Stop at σ = ([\d.]+) and (\d+) % of it is still there")
    mode = lambda s: math.exp(-((2 * math.pi * s) ** 2) / 2)  # noqa: E731
    assert round(100 * mode(wide), 1) == percent and round(100 * mode(sigma)) == left
    assert round(mode(wider) / 10**power) == digit
    assert torus.wave_left(wide)[0] == 1
    true = wrapped_normal_score(torch.linspace(-0.5, 0.5, 201, dtype=torch.float64), wide).abs().max()
    assert float(true) < 0.15 < 0.5 / wide**2  # beside the pull of the nearest image at half a cell


@claim("torus", "A network asked for it directly", "A score has the size of", "still fades once")
def test_the_size_of_the_score_over_the_schedule():
    large, small = numbers("torus", r"must answer (\d+) at one end of the schedule and less than ([\d.]+) at the other")
    assert float(wrapped_normal_score_rms(torus.SIGMA_MIN)) == pytest.approx(large, rel=0.02) == 1 / torus.SIGMA_MIN
    assert float(wrapped_normal_score_rms(0.5)) < small * 2 and float(wrapped_normal_score_rms(0.55)) < small
    (full,) = numbers("torus", r"once the cell is full \(σ > ([\d.]+)\)")
    scaled = [s * float(wrapped_normal_score_rms(s)) for s in (0.5 * full, full, 2 * full)]
    assert scaled[0] == pytest.approx(1, abs=0.02) and scaled[0] > scaled[1] > scaled[2] < 0.1


@claim("torus", "adding Gaussian noise and taking mod 1")
@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.8])
def test_noise_then_wrap_is_the_wrapped_normal(sigma):
    assert min(test.p for test in torus.same_law(sites="pair", sigma=sigma, seed=3)) > 1e-3


@claim("torus", "has the fractional covariance")
def test_round_noise_in_space_has_this_covariance_in_fractions():
    L, sigma = torch.tensor([[2.0, 0.3], [0.7, 1.1]], dtype=torch.float64), 0.4  # rows are edges, x = f L
    back = torch.linalg.inv(L)
    assert torch.allclose(sigma**2 * back.T @ back, sigma**2 * torch.linalg.inv(L @ L.T))


@claim("representation", "4a becomes 4b")
def test_rock_salt_moved_by_half_a_diagonal_changes_its_letters():
    story = representation.sample(structure="rock salt NaCl", origin=0.5, n_frames=2)
    before, after = ({orbit.name for orbit in representation.symmetry(one).orbits} for one in (story.written, story.described))
    assert before == {"Na 4a", "Cl 4b"} and after == {"Na 4b", "Cl 4a"}


@claim("representation", "At 0.1 Å, the usual choice")
def test_the_tolerance_decides_about_the_group():
    (tolerance,) = numbers("representation", r"At ([\d.]+) Å, the usual choice")
    jittered = representation.sample(structure="rock salt NaCl", jitter=0.02, n_frames=2).described
    assert representation.symmetry(jittered, tolerance).number == 225
    assert representation.symmetry(jittered, 0.001).number == 1


@claim("equivariance", "degrees of freedom, and the noise of each atom")
def test_noise_without_its_mean_is_a_little_smaller():
    n, runs = 3, 200_000
    noise = rigid_molecule.zero_mean(torch.randn(runs, n, generator=torch.Generator().manual_seed(2)))
    assert abs(float(noise.square().mean()) - (1 - 1 / n)) < 4 * math.sqrt(2 / (runs * n))
    assert torch.linalg.matrix_rank(noise[:50].T).item() == n - 1


@claim("generation", "stol 0.5, angle 10°", "the share of .tight. matches")
def test_the_protocol_of_the_benchmark_is_stated_as_it_is_used():
    stol, angle, ltol = numbers("generation", r"\(stol ([\d.]+), angle (\d+)°, ltol ([\d.]+), the protocol of DiffCSP\)")
    used = matching.matcher()
    assert (used.stol, used.angle_tol, used.ltol) == (stol, angle, ltol)
    assert numbers("generation", r"share of \*tight\* matches \(below ([\d.]+)\)") == [matching.TIGHT]


@claim("generation", "published on the official MP-20")
def test_the_calls_of_the_published_samplers_are_the_product_of_their_steps():
    calls, steps, levels = numbers("generation", r"with ([\d,]+) network calls \((\d+) steps at each of (\d+) noise levels\)")
    assert calls == steps * levels
    calls, steps = numbers("generation", r"at 0\.063 with ([\d,]+) \(two in each of ([\d,]+) steps\)")
    assert calls == 2 * steps


@claim("generation", "to noise levels")
def test_each_refinement_begins_at_a_lower_noise():
    levels = numbers("generation", r"to noise levels ([\d.]+), ([\d.]+), ([\d.]+) and so on")
    assert [round(levels[0] ** k, 2) for k in (1, 2, 3)] == levels


@claim("representation", "none in rock salt, one of six in rutile, four of six in quartz")
def test_free_coordinates_of_the_sites():
    found = {name: representation.symmetry(STRUCTURES[name]()) for name in ("rock salt NaCl", "rutile TiO2", "quartz SiO2")}
    assert [sum(orbit.free for orbit in one.orbits) for one in found.values()] == [0, 1, 4]
    assert [3 * len(one.orbits) for one in found.values()] == [6, 6, 6]


@claim("landscape", "those of rutile it finds from nearly every seed", "The group is not the crystal", "Nor is a wrong group always fatal")
def test_what_sites_and_groups_decide():
    def misses(name):
        crystal, _ = landscape.known_crystal(name)
        paths = landscape.grow(crystal, symmetry_of(crystal), n_steps=20, seeds=range(8))
        return sum(compare(path.final, {name: crystal}, n_random=0).score == 0.5 for path in paths)

    assert misses("rutile TiO2") <= 1 and misses("layered MoS2") >= 7
    for name, own, inside, score in (("nickel arsenide NiAs", 194, 194, 0.5), ("copper Cu", 225, 139, 0.0)):
        growth = landscape.sample(system="MaskGXT", crystal=name)
        assert landscape.known_crystal(name)[1] == own and growth.titles[0].startswith(f"inside group {inside},")
        assert landscape.truth(growth, name, n_random=0).score == pytest.approx(score, abs=1e-3)


@claim("landscape", "72 % match with the true sites", "48 % of 40 choices")
def test_what_projection_and_a_choosing_sentence_are_worth():
    """As `python -m tests.benchmarks.projection` wrote it."""
    results = (Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "projection.md").read_text()
    match = r"Of (\d+) crystals (\d+) % match with the true sites given and (\d+) % without, from the same noise in (\d+) steps; "
    n, inside, free, steps, rms, rms_free = numbers("landscape", match + r"the mean rms of the matches is ([\d.]+) and ([\d.]+)")
    assert f"{n:.0f} crystals kept aside, {steps:.0f} steps" in results
    rows = [[float(x) for x in re.findall(r"[\d.]+", line.split("|", 2)[2])] for line in results.splitlines() if "%" in line]
    assert [round(rows[0][0]), rows[0][1], round(rows[1][0]), rows[1][1]] == [inside, rms, free, rms_free]
    chosen, every = numbers("landscape", r"(\d+) % of 40 choices against (\d+) % of all that were grown")
    assert [math.floor(row[0] + 0.5) for row in rows[2:]] == [chosen, every]


@claim("landscape", "The first guess is right for", "Of 300 sentences", "its own among 32 crystals", "Told apart from a polymorph")
def test_what_the_miniatures_score_stands_in_their_weights():
    group, writer, text = (landscape.measured(system) for system in ("MaskGXT", "CrystaLLM-π", "Chemeleon"))
    first, n, five = numbers(
        "landscape", r"The first guess is right for (\d+) % of ([\d,]+) compositions, one of the first five for (\d+) %"
    )
    assert (round(100 * group["top1"]), group["n"], round(100 * group["top5"])) == (first, n, five)
    pattern = (
        r"Of (\d+) sentences (\d+) % are a crystal of the content asked for, and (\d+) % match the known one, at a mean rms of ([\d.]+)\."
    )
    n, valid, match, rms = numbers("landscape", pattern)
    assert (writer["n"], round(100 * writer["valid"]), round(100 * writer["match_rate"]), round(writer["rmse"], 3)) == (
        n,
        valid,
        match,
        rms,
    )
    (found,) = numbers("landscape", r"among 32 crystals in (\d+) % of cases")
    (told_apart,) = numbers("landscape", r"it finds the right one in (\d+) %")
    assert round(100 * sum(text["retrieval"]) / 3) == found and round(100 * text["polymorphs"]) == told_apart


@claim("score_md", "a division by zero", "Why not simply take the score of a usual diffusion model")
def test_a_plain_score_is_a_poor_force_near_zero():
    """Mean squared error of the force at t = 0.001 over the exact law, beside that of the regularised network."""
    surface = score_md.get_landscape("Müller–Brown")
    x = surface.law.sample(2000, torch.Generator().manual_seed(1))
    exact = surface.diffused(0.001).score(x)
    off = {name: float((score_md.score_model("Müller–Brown", name)(x, 0.001) - exact).square().mean()) for name in ("plain", "regularised")}
    assert off["plain"] > 4 * off["regularised"]
    assert score_md.at_time_zero("Müller–Brown", "plain")[0] == 2 and score_md.at_time_zero("Müller–Brown", "energy")[0] == 0


@pytest.mark.parametrize("name", ["Müller–Brown", "two dihedrals"], ids=["plane", "torus"])
def test_with_the_regulariser_both_uses_of_the_score_agree_with_the_exact_basins(name):
    """Within 0.2 kT beside two standard errors of at most 0.07: sampling counted, dynamics by quadrature (where it ends)."""
    exact = score_md.exact_free_energies(name)
    ends = score_md.sample(landscape=name, model="regularised", n_particles=4000, n_steps=200, seed=3, n_frames=2).final
    counted = score_md.free_energies(ends, name)
    assert max(counted.errors) < 0.07
    assert all(abs(v - e) < 0.2 + 2 * s for v, e, s in zip(counted.values, exact, counted.errors, strict=True))
    assert all(abs(v - e) < 0.2 for v, e in zip(score_md.model_free_energies(name, "regularised", 0.001), exact, strict=True))


def test_without_it_the_dynamics_alone_is_wrong():
    name = "Müller–Brown"
    exact = score_md.exact_free_energies(name)
    assert score_md.whose_error(name)[0] == 1
    assert abs(score_md.model_free_energies(name, "energy", 0.001)[0] - exact[0]) > 0.5
    experts = score_md.model_free_energies(name, "experts", 0.001)[0]
    assert exact[0] + 0.2 < experts < score_md.model_free_energies(name, "energy", 0.001)[0] - 0.5  # less is left to go wrong with two
    # the large noise knows better than the small: the error enters on the way
    assert abs(score_md.model_free_energies(name, "energy", 0.2)[0] - score_md.exact_free_energies(name, 0.2)[0]) < 0.1


def test_long_dynamics_ends_where_the_quadrature_of_its_density_says():
    run = score_md.dynamics(
        landscape="two dihedrals", model="energy", duration=48.0, start="one basin", n_particles=1500, seed=2, n_frames=2
    )
    counted = score_md.free_energies(run.final, "two dihedrals")
    settled = score_md.model_free_energies("two dihedrals", "energy", 0.001)
    assert all(abs(v - q) < 4 * s for v, q, s in zip(counted.values, settled, counted.errors, strict=True))


@claim("conditioning", "Here the factor is γ, and 0 means just that")
def test_gamma_of_nought_is_the_crystal_for_which_nothing_was_asked():
    growth = conditioning.sample(target=5.0, gamma=0.0, n_steps=2, seed=4)
    assert growth.paths[0].final == growth.paths[1].final


@claim("conditioning", "an adapter adds", "the adapters are masked")
def test_an_adapter_before_training_and_one_that_is_told_nothing_change_no_bit():
    model = load_model("mp20", kind="flow")
    fresh = Adapter(AdapterConfig(model.network.config.width, model.network.config.depth))
    assert not any(weight.any() for layer in fresh.out for weight in layer.parameters())
    told, state = conditions({"density": 5.0}), torch.Generator().manual_seed(0)
    numbers, frac, cell = torch.tensor([[11, 17]]), torch.rand(1, 2, 3, generator=state), torch.zeros(1, 6)
    plain = model.network(numbers, frac, cell, torch.tensor([0.5]))
    trained = conditioning.steering().adapter
    for adapter, asked, same in ((fresh, told, True), (trained, conditions({}), True), (trained, told, False)):
        found = model.network(numbers, frac, cell, torch.tensor([0.5]), adapter.mix(asked, model.network, numbers))
        assert torch.equal(found.lattice, plain.lattice) == same


@claim("conditioning", "as is done here with 0.1 Å")
def test_the_tolerance_of_the_symmetry_finder_is_that_of_the_text():
    """A row of two atoms in a long box, one 0.15 Å or 0.05 Å off the middle: only the nearer one is taken for the translation."""
    (tolerance,) = numbers("conditioning", r"as is done here with ([\d.]+) Å")
    found = {}
    for off in (0.5, 1.5):
        box = np.diag([6.0, 3.1, 3.1])
        crystal = Crystal(np.array([11, 17]), np.array([[0, 0, 0], [0.5, 0.5 + off * tolerance / 3.1, 0.5]]), box)
        found[off] = group_of(crystal)
    assert found[0.5] == 123 and found[1.5] != 123
