import torch
from safetensors.torch import load_file

from core.cli import main
from core.learning import train_score
from core.learning.train_score import score_errors, trainer
from core.numerics.networks import load_network
from core.numerics.training import TrainingPlan


def test_a_short_training_already_beats_no_score(monkeypatch):
    monkeypatch.setattr(train_score, "LEVELS", (0.3, 1.0))
    run = trainer("three modes", TrainingPlan(n_steps=250, ema=0.98), batch=256, width=48)
    before = score_errors(run.averaged, "three modes", n=1000)
    list(run.run())
    after = score_errors(run.averaged, "three modes", n=1000)
    assert all(after[r] < 0.5 * before[r] and after[r] < 0.2 for r in after)


def test_the_command_writes_weights_and_card_and_resumes(tmp_path, capsys):
    def command(out, steps, checkpoint):
        main(
            [
                "train",
                "score",
                "--dataset",
                "two moons",
                "--out",
                str(tmp_path / out),
                "--steps",
                str(steps),
                "--batch",
                "64",
                "--width",
                "16",
                "--every",
                "10",
                "--checkpoint",
                str(tmp_path / checkpoint),
            ]
        )

    command("whole.safetensors", 30, "a.safetensors")
    assert "Energy distance" in (tmp_path / "whole.md").read_text()
    half = trainer("two moons", TrainingPlan(n_steps=30), batch=64, width=16)
    for progress in half.run():
        if progress.step == 17:
            break
    half.save(tmp_path / "b.safetensors")
    command("resumed.safetensors", 30, "b.safetensors")
    assert "resuming at step 17" in capsys.readouterr().out
    whole, resumed = (load_file(tmp_path / f"{n}.safetensors") for n in ("whole", "resumed"))
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)
    assert not (tmp_path / "a.safetensors").exists() and not (tmp_path / "b.safetensors").exists()
    assert load_network(tmp_path / "resumed.safetensors").config["width"] == 16
