import pytest
import torch

from core.generator.baselines.ranker import Ranker
from core.generator.model.network import Denoiser, NetworkConfig, in_bfloat16
from core.generator.model.reference_networks import build
from core.generator.registry import load_model
from core.structures.elements import element_features
from core.structures.lattice import lattice_to_vector

SMALL = NetworkConfig(width=32, pair_width=16, depth=2, heads=4, max_atoms=8)


@pytest.fixture(scope="module")
def network():
    """Random weights everywhere: the zero-initialised gates would hide a broken symmetry behind an identity."""
    generator = torch.Generator().manual_seed(0)
    net = Denoiser(SMALL).double().eval()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype) * 0.3)
    return net


@pytest.fixture()
def batch():
    g = torch.Generator().manual_seed(1)
    return (
        torch.tensor([[11, 17, 8, 8, 8], [38, 22, 8, 8, 8], [1, 1, 1, 1, 6]]),
        torch.rand(3, 5, 3, generator=g, dtype=torch.float64),
        torch.randn(3, 6, generator=g, dtype=torch.float64),
        torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64),
    )


def close(a, b):
    return all(torch.allclose(x, y, atol=1e-5) for x, y in zip(a, b, strict=True))


def test_weights_that_are_loaded_leave_the_table_of_elements_alone():
    before = element_features().copy()
    for fresh in (Denoiser(SMALL), Ranker(), *build(5).values()):
        state = fresh.state_dict()
        fresh.load_state_dict({name: torch.zeros_like(value) for name, value in state.items()})
    assert (element_features() == before).all() and before.any()
    with pytest.raises(ValueError, match="read-only"):
        element_features()[1, 0] = 0


def test_origin_and_lattice_vectors_do_not_matter(network, batch):
    numbers, frac, cell, t = batch
    prediction = network(*batch)
    assert prediction.coords.abs().max() > 0.1 and prediction.lattice.abs().max() > 0.1
    assert close(prediction, network(numbers, frac + torch.tensor([0.31, 0.57, 0.93]), cell, t))
    assert close(prediction, network(numbers, frac + torch.randint(-2, 3, frac.shape), cell, t))
    bent = frac.clone()
    bent[:, 0] += 0.05
    assert not close(prediction, network(numbers, bent, cell, t))


def test_atoms_can_be_reordered(network, batch):
    numbers, frac, cell, t = batch
    order = torch.tensor([3, 0, 4, 1, 2])
    prediction, permuted = network(*batch), network(numbers[:, order], frac[:, order], cell, t)
    assert close((prediction.coords[:, order], prediction.lattice, prediction.species[:, order]), permuted)
    assert not torch.allclose(prediction.coords, permuted.coords, atol=1e-3)


def test_turning_the_cell_changes_nothing(network, batch):
    """The cell enters through log(L L^T) only; a turned cell is the same input to rounding."""
    numbers, frac, _, t = batch
    lattice = torch.randn(3, 3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 4 * torch.eye(3)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64))
    cells = [network.to_cell(numbers, lattice_to_vector(rows)) for rows in (lattice, lattice @ turn)]
    assert close(network(numbers, frac, cells[0], t), network(numbers, frac, cells[1], t))


def test_coordinates_have_no_common_drift(network, batch):
    assert network(*batch).coords.mean(1).abs().max() < 1e-12


def test_result_does_not_depend_on_the_rest_of_the_batch(network, batch):
    prediction, alone = network(*batch), network(*(x[1:2] for x in batch))
    assert close((part[1:2] for part in prediction), alone)


def test_units_are_inverted(network, batch):
    numbers, _, cell, _ = batch
    assert torch.allclose(network.to_cell(numbers, network.to_vector(numbers, cell)), cell, atol=1e-9)


def test_products_in_bfloat16_say_nearly_the_same_and_leave_the_geometry_alone():
    """bfloat16 keeps eight bits: outputs of the shipped flow differ by a few times 2^-8, and the original network is as it was."""
    network = load_model("mp20", kind="flow").network
    g = torch.Generator().manual_seed(1)
    asked = (
        torch.tensor([[38, 22, 8, 8, 8]]).expand(16, 5),
        torch.rand(16, 5, 3, generator=g),
        0.5 * torch.randn(16, 6, generator=g),
        torch.rand(16, generator=g),
    )
    exact, fast = network(*asked), in_bfloat16(network)(*asked)
    assert fast.coords.dtype == fast.lattice.dtype == torch.float32
    for one, other in zip(exact[:2], fast[:2], strict=True):
        error = (one - other).square().mean().sqrt() / one.square().mean().sqrt()
        assert 1e-5 < error < 10 * 2**-8
    assert torch.equal(network(*asked).coords, exact.coords) and not network.bf16
