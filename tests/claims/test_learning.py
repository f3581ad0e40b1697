"""What the chapters of the third part state in numbers."""

import itertools
import math

import pytest
import torch

from core.learning import (
    discrete_diffusion,
    forward_process,
    guidance,
    latent_diffusion,
    latent_networks,
    reverse_process,
    score_matching,
    train_guidance,
)
from core.learning.labelled import LABELLED
from core.numerics.categorical import DiscreteDiffusion
from core.numerics.densities import DATASETS
from core.numerics.distances import sliced
from core.numerics.schedules import SCHEDULES, SPACINGS, get_schedule
from tests.claims.sentences import claim, numbers

OPTIONS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)  # the numbers of steps that the page offers


@claim("forward_process", "Above 1 it overshoots")
def test_eulers_share_overshoots_above_one_and_explodes_above_two():
    overshoot, explode = numbers("forward_process", r"Above (\d) it overshoots the middle, above (\d) it explodes")
    assert 1 - (overshoot + 0.01) < 0 < 1 - (overshoot - 0.01)
    assert abs(1 - (explode + 0.01)) > 1 > abs(1 - (explode - 0.01))


@claim(
    "forward_process",
    "Time can be made finite",
    r"the rate \$\\beta",
    "With .n. even steps the last one",
    "which more than 500",
    "on the page up to 500",
)
def test_the_finite_clock_ends_with_variance_two_up_to_its_bound():
    bound, most, n, variance = numbers(
        "forward_process", r"Here it is β ≤ ([\d,]+), which more than (\d+) steps feel: with ([\d,]+) the variance is ([\d.]+)"
    )
    (two,) = numbers("forward_process", r"so the last cloud has variance \*\*(\d) and not 1\*\*")
    (slip,) = numbers("forward_process", r"\(on the page up to (\d+): above, its bound β ≤ 1000 acts\)")
    assert slip == most
    clock = forward_process.clock("finite time")
    for t in (0.1, 0.7, 0.99):
        assert clock.beta(t) == pytest.approx(2 / (1 - t))
    assert clock.beta(0.9999) == bound
    for steps in OPTIONS:
        last = float(forward_process.chain_moments(schedule="finite time", n_steps=steps).variance[-1])
        if steps <= most:
            assert last == pytest.approx(two, rel=1e-9)
        else:
            assert last < 1.5
    assert round(float(forward_process.chain_moments(schedule="finite time", n_steps=int(n)).variance[-1]), 2) == variance


@claim(
    "forward_process", "Because the first 100 of", "the cosine schedule ends at", "Clipping at 0.999", "clipped in the rate", "is VP with"
)
def test_schedules_of_the_questions_people_ask():
    clip, root = numbers("forward_process", r"Clipping at ([\d.]+) makes it ([\d.]+)")
    assert round(1 / math.sqrt(1 - clip), 1) == root
    (rate,) = numbers("forward_process", r"\$\\beta\(t\)\\le (\d+)\$ for the cosine")
    assert get_schedule("cosine").beta(1.0) == rate
    few, all_steps = numbers("forward_process", r"the first (\d+) of ([\d,]+) steps carry only the beginning of the noise")
    for name in ("linear", "cosine"):
        assert get_schedule(name).alpha(few / all_steps) > 0.9
    assert math.cos(math.pi / 2) == pytest.approx(0, abs=1e-12)  # alpha of the unclipped cosine at its end


@claim("forward_process", "α² \\+ σ² = 1")
@pytest.mark.parametrize("name", ["linear", "cosine", "finite time"])
def test_vp_keeps_the_variance(name):
    for t in (0.01, 0.5, 1.0):
        path = forward_process.clock(name)
        assert path.alpha(t) ** 2 + path.sigma(t) ** 2 == pytest.approx(1, rel=1e-9)


