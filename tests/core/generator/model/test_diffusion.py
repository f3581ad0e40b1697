import math

import pytest
import torch

from core.generator.model.diffusion import RARE, Diffusion
from core.generator.model.network import Prediction
from core.generator.model.state import Cells, Losses
from core.generator.sampling.config import METHODS, SamplerConfig
from core.generator.sampling.loop import Noise, sample, start
from core.numerics.schedules import ancestral_sigmas
from core.numerics.torus import shortest, wrap, wrapped_normal_score_rms

PROCESS = Diffusion()
NUMBERS = torch.tensor([11, 17])
FRAC = torch.tensor([[[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]], [[0.1, 0.2, 0.3], [0.35, 0.45, 0.05]]], dtype=torch.float64)
CELL = torch.tensor([[1.0, 0.5, 0, 0, 0, 0], [-1.0, 0, 0.5, 0, 0, 0]], dtype=torch.float64)
WEIGHTS = torch.tensor([0.3, 0.7], dtype=torch.float64)


def clean(n):
    return Cells(NUMBERS.expand(n, 2), FRAC[:1].float().expand(n, 2, 3), CELL[:1].float().expand(n, 6))


def within_four_errors(values, mean, variance):
    """Sample mean and variance of independent normals against theory, at four standard errors each."""
    values, n = values.double().flatten(), values.numel()
    good_mean = abs(values.mean() - mean) < 4 * math.sqrt(variance / n)
    return bool(good_mean and abs(values.var() - variance) < 4 * variance * math.sqrt(2 / n))


@pytest.mark.parametrize("t", [0.1, 0.4, 0.6])
def test_forward_law_has_the_closed_form(t):
    """At sigma < 0.1 wrapping does not show: the displacement is normal with variance sigma^2."""
    n = 5000
    noised, _ = PROCESS.noise(clean(n), torch.full((n,), t), generator=torch.Generator().manual_seed(0))
    sigma, alpha = 0.005 * 100**t, math.cos(math.pi / 2 * (t + 0.008) / 1.008) / math.cos(math.pi / 2 * 0.008 / 1.008)
    displacement = shortest(clean(n).frac, noised.frac)
    assert within_four_errors(displacement, 0.0, sigma**2)
    assert within_four_errors(noised.cell[:, 0], alpha, 1 - alpha**2)
    assert not within_four_errors(displacement * 1.2, 0.0, sigma**2)
    assert not within_four_errors(noised.cell[:, 0] * 1.2, alpha, 1 - alpha**2)


def test_small_steps_forward_have_the_same_law():
    """The path drawn increment by increment ends where one jump does."""
    n, grid = 4000, torch.linspace(0, 0.6, 7)
    state, noise = clean(n), Noise(range(n))
    for i, (t, t_next) in enumerate(zip(grid[:-1], grid[1:])):
        state = PROCESS.diffuse(state, t, t_next, noise=noise, first=i == 0)
    sigma, alpha = PROCESS.sigma(grid[-1]).item(), PROCESS.alpha(grid[-1]).item()
    assert within_four_errors(shortest(clean(n).frac, state.frac), 0.0, sigma**2)
    assert within_four_errors(state.cell[:, 1], alpha * 0.5, 1 - alpha**2)


def test_targets_give_back_the_clean_crystal():
    """x_0 = x + sigma^2 score for narrow noise up to the common shift, x_0 = alpha x - beta v for the cell."""
    t = torch.full((50,), 0.3)
    noised, target = PROCESS.noise(clean(50), t, generator=torch.Generator().manual_seed(1))
    sigma, alpha = PROCESS.sigma(t[0]), PROCESS.alpha(t[0])
    error = shortest(clean(50).frac, noised.frac + sigma**2 * wrapped_normal_score_rms(sigma) * target.coords)
    assert (error - error.mean(1, keepdim=True)).abs().max() < 1e-5
    back = alpha * noised.cell - (1 - alpha**2).sqrt() * target.lattice
    assert torch.allclose(back, clean(50).cell, atol=1e-5)


