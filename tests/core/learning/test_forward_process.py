"""The forward process: Euler's chain against its own closed form, the jump against p_t, and one path for all schedules."""

import math

import pytest
import torch

from core.learning import forward_process as fp
from core.numerics.densities import get_dataset
from core.numerics.schedules import VARIANTS

N = 8000
EVERY = [(schedule, variant) for schedule in fp.CLOCKS for variant in VARIANTS]


def noise(x, rule, kept, **params):
    """What is left of the state when the part kept of x_0 is taken out: (N, 2)."""
    x_0 = get_dataset("three modes").sample(N, torch.Generator().manual_seed(params.get("seed", 0)))
    return (x - kept * x_0).double()


@pytest.mark.parametrize(("schedule", "variant"), EVERY)
def test_euler_follows_its_own_closed_form_and_not_a_fifth_more(schedule, variant):
    params = dict(schedule=schedule, variant=variant, n_steps=20)
    chain = fp.chain_moments(**params)
    run = fp.sample(rule="Euler", n_particles=N, n_frames=21, **params)
    for k in (4, 12, 20):
        left = noise(run.positions[k], "Euler", float(chain.kept[k]))
        value, exact = float(left.square().mean()), float(chain.variance[k])
        error = exact * math.sqrt(2 / (2 * N))
        assert abs(value - exact) < 4 * error < abs(value - 1.2 * exact)


@pytest.mark.parametrize("rule", ["transition", "jump"])
@pytest.mark.parametrize(("schedule", "variant"), EVERY)
def test_jump_and_exact_transition_have_alpha_and_sigma_at_any_number_of_steps(schedule, variant, rule):
    path = fp.clock(schedule, variant)
    for n_steps in (1, 3, 30):
        run = fp.sample(schedule=schedule, variant=variant, rule=rule, n_steps=n_steps, t_end=0.7, n_particles=N, n_frames=n_steps + 1)
        left = noise(run.final, rule, path.alpha(0.7))
        value, exact = float(left.square().mean()), path.sigma(0.7) ** 2
        error = exact * math.sqrt(2 / (2 * N))
        assert abs(value - exact) < 4 * error < abs(value - 1.2 * exact)
        assert float(left.mean(0).abs().max()) < 4 * math.sqrt(exact / N)


def test_the_jump_needs_one_draw_and_the_chain_many():
    """The correlation of the noise at two times: 1 for the jump, alpha' sigma / (alpha sigma') for the chain."""
    path = fp.clock("linear")
    for rule in ("jump", "transition"):
        run = fp.sample(rule=rule, n_steps=10, n_particles=N, n_frames=11)
        early, late = (noise(run.positions[k], rule, path.alpha(k / 10)).flatten() for k in (3, 5))
        seen = float(torch.corrcoef(torch.stack([early, late]))[0, 1])
        exact = 1.0 if rule == "jump" else path.alpha(0.5) * path.sigma(0.3) / (path.alpha(0.3) * path.sigma(0.5))
        error = (1 - exact**2) / math.sqrt(2 * N)
        assert abs(seen - exact) < 4 * error + 1e-5
        if rule == "transition":
            assert abs(seen - 1.2 * exact) > 4 * error


@pytest.mark.parametrize("rule", fp.RULES)
def test_truth_accepts_fine_chains_and_refuses_coarse_euler(rule):
    where = dict(dataset="three modes", schedule="linear", variant="VP")
    fine = fp.sample(rule=rule, n_steps=1000, t_end=0.5, n_particles=2000, on_stage=True, **where)
    coarse = fp.sample(rule=rule, n_steps=3, n_particles=2000, on_stage=True, **where)
    assert fp.truth(fine, **where).z < 4
    assert (fp.truth(coarse, **where).z > 4) == (rule == "Euler")


