"""Every command, given a missing file, a wrong type, an impossible combination: exit code 2, words, nothing half written."""

import os
import shutil
import stat

import pytest

from core import cli
from core.commands import data, train
from core.commands.arguments import CommandError, output_file
from core.structures.arrays import load_arrays

POOL, FLOW, WORDS, CSV, LIST = "POOL", "FLOW", "WORDS", "CSV", "LIST"  # files that are there: see `folder`
FLOW_RUN = ["train", "flow", "--data", POOL, "--model", "mp20", "--out", "run"]
GENERATE = ["generate", "--model", "mp20", "--models-folder", "models", "--out", "out.npz"]
GROWN, FROM_NOTHING = [*GENERATE, "--compositions", LIST], [*GENERATE, "--de-novo", "3"]
PUBLISH = ["publish", FLOW, "--data", POOL, "--model", "mp20", "--folder", "published"]
SELECTOR = ["train", "selector", "--data", POOL, "--out", "run"]
CASES = [  # arguments, what the words must name
    (["run", "--port", "0"], "0 is not from 1 to 65535"),
    (["run", "somewhere"], "'somewhere' is not an option"),
    (["read"], "required: FILE"),
    (["read", "absent.cif"], "there is no file absent.cif"),
    (["read", "."], "is a folder"),
    (["read", POOL], "not a text file"),
    (["read", WORDS], "not a readable CIF file: line 1"),
    (["read", WORDS, "--tolerance", "1"], "--tolerance"),
    (GENERATE, "--compositions --de-novo is required"),
    ([*GROWN[:-1], "absent.txt"], "there is no file absent.txt"),
    ([*GROWN[:-1], "."], "is a folder"),
    ([*GROWN[:-1], POOL], "POOL"),
    ([*GROWN[:-1], WORDS], "line 1"),
    ([*GROWN, "--de-novo", "2"], "not allowed with"),
    ([*GROWN, "--samples", "0"], "0 is not"),
    ([*GROWN, "--samples", "many"], "'many' is not a whole number"),
    ([*GROWN, "--steps", "0"], "0 is not"),
    ([*GROWN, "--steps", "1000000"], "1000000 is not"),
    ([*GROWN, "--steps", "2.5"], "'2.5' is not a whole number"),
    ([*GROWN, "--candidates", "-1"], "-1 is not"),
    ([*GROWN, "--rounds", "0"], "0 is not"),
    ([*GROWN, "--temperature", "-1"], "-1 is not at least 0"),
    ([*GROWN, "--temperature", "nan"], "nan is not a finite number"),
    ([*GROWN, "--temperature", "inf"], "inf is not a finite number"),
    ([*GROWN, "--seed", "x"], "'x' is not a whole number"),
    ([*GROWN, "--workers", "0"], "0 is not"),
    ([*GROWN, "--threads", "0"], "0 is not"),
    ([*GROWN, "--precision", "half"], "half"),
    ([*GROWN, "--method", "magic"], "magic"),
    ([*GROWN, "--sampler", "langevin"], "--sampler langevin belongs to --method diffusion"),
    ([*GROWN, "--sampler", "ddim", "--method", "refine"], "--sampler ddim belongs to --method diffusion"),
    ([*GROWN, "--library", POOL], "--library is for the methods prototype and refine"),
    ([*GROWN, "--library", POOL, "--method", "diffusion"], "--library is for the methods prototype and refine"),
    ([*GROWN, "--library", "absent.npz", "--method", "prototype"], "there is no file absent.npz"),
    ([*GROWN, "--library", WORDS, "--method", "prototype"], "WORDS"),
    ([*GROWN, "--library", "BROKEN", "--method", "prototype"], "BROKEN: structure 0 has a cell or coordinates that are no numbers"),
    ([*GROWN[:-1], "HEAVY"], "line 1 (Db1 Cl1): Db is heavier than lawrencium"),
    ([*GROWN, "--method", "prototype", "--steps", "5"], "--steps is for crystals grown from noise"),
    ([*GROWN, "--method", "prototype", "--candidates", "2"], "--candidates is for"),
    ([*GROWN, "--method", "refine", "--rounds", "2"], "--rounds is for"),
    ([*GROWN, "--method", "refine", "--temperature", "1"], "--temperature is for"),
    ([*FROM_NOTHING, "--samples", "2"], "--samples counts crystals for each line"),
    ([*FROM_NOTHING, "--method", "prototype"], "needs --compositions"),
    ([*FROM_NOTHING, "--method", "refine"], "needs --compositions"),
    (FROM_NOTHING, "needs a formula"),
    ([*GROWN, "--elements", "Li"], "--elements is asked of crystals from nothing"),
    ([*GROWN, "--spacegroup", "225"], "--spacegroup is asked of crystals from nothing"),
    ([*FROM_NOTHING, "--spacegroup", "231"], "231 is not from 1 to 230"),
    ([*FROM_NOTHING, "--elements", "Li", "--method", "diffusion"], "--elements steers the flow"),
    ([*FROM_NOTHING, "--elements", ","], "No element is allowed"),
    ([*FROM_NOTHING, "--elements", "Li,Qq"], "'Qq' is no element"),
    ([*FROM_NOTHING, "--stoichiometry", "MgO"], "write one capital letter for each kind"),
    ([*FROM_NOTHING, "--stoichiometry", "ABX3", "--candidates", "4"], "--candidates has no effect with --stoichiometry"),
    ([*FROM_NOTHING, "--condition", "density=0"], "density must be above 0"),
    ([*FROM_NOTHING, "--condition", "density"], "no NAME=VALUE"),
    ([*FROM_NOTHING, "--condition", "density=5", "--condition", "volume_per_atom=20"], "the same demand"),
    ([*FROM_NOTHING, "--condition", "space_group=225", "--spacegroup", "225"], "ask for one of the two"),
    ([*FROM_NOTHING, "--guidance", "2"], "--guidance has no effect without --condition"),
    ([*FROM_NOTHING[:-1], "0"], "0 is not"),
    ([*GROWN, "--models-folder", "absent"], "there is no folder absent"),
    ([*GROWN, "--models-folder", "."], "n2c train flow"),
    ([*GROWN, "--model", "carbon"], "carbon"),
    ([*GROWN, "--out", "absent/out.npz"], "there is no folder absent"),
    ([*GROWN, "--out", "models"], "is a folder"),
    ([*GROWN, "--out", LIST], "LIST is read as input"),
    ([*GROWN, "--out", "/dev/fd/out.npz"], "/dev/fd/out.npz cannot be written"),
    ([*GROWN, "--out", f"{'long' * 61}.npz"], "cannot be written: File name too long"),
    (["evaluate", "absent.npz", POOL], "there is no file absent.npz"),
    (["evaluate", POOL, "absent.npz"], "there is no file absent.npz"),
    (["evaluate", WORDS, POOL], "WORDS"),
    (["evaluate", POOL, WORDS], "WORDS"),
    (["evaluate", POOL, "--reference", WORDS], "WORDS"),
    (["evaluate", "DUBNIUM", "DUBNIUM"], "DUBNIUM: structure 0: atomic numbers must lie in 0..103"),
    (["evaluate", CSV, POOL], "CSV is not an .npz file of crystals; `n2c data prepare` makes one"),
    (["evaluate", POOL, "--limit", "1"], "among the true structures"),
    (["evaluate", POOL, "--dev"], "among the true structures"),
    (["evaluate", POOL, POOL, "--limit", "0"], "0 is not"),
    (["evaluate", POOL, POOL, "--json", "absent/r.json"], "there is no folder absent"),
    (["evaluate", POOL, POOL, "--json", "/dev/fd/r.json"], "/dev/fd/r.json cannot be written"),
    (["evaluate", POOL, POOL, "--json", POOL], "POOL is read as input"),
    (["data"], "usage: n2c data"),
    (["data", "prepair"], "did you mean prepare?"),
    (["data", "prepare", "absent.csv", "out.npz"], "there is no file absent.csv"),
    (["data", "prepare", POOL, "out.npz"], "POOL"),
    (["data", "prepare", WORDS, "out.npz"], "no column named cif"),
    (["data", "prepare", CSV, "out.npz", "--dev", "-1"], "-1 is not"),
    (["data", "prepare", CSV, "out.npz", "--dev", "2"], "cannot be kept aside"),
    (["data", "prepare", CSV, "out.npz", "--seed", "1"], "without --dev it has no effect"),
    (["data", "prepare", CSV, "absent/out.npz"], "there is no folder absent"),
    (["data", "prepare", CSV, "/dev/fd/out.npz"], "/dev/fd/out.npz cannot be written"),
    (["data", "prepare", CSV, CSV], "CSV is read as input"),
    (["data", "elements", "--out", "."], "is a folder"),
    (["data", "prototypes", "--out", "absent/types.npz"], "there is no folder absent"),
    (["train"], "usage: n2c train"),
    (["train", "flows"], "did you mean flow?"),
    (FLOW_RUN, "--minutes --steps is required"),
    ([*FLOW_RUN, "--steps", "1", "--minutes", "1"], "not allowed with"),
    ([*FLOW_RUN, "--minutes", "0"], "0 is not above 0"),
    ([*FLOW_RUN, "--minutes", "nan"], "nan is not a finite number"),
    ([*FLOW_RUN, "--steps", "1", "--dropout", "2"], "2 is not"),
    ([*FLOW_RUN, "--steps", "1", "--exchange", "-0.5"], "-0.5 is not"),
    ([*FLOW_RUN, "--steps", "1", "--learning-rate", "0"], "0 is not above 0"),
    ([*FLOW_RUN, "--steps", "1", "--init", "absent.safetensors"], "there is no file absent.safetensors"),
    ([*FLOW_RUN, "--steps", "1", "--init", WORDS], "WORDS"),
    ([*FLOW_RUN, "--steps", "1", "--data", WORDS], "WORDS"),
    ([*FLOW_RUN, "--steps", "1", "--data", "DEV"], "all are marked dev"),
    ([*FLOW_RUN, "--steps", "1", "--data", "BARE", "--probe", "3"], "no row is marked dev"),
    ([*FLOW_RUN, "--steps", "1", "--out", LIST], "is a file"),
    ([*FLOW_RUN, "--steps", "1", "--out", "/dev/fd/run"], "/dev/fd/run cannot be written"),
    ([*FLOW_RUN, "--steps", "1", "--model", "perov5", "--data", "LARGE"], "at most 5"),
    (["train", "diffusion", "--data", "absent.npz", "--model", "mp20", "--out", "run", "--steps", "1"], "there is no file absent.npz"),
    (["train", "adapter", "--data", "absent.npz", "--out", "run", "--steps", "1"], "there is no file absent.npz"),
    (["train", "steering", "--data", "absent.npz", "--out", "run"], "there is no file absent.npz"),
    (["train", "steering", "--data", POOL, "--out", "run"], "the column formation_energy_per_atom is not there"),
    (["train", "reranker", "absent.safetensors", "--data", POOL, "--out", "run"], "there is no file absent.safetensors"),
    (["train", "reranker", WORDS, "--data", POOL, "--out", "run"], "WORDS"),
    (["train", "reranker", FLOW, "--data", POOL, "--out", "run", "--also", "absent"], "there is no folder absent"),
    (["train", "reranker", FLOW, "--data", POOL, "--out", "run", "--candidates", "0"], "0 is not"),
    (["train", "ranker", "--data", "absent.npz", "--out", "run"], "there is no file absent.npz"),
    (["train", "ranker", "--data", WORDS, "--out", "run"], "WORDS"),
    (["train", "composition", "--data", WORDS, "--model", "mp20", "--out", "run"], "WORDS"),
    (["train", "composition", "--data", POOL, "--model", "mp20", "--out", "run", "--epochs", "0"], "0 is not"),
    ([*SELECTOR, "--models-folder", "absent"], "there is no folder absent"),
    ([*SELECTOR, "--models-folder", "models"], "no reranker"),
    ([*SELECTOR, "--workers", "none"], "'none' is not a whole number"),
    (["train", "score", "--dataset", "three moons"], "three moons"),
    (["train", "score", "--dataset", "two moons", "--steps", "0"], "0 is not"),
    (["train", "score", "--dataset", "two moons", "--out", "absent/w.safetensors"], "there is no folder absent"),
    (["train", "score", "--dataset", "two moons", "--out", "w.safetensors", "--checkpoint", WORDS], "WORDS"),
    (["train", "families", "--dataset", "two moons", "--family", "VAN"], "VAN"),
    (["train", "guidance", "--dataset", "one moon"], "one moon"),
    (["train", "guidance", "--dataset", "island", "--out", LIST], "is a file"),
    (["train", "latent", "--steps", "-3"], "-3 is not"),
    (["train", "formulas", "absent.npz"], "there is no file absent.npz"),
    (["train", "formulas", WORDS, "--out", "w.safetensors"], "WORDS"),
    (["train", "formulas", "BARE", "--out", "w.safetensors"], "marked dev"),
    (["train", "formulas", POOL, "--out", POOL], "POOL is read as input"),
    (["train", "score-md", "--landscape", "hill"], "hill"),
    (["train", "score-md", "--model", "oracle"], "oracle"),
    (["train", "score-md", "--steps", "0"], "0 is not"),
    (["train", "score-md", "--weight", "-1"], "-1 is not at least 0"),
    (["train", "score-md", "--out", LIST], "is a file"),
    (["train", "system", "magic", "absent.npz"], "magic"),
    (["train", "system", "captions", "absent.npz"], "there is no file absent.npz"),
    (["train", "system", "space-groups", WORDS, "--out", "w.safetensors"], "WORDS"),
    (["train", "system", "writer", "BARE", "--out", "w.safetensors"], "spacegroup"),
    (["train", "system", "writer", POOL, "--out", POOL], "POOL is read as input"),
    (["publish", "absent.safetensors", "--data", POOL, "--model", "mp20"], "there is no file absent.safetensors"),
    ([*PUBLISH, "--data", WORDS], "WORDS"),
    ([*PUBLISH, "--data", "BARE"], "no row is marked dev"),
    ([*PUBLISH, "--steps", "0"], "0 is not"),
    ([*PUBLISH, "--eta", "1"], "no fresh noise"),
    (["publish", WORDS, *PUBLISH[2:]], "WORDS"),
    (["weights", "burn"], "burn"),
    (["weights", "verify", "--folder", "absent"], "there is no folder absent"),
    (["new-chapter", "ou", "--part", "physics"], "not inside a checkout"),
]