class TwoCrystals(torch.nn.Module):
    """The exact posterior mean of a data set of two crystals: an oracle in place of a trained network."""

    def __init__(self, strength=1.0):
        super().__init__()
        self.strength = strength

    def forward(self, numbers, frac, cell, t):
        sigma, alpha = PROCESS.sigma(t[0]).double(), PROCESS.alpha(t[0]).double()
        beta = (1 - alpha**2).sqrt()
        frac, cell = frac.double(), cell.double()
        images = (frac[:, None] - FRAC[None])[..., None] + torch.arange(-3, 4)  # (B, 2, N, 3, images)
        per_image = -0.5 * (images / sigma) ** 2
        log_f = per_image.logsumexp(-1).sum((-1, -2))
        log_l = -0.5 * ((cell[:, None] - alpha * CELL[None]) / beta).square().sum(-1)
        share = (WEIGHTS.log() + log_f + log_l).softmax(-1)  # (B, 2)
        scores = -(per_image.softmax(-1) * images).sum(-1) / sigma**2
        score = (share[..., None, None] * scores).sum(1)
        mean = share @ CELL
        eps = (cell - alpha * mean) / beta
        return Prediction(
            (self.strength * score / wrapped_normal_score_rms(sigma)).float(), (alpha * eps - beta * mean).float(), torch.empty(0)
        )


@pytest.mark.parametrize("method", ["ancestral", "ddim", "langevin"])
def test_exact_score_recovers_both_crystals_and_their_shares(method):
    n = 1000
    config = SamplerConfig(**{**METHODS[method].__dict__, "steps": 60})
    *_, final = sample(TwoCrystals(), PROCESS, NUMBERS.expand(n, 2), config, seeds=range(n))
    distance = shortest(final.frac.double()[:, None], FRAC[None]).abs().amax((-1, -2))  # (n, 2)
    assert distance.amin(1).max() < 0.03
    which = distance.argmin(1)
    assert torch.allclose(final.cell.double(), CELL[which], atol=0.05)
    share = (which == 0).double().mean()
    assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / n)


def test_ancestral_marginal_on_the_way_has_the_width_of_the_forward_law():
    """Halfway the coordinates scatter with sigma(t) about the crystals; a score 20% too strong is noticed."""
    n, config = 1500, SamplerConfig(steps=100, eta=1.0)
    halfway = int((config.times() - 0.5).abs().argmin())

    def scatter(strength):
        states = sample(TwoCrystals(strength), PROCESS, NUMBERS.expand(n, 2), config, seeds=range(n))
        state = next(s for i, s in enumerate(states) if i == halfway)
        moves = shortest(FRAC[None], state.frac.double()[:, None])
        return moves[torch.arange(n), moves.square().sum((-1, -2)).argmin(1)]

    sigma = PROCESS.sigma(config.times()[halfway]).item()
    ratio = scatter(1.0).square().mean().sqrt() / sigma
    error = 4 * math.sqrt(1 / (2 * 6 * n))
    assert abs(ratio - 1) < error + 0.02  # 0.02: bias of 100 finite steps, shrinks as 1 / steps
    assert abs(scatter(1.2).square().mean().sqrt() / sigma - 1) > error + 0.02


class Constant:
    """In place of noise: every draw is the same number."""

    def __init__(self, value):
        self.value = value

    def normal(self, *shape):
        return torch.full((1, *shape), self.value)


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_coordinates_and_cell_take_ancestral_steps(eta):
    """What is drawn afresh and what keeps its direction, of the exploding coordinates and of the preserved cell."""
    t, t_next = torch.tensor(0.4), torch.tensor(0.35)
    sigma, sigma_next, alpha, alpha_next = (f(u).item() for f in (PROCESS.sigma, PROCESS.alpha) for u in (t, t_next))
    beta, beta_next = math.sqrt(1 - alpha**2), math.sqrt(1 - alpha_next**2)
    eps, eps_cell, config = 0.3, 1.5, SamplerConfig(eta=eta)
    noised = Cells(NUMBERS.expand(1, 2), clean(1).frac + sigma * eps, alpha * clean(1).cell + beta * eps_cell)
    score = torch.full((1, 2, 3), -eps / sigma) / wrapped_normal_score_rms(torch.tensor(sigma))
    prediction = Prediction(score, alpha * eps_cell - beta * clean(1).cell, torch.empty(0))
    still, kicked = (PROCESS.step(noised, prediction, t, t_next, config=config, noise=Constant(z)) for z in (0.0, 0.5))
    down, up = ancestral_sigmas(sigma, sigma_next, eta)
    assert torch.allclose(shortest(clean(1).frac, still.frac), torch.tensor(down * eps), atol=1e-6)
    assert torch.allclose(shortest(still.frac, kicked.frac), torch.tensor(up * 0.5), atol=1e-6)
    down, up = ancestral_sigmas(beta, beta_next, eta, alpha=alpha, alpha_next=alpha_next)
    assert torch.allclose(still.cell - alpha_next * clean(1).cell, torch.tensor(down * eps_cell), atol=1e-5)
    assert torch.allclose(kicked.cell - still.cell, torch.tensor(up * 0.5), atol=1e-5)


