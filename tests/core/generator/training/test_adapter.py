import json
from dataclasses import replace

import pytest
import torch

from core.cli import main
from core.generator.model.adapter import Adapter, AdapterConfig, Conditions
from core.generator.registry import load_model
from core.generator.training.adapter import AdapterTrainConfig, known_conditions, stretched, told, train
from core.generator.training.data import make_buckets
from core.generator.weights import load_module, save_module
from core.structures.arrays import load_arrays


def everything(n):
    return Conditions(torch.arange(4.0).expand(n, 4) + 1, torch.full((n,), 7), torch.full((n,), 225))


def test_what_is_told_is_nothing_one_thing_or_two_in_the_shares_stated():
    """Four standard errors of the binomial law; each of the six is told equally often."""
    n = 6000
    found = told(everything(n), AdapterTrainConfig(drop=0.2, pair=0.5), torch.Generator().manual_seed(0))
    each = torch.cat([~found.scalars.isnan(), (found.system > 0).unsqueeze(1), (found.group > 0).unsqueeze(1)], dim=1).double()
    for count, share in enumerate((0.2, 0.4, 0.4)):
        assert abs((each.sum(1) == count).double().mean().item() - share) < 4 * (share * (1 - share) / n) ** 0.5
    assert (abs(each.mean(0) - 0.2) < 4 * (0.2 * 0.8 / n) ** 0.5).all()  # (0.4 + 2 * 0.4) / 6


def test_what_is_not_known_is_never_told():
    known = everything(500)
    known.scalars[:, 3] = torch.nan
    found = told(known._replace(group=torch.zeros(500, dtype=torch.long)), AdapterTrainConfig(drop=0.0), torch.Generator().manual_seed(0))
    assert found.scalars[:, 3].isnan().all() and not found.group.any()
    assert found.given.all()


def test_density_and_volume_of_the_pool_are_those_of_its_crystals(pool):
    arrays = load_arrays(pool)
    known = known_conditions(arrays)
    for i in (0, 5, len(arrays) - 1):
        crystal = arrays.crystal(i)
        assert known.scalars[i, 0].item() == pytest.approx(crystal.density, rel=1e-4)
        assert known.scalars[i, 1].item() == pytest.approx(crystal.volume / crystal.n_atoms, rel=1e-4)


def test_a_stretched_cell_is_told_with_its_own_volume_and_density(pool):
    """log V is spread as stated (chi-square, four errors) where it is told, and untouched elsewhere."""
    network, arrays = load_model("mp20", kind="flow").network, load_arrays(pool)
    (n, bucket), *_ = make_buckets(arrays, augment=False).items()
    rows = torch.zeros(2000, dtype=torch.long).numpy()
    clean = bucket.draw(rows, network, None)
    known = known_conditions(arrays).rows(torch.tensor([int((arrays.num_atoms == n).nonzero()[0][0])])).expand(2000)
    scalars = known.scalars.clone()
    scalars[1000:, :2] = torch.nan
    cells, told_now = stretched(network, clean, known._replace(scalars=scalars), 0.06, torch.Generator().manual_seed(0))
    log_v = network.to_vector(cells.numbers, cells.cell)[:, 0]
    before = network.to_vector(clean.numbers, clean.cell)[:, 0]
    assert torch.allclose(log_v[1000:], before[1000:], atol=1e-5)
    moved = (log_v - before)[:1000]
    assert abs(moved.std().item() - 0.06) < 4 * 0.06 / 2000**0.5
    assert torch.allclose(told_now.scalars[:1000, 1], log_v[:1000].exp() / n, rtol=1e-4)
    assert torch.allclose(
        told_now.scalars[:1000, 0] * told_now.scalars[:1000, 1], (known.scalars[:1000, 0] * known.scalars[:1000, 1]), rtol=1e-4
    )


def test_command_trains_resumes_and_leaves_the_flow_alone(pool, tmp_path, capsys):
    flow = load_model("mp20", kind="flow")
    before = {name: value.clone() for name, value in flow.network.state_dict().items()}
    arguments = ["train", "adapter", "--data", str(pool), "--out", str(tmp_path / "run")]
    assert main([*arguments, "--steps", "3"]) == 0
    assert main([*arguments, "--steps", "5", "--resume"]) == 0
    assert "5 steps" in capsys.readouterr().out
    made = Adapter(AdapterConfig(flow.network.config.width, flow.network.config.depth))
    about = load_module(tmp_path / "run" / "model.safetensors", made)
    assert about["steps"] == 5 and any(layer.weight.abs().max() > 0 for layer in made.out)
    assert all(torch.equal(value, before[name]) for name, value in flow.network.state_dict().items())
    entry = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert entry["step"] == 5 and {"dev_lattice_told", "dev_lattice_untold"} <= set(entry)


