r"""Crystals as text: a small transformer writes one token after another, a property in front of it (after CrystaLLM-π).

A crystal is a sentence: content of the cell, space group, conventional cell, one atom of each orbit.

    Sr 1 Ti 1 O 3 · sg 221 · a 3.9 b 3.9 c 3.9 · 90 90 90 · Ti 0 0 0 · Sr 48 48 48 · O 0 0 48 · end

Places are counted in 96ths of an edge, so that halves, thirds, quarters, sixths and eighths are exact; lengths in tenths of an
ångström, angles in
degrees. Each kind of number has words of its own. (CrystaLLM writes digits, after the CIF format; this is shorter.)

| equation | name |
|---|---|
| ln p(x) = sum_i ln p(x_i \| x_<i, property) | log_likelihood |
| keys and values of two ghost tokens in every layer are functions of the property | Writer.ghosts ("prefix attention") |
| perplexity = exp(- mean ln p) | perplexity |

Sources: Antunes et al. 2024 (CrystaLLM, Nat. Commun. 15, 10570); Bone et al., CrystaLLM-π (its code, C-Bone-UCL/CrystaLLM-pi).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.generator.systems import store
from core.generator.systems.symmetrised import ELECTRONEGATIVITY, Symmetrised
from core.structures.crystal import Crystal
from core.structures.elements import SYMBOLS, element_features

GRID = 96  # places along an edge
LENGTHS = range(15, 451)  # tenths of an Å
ANGLES = range(30, 151)  # degrees
COUNTS = range(1, 21)
LONGEST = 128  # tokens
GHOSTS = 2  # of the property, in every layer
FIELDS = ("content", "space group", "lengths", "angles", "elements of the sites", "coordinates", "end")
WEIGHTS = store.weights_path("writer")


@cache
def words() -> tuple[str, ...]:
    """The vocabulary; "<pad>" is word 0."""
    return (
        "<pad>",
        "<begin>",
        "<end>",
        *SYMBOLS[1:],
        *(f"n{n}" for n in COUNTS),
        *(f"sg{g}" for g in range(1, 231)),
        *(f"l{n}" for n in LENGTHS),
        *(f"d{n}" for n in ANGLES),
        *(f"x{n}" for n in range(GRID)),
    )


@cache
def number_of() -> dict[str, int]:
    return {word: i for i, word in enumerate(words())}


class UnwritableError(ValueError):
    """A crystal that has no sentence here, or a sentence that is no crystal; the message says why."""


def prompt(numbers: Sequence[int]) -> list[str]:
    """The sentence's beginning that says what is in the cell, by electronegativity. Raises UnwritableError."""
    scale, counts = element_features()[:, ELECTRONEGATIVITY], Counter(int(z) for z in numbers)
    if max(counts.values(), default=0) > COUNTS[-1] or not counts:
        raise UnwritableError(f"a count here is {COUNTS[0]} to {COUNTS[-1]}")
    written = ["<begin>"]
    for z in sorted(counts, key=lambda z: (scale[z], z)):
        written += [SYMBOLS[z], f"n{counts[z]}"]
    return written


def write(numbers: Sequence[int], crystal: Symmetrised) -> list[str]:
    """The whole sentence; numbers: content of the cell as it is asked for. Raises UnwritableError."""
    lengths, angles = [round(10 * x) for x in crystal.lengths], [round(x) for x in crystal.angles]
    if any(n not in LENGTHS for n in lengths) or any(n not in ANGLES for n in angles):
        raise UnwritableError("the cell is longer or more oblique than there are words for")
    sentence = [*prompt(numbers), f"sg{crystal.group}", *(f"l{n}" for n in lengths), *(f"d{n}" for n in angles)]
    for z, place in crystal.sites:
        sentence += [SYMBOLS[z], *(f"x{round(GRID * x) % GRID}" for x in place)]
    if len(sentence) + 1 > LONGEST:
        raise UnwritableError(f"the sentence has more than {LONGEST} words")
    return [*sentence, "<end>"]


@dataclass(frozen=True)
class Reading:
    """What a sentence says so far: each part is there as soon as its last word is. fields: one of FIELDS for every word."""

    content: tuple[tuple[int, int], ...]
    group: int | None
    lengths: tuple[float, ...]
    angles: tuple[float, ...]
    sites: tuple[tuple[int, tuple[float, float, float]], ...]
    ended: bool
    fields: tuple[str, ...]

    @property
    def cell_known(self) -> bool:
        return len(self.lengths) == 3 and len(self.angles) == 3

    def symmetrised(self) -> Symmetrised:
        """Raises UnwritableError while something is missing."""
        if self.group is None or not self.cell_known or not self.sites:
            raise UnwritableError("the sentence stops before there is a crystal")
        a, b, c = self.lengths
        alpha, beta, gamma = self.angles
        return Symmetrised(self.group, (a, b, c), (alpha, beta, gamma), self.sites)

    def crystal(self) -> Crystal:
        """The crystal of a finished sentence, its content a multiple of what was asked for. Raises UnwritableError."""
        if not self.ended:
            raise UnwritableError("the sentence has no end")
        try:
            made = self.symmetrised().crystal()
        except ValueError as error:
            raise UnwritableError(str(error)) from None
        counts = Counter(made.numbers.tolist())
        factors = {counts[z] / n for z, n in self.content}
        if set(counts) != {z for z, _ in self.content} or len(factors) > 1:
            raise UnwritableError(f"the sites make {made.formula}, not what was asked for")
        return made


