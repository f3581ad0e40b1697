import math

import pytest
import torch
from torch.nn import functional as F

from core.generator.baselines.ranker import Ranker
from core.generator.model.conversion import lattices_of
from core.generator.model.network import Block, Denoiser, NetworkConfig, PairFeatures, in_bfloat16, metric_features, time_features
from core.generator.model.reference_networks import build
from core.generator.model.state import Cells
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


def test_features_of_a_pair_by_hand():
    """sin, cos 2 pi k d for k = 1..K; sums over the 27 images of exp(-|(d + n) L|^2 / 2 r^2), and of that times (d + n) |L| / r."""
    lattice = torch.tensor([[4.0, 0, 0], [0.5, 3.5, 0], [0.2, -0.4, 5.0]], dtype=torch.float64)
    frac = torch.tensor([[[0.9, 0.2, 0.3], [0.2, 0.3, 0.9]]], dtype=torch.float64)
    found = PairFeatures(2).double()(frac, (lattice @ lattice.T)[None])
    d = frac[0, 1] - frac[0, 0]
    waves = (2 * math.pi * torch.stack([d, 2 * d], -1)).flatten()
    short = d - d.round()
    images = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)] * 3) + short
    length = (lattice.square().sum(1).mean()).sqrt()
    sums, pulls = [], []
    for r in (0.5, 0.8, 1.2, 1.7, 2.4, 3.4):
        weight = torch.exp(-(images @ lattice).square().sum(1) / (2 * r**2))
        sums.append(weight.sum())
        pulls.append((weight[:, None] * images).sum(0) * length / r)
    expected = torch.cat([waves.sin(), waves.cos(), torch.stack(sums), torch.stack(pulls).flatten()])
    assert torch.allclose(found[0, 0, 1], expected, atol=1e-9)
    odd = torch.tensor([-1.0] * 6 + [1.0] * 12 + [-1.0] * 18, dtype=torch.float64)
    assert torch.allclose(found[0, 1, 0], odd * expected, atol=1e-9)


def test_attention_is_torchs_with_the_pairs_as_bias():
    """softmax(q k^T / sqrt(d_head) + bias) v, and the same weights over the pairs, against scaled_dot_product_attention."""
    torch.manual_seed(0)
    block = Block(SMALL, update_pairs=False).eval()
    torch.nn.init.normal_(block.modulation.weight, std=0.3)
    h, pair, condition = torch.randn(2, 5, 32), torch.randn(2, 5, 5, 16), torch.randn(2, 32)
    shift, scale, gate, shift2, scale2, gate2 = block.modulation(condition)[:, None].chunk(6, -1)
    norm = torch.nn.LayerNorm(32, elementwise_affine=False)
    x, z = norm(h) * (1 + scale) + shift, block.pair_norm(pair)
    q, k, v = (part.view(2, 5, 4, 8).transpose(1, 2) for part in block.qkv(x).chunk(3, -1))
    bias = block.bias(z).permute(0, 3, 1, 2)
    values = F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).reshape(2, 5, 32)
    weight = F.scaled_dot_product_attention(q, k, torch.eye(5).expand(2, 4, 5, 5), attn_mask=bias)
    messages = torch.einsum("bhij,bijp->bihp", weight, z).reshape(2, 5, 64)
    after = h + gate * block.out(torch.cat([values, messages], -1))
    after = after + gate2 * block.mlp(norm(after) * (1 + scale2) + shift2)
    assert torch.allclose(block(h, pair, condition)[0], after, atol=1e-5)
    assert not torch.allclose(after, h, atol=0.1)


def test_what_the_network_is_told_of_time_and_cell_by_value():
    """16 frequencies from half a turn to 32 turns; edges in units of the atom spacing, ln(a) - ln(N)/3 - 1, and cosines; 15 Å^3 an atom."""
    phase = time_features(torch.tensor([0.3], dtype=torch.float64))[0]
    turns = 0.5 * 64 ** (torch.arange(16, dtype=torch.float64) / 15)
    assert torch.allclose(phase, torch.cat([(2 * math.pi * turns * 0.3).sin(), (2 * math.pi * turns * 0.3).cos()]), atol=1e-9)
    metric = torch.tensor([[[16.0, 4.0, 0.0], [4.0, 25.0, 0.0], [0.0, 0.0, 36.0]]])
    expected = [math.log(a) - math.log(8) / 3 - 1 for a in (4, 5, 6)] + [4 / 20, 0, 0]
    assert metric_features(metric, 8)[0].tolist() == pytest.approx(expected, abs=1e-6)
    fresh = Denoiser(SMALL)
    assert fresh.to_vector(torch.tensor([[11, 17]]), torch.zeros(1, 6))[0, 0].item() == pytest.approx(math.log(30.0), abs=1e-6)
    fresh.lattice_mean.fill_(0.5)
    fresh.lattice_std.fill_(2.0)
    told = fresh.to_vector(torch.tensor([[11, 17]]), torch.full((1, 6), 3.0))[0]
    assert told.tolist() == pytest.approx([math.log(30.0) + 6.5, *[6.5] * 5], abs=1e-5)


def test_cells_far_out_are_held():
    """The network sees none beyond five standard deviations, a picture none beyond six."""
    fresh, numbers = Denoiser(SMALL).eval(), torch.tensor([[11, 17]])
    cell = torch.zeros(1, 6)
    cell[0, 1] = 7.0
    seen = []
    fresh.pair_features.register_forward_hook(lambda module, given, made: seen.append(given[1]))
    fresh(numbers, torch.rand(1, 2, 3), cell, torch.ones(1))
    assert torch.allclose(seen[0], fresh.metric(numbers, cell.clamp(max=5.0)), rtol=1e-4)
    assert not torch.allclose(seen[0], fresh.metric(numbers, cell.clamp(max=4.8)), rtol=1e-2)
    drawn = lattices_of(fresh, Cells(numbers, torch.rand(1, 2, 3), cell))
    assert torch.allclose(drawn @ drawn.mT, fresh.metric(numbers, cell.clamp(max=6.0).double()), rtol=1e-4)
