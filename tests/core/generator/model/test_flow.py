import itertools
import math

import pytest
import torch

from core.generator.model.flow import CELL_SPREAD, COORDS_SPREAD, Flow, pair
from core.generator.model.network import Prediction
from core.generator.model.state import Cells, Losses
from core.generator.sampling.config import METHODS, SamplerConfig
from core.generator.sampling.loop import Noise, sample
from core.numerics.torus import shortest
from tests.core.generator.model.test_diffusion import CELL, FRAC, NUMBERS, WEIGHTS, clean, within_four_errors

FLOW = Flow()


@pytest.mark.parametrize("t", [0.2, 0.7])
def test_path_has_the_closed_form(t):
    """The displacement is uniform on [-t/2, t/2), variance t^2/12; the cell is normal about (1 - t) x_0 with spread t."""
    n = 5000
    state, target = FLOW.noise(clean(n), torch.full((n,), t), generator=torch.Generator().manual_seed(0))
    moved = shortest(clean(n).frac, state.frac)
    assert moved.abs().max() <= t / 2 + 1e-6 and moved.abs().max() > 0.49 * t
    assert within_four_errors(moved, 0.0, t**2 / 12)
    assert not within_four_errors(1.2 * moved, 0.0, t**2 / 12)
    assert within_four_errors(state.cell[:, 0], 1 - t, t**2)
    assert not within_four_errors(1.2 * state.cell[:, 0], 1 - t, t**2)
    assert within_four_errors(target.lattice[:, 2], 0.0, 0.5)  # eps / sqrt 2 where x_0 = 0


def test_one_step_along_the_true_velocity_gives_back_the_crystal():
    t = torch.full((50,), 0.6)
    noise = Cells(clean(50).numbers, torch.rand(50, 2, 3, generator=torch.Generator().manual_seed(1)), torch.zeros(50, 6))
    state, target = FLOW.between(clean(50), noise, t)
    back = FLOW.step(state, target, t[0], torch.tensor(0.0), config=SamplerConfig(), noise=None)
    error = shortest(clean(50).frac, back.frac)
    assert (error - error.mean(1, keepdim=True)).abs().max() < 1e-5
    assert torch.allclose(back.cell, clean(50).cell, atol=1e-5)


def test_units_and_weights_by_value():
    """A uniform displacement has variance 1/12, the difference of two normals 2; the cell counts half."""
    assert pytest.approx(math.sqrt(1 / 12)) == COORDS_SPREAD and pytest.approx(math.sqrt(2)) == CELL_SPREAD
    assert Flow() == Flow(lattice_weight=0.5, paired=False)
    losses = Losses(torch.tensor(2.0), torch.tensor(3.0), torch.zeros(()))
    assert Flow(lattice_weight=0.5).total(losses).item() == pytest.approx(3.5)


def test_targets_are_the_velocities_without_a_common_shift():
    """(f_1 - f_0) without its mean over sqrt(1/12), (eps - x_0) over sqrt 2."""
    far = Cells(clean(1).numbers, clean(1).frac + torch.tensor([[[0.1, 0.0, 0.0], [0.3, 0.0, 0.0]]]), clean(1).cell + 1.0)
    state, target = FLOW.between(clean(1), far, torch.tensor([0.3]))
    assert torch.allclose(state.cell, clean(1).cell + 0.3)
    assert target.coords[0, :, 0].tolist() == pytest.approx([-0.1 * math.sqrt(12), 0.1 * math.sqrt(12)], rel=1e-4)
    assert target.coords.mean(1).abs().max() < 1e-6
    assert torch.allclose(target.lattice, torch.full((1, 6), 1 / math.sqrt(2)))


def test_anti_annealing_lengthens_the_strides_towards_the_crystal():
    """Stride min((1 + a (1 - t)) h, t): 4 h at t = 0.4 and a = 5, h at t = 1, never past t = 0."""
    said = Prediction(torch.full((1, 2, 3), 0.1), torch.full((1, 6), 0.1), torch.empty(0))
    for t, h, a, stride in ((0.4, 0.05, 5.0, 0.2), (1.0, 0.05, 5.0, 0.05), (0.1, 0.05, 5.0, 0.1), (0.4, 0.05, 0.0, 0.05)):
        after = FLOW.step(clean(1), said, torch.tensor(t), torch.tensor(t - h), config=SamplerConfig(anti_annealing=a), noise=None)
        assert torch.allclose(shortest(clean(1).frac, after.frac), torch.tensor(-stride * 0.1 / math.sqrt(12)), atol=1e-6)
        assert torch.allclose(after.cell - clean(1).cell, torch.tensor(-h * 0.1 * math.sqrt(2)), atol=1e-6)