def read(sentence: Sequence[str]) -> Reading:
    """Raises UnwritableError for a word where no sentence has it."""
    content: list[tuple[int, int]] = []
    group: int | None = None
    lengths: list[float] = []
    angles: list[float] = []
    sites: list[tuple[int, tuple[float, float, float]]] = []
    fields: list[str] = []
    place: list[float] = []
    element, ended = 0, False
    z_of = {symbol: z for z, symbol in enumerate(SYMBOLS) if z}
    for i, word in enumerate(sentence):
        wrong = UnwritableError(f"word {i + 1}, {word}, does not belong there")
        if word == "<begin>" and i == 0:
            fields.append("content")
        elif word == "<end>" and angles and not element and not ended:
            ended = True
            fields.append("end")
        elif ended:
            raise wrong
        elif word in z_of and not element and (group is None or len(angles) == 3):
            element = z_of[word]
            fields.append("content" if group is None else "elements of the sites")
        elif word[0] == "n" and word[1:].isdigit() and element and group is None:
            content.append((element, int(word[1:])))
            element = 0
            fields.append("content")
        elif word.startswith("sg") and content and not element and group is None:
            group = int(word[2:])
            fields.append("space group")
        elif word[0] == "l" and word[1:].isdigit() and group is not None and len(lengths) < 3:
            lengths.append(int(word[1:]) / 10)
            fields.append("lengths")
        elif word[0] == "d" and word[1:].isdigit() and len(lengths) == 3 and len(angles) < 3:
            angles.append(float(word[1:]))
            fields.append("angles")
        elif word[0] == "x" and word[1:].isdigit() and element and len(angles) == 3:
            place = [*place, int(word[1:]) / GRID]
            if len(place) == 3:
                sites.append((element, (place[0], place[1], place[2])))
                element, place = 0, []
            fields.append("coordinates")
        else:
            raise wrong
    return Reading(tuple(content), group, tuple(lengths), tuple(angles), tuple(sites), ended, tuple(fields))


