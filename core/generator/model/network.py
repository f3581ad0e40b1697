"""The denoiser: attention over the atoms of one cell, with everything about a pair of atoms as bias and message.

Nothing but differences of fractional coordinates, the metric L L^T and the species enter, so the output is
invariant to moving the origin, turning the cell and adding lattice vectors, and follows a reordering of the atoms;
no symmetry has to be learned. Cells of one batch hold the same number of atoms, so there is no padding.

symbol                                name
f_j - f_i in periodic functions       PairFeatures
attention with pair bias and message  Block
epsilon-free outputs                  Prediction (what they mean is the business of the process)

Sources: pair bias and pair message after Jumper et al. 2021 (AlphaFold, Algorithms 7 and 22); sin/cos of
2 pi k (f_j - f_i) and L L^T after Jiao et al. 2023 (DiffCSP, eq. 7); time through adaptive layer norm after
Peebles & Xie 2023 (DiT).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.structures.elements import FEATURES, N_SPECIES, element_features
from core.structures.lattice import vector_to_metric


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes. `width` must be divisible by `heads`."""

    width: int = 192
    pair_width: int = 48
    depth: int = 5
    heads: int = 8
    mlp_ratio: int = 3
    frequencies: int = 6
    max_atoms: int = 20
    dropout: float = 0.0  # of what each block adds to the atoms, in training


Adapt = Callable[[int, Tensor], Tensor]


class Prediction(NamedTuple):
    """coords (B, N, 3) with zero mean over the atoms, lattice (B, 6), species (B, N, N_SPECIES) logits."""

    coords: Tensor
    lattice: Tensor
    species: Tensor


class PairFeatures(nn.Module):
    """Periodic functions of f_j - f_i, and how far apart the nearest images are in this cell.

    sin, cos 2 pi k (f_j - f_i) for k = 1..K; and for each length scale r the sums over the 27 nearest images of
    exp(-d^2 / 2 r^2) and of exp(-d^2 / 2 r^2) (f_j - f_i + n) / r. Smooth on the torus, no cut-off.
    """

    images: Tensor
    scales: Tensor
    k: Tensor

    def __init__(self, frequencies: int):
        super().__init__()
        images = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0])] * 3)
        self.register_buffer("images", images, persistent=False)
        self.register_buffer("scales", torch.tensor([0.5, 0.8, 1.2, 1.7, 2.4, 3.4]), persistent=False)
        self.register_buffer("k", 2 * math.pi * torch.arange(1, frequencies + 1), persistent=False)
        self.size = 6 * frequencies + 4 * 6

    def forward(self, frac: Tensor, metric: Tensor) -> Tensor:
        """frac (B, N, 3), metric (B, 3, 3) in Å^2 -> (B, N, N, size).

        Only i <= j is computed: for (j, i) the odd functions (sin, pull) change sign, the even ones stay.
        """
        b, n, _ = frac.shape
        i, j = torch.triu_indices(n, n, device=frac.device)
        difference = frac[:, j] - frac[:, i]  # (B, P, 3)
        phase = (difference.unsqueeze(-1) * self.k).flatten(-2)
        shortest = difference - difference.round()
        lowered = shortest @ metric  # G d
        squared = (
            (lowered * shortest).sum(-1, keepdim=True)
            + 2 * lowered @ self.images.T
            + ((self.images @ metric) * self.images).sum(-1).unsqueeze(1)
        )  # |d + n|^2, (B, P, 27)
        weight = (squared.unsqueeze(-2) * (-0.5 / self.scales**2).unsqueeze(-1)).exp_()  # (B, P, S, 27)
        total = weight.sum(-1)
        pull = weight @ self.images + total.unsqueeze(-1) * shortest.unsqueeze(-2)  # (B, P, S, 3)
        length = metric.diagonal(dim1=-2, dim2=-1).mean(-1).sqrt().view(-1, 1, 1, 1)  # brings pull to order 1
        pull = (pull * (length / self.scales.unsqueeze(-1))).flatten(-2)
        half = torch.cat([phase.sin(), phase.cos(), total, pull], dim=-1)  # (B, P, size)
        place = torch.empty(n, n, dtype=torch.long, device=frac.device)
        place[i, j] = place[j, i] = torch.arange(len(i), device=frac.device)
        sign = torch.ones(n, n, self.size, dtype=frac.dtype, device=frac.device)
        odd = torch.ones(self.size, dtype=torch.bool, device=frac.device)
        odd[phase.shape[-1] : 2 * phase.shape[-1] + len(self.scales)] = False
        sign[torch.ones(n, n, dtype=torch.bool, device=frac.device).tril(-1)] -= 2 * odd.to(sign)
        return half[:, place] * sign


