"""Text and crystal in one space: captions made from the data, a word-level text encoder, contrastive training (after Chemeleon).

| equation | name |
|---|---|
| logits_ij = exp(s) u_i . v_j, u and v of length one | CrystalText.logits |
| loss = mean of the cross-entropies over rows and over columns | contrastive_loss (Radford et al. 2021, CLIP, fig. 3) |

The crystal side reads what the shipped flow network sees in a finished crystal (frozen, t = 0, mean over the atoms) through a small
MLP. The text side
is a transformer over words: a vocabulary of elements, numbers, crystal systems and a few dozen English words, learned from nothing.
Chemeleon's is a
pretrained language model of materials science; ours knows only the words of the captions, and says which ones it does not.

Source: Park et al. 2025 (Chemeleon, Nat. Commun.); its code, hspark1212/chemeleon.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.generator.model.conversion import to_cells
from core.generator.model.network import Denoiser
from core.generator.systems import store
from core.structures.crystal import Crystal
from core.structures.elements import SYMBOLS
from core.structures.formula import reduced
from core.structures.space_groups import SYSTEMS, crystal_system

LONGEST = 32  # words of a caption that are read
WIDTH = 96
WEIGHTS = store.weights_path("captions")
NAMES = tuple(
    """
    hydrogen helium lithium beryllium boron carbon nitrogen oxygen fluorine neon sodium magnesium aluminium silicon phosphorus sulfur
    chlorine argon
    potassium calcium scandium titanium vanadium chromium manganese iron cobalt nickel copper zinc gallium germanium arsenic selenium
    bromine krypton
    rubidium strontium yttrium zirconium niobium molybdenum technetium ruthenium rhodium palladium silver cadmium indium tin antimony
    tellurium iodine
    xenon caesium barium lanthanum cerium praseodymium neodymium promethium samarium europium gadolinium terbium dysprosium holmium
    erbium thulium
    ytterbium lutetium hafnium tantalum tungsten rhenium osmium iridium platinum gold mercury thallium lead bismuth polonium astatine
    radon francium
    radium actinium thorium protactinium uranium neptunium plutonium americium curium berkelium californium einsteinium fermium
    mendelevium nobelium
    lawrencium
""".split()
)  # by atomic number, from 1
TEMPLATES = (
    "{formula}, {system}",
    "{formula} in the {system} crystal system",
    "{system} {formula}",
    "a {system} crystal of {formula}",
    "crystal structure of {formula} with {system} symmetry",
    "a {system} crystal made of {names}",
    "a compound of {names} with the formula {formula} and a {system} lattice",
    "{names} in a {system} cell, composition {formula}",
)
_PIECE = re.compile(r"[A-Z][a-z]?|\d+")


@cache
def vocabulary() -> dict[str, int]:
    """Word -> number, 0 for padding and 1 for a word that is none of them. An element's name is the same word as its symbol."""
    english = sorted({w for t in TEMPLATES for w in re.findall(r"[a-z]+", re.sub(r"\{.*?\}", "", t))} | {"and"})
    kept = ["<pad>", "<unknown>", *SYMBOLS[1:], *map(str, range(1, 21)), *SYSTEMS, *english]
    return {word: i for i, word in enumerate(kept)}


def tokens(text: str) -> list[str]:
    """Words, a formula taken apart: "tetragonal TiO2" -> tetragonal, Ti, 1, O, 2. What no caption has is "<unknown>"."""
    known, found = vocabulary(), []
    for word in re.findall(r"[A-Za-z0-9]+", text):
        lower = word.lower()
        if lower in NAMES:
            found.append(SYMBOLS[NAMES.index(lower) + 1])
        elif lower in known and not word[0].isupper() or lower in SYSTEMS or lower in known and len(word) > 2:
            found.append(lower)
        elif (pieces := _formula(word)) is not None:
            found += pieces
        else:
            found.append(lower if lower in known else "<unknown>")
    return found[:LONGEST]


def _formula(word: str) -> list[str] | None:
    """ "TiO2" -> Ti, 1, O, 2; None for what is no formula."""
    pieces = _PIECE.findall(word)
    if "".join(pieces) != word or not pieces or pieces[0].isdigit():
        return None
    made: list[str] = []
    for piece in pieces:
        if piece.isdigit():
            if made[-1] not in vocabulary() or made[-1].isdigit() or int(piece) not in range(1, 21):
                return None
            made.append(str(int(piece)))
        elif piece not in SYMBOLS:
            return None
        else:
            made += ["1"] * (bool(made) and not made[-1].isdigit()) + [piece]
    return made + ["1"] * (not made[-1].isdigit())


