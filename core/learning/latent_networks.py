"""The networks of `latent_diffusion`: an autoencoder for small pictures, and one denoiser shape for its latents and for raw pixels.

| equation (Rombach et al. 2022, arXiv 2112.10752)            | name                             |
|-------------------------------------------------------------|----------------------------------|
| z = E(x), x~ = D(z) (section 3.1)                           | Autoencoder.encode, .decode      |
| a slight KL penalty towards N(0, I) ("KL-reg.")             | Autoencoder.loss                 |
| z rescaled to unit variance (appendix G)                    | Autoencoder.to_unit              |
| E |eps - eps_theta(z_t, t, y)|^2 (eq. 2, 3)                 | labelled_loss                    |

Both denoisers guess x0 rather than eps (eps = (u - a x0) / b is the same thing said otherwise): noise fills all 576 pixels and does not
fit through a narrow network, while clean pictures do (Li & He 2025, arXiv 2511.13720).
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from core.learning.lattice_images import KINDS, SIDE
from core.numerics.manifest import check
from core.numerics.networks import MODELS as FOLDER
from core.numerics.networks import RATIO_RANGE, ResidualNetwork, score_of_noise, unusable
from core.numerics.schedules import Schedule
from core.numerics.sde import Score
from core.numerics.tensors import save_tensors

PIXELS, LATENT = SIDE * SIDE, 8
SPACES = ("latent", "pixel")
ANY = len(KINDS)  # the label of "no word given"


class Residual(nn.Module):
    """(N, n_in) -> (N, n_out): residual layers between two linear maps."""

    def __init__(self, n_in: int, n_out: int, width: int, depth: int):
        super().__init__()
        self.into, self.out = nn.Linear(n_in, width), nn.Linear(width, n_out)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        h = self.into(x)
        for layer in self.hidden:
            h = h + layer(nn.functional.silu(h))
        return self.out(nn.functional.silu(h))


class Autoencoder(nn.Module):
    """Pictures (N, PIXELS) in model units <-> latents (N, LATENT)."""

    mean: Tensor
    spread: Tensor

    def __init__(self, width: int = 144, depth: int = 2):
        super().__init__()
        self.encoder, self.decoder = Residual(PIXELS, 2 * LATENT, width, depth), Residual(LATENT, PIXELS, width, depth)
        self.register_buffer("mean", torch.zeros(LATENT))
        self.register_buffer("spread", torch.ones(LATENT))

    def loss(self, x: Tensor, generator: torch.Generator, kl_weight: float = 1e-3) -> Tensor:
        """Mean squared pixel error through a noisy latent, and a slight pull of that latent's law towards N(0, I)."""
        mean, log_d = self.encoder(x).chunk(2, 1)
        log_d = log_d.clamp(-6, 2)
        z = mean + log_d.exp() * torch.randn(mean.shape, generator=generator)
        kl = 0.5 * (mean.square() + (2 * log_d).exp() - 1 - 2 * log_d).mean()
        return (self.decoder(z) - x).square().mean() + kl_weight * kl

    @torch.no_grad()
    def to_unit(self, x: Tensor) -> None:
        """Measure the latents of pictures x, so that `encode` gives mean 0 and variance 1."""
        z = self.encoder(x)[:, :LATENT]
        self.mean.copy_(z.mean(0))
        self.spread.copy_(z.std(0))

    def encode(self, x: Tensor) -> Tensor:
        return (self.encoder(x)[:, :LATENT] - self.mean) / self.spread

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z * self.spread + self.mean)


class LabelledNetwork(ResidualNetwork):
    """The score network, told one of a few words (N,) or none (ANY) where the point comes in; its output is a guess of x0."""

    def __init__(self, dim: int, width: int, depth: int = 3):
        super().__init__(dim, width, depth, n_space=0, n_level=12)
        self.words = nn.Embedding(len(KINDS) + 1, width)

    def forward(self, u: Tensor, log_ratio: Tensor, word: Tensor) -> Tensor:
        return self.through(self.into(u) + self.words(word), self.from_level(self.level(log_ratio)))


