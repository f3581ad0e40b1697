import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from core.cli import main
from core.learning import latent_diffusion as ld
from core.learning import lattice_images as li
from core.learning.latent_networks import (
    ANY,
    LATENT,
    PIXELS,
    Autoencoder,
    Given,
    LabelledNetwork,
    labelled_loss,
    load_networks,
    networks,
    weights_path,
)
from core.learning.train_latent import trainer
from core.numerics.distances import energy_distance
from core.numerics.networks import ModelMissing


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_picture_is_the_sum_of_its_atoms():
    """Pixel by pixel against the double sum over a far larger piece of lattice; atoms a fifth wider are seen."""
    cell = li.cells(torch.arange(4), generator())
    made = li.brightness(li.draw(cell)).reshape(4, li.SIDE, li.SIDE)
    line = (torch.arange(li.SIDE) + 0.5) / li.SIDE * 2 - 1

    def summed(width):
        pictures = torch.zeros(4, li.SIDE, li.SIDE)
        for n, (a, b, gamma, phi) in enumerate(cell.tolist()):
            for i in range(-9, 10):
                for j in range(-9, 10):
                    x = i * a * math.cos(phi) + j * b * math.cos(phi + gamma)
                    y = i * a * math.sin(phi) + j * b * math.sin(phi + gamma)
                    pictures[n] += torch.exp(-((line[None] - x) ** 2 + (line[:, None] - y) ** 2) / (2 * width**2))
        return pictures

    assert torch.allclose(made, summed(li.ATOM), atol=1e-4)
    assert not torch.allclose(made, summed(1.2 * li.ATOM), atol=0.05)


def test_mean_density_is_one_atom_per_cell():
    """Far from edges the mean of rho is 2 pi s^2 / cell area; here within 4 standard errors over many rotations."""
    cell = li.cells(torch.full((3000,), 2), generator())
    area = cell[:, 0] * cell[:, 1] * cell[:, 2].sin()
    found = li.brightness(li.draw(cell)).mean(1) / (2 * math.pi * li.ATOM**2 / area)
    error = float(found.std() / math.sqrt(len(found)))
    assert abs(float(found.mean()) - 1) < max(4 * error, 0.05) < 0.2


def test_kinds_fix_what_they_should():
    cell = li.cells(torch.arange(4).repeat(50), generator()).reshape(50, 4, 4)
    a, b, gamma = cell[..., 0], cell[..., 1], cell[..., 2].rad2deg()
    assert torch.equal(a[:, 0], b[:, 0]) and torch.equal(a[:, 2], b[:, 2]) and (b[:, [1, 3]] > 1.19 * a[:, [1, 3]]).all()
    assert torch.allclose(gamma[:, :2], torch.tensor(90.0)) and torch.allclose(gamma[:, 2], torch.tensor(60.0))
    assert ((gamma[:, 3] > 65) & (gamma[:, 3] < 83)).all()


def test_pictures_have_an_inversion_centre_and_the_model_unit():
    x, kinds = li.sample(2000, generator())
    square = x.reshape(-1, li.SIDE, li.SIDE)
    assert torch.allclose(square, square.flip(1, 2), atol=1e-4)
    assert abs(float(x.mean())) < 0.05 and abs(float(x.std()) - 1) < 0.05
    assert kinds.unique().tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="kagome"):
        li.sample(2, generator(), "kagome")


def test_the_autoencoder_keeps_what_matters():
    """Rebuilt pictures are closer to their original than to any other of a hundred; the error is a small share of the variance."""
    x, _ = li.sample(100, generator(5))
    back = ld.round_trip(x)
    assert torch.equal(torch.cdist(back, x).argmin(1), torch.arange(100))
    assert float((back - x).square().mean()) < 0.1


def test_latents_have_unit_variance():
    z = ld.networks()["autoencoder"].encode(li.sample(2000, generator(6))[0])
    assert z.shape == (2000, LATENT)
    assert (z.std(0) - 1).abs().max() < 0.15 and z.mean(0).abs().max() < 0.15


@pytest.mark.parametrize("space", ld.SPACES)
def test_walks_end_near_the_exact_law_and_noise_does_not(space):
    made, noise = (ld.final(space=space, word="hexagonal", n_images=ld.N_JUDGED, walk=walk) for walk in ld.STARTS)
    assert ld.truth(made, word="hexagonal").ratio < 1.6 < 2 < ld.truth(noise, word="hexagonal").ratio
    assert ld.read(made).residual < 0.5 * ld.read(noise).residual


def test_exact_pictures_cannot_be_told_from_exact_pictures():
    assert ld.truth(li.sample(ld.N_JUDGED, generator(11))[0]).z < 4
    assert ld.truth(li.sample(ld.N_JUDGED, generator(11), "square")[0], word="square").z < 4
    assert ld.truth(li.sample(ld.N_JUDGED, generator(11), "square")[0], word="hexagonal").z > 10
    wider = li.brightness(li.sample(ld.N_JUDGED, generator(11))[0]) * 1.2  # a density a fifth too high
    assert ld.truth((wider - li.MEAN) / li.SPREAD).z > 4