def unknown_words(text: str) -> list[str]:
    """Those that no caption has, as written."""
    return [word for word in re.findall(r"[A-Za-z0-9]+", text) if "<unknown>" in tokens(word)]


def formula(crystal: Crystal) -> str:
    """The reduced formula, elements as they stand in the crystal: TiO2."""
    counts = dict(reduced(crystal.numbers))
    return "".join(SYMBOLS[z] + (str(counts[z]) if counts[z] > 1 else "") for z in dict.fromkeys(crystal.numbers.tolist()))


def caption(crystal: Crystal, group: int, template: int) -> str:
    """One of TEMPLATES filled in: formula, names of the elements and crystal system are all that a caption knows."""
    names = [NAMES[z - 1] for z in dict.fromkeys(crystal.numbers.tolist())]
    told = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return TEMPLATES[template % len(TEMPLATES)].format(formula=formula(crystal), system=crystal_system(group), names=told)


def phrasings(crystal: Crystal, group: int) -> list[str]:
    """Three ways to say it, each with formula and crystal system."""
    return [caption(crystal, group, template) for template in (2, 4, 6)]


def encode(texts: Sequence[str]) -> Tensor:
    """(B, L) long, padded with 0."""
    known = vocabulary()
    rows = [torch.tensor([known.get(word, 1) for word in tokens(text)] or [1]) for text in texts]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


class CrystalText(nn.Module):
    """Two encoders into one space. crystal: (B, F) features of the frozen network; text: (B, L) words; both to (B, WIDTH) of length one."""

    mean: Tensor
    std: Tensor

    def __init__(self, n_features: int = 192, width: int = WIDTH, heads: int = 4, dropout: float = 0.1):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("std", torch.ones(n_features))
        self.from_crystal = nn.Sequential(nn.Linear(n_features, 2 * width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(2 * width, width))
        self.embed = nn.Embedding(len(vocabulary()), width)
        self.place = nn.Embedding(LONGEST, width)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, "gelu", batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, width)
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def crystal(self, features: Tensor) -> Tensor:
        return F.normalize(self.from_crystal((features - self.mean) / self.std), dim=-1)

    def text(self, words: Tensor) -> Tensor:
        hidden = words == 0
        h = self.body(self.embed(words) + self.place.weight[: words.shape[1]], src_key_padding_mask=hidden)
        h = self.norm(h).masked_fill(hidden[..., None], 0).sum(1) / (~hidden).sum(1, keepdim=True)
        return F.normalize(self.out(h), dim=-1)

    def logits(self, words: Tensor, features: Tensor) -> Tensor:
        """(B, C): how well each text fits each crystal."""
        return self.log_scale.clamp(max=4.6).exp() * self.text(words) @ self.crystal(features).T


def contrastive_loss(logits: Tensor) -> Tensor:
    """(B, B) of texts and crystals that belong together in this order -> scalar."""
    own = torch.arange(len(logits))
    return 0.5 * (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own))


@torch.no_grad()
def seen_by(network: Denoiser, crystals: Sequence[Crystal]) -> Tensor:
    """(n, F): mean over the atoms of what the network's heads read in a finished crystal (t = 0)."""
    result = torch.zeros(len(crystals), network.config.width)
    sizes = np.array([crystal.n_atoms for crystal in crystals])
    for n in np.unique(sizes):
        for rows in np.array_split(np.flatnonzero(sizes == n), -(-int((sizes == n).sum()) // 64)):
            cells = to_cells(network, [crystals[i] for i in rows])
            result[torch.from_numpy(rows)] = network.features(*cells, torch.zeros(len(rows)))[0].mean(1)
    return result


def ranks(scores: Tensor) -> Tensor:
    """(B,) 0 for a row of (B, C) whose own crystal, column 0, is the best; ties count against it."""
    return (scores[:, 1:] >= scores[:, :1]).sum(-1)


@lru_cache(maxsize=2)
def load(path: Path = WEIGHTS) -> tuple[CrystalText, dict]:
    """The shipped encoders and what was measured with them. Raises ModelMissing."""
    return store.load(path, CrystalText())


@torch.no_grad()
def fits(text: str, features: Tensor) -> Tensor:
    """(n,) cosine between a text and crystals (n, F), -1 to 1. Raises ModelMissing."""
    encoders = load()[0]
    return encoders.text(encode([text]))[0] @ encoders.crystal(features).T
