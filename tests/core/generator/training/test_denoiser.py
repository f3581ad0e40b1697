import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.cli import main
from core.generator.model.diffusion import Diffusion
from core.generator.model.flow import Flow
from core.generator.model.network import Denoiser, NetworkConfig
from core.generator.training.data import MIN_SPREAD, batches_of, fit_units, make_buckets, training_times
from core.generator.training.denoiser import PROCESSES, Run, TrainConfig, train
from core.generator.weights import WeightsError, load_weights
from core.numerics.training import CheckpointError
from core.structures.arrays import load_arrays

TINY = NetworkConfig(width=32, pair_width=16, depth=2, heads=4, max_atoms=20, dropout=0.1)
CONFIG = replace(TrainConfig(), warmup=5, atoms_per_batch=40)
EXCHANGED = replace(CONFIG, exchange=0.5)


def run(pool, out, **options):
    return train(
        pool, "mp20", out, minutes=None, config=options.pop("config", CONFIG), sizes=TINY, **{"steps": 30, "resume": False, **options}
    )


@pytest.mark.parametrize(("config", "method"), [(CONFIG, "diffusion"), (EXCHANGED, "flow")], ids=["plain diffusion", "exchange, flow"])
def test_interrupted_and_resumed_is_the_same_as_uninterrupted(pool, tmp_path, config, method):
    whole = run(pool, tmp_path / "whole", config=config, method=method)
    run(pool, tmp_path / "parts", config=config, stop_after=13, method=method)
    resumed = run(pool, tmp_path / "parts", config=config, resume=True, method=method)
    assert (whole.step, resumed.step) == (30, 30) and whole.epoch == resumed.epoch > 1
    for name, value in whole.averaged.state_dict().items():
        assert torch.equal(value, resumed.averaged.state_dict()[name]), name
    other = run(pool, tmp_path / "other", config=replace(config, seed=1), method=method)
    assert not torch.equal(other.averaged.coords.weight, whole.averaged.coords.weight)


@pytest.mark.parametrize("bf16", [False, True])
def test_learns(pool, tmp_path, bf16):
    """On cells this alike, a minute's training must beat saying nothing (loss 1) by far; dev is logged."""
    run(pool, tmp_path, steps=250, config=replace(CONFIG, ema=0.95, bf16=bf16))
    entry = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert entry["step"] == 250 and entry["dev_coords"] < 0.5 and entry["dev_lattice"] < 0.7
    network, _, about = load_weights(tmp_path / "model.safetensors")
    assert about["training_structures"] == 34 and about["atom_counts"] == [2, 5] and about["steps"] == 250
    assert sorted(network.known.nonzero().flatten().tolist()) == [8, 11, 17, 19, 20, 22, 38, 56]
    assert all(p.dtype == torch.float32 for p in network.parameters())


def test_other_settings_do_not_resume(pool, tmp_path):
    run(pool, tmp_path, stop_after=2)
    with pytest.raises(CheckpointError, match=r"other settings \(learning_rate\)"):
        run(pool, tmp_path, resume=True, config=replace(CONFIG, learning_rate=5e-4))


def test_a_run_of_version_0_1_is_refused_in_words(pool, tmp_path, capsys):
    run(pool, tmp_path, stop_after=2)
    (tmp_path / "checkpoint.safetensors").rename(tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match=r"version 0\.1.*--init .*model\.safetensors"):
        run(pool, tmp_path, resume=True)
    run(pool, tmp_path / "anew", resume=True, init=tmp_path / "model.safetensors", stop_after=1)


def test_starts_from_given_weights(pool, tmp_path):
    first = run(pool, tmp_path / "a", steps=3)
    second = run(
        pool,
        tmp_path / "b",
        steps=1,
        init=tmp_path / "a" / "model.safetensors",
        config=replace(CONFIG, learning_rate=0.0, weight_decay=0.0),
    )
    assert torch.allclose(second.averaged.coords.weight, first.averaged.coords.weight, atol=1e-6)