@pytest.mark.parametrize("variant", VARIANTS)
def test_euler_converges_with_order_one(variant):
    """Error of the noise variance at t = 1/2 against the exact sigma^2: halved with the step."""
    errors = [
        abs(float(chain.variance[-1] - chain.sigma2[-1]))
        for chain in (fp.chain_moments(variant=variant, t_end=0.5, n_steps=n) for n in (200, 400, 800))
    ]
    orders = [math.log2(a / b) for a, b in zip(errors, errors[1:])]
    assert all(0.9 < order < 1.1 for order in orders)


@pytest.mark.parametrize("n_steps", [2, 10, 100, 400])
def test_the_finite_clock_ends_with_variance_two_whatever_the_number_of_steps(n_steps):
    """The last step has e^t dt' = 1: nothing of x is kept, and 2 of noise is added. Refining does not help."""
    chain = fp.chain_moments(schedule="finite time", n_steps=n_steps)
    assert float(chain.kept[-1]) == pytest.approx(0, abs=1e-12) and float(chain.variance[-1]) == pytest.approx(2)
    assert float(chain.erased[-1]) == pytest.approx(1) and chain.erased.argmax() == n_steps - 1
    expected = 1 / torch.arange(n_steps, 0, -1, dtype=torch.float64)  # e^t dt' = 1 / (n - k)
    assert torch.allclose(chain.erased, expected) and not torch.allclose(chain.erased, 1.2 * expected)
    assert abs(float(fp.chain_moments(schedule="finite time", t_end=0.9, n_steps=400).variance[-1]) - (1 - 0.1**2)) < 0.03


def test_ddpm_betas_follow_ho_and_reach_one_for_the_unclipped_cosine():
    """1000 steps of the linear clock are Ho's beta from 1e-4 to 0.02; beta never passes 1, Euler's share does."""
    chain = fp.chain_moments(schedule="linear", n_steps=1000)
    assert float(chain.beta[0]) == pytest.approx(1.1e-4, rel=0.01) and float(chain.beta[-1]) == pytest.approx(0.02, rel=0.02)
    assert not float(chain.beta[-1]) == pytest.approx(1.2 * 0.02, rel=0.02)
    for schedule in fp.CLOCKS:
        coarse = fp.chain_moments(schedule=schedule, n_steps=5)
        assert ((coarse.beta >= 0) & (coarse.beta < 1)).all()
    assert fp.chain_moments(schedule="linear", n_steps=5).erased.max() > 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_clocks_of_a_variant_trace_one_path(variant):
    result = fp.collapse(variant=variant)
    assert result.deviation < 1e-9 and result.density_deviation < 1e-9
    in_time = torch.stack(list(result.in_time.values()))
    assert (in_time.amax(0) - in_time.amin(0)).max() > 0.05 * in_time.max()  # at different speeds
    vp = fp.collapse(variant="VP")
    apart = float((result.on_path["linear"] - vp.on_path["linear"]).abs().max() / vp.on_path["linear"].max())
    assert apart > 0.05 if variant == "sub-VP" else apart < 1e-9  # sub-VP is another path; VE over its width is VP's


def test_kl_along_the_path_matches_draws():
    """KL = E[ln p - ln N] over draws of p, within 4 standard errors; not when the Gaussian is a fifth too wide."""
    result, path = fp.collapse(), fp.clock("linear")
    k = 16
    t = float(path.time_at(math.exp(-float(result.log_snr[k]) / 2)))
    marginal = get_dataset("three modes").to(torch.float64).marginal(0).diffused(path, t)
    x = marginal.sample(40_000, torch.Generator().manual_seed(0))

    def estimate(width):
        each = marginal.log_prob(x) + 0.5 * (x[:, 0] / width) ** 2 + math.log(width * math.sqrt(2 * math.pi))
        return float(each.mean()), float(each.std() / math.sqrt(len(x)))

    value, error = estimate(1.0)
    assert abs(value - float(result.on_path["linear"][k])) < 4 * error
    assert abs(estimate(math.sqrt(1.2))[0] - float(result.on_path["linear"][k])) > 4 * error