class Block(nn.Module):
    """h += attention(h, pair); h += MLP(h); pair += MLP(pair, h_i, h_j). Gates start at zero."""

    def __init__(self, config: NetworkConfig, update_pairs: bool):
        super().__init__()
        d, p, self.heads = config.width, config.pair_width, config.heads
        self.norm = nn.LayerNorm(d, elementwise_affine=False)
        self.pair_norm = nn.LayerNorm(p)
        self.modulation = nn.Linear(d, 6 * d)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.bias = nn.Linear(p, self.heads, bias=False)
        self.out = nn.Linear(d + self.heads * p, d)
        self.mlp = nn.Sequential(nn.Linear(d, config.mlp_ratio * d), nn.SiLU(), nn.Linear(config.mlp_ratio * d, d))
        self.dropout = nn.Dropout(config.dropout)
        self.update_pairs = update_pairs
        if update_pairs:
            self.ends = nn.Linear(d, 2 * p, bias=False)
            self.pair_in = nn.Linear(p, p)
            self.pair_out = nn.Linear(p, p)

    def forward(self, h: Tensor, pair: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        b, n, d = h.shape
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition).unsqueeze(1).chunk(6, dim=-1)
        z = self.pair_norm(pair)
        x = self.norm(h) * (1 + scale1) + shift1
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        logits = q @ k.mT * (d // self.heads) ** -0.5 + self.bias(z).permute(0, 3, 1, 2)
        attention = logits.softmax(-1)  # (B, H, N, N)
        values = (attention @ v).transpose(1, 2).reshape(b, n, d)
        messages = (attention.transpose(1, 2) @ z).reshape(b, n, -1)  # (B, N, H p)
        h = h + gate1 * self.dropout(self.out(torch.cat([values, messages], dim=-1)))
        x = self.norm(h) * (1 + scale2) + shift2
        h = h + gate2 * self.dropout(self.mlp(x))
        if self.update_pairs:
            start, end = self.ends(self.norm(h)).chunk(2, dim=-1)
            pair = pair + self.pair_out(F.silu(self.pair_in(z) + start.unsqueeze(2) + end.unsqueeze(1)))
        return h, pair


class Denoiser(nn.Module):
    """(species, noised coordinates, noised cell, t) -> Prediction.

    The buffers are the units of the data set: `volumes` (N_SPECIES,) the reference volume of each element in Å^3,
    `lattice_mean` and `lattice_std` (6,) of the cell vector after the reference volume has been taken out,
    `known` (N_SPECIES,) the elements seen in training.
    bf16: multiply matrices of the blocks in bfloat16 (geometry and outputs stay float32): on processors with units for it 1.4 to 1.8
    times as fast, on others slower.
    """

    bf16 = False
    properties: Tensor
    volumes: Tensor
    lattice_mean: Tensor
    lattice_std: Tensor
    known: Tensor

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        d, p = config.width, config.pair_width
        self.register_buffer("properties", torch.tensor(element_features()))
        self.register_buffer("volumes", torch.full((N_SPECIES,), 15.0))
        self.register_buffer("lattice_mean", torch.zeros(6))
        self.register_buffer("lattice_std", torch.ones(6))
        self.register_buffer("known", torch.ones(N_SPECIES, dtype=torch.bool))
        self.embed = nn.Embedding(N_SPECIES, d)
        nn.init.normal_(self.embed.weight, std=0.3)
        self.embed_properties = nn.Sequential(nn.Linear(len(FEATURES), d), nn.SiLU(), nn.Linear(d, d))
        self.condition = nn.Sequential(nn.Linear(32 + 12 + config.max_atoms + 1, d), nn.SiLU(), nn.Linear(d, d), nn.SiLU())
        self.pair_features = PairFeatures(config.frequencies)
        self.pair_in = nn.Linear(self.pair_features.size, p)
        self.pair_ends = nn.Linear(d, 2 * p, bias=False)
        self.pair_condition = nn.Linear(d, p, bias=False)
        self.pair_out = nn.Linear(p, p)
        self.blocks = nn.ModuleList(Block(config, i < config.depth - 1) for i in range(config.depth))
        self.norm = nn.LayerNorm(d)
        self.coords = nn.Linear(d, 3, bias=False)
        self.lattice = nn.Sequential(nn.Linear(2 * d, d), nn.SiLU(), nn.Linear(d, 6))
        self.species = nn.Linear(d, N_SPECIES)

    def metric(self, numbers: Tensor, cell: Tensor) -> Tensor:
        """Standardised cell vector (B, 6) of a cell with these species (B, N) -> (B, 3, 3) metric in Å^2."""
        return vector_to_metric(self.to_vector(numbers, cell))

    def to_vector(self, numbers: Tensor, cell: Tensor) -> Tensor:
        """Standardised (B, 6) -> log volume and shape of `lattice.lattice_to_vector`."""
        vector = cell * self.lattice_std.to(cell) + self.lattice_mean.to(cell)
        return torch.cat([vector[:, :1] + self._log_volume(numbers, cell), vector[:, 1:]], dim=-1)

    def to_cell(self, numbers: Tensor, vector: Tensor) -> Tensor:
        """The inverse of `to_vector`."""
        vector = torch.cat([vector[:, :1] - self._log_volume(numbers, vector), vector[:, 1:]], dim=-1)
        return (vector - self.lattice_mean.to(vector)) / self.lattice_std.to(vector)

    def _log_volume(self, numbers: Tensor, like: Tensor) -> Tensor:
        return self.volumes.to(like)[numbers].sum(-1, keepdim=True).log()

    def forward(self, numbers: Tensor, frac: Tensor, cell: Tensor, t: Tensor, adapt: Adapt | None = None) -> Prediction:
        """numbers (B, N) long, frac (B, N, 3), cell (B, 6) standardised, t (B,) in [0, 1]; adapt: see `features`."""
        return self.heads(*self.features(numbers, frac, cell, t, adapt))

    def heads(self, h: Tensor, condition: Tensor) -> Prediction:
        """What `features` found, in words of the process."""
        coords = self.coords(h)
        lattice = self.lattice(torch.cat([h.mean(1), condition], dim=-1))
        return Prediction(coords - coords.mean(1, keepdim=True), lattice, self.species(h))

    def features(self, numbers: Tensor, frac: Tensor, cell: Tensor, t: Tensor, adapt: Adapt | None = None) -> tuple[Tensor, Tensor]:
        """What the heads read: (B, N, width) of the atoms and (B, width) of time, cell shape and size.

        adapt: changes the atoms before block i, h -> adapt(i, h); how a condition enters (`model.adapter`).
        """
        n = numbers.shape[1]
        metric = self.metric(numbers, cell.clamp(-5, 5))
        atoms = F.one_hot(torch.full_like(numbers[:, 0], n), self.config.max_atoms + 1).to(frac)
        shape = torch.cat([cell, metric_features(metric, n)], dim=-1)
        condition = self.condition(torch.cat([time_features(t), shape, atoms], dim=-1))
        h = self.embed(numbers) + self.embed_properties(self.properties[numbers])
        start, end = self.pair_ends(h).chunk(2, dim=-1)
        pair = self.pair_in(self.pair_features(frac, metric)) + self.pair_condition(condition)[:, None, None]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            pair = self.pair_out(F.silu(pair + start.unsqueeze(2) + end.unsqueeze(1)))
            for i, block in enumerate(self.blocks):
                h, pair = block(h if adapt is None else adapt(i, h), pair, condition)
        return self.norm(h), condition


def in_bfloat16(network: Denoiser) -> Denoiser:
    """The same network for inference with `bf16` set, the matrices of its blocks rounded once and for all."""
    other = deepcopy(network)
    for module in (other.pair_out, *other.blocks.modules()):
        if isinstance(module, nn.Linear):
            module.to(torch.bfloat16)
    other.bf16 = True
    return other


def has_bfloat16_units() -> bool:
    """Does this processor multiply matrices faster in bfloat16 than in float32?"""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def time_features(t: Tensor) -> Tensor:
    """(B,) -> (B, 32): sines and cosines of t at 16 frequencies from 1/2 turn to 32 turns."""
    phase = t.unsqueeze(-1) * math.pi * torch.logspace(0, 6, 16, base=2.0, device=t.device, dtype=t.dtype)
    return torch.cat([phase.sin(), phase.cos()], dim=-1)


def metric_features(metric: Tensor, n_atoms: int) -> Tensor:
    """(B, 3, 3) -> (B, 6): log lengths in units of the atom spacing, and the cosines of the angles."""
    lengths = metric.diagonal(dim1=-2, dim2=-1).sqrt()
    cosines = metric / (lengths.unsqueeze(-1) * lengths.unsqueeze(-2))
    angles = torch.stack([cosines[:, 0, 1], cosines[:, 0, 2], cosines[:, 1, 2]], dim=-1)
    return torch.cat([lengths.log() - math.log(n_atoms) / 3 - 1, angles], dim=-1)