@pytest.mark.parametrize("space", ld.SPACES)
def test_the_word_is_obeyed(space):
    """Four times more often than chance would have it within 4 standard errors of one half, say: far above a quarter."""
    made = ld.read(ld.final(space=space, word="hexagonal", n_images=100))
    chance, error = 0.25, math.sqrt(0.25 * 0.75 / 100)
    assert made.share("hexagonal") > chance + 4 * error
    assert ld.read_exact("hexagonal").share("hexagonal") > 0.8
    assert made.share("any") == 1.0


class Knowing(torch.nn.Module):
    """Says a picture that is `off` beside the one point of the data, and keeps what it was asked."""

    def __init__(self, point, off=0.0):
        super().__init__()
        self.point, self.off = point, off

    def forward(self, u, log_ratio, word):
        self.u, self.level, self.word = u, log_ratio, word
        return self.point + self.off + 0 * u


def test_the_weighted_loss_by_hand():
    """Squared error of x_0 times min(max(1/ratio^2, 0.2), 5); a fifth of the words is withheld; levels are N(0, 1.5), a quarter even."""
    n, point = 40_000, torch.tensor([[0.5, -1.0, 2.0]])
    network = Knowing(point, off=1.0)
    found = labelled_loss(network, point.expand(n, 3), torch.zeros(n, dtype=torch.long), generator(1))
    ratio = network.level.exp()
    assert float(found) == pytest.approx(float((1 / ratio**2).clip(0.2, 5).mean()), rel=1e-4)
    assert float(labelled_loss(Knowing(point), point.expand(n, 3), torch.zeros(n, dtype=torch.long), generator(1))) == 0
    noise = (network.u * (1 + ratio**2).sqrt() - point) / ratio
    some = noise[ratio[:, 0] > 0.1]
    assert abs(float(some.std()) - 1) < 4 / math.sqrt(2 * some.numel())
    withheld = float((network.word == ANY).double().mean())
    assert abs(withheld - 0.2) < 4 * math.sqrt(0.16 / n)
    normal, even = network.level[n // 4 :], network.level[: n // 4]
    assert abs(float(normal.mean())) < 4 * 1.5 / math.sqrt(0.75 * n) and abs(float(normal.std()) - 1.5) < 4 * 1.5 / math.sqrt(1.5 * n)
    assert float(even.max() - even.min()) == pytest.approx(math.log(200 / 0.003), abs=0.02)


def test_the_score_of_a_picture_that_is_known():
    """x_0 said exactly gives eps = (u - a x_0)/b and the score -(x - alpha x_0)/sigma^2."""
    point, path = torch.tensor([[0.5, -1.0, 2.0]]), ld.SCHEDULE
    score, x = Given(Knowing(point), torch.tensor([0])).as_score(path), torch.randn(4, 3, generator=generator())
    for t in (0.1, 0.5, 0.9):
        assert torch.allclose(score(x, t), -(x - path.alpha(t) * point) / path.sigma(t) ** 2, rtol=1e-3, atol=1e-3)


def test_the_autoencoder_s_loss_and_units_by_hand():
    """Pixel error through m + d eps, and a thousandth of the mean KL(N(m, d^2) || N(0, 1)); latents in units of mean and spread."""
    torch.manual_seed(0)
    network, x = Autoencoder(width=8, depth=1), torch.randn(20, PIXELS)
    mean, log_d = network.encoder(x).chunk(2, 1)
    z = mean + log_d.exp() * torch.randn(20, LATENT, generator=generator(1))
    kl = kl_divergence(Normal(mean, log_d.exp()), Normal(0.0, 1.0)).mean()
    pixels = (network.decoder(z) - x).square().mean()
    assert float(network.loss(x, generator(1))) == pytest.approx(float(pixels + 1e-3 * kl), rel=1e-6)
    assert float(network.loss(x, generator(1), kl_weight=1.0)) == pytest.approx(float(pixels + kl), rel=1e-6)
    network.mean.fill_(0.3)
    network.spread.fill_(2.0)
    assert torch.allclose(network.encode(x), (mean - 0.3) / 2)
    assert torch.allclose(network.decode(network.encode(x)), network.decoder(mean), atol=1e-5)


def test_the_law_of_the_pictures_by_value():
    """Edges from 0.55 to 0.75, b/a from 1.2 to 1.5, angles from 66 to 82 degrees, atoms of width 0.13; mean 0.237, spread 0.2525."""
    cell = li.cells(torch.full((4000,), 3), generator())
    a, ratio, gamma = cell[:, 0], cell[:, 1] / cell[:, 0], cell[:, 2].rad2deg()
    for values, low, high in ((a, 0.55, 0.75), (ratio, 1.2, 1.5), (gamma, 66.0, 82.0)):
        assert (
            low - 1e-5 <= float(values.min()) < low + 0.01 * (high - low)
            and high - 0.01 * (high - low) < float(values.max()) <= high + 1e-4
        )
    alone = torch.tensor([[50.0, 50.0, math.pi / 2, 0.0]])
    picture = li.draw(alone).reshape(li.SIDE, li.SIDE) * 0.2525 + 0.237
    line = (torch.arange(24) + 0.5) / 12 - 1
    assert torch.allclose(picture, torch.exp(-(line[None] ** 2 + line[:, None] ** 2) / (2 * 0.13**2)), atol=1e-5)


def test_the_reading_of_a_page_from_the_book_is_exact():
    book, kinds = ld._book()
    found = ld.read(book[:50])
    assert found.residual < 1e-2 and torch.equal(found.kind, kinds[:50])
    assert ld.read(torch.full((1, PIXELS), math.nan)).residual > 1e3


def test_same_seed_same_pictures_and_frames_do_not_matter():
    few, many = (ld.sample(n_steps=12, n_images=5, n_frames=n) for n in (2, 100))
    assert torch.equal(few.final, many.final) and (few.n_frames, many.n_frames) == (2, 13)
    assert not torch.equal(few.final, ld.sample(n_steps=12, n_images=5, seed=2).final)
    assert ld.sample(space="pixel", n_steps=2, n_images=3).positions.shape == (3, 3, PIXELS)


def test_a_blend_begins_and_ends_with_the_two_pictures():
    share, as_latents, as_pixels = ld.blend(n_images=6, n_frames=5, seed=3)
    g = generator(3)
    first, second = (li.sample(6, g)[0] for _ in range(2))
    assert share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert torch.allclose(as_pixels[0], first) and torch.allclose(as_pixels[-1], second)
    assert torch.allclose(as_latents[-1], ld.round_trip(second), atol=1e-4)


def test_work_counts_the_decoder_once():
    one, ten = ld.multiplications("latent", 1), ld.multiplications("latent", 10)
    step = (ten - one) // 9
    assert ten == one + 9 * step and one > step
    assert ld.multiplications("pixel", 10) == 10 * ld.multiplications("pixel", 1) > 3 * ten


def test_curves_fall():
    curves = ld.error_against_work(budgets=(1, 16), n_images=100)
    for space in ld.SPACES:
        assert curves.distances[space][1] < curves.distances[space][0]
    assert curves.ceiling < min(curves.distances["latent"][0], curves.distances["pixel"][0])


def test_the_denoiser_knows_the_word_only_through_its_vector():
    network = LabelledNetwork(4, 16)
    u, level = torch.randn(3, 4), torch.zeros(1, 1)
    words = [Given(network, torch.tensor([word]))(u, level) for word in (0, 1, ANY)]
    assert not torch.equal(words[0], words[1]) and not torch.equal(words[1], words[2])
    assert torch.equal(Given(network, torch.tensor([0, 1, ANY]))(u, level)[1], words[1][1])


def test_training_is_a_function_of_the_seed(tmp_path):
    main(["train", "latent", "--steps", "2", "--out", str(tmp_path / "latent_lattices.safetensors")])
    made = load_networks(tmp_path)
    assert set(made) == {"autoencoder", *ld.SPACES}
    assert "n2c train latent" in (tmp_path / "latent_lattices.md").read_text()

    def trained():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            fresh = networks()
        run = trainer("latent", fresh, steps=2, batch=16, pool=64)
        losses = [progress.loss for progress in run.run()]
        return losses

    assert trained() == trained()
    with pytest.raises(ModelMissing, match="n2c train latent"):
        load_networks(tmp_path / "nowhere")
    assert weights_path().name == "latent_lattices.safetensors"


@pytest.mark.parametrize(
    "bad", [{"space": "voxel"}, {"word": "kagome"}, {"n_steps": 0}, {"n_steps": 1001}, {"n_images": 0}, {"walk": "run"}]
)
def test_bad_parameters_are_refused(bad):
    with pytest.raises(ValueError):
        ld.sample(**bad)


def test_energy_distance_in_many_dimensions_is_that_of_the_pictures():
    x, y = li.sample(50, generator(1))[0], li.sample(50, generator(2))[0]
    assert 0 < energy_distance(x, y) < energy_distance(x, -y)


def test_question_of_the_word_counts_pictures_of_known_kind():
    square, oblique = (li.sample(50, generator(seed), kind)[0] for seed, kind in ((1, "square"), (2, "oblique")))
    exact = ld.read(square)
    for made, expected in ((square, 2), (torch.cat([square, oblique[:20]]), 1), (torch.cat([square[:10], oblique]), 0)):
        assert ld.obedience(ld.read(made), exact, "square")[0] == expected


def test_question_of_the_mixture_compares_pairs(monkeypatch):
    share, clean, blurred = ld.blend(n_images=30, n_frames=3)
    clean = clean[:1].expand(3, -1, -1)
    for latents, pixels, expected in ((clean, blurred, 0), (blurred, clean, 1), (clean, clean, 2)):
        monkeypatch.setattr(ld, "blend", lambda found=(share, latents, pixels), **_: found)
        assert ld.sharper_half_way(n_images=30)[0] == expected