def test_too_little_noise_is_seen_and_paid_for():
    where = dict(schedule="linear", variant="VP")
    short, whole = (fp.sample(rule="jump", t_end=t, on_stage=True, **where) for t in (0.2, 1.0))
    assert fp.gaussian_gap(short, **where).z > 4 > fp.gaussian_gap(whole, **where).z
    price = fp.price_of_too_little_noise()
    assert price.gap[0] > 3 * price.gap[-1] and price.back[0] > 2 * price.back[-1] and price.drift[0] > 3 * price.drift[-1]
    assert abs(float(price.back[-1]) - price.floor.mean) < 4 * price.floor.std


def test_gap_of_ve_is_to_its_own_gaussian():
    run = fp.sample(rule="jump", schedule="EDM", variant="VE", on_stage=True)
    assert fp.gaussian_gap(run, schedule="EDM", variant="VE").z < 4
    assert fp.prior_width(fp.clock("EDM", "VE"), 0.5) == pytest.approx(40) and fp.prior_width(fp.clock("EDM"), 0.5) == 1


def test_same_seed_same_data_for_every_rule_and_frames_change_nothing():
    runs = [fp.sample(rule=rule, n_steps=50, n_particles=100) for rule in fp.RULES]
    assert all(torch.equal(run.positions[0], runs[0].positions[0]) for run in runs)
    few = fp.sample(n_steps=50, n_particles=100, n_frames=3)
    assert torch.equal(few.final, runs[0].final) and few.n_frames == 3
    assert torch.equal(few.times, fp.frame_times(1.0, 50, 3))


@pytest.mark.parametrize(
    "bad",
    [
        dict(rule="leap"),
        dict(schedule="square"),
        dict(t_end=0.0),
        dict(t_end=1.1),
        dict(n_steps=0),
        dict(n_steps=2001),
        dict(n_particles=0),
        dict(dataset="moon"),
        dict(variant="XP"),
    ],
)
def test_bad_parameters_are_refused(bad):
    with pytest.raises(ValueError):
        fp.sample(**{"n_particles": 5, "n_steps": 5} | bad)


def test_question_of_the_noise_follows_the_closed_form():
    assert fp.noise_of_euler(schedule="finite time", n_steps=7) == (
        2,
        "With n = 7 the variance of its noise is 2, where σ² = 1; the ratio is 2.",
    )
    assert [fp.noise_of_euler(n_steps=n)[0] for n in (1, 3, 100, 2000)] == [0, 2, 2, 1]
    assert fp.noise_of_euler(variant="VE", n_steps=100)[0] == 0


def test_question_of_the_balance_finds_where_signal_and_noise_cross():
    for schedule, variant in EVERY:
        third, said = fp.time_of_balance(schedule=schedule, variant=variant)
        t = float(said.split("t = ")[1].split(" ")[0])
        path = fp.clock(schedule, variant)
        assert path.alpha(t - 6e-4) > path.sigma(t - 6e-4) and path.alpha(t + 6e-4) < path.sigma(t + 6e-4)
        assert third == min(int(3 * t), 2)
    assert {fp.time_of_balance(schedule=name)[0] for name in fp.CLOCKS} == {0, 1}


def test_the_curve_over_log_snr_is_drawn_at_that_log_snr():
    """KL(p_t || N(0, 1)) of the first coordinate where alpha^2 = 1/(1 + exp(-L)), the mixture written out."""
    found, data = fp.collapse(), get_dataset("three modes").to(torch.float64)
    x = torch.linspace(-8, 8, 2001, dtype=torch.float64)
    for k in (4, 12, 20):
        alpha2 = 1 / (1 + math.exp(-float(found.log_snr[k])))
        widths = (alpha2 * data.scales**2 + 1 - alpha2).sqrt()
        z = (x[:, None] - math.sqrt(alpha2) * data.means[:, 0]) / widths
        p = (data.weights * torch.exp(-0.5 * z**2) / (widths * math.sqrt(2 * math.pi))).sum(1)
        bell = -0.5 * (x**2 + math.log(2 * math.pi))
        assert float(found.on_path["linear"][k]) == pytest.approx(float(torch.trapezoid(p * (p.log() - bell), x)), rel=1e-4, abs=1e-8)
