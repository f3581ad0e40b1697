"""Latent diffusion: the same denoiser walks among eight numbers or among 576 pixels, to pictures with an exact law."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from core.learning import lattice_images
from core.learning.latent_networks import ANY, LATENT, PIXELS, SPACES, Given, autoencoder, denoiser, load_networks
from core.numerics.distances import ExactSampler, Floor, Truth, against, energy_distance, floor, measure
from core.numerics.integrators import dpm_solver_pp_2m
from core.numerics.manifest import SHIPPED
from core.numerics.networks import n_parameters
from core.numerics.schedules import Linear
from core.numerics.trajectory import Trajectory, collect

WORDS = ("any", *lattice_images.KINDS)
STARTS = ("diffusion", "nothing")
SCHEDULE = Linear()
BUDGETS = (1, 2, 4, 8, 16, 32)
N_JUDGED = 200  # pictures behind a distance
N_CURVE = 100  # and behind one of a curve
FLOORS = SHIPPED / "latent_floors.json"
BLOCK = 2000  # pictures drawn at once, for the memory
N_BOOK = 2048  # exact pictures to which a made one is compared


@lru_cache(maxsize=1)
def networks() -> dict[str, nn.Module]:
    """Autoencoder and both denoisers. Raises ModelMissing with the command that makes them."""
    return load_networks()


def _kind(word: str) -> str | None:
    if word not in WORDS:
        raise ValueError(f"word {word!r} is not one of {', '.join(WORDS)}")
    return None if word == "any" else word


@torch.no_grad()
def sample(
    *,
    space: str = "latent",
    word: str = "any",
    n_steps: int = 30,
    n_images: int = 16,
    seed: int = 1,
    walk: str = "diffusion",
    n_frames: int = 41,
) -> Trajectory:
    """Carry noise to latents (D = 8) or to pictures (D = 576), steered by a word; DPM-Solver++(2M) in even steps of log-SNR.

    walk: "nothing" leaves the noise as it is, which is what a decoder of random latents would be given.
    Raises ValueError for unknown names, n_steps outside 1..1000 or n_images < 1, ModelMissing.
    """
    if space not in SPACES or walk not in STARTS:
        raise ValueError(f"space {space!r} must be one of {', '.join(SPACES)}, walk {walk!r} one of {', '.join(STARTS)}")
    if not 1 <= n_steps <= 1000 or n_images < 1:
        raise ValueError("n_steps must be in 1..1000 and n_images at least 1")
    kind = _kind(word)
    x = torch.randn(n_images, LATENT if space == "latent" else PIXELS, generator=torch.Generator().manual_seed(seed))
    times = SCHEDULE.time_grid(n_steps, spacing="log-SNR")
    if walk == "nothing":
        return collect([x] * len(times), times, n_frames=n_frames)
    label = torch.tensor([ANY if kind is None else lattice_images.KINDS.index(kind)])
    score = Given(denoiser(networks(), space), label).as_score(SCHEDULE)
    return collect(dpm_solver_pp_2m(score, SCHEDULE, x, times), times, n_frames=n_frames)


@torch.no_grad()
def pictures(x: Tensor, space: str) -> Tensor:
    """(..., PIXELS) in model units: what latents (..., LATENT) decode to; pixels are pictures already."""
    return autoencoder(networks()).decode(x) if space == "latent" else x


@torch.no_grad()
def round_trip(x: Tensor) -> Tensor:
    """Pictures (N, PIXELS) through encoder and decoder: the best that a latent sampler could do."""
    network = autoencoder(networks())
    return network.decode(network.encode(x))


@torch.no_grad()
def blend(*, n_images: int = 16, n_frames: int = 41, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Shares (T,) and, for each, pictures (T, N, PIXELS) half-way between two exact ones: mixed as latents, mixed as pixels."""
    generator = torch.Generator().manual_seed(seed)
    first, second = (lattice_images.sample(n_images, generator)[0] for _ in range(2))
    share = torch.linspace(0, 1, n_frames)
    encode = autoencoder(networks()).encode
    z = torch.lerp(encode(first)[None], encode(second)[None], share[:, None, None])
    return share, pictures(z, "latent"), torch.lerp(first[None], second[None], share[:, None, None])


def truth(made: Tensor, *, word: str = "any") -> Truth:
    """Energy distance of pictures (N, PIXELS) to the exact law of the word, in model units, with its floor."""
    known = _floor(word, len(made))
    return replace(measure(energy_distance, made, _exact(word), name="energy distance of the pictures", known_floor=known), of="pictures")


def _exact(word: str) -> ExactSampler:
    kind = _kind(word)
    return lambda n, g: torch.cat([lattice_images.sample(min(BLOCK, n - k), g, kind)[0] for k in range(0, n, BLOCK)])


@lru_cache(maxsize=32)
def _floor(word: str, n: int) -> Floor:
    """From the table that ships, where it has this one: drawing and comparing so many pictures takes half a minute."""
    table = json.loads(FLOORS.read_text(encoding="utf-8")) if FLOORS.exists() else {}
    if (known := table.get(f"{word}, {n}")) is None:
        return measured_floor(word, n)
    mean, std, limit = known
    return Floor(mean, std, limit, n)


def measured_floor(word: str, n: int) -> Floor:
    """What n exact pictures of the word score."""
    return floor(energy_distance, _exact(word), n)


def write_floors(path: Path = FLOORS) -> None:
    """The table of floors for the numbers of pictures that the page judges: "word, n" -> mean, standard deviation, limit."""
    floors = {f"{word}, {n}": measured_floor(word, n) for word in WORDS for n in (N_CURVE, N_JUDGED)}
    rows = [f"{json.dumps(name)}: {json.dumps([round(x, 6) for x in (f.mean, f.std, f.limit)])}" for name, f in floors.items()]
    path.write_text("{\n  " + ",\n  ".join(rows) + "\n}\n", encoding="utf-8")


