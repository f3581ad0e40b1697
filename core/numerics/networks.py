"""The small score network: (noised point, noise level) -> noise, for every schedule at once.

The network sees u = x_t / sqrt(alpha^2 + sigma^2) and the log noise ratio log(sigma/alpha), never t or the
schedule; one set of weights therefore serves linear and cosine, VP, sub-VP and VE.

| equation                                                    | name                                          |
|-------------------------------------------------------------|-----------------------------------------------|
| Fourier features cos, sin(2 pi B c)                         | FourierFeatures (Tancik et al. 2020, eq. 5)   |
| v = a eps - b x0, a^2 + b^2 = 1, b/a = sigma/alpha          | the raw output (Salimans & Ho 2022, app. D)   |
| eps = b u + a v                                             | ScoreNetwork.noise                            |
| score = -eps / sigma                                        | ScoreNetwork.as_score                         |
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from core.numerics import manifest
from core.numerics.schedules import Schedule
from core.numerics.sde import Score
from core.numerics.tensors import save_tensors

MODELS = manifest.SHIPPED
RATIO_RANGE = (0.003, 200.0)  # noise ratios sigma/alpha seen in training; others are held at the nearest end


class ModelMissing(FileNotFoundError):
    """No readable weights; the message says which command makes them."""


def n_parameters(network: nn.Module) -> int:
    """How many numbers training sets."""
    return sum(p.numel() for p in network.parameters())


class FourierFeatures(nn.Module):
    """(N, in) -> (N, 2 n): cosines and sines at fixed random frequencies, drawn once from `seed`."""

    frequencies: Tensor

    def __init__(self, n_in: int, n_features: int, scale: float, seed: int):
        super().__init__()
        frequencies = torch.randn(n_in, n_features, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("frequencies", frequencies * (2 * math.pi * scale))

    def forward(self, x: Tensor) -> Tensor:
        phase = x @ self.frequencies
        return torch.cat([phase.cos(), phase.sin()], 1)


class ResidualNetwork(nn.Module):
    """The layers of a score network: residual, with Fourier features of position and noise level; subclasses say what goes in."""

    def __init__(self, dim: int, width: int, depth: int, n_space: int, n_level: int):
        super().__init__()
        self.space = FourierFeatures(dim, n_space, 0.35, seed=1)
        self.level = FourierFeatures(1, n_level, 0.15, seed=2)
        self.into = nn.Linear(dim + 2 * n_space, width)
        self.from_level = nn.Linear(2 * n_level, width * depth)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.out = nn.Linear(width, dim)

    def through(self, h: Tensor, shifts: Tensor) -> Tensor:
        """h (N, width), shifts (N, width * depth) or (1, width * depth) -> (N, D)."""
        for layer, shift in zip(self.hidden, shifts.chunk(len(self.hidden), 1), strict=True):
            h = h + layer(nn.functional.silu(h + shift))
        return self.out(nn.functional.silu(h))


class ScoreNetwork(ResidualNetwork):
    """Residual multilayer perceptron with Fourier features of the position and of the noise level."""

    def __init__(self, dim: int = 2, width: int = 96, depth: int = 3, n_space: int = 24, n_level: int = 12):
        super().__init__(dim, width, depth, n_space, n_level)
        self.config = dict(dim=dim, width=width, depth=depth, n_space=n_space, n_level=n_level)

    def forward(self, u: Tensor, log_ratio: Tensor) -> Tensor:
        """u (N, D), log_ratio (N, 1) or (1, 1) -> v (N, D)."""
        return self.through(self.into(torch.cat([u, self.space(u)], 1)), self.from_level(self.level(log_ratio)))

    def noise(self, u: Tensor, ratio: Tensor) -> Tensor:
        """The predicted eps (N, D) at u (N, D) of unit width and noise ratio sigma/alpha (N, 1) or (1, 1)."""
        a = torch.rsqrt(1 + ratio**2)
        v = self(u, ratio.clamp(*RATIO_RANGE).log())
        return torch.addcmul(a * v, u, a * ratio)

    def as_score(self, schedule: Schedule) -> Score:
        """This network as a score model (x (N, D), t) -> (N, D) along `schedule`."""
        return score_of_noise(self.noise, schedule)


def score_of_noise(noise: Callable[[Tensor, Tensor], Tensor], schedule: Schedule) -> Score:
    """The score model along `schedule` of a noise prediction (u (N, D) of unit width, ratio (1, 1)) -> eps (N, D)."""

    def score(x: Tensor, t: float) -> Tensor:
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        with torch.set_grad_enabled(x.requires_grad):  # no graph of the weights, one of x when asked for
            u = x * (1 / math.hypot(alpha, sigma))
            return noise(u, x.new_full((1, 1), sigma / alpha)) * (-1 / sigma)

    return score


def noise_loss(network: Callable[[Tensor, Tensor], Tensor], x0: Tensor, generator: torch.Generator) -> Tensor:
    """Denoising score matching (Vincent 2011) as noise prediction (Ho et al. 2020, eq. 14); network: (u, log ratio) -> v.

    The log noise ratio is normal (-1.2, 1.2) for most points, as in Karras et al. 2022 (table 1), where there is
    something to learn, and uniform over RATIO_RANGE for the rest. |v error|^2 = (1 + ratio^2) |eps error|^2, so that a fixed
    weight on v asks for an equally good x0 at high noise as for an equally good eps at low noise.
    """
    low, high = (math.log(r) for r in RATIO_RANGE)
    log_ratio = torch.randn(len(x0), 1, generator=generator).mul_(1.2).sub_(1.2).clamp_(low, high)
    n_uniform = len(x0) // 4
    log_ratio[:n_uniform] = low + (high - low) * torch.rand(n_uniform, 1, generator=generator)
    eps = torch.randn(x0.shape, generator=generator)
    ratio = log_ratio.exp()
    a = torch.rsqrt(1 + ratio**2)
    b = a * ratio
    v = network(a * x0 + b * eps, log_ratio)
    return (v - (a * eps - b * x0)).square().mean()


def slug(dataset: str) -> str:
    return dataset.replace(" ", "_")


def weights_path(dataset: str, folder: Path = MODELS) -> Path:
    return Path(folder) / f"score_{slug(dataset)}.safetensors"


def save_network(network: ScoreNetwork, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Weights and shape to one safetensors file."""
    save_tensors(path, network.state_dict(), {"config": network.config, **(metadata or {})})


