"""What a scene says to look at: a sentence with a number is backed here, or stands on the list below, which says why not."""

import ast
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from core.chapters import CHAPTERS, find
from core.crystals import conditioning, representation, score_md, torus
from core.foundations import dimensions, sampling
from core.learning import forward_process, latent_diffusion, latent_networks
from core.numerics import kinetic
from core.physics import langevin, score_fields
from core.structures.builtin import STRUCTURES
from core.structures.space_groups import group_of
from tests.claims.sentences import ROOT, states_a_number

NO_CLAIM = {  # (slug, scene): an index, what a button is called, or a rule of thumb
    ("generation", "Rock salt"),  # the button 3× of the player
    ("score_matching", "No scaling"),  # size 1/σ: the target is ε/σ, see test_learning
    ("reverse_process", "No clipping"),  # what to try, and at which setting
}
BACKED: set[tuple[str, str]] = set()


@cache
def scenes(slug: str) -> dict[str, tuple[dict[str, Any], str]]:
    """name -> (values, what to look at) of the scenes that a page's script writes down."""
    found = {}
    for node in ast.walk(ast.parse((ROOT / find(slug).page).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "Scene":
            name, values, look = (ast.literal_eval(part) for part in node.args[:3])
            found[name] = (values, look)
    return found


def says(slug: str, name: str, pattern: str) -> list[float]:
    """The numbers in the groups of a pattern that must be in the scene's sentence."""
    found = re.search(pattern, scenes(slug)[name][1])
    assert found, f"{slug}, {name} no longer says {pattern!r}: the claim must be checked anew"
    return [float(part.replace(",", "")) for part in found.groups()]


def scene(slug: str, *names: str) -> Callable:
    """The test below backs what these scenes say."""
    BACKED.update((slug, name) for name in names)
    return lambda test: test


@pytest.mark.parametrize("slug", [chapter.slug for chapter in CHAPTERS])
def test_every_scene_that_states_a_number_is_backed(slug):
    assert scenes(slug), f"no scene of {slug} is found in its script"
    stated = {(slug, name) for name, (_, look) in scenes(slug).items() if states_a_number(look)}
    assert stated <= BACKED | NO_CLAIM
    assert {one for one in BACKED | NO_CLAIM if one[0] == slug} <= {(slug, name) for name in scenes(slug)}


@scene("microstates", "Six coins", "Two hundred")
def test_coins():
    total, *counts = says(
        "microstates", "Six coins", r"(\d+) microstates, seven columns: (\d+), (\d+), (\d+), (\d+), (\d+), (\d+), (\d+)\."
    )
    assert counts == [math.comb(6, k) for k in range(7)] and total == sum(counts) == 2**6
    (n,) = says("microstates", "Two hundred", r"From 0 to (\d+) heads")
    values, _ = scenes("microstates")["Two hundred"]
    assert n == values["n_coins"]
    assert values["n_throws"] * 2 * stats.binom.sf(0.75 * n, n, 0.5) < 1e-3  # none beyond the quarters


@scene("sampling", "Too timid")
def test_a_timid_proposal_is_nearly_always_accepted():
    """Random-walk Metropolis at the scene's step, by its own count; more than 95 % of the proposals."""
    values, _ = scenes("sampling")["Too timid"]
    assert sampling.sample(step=values["step"], n_steps=200, n_chains=300).acceptance > 0.95


@scene("dimensions", "Where we live")
def test_three_dimensions():
    (points,) = says("dimensions", "Where we live", r"half of the cube is ball, and (\d+) grid points per axis")
    assert 0.45 < math.pi / 6 < 0.55 and math.exp(dimensions.log_ball_share(3)) == pytest.approx(math.pi / 6)
    assert dimensions.affordable(3, 10_000) == points == math.floor(10_000 ** (1 / 3) + 1e-9)


@scene("langevin", "Flying, then diffusing", "Past the limit")
def test_flight_diffusion_and_the_largest_step():
    """kT t^2/m and 2 kT t/(gamma m) meet at 2/gamma; the exact law follows the one before it and the other after it."""
    (corner,) = says("langevin", "Flying, then diffusing", r"cross at (\d)/γ")
    m, gamma, kT = 2.0, 0.5, 1.5
    assert kT / m * (corner / gamma) ** 2 == pytest.approx(2 * kT * (corner / gamma) / (gamma * m))
    t = torch.tensor([1e-3, 1e-2, 1e3, 1e4], dtype=torch.float64)
    spread = langevin.law(langevin.System(kind="free", kT=kT, mass=m, friction=gamma), t).covariance[:, 0, 0].log().diff() / t.log().diff()
    assert spread[0].item() == pytest.approx(2, abs=0.02) and spread[2].item() == pytest.approx(1, abs=0.02)
    (limit,) = says("langevin", "Past the limit", r"beyond (\d)/ω")
    values, _ = scenes("langevin")["Past the limit"]
    for omega in (0.7, 3.0):
        assert kinetic.stability_limit("BAOAB", omega=omega, friction=1.0) == pytest.approx(limit / omega)
    assert values["dt"] > limit / langevin.System(kind=values["kind"]).omega


@scene("score_fields", "Stuck", "Thin lines")
def test_the_far_hill_and_the_thin_lines():
    """The hills weigh what is said; noise of the width said lets Langevin across where none does (two seeds of 400 walkers)."""
    share, sigma = says("score_fields", "Stuck", r"holds (\d+) % of p .* raise σ to ([\d.]+)\.")
    values, _ = scenes("score_fields")["Stuck"]
    modes = score_fields.parse_modes(values["modes"])
    weights = np.array([mode[2] for mode in modes])
    assert weights[1] / weights.sum() == pytest.approx(share / 100)

    def crossed(noise):
        run = score_fields.sample(modes=modes, start=values["start"], sigma=noise, n_steps=400, n_frames=2, n_particles=400, seed=0)
        return float((run.positions[-1].sum(1) > 0).double().mean())

    assert crossed(0.0) < 0.02 and crossed(sigma) > 0.2
    steps, wide = says("score_fields", "Thin lines", r"(\d+) such steps .* Raise σ to ([\d.]+): .* and \d+ are enough")

    def ratio(noise):
        run = score_fields.sample(source="spirals", n_steps=int(steps), sigma=noise, n_frames=2, n_particles=1000)
        return score_fields.truth(run, source="spirals", sigma=noise)

    assert ratio(0.0).ratio > 2 and ratio(wide).within


@scene("forward_process", "VE", "Finite clock")
def test_the_largest_noise_and_the_last_step_of_the_finite_clock():
    (largest,) = says("forward_process", "VE", r"grows to (\d+)\.")
    assert forward_process.clock("EDM", "VE").sigma(1.0) == pytest.approx(largest)
    variance, most = says("forward_process", "Finite clock", r"variance (\d), for every n up to (\d+)")
    for n in (5, 50, int(most)):
        chain = forward_process.chain_moments(schedule="finite time", n_steps=n)
        assert float(torch.as_tensor(chain.variance)[-1]) == pytest.approx(variance, rel=0.02)


@scene("latent_diffusion", "Two ways")
def test_sizes_of_the_two_ways():
    (pixels,) = says("latent_diffusion", "Two ways", r"eight numbers or among (\d+)")
    assert pixels == latent_networks.PIXELS == 24**2
    assert latent_diffusion.sample(space="latent", n_images=1, n_steps=2).positions.shape[-1] == 8


@scene("representation", "Two numbers", "What the judge cannot see")
def test_a_spinel_and_a_stretched_crystal():
    atoms, listed = says("representation", "Two numbers", r"lists (\d+) atoms, (\d+) numbers")
    (lit,) = says("representation", "Two numbers", r"All (\d+) are lit")
    spinel = STRUCTURES["spinel MgAl2O4"]()
    many = 56 // spinel.n_atoms  # primitive or conventional
    assert spinel.n_atoms * many == atoms and listed == 4 * atoms + 9  # a species and three coordinates each, nine of the cell
    assert int((spinel.numbers == 8).sum()) * many == lit
    percent, rms = says("representation", "What the judge cannot see", r"edge (\d+) % too long, .* rms ([\d.]+)\.")
    values, _ = scenes("representation")["What the judge cannot see"]
    assert values["a"] == values["b"] == values["c"] == percent
    assert 1 - (1 + percent / 100) ** -3 == pytest.approx(0.2, abs=0.01)  # a fifth
    story = representation.sample(structure="rock salt NaCl", a=percent, b=percent, c=percent, n_frames=2)
    assert representation.truth(story, n_repeats=1).rms == pytest.approx(rms, abs=5e-4)


@scene("torus", "Too little noise")
def test_too_little_noise_sends_too_many_to_the_second_site():
    """From a uniform cell along the exact score: fewer at the first site than the law says, by over four errors; not from sigma = 0.5."""
    (sigma,) = says("torus", "Too little noise", r"σ = ([\d.]+)")
    values, _ = scenes("torus")["Too little noise"]
    assert values["sigma_max"] == sigma

    def missing(noise):
        end = torus.sample(move="freeze", sites="pair", sigma_max=noise, n_particles=2000, n_frames=2).positions[-1]
        found = torus.occupation(end, sites="pair")
        return (found.exact - found.value) / found.error

    assert missing(sigma) > 4 > abs(missing(0.5))


@scene("generation", "From a relative")
def test_where_a_refinement_of_a_relative_begins():
    (start,) = says("generation", "From a relative", r"blurred to t = ([\d.]+)")
    controls = (ROOT / "pages/kit/generation_controls.py").read_text(encoding="utf-8")
    assert re.search(r'"start", "Blurred to the time t₀", ([\d.]+)', controls).group(1) == f"{start:g}"


@scene("score_md", "A plain score", "At t = 0 exactly")
def test_a_plain_score_catches_the_particles_near_zero_and_loses_them_at_zero():
    """Of 500 that start in one basin less than one in a hundred has left, where the exact force moves a tenth and more."""

    def left(model, t):
        final = score_md.dynamics(model=model, t=t, start="one basin", n_particles=500, n_frames=2).final
        return float((score_md.get_landscape("Müller–Brown").basin_of(final) != 0).double().mean())

    t = 0.001  # the page's own
    assert scenes("score_md")["A plain score"][0] == {"model": "plain", "start": "one basin"}
    assert left("plain", t) < 0.01 and left("exact", t) > 0.1
    assert scenes("score_md")["At t = 0 exactly"][0]["t0"] == 0 and score_md.at_time_zero("Müller–Brown", "plain")[0] == 2
    turn = score_md.residual_map("Müller–Brown", "plain", t)
    assert turn.what == "curl" and turn.mean_square(score_md.grid_law("Müller–Brown", t)) > 1  # it is no gradient


@scene("conditioning", "Cubic, group 225")
def test_every_state_on_the_way_has_the_group_of_the_scene():
    """At its largest tolerance the symmetry finder finds the group in the noise already, and in every third state after it."""
    (group,) = says("conditioning", "Cubic, group 225", r"sites of group (\d+)\.")
    values, _ = scenes("conditioning")["Cubic, group 225"]
    growth = conditioning.sample(property="nothing", symmetry="space group", group=int(group), n_steps=6, seed=values["seed"])
    path = growth.paths[0]
    for state in (path.frame(i) for i in range(0, path.n_frames, 3)):
        assert group_of(state, 1e-3) == group


@scene("conditioning", "Denser than any")
def test_the_density_of_osmium():
    """hcp, a = 2.734 Å, c = 4.320 Å (CRC Handbook), 2 atoms of 190.23 u; the scene asks for more, and more than the data have."""
    (densest,) = says("conditioning", "Denser than any", r"Osmium has ([\d.]+) g/cm³")
    volume = 2.734**2 * 4.320 * math.sqrt(3) / 2
    assert 2 * 190.23 * 1.66053906660 / volume == pytest.approx(densest, abs=0.05)
    values, _ = scenes("conditioning")["Denser than any"]
    assert values["density"] > densest > conditioning.steering().about["quantiles"]["density"][-1]