def test_adapters_learn_what_a_volume_says(pool, tmp_path):
    """With the volume told, the loss of the cell falls below what it is untold, on crystals kept aside."""
    config = replace(AdapterTrainConfig(), warmup=5, ema=0.9, atoms_per_batch=80, drop=0.1, pair=0.0)
    run = train(pool, load_model("mp20", kind="flow"), tmp_path, minutes=None, steps=60, config=config)
    entry = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert run.step == 60 and entry["dev_lattice_told"] < entry["dev_lattice_untold"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An adapter that was never trained; its mix-in is zero."""
    path = tmp_path_factory.mktemp("adapter") / "model.safetensors"
    network = load_model("mp20", kind="flow").network
    save_module(path, Adapter(AdapterConfig(network.config.width, network.config.depth)), {})
    return path


def test_generate_steers_by_an_adapter(tmp_path, weights):
    """The command reads adapters and conditions; adapters whose mix-in is zero give the crystals without a condition."""
    (tmp_path / "list.txt").write_text("Na1 Cl1\n")
    common = ["generate", "--model", "mp20", "--compositions", str(tmp_path / "list.txt"), "--steps", "3", "--rounds", "1"]
    common += ["--candidates", "1", "--precision", "float32", "--workers", "1"]
    asked = ["--adapter", str(weights), "--condition", "density=2.2", "--condition", "space_group=225", "--guidance", "1"]
    assert main([*common, "--out", str(tmp_path / "plain.npz")]) == 0
    assert main([*common, *asked, "--out", str(tmp_path / "asked.npz")]) == 0
    plain, steered = (load_arrays(tmp_path / name) for name in ("plain.npz", "asked.npz"))
    assert (plain.frac_coords == steered.frac_coords).all() and (plain.lattice == steered.lattice).all()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--condition", "density=0"], "density must be above 0"),
        (["--condition", "density=heavy"], "density is asked for by a number, not by 'heavy'"),
        (["--condition", "space_group=231"], "numbered from 1 to 230"),
        (["--condition", "density"], "is no NAME=VALUE"),
        (["--condition", "colour=red"], "nothing can be asked by the name 'colour'"),
        (["--condition", "density=3", "--condition", "density=4"], "density is asked for twice"),
        (["--condition", "density=3", "--condition", "volume_per_atom=20"], "the same demand"),
        (["--condition", "space_group=62", "--condition", "crystal_system=cubic"], "one of the two"),
        (["--condition", "density=3", "--method", "refine"], "has no effect"),
        ([], "no effect without --condition"),
    ],
)
def test_conditions_that_cannot_be_are_refused_before_anything_is_grown(tmp_path, weights, capsys, more, words):
    (tmp_path / "list.txt").write_text("Na1 Cl1\n")
    command = ["generate", "--model", "mp20", "--compositions", str(tmp_path / "list.txt"), "--out", str(tmp_path / "out.npz")]
    try:
        code = main([*command, "--adapter", str(weights), *more])
    except SystemExit as stop:
        code = stop.code
    assert code == 2 and words in capsys.readouterr().err
    assert not (tmp_path / "out.npz").exists()


def test_other_weights_than_an_adapter_are_refused_in_words(tmp_path, weights, capsys):
    (tmp_path / "list.txt").write_text("Na1 Cl1\n")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(weights.read_bytes()[:1000])
    command = ["generate", "--model", "mp20", "--compositions", str(tmp_path / "list.txt"), "--out", str(tmp_path / "out.npz")]
    assert main([*command, "--adapter", str(broken), "--condition", "density=3"]) == 2
    assert "broken.safetensors" in capsys.readouterr().err


def test_the_training_by_value():
    """A fifth is told nothing, half of the others two things; seven in ten exchange elements; log V is spread by 0.06."""
    config = AdapterTrainConfig()
    assert (config.drop, config.pair, config.exchange, config.stretch) == (0.2, 0.5, 0.7, 0.06)
    assert (config.learning_rate, config.ema, config.weight_decay, config.clip) == (1e-3, 0.9995, 0.01, 1.0)