@pytest.fixture(scope="module")
def folder(pool, models_folder, tmp_path_factory):
    """POOL and its variants, weights, a CSV of two rows, a list of compositions and WORDS, a file of another kind."""
    folder = tmp_path_factory.mktemp("given")
    shutil.copy(pool, folder / POOL)
    shutil.copytree(models_folder, folder / "models")
    shutil.copy(models_folder / "mp20_flow.safetensors", folder / FLOW)
    arrays = load_arrays(pool)
    arrays.select(arrays.dev).save(folder / "DEV")
    bare = arrays.select(~arrays.dev)
    bare.columns.clear()
    bare.save(folder / "BARE")
    large = arrays.select([0, 1, 2, 3])
    type(arrays)(large.numbers, large.frac_coords, large.lattice[:2], large.num_atoms[:2] * 2, {}).save(folder / "LARGE")
    large.numbers[0] = 105
    large.save(folder / "DUBNIUM")
    bare.lattice[0, 0, 0] = float("nan")
    bare.save(folder / "BROKEN")
    (folder / "HEAVY").write_text("Db1 Cl1\n")
    (folder / WORDS).write_text("These are words.\n")
    (folder / CSV).write_text("material_id,cif\nmp-1,x\nmp-2,y\n")
    (folder / LIST).write_text("Na1 Cl1\n")
    return folder


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("arguments, words", CASES, ids=[" ".join(arguments) for arguments, _ in CASES])
def test_refused_in_words_and_nothing_is_written(arguments, words, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    before = contents(folder)
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and words in err and "Traceback" not in err
    assert contents(folder) == before


def test_every_command_is_in_the_table():
    asked = {tuple(arguments[:2]) for arguments, _ in CASES}
    assert {name for name, *_ in asked} == set(cli.COMMANDS)
    assert {("train", kind) for kind in train.KINDS} | {("data", kind) for kind in data.TABLES} <= asked


def test_an_output_that_is_no_ordinary_file_is_left_alone(tmp_path):
    """A pipe is refused; a link is followed, and the file behind it is written."""
    pipe, link, real = tmp_path / "pipe.npz", tmp_path / "link.npz", tmp_path / "real.npz"
    os.mkfifo(pipe)
    with pytest.raises(CommandError, match="no ordinary file"):
        output_file(str(pipe))
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    link.symlink_to(real)
    assert output_file(str(link)) == real.resolve()