@lru_cache(maxsize=1)
def _book() -> tuple[Tensor, Tensor]:
    return lattice_images.sample(N_BOOK, torch.Generator().manual_seed(99))


@dataclass(frozen=True)
class Reading:
    """Pictures compared with a book of exact ones: root mean square pixel distance to the nearest, and its kind; (N,) each."""

    distance: Tensor
    kind: Tensor

    def share(self, word: str) -> float:
        """Share of the pictures whose nearest exact one is of this kind; 1 for "any"."""
        return 1.0 if word == "any" else float((self.kind == lattice_images.KINDS.index(word)).double().mean())

    @property
    def residual(self) -> float:
        """Median distance, in standard deviations of a pixel."""
        return float(self.distance.median())


def read(made: Tensor) -> Reading:
    """Look every picture (N, PIXELS) up in the book. What is not finite is infinitely far."""
    book, kinds = _book()
    far = torch.cdist(made.nan_to_num(1e6, 1e6, -1e6), book)
    nearest = far.min(1)
    return Reading(nearest.values / PIXELS**0.5, kinds[nearest.indices])


def read_exact(word: str, n: int = N_JUDGED) -> Reading:
    """The same for fresh exact pictures: what a perfect generator would be told."""
    return read(lattice_images.sample(n, torch.Generator().manual_seed(7), _kind(word))[0])


def sharper_half_way(*, seed: int = 1, n_images: int = 100) -> tuple[int, str]:
    """Half-way between two pictures, which mixture is nearer to a lattice: 0 of the latents, 1 of the pixels, 2 they differ by less
    than three standard errors of the pairs."""
    _, latents, pixels = blend(n_images=n_images, n_frames=3, seed=seed)
    mixed = {space: read(made[1]).distance for space, made in (("latents", latents), ("pixels", pixels))}
    gap = mixed["latents"] - mixed["pixels"]
    far = ", ".join(f"mixed {space} {float(distance.mean()):.3f}" for space, distance in mixed.items())
    verdict = 2 if abs(float(gap.mean())) <= 3 * float(gap.std()) / n_images**0.5 else 0 if float(gap.mean()) < 0 else 1
    return (
        verdict,
        f"Mean distance to the nearest of {N_BOOK:,} exact pictures, over {n_images} pairs: {far}; fresh exact pictures {fresh():.3f}.",
    )


@lru_cache(maxsize=1)
def fresh() -> float:
    """Mean distance of fresh exact pictures to the nearest in the book."""
    return float(read_exact("any").distance.mean())


def obedience(made: Reading, exact: Reading, word: str) -> tuple[int, str]:
    """Share of the pictures that show the word: 0 less than half, 1 at most nine tenths, 2 more."""
    share = made.share(word)
    return (0 if share < 0.5 else 1 if share <= 0.9 else 2), (
        f"{share:.0%} of {len(made.kind)} pictures look most like a {word} lattice; of exact ones, {exact.share(word):.0%}."
    )


def multiplications(space: str, n_steps: int) -> int:
    """Multiplications per picture: weights times evaluations, and the decoder once for latents."""
    made = networks()
    return n_steps * n_parameters(made[space]) + (n_parameters(autoencoder(made).decoder) if space == "latent" else 0)


@dataclass(frozen=True)
class Curves:
    """Distance to the exact law against steps, by space; `ceiling`: that of exact pictures through the autoencoder."""

    steps: list[int]
    work: dict[str, list[int]]
    distances: dict[str, list[float]]
    ceiling: float
    floor: Floor


def error_against_work(*, word: str = "any", budgets: tuple[int, ...] = BUDGETS, n_images: int = N_CURVE, seed: int = 0) -> Curves:
    """Both spaces with every number of steps, judged against one exact sample; work in multiplications per picture."""
    distance = against(energy_distance, _exact(word), n_images)
    work = {space: [multiplications(space, n) for n in budgets] for space in SPACES}
    run = partial(final, word=word, n_images=n_images, seed=seed)
    distances = {space: [distance(run(space=space, n_steps=n)) for n in budgets] for space in SPACES}
    fresh, _ = lattice_images.sample(n_images, torch.Generator().manual_seed(seed + 5), _kind(word))
    return Curves(list(budgets), work, distances, distance(round_trip(fresh)), _floor(word, n_images))


def final(*, space: str, word: str = "any", n_steps: int = 30, n_images: int = 16, seed: int = 1, walk: str = "diffusion") -> Tensor:
    """(N, PIXELS): the pictures at the end of `sample`."""
    return pictures(sample(space=space, word=word, n_steps=n_steps, n_images=n_images, seed=seed, walk=walk, n_frames=1).final, space)


@torch.no_grad()
def latent_map(
    *, word: str = "any", n_steps: int = 30, walk: str = "diffusion", n: int = 600, seed: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """Two principal axes of the latent space: exact pictures encoded (n, 2) with their kinds (n,), and sampled latents (n, 2)."""
    x, kinds = lattice_images.sample(n, torch.Generator().manual_seed(seed + 11))
    z = autoencoder(networks()).encode(x)
    _, _, axes = torch.linalg.svd(z - z.mean(0), full_matrices=False)
    made = sample(space="latent", word=word, n_steps=n_steps, n_images=n, seed=seed, walk=walk, n_frames=1).final
    return z @ axes[:2].T, kinds, made @ axes[:2].T
