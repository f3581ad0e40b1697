"""What is graded as right is right by the exact answer, also where the sample on the page cannot tell."""

import math
from dataclasses import replace

import pytest
import torch
from scipy import stats

from core.crystals import equivariance, generation, torus
from core.figures import langevin as figures
from core.foundations import dimensions, microstates
from core.learning import forward_process
from core.numerics.distances import Truth, ks_floor
from core.physics import langevin


@pytest.mark.parametrize(("kT", "barrier"), [(0.2, 2.0), (0.5, 6.0), (0.2, 6.0), (1.0, 2.0), (0.5, 2.0)])
def test_where_no_escape_is_counted_the_formula_answers(kT, barrier):
    """From friction 0.1 to 1 the rate rises: 1.78 times at kT 0.2 and barrier 2, 2.40 times at 0.5 and 6."""
    right, said = figures.escapes_compared(langevin.System(kT=kT, barrier=barrier), seed=0)
    assert right == 0, said
    if (kT, barrier) in ((0.2, 2.0), (0.5, 6.0)):
        assert f"{ {0.2: 1.78, 0.5: 2.40}[kT]:.2f} times as often" in said


def test_a_heavy_particle_is_graded_by_counts_that_can_tell():
    """Where they can, the formula need not agree; where they cannot, it decides."""
    for mass in (0.2, 5.0):
        system = langevin.System(kT=1.0, barrier=2.0, mass=mass)
        formula = langevin.melnikov(system, torch.tensor([0.1, 1.0]))
        right, said = figures.escapes_compared(system, seed=1)
        ratio = float(formula[1] / formula[0])
        assert right == (0 if ratio > 1.1 else 1 if ratio < 1 / 1.1 else 2) or "Too few" not in said, said


def test_four_times_the_coins_whatever_coins():
    for n in (1, 6, 200):
        for p in (0.02, 0.5, 0.98):
            assert microstates.four_times_as_many(n, p, 0.0)[0] == 1  # exactly half, also where no throw shows a head
    assert microstates.four_times_as_many(1, 0.5, 0.98)[0] == 0  # four coins that copy each other are one


def test_right_ones_of_eight_against_fishers_test_by_hand():
    """P(as few or fewer of the right ones in the first eight), counted over the ways to share them out."""

    def chance(few, many):
        right = few + many
        return sum(math.comb(8, k) * math.comb(8, right - k) for k in range(few + 1) if right - k <= 8) / math.comb(16, right)

    for few in range(9):
        for many in range(9):
            answer, said = generation.right_of_as_many(few, many, 8)
            assert answer == (0 if chance(few, many) <= 0.05 else 2 if chance(many, few) <= 0.05 else 1), said
    assert [generation.right_of_as_many(*pair, 8)[0] for pair in ((0, 0), (8, 8), (4, 8), (5, 8), (0, 4), (8, 2))] == [1, 1, 0, 1, 0, 2]
    assert "cannot tell" in generation.right_of_as_many(5, 8, 8)[1]


def test_uniform_poses_are_called_preferred_in_one_case_of_a_thousand():
    n = 500
    edge = float(stats.kstwo.ppf(0.999, n))
    for factor, answer in ((0.5, 0), (0.99, 0), (1.01, 1), (3.0, 1)):
        assert equivariance.preference(Truth("distance", factor * edge, ks_floor(n)))[0] == answer


def test_looks_beside_direct_draws():
    n = 1000
    low, high = (float(stats.kstwo.ppf(level, n)) for level in (0.001, 0.999))
    for value, answer in ((0.9 * low, 0), (1.1 * low, 1), (0.9 * high, 1), (1.1 * high, 2)):
        assert dimensions.compared_with_direct(Truth("distance", value, ks_floor(n))) == answer
    found = [dimensions.compared_with_direct(dimensions.truth(dimensions.spend("direct", d=5, n=1000, seed=k), 5)) for k in range(60)]
    assert sum(answer != 1 for answer in found) <= 2  # of 60, with 0.002 each: more than two in one case of 30,000
    assert dimensions.compared_with_direct(dimensions.truth(dimensions.spend("grid", d=14), 14)) == 2


@pytest.mark.parametrize("variant", ["VP", "VE"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "finite time"])
def test_share_of_the_data_follows_the_signal_to_noise_ratio_in_every_form(schedule, variant):
    path = forward_process.clock(schedule, variant)
    share = 1 / (1 + path.noise_ratio(0.2) ** 2)
    assert forward_process.data_left(0.2, schedule=schedule, variant=variant)[0] == (0 if share < 0.25 else 1 if share < 0.75 else 2)
    vp = forward_process.clock(schedule, "VP")
    assert share == pytest.approx(vp.alpha(0.2) ** 2, rel=1e-6)  # at equal log-SNR the forms differ in width alone


@pytest.mark.parametrize("sigma", [0.05, 0.2, 0.34, 0.35, 0.59, 0.6, 1.0])
def test_the_first_mode_by_its_closed_form(sigma):
    left = math.exp(-2 * math.pi**2 * sigma**2)
    assert torus.wave_left(sigma)[0] == (0 if left > 0.1 else 1 if left > 0.001 else 2)


def test_widths_of_a_heavier_particle():
    for kind in ("harmonic", "double well"):
        for kT in (0.2, 2.0):
            assert figures.widths_compared(langevin.System(kind=kind, kT=kT), 5.0)[0] == 1
    free = langevin.System(kind="free", friction=1.0)
    assert figures.widths_compared(free, 20.0)[0] == 0
    light, heavy = (langevin.late_width(replace(free, mass=mass), 20.0) for mass in (1.0, 10.0))
    assert heavy / light == pytest.approx(math.sqrt(1 / 10), rel=1e-6)