def unusable(path: Path, error: Exception, remake: str) -> ModelMissing:
    """What to raise for weights that are absent, broken or not those of the release. remake: the command that trains them."""
    if isinstance(error, FileNotFoundError):
        reason = "the file is not there"
    else:
        reason = str(error) if isinstance(error, manifest.ManifestError) else type(error).__name__
    place = manifest.place(path)
    back = f"Get them back with `git checkout -- {place}`, or make" if manifest.shipped(path) else "Make"
    return ModelMissing(f"No usable weights at {place} ({reason}). {back} them with `{remake}`.")


def load_network(path: Path) -> ScoreNetwork:
    """A network in evaluation mode. Raises ModelMissing when the file is absent or unreadable."""
    try:
        manifest.check(path)
        with safe_open(str(path), framework="pt") as file:
            config = json.loads(file.metadata()["config"])
        network = ScoreNetwork(**config)
        network.load_state_dict(load_file(str(path)))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise unusable(path, error, f"n2c train score --dataset NAME --out {path}") from error
    return network.eval().requires_grad_(False)


def load_score_network(dataset: str, folder: Path = MODELS) -> ScoreNetwork:
    """The network shipped for a named data set. Raises ModelMissing when there is none."""
    path = weights_path(dataset, folder)
    if not path.exists():
        trained = ", ".join(trained_datasets(folder)) or "none"
        raise ModelMissing(
            f"No network was trained for {dataset!r} (there are: {trained}). Make one with `n2c train score --dataset {dataset!r}`."
        )
    return load_network(path)


def trained_datasets(folder: Path = MODELS) -> list[str]:
    """Names of the data sets whose network ships."""
    return sorted(p.stem.removeprefix("score_").replace("_", " ") for p in Path(folder).glob("score_*.safetensors"))