class Layer(nn.Module):
    """Masked self-attention that also looks at the ghosts, then an MLP; both added to what comes in."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, ghosts: Tensor, mask: Tensor) -> Tensor:
        """h (B, L, width), ghosts (B, GHOSTS, 2 width) keys and values, mask (L, GHOSTS + L) bool."""
        b, n, width = h.shape
        split = lambda x: x.view(b, -1, self.heads, width // self.heads).transpose(1, 2)  # noqa: E731
        q, k, v = self.qkv(self.norm(h)).chunk(3, dim=-1)
        ghost_k, ghost_v = ghosts.chunk(2, dim=-1)
        seen = F.scaled_dot_product_attention(
            split(q), split(torch.cat([ghost_k, k], 1)), split(torch.cat([ghost_v, v], 1)), attn_mask=mask
        )
        h = h + self.dropout(self.out(seen.transpose(1, 2).reshape(b, n, width)))
        return h + self.dropout(self.mlp(h))


class Writer(nn.Module):
    """(B, L) words, (B,) standardised property, NaN where there is none -> (B, L, V) logits of the word that follows."""

    units: Tensor

    def __init__(self, width: int = 128, depth: int = 4, heads: int = 4, dropout: float = 0.1):
        super().__init__()
        self.register_buffer("units", torch.tensor([0.0, 1.0]))  # mean and spread of ln(volume per atom in Å^3)
        self.embed = nn.Embedding(len(words()), width)
        self.place = nn.Embedding(LONGEST, width)
        nn.init.normal_(self.embed.weight, std=0.02)
        nn.init.normal_(self.place.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.ghosts = nn.Sequential(nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, depth * GHOSTS * 2 * width))

    def forward(self, tokens: Tensor, prefix: Tensor) -> Tensor:
        b, n = tokens.shape
        told = ~prefix.isnan()
        ghosts = self.ghosts(torch.stack([torch.where(told, prefix, 0.0), told.float()], -1)).view(b, len(self.layers), GHOSTS, -1)
        mask = torch.cat([torch.ones(n, GHOSTS, dtype=torch.bool), torch.ones(n, n, dtype=torch.bool).tril()], 1)
        h = self.embed(tokens) + self.place.weight[:n]
        for i, layer in enumerate(self.layers):
            h = layer(h, ghosts[:, i], mask)
        return self.norm(h) @ self.embed.weight.T

    def prefix(self, volume_per_atom: Tensor) -> Tensor:
        """Å^3 (NaN: not told) -> what `forward` takes."""
        return (volume_per_atom.float().log() - self.units[0]) / self.units[1]


def encode(sentences: Sequence[Sequence[str]]) -> Tensor:
    """(B, L) long, padded with 0."""
    known = number_of()
    rows = [torch.tensor([known[word] for word in sentence]) for sentence in sentences]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def log_likelihood(network: Writer, tokens: Tensor, prefix: Tensor) -> Tensor:
    """(B, L - 1): ln p of every word after the first, 0 at the padding."""
    logits, target = network(tokens[:, :-1], prefix), tokens[:, 1:]
    return torch.where(target > 0, logits.log_softmax(-1).gather(-1, target[..., None]).squeeze(-1), 0.0)


def perplexity(log_p: Tensor) -> float:
    """exp of minus the mean of ln p over all words given, (M,)."""
    return math.exp(-float(log_p.double().mean()))


@torch.no_grad()
def stream(
    network: Writer, start: Sequence[str], *, volume_per_atom: float | None, seed: int, temperature: float = 0.8, top_k: int = 10
) -> Iterator[tuple[str, float]]:
    """(word, its probability) one after the other, from the first word after `start` to the end; deterministic by seed.

    temperature and top_k as CrystaLLM samples; temperature 0 takes the likeliest word. The first word is a space group: the content is
    given in whole. The probability is the network's own, without all this.
    """
    generator = torch.Generator().manual_seed(seed)
    tokens = encode([start])
    prefix = network.prefix(torch.tensor([float("nan") if volume_per_atom is None else volume_per_atom]))
    for i in range(LONGEST - len(start)):
        logits = network(tokens, prefix)[0, -1]
        chosen = _choose(logits[None], temperature, top_k, [generator], first=i == 0)[0]
        word = words()[int(chosen)]
        yield word, float(logits.softmax(-1)[chosen])
        if word == "<end>":
            return
        tokens = torch.cat([tokens, chosen.view(1, 1)], 1)


def _choose(logits: Tensor, temperature: float, top_k: int, generators: Sequence[torch.Generator], *, first: bool) -> Tensor:
    """(B, V) -> (B,) one word each. first: after the content, where only a space group can stand."""
    logits = logits.clone()
    logits[:, :2] = -torch.inf  # neither padding nor another beginning
    if first:
        begin = number_of()["sg1"]
        logits[:, :begin] = logits[:, begin + 230 :] = -torch.inf
    if temperature == 0:
        return logits.argmax(-1)
    best, index = logits.topk(top_k)
    shares = (best / temperature).softmax(-1)
    picked = torch.cat([torch.multinomial(row, 1, generator=g) for row, g in zip(shares, generators, strict=True)])
    return index.gather(1, picked[:, None])[:, 0]


@torch.no_grad()
def write_many(
    network: Writer,
    starts: Sequence[Sequence[str]],
    *,
    volumes: Sequence[float] | None = None,
    seed: int = 0,
    temperature: float = 0.8,
    top_k: int = 10,
) -> list[list[str]]:
    """One sentence for each start, all starts of one length in a batch; the law of `stream`."""
    result: list[list[str]] = [[] for _ in starts]
    for length in sorted({len(start) for start in starts}):
        rows = [i for i, start in enumerate(starts) if len(start) == length]
        tokens = encode([starts[i] for i in rows])
        told = torch.full((len(rows),), torch.nan) if volumes is None else torch.tensor([volumes[i] for i in rows])
        prefix, generators = network.prefix(told), [torch.Generator().manual_seed(seed * 1_000_003 + i) for i in rows]
        running = torch.ones(len(rows), dtype=torch.bool)
        while running.any() and tokens.shape[1] < LONGEST:
            chosen = torch.zeros(len(rows), dtype=torch.long)
            now = running.nonzero().flatten()
            logits = network(tokens[now], prefix[now])[:, -1]
            chosen[now] = _choose(logits, temperature, top_k, [generators[k] for k in now.tolist()], first=tokens.shape[1] == length)
            tokens = torch.cat([tokens, chosen[:, None]], 1)
            running &= chosen != number_of()["<end>"]
        for i, row in zip(rows, tokens.tolist(), strict=True):
            result[i] = [words()[t] for t in row if t]
    return result


@lru_cache(maxsize=2)
def load(path: Path = WEIGHTS) -> tuple[Writer, dict]:
    """The shipped network and what was measured with it. Raises ModelMissing."""
    return store.load(path, Writer())
