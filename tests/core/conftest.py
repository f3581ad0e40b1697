"""A small data set of real-looking cells and an untrained network in a folder, as the commands expect them."""

import numpy as np
import pytest
import torch

from core.generator.baselines.ranker import Ranker
from core.generator.model.diffusion import Diffusion
from core.generator.model.flow import Flow
from core.generator.model.network import Denoiser, NetworkConfig
from core.generator.registry import load_model
from core.generator.weights import save_module, save_weights
from core.structures.arrays import from_crystals
from core.structures.crystal import Crystal

TINY = NetworkConfig(width=32, pair_width=16, depth=2, heads=4, max_atoms=20)


@pytest.fixture(scope="session")
def pool(tmp_path_factory):
    """40 distorted perovskites and rock salts, 6 of them held out."""
    rng = np.random.default_rng(0)
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    crystals = [
        Crystal([z, 22, 8, 8, 8], sites + 0.01 * rng.normal(size=(5, 3)), np.eye(3) * rng.uniform(3.8, 4.1))
        for z in (20, 38, 56)
        for _ in range(8)
    ]
    crystals += [
        Crystal([z, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], (np.ones((3, 3)) - np.eye(3)) * rng.uniform(2.6, 3.1))
        for z in (11, 19)
        for _ in range(8)
    ]
    path = tmp_path_factory.mktemp("pool") / "pool.npz"
    from_crystals(crystals, dev=np.arange(40) % 7 == 0).save(path)
    return path


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory):
    """mp20: an untrained tiny network that knows Na, Cl, O, Sr, Ti; perov5: broken bytes."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    network = Denoiser(TINY)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.05 * torch.randn(p.shape))
    network.known.zero_()
    network.known[[8, 11, 17, 22, 38]] = True
    save_weights(
        folder / "mp20_diffusion.safetensors",
        TINY,
        Diffusion(species_weight=0.2),
        network.state_dict(),
        {"atom_counts": list(range(1, 21)), "scoring": {"steps": 7}},
    )
    save_weights(
        folder / "mp20_flow.safetensors", TINY, Flow(), network.state_dict(), {"atom_counts": list(range(1, 21)), "scoring": {"steps": 6}}
    )
    torch.manual_seed(1)
    save_module(folder / "ranker.safetensors", Ranker(), {})
    (folder / "perov5_diffusion.safetensors").write_bytes(b"\x00" * 64)
    return folder


@pytest.fixture(scope="session")
def flow_model(models_folder):
    return load_model("mp20", models_folder, kind="flow")


@pytest.fixture(scope="session")
def model(models_folder):
    return load_model("mp20", models_folder)
