"""Equivariant kernel and invariant prior: closed-form denoisers against sampled posteriors, poses against the uniform law."""

import cmath
import math

import pytest
import torch

from core.numerics import rigid_molecule
from core.numerics.rigid_molecule import (
    ATOMS,
    SCHEDULE,
    denoise,
    density,
    drift,
    drift_exact,
    molecule,
    molecules,
    orientation_truth,
    sample,
    turned_error,
    zero_mean,
)


def test_the_denoiser_is_the_posterior_mean_over_all_poses():
    """Against 200,000 poses weighted by how well they explain the noisy molecule."""
    g = torch.Generator().manual_seed(0)
    for sigma in (0.3, 1.0, 2.0):
        x = zero_mean(molecule() * complex(0.6, 0.8) + sigma * torch.view_as_complex(torch.randn(4, 3, 2, generator=g)))
        angle = torch.rand(200_000, generator=g, dtype=torch.float64) * 2 * math.pi
        posed = molecule().to(torch.complex128) * torch.polar(torch.ones_like(angle), angle)[:, None]
        for row in x.to(torch.complex128):
            weight = torch.softmax(-(row - posed).abs().square().sum(1) / (2 * sigma**2), 0)
            mean = (weight[:, None] * posed).sum(0)
            n_effective = 1 / float(weight.square().sum())
            prediction = denoise(row[None].to(torch.complex64), sigma, kernel="equivariant")[0]
            error = 4 * float(molecule().abs().max()) / math.sqrt(n_effective)
            assert float((prediction - mean).abs().max()) < error
    wrong = denoise(row[None].to(torch.complex64), 1.2 * sigma, kernel="equivariant")[0]
    assert float((wrong - mean).abs().max()) > error


def test_an_equivariant_kernel_and_a_round_prior_have_no_favourite_pose():
    settings = dict(n_steps=40, n_molecules=2000, seed=2)
    assert orientation_truth(sample(kernel="equivariant", **settings)).z < 4
    assert orientation_truth(sample(kernel="plain", **settings)).value > 0.4
    assert orientation_truth(sample(kernel="equivariant", prior_kind="stretched", eta=0.0, **settings)).z > 4
    assert orientation_truth(sample(kernel="equivariant", eta=0.0, **settings)).z < 4


def test_a_turned_run_is_the_run_turned():
    assert turned_error(kernel="equivariant", angle=2.1) < 1e-5 < 0.3 < turned_error(kernel="plain", angle=2.1)


@pytest.mark.parametrize("kernel", rigid_molecule.KERNELS)
def test_molecules_come_out_whole_and_the_density_is_theirs(kernel):
    run = sample(kernel=kernel, n_steps=60, n_molecules=1500, seed=4)
    ends = molecules(run.final)
    for i in range(len(ATOMS)):
        for j in range(i):
            wanted = float((molecule()[i] - molecule()[j]).abs())
            found = (ends[:, i] - ends[:, j]).abs()
            # |d + noise|, noise of variance 2 sigma_min^2 in each direction: mean d + sigma_min^2 / d
            wanted += SCHEDULE.sigma(0.0) ** 2 / wanted
            error = 4 * float(found.std()) / math.sqrt(len(found))
            assert abs(float(found.mean()) - wanted) < error + 2e-3 < abs(float(found.mean()) - 1.2 * wanted)
    axis = torch.linspace(-8, 8, 321, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    for sigma in (0.1, 1.0):
        p = density(points, sigma, kernel=kernel)
        assert float(p.sum()) * 0.05**2 == pytest.approx(1, abs=2e-3)
    p, x = density(points, 1.0, kernel=kernel), points.norm(dim=1)
    g = torch.Generator().manual_seed(1)
    phase = 2 * math.pi * torch.rand(50_000, generator=g) if kernel == "equivariant" else torch.zeros(50_000)
    noised = torch.polar(torch.ones_like(phase), phase)[:, None] * molecule()
    noised = noised + zero_mean(torch.view_as_complex(torch.randn(50_000, 3, 2, generator=g)))
    radius = noised.abs().mean(1).double()  # one number a molecule: its atoms are not independent
    assert abs(float((p * x).sum()) * 0.05**2 - float(radius.mean())) < 4 * float(radius.std()) / math.sqrt(len(radius)) + 1e-4


def test_zero_mean_noise_has_less_variance_and_its_absence_leaves_the_centres_adrift():
    eps = torch.view_as_complex(torch.randn(40_000, 3, 2, generator=torch.Generator().manual_seed(0)))
    square = torch.view_as_real(zero_mean(eps))[:, 0].square()
    error = 4 * float(square.std()) / math.sqrt(square.numel())
    assert abs(float(square.mean()) - 2 / 3) < error < abs(float(square.mean()) - 1.2 * 2 / 3)
    assert drift(sample(n_molecules=300))[0] < 1e-5
    for settings in (dict(), dict(eta=0.0), dict(prior_kind="stretched")):
        free = sample(n_molecules=4000, n_steps=30, centred=False, seed=1, n_frames=2, **settings)
        rms, error = drift(free)
        exact = drift_exact(30, **settings)
        if settings.get("prior_kind"):
            error *= 2  # two axes of different width
        assert abs(rms - exact) < 4 * error < abs(rms - 1.2 * exact)


def test_same_seed_same_bits_and_bad_names_are_refused():
    once, again = sample(seed=3, n_molecules=20), sample(seed=3, n_molecules=20, n_frames=3)
    assert torch.equal(once.final, again.final)
    assert once.positions.shape == (101, 60, 2)
    for wrong in (dict(kernel="hope"), dict(prior_kind="square"), dict(n_steps=0)):
        with pytest.raises(ValueError):
            sample(**wrong)


def test_the_molecule_and_the_noise_by_value():
    """Two edges of 1.5 at 104.5 degrees; noise from 2 to 0.05; a stretched start is 1.9 times as wide along x, a tenth along y."""
    oxygen, *hydrogens = rigid_molecule.molecule().tolist()
    a, b = (one - oxygen for one in hydrogens)
    assert (abs(a), abs(b)) == (pytest.approx(1.5), pytest.approx(1.5))
    assert abs(math.degrees(cmath.phase(a / b))) == pytest.approx(104.5, abs=1e-4)
    assert (rigid_molecule.SCHEDULE.sigma(1.0), rigid_molecule.SCHEDULE.sigma(0.0)) == (pytest.approx(2.0), pytest.approx(0.05))
    start = rigid_molecule.prior(20_000, kind="stretched", centred=False, generator=torch.Generator().manual_seed(0))
    for part, width in ((start.real, 3.8), (start.imag, 0.2)):
        assert abs(float(part.std()) / width - 1) < 4 / math.sqrt(2 * 60_000) < 0.2


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_the_drift_of_the_centres_and_its_error_over_repetitions(eta):
    """Deviations from the exact drift over the stated errors: mean 0 and variance 1 within 4 standard errors of 200 runs."""
    scores = []
    for seed in range(200):
        value, error = rigid_molecule.drift(rigid_molecule.sample(centred=False, eta=eta, n_steps=3, n_molecules=30, seed=seed, n_frames=2))
        scores.append((value - rigid_molecule.drift_exact(3, eta=eta)) / error)
    scores = torch.tensor(scores)
    assert abs(float(scores.mean())) < 4 / math.sqrt(200) + 0.1 and abs(float(scores.var()) - 1) < 4 * math.sqrt(2 / 200) < 0.5
