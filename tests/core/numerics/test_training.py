import math

import pytest
import torch
from torch import nn

from core.numerics.training import CheckpointError, ExponentialAverage, Trainer, TrainingPlan, grouped, shuffled


def regression(seed=0, network=None, batches=None, settings=None, **plan):
    """Fit y = 3 x - 1 from noisy draws: the least-squares answer is known."""
    torch.manual_seed(seed)

    def loss(network, generator, *batch):
        x = torch.rand(64, 1, generator=generator) + (0.01 * batch[0].mean() if batch else 0)
        y = 3 * x - 1 + 0.1 * torch.randn(64, 1, generator=generator)
        return (network(x) - y).square().mean()

    plan = TrainingPlan(**({"n_steps": 600, "learning_rate": 0.05, "warmup": 10, "ema": 0.95} | plan))
    return Trainer(network() if network else nn.Linear(1, 1), loss, plan, batches, settings)


def with_dropout():
    return nn.Sequential(nn.Linear(1, 16), nn.SiLU(), nn.Dropout(0.5), nn.Linear(16, 1))


def test_training_finds_the_least_squares_line():
    trainer = regression()
    losses = [p.loss for p in trainer.run()]
    assert len(losses) == 600 and trainer.step == 600
    assert abs(trainer.averaged.weight.item() - 3) < 0.1 and abs(trainer.averaged.bias.item() + 1) < 0.06
    assert sum(losses[-50:]) / 50 < 0.013 < losses[0]  # the irreducible part is the noise variance 0.01


def test_the_average_by_hand():
    """From 0 towards 1, 2, 4 with d = 0.1, 2/11, 3/12; with a decay of 0.15 the last two are 0.15."""
    network = nn.Linear(1, 1, bias=False)
    for decay, values in ((0.999, (0.9, 1.8, 3.45)), (0.15, (0.9, 1.835, 3.67525)), (0.0, (1.0, 2.0, 4.0))):
        nn.init.zeros_(network.weight)
        average = ExponentialAverage(network, decay)
        for k, (weight, mean) in enumerate(zip((1.0, 2.0, 4.0), values, strict=True)):
            nn.init.constant_(network.weight, weight)
            average.update(k)
            assert average.mean.weight.item() == pytest.approx(mean, abs=1e-6)
        assert not average.mean.training and not average.mean.weight.requires_grad


def test_the_average_forgets_the_start_and_then_lags():
    trainer = regression(ema=0.999)
    start = trainer.network.weight.item()
    for _ in zip(range(50), trainer.run()):
        pass
    assert 0 < abs(trainer.averaged.weight.item() - start) < abs(trainer.network.weight.item() - start)


def test_rates_by_hand():
    cosine = TrainingPlan(n_steps=100, learning_rate=0.8, warmup=10)
    assert [cosine.rate(k) for k in (0, 50, 75)] == pytest.approx([0.08, 0.4, 0.4 * (1 - math.cos(math.pi / 4))])
    floor = TrainingPlan(n_steps=100, learning_rate=0.8, warmup=0, floor=0.01)
    assert [floor.rate(k) for k in (0, 50, 100, 200)] == pytest.approx([0.8, 0.8 * (0.01 + 0.99 / 2), 0.008, 0.008])
    linear = TrainingPlan(n_steps=100, learning_rate=0.8, warmup=1, decay="linear", floor=0.1)
    assert [linear.rate(k) for k in (0, 25, 100)] == pytest.approx([0.8, 0.8 * (0.1 + 0.9 * 0.75), 0.08])
    clock = TrainingPlan(n_steps=None, seconds=60, learning_rate=0.8, warmup=10)
    assert [clock.rate(4, 30.0), clock.rate(500, 15.0)] == pytest.approx([0.2, 0.4 * (1 + math.cos(math.pi / 4))])


def test_the_rate_of_the_plan_is_the_one_in_force():
    """Adam's first step is the learning rate, whatever the gradient."""
    trainer = regression(learning_rate=0.05, warmup=4)
    start = trainer.network.weight.item()
    first = next(trainer.run())
    assert first.step == 1 and first.done == pytest.approx(1 / 600)
    assert abs(trainer.network.weight.item() - start) == pytest.approx(0.05 / 4, rel=1e-3)


def test_weight_decay_by_hand():
    """Without a gradient only the decay is left: theta (1 - rate lambda) in each step, the rate halved by the cosine at half time."""
    trainer = Trainer(
        nn.Linear(1, 1, bias=False), lambda net, _: 0 * net.weight.sum(), TrainingPlan(4, learning_rate=0.5, warmup=1, weight_decay=0.2)
    )
    start = trainer.network.weight.item()
    next(trainer.run())
    assert trainer.network.weight.item() == pytest.approx(0.9 * start)
    list(trainer.run())
    left = math.prod(1 - 0.1 * 0.5 * (1 + math.cos(math.pi * k / 4)) for k in range(4))
    assert trainer.network.weight.item() == pytest.approx(left * start, rel=1e-5)


