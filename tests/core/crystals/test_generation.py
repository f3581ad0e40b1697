import io
import json
from dataclasses import replace

import ase.io
import numpy as np
import pytest
import torch

from core.cli import main
from core.crystals.generation import forward, half_way_first, luck, sample, truth
from core.generator.baselines.library import known_relative
from core.generator.model.conversion import to_cells
from core.generator.registry import FOLDER, KINDS, MODELS, ModelMissing, load_model
from core.generator.sampling.batching import structure_seeds
from core.generator.sampling.best_of import Cancelled, candidate_quality, sample_cells
from core.generator.sampling.config import METHODS, SamplerConfig, kind_of
from core.metrics.comparison import Comparison
from core.metrics.convergence import Convergence, convergence, strain
from core.metrics.matching import match_known
from core.metrics.validity import read_out
from core.structures.arrays import ArrayFileError, from_crystals, load_arrays
from core.structures.crystal import Crystal, CrystalTrajectory
from core.structures.formula import FormulaError
from core.structures.lattice import lattice_to_vector


def grow(model, compositions, *, method="ancestral", n_steps=50, power=1.0, start=1.0, **options):
    config = replace(METHODS[method], steps=n_steps, power=power, start=start)
    return sample(model, compositions, config, kind=kind_of(method), **options)


ROCKSALT = Crystal([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], (np.ones((3, 3)) - np.eye(3)) * 2.82)


def test_order_frames_and_species(model):
    grown = grow(model, ["SrTiO3", (11, 17), "O1 Na1"], n_samples=2, n_steps=9, n_frames=4, seed=3)
    assert [t.final.formula for t in grown] == ["Sr1 Ti1 O3"] * 2 + ["Na1 Cl1"] * 2 + ["O1 Na1"] * 2
    for trajectory in grown:
        assert trajectory.n_frames == 4 and trajectory.times[0] == 1 and trajectory.times[-1] == 0
        assert (trajectory.frac_coords >= 0).all() and (trajectory.frac_coords < 1).all()
        assert (np.linalg.det(trajectory.lattices) > 0).all()
    assert not np.allclose(grown[0].final.frac_coords, grown[1].final.frac_coords)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_structure_does_not_depend_on_its_company(model, flow_model, method):
    """The second sample of NaCl: alone with the first, or among others and in another place of the batch."""
    model = flow_model if method == "flow" else model
    few = grow(model, ["NaCl"], n_samples=2, n_steps=8, method=method, seed=5)[1].final
    many = grow(model, ["TiO", "Na1 Cl1", "SrTiO3", "OTi"], n_samples=2, n_steps=8, method=method, seed=5)[3].final
    shift = few.frac_coords - many.frac_coords
    assert np.abs(shift - np.round(shift)).max() < 1e-4 and np.allclose(few.lattice, many.lattice, atol=1e-3)
    other = grow(model, ["NaCl"], n_samples=2, n_steps=8, method=method, seed=6)[1].final
    assert not np.allclose(few.frac_coords, other.frac_coords, atol=1e-2)


def test_same_seed_same_bits_and_frames_change_nothing(model):
    runs = [grow(model, ["SrTiO3"], n_steps=8, seed=1, n_frames=n)[0].final for n in (1, 9, 9)]
    assert runs[0] == runs[1] == runs[2]


def test_repeated_lines_are_different_draws():
    assert len(set(structure_seeds([(11, 17), (11, 17), (17, 11)], 0) + structure_seeds([(11, 17)], -1))) == 4
    assert structure_seeds([(6,), (11, 17)], 0)[1] == structure_seeds([(11, 17)], 0)[0]


def test_no_two_cells_of_one_composition_grow_from_the_same_noise():
    """torch keeps the lower 32 bits of a seed: by hashing alone cells 26626 and 27848 of this list had the same ones."""
    one, other = (torch.rand(3, generator=torch.Generator().manual_seed(5 + high)) for high in (0, 2**32))
    assert torch.equal(one, other), "if torch has learned to use all bits, this guard can go"
    seeds = structure_seeds([(11, 17)] * 27_850, 0)
    assert len({seed % 2**32 for seed in seeds}) == len(seeds)
    assert seeds[:100] == structure_seeds([(11, 17)] * 100, 0)