def test_temperature_multiplies_the_variance_of_every_noise():
    """At a quarter of the temperature every kick is half as long: of coordinates, cell, corrector and the first cell."""
    t, t_next, state = torch.tensor(0.4), torch.tensor(0.35), clean(1)
    silent = Prediction(torch.zeros(1, 2, 3), torch.zeros(1, 6), torch.empty(0))
    kicks = []
    for temperature in (1.0, 0.25):
        config = SamplerConfig(eta=1.0, temperature=temperature)
        still, kicked = (PROCESS.step(state, silent, t, t_next, config=config, noise=Constant(z)) for z in (0.0, 0.3))
        settled = PROCESS.langevin(state, silent, t, size=0.1, temperature=temperature, noise=Constant(0.3))
        first = start(NUMBERS[None], Noise([0]), config).cell
        kicks.append([shortest(still.frac, kicked.frac), kicked.cell - still.cell, shortest(state.frac, settled.frac), first])
    for whole, half in zip(*kicks, strict=True):
        assert whole.abs().min() > 1e-3 and torch.allclose(half, whole / 2, atol=1e-6)


def test_the_langevin_corrector_step_by_hand():
    """x + dt score + sqrt(2 dt T) z with dt = size sigma^2; sigma(0.4) = 0.005 * 100^0.4."""
    sigma, size, score, z = 0.005 * 100**0.4, 0.1, -2.0, 0.3
    said = torch.full((1, 2, 3), score) / wrapped_normal_score_rms(torch.tensor(sigma))
    after = PROCESS.langevin(
        clean(1), Prediction(said, torch.zeros(1, 6), torch.empty(0)), torch.tensor(0.4), size=size, temperature=1.0, noise=Constant(z)
    )
    dt = size * sigma**2
    moved = shortest(clean(1).frac, after.frac)
    assert torch.allclose(moved, torch.tensor(dt * score + math.sqrt(2 * dt) * z), atol=1e-6)


def test_anti_annealing_strengthens_the_score_towards_the_crystal():
    """The coordinates' score is multiplied by 1 + a (1 - t): 4 at t = 0.4 and a = 5, 1 at t = 1."""
    said = Prediction(torch.full((1, 2, 3), 0.01), torch.zeros(1, 6), torch.empty(0))
    for t, factor in ((0.4, 4.0), (1.0, 1.0)):
        moves = []
        for a in (0.0, 5.0):
            after = PROCESS.step(
                clean(1), said, torch.tensor(t), torch.tensor(t - 0.05), config=SamplerConfig(anti_annealing=a), noise=Constant(0.0)
            )
            moves.append(shortest(clean(1).frac, after.frac))
        assert moves[0].abs().min() > 1e-6 and torch.allclose(moves[1], factor * moves[0], rtol=1e-3, atol=1e-7)


def test_targets_have_no_common_shift():
    """The density does not depend on the origin: what the atoms have in common is no part of the score."""
    t = torch.full((50,), 0.5)
    _, target = PROCESS.noise(clean(50), t, generator=torch.Generator().manual_seed(1))
    assert target.coords.abs().max() > 0.1 and target.coords.mean(1).abs().max() < 1e-6


def test_constants_by_value():
    """DiffCSP's noise of the coordinates, 0.005 to 0.5 of an edge; the cosine offset of Nichol and Dhariwal; the weights of the parts."""
    assert Diffusion() == Diffusion(sigma_min=0.005, sigma_max=0.5, offset=0.008, lattice_weight=0.5, lattice_power=1.0, species_weight=0.0)
    assert RARE == 0.05
    assert PROCESS.masked(torch.tensor([0.0, 0.4, 0.6, 0.75, 1.0])).tolist() == pytest.approx([0.0, 0.0, 0.2, 0.5, 1.0])
    square = Diffusion(lattice_power=2.0)
    assert square.alpha(torch.tensor(0.5)).item() == pytest.approx(PROCESS.alpha(torch.tensor(0.25)).item())
    losses = Losses(torch.tensor(2.0), torch.tensor(3.0), torch.tensor(5.0))
    assert Diffusion(lattice_weight=0.5, species_weight=0.1).total(losses).item() == pytest.approx(2 + 1.5 + 0.5)


def test_loss_by_hand_for_a_network_that_says_nothing():
    """Coordinates: sigma rms(score) times the mean square of the unit target; cell: mean square of alpha eps - beta x_0."""

    def silent(numbers, frac, cell, t):
        return Prediction(torch.zeros_like(frac), torch.zeros_like(cell), torch.zeros(*numbers.shape, 104))

    t = torch.linspace(0.1, 0.9, 40)
    losses = PROCESS.loss(silent, clean(40), t, generator=torch.Generator().manual_seed(3))
    _, target = PROCESS.noise(clean(40), t, generator=torch.Generator().manual_seed(3))
    sigma = 0.005 * 100**t
    weight = sigma * wrapped_normal_score_rms(sigma)
    assert losses.coords.item() == pytest.approx((weight * target.coords.square().mean((1, 2))).mean().item(), rel=1e-5)
    assert losses.lattice.item() == pytest.approx(target.lattice.square().mean().item(), rel=1e-5)


