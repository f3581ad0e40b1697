"""Each miniature is trained by its command: a short run writes weights that load and a card that says what was measured."""

import numpy as np
import pytest

from core.crystals.landscape import CRYSTALS, known_crystal
from core.generator.systems import autoregressive, space_groups, train_space_groups, train_writer
from core.generator.systems.data import read_pool
from core.structures.arrays import ArrayFileError, from_crystals


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """The crystals built in code, each third kept aside."""
    found = [known_crystal(name) for name in CRYSTALS]
    path = tmp_path_factory.mktemp("pool") / "pool.npz"
    from_crystals(
        [crystal for crystal, _ in found],
        spacegroup=np.array([group for _, group in found], np.int16),
        dev=np.arange(len(found)) % 3 == 0,
    ).save(path)
    return path


def test_rows_kept_aside_are_not_learned_from(pool):
    read = read_pool(pool)
    assert not set(read.train) & set(read.dev) and len(read.train) + len(read.dev) == len(read.crystals) == len(CRYSTALS)
    assert max(c.n_atoms for c in read_pool(pool, max_atoms=6).crystals) == 6


def test_a_pool_without_rows_kept_aside_is_refused(pool, tmp_path):
    crystals = [known_crystal(name)[0] for name in CRYSTALS[:3]]
    from_crystals(crystals, spacegroup=np.array([1, 2, 3], np.int16)).save(tmp_path / "all.npz")
    with pytest.raises(ArrayFileError, match="marked dev"):
        read_pool(tmp_path / "all.npz")


def test_space_groups(pool, tmp_path):
    about = train_space_groups.train(pool, tmp_path / "w.safetensors", steps=30, batch=8)
    network, stored = space_groups.load(tmp_path / "w.safetensors")
    assert stored["dev"]["n"] == about["dev"]["n"] == 8 and float(network.temperature) > 0
    assert train_space_groups.model_card(network, stored) == (tmp_path / "w.md").read_text()


def test_writer(pool, tmp_path):
    about = train_writer.train(pool, tmp_path / "w.safetensors", tmp_path / "c.safetensors", epochs=1)
    network, stored = autoregressive.load(tmp_path / "w.safetensors")
    assert not (tmp_path / "c.safetensors").exists(), "a finished run leaves no checkpoint"
    assert stored["sentences"] == about["sentences"] == 14 and 1 <= stored["dev"]["perplexity"]["all"] < 1200
    assert (tmp_path / "w.md").read_text().startswith("# Crystals as text")
