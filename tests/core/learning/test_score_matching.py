"""Learning the score: the floors are exact, every objective learns, a stopped run goes on bit by bit, aims are posterior means."""

import math

import pytest
import torch

from core.learning import score_matching as sm
from core.numerics.objectives import OBJECTIVES, WEIGHTINGS, draw


@pytest.fixture(scope="module")
def trained():
    settings = sm.Settings(n_steps=400)
    return sm.snapshot(sm.fit(n_steps=400), settings)


def exact_model(x, t):
    return sm.data("three modes").along(x, sm.SCHEDULE.alpha(t), sm.SCHEDULE.sigma(t))[1]


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_line_is_the_loss_of_the_exact_score(objective, weighting):
    """The mean over 20,000 points within 4 standard errors of the line by quadrature; 1.2 times the line is outside."""
    n = 20_000
    batch = draw(sm.data("three modes"), sm.SCHEDULE, n, torch.Generator().manual_seed(3), sm.T_MIN)
    values = WEIGHTINGS[weighting](sm.SCHEDULE, batch.t)[:, 0] * OBJECTIVES[objective].terms(exact_model, batch).detach()
    line = sm.levels("three modes").best(objective, weighting, clock=True, output="score")
    error = 4 * float(values.std()) / math.sqrt(n) + 1e-9
    assert abs(float(values.mean()) - line) < error
    if objective != "explicit":
        assert abs(float(values.mean()) - 1.2 * line) > min(error, abs(line) * 0.15)


def test_no_function_of_x_alone_beats_the_clockless_line():
    """The best clockless score, found by regression on a grid of bins, reaches the line from above; the exact score beats it."""
    levels = sm.levels("three modes")
    for output in sm.OUTPUTS:
        assert levels.best("explicit", "σ²", clock=False, output=output) > 0.01
    batch = draw(sm.data("three modes"), sm.SCHEDULE, 200_000, torch.Generator().manual_seed(4), sm.T_MIN)
    noise = batch.sigma * (exact_model(batch.x, batch.t) + batch.x)
    cell = ((batch.x.clamp(-3.99, 3.99) + 4) * 8).long()
    which = cell[:, 0] * 64 + cell[:, 1]
    count = torch.bincount(which, minlength=4096).clamp(min=1)[:, None]
    mean = torch.zeros(4096, 2).index_add_(0, which, noise) / count
    excess = 0.5 * (noise - mean[which]).square().sum(1)
    line = levels.clockless["σ²", "noise / σ"]
    assert line < float(excess.mean()) + 4 * float(excess.std()) / math.sqrt(len(excess))
    assert float(excess.mean()) < 1.2 * line


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_learns_on_the_same_budget(objective):
    """200 steps take the untrained error of about a tenth below 6 %; the loss ends nearer to its line than it began."""
    settings = sm.Settings(objective=objective, n_steps=200)
    before = sm.relative_error(sm.snapshot(None, settings).field, settings.dataset)
    shot = sm.snapshot(sm.fit(objective=objective, n_steps=200), settings)
    line = sm.levels("three modes").best(objective, "σ²", clock=True, output=settings.output)
    assert float(shot.errors[-1]) < 0.06 < before
    assert abs(float(shot.losses[-1]) - line) < abs(float(shot.losses[0]) - line)
    assert shot.step == 200 and len(shot.steps) == 4


def test_error_of_known_fields():
    """The exact score has error 0, none at all 1, and 1.2 times the exact one 0.04."""
    for factor, error in ((1.0, 0.0), (0.0, 1.0), (1.2, 0.04)):
        assert sm.relative_error(lambda x, t, f=factor: f * exact_model(x, t), "three modes") == pytest.approx(error, abs=1e-6)


def test_a_stopped_run_goes_on_to_the_same_bits():
    stop, seen = iter([False, True]), []
    half = sm.fit(n_steps=200, progress=lambda done, total, part: seen.append((done, total, part)), cancelled=lambda: next(stop))
    assert [(done, total) for done, total, _ in seen] == [(50, 200), (100, 200)] and seen[-1][2] == half
    whole = sm.fit(n_steps=200)
    assert sm.fit(n_steps=200, so_far=half) == whole
    assert sm.fit(n_steps=200, seed=2) != whole


