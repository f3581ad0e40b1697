import inspect
import math

import pytest
import torch

from core.learning import reverse_process as rp
from core.numerics.densities import DATASETS, get_dataset
from core.numerics.distances import measure, sliced
from core.numerics.schedules import SCHEDULES, VARIANTS, get_schedule

N = 4000


def weights(x):
    return get_dataset("three modes").responsibilities(x).argmax(1).bincount(minlength=3) / len(x)


@pytest.mark.parametrize("method", rp.METHODS)
@pytest.mark.parametrize(("schedule", "variant"), [("linear", "VP"), ("cosine", "sub-VP"), ("EDM", "VE")])
def test_exact_score_recovers_the_mixture_weights(method, schedule, variant):
    """Mode shares 1/2, 0.3, 0.2 within 4 standard errors; shares of a uniform mixture would be outside."""
    x = rp.sample(schedule=schedule, variant=variant, method=method, n_steps=250, n_particles=N, n_frames=1).final
    exact = get_dataset("three modes").weights
    z = (weights(x) - exact) / torch.sqrt(exact * (1 - exact) / N)
    assert z.abs().max() < 4
    assert ((weights(x) - 1 / 3) / math.sqrt(2 / 9 / N)).abs().max() > 4


@pytest.mark.parametrize("method", ["ODE Heun", "EDM", "DPM-Solver++"])
def test_width_of_the_modes(method):
    """Variance about the own mode 0.3^2 within 4 standard errors; a score 20% too strong misses it."""
    data = get_dataset("three modes")

    def variance(sign):
        x = rp.sample(schedule="EDM", method=method, n_steps=150, n_particles=N, sign=sign, n_frames=1).final
        return float((x - data.means[data.responsibilities(x).argmax(1)]).square().mean())

    tolerance = 4 * 0.09 * math.sqrt(1 / N)  # 2 N squares: relative standard error sqrt(2 / 2N)
    assert abs(variance(1.0) - 0.09) < tolerance < abs(variance(1.2) - 0.09)


@pytest.mark.parametrize("method", rp.METHODS)
@pytest.mark.parametrize("score", rp.SCORES)
def test_every_method_runs_on_every_schedule_with_both_scores(method, score):
    for schedule in SCHEDULES:
        for variant in VARIANTS:
            x = rp.sample(
                dataset="two moons", schedule=schedule, variant=variant, method=method, score=score, n_steps=40, n_particles=100, n_frames=1
            ).final
            assert x.isfinite().all() and x.abs().max() < 6, (schedule, variant)


@pytest.mark.parametrize("dataset", ["two moons", "checkerboard"])
def test_learned_score_lands_near_the_exact_one(dataset):
    runs = {
        score: rp.sample(
            dataset=dataset, method="DPM-Solver++", score=score, n_steps=60, n_particles=1500, spacing="log-SNR", n_frames=1
        ).final
        for score in rp.SCORES
    }
    truth = {s: measure(sliced, x, rp.target(dataset).sample) for s, x in runs.items()}
    assert truth["exact"].z < 4 and truth["learned"].ratio < 3
    wrong = rp.sample(dataset=dataset, n_steps=60, n_particles=1500, sign=-1.0, n_frames=1).final
    assert measure(sliced, wrong, rp.target(dataset).sample).ratio > 10


def test_same_noise_side_by_side():
    """Equal seeds: one x_1 for all methods, and for DDPM and the reverse SDE nearly the same path."""
    common = dict(n_steps=1000, n_particles=500, seed=7, n_frames=50)
    sde, ddpm, heun = (rp.sample(method=m, **common) for m in ("reverse SDE", "DDPM", "ODE Heun"))
    other = rp.sample(method="DDPM", **(common | {"seed": 8}))
    assert torch.equal(sde.positions[0], ddpm.positions[0]) and torch.equal(sde.positions[0], heun.positions[0])
    gap = (sde.final - ddpm.final).norm(dim=1).median()
    assert gap < 0.1 < (other.final - ddpm.final).norm(dim=1).median()


