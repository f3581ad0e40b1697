import torch
from torch import nn

from core.numerics.training import Trainer, TrainingPlan


def regression(seed=0, **plan):
    """Fit y = 3 x - 1 from noisy draws: the least-squares answer is known."""
    torch.manual_seed(seed)

    def loss(network, generator):
        x = torch.rand(64, 1, generator=generator)
        y = 3 * x - 1 + 0.1 * torch.randn(64, 1, generator=generator)
        return (network(x) - y).square().mean()

    return Trainer(nn.Linear(1, 1), loss, TrainingPlan(**({"n_steps": 600, "learning_rate": 0.05, "warmup": 10, "ema": 0.95} | plan)))


def test_training_finds_the_least_squares_line():
    trainer = regression()
    losses = [p.loss for p in trainer.run()]
    assert len(losses) == 600 and trainer.step == 600
    assert abs(trainer.averaged.weight.item() - 3) < 0.1 and abs(trainer.averaged.bias.item() + 1) < 0.06
    assert sum(losses[-50:]) / 50 < 0.013 < losses[0]  # the irreducible part is the noise variance 0.01


def test_the_average_lags_and_the_rate_rises_then_falls():
    trainer = regression(ema=0.999)
    first = next(trainer.run())
    assert first.step == 1 and first.n_steps == 600
    plan = trainer.plan
    assert plan.rate(0) < plan.rate(9) > plan.rate(300) > plan.rate(599) >= 0
    start = trainer.network.weight.item()
    for _ in zip(range(50), trainer.run()):
        pass
    assert abs(trainer.averaged.weight.item() - start) < abs(trainer.network.weight.item() - start)


def test_a_resumed_run_ends_on_the_same_bits(tmp_path):
    whole = regression()
    list(whole.run())
    half, path = regression(), tmp_path / "half.safetensors"
    for progress in half.run():
        if progress.step == 251:
            break
    half.save(path)
    resumed = regression(seed=9)
    resumed.resume(path)
    assert resumed.step == 251
    list(resumed.run())
    assert torch.equal(resumed.network.weight, whole.network.weight)
    assert torch.equal(resumed.averaged.weight, whole.averaged.weight)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_another_seed_gives_other_weights():
    a, b = regression(n_steps=50), regression(n_steps=50, seed=0)
    c = regression(n_steps=50)
    c.generator.manual_seed(1)
    for trainer in (a, b, c):
        list(trainer.run())
    assert torch.equal(a.network.weight, b.network.weight)
    assert not torch.equal(a.network.weight, c.network.weight)