def test_masked_species_are_decided_at_the_stated_rate_by_the_softmax():
    """From t = 0.9 to 0.7 the masked share falls from 0.8 to 0.4: half are decided, by softmax(logits / T); T = 0.5 squares the odds."""
    n, logits = 4000, torch.zeros(1, 1, 104)
    logits[..., :] = -50.0
    logits[..., 8], logits[..., 16] = math.log(3.0), 0.0
    for temperature, odds in ((1.0, 3.0), (0.5, 9.0)):
        decided = PROCESS.reveal(
            torch.zeros(n, 1, dtype=torch.long),
            logits.expand(n, 1, 104),
            torch.tensor(0.9),
            torch.tensor(0.7),
            temperature=temperature,
            noise=Noise(range(n)),
        )
        oxygen, sulphur = (int((decided == z).sum()) for z in (8, 16))
        now = oxygen + sulphur
        assert abs(now - n / 2) < 4 * math.sqrt(n / 4) and int((decided == 0).sum()) == n - now
        share = odds / (1 + odds)
        assert abs(oxygen - share * now) < 4 * math.sqrt(now * share * (1 - share))


def test_half_of_the_cells_keep_their_species_in_training():
    numbers = torch.full((4000, 4), 8)
    hidden = PROCESS._hide(numbers, torch.ones(4000), torch.Generator().manual_seed(0)) == 0
    assert torch.equal(hidden.all(1), hidden.any(1)), "at t = 1 all or none"
    assert abs(float(hidden[:, 0].double().mean()) - 0.5) < 4 * math.sqrt(0.25 / 4000)


def test_steps_discretise_one_and_the_same_schedule():
    for steps in (5, 50, 1000):
        grid = SamplerConfig(steps=steps).times()
        assert len(grid) == steps + 1 and grid[0] == 1 and grid[-1] == 0 and (grid.diff() < 0).all()


def test_each_structure_has_its_own_noise():
    together, alone = Noise([3, 7]).normal(4), Noise([7]).normal(4)
    assert torch.equal(together[1], alone[0]) and not torch.equal(together[0], together[1])


def test_wrap_stays_below_one():
    assert (wrap(torch.tensor([-1e-9, 1.0, 0.9999999999])) < 1).all()


def test_a_hair_of_noise_is_no_division_by_zero():
    """At t = 0.001 float32 no longer tells alpha from 1; the step back to the crystal must stay finite."""
    start = PROCESS.start(clean(4), torch.tensor(0.001), noise=Noise(range(4)))
    prediction = Prediction(torch.zeros(4, 2, 3), torch.zeros(4, 6), torch.zeros(4, 2, 104))
    end = PROCESS.step(start, prediction, torch.tensor(0.001), torch.tensor(0.0), config=SamplerConfig(eta=1.0), noise=Noise(range(4)))
    assert torch.isfinite(end.frac).all() and torch.allclose(end.cell, clean(4).cell, atol=1e-2)


def test_a_masked_species_counts_by_how_few_are_masked():
    """Nats per masked species, each weighted by 1 / m(t); by hand for a network that gives oxygen a logit by the row."""

    class Said:
        def __call__(self, numbers, frac, cell, t):
            self.numbers = numbers
            logits = torch.zeros(*numbers.shape, 104)
            logits[:, :, 8] = torch.arange(len(numbers)).float()[:, None] / 16
            return Prediction(torch.zeros_like(frac), torch.zeros_like(cell), logits)

    process, network = Diffusion(species_weight=1.0), Said()
    oxygen = Cells(torch.full((64, 6), 8), torch.rand(64, 6, 3), torch.randn(64, 6))
    t = torch.linspace(0.4, 1.0, 64)
    loss = process.loss(network, oxygen, t, generator=torch.Generator().manual_seed(0)).species
    total = weights = 0.0
    for row, time in zip(range(64), t.tolist(), strict=True):
        hidden = int((network.numbers[row] == 0).sum())
        weight = 1 / max(2 * time - 1, RARE)
        total += hidden * weight * (math.log(103 + math.exp(row / 16)) - row / 16)
        weights += hidden * weight
    assert weights > 0 and loss.item() == pytest.approx(total / weights, rel=1e-4)
