"""`n2c data` and `n2c publish`: what they write can be read where the app reads it."""

import numpy as np
import pytest

from core.cli import main
from core.generator.registry import load_model
from core.structures import elements
from core.structures.arrays import from_crystals, load_arrays
from core.structures.crystal import Crystal


def test_the_table_of_elements_comes_out_as_it_ships(tmp_path):
    assert main(["data", "elements", "--out", str(tmp_path / "elements.npz")]) == 0
    with np.load(tmp_path / "elements.npz") as made, np.load(elements.ASSET) as shipped:
        np.testing.assert_array_equal(made["features"], shipped["features"])


def test_prototypes_are_written_where_they_are_wanted(tmp_path, monkeypatch, capsys):
    """(Reading all of pymatgen's takes seconds.)"""
    salt = Crystal([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], 2.8 * (np.ones((3, 3)) - np.eye(3)))
    monkeypatch.setattr("core.generator.baselines.library.build", lambda: from_crystals([salt], name=np.array(["salt"])))
    assert main(["data", "prototypes", "--out", str(tmp_path / "types.npz")]) == 0
    assert "1 cells" in capsys.readouterr().out and load_arrays(tmp_path / "types.npz").columns["name"].tolist() == ["salt"]


@pytest.fixture
def published(pool, models_folder, tmp_path):
    """n2c publish with few steps; further arguments are given."""

    def publish(kind, *more):
        return main(
            ["publish", str(models_folder / f"mp20_{kind}.safetensors"), "--data", str(pool), "--model", "mp20"]
            + ["--folder", str(tmp_path / "published"), "--limit", "2", *more]
        )

    return publish


def test_published_weights_carry_their_numbers(published, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("core.generator.training.publish.card", lambda model: f"{model.about['dev']['n']} crystals")  # of real ones
    assert published("flow", "--steps", "2", "--candidates", "2", "--n-refinements", "1") == 0
    assert "| pairs | 2 |" in capsys.readouterr().out
    about = load_model("mp20", tmp_path / "published", kind="flow").about
    assert about["dev"]["n"] == 2 and about["plain"]["steps"] == 2
    assert about["scoring"]["n_refinements"] == 1 and sorted(about["reference"]) == ["density", "nearest_distance", "volume_per_atom"]
    assert (tmp_path / "published" / "mp20_flow.md").read_text() == "2 crystals"


@pytest.mark.parametrize(
    "kind, more, words",
    [
        ("flow", ["--eta", "1"], "no fresh noise"),
        ("flow", ["--accept-threshold", "1"], "without --n-refinements"),
        ("diffusion", ["--corrector-size", "0.1"], "without --corrector"),
        ("diffusion", ["--temperature", "nan"], "not a finite number"),
    ],
)
def test_settings_that_cannot_be(kind, more, words, published, tmp_path, capsys):
    assert published(kind, "--steps", "2", *more) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "published").exists()
