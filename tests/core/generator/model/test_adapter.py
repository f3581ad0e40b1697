"""Adapters: without a condition, with gamma = 0 and before training the crystals are those of the flow, bit for bit."""

import math

import pytest
import torch

from core.generator.model.adapter import PLACES, Adapter, AdapterConfig, ConditionCode, asked_volume, conditions, guided
from core.generator.registry import load_model
from core.generator.sampling.config import SamplerConfig
from core.generator.sampling.loop import sample
from core.structures.space_groups import crystal_system

NUMBERS = torch.tensor([[11, 17], [12, 8], [38, 8]])
CONFIG = SamplerConfig(steps=4)


@pytest.fixture(scope="module")
def flow():
    return load_model("mp20", kind="flow")


@pytest.fixture
def adapter(flow):
    """One whose mix-in is not zero any more."""
    torch.manual_seed(0)
    made = Adapter(AdapterConfig(flow.network.config.width, flow.network.config.depth)).eval().requires_grad_(False)
    for layer in made.out:
        torch.nn.init.normal_(layer.weight, std=0.02)
    return made


def grown(flow, guide=None):
    *_, last = sample(flow.network, flow.process, NUMBERS, CONFIG, seeds=[1, 2, 3], guide=guide)
    return last


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_nothing_asked_or_gamma_zero_changes_no_bit(flow, adapter):
    plain, asked = grown(flow), conditions({"density": 3.0, "space_group": 225})
    assert same(grown(flow, guided(flow.network, adapter, asked, 0.0)), plain)
    assert same(grown(flow, guided(flow.network, adapter, conditions({}), 2.0)), plain)
    assert not same(grown(flow, guided(flow.network, adapter, asked, 1.0)), plain)


def test_the_mix_in_starts_at_zero(flow):
    fresh = Adapter(AdapterConfig(flow.network.config.width, flow.network.config.depth))
    state = grown(flow)
    t = torch.full((3,), 0.4)
    with_it = flow.network(*state, t, fresh.mix(conditions({"band_gap": 1.0}).expand(3), flow.network, state.numbers))
    assert same(with_it, flow.network(*state, t))


def test_guidance_is_linear_in_gamma(flow, adapter):
    """v(gamma) = v(x) + gamma (v(x | y) - v(x)), between the two and beyond."""
    state, t = grown(flow), torch.tensor(0.4)
    at = flow.network(*state, t.expand(3))
    asked = conditions({"crystal_system": "cubic"})
    v = {gamma: guided(flow.network, adapter, asked, gamma)(state, at, t).coords for gamma in (0.0, 1.0, 2.5)}
    steered = flow.network(*state, t.expand(3), adapter.mix(asked.expand(3), flow.network, state.numbers)).coords
    assert not torch.equal(steered, v[0.0]) and torch.allclose(v[1.0], steered, atol=1e-6)
    assert torch.allclose(v[2.5], v[0.0] + 2.5 * (v[1.0] - v[0.0]), atol=1e-5)


def test_masked_rows_stay_while_others_move(flow, adapter):
    state, t = grown(flow), torch.full((3,), 0.4)
    some = conditions({"space_group": 62}).expand(3)
    some = some._replace(group=torch.tensor([62, 0, 62]))
    moved, plain = flow.network(*state, t, adapter.mix(some, flow.network, state.numbers)), flow.network(*state, t)
    assert torch.equal(moved.coords[1], plain.coords[1])
    assert not torch.equal(moved.coords[0], plain.coords[0])


def test_density_and_volume_ask_for_one_cell(flow):
    """NaCl, one formula unit in 44.87 Å³: 58.44 u, so 58.44 * 1.66054 / 44.87 = 2.1627 g/cm³, 22.435 Å³ an atom."""
    numbers = torch.tensor([[11, 17]])
    by_volume = asked_volume(flow.network, numbers, conditions({"volume_per_atom": 22.435}).scalars)
    by_density = asked_volume(flow.network, numbers, conditions({"density": 2.1627}).scalars)
    assert by_density.item() == pytest.approx(by_volume.item(), abs=2e-3)
    vector = torch.tensor([[math.log(44.87), 0, 0, 0, 0, 0]])
    assert by_volume.item() == pytest.approx(flow.network.to_cell(numbers, vector)[0, 0].item(), abs=1e-4)
    assert asked_volume(flow.network, numbers, conditions({"band_gap": 1.0}).scalars).isnan().all()


def test_systems_by_their_last_groups():
    lasts = {2: "triclinic", 15: "monoclinic", 74: "orthorhombic", 142: "tetragonal", 167: "trigonal", 194: "hexagonal", 230: "cubic"}
    names = ["triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic"]
    for last, name in lasts.items():
        assert names[PLACES[crystal_system(last)] - 1] == name and (last == 230 or crystal_system(last + 1) != name)
        assert conditions({"crystal_system": name}).system.item() == names.index(name) + 1


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"density": 0}, "density must be above 0 g/cm³, not 0"),
        ({"density": float("inf")}, "finite number"),
        ({"volume_per_atom": -3}, "above 0 Å³"),
        ({"band_gap": -1}, "0 or more eV"),
        ({"space_group": 231}, "numbered from 1 to 230, not 231"),
        ({"crystal_system": "kubisch"}, "there are triclinic, monoclinic"),
        ({"hardness": 9}, "nothing can be asked by the name 'hardness'"),
    ],
)
def test_impossible_conditions_are_answered_in_words(wanted, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        conditions(wanted)


def test_the_code_of_a_number_by_value():
    """The number itself, at most 6, then sine and cosine of it times 16 powers of two from 1/8 to 8; energy and gap in standard units."""
    code = ConditionCode(33, raw=1, measured=2)
    code.fit(torch.tensor([[1.0, 2.0], [5.0, math.nan]]))
    assert code.mean.tolist() == [3, 2] and code.std.tolist() == pytest.approx([2, 1e-3])
    with torch.no_grad():
        for embed in code.scalars:
            embed.weight.copy_(torch.eye(33))
            embed.bias.zero_()
        none, unknown = torch.zeros(2, dtype=torch.long), torch.full((2, 2), math.nan)
        found = code(unknown, none, none, torch.tensor([[1.0], [9.0]]))
        energy = code(torch.tensor([[4.0, math.nan]]), none[:1], none[:1], torch.tensor([[math.nan]]))
    waves = [2 ** (-3 + 0.4 * k) for k in range(16)]
    for row, x in ((found[0], 1.0), (found[1], 6.0), (energy[0], 0.5)):
        by_hand = [x, *(math.sin(w * x) for w in waves), *(math.cos(w * x) for w in waves)]
        assert row.tolist() == pytest.approx(by_hand, abs=1e-4)