class Given(nn.Module):
    """A labelled network with its word fixed: can do what a ScoreNetwork can."""

    def __init__(self, network: LabelledNetwork, word: Tensor):
        super().__init__()
        self.network, self.word = network, word

    def forward(self, u: Tensor, log_ratio: Tensor) -> Tensor:
        return self.network(u, log_ratio, self.word)

    def noise(self, u: Tensor, ratio: Tensor) -> Tensor:
        """The predicted eps (N, D) at u = a x0 + b eps, b / a = ratio (N, 1) or (1, 1)."""
        a = torch.rsqrt(1 + ratio**2)
        return (u - a * self(u, ratio.clamp(*RATIO_RANGE).log())) / (a * ratio)

    def as_score(self, schedule: Schedule) -> Score:
        """The score of pictures of this word, (x (N, D), t) -> (N, D) along `schedule`."""
        return score_of_noise(self.noise, schedule)


def labelled_loss(network: LabelledNetwork, x0: Tensor, kinds: Tensor, generator: torch.Generator, drop: float = 0.2) -> Tensor:
    """Denoising score matching in x0, weighted by the signal-to-noise ratio within [0.2, 5] (Hang et al. 2023, min-SNR).

    The word is withheld from a share `drop` of the points (Ho & Salimans 2022). Log noise ratios are normal (0, 1.5), a quarter
    of them uniform over RATIO_RANGE.
    """
    low, high = (math.log(r) for r in RATIO_RANGE)
    log_ratio = torch.randn(len(x0), 1, generator=generator).mul_(1.5).clamp_(low, high)
    log_ratio[: len(x0) // 4] = low + (high - low) * torch.rand(len(x0) // 4, 1, generator=generator)
    word = torch.where(torch.rand(len(x0), generator=generator) < drop, ANY, kinds)
    ratio = log_ratio.exp()
    a = torch.rsqrt(1 + ratio**2)
    u = a * x0 + a * ratio * torch.randn(x0.shape, generator=generator)
    return ((-2 * log_ratio).exp().clamp(0.2, 5) * (network(u, log_ratio, word) - x0).square()).mean()


def networks() -> dict[str, nn.Module]:
    """Untrained: the autoencoder, and the same denoiser for latents and for pixels, wider where there is more to see."""
    return {"autoencoder": Autoencoder(), "latent": LabelledNetwork(LATENT, 96), "pixel": LabelledNetwork(PIXELS, 192)}


def autoencoder(made: dict[str, nn.Module]) -> Autoencoder:
    """The one among `networks`."""
    network = made["autoencoder"]
    assert isinstance(network, Autoencoder)
    return network


def denoiser(made: dict[str, nn.Module], space: str) -> LabelledNetwork:
    """The one of SPACES among `networks`."""
    network = made[space]
    assert isinstance(network, LabelledNetwork)
    return network


def weights_path(folder: Path = FOLDER) -> Path:
    return Path(folder) / "latent_lattices.safetensors"


def save_networks(trained: dict[str, nn.Module], path: Path, seconds: dict[str, float]) -> None:
    """All networks in one file, in half precision."""
    halves = {f"{name}/{key}": value.half() for name, net in trained.items() for key, value in net.state_dict().items()}
    save_tensors(path, halves, {"seconds": seconds})


def load_networks(folder: Path = FOLDER) -> dict[str, nn.Module]:
    """The trained networks. Raises ModelMissing with the command that makes them."""
    path, made = weights_path(folder), networks()
    try:
        check(path)
        tensors = load_file(str(path))
        for name, net in made.items():
            own = {key.removeprefix(f"{name}/"): value.float() for key, value in tensors.items() if key.startswith(f"{name}/")}
            net.load_state_dict(own)
            net.eval().requires_grad_(False)
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise unusable(path, error, "n2c train latent") from error
    return made


def seconds_of_training(folder: Path = FOLDER) -> dict[str, float]:
    """Network -> processor seconds that its training took, as noted in the weights."""
    with safe_open(str(weights_path(folder)), framework="pt") as file:
        return json.loads(file.metadata()["seconds"])
