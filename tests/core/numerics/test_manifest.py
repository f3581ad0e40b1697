"""The list of the shipped weights, what is checked against it and what is not."""

import hashlib
import json
import os
import shutil

import pytest

from core.crystals import score_networks
from core.generator import predict, registry
from core.generator.baselines import library
from core.generator.systems import captions
from core.learning.formulas import load_model
from core.learning.latent_networks import load_networks
from core.learning.train_families import load_families
from core.numerics import conditional, manifest, networks
from core.numerics.manifest import ManifestError, check, compute, differences, read, write
from core.structures.arrays import ArrayFileError

SHIPPED = manifest.SHIPPED


def test_shipped_files_are_those_of_the_list():
    """If weights were changed on purpose: n2c weights manifest."""
    assert differences() == {}
    assert set(read()) == {path.name for path in manifest.SHIPPED.iterdir() if path.suffix in (".safetensors", ".npz")}


def test_shipped_files_are_small():
    sizes = [path.stat().st_size for path in manifest.SHIPPED.rglob("*") if path.is_file()]
    assert max(sizes) <= 25_000_000 and 1_000_000 < sum(sizes) <= 100_000_000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two files and their list, as if they were the shipped ones."""
    monkeypatch.setattr(manifest, "SHIPPED", tmp_path)
    (tmp_path / "a.safetensors").write_bytes(b"first")
    (tmp_path / "b.npz").write_bytes(b"second")
    (tmp_path / "a.md").write_text("no weights")
    write(tmp_path)
    return tmp_path


def test_list_holds_size_and_sha256(folder):
    listed = json.loads((folder / "manifest.json").read_text())
    assert listed == {
        "a.safetensors": {"size": 5, "sha256": hashlib.sha256(b"first").hexdigest()},
        "b.npz": {"size": 6, "sha256": hashlib.sha256(b"second").hexdigest()},
    }
    assert read(folder) == compute(folder) and differences(folder) == {}


def test_each_difference_is_named_in_words(folder):
    for name in ("a.safetensors", "b.npz"):
        check(folder / name)
    (folder / "a.safetensors").write_bytes(b"frist")
    with pytest.raises(ManifestError, match="other content than the release.*n2c weights manifest"):
        check(folder / "a.safetensors")
    (folder / "b.npz").write_bytes(b"sec")
    with pytest.raises(ManifestError, match="3 bytes where the release has 6: half a download, or a pointer"):
        check(folder / "b.npz")
    (folder / "b.npz").unlink()
    (folder / "c.npz").write_bytes(b"third")
    assert {name: words.split()[0:3] for name, words in differences(folder).items()} == {
        "a.safetensors": ["has", "the", "right"],
        "b.npz": ["is", "not", "there"],
        "c.npz": ["is", "not", "listed"],
    }


def test_only_listed_files_of_the_folder_itself_are_checked(folder, tmp_path_factory):
    (folder / "own.safetensors").write_bytes(b"anything")
    check(folder / "own.safetensors")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.safetensors"
    elsewhere.write_bytes(b"trained by a reader")
    check(elsewhere)
    (folder / "below").mkdir()
    (folder / "below" / "a.safetensors").write_bytes(b"another")
    check(folder / "below" / "a.safetensors")


def test_a_file_is_hashed_once_until_it_changes(folder, monkeypatch):
    hashed = []
    real = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: hashed.append(file.name) or real(file, kind))
    path = folder / "a.safetensors"
    os.utime(path, ns=(1, 1))
    for _ in range(3):
        check(path)
    assert len(hashed) == 1
    path.write_bytes(b"frist")  # as long as before
    os.utime(path, ns=(2, 2))
    with pytest.raises(ManifestError):
        check(path)
    assert len(hashed) == 2


@pytest.mark.parametrize("text", [None, "", "[]", '{"a.safetensors": 5}', '{"a.safetensors": {"size": 5}}'])
def test_a_list_that_is_none_is_refused(folder, text):
    path = folder / "manifest.json"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(ManifestError, match=r"manifest\.json, cannot be read .*git checkout"):
        check(folder / "a.safetensors")


def test_too_large_a_file_is_not_listed(folder):
    before = (folder / "manifest.json").read_text()
    with (folder / "large.safetensors").open("wb") as file:
        file.truncate(25_000_001)  # a hole: takes no room
    with pytest.raises(ManifestError, match="above 25 MB: large.safetensors"):
        write(folder)
    for i in range(5):
        with (folder / f"large{i}.safetensors" if i else folder / "large.safetensors").open("wb") as file:
            file.truncate(20_000_001)
    with pytest.raises(ManifestError, match=r"100\.0 MB in all"):
        write(folder)
    assert (folder / "manifest.json").read_text() == before and not list(folder.glob(".manifest*"))


def flip(path):
    """Change one byte, and neither size nor header."""
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


LOADERS = {
    "score_two_moons.safetensors": lambda folder: networks.load_score_network("two moons", folder),
    "dynamics_dihedrals_energy.safetensors": lambda folder: score_networks.load("two dihedrals", "energy", folder),
    "guide_score_island.safetensors": lambda folder: conditional.load(conditional.LabelledScoreNetwork, "guide_score_island", folder),
    "families_lattice.safetensors": lambda folder: load_families("lattice", folder),
    "latent_lattices.safetensors": load_networks,
    "formulas.safetensors": lambda folder: load_model(folder / "formulas.safetensors"),
    "perov5_flow.safetensors": lambda folder: registry.load_model("perov5", folder, kind="flow"),
    "mp20_composition.safetensors": lambda folder: registry.load_composition_model("mp20", folder),
    "ranker.safetensors": predict.load_ranker,
    "system_captions.safetensors": lambda folder: captions.load(folder / "system_captions.safetensors"),
    "selector.safetensors": predict.load_selector,
}
REFUSED = (networks.ModelMissing, registry.ModelMissing)


@pytest.mark.parametrize("name", LOADERS)
def test_one_flipped_byte_is_refused_where_the_weights_ship(name, tmp_path, monkeypatch):
    own, ships = tmp_path / "own", tmp_path / "ships"
    for folder in (own, ships):
        folder.mkdir()
        for file in (name, "manifest.json"):
            shutil.copy(SHIPPED / file, folder)
        flip(folder / name)
    monkeypatch.setattr(manifest, "SHIPPED", ships)
    LOADERS[name](own)  # a folder of the reader's own: nobody asks
    with pytest.raises(REFUSED, match=rf"assets/models/{name} .*other content.*git checkout -- assets/models/{name}"):
        LOADERS[name](ships)
    if name != "mp20_composition.safetensors":  # the one that a model can be without
        with pytest.raises(REFUSED) as said:
            LOADERS[name](tmp_path)
        assert "git checkout" not in str(said.value), "a file of the reader's own is not in our repository"


def test_prototypes_are_checked_too(tmp_path, monkeypatch):
    for file in ("prototypes.npz", "manifest.json"):
        shutil.copy(SHIPPED / file, tmp_path)
    monkeypatch.setattr(manifest, "SHIPPED", tmp_path)
    monkeypatch.setattr(library, "ASSET", tmp_path / "prototypes.npz")
    read_anew = library.builtin_library.__wrapped__
    assert len(read_anew()) > 100
    flip(tmp_path / "prototypes.npz")
    with pytest.raises(ArrayFileError, match="assets/models/prototypes.npz cannot be read.*other content.*git checkout"):
        read_anew()


def test_every_weight_file_has_a_loader_here():
    """A new kind of weights is checked when it is loaded, and this file tries it."""
    kinds = {name.split("_")[0] for name in [*LOADERS, "prototypes.npz"]}
    assert {name.split("_")[0] for name in read()} <= kinds
