"""The formula denoiser learns which elements go together, and a stopped training goes on to the same bits, dropout included."""

import torch

from core.learning.formulas import Formulas
from core.learning.train_formulas import trainer
from core.numerics.training import TrainingPlan

SALTS = [[("Na", 1), ("Cl", 1)], [("K", 1), ("Br", 1)], [("Ca", 1), ("F", 2)], [("Sr", 1), ("Ti", 1), ("O", 3)]]


def training(n_steps: int):
    return trainer(Formulas.of(SALTS), TrainingPlan(n_steps=n_steps, learning_rate=3e-3, warmup=5, ema=0.9, seed=2), batch=48, width=16)


def test_it_learns():
    losses = [progress.loss for progress in training(150).run()]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path):
    whole, half, resumed = (training(12) for _ in range(3))
    list(whole.run())
    for progress in half.run():
        if progress.step == 5:
            break
    half.save(tmp_path / "checkpoint.safetensors")
    resumed.resume(tmp_path / "checkpoint.safetensors")
    torch.rand(3)
    list(resumed.run())
    for name, value in whole.averaged.state_dict().items():
        assert torch.equal(resumed.averaged.state_dict()[name], value), name