def test_error_is_where_there_is_no_data(trained):
    wrong = sm.where_it_is_wrong(trained.field, "three modes")
    both = wrong.on_path.isfinite() & wrong.off_path.isfinite()
    assert both.sum() > 10 and float((wrong.off_path / wrong.on_path)[both].median()) > 2
    assert sm.error_map(trained.field, "three modes").error.shape == (40, 96)


def test_the_aim_is_the_posterior_mean(trained):
    """The cloud's mean is Tweedie's point within 4 standard errors; the trained network aims near it, an untrained one does not."""
    found = sm.aim(trained.field, "three modes", (0.2, 0.0), 0.2)
    error = 4 * found.cloud.std(0) / math.sqrt(len(found.cloud))
    assert ((found.cloud.mean(0) - found.exact).abs() < error).all()
    assert ((found.cloud.mean(0) * 1.2 + 0.2 - found.exact).abs() > error).any()
    naive = sm.aim(sm.snapshot(None, trained.settings).field, "three modes", (0.2, 0.0), 0.2)
    assert float((found.learned - found.exact).norm()) < 0.5 * float((naive.learned - found.exact).norm())


def test_samples_of_the_learned_score_land_near_the_data(trained):
    exact, learned = (sm.truth(sm.sample(field, "three modes", n_particles=2000), "three modes") for field in (None, trained.field))
    untrained = sm.truth(sm.sample(sm.snapshot(None, trained.settings).field, "three modes", n_particles=2000), "three modes")
    assert exact.z < 4 and learned.value < untrained.value / 2


def test_without_a_clock_t_does_not_matter():
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(1))
    blind = sm.ScoreField("score", False, 1)
    assert torch.equal(blind(x, torch.tensor([[0.1]])), blind(x, torch.tensor([[0.9]])))
    scaled = sm.ScoreField("noise / σ", False, 1)
    ratio = (scaled(x, torch.tensor([[0.1]])) + x) / (scaled(x, torch.tensor([[0.9]])) + x)
    assert torch.allclose(ratio, torch.full_like(ratio, sm.SCHEDULE.sigma(0.9) / sm.SCHEDULE.sigma(0.1)), rtol=1e-3)


@pytest.mark.parametrize("bad", [{"objective": "x"}, {"dataset": "checkerboard"}, {"weighting": "3"}, {"output": ""}, {"n_steps": 0}])
def test_unknown_settings_are_named(bad):
    with pytest.raises(ValueError):
        sm.fit(**bad)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_question_of_the_least_loss_has_the_sign_of_the_constant(weighting):
    def sign(objective, clock=True):
        return sm.sign_of_least_loss("ring", objective, weighting, clock=clock, output="noise / σ")[0]

    assert {name: sign(name) for name in OBJECTIVES} == {"denoising": 0, "explicit": 1, "implicit": 2, "Hutchinson": 2, "sliced": 2}
    assert sign("explicit", clock=False) == 0, "what the missing clock costs stays"


def test_question_of_the_aim_inside_a_ring_and_on_it():
    answer, said = sm.data_at_the_aim("ring", (0.0, 0.0), 0.4)
    assert answer == 1 and said.startswith("It aims at (0.00, 0.00)")
    radius = float(sm.data("ring").means.norm(dim=1).mean())
    assert sm.data_at_the_aim("ring", (radius, 0.0), 0.02)[0] == 0


def test_the_network_s_outputs_and_settings_by_value():
    """With a silent body both outputs are the score of the unit Gaussian; batches of 512, windows of 50, levels from t = 0.01."""
    x, t = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), torch.full((4, 1), 0.3)
    for output in sm.OUTPUTS:
        field = sm.ScoreField(output, True, 1)
        for weight in field.body.out.parameters():
            weight.data.zero_()
        assert torch.allclose(field(x, t), -x)
    assert (sm.T_MIN, sm.BATCH, sm.WINDOW) == (0.01, 512, 50)
    plan = sm._trainer(sm.Settings(n_steps=3)).plan
    assert (plan.learning_rate, plan.warmup, plan.ema) == (4e-3, 50, 0.99)
