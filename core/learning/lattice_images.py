"""Pictures of two-dimensional lattices: electron-density maps seen from one atom, drawn afresh from an exact law.

A picture is rho(r) = sum_ij exp(-|r - i a_1 - j a_2|^2 / 2 s^2) on SIDE x SIDE pixels over [-1, 1]^2, an atom in the middle.
Four of the five Bravais lattices of the plane are told apart by name (the centred rectangular one counts as oblique).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SIDE = 24
ATOM = 0.13  # width s of an atom, in half-widths of the picture
KINDS = ("square", "rectangular", "hexagonal", "oblique")
REACH = 4  # lattice points -REACH..REACH along both vectors
MEAN, SPREAD = 0.237, 0.2525  # of a pixel, so that pictures in model units have mean near 0 and variance near 1


def cells(kind: Tensor, generator: torch.Generator) -> Tensor:
    """(N, 4): lengths a and b, angle gamma and rotation phi, drawn at random for lattices of `kind` (N,), an index into KINDS.

    a ~ U(0.55, 0.75); b/a ~ U(1.2, 1.5) unless the kind fixes it to 1; gamma ~ U(66, 82) degrees unless the kind fixes it;
    phi ~ U(0, pi).
    """
    u = torch.rand(len(kind), 4, generator=generator)
    square, rectangular, hexagonal, _ = (kind == k for k in range(4))
    a = 0.55 + 0.2 * u[:, 0]
    b = torch.where(square | hexagonal, a, a * (1.2 + 0.3 * u[:, 1]))
    gamma = torch.where(square | rectangular, 90.0, torch.where(hexagonal, 60.0, 66 + 16 * u[:, 2])).deg2rad()
    return torch.stack([a, b, gamma, math.pi * u[:, 3]], 1)


def draw(cell: Tensor) -> Tensor:
    """(N, SIDE * SIDE) in model units: the pictures of cells (N, 4), rows from the lowest y.

    A Gaussian is a product over x and y, so a picture is one matrix product per lattice.
    """
    a, b, gamma, phi = cell.T
    first = torch.stack([phi.cos(), phi.sin()], 1) * a[:, None]
    second = torch.stack([(phi + gamma).cos(), (phi + gamma).sin()], 1) * b[:, None]
    index = torch.arange(-REACH, REACH + 1, dtype=cell.dtype)
    i, j = (t.reshape(1, -1, 1) for t in torch.meshgrid(index, index, indexing="ij"))
    sites = i * first[:, None] + j * second[:, None]  # (N, K, 2)
    line = (torch.arange(SIDE, dtype=cell.dtype) + 0.5) / SIDE * 2 - 1
    profile = torch.exp(-(line - sites[..., None]).square() / (2 * ATOM**2))  # (N, K, 2, SIDE)
    density = torch.bmm(profile[:, :, 1].transpose(1, 2), profile[:, :, 0])
    return ((density - MEAN) / SPREAD).flatten(1)


def sample(n: int, generator: torch.Generator, kind: str | None = None) -> tuple[Tensor, Tensor]:
    """n pictures (n, SIDE^2) and their kinds (n,); of one kind if it is named. Raises ValueError for a kind that is not in KINDS."""
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind {kind!r} is not one of {', '.join(KINDS)}")
    if kind is None:
        kinds = torch.randint(len(KINDS), (n,), generator=generator)
    else:
        kinds = torch.full((n,), KINDS.index(kind))
    return draw(cells(kinds, generator)), kinds


def brightness(x: Tensor) -> Tensor:
    """Model units back to density, 1 at the centre of an isolated atom."""
    return x * SPREAD + MEAN