def test_stored_frames_do_not_change_the_sample():
    few, many = (rp.sample(n_steps=60, n_particles=50, n_frames=n) for n in (3, 200))
    assert torch.equal(few.final, many.final) and (few.n_frames, many.n_frames) == (3, 61)
    assert torch.equal(few.final, rp.sample(n_steps=60, n_particles=50, n_frames=3).final)


def test_options_act():
    def final(**options):
        return rp.sample(n_steps=50, n_particles=1000, n_frames=1, **options).final

    spread = [float(final(temperature=T, method="DDPM").sub(final(temperature=T, method="DDPM").mean(0)).var()) for T in (0.2, 1.0, 2.0)]
    assert spread[0] < spread[1] < spread[2]
    assert final(clip=0.5).abs().max() < 1 < 2 < final().abs().max()
    assert torch.equal(final(method="DDIM", eta=1.0), final(method="DDPM"))
    assert not torch.equal(final(method="DDIM", eta=0.0), final(method="DDPM"))
    assert not torch.equal(final(method="EDM", churn=0.0), final(method="EDM", churn=80.0))
    assert not torch.equal(final(method="predictor-corrector"), final(method="predictor-corrector", corrector_order="corrector-first"))
    assert final(sign=-1.0).abs().max() > 10


@pytest.mark.parametrize(("schedule", "variant", "on_stage"), [("linear", "VP", False), ("EDM", "VE", True)])
def test_density_frames_match_the_particles(schedule, variant, on_stage):
    """Counts in a 4 x 4 coarsening of the grid against the exact frame, chi-square with 4-sigma tolerance."""
    run = rp.sample(schedule=schedule, variant=variant, method="EDM", n_steps=150, n_particles=N, n_frames=5, on_stage=on_stage)
    bounds, size = (-4.0, 4.0, -4.0, 4.0), 128
    frames = rp.exact_density_frames("three modes", schedule, run.times, bounds, size, variant=variant, on_stage=on_stage)
    assert frames.shape == (run.n_frames, size, size)
    for x, frame in zip(run.positions[1:], frames[1:]):
        exact = frame.reshape(4, size // 4, 4, size // 4).sum((1, 3)).flatten() * (8 / size) ** 2
        cell = ((x + 4) / 2).long().clamp(0, 3)
        counts = (cell[:, 1] * 4 + cell[:, 0]).bincount(minlength=16)
        keep = exact * N > 5
        chi2 = ((counts - N * exact) ** 2 / (N * exact))[keep].sum()
        assert chi2 < keep.sum() + 4 * math.sqrt(2 * keep.sum())


def test_score_frames_point_along_the_rising_density():
    times, bounds = torch.tensor([0.3, 0.05]), (-3.0, 3.0, -3.0, 3.0)
    arrows = rp.exact_score_frames("three modes", "linear", times, bounds, 48)
    density = rp.exact_density_frames("three modes", "linear", times, bounds, 48).log()
    assert arrows.shape == (2, 48, 48, 2)
    slope = (density[:, :, 2:] - density[:, :, :-2]) / 0.25  # along x, over two cells of width 1/8
    assert (slope - arrows[:, :, 1:-1, 0]).abs().median() < 0.01 * arrows[..., 0].abs().median()


def test_error_curves_fall_to_the_floor():
    curves = rp.error_against_evaluations(methods=("reverse SDE", "ODE Heun", "DPM-Solver++"), budgets=(4, 16, 128), n_particles=800)
    assert curves.evaluations["ODE Heun"] == [4, 16, 128]
    for values in curves.distances.values():
        assert values[0] > 2 * curves.floor.mean and values[-1] < values[0] / 2
        assert values[-1] < curves.floor.mean + 4 * curves.floor.std


def test_likelihood_of_the_ode():
    exact = rp.likelihood(n_points=50)
    assert exact.rms_error < 0.01
    learned = rp.likelihood(n_points=50, score="learned")
    assert exact.rms_error < learned.rms_error < 0.3
    assert torch.equal(exact.x, learned.x)


@pytest.mark.parametrize("dataset", [name for name in DATASETS if name != "three modes"])
def test_likelihood_of_every_data_set(dataset):
    """Where the divergence has no closed form it comes by autograd, through the score of a histogram too."""
    assert rp.likelihood(n_points=30, dataset=dataset).rms_error < 0.02


def test_the_finish_line_is_the_law_at_t_min():
    path = get_schedule("linear")
    law = rp.target("three modes")
    assert torch.allclose(law.scales**2, 0.09 * path.alpha_bar(1e-3) + torch.tensor(path.sigma(1e-3) ** 2))


@pytest.mark.parametrize(
    "bad",
    [
        {"method": "Euler"},
        {"n_steps": 0},
        {"n_steps": 1001},
        {"n_particles": 0},
        {"dataset": "moon"},
        {"schedule": "x"},
        {"variant": "y"},
        {"score": "z"},
        {"spacing": "w"},
        {"method": "predictor-corrector", "corrector_order": "both"},
    ],
)
def test_bad_parameters_are_refused(bad):
    with pytest.raises(ValueError):
        rp.sample(**({"n_particles": 5} | bad))


def test_question_of_the_densest_half_knows_cold_from_exact_and_from_blurred():
    exact = rp.target("three modes").sample(N, torch.Generator().manual_seed(1))
    assert rp.densest_half(exact, "three modes", "linear")[0] == 1
    assert rp.densest_half(exact + 0.3 * torch.randn(N, 2, generator=torch.Generator().manual_seed(2)), "three modes", "linear")[0] == 2
    cold = rp.sample(temperature=0.5, n_steps=200, n_particles=N).final
    assert rp.densest_half(cold, "three modes", "linear")[0] == 0


def test_question_of_the_error_left_finds_half_where_the_rule_is_of_first_order():
    assert [rp.error_left(n_steps=n)[0] for n in (1, 20, 100)] == [0, 2, 1]
    left = float(rp.error_left("lattice", "sigmoid", n_steps=100)[1].rsplit(": ", 1)[1].split("%")[0])
    assert abs(left - 50) < 4


def test_question_of_the_closer_walk():
    """Ten steps: noise wins on the linear schedule, the solver on EDM's. With 200 both are exact to the eye."""
    both = {"reverse SDE": "noise", "DPM-Solver++": "solver"}
    setting = dict(n_steps=10, n_particles=500)
    assert [rp.closer(both, schedule=schedule, **setting)[0] for schedule in ("linear", "EDM")] == [0, 1]
    answer, said = rp.closer(both, n_steps=200, n_particles=300, schedule="EDM")
    assert answer == 2 and said.startswith("Mean distance of 5 runs each: noise 0.1") and " ± 0.0" in said


@pytest.mark.parametrize("method", rp.METHODS)
def test_the_first_particles_alone_take_the_same_paths(method):
    """To within rounding (matrix products of other sizes), whatever noise the others were given: other noise would be off by 0.1."""
    setting = dict(method=method, n_steps=20, n_particles=900, seed=5, temperature=0.9, on_stage=True, schedule="EDM")
    few, all_of_them = rp.sample(**setting, first=200), rp.sample(**setting)
    assert few.n_particles == 200
    assert torch.allclose(few.positions, all_of_them.positions[:, :200], atol=1e-4)
    assert torch.equal(few.times, all_of_them.times)


def test_the_settings_of_the_samplers_by_value():
    """Song et al. 2021: snr 0.16 of the corrector; Karras et al. 2022: churn 40; DDIM half-way to DDPM."""
    default = {name: one.default for name, one in inspect.signature(rp.sample).parameters.items()}
    assert (default["snr"], default["churn"], default["eta"]) == (0.16, 40.0, 0.5) and rp.MAX_STEPS == 1000