def places(n=6, count=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.tensor([8, 8, 8, 22, 22, 38][:n]).expand(count, n)
    return numbers, torch.rand(count, n, 3, generator=generator), torch.rand(count, n, 3, generator=generator)


def way(frac, end):
    """Mean square of the displacement without its mean, (B,)."""
    d = shortest(frac, end)
    return (d - d.mean(1, keepdim=True)).square().sum((1, 2))


def test_paired_noise_is_the_same_noise_renamed_and_moved():
    numbers, frac, end = places()
    paired = pair(numbers, frac, end)
    for kind in (8, 22, 38):
        mine = numbers[0] == kind
        old = shortest(end[:, -1:], end[:, mine])  # seen from the one Sr, which keeps its name
        new = shortest(paired[:, -1:], paired[:, mine])
        apart = shortest(old[:, :, None], new[:, None]).abs().amax(-1)
        assert apart.amin(2).max() < 1e-5 and apart.amin(1).max() < 1e-5


def test_pairing_is_the_best_of_all_names_and_halves_the_way():
    numbers, frac, end = places(5, 20)
    paired = pair(numbers, frac, end)
    cost = shortest(frac, paired).square().sum((1, 2))
    for first in itertools.permutations(range(3)):
        for second in itertools.permutations((3, 4)):
            assert (shortest(frac, paired[:, first + second]).square().sum((1, 2)) >= cost - 1e-2 * cost).all()
    numbers, frac, end = places(6, 400)
    assert way(frac, pair(numbers, frac, end)).mean() < 0.6 * way(frac, end).mean()


def test_paired_paths_know_no_names_and_end_in_the_crystal():
    numbers, frac, end = places()
    flow, clean_ = Flow(paired=True), Cells(numbers, frac, torch.zeros(len(frac), 6))
    order = torch.tensor([2, 0, 1, 4, 3, 5])
    t = torch.full((len(frac),), 0.4)
    state, target = flow.between(clean_, Cells(numbers, end, clean_.cell), t)
    other, prediction = flow.between(clean_, Cells(numbers, end[:, order], clean_.cell), t)
    assert (target.coords - prediction.coords).abs().max() < 1e-4
    zero = flow.between(clean_, Cells(numbers, end, clean_.cell), torch.zeros(len(frac)))[0]
    assert shortest(zero.frac, frac).abs().max() < 1e-6
    assert target.coords.mean(1).abs().max() < 1e-6


class TwoCrystals(torch.nn.Module):
    """The exact marginal velocity of a data set of two crystals.

    Given x_0, f_t is uniform on a box of edge t about f_0 and the cell is normal about (1 - t) x_0 with spread t.
    """

    def __init__(self, strength=1.0):
        super().__init__()
        self.strength = strength

    def forward(self, numbers, frac, cell, t):
        t = t[0].double()
        away = shortest(FRAC[None], frac.double()[:, None])  # (B, 2, N, 3)
        outside = (away.abs().amax((-1, -2)) - t / 2).clamp(min=0)  # steps of finite size leave the box
        eps = (cell.double()[:, None] - (1 - t) * CELL[None]) / t
        share = (WEIGHTS.log() - 0.5 * eps.square().sum(-1) - (outside / 0.005) ** 2).softmax(-1)
        u = (share[..., None, None] * away / t).sum(1)
        u_cell = (share[..., None] * (eps - CELL[None])).sum(1)
        return Prediction((self.strength * u / COORDS_SPREAD).float(), (u_cell / CELL_SPREAD).float(), torch.empty(0))


@pytest.mark.parametrize("anti_annealing", [0.0, 5.0])
def test_exact_velocity_recovers_both_crystals(anti_annealing):
    n = 1000
    config = SamplerConfig(steps=100, anti_annealing=anti_annealing)
    *_, final = sample(TwoCrystals(), FLOW, NUMBERS.expand(n, 2), config, seeds=range(n))
    distance = shortest(final.frac.double()[:, None], FRAC[None]).abs().amax((-1, -2))
    assert (distance.amin(1) < 0.02).double().mean() > 0.97
    share = (distance.argmin(1) == 0).double().mean()
    if not anti_annealing:  # sharpening is known to change the law
        assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / n) + 0.02  # 0.02: Euler with 100 steps


def test_the_law_on_the_way_is_the_path_law():
    """At t = 0.3 the atoms are uniform within 0.15 of one of the two crystals: variance t^2 / 12; 20% less speed is noticed."""
    n, config = 1500, SamplerConfig(steps=100)

    def moved(strength):
        states = sample(TwoCrystals(strength), FLOW, NUMBERS.expand(n, 2), config, seeds=range(n))
        state = next(s for i, s in enumerate(states) if i == 70)
        away = shortest(FRAC[None], state.frac.double()[:, None])
        return away[torch.arange(n), away.square().sum((-1, -2)).argmin(1)]

    first = moved(1.0)[:, 0]  # of the first atom, which is at one place in both crystals
    error = 4 * math.sqrt((1 / 80 - 1 / 144) / (3 * n)) * 0.3**2  # of the mean square: fourth moment t^4 / 80
    assert abs(first.square().mean() - 0.3**2 / 12) < error
    assert abs(moved(0.8)[:, 0].square().mean() - 0.3**2 / 12) > error


def test_sharpened_steps_never_pass_the_end():
    """Unclipped, the last strides of (1 + s (1 - t)) h would overshoot t = 0 many times."""
    prediction = Prediction(torch.ones(1, 2, 3), torch.zeros(1, 6), torch.empty(0))
    start = Cells(NUMBERS[None], torch.full((1, 2, 3), 0.9), torch.zeros(1, 6))
    end = FLOW.step(start, prediction, torch.tensor(0.02), torch.tensor(0.0), config=SamplerConfig(anti_annealing=50.0), noise=None)
    assert torch.allclose(end.frac, start.frac - 0.02 * COORDS_SPREAD)


def test_a_refinement_starts_near_its_crystal_and_a_flow_has_no_corrector():
    blurred = FLOW.start(clean(200), torch.tensor(0.1), noise=Noise(range(200)))
    assert shortest(clean(200).frac, blurred.frac).abs().max() <= 0.05 + 1e-6
    with pytest.raises(ValueError, match="no Langevin corrector"):
        next(sample(TwoCrystals(), FLOW, NUMBERS[None], METHODS["langevin"], seeds=[0]))


def test_path_is_straight():
    states = FLOW.path(clean(3), torch.linspace(0, 1, 5), noise=Noise([1, 2, 3]))
    steps = [shortest(a.frac, b.frac) for a, b in zip(states[:-1], states[1:])]
    assert all(torch.allclose(step, steps[0], atol=1e-6) for step in steps) and torch.equal(states[0].frac, clean(3).frac)
