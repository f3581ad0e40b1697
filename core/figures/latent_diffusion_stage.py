"""The stage of `latent_diffusion`: pictures coming out of noise in two spaces, or two blended in two ways, as bitmaps on one clock."""

from __future__ import annotations

import numpy as np
import torch

from core.figures.payload import Panel, pack_player
from core.learning import latent_diffusion, lattice_images
from core.learning.lattice_images import SIDE

COLUMNS, SHOWN = 4, 16


def mosaic(frames: torch.Tensor, columns: int = COLUMNS, gutter: int = 2) -> np.ndarray:
    """(T, N, SIDE^2) in model units -> (T, H, W) densities, the first picture top left, NaN in the gutters."""
    tiles = lattice_images.brightness(frames).reshape(*frames.shape[:2], SIDE, SIDE).numpy()
    n_frames, n = tiles.shape[:2]
    rows, step = -(-n // columns), SIDE + gutter
    board = np.full((n_frames, rows * step - gutter, columns * step - gutter), np.nan, dtype="f4")
    for k in range(n):
        row, column = rows - 1 - k // columns, k % columns
        board[:, row * step : row * step + SIDE, column * step : column * step + SIDE] = tiles[:, k]
    return board


def _still(x: torch.Tensor, n_frames: int) -> torch.Tensor:
    return x[None].expand(n_frames, -1, -1)


def _panel(title: str, frames: torch.Tensor, role: str = "sample") -> Panel:
    """Pictures (T, N, SIDE^2) in model units as one movie."""
    return Panel(title=title, role=role, image=mosaic(frames), image_range=(0.0, 1.0), image_label="density")


def payload(*, word: str, n_steps: int, seed: int, walk: str) -> bytes:
    """Exact pictures beside what comes out of the latent space and out of pixel space, noise to data."""
    kind = None if word == "any" else word
    runs = {
        space: latent_diffusion.sample(space=space, word=word, n_steps=n_steps, n_images=SHOWN, seed=seed, walk=walk)
        for space in ("latent", "pixel")
    }
    times = runs["latent"].times
    exact, _ = lattice_images.sample(SHOWN, torch.Generator().manual_seed(seed), kind)
    decoded = latent_diffusion.pictures(runs["latent"].positions, "latent")
    panels = [
        _panel("exact pictures", _still(exact, len(times)), role="data"),
        _panel("8 latent numbers, decoded", decoded),
        _panel("576 pixels", runs["pixel"].positions),
    ]
    return pack_player(
        panels,
        times=times,
        mode="image",
        time_label="time t",
        fps=max(2.0, len(times) / 4),
        alt="Pictures of lattices: exact ones, and ones coming out of noise by diffusion among latents and among pixels.",
    )


def payload_of_blend(*, seed: int) -> bytes:
    """One picture turning into another: mixed as latents, mixed as pixels."""
    share, as_latents, as_pixels = latent_diffusion.blend(n_images=SHOWN, seed=seed)
    panels = [
        _panel("mixed as latents, then decoded", as_latents),
        _panel("mixed as pixels", as_pixels),
    ]
    return pack_player(
        panels,
        times=share,
        mode="image",
        time_label="share of the second",
        fps=12,
        alt="Lattices turning into other lattices: through the latent space, and by fading one picture into the other.",
    )
