"""Settings of the sampler by value, and what the choice among candidates counts, by hand."""

import math

import pytest
import torch

from core.generator.model.diffusion import Diffusion
from core.generator.model.network import Prediction
from core.generator.model.state import Cells
from core.generator.sampling.batching import batches, candidate_seeds
from core.generator.sampling.best_of import candidate_quality, denoising_loss
from core.generator.sampling.config import CANDIDATES, METHODS, SamplerConfig
from core.generator.selection.reranker import LEVELS, TIMES, Reranker, features, velocity_sizes
from core.generator.selection.selector import ALIKE, GROWN, MARGIN, SOFT, TYPES


def test_settings_by_value():
    assert SamplerConfig() == SamplerConfig(
        steps=50,
        eta=0.0,
        corrector=0,
        corrector_size=0.1,
        temperature=1.0,
        start=1.0,
        power=1.0,
        anti_annealing=0.0,
        species_temperature=1.0,
        candidates=1,
        rank_from=0.2,
        rank_to=0.4,
        n_refinements=0,
        renoise_fraction=0.7,
        accept_threshold=3.0,
    )
    assert {name: (config.eta, config.corrector) for name, config in METHODS.items()} == {
        "flow": (0.0, 0),
        "ddim": (0.0, 0),
        "ancestral": (1.0, 0),
        "langevin": (1.0, 1),
    }
    assert (CANDIDATES.steps, CANDIDATES.anti_annealing, CANDIDATES.temperature) == (10, 10.0, 0.5)


def test_settings_of_the_choice_by_value():
    """The reranker's levels are a match (0.5), half of it and two thirds of 0.15; the selector's are those of its training."""
    assert LEVELS == pytest.approx((0.5, 0.25, 0.1)) and TIMES == (0.05, 0.5)
    assert (GROWN, TYPES, MARGIN, ALIKE, SOFT) == (8, 6, 0.1, 0.03, 0.01)


def test_times_and_rounds_by_hand():
    assert SamplerConfig(steps=4, power=2.0, start=0.8).times().tolist() == pytest.approx([0.8, 0.45, 0.2, 0.05, 0.0])
    rounds = SamplerConfig(steps=50, n_refinements=3).rounds
    assert [one.start for one in rounds] == pytest.approx([1.0, 0.7, 0.49, 0.343])
    assert [one.steps for one in rounds] == [50, 35, 25, 18]


def test_batches_hold_at_most_64_crystals_and_seeds_are_spread():
    assert [len(rows) for rows in batches([(1, 1)] * 100, 1)] == [50, 50] and max(map(len, batches([(1,)] * 100, 4))) <= 16
    assert candidate_seeds([5], 3) == [5, (5 + 0x9E3779B97F4A7C15) % 2**63, (5 + 2 * 0x9E3779B97F4A7C15) % 2**63]


class Says:
    """A network that says one number for every coordinate and another for the cell, and notes the times it was asked at."""

    def __init__(self, coords, lattice):
        self.coords, self.lattice, self.times = coords, lattice, []

    def __call__(self, numbers, frac, cell, t):
        self.times.append(float(t[0]))
        return Prediction(torch.full_like(frac, self.coords), torch.full_like(cell, self.lattice), torch.empty(0))

    def metric(self, numbers, cell):
        return 9.0 * torch.eye(3).expand(len(numbers), 3, 3)


def cells(gap):
    frac = torch.tensor([[[0.1, 0.1, 0.1], [0.1 + gap, 0.1, 0.1]]])
    return Cells(torch.tensor([[11, 17]]), frac, torch.zeros(1, 6))


def test_the_denoising_loss_is_the_mean_of_four_errors_from_early_to_late():
    """At t = 0.2, 0.267, 0.333, 0.4: mean square of the coordinates and a fifth of that of the cell."""
    process, network = Diffusion(), Says(0.3, -0.2)
    found = denoising_loss(network, process, cells(0.5), SamplerConfig())
    assert network.times == pytest.approx([0.2, 0.2 + 0.2 / 3, 0.2 + 0.4 / 3, 0.4])
    generator, total = torch.Generator().manual_seed(0), 0.0
    for t in network.times:
        _, target = process.noise(cells(0.5), torch.tensor([t]), generator=generator, shared=True)
        total += float((0.3 - target.coords).square().mean()) + 0.2 * float((-0.2 - target.lattice).square().mean())
    assert float(found) == pytest.approx(total / 4, rel=1e-5)


def test_atoms_on_top_of_each_other_cost_a_hundred():
    """Nearer than 0.5 Å in a cell of 3 Å; otherwise the quality is minus the denoising loss."""

    class Untold:
        network, process, reranker = Says(0.0, 0.0), Diffusion(), None

    near, far = (float(candidate_quality(Untold, cells(gap), SamplerConfig())) for gap in (0.16, 0.17))
    losses = [float(denoising_loss(Untold.network, Untold.process, cells(gap), SamplerConfig())) for gap in (0.16, 0.17)]
    assert near == pytest.approx(-losses[0] - 100.0, abs=1e-4) and far == pytest.approx(-losses[1], abs=1e-5)


def test_features_and_quality_of_the_reranker_by_hand():
    """Mean and largest feature, ln of the mean square speeds of coordinates, cell and fastest atom, the cell, N; sums of three shares."""
    h = torch.tensor([[[1.0, -2.0], [3.0, 0.0]]])
    speeds = torch.tensor([[[1.0, 2.0, 2.0], [3.0, 0.0, 0.0]]])

    class Network:
        def features(self, numbers, frac, cell, t):
            return h, None

        def heads(self, h, condition):
            return Prediction(speeds, torch.full((1, 6), 0.5), torch.empty(0))

    phi = features(Network(), cells(0.5))[0].tolist()
    one = [2.0, -1.0, 3.0, 0.0, math.log(9 / 3), math.log(0.25), math.log(9.0)]
    assert phi == pytest.approx([*one, *one, *[0.0] * 6, 2.0], abs=1e-6)
    assert velocity_sizes(torch.tensor([phi]))[0].tolist() == pytest.approx([*one[-3:], *one[-3:]], abs=1e-6)
    speeds.zero_()
    assert features(Network(), cells(0.5))[0, 4].item() == pytest.approx(math.log(1e-8))
    reranker = Reranker(1).eval()
    for member, shift in zip(reranker.members, (0.0, 3.0, -1.5)):
        torch.nn.init.zeros_(member[-1].weight)
        member[-1].bias.data = torch.tensor([math.log(3), 0.0, -math.log(3)]) + shift
    mean = 0.5  # of the shifts: the logits are averaged
    shares = [1 / (1 + math.exp(-(logit + mean))) for logit in (math.log(3), 0.0, -math.log(3))]
    assert reranker.quality(torch.zeros(1, 1)).item() == pytest.approx(sum(shares), rel=1e-5)
    reranker.mean.fill_(2.0)
    reranker.spread.fill_(4.0)
    assert reranker.scaled(torch.tensor([4.0])).item() == 0.5