@claim("reverse_process", "With few steps Euler's rule glides better", "A second-order rule can do worse")
def test_five_steps_of_a_glide_beat_five_of_a_jitter():
    """Each schedule and spacing on each data set; ten even steps of the linear schedule by DPM-Solver++."""

    def distance(method, n_steps, dataset, schedule, spacing):
        run = reverse_process.sample(
            method=method, n_steps=n_steps, dataset=dataset, schedule=schedule, spacing=spacing, n_particles=1000, n_frames=1, seed=1
        )
        exact = reverse_process.target(dataset, schedule, None).sample(1000, torch.Generator().manual_seed(2))
        return sliced(run.final, exact)

    for setting in itertools.product(DATASETS, SCHEDULES, SPACINGS):
        assert distance("ODE Euler", 5, *setting) < distance("reverse SDE", 5, *setting), setting
    for dataset in DATASETS:
        glide, jitter, second = (distance(name, 10, dataset, "linear", "uniform") for name in ("ODE Euler", "reverse SDE", "DPM-Solver++"))
        assert glide < jitter < second


@claim("reverse_process", "the rate itself is clipped", "is carried all the way to")
def test_the_walk_back_begins_at_one_and_the_rate_is_clipped():
    rate, start = numbers("reverse_process", r"\$\\beta\(t\)\\le (\d+)\$, and the walk begins at \$t = (\d)\$")
    for name in ("linear", "cosine"):
        times = get_schedule(name).time_grid(10)
        assert float(times[0]) == start and float(times[-1]) < 0.02
    assert get_schedule("cosine").beta(1.0) == rate


@claim("score_matching", "times as large as at", "whose size is 1", "mostly the smallest noise", "the last instants, where")
def test_the_target_grows_as_the_noise_vanishes():
    t, ratio = numbers("score_matching", r"at \$t=([\d.]+)\$ its target \$\\epsilon/\\sigma\$ is (\d+) times as large as at \$t=1\$")
    sigma = score_matching.SCHEDULE.sigma
    assert round(sigma(1.0) / sigma(t)) == ratio


@claim("score_matching", "but for the factor")
def test_the_best_guess_of_the_noise_is_the_score_times_minus_sigma():
    """One mode of width s at alpha = 1: E[eps | x] = sigma x/(s^2 + sigma^2), and the score is -x/(s^2 + sigma^2)."""
    generator, s, sigma = torch.Generator().manual_seed(0), 0.5, 0.8
    x0, eps = s * torch.randn(400_000, generator=generator), torch.randn(400_000, generator=generator)
    x = x0 + sigma * eps
    slope = float((x * eps).mean() / x.square().mean())
    assert slope == pytest.approx(-sigma * (-1 / (s**2 + sigma**2)), abs=4 / math.sqrt(400_000) / math.sqrt(s**2 + sigma**2))


@claim("score_matching", "When it misses less than 1 %", "The denoising objective gets there in")
def test_denoising_learns_in_as_many_steps_as_the_text_says():
    (percent,) = numbers("score_matching", r"misses less than (\d) % of the squared score")
    steps = numbers("score_matching", r"gets there in (\d+) steps on three modes and in (\d+) on spirals")
    for dataset, n in zip(("three modes", "spirals"), map(int, steps)):
        settings = {"dataset": dataset, "n_steps": n}
        found = score_matching.snapshot(score_matching.fit(objective="denoising", **settings), score_matching.Settings(**settings))
        assert float(found.errors[-1]) < percent / 100, dataset


@claim("latent_diffusion", "have 576 pixels", "But noise has 576", "of 2,048 exact ones")
def test_sizes_of_pictures_latents_and_the_book():
    (pixels,) = numbers("latent_diffusion", r"lattices have (\d+) pixels")
    parts, width = numbers("latent_diffusion", r"noise has (\d+) independent parts and cannot squeeze through a network that is (\d+) wide")
    assert pixels == parts == latent_networks.PIXELS == 24**2
    widths = {tuple(p.shape)[0] for name, p in latent_diffusion.networks()["pixel"].named_parameters() if p.ndim == 2}
    assert width in widths
    assert numbers("latent_diffusion", r"the nearest of ([\d,]+) exact ones") == [latent_diffusion.N_BOOK]


@claim("latent_diffusion", "512 × 512 × 3", "a mix of 95 %")
def test_arithmetic_of_the_published_systems():
    a, b, c, d, e, f = numbers("latent_diffusion", r"picture of (\d+) × (\d+) × (\d+) numbers becomes a latent of (\d+) × (\d+) × (\d+)")
    assert a / d == b / e == 8 and a * b * c / (d * e * f) == 48
    assert sum(numbers("latent_diffusion", r"a mix of (\d+) % such synthetic captions and (\d+) % original")) == 100