def test_held_out_rows_are_never_drawn(pool):
    arrays = load_arrays(pool)
    buckets = make_buckets(arrays.select(~arrays.columns["dev"]))
    batches = batches_of(buckets, atoms_per_batch=20, max_batch=8, seed=0)(3)
    assert {n: max(len(rows) for m, rows in batches if m == n) for n in buckets} == {2: 7, 5: 4}
    seen = {n: np.concatenate([rows for m, rows in batches if m == n]) for n in buckets}
    assert {n: sorted(rows) for n, rows in seen.items()} == {n: list(range(len(b.numbers))) for n, b in buckets.items()}
    assert sum(len(b.numbers) for b in buckets.values()) == (~arrays.columns["dev"]).sum()


def test_augmented_cells_are_the_same_crystals(pool):
    from core.metrics.matching import match_rms
    from core.structures.crystal import Crystal
    from core.structures.lattice import vector_to_lattice

    arrays = load_arrays(pool)
    network, buckets = Denoiser(TINY), make_buckets(arrays)
    fit_units(network, arrays)
    rows = np.arange(0, 24, 4)
    cells = buckets[5].draw(rows, network, torch.Generator().manual_seed(0))
    lattices = vector_to_lattice(network.to_vector(cells.numbers, cells.cell.double())).numpy()
    originals = buckets[5].frac[rows]
    assert not torch.allclose(cells.frac, originals, atol=0.01)
    for i, row in enumerate(np.flatnonzero(arrays.num_atoms == 5)[rows]):
        redrawn = Crystal(cells.numbers[i].numpy(), cells.frac[i].numpy(), lattices[i])
        assert match_rms(redrawn, arrays.crystal(row)) < 1e-3
        assert redrawn.volume == pytest.approx(arrays.crystal(row).volume, rel=1e-3)


def test_units_standardise_the_cells(pool):
    arrays = load_arrays(pool)
    network = Denoiser(TINY)
    fit_units(network, arrays)
    cells = torch.cat([b.draw(np.arange(len(b.numbers)), network, None).cell for b in make_buckets(arrays).values()])
    assert torch.allclose(cells.mean(0), torch.zeros(6), atol=1e-3)
    assert (cells.std(0) < 1.01).all() and cells.std(0).max() > 0.99


def test_times_have_the_stated_law():
    """Half uniform, half uniform on [0.35, 0.95): the share below 0.35 is 0.175."""
    t = training_times(20_000, torch.Generator().manual_seed(0))
    assert t.min() >= 0 and t.max() < 1
    assert abs((t < 0.35).double().mean() - 0.175) < 4 * (0.175 * 0.825 / 20_000) ** 0.5


def test_command_and_broken_files(pool, tmp_path, capsys):
    options = ["--model", "perov5", "--out", str(tmp_path / "run"), "--steps"]
    assert main(["train", "flow", "--data", str(tmp_path / "absent.npz"), *options, "1"]) == 2
    assert "absent.npz" in capsys.readouterr().err and not (tmp_path / "run").exists()
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="broken.safetensors"):
        load_weights(tmp_path / "broken.safetensors")
    assert main(["train", "diffusion", "--data", str(pool), *options, "2"]) == 0
    about = load_weights(tmp_path / "run" / "model.safetensors")[2]
    assert about["steps"] == 2 and about["method"] == "diffusion"
    assert main(["train", "diffusion", "--data", str(pool), *options, "3", "--resume", "--seed", "1"]) == 2
    assert "other settings" in capsys.readouterr().err


def test_times_and_settings_by_value():
    """Half of the times even on [0, 1), half on [0.35, 0.95); units of a cell not below 0.05; the settings behind the shipped weights."""
    t = training_times(40_000, torch.Generator().manual_seed(1))
    for low, high, share in ((0.0, 0.35, 0.175), (0.35, 0.95, 0.8), (0.95, 1.0, 0.025)):
        assert float(((t >= low) & (t < high)).double().mean()) == pytest.approx(share, abs=2 / 200)
    assert MIN_SPREAD == 0.05
    assert TrainConfig() == TrainConfig(
        learning_rate=1e-3, warmup=300, weight_decay=0.01, ema=0.9995, clip=1.0, atoms_per_batch=512, max_batch=96, exchange=0.0, seed=0
    )
    assert PROCESSES["mp20", "diffusion"] == Diffusion(lattice_power=2.0, species_weight=0.5)
    assert PROCESSES["mp20", "flow"] == Flow(paired=True)
    plan = Run(Denoiser(TINY), Flow(), {}, TrainConfig(), steps=10, minutes=None).plan
    assert (plan.floor, plan.betas) == (0.01, (0.9, 0.99))
