"""Three ensembles: counts by brute force, closed forms of independent sites, identities, and Metropolis against the sums."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.foundations.ensembles import (
    KINDS,
    SHAPES,
    SYSTEMS,
    Ensemble,
    energy_of,
    exact,
    ground_state,
    lattice_gas,
    metropolis,
    microcanonical_kT,
    neighbours,
    sample,
    truth,
    two_level,
)

CASES = [(system, kind) for system in SYSTEMS for kind in KINDS]
SETTLED = dict(kT=0.9, n_copies=4000, n_sweeps=40, seed=3)  # mu is put at -2, half filling of the lattice gas


def z(copies, ensemble):
    return truth(replace(copies, ensemble=ensemble)).z


def test_two_level_states_are_counted_one_by_one():
    M, count = 5, {}
    for state in itertools.product([0, 1, 2], repeat=M):
        key = sum(s > 0 for s in state), sum(s == 2 for s in state)
        count[key] = count.get(key, 0) + 1
    g = np.exp(two_level(M).log_g)
    assert {key: round(g[key]) for key in zip(*np.nonzero(g > 0.5))} == count


def test_lattice_gas_states_are_counted_one_by_one():
    levels, (rows, columns), count = lattice_gas(9), SHAPES[9], {}
    for state in itertools.product([0, 1], repeat=9):
        grid = np.array(state).reshape(rows, columns)
        energy = -int((grid * np.roll(grid, 1, 0)).sum() + (grid * np.roll(grid, 1, 1)).sum())
        key = int(grid.sum()), energy - levels.low
        count[key] = count.get(key, 0) + 1
    g = np.exp(levels.log_g)
    assert {(int(a), int(b)): round(g[a, b]) for a, b in zip(*np.nonzero(g > 0.5))} == count


@pytest.mark.parametrize("n_sites", SHAPES)
def test_particles_and_holes_are_mirror_images(n_sites):
    """E(holes) = E + 2 M - 4 N on a lattice with four neighbours: the reason why mu = -2 is half filling."""
    levels = lattice_gas(n_sites)
    for n in range(n_sites + 1):
        for energy in range(levels.low, 1):
            mirrored = energy + 4 * n - 2 * n_sites
            assert levels.entropy(n, energy) == levels.entropy(n_sites - n, mirrored) or levels.entropy(n, energy) == pytest.approx(
                levels.entropy(n_sites - n, mirrored)
            )
    assert np.exp(levels.log_g).sum() == pytest.approx(2**n_sites)
    assert exact(levels, Ensemble("muVT", kT=0.7, mu=-2.0)).N == pytest.approx(n_sites / 2)
    assert exact(levels, Ensemble("muVT", kT=0.7, mu=-2.4)).N != pytest.approx(n_sites / 2, rel=0.05)


@pytest.mark.parametrize("kT", [0.3, 1.0, 2.5])
def test_independent_sites_in_closed_form(kT):
    """Z = C(M, N) (1 + e^(-1/kT))^N; Xi = (1 + e^(mu/kT) (1 + e^(-1/kT)))^M."""
    M, N, mu, one = 16, 8, -1.0, 1 + math.exp(-1 / kT)
    canonical, grand = (exact(two_level(M), Ensemble(kind, n=N, kT=kT, mu=mu)) for kind in ("NVT", "muVT"))
    U = N / (math.exp(1 / kT) + 1)
    assert canonical.log_Z == pytest.approx(math.log(math.comb(M, N)) + N * math.log(one))
    assert canonical.U == pytest.approx(U) and canonical.energy_variance == pytest.approx(U * (1 - U / N))
    assert canonical.S == pytest.approx((canonical.U - canonical.potential) / kT)
    xi = 1 + math.exp(mu / kT) * one
    assert grand.log_Z == pytest.approx(M * math.log(xi))
    assert grand.N == pytest.approx(M * (xi - 1) / xi)
    for off in (exact(two_level(M), Ensemble("NVT", n=N, kT=1.2 * kT)), exact(two_level(M), Ensemble("muVT", kT=1.2 * kT, mu=mu))):
        assert off.U != pytest.approx(canonical.U, rel=0.01) and off.U != pytest.approx(grand.U, rel=0.01)
    assert exact(two_level(M), Ensemble("muVT", kT=kT, mu=1.2 * mu)).N != pytest.approx(grand.N, rel=0.01)


@pytest.mark.parametrize("system", SYSTEMS)
def test_derivatives_of_the_potentials(system):
    """S = -dF/dkT, N = -dOmega/dmu, C = dU/dkT: each against its fluctuation or its average."""
    levels, kT, mu, h = SYSTEMS[system](16), 0.8, -1.5, 1e-4
    low, here, high = (exact(levels, Ensemble("NVT", n=8, kT=t)) for t in (kT - h, kT, kT + h))
    assert here.S == pytest.approx(-(high.potential - low.potential) / (2 * h), rel=1e-5)
    heat = (high.U - low.U) / (2 * h)
    assert here.energy_variance / kT**2 == pytest.approx(heat, rel=1e-5)
    assert here.energy_variance / (1.2 * kT) ** 2 != pytest.approx(heat, rel=1e-2)
    low, here, high = (exact(levels, Ensemble("muVT", kT=kT, mu=m)) for m in (mu - h, mu, mu + h))
    assert here.N == pytest.approx(-(high.potential - low.potential) / (2 * h), rel=1e-5)
    assert here.potential == pytest.approx(here.U - kT * here.S - mu * here.N)
    assert 1.2 * here.N != pytest.approx(-(high.potential - low.potential) / (2 * h), rel=1e-2)


@pytest.mark.parametrize("system, kind", CASES)
def test_metropolis_copies_follow_the_exact_sums(system, kind):
    copies = sample(system=system, kind=kind, mu=-2.0, **SETTLED)
    right = copies.ensemble
    assert truth(copies).z < 4
    wrong = {
        "NVE": replace(right, total=right.total + 1),
        "NVT": replace(right, kT=1.2 * right.kT),
        "muVT": replace(right, kT=1.2 * right.kT),
    }[kind]
    assert z(copies, wrong) > 4
    if kind == "muVT":
        assert z(copies, replace(right, mu=1.2 * right.mu)) > 4
    sums, energy = exact(copies.levels, right), copies.energy[-1].double()
    error = float(energy.std()) / math.sqrt(len(energy))
    assert abs(float(energy.mean()) - sums.U) < 4 * error < abs(float(energy.mean()) - exact(copies.levels, wrong).U)
    assert torch.equal(energy_of(copies.levels, copies.sites), copies.energy[-1])
    assert torch.equal((copies.sites > 0).sum(1), copies.n[-1])
    if kind != "muVT":
        assert (copies.n == right.n).all()


@pytest.mark.parametrize("n_sites", SHAPES)
def test_the_lattice_gas_books_its_energy_move_by_move(n_sites):
    levels, generator = lattice_gas(n_sites), torch.Generator().manual_seed(1)
    start = torch.randint(2, (50, n_sites), generator=generator)
    for kind in ("NVT", "muVT"):
        for sites, n, energy in metropolis(levels, Ensemble(kind, kT=5.0, mu=-2.0), start, 200, generator=generator):
            assert torch.equal(energy_of(levels, sites), energy) and torch.equal(sites.sum(1), n)


def test_the_demon_is_a_thermometer():
    """Large system: its purse has the mean of an oscillator at kT of dS/dE; copies, exact sum and the derivative agree."""
    levels = two_level(400)
    sums = exact(levels, Ensemble("NVE", n=400, total=100))
    energies, kT = microcanonical_kT(levels, 400)
    derivative = float(kT[energies == 100][0])
    assert sums.demon_kT == pytest.approx(derivative, rel=0.02)
    assert derivative == pytest.approx(1 / math.log(300 / 100), rel=0.01)  # E/N = 1/(e^(1/kT) + 1)
    assert sums.demon_kT != pytest.approx(1.2 * derivative, rel=0.02)
    copies = sample(kind="NVE", filling=1.0, energy=0.25, n_copies=4000, n_sweeps=60, seed=2)
    purse = copies.ensemble.total - copies.energy[-1].double()
    mean, error = float(purse.mean()), float(purse.std()) / math.sqrt(len(purse))
    expected = copies.ensemble.total - exact(copies.levels, copies.ensemble).U
    assert (purse >= 0).all() and abs(mean - expected) < 4 * error < abs(mean - 1.2 * expected)


def test_ensembles_agree_in_the_mean_the_better_the_larger():
    """Energy at fixed temperature against the energy at which dS/dE is 1/kT, per site."""
    gaps = []
    for M in (16, 64, 256):
        levels = two_level(M)
        energies, kT = microcanonical_kT(levels, M)
        fixed = float(np.interp(0.8, kT, energies))
        gaps.append(abs(exact(levels, Ensemble("NVT", n=M, kT=0.8)).U - fixed) / M)
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] and gaps[2] < 2e-3


def test_ground_states_have_the_lowest_energy():
    for n in (1, 5, 8, 16):
        sites = torch.zeros(1, 16, dtype=torch.long)
        sites[:, list(ground_state(lattice_gas(16), n))] = 1
        assert int(energy_of(lattice_gas(16), sites)[0]) == lattice_gas(16).range(n)[0]


def test_cold_copies_that_start_empty_do_not_find_the_liquid():
    stuck = sample(system="lattice gas", kind="muVT", kT=0.45, mu=-2.0, seed=1)
    assert truth(stuck).verdict.startswith("Far") and float(stuck.n[-1].double().mean()) < 2
    assert truth(sample(system="lattice gas", kind="muVT", kT=0.6, mu=-2.0, n_sweeps=200, seed=1)).z < 4


def test_same_seed_same_bits_and_stored_frames_change_nothing():
    many, few = sample(kind="muVT", n_copies=100, seed=5), sample(kind="muVT", n_copies=100, seed=5, n_frames=3)
    assert torch.equal(many.sites, few.sites) and len(few.n) == 3
    assert not torch.equal(many.sites, sample(kind="muVT", n_copies=100, seed=6).sites)


@pytest.mark.parametrize(
    "bad",
    [
        dict(system="glass"),
        dict(kind="NPT"),
        dict(kT=0.0),
        dict(filling=0.0),
        dict(energy=-1.0),
        dict(n_copies=0),
        dict(system="lattice gas", n_sites=10),
        dict(mu=math.nan, kind="muVT"),
    ],
)
def test_numbers_that_make_no_ensemble_are_refused(bad):
    with pytest.raises(ValueError):
        sample(**bad)


def test_impossible_states_are_named():
    with pytest.raises(ValueError, match="no state"):
        exact(two_level(4), Ensemble("NVE", n=2, total=-1))
    assert neighbours(9).shape == (9, 4)