@claim("guidance", "for γ other than 0 and 1", "samples the conditional density exactly", "γ = 0 ignores the label")
@pytest.mark.parametrize("name", list(LABELLED))
def test_guidance_at_nought_and_one_is_the_score_of_an_exact_density(name):
    data, path, t = guidance._data(name), guidance.PATH, 0.4
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    for gamma, exact in ((0.0, data.density), (1.0, data.given(0))):
        assert torch.allclose(guidance.field(name, 0, gamma)(x, t), exact.diffused(path, t).score(x), atol=1e-3, rtol=1e-3)


@claim("conditioning", "belongs to no noised density at all")
@claim("guidance", "is left over", "It vanishes for γ", "only for γ = 1")
def test_the_term_left_over_vanishes_at_nought_and_one_only():
    left = [gamma * (gamma - 1) for gamma in (0.0, 1.0, 0.5, 2.0)]
    assert left[:2] == [0, 0] and all(left[2:])
    a, b, gamma = 0.7, -0.4, 3.0  # gradients of ln p and ln p(y|x): the square of the sum, less the sum of squares, less the cross term
    assert (a + gamma * b) ** 2 - ((1 - gamma) * a**2 + gamma * (a + b) ** 2) == pytest.approx(gamma * (gamma - 1) * b**2)


@claim("guidance", "they sit deeper in the class")
def test_guided_particles_are_deeper_and_mostly_closer_together():
    wider = set()
    for name, label, gamma in itertools.product(LABELLED, range(2), (2.0, 8.0)):
        run = guidance.sample(dataset=name, label=label, gamma=gamma, n_particles=400, n_steps=30, n_frames=1)
        mine, promised = guidance.quality(run.final, name, label), guidance.tilt_quality(name, label, gamma)
        assert mine.fidelity > promised.fidelity - 0.005, (name, label, gamma)
        if mine.diversity > promised.diversity:
            wider.add((name, label))
    assert wider == {("island", 0)}, "the text names the only class whose particles are pushed apart"


@claim("guidance", "of its training points and “none”")
def test_the_share_of_points_with_their_label_is_that_of_the_training():
    (percent,) = numbers("guidance", r"is told the label in (\d+) % of its training points")
    assert percent == pytest.approx(100 * (1 - train_guidance.DROPOUT))


@claim("discrete_diffusion", "A number below 0.001")
def test_chance_gives_small_numbers_as_often_as_the_text_says():
    """Pearson's p of exact counts is even in [0, 1]: below a number p in a share p of the tests."""
    (p,) = numbers("discrete_diffusion", r"A number below ([\d.]+) comes by chance once in a thousand")
    assert p == 1 / 1000
    law, generator = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64), torch.Generator().manual_seed(1)
    draws = torch.multinomial(law, 500 * 2000, replacement=True, generator=generator).reshape(2000, 500)
    found = torch.tensor([discrete_diffusion.chi_square(row.bincount(minlength=4).double(), law).p for row in draws])
    assert abs(float((found < 0.1).double().mean()) - 0.1) < 4 * math.sqrt(0.09 / 2000)


@claim("discrete_diffusion", "is mendelevium")
def test_the_mask_after_a_hundred_elements_is_mendelevium():
    (number,) = numbers("discrete_diffusion", r"number (\d+) is mendelevium")
    from pymatgen.core import Element

    assert Element.from_Z(int(number)).long_name == "Mendelevium"


@claim("discrete_diffusion", "is exact only for the absorbing chain", "classic source of bugs")
def test_only_the_symmetric_chain_may_be_transposed():
    for family, symmetric in (("uniform", True), ("absorbing", False)):
        walk = discrete_diffusion.sample(family=family, n_particles=10, n_steps=5)
        Q = walk.chain.cumulative[3]
        assert bool(torch.allclose(Q, Q.T)) == symmetric
        assert isinstance(walk.chain, DiscreteDiffusion)