def test_long_gradients_are_cut():
    """Gradients 1000 and 1: cut to 1 and 1, Adam moves by the rate twice; uncut, by m / sqrt(v) of the two in the second step."""

    def moved(clip_norm):
        factor = iter([1000.0, 1.0])
        trainer = Trainer(
            nn.Linear(1, 1, bias=False),
            lambda net, _: next(factor) * net.weight.sum(),
            TrainingPlan(2, learning_rate=0.1, warmup=1, clip_norm=clip_norm),
        )
        start = trainer.network.weight.item()
        list(trainer.run())
        return start - trainer.network.weight.item()

    assert moved(1.0) == pytest.approx(0.1 + 0.05, rel=1e-3)
    m, v = (0.9 * 0.1 * 1000 + 0.1) / (1 - 0.9**2), (0.999 * 0.001 * 1000**2 + 0.001) / (1 - 0.999**2)
    assert moved(math.inf) == pytest.approx(0.1 + 0.05 * m / v**0.5, rel=1e-3)


@pytest.mark.parametrize("network", [None, with_dropout], ids=["a line", "with dropout"])
@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1, "betas": (0.9, 0.99), "decay": "linear"}], ids=["Adam", "AdamW"])
def test_a_resumed_run_ends_on_the_same_bits(tmp_path, network, options):
    batches = shuffled(torch.arange(100.0), 30, seed=1)
    whole = regression(network=network, batches=batches, **options)
    list(whole.run())
    half, path = regression(network=network, batches=batches, **options), tmp_path / "half.safetensors"
    for progress in half.run():
        if progress.step == 251:
            break
    half.save(path)
    resumed = regression(seed=9, network=network, batches=batches, **options)
    resumed.resume(path)
    assert resumed.step == 251 and resumed.seconds == half.seconds > 0 and resumed.epoch == 62
    torch.rand(7)  # what else the process draws makes no difference
    list(resumed.run())
    for name, value in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value), name
        assert torch.equal(resumed.averaged.state_dict()[name], whole.averaged.state_dict()[name]), name
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_training_leaves_the_random_numbers_of_the_process_alone():
    trainer = regression(network=with_dropout, n_steps=5)
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    list(trainer.run())
    assert torch.equal(torch.rand(3), expected)


def test_a_checkpoint_of_another_run_is_refused_in_words(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    ours = {"batch": 64}
    regression(settings=ours).save(path)
    regression(settings=ours, n_steps=900).resume(path)  # a longer budget is welcome
    with pytest.raises(CheckpointError, match=r"other settings \(learning_rate, weight_decay\)"):
        regression(settings=ours, learning_rate=0.01, weight_decay=0.1).resume(path)
    with pytest.raises(CheckpointError, match=r"other settings \(batch\)"):
        regression(settings={"batch": 32}).resume(path)
    with pytest.raises(CheckpointError, match="another network"):
        regression(settings=ours, network=with_dropout).resume(path)
    path.write_bytes(b"nothing")
    for unreadable in (path, tmp_path / "absent.safetensors"):
        with pytest.raises(CheckpointError, match=unreadable.name):
            regression().resume(unreadable)


def test_a_budget_of_seconds_is_time_spent_training():
    trainer = regression(n_steps=None, seconds=0.5, warmup=1)
    shares = [progress.done for progress in trainer.run()]
    assert shares == sorted(shares) and shares[-1] == 1 and trainer.seconds >= 0.5
    assert trainer.step > 5


def test_every_epoch_shows_each_row_once_in_a_new_order():
    batches = shuffled(torch.arange(10, 20), 4, seed=0)
    first, second = torch.cat(batches(0)), torch.cat(batches(1))
    assert [len(batch) for batch in batches(3)] == [4, 4, 2]
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(10, 20))
    assert not torch.equal(first, second) and torch.equal(first, torch.cat(batches(0)))
    seen = []
    plan = TrainingPlan(n_steps=6)
    trainer = Trainer(nn.Linear(1, 1), lambda net, _, rows: seen.append(rows) or net.weight.sum(), plan, batches)
    assert len(list(trainer.epochs())) == 2 and trainer.epoch == 2
    assert torch.equal(torch.cat(seen), torch.cat([first, second]))


def test_batches_of_groups_hold_one_group_each_and_every_row_once():
    batches = grouped({5: 24, 2: 7}, lambda group: 20 // group, seed=0)
    first, second = batches(0), batches(1)
    assert [len(rows) for group, rows in sorted(first, key=lambda b: b[0])] == [7] + 6 * [4]
    for epoch in (first, second):
        for group, n in ((5, 24), (2, 7)):
            assert sorted(row for m, rows in epoch if m == group for row in rows.tolist()) == list(range(n))
    assert [(group, rows.tolist()) for group, rows in first] != [(group, rows.tolist()) for group, rows in second]
    assert all(a == b and (x == y).all() for (a, x), (b, y) in zip(first, batches(0), strict=True))


@pytest.mark.parametrize(
    "bad", [{"n_steps": 0}, {"n_steps": None}, {"seconds": 3.0}, {"n_steps": None, "seconds": -1.0}, {"decay": "step"}]
)
def test_a_plan_without_sense_is_refused(bad):
    with pytest.raises(ValueError, match="budget|decay"):
        TrainingPlan(**bad)


def test_another_seed_gives_other_weights():
    a, b = regression(n_steps=50), regression(n_steps=50, seed=0)
    c = regression(n_steps=50)
    c.generator.manual_seed(1)
    for trainer in (a, b, c):
        list(trainer.run())
    assert torch.equal(a.network.weight, b.network.weight)
    assert not torch.equal(a.network.weight, c.network.weight)