def test_candidates_are_ranked_by_the_models_own_denoising_loss(model):
    """Of three candidates the one with the smallest loss is kept, and it is one of the three."""
    from core.generator.model.state import Cells
    from core.generator.sampling.best_of import denoising_loss
    from core.generator.sampling.config import SamplerConfig

    def grown(**options):
        return sample_cells(model, [(38, 22, 8, 8, 8)] * 2 + [(11, 17)] * 2, SamplerConfig(steps=6, **options), seed=4, n_frames=2)

    ranked, plain = grown(candidates=3), grown()
    changed = [not np.allclose(a.final.frac_coords, b.final.frac_coords, atol=1e-4) for a, b in zip(ranked, plain)]
    assert any(changed)

    def cells(trajectory):
        crystal = trajectory.final
        numbers = torch.tensor(crystal.numbers)[None]
        cell = model.network.to_cell(numbers, lattice_to_vector(torch.tensor(crystal.lattice)[None]))
        return Cells(numbers, torch.tensor(crystal.frac_coords)[None].float(), cell.float())

    for a, b in zip(ranked, plain):
        least, plain_one = (denoising_loss(model.network, model.process, cells(t), SamplerConfig()) for t in (a, b))
        assert least <= plain_one + 1e-4


def test_progress_and_cancel(model):
    seen = []
    grow(model, ["NaCl", "SrTiO3"], n_steps=5, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (10, 10) and [d for d, _ in seen] == sorted(d for d, _ in seen)
    with pytest.raises(Cancelled):
        grow(model, ["NaCl"], n_steps=1000, cancelled=lambda: len(seen) > 0)


def test_impossible_requests(model):
    for formula, says in (("Xx3", "not an element"), ("", "empty"), ("H400", "400 atoms"), ("UO2", "never saw U"), ((), "no atoms")):
        with pytest.raises(FormulaError, match=says):
            grow(model, [formula])
    with pytest.raises(ValueError, match="at least 1"):
        grow(model, ["NaCl"], n_steps=0)


def test_missing_and_broken_weights_say_how_to_get_them_back(models_folder, tmp_path):
    with pytest.raises(ModelMissing, match="is not there.*n2c train"):
        load_model("mp20", tmp_path)
    with pytest.raises(ModelMissing, match="cannot be read"):
        load_model("perov5", models_folder)
    with pytest.raises(KeyError):
        load_model("gpt")
    assert load_model("mp20", models_folder) is load_model("mp20", models_folder)


def test_forward_begins_at_the_crystal_and_ends_in_noise(model):
    runs = [forward(ROCKSALT, model_name=model, n_frames=11, seed=s) for s in range(60)]
    first = runs[0].frame(0)
    assert np.allclose(first.frac_coords, ROCKSALT.frac_coords) and first.volume == pytest.approx(ROCKSALT.volume, rel=1e-4)
    bond = np.array([(r.frac_coords[:, 1] - r.frac_coords[:, 0] - 0.5 + 0.5) % 1 - 0.5 for r in runs])  # (60, 11, 3)
    for frame in (3, 5):  # two atoms, each with sigma(t)
        expected = 2 * model.process.sigma(torch.tensor(frame / 10)).item() ** 2
        assert abs((bond[:, frame] ** 2).mean() / expected - 1) < 4 * np.sqrt(2 / 180)
    end = (bond[:, -1] + 1e-9) % 1
    assert abs(np.exp(2j * np.pi * end).mean()) < 4 / np.sqrt(180)
    with pytest.raises(ValueError, match="all elements"):
        forward(Crystal([0, 17], ROCKSALT.frac_coords, ROCKSALT.lattice), model_name=model)


def test_read_outs():
    out = read_out(ROCKSALT)
    assert out.structure_valid and out.composition_valid and out.formula == "Na1 Cl1"
    assert out.nearest_distance == pytest.approx(2.82) and out.volume_per_atom == pytest.approx(2.82**3)
    assert out.density == pytest.approx(2.16, abs=0.02)  # g/cm^3, halite


def test_match_to_known():
    caesium_chloride = Crystal([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * 3.5)
    found = match_known(Crystal([17, 11], ROCKSALT.frac_coords + 0.2, ROCKSALT.lattice * 1.05), [caesium_chloride, ROCKSALT])
    assert found[0] == 1 and found[1] < 1e-6
    assert match_known(ROCKSALT, [Crystal([19, 17], ROCKSALT.frac_coords, ROCKSALT.lattice)]) is None


def test_truth_knows_rock_salt_and_says_what_chance_would_score():
    found = truth(ROCKSALT)
    assert found.name == "rock salt NaCl" and found.rms < 1e-6 and found.chance_total == 12
    assert truth(ROCKSALT, {}) is None and truth(Crystal([2], [[0, 0, 0]], 3 * np.eye(3))) is None


def test_convergence_by_hand():
    """One of two atoms moves by 0.1 of a 4 Å edge: 0.2 Å each once the common shift is out; the cell swells by 10%."""
    frac = np.array([[[0.0, 0, 0], [0.6, 0.5, 0.5]], [[0.9, 0, 0], [0.4, 0.5, 0.5]]])
    lattices = np.stack([np.eye(3) * 4.4, np.eye(3) * 4.0])
    run = convergence(CrystalTrajectory([1, 0], [[11, 17]] * 2, frac, lattices))
    assert np.allclose(run.coords, [0.2, 0]) and np.allclose(run.cell, [np.log(1.1), 0])
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert strain((np.eye(3) * 4 @ turn)[None], np.eye(3) * 4)[0] < 1e-6


def run_command(models_folder, path, out, *more):
    return main(
        [
            "generate",
            "--model",
            "mp20",
            "--models-folder",
            str(models_folder),
            "--compositions",
            str(path),
            "--out",
            str(out),
            "--precision",
            "float32",
            *more,
        ]
    )


def test_command_writes_the_file_in_order(models_folder, tmp_path):
    path, out = tmp_path / "list.txt", tmp_path / "out.npz"
    path.write_text("# comment\nO3 Sr1 Ti1\n\nNa1 Cl1\n")
    assert run_command(models_folder, path, out, "--samples", "3", "--seed", "2") == 0
    arrays = load_arrays(out)
    assert arrays.num_atoms.tolist() == [5] * 3 + [2] * 3
    assert arrays.numbers.tolist() == [8, 8, 8, 38, 22] * 3 + [11, 17] * 3
    again, longer = tmp_path / "again.npz", tmp_path / "longer.npz"
    run_command(models_folder, path, again, "--samples", "3", "--seed", "2")
    run_command(models_folder, path, longer, "--samples", "3", "--seed", "2", "--steps", "12", "--method", "diffusion")
    assert np.array_equal(load_arrays(again).frac_coords, arrays.frac_coords)
    assert not np.array_equal(load_arrays(longer).frac_coords, arrays.frac_coords)
    tried, model = tmp_path / "tried.npz", load_model("mp20", models_folder, kind="flow")
    run_command(models_folder, path, tried, "--candidates", "2", "--rounds", "3", "--steps", "7")
    chosen = sample_cells(model, [(8, 8, 8, 38, 22)], SamplerConfig(steps=7, candidates=2, n_refinements=2))[0].final
    assert np.abs(load_arrays(tried).crystal(0).lattice - chosen.lattice).max() < 1e-4


def test_command_shares_a_long_list_out_and_answers_the_same(models_folder, tmp_path):
    path, alone, shared = (tmp_path / name for name in ("list.txt", "alone.npz", "shared.npz"))
    lines = [f"Sr{a} Ti{b} O{c}" for a in range(1, 4) for b in range(1, 4) for c in range(1, 9)]
    path.write_text("\n".join(lines[::-1] + lines[:9]))
    run_command(models_folder, path, alone, "--workers", "1", "--steps", "2")
    run_command(models_folder, path, shared, "--workers", "2", "--steps", "2")
    one, two = load_arrays(alone), load_arrays(shared)
    assert len(one) == 81 and np.array_equal(one.numbers, two.numbers)
    assert np.abs(one.lattice - two.lattice).max() < 1e-3
    turns = one.frac_coords - two.frac_coords
    assert np.abs(turns - np.round(turns)).max() < 1e-4


def test_command_in_both_precisions(models_folder, tmp_path):
    """Nearly the same crystals, and asking for one precision leaves the other alone."""
    path = tmp_path / "list.txt"
    path.write_text("Na1 Cl1\nSr1 Ti1 O3\n")
    for name in ("float32", "bfloat16", "again"):
        run_command(models_folder, path, tmp_path / f"{name}.npz", "--steps", "2", "--precision", name.replace("again", "float32"))
    exact, fast, again = (load_arrays(tmp_path / f"{name}.npz").lattice for name in ("float32", "bfloat16", "again"))
    assert np.array_equal(exact, again) and 0 < np.abs(exact - fast).max() < 0.1


@pytest.mark.parametrize(
    "content, says",
    [
        ("Na1 Cl1\nXx3\nH400\n", ["line 2 (Xx3)", "line 3 (H400)", "400 atoms"]),
        ("", ["no composition"]),
        ("NaCl\nna cl\n", ["line 2", "capital"]),
    ],
)
def test_command_names_bad_lines_and_writes_nothing(models_folder, tmp_path, capsys, content, says):
    path, out = tmp_path / "list.txt", tmp_path / "out.npz"
    path.write_text(content)
    assert run_command(models_folder, path, out) == 2
    printed = capsys.readouterr().err
    assert all(text in printed for text in says)
    assert [p.name for p in tmp_path.iterdir()] == ["list.txt"]


def test_command_lets_a_similar_element_stand_in_for_one_never_seen(models_folder, tmp_path, capsys):
    path, out = tmp_path / "list.txt", tmp_path / "out.npz"
    path.write_text("NaCl\nUO2\n")
    assert run_command(models_folder, path, out) == 0
    assert load_arrays(out).numbers.tolist() == [11, 17, 92, 8, 8]
    assert "U was not in the training data" in capsys.readouterr().err
    model = load_model("mp20")
    assert model.stand_in(88) == 56 and model.stand_in(8) == 8  # Ra, not in the data, is like Ba; O is itself


def test_command_without_files(models_folder, tmp_path, capsys):
    assert run_command(models_folder, tmp_path / "absent.txt", tmp_path / "o.npz") == 2
    (tmp_path / "list.txt").write_text("NaCl")
    assert run_command(models_folder, tmp_path / "list.txt", tmp_path / "no" / "folder.npz") == 2
    assert run_command(tmp_path, tmp_path / "list.txt", tmp_path / "o.npz") == 2
    errors = capsys.readouterr().err
    assert "absent.txt" in errors and "there is no folder" in errors and "n2c train flow" in errors


def test_every_method_of_the_command(models_folder, tmp_path, capsys):
    """All keep order, atoms and composition; prototype and refine find rock salt in the library, and never look at `dev`."""
    path, library = tmp_path / "list.txt", tmp_path / "library.npz"
    path.write_text("Cl1 Na1\nSr1 O3 Ti1\nNa1 Na1 Ti1\n")
    salt = Crystal([12, 8], ROCKSALT.frac_coords, ROCKSALT.lattice * 0.8)
    wrong = Crystal([11, 17], ROCKSALT.frac_coords * 0.3, np.eye(3) * 3)
    from_crystals([salt, wrong], dev=[False, True]).save(library)
    for method in ("flow", "diffusion", "prototype", "refine"):
        out = tmp_path / f"{method}.npz"
        known = ["--library", str(library)] if method in ("prototype", "refine") else []
        assert run_command(models_folder, path, out, "--method", method, *known) == 0
        arrays = load_arrays(out)
        assert arrays.numbers.tolist() == [17, 11, 38, 8, 8, 8, 22, 11, 11, 22]
        if method in ("prototype", "refine"):
            found = match_known(arrays.crystal(0), [ROCKSALT])
            assert found is not None and found[1] < 0.1
    assert run_command(models_folder, path, tmp_path / "builtin.npz", "--method", "prototype") == 0
    assert match_known(load_arrays(tmp_path / "builtin.npz").crystal(0), [ROCKSALT])[1] < 1e-3
    assert run_command(models_folder, path, tmp_path / "x.npz", "--method", "refine", "--library", str(path)) == 2
    assert "list.txt" in capsys.readouterr().err


def test_command_from_nothing(models_folder, tmp_path, capsys):
    out = tmp_path / "out.npz"
    command = ["generate", "--model", "mp20", "--models-folder", str(models_folder), "--de-novo", "7", "--out", str(out)]
    assert main([*command, "--steps", "9", "--method", "diffusion"]) == 0
    arrays = load_arrays(out)
    assert len(arrays) == 7 and set(arrays.numbers.tolist()) <= {8, 11, 17, 22, 38}
    assert main([*command, "--method", "prototype"]) == 2
    assert "needs --compositions" in capsys.readouterr().err
    assert main(command) == 2  # no composition model beside this flow
    assert "needs a formula" in capsys.readouterr().err


def test_atoms_on_top_of_each_other_are_trusted_least(model, flow_model):
    """Whatever model or reranker think: the overlapping one of two crystals comes last, however sure they are."""
    crystals = [Crystal([11, 17], [[0, 0, 0], f], ROCKSALT.lattice) for f in ([0.05, 0.05, 0.05], [0.4, 0.5, 0.5], [0.5, 0.5, 0.5])]
    for one in (model, flow_model):
        overlapping, *others = candidate_quality(one, to_cells(one.network, crystals), SamplerConfig()).tolist()
        assert overlapping < min(others) - 50 and abs(others[0] - others[1]) < 50


def test_from_nothing_species_appear_one_by_one_and_stay(model):
    for path in grow(model, [6], n_samples=3, n_steps=20, n_frames=21, seed=1):
        hidden = (path.numbers == 0).sum(1)
        assert hidden[0] == 6 and hidden[-1] == 0 and (np.diff(hidden) <= 0).all() and len(set(hidden.tolist())) > 3
        for before, after in zip(path.numbers[:-1], path.numbers[1:]):
            assert (after[before > 0] == before[before > 0]).all()
        assert hidden[path.times <= 0.5].max() == 0
    with pytest.raises(FormulaError, match="30 atoms"):
        grow(model, [30])


def test_flow_models_need_a_formula_and_their_own_sampler(flow_model):
    with pytest.raises(FormulaError, match="needs a formula"):
        grow(flow_model, [5], method="flow")
    with pytest.raises(ValueError, match="not the score"):
        grow(flow_model, ["NaCl"], method="ancestral")


def test_a_guide_sees_every_step_and_is_followed(flow_model):
    """A guide that reverses the velocity sends the atoms elsewhere; one that changes nothing changes nothing."""
    seen = []

    def same(state, prediction, t):
        seen.append(float(t))
        return prediction

    plain, watched, turned = (
        grow(flow_model, ["SrTiO3"], n_steps=8, method="flow", seed=2, guide=guide)[0].final
        for guide in (None, same, lambda state, prediction, t: prediction._replace(coords=-prediction.coords))
    )
    assert plain == watched and len(seen) == 8 and seen == sorted(seen, reverse=True)
    assert not np.allclose(plain.frac_coords, turned.frac_coords, atol=1e-3)


def test_beginning_with_a_prototype(flow_model):
    """Blurred to t, the atoms are within t/2 of the nearest prototype of another composition; unknown stoichiometries are said to be so."""
    found = known_relative((11, 17))
    relative = found.crystal
    assert found.distance > 0.1 and relative.formula == "Na1 Cl1" and read_out(relative).structure_valid
    path = grow(flow_model, ["Na1 Cl1"], n_steps=5, method="flow", start=0.1, seed=1)[0]
    away = path.frac_coords[0] - relative.frac_coords
    assert path.times[0] == pytest.approx(0.1) and np.abs(away - np.round(away)).max() <= 0.05 + 1e-6
    with pytest.raises(FormulaError, match="No known crystal"):
        grow(flow_model, ["Na1 Cl2 O3 Ti4 Sr5"], method="flow", start=0.5)
    with pytest.raises(ArrayFileError, match="absent.npz"):
        grow(flow_model, ["NaCl"], method="flow", start=0.5, library="absent.npz")


SHIPPED = [(name, kind) for name in sorted(MODELS) for kind in sorted(KINDS)]


@pytest.mark.parametrize("name, kind", SHIPPED)
def test_shipped_models_grow_crystals_and_state_their_numbers(name, kind):
    """The weights in the repository: loadable, small, measured, and most of what they grow is a possible crystal."""
    model = load_model(name, kind=kind)
    assert (FOLDER / f"{name}_{kind}.safetensors").stat().st_size < 25e6 and (FOLDER / f"{name}_{kind}.md").exists()
    measured = model.about["dev"]
    assert {
        "match_rate",
        "match_rate_filtered",
        "rmse",
        "tight_share",
        "crmse",
        "structure_validity",
        "seconds_per_structure",
    } <= measured.keys()
    assert json.dumps(model.about)
    grown = grow(model, ["SrTiO3", "BaTiO3"], n_samples=4, n_steps=25, seed=0, n_frames=1, method="flow" if kind == "flow" else "ancestral")
    assert sum(read_out(t.final).structure_valid for t in grown) >= 6


def test_the_schedule_places_the_steps_and_the_path_can_be_written(model):
    """t_i = (1 - i/n)^p; the written movie has every frame, its time and its cell, and X where nothing is decided."""
    grown = grow(model, ["SrTiO3"], n_steps=8, n_frames=9, power=2.0, seed=1)[0]
    np.testing.assert_allclose(grown.times, (1 - np.arange(9) / 8) ** 2, atol=1e-6)
    assert grown.final != grow(model, ["SrTiO3"], n_steps=8, seed=1)[0].final
    lines = grown.to_extxyz().splitlines()
    assert len(lines) == 9 * (2 + 5)
    for i, (count, header) in enumerate(zip(lines[::7], lines[1::7], strict=True)):
        assert count == "5"
        assert abs(float(header.split("time=")[1]) - grown.times[i]) < 1e-5
        np.testing.assert_allclose(np.array(header.split('"')[1].split(), float), grown.lattices[i].ravel(), atol=1e-7)
    masked = CrystalTrajectory([1.0, 0.0], [[0, 0], [11, 17]], np.zeros((2, 2, 3)), [ROCKSALT.lattice] * 2)
    assert [line.split()[0] for line in masked.to_extxyz().splitlines() if line[0].isalpha() and "=" not in line] == ["X", "X", "Na", "Cl"]
    with pytest.raises(ValueError, match="power"):
        grow(model, ["SrTiO3"], n_steps=8, power=0.0)


def test_ase_reads_a_path_with_the_cell_of_each_frame(model):
    grown = grow(model, ["SrTiO3"], n_steps=8, n_frames=9, seed=1)[0]
    frames = ase.io.read(io.StringIO(grown.to_extxyz()), index=":", format="extxyz")
    assert len(frames) == 9 and np.ptp(grown.lattices[:, 0, 0]) > 0.01, "the cell changes on the way"
    for i, frame in enumerate(frames):
        assert frame.pbc.all() and list(frame.numbers) == list(grown.numbers[i])
        np.testing.assert_allclose(frame.cell, grown.lattices[i], atol=1e-7)
        np.testing.assert_allclose(frame.positions, grown.frac_coords[i] @ grown.lattices[i], atol=1e-6)


def test_question_of_the_first_half_way():
    times = np.linspace(1, 0, 5)
    late, early = np.array([1.0, 0.9, 0.7, 0.3, 0.0]), np.array([1.0, 0.4, 0.2, 0.1, 0.0])
    assert [half_way_first(Convergence(times, coords, cell))[0] for coords, cell in ((late, early), (early, late), (late, late))] == [
        0,
        1,
        2,
    ]
    back = np.array([1.0, 0.4, 0.6, 0.1, 0.0])
    assert half_way_first(Convergence(times, back, early)) == (
        0,
        "The box is half-way home at t = 0.75, the atoms at t = 0.25; t falls from 1 to 0.",
    ), "for good: not where it only comes by"


def test_question_of_luck():
    assert [luck(Comparison("rock salt", 0.0, n, 12, 0.4))[0] for n in (0, 1, 4, 5, 12)] == [0, 1, 1, 2, 2]
    assert "5 of 12" in luck(Comparison("rock salt", 0.0, 5, 12, 0.4))[1]
