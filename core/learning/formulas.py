"""Chemical formulas as two rows of tokens, and a small network that guesses the clean ones (D3PM).

A formula of n elements is n slots; each slot holds an element token and a count token, and both are diffused on their own.
Elements stand in the order of Pettifor's Mendeleev numbers, so that "a few categories away" means "a chemical relative":
that is what the discretised Gaussian needs. Slots stand in the order of electronegativity, as formulas are written.

equation -> name
    q(x_t | x_0)  per token                                  -> chains, corrupt
    p(x_0 | x_t), all tokens seen, each guessed on its own   -> FormulaDenoiser
    x_T -> x_0 with the guess in place of x_0                -> restore

Sources: Austin et al. 2021 (D3PM, NeurIPS); Pettifor, J. Phys. C 19, 285 (1986) for the order.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from core.metrics.validity import formula_valid
from core.numerics.categorical import DiscreteDiffusion, cosine_betas, draw, mutual_information_betas
from core.numerics.manifest import check
from core.numerics.networks import MODELS, unusable
from core.numerics.tensors import save_tensors

ELEMENTS = tuple(
    "He Kr Xe Cs Rb K Na Li Ba Sr Ca Yb Eu Sc Lu Tm Er Ho Dy Y Tb Gd Sm Pm Nd Pr Ce La Pu Np U Pa Th Ac Zr Hf Ti Ta Nb V W Mo "
    "Cr Re Tc Mn Fe Ru Os Co Rh Ir Ni Pt Pd Au Ag Cu Mg Hg Cd Zn Be Tl In Al Ga Pb Sn Ge Si B Bi Sb As P Te Se S C I Br Cl N O "
    "F H".split()
)
COUNTS = tuple(range(1, 21))
SLOTS = 6
FAMILIES = ("uniform", "absorbing", "gaussian")
TOKENS = {"elements": len(ELEMENTS), "counts": len(COUNTS)}
WEIGHTS = MODELS / "formulas.safetensors"
_SLOT = re.compile(r"\s*([A-Z][a-z]?|\?)\s*(\d+|\?)?")
GAUSSIAN_REACH = 6.0  # sum of the betas of the Gaussian chain: at its end x_T is flat to 3 % at worst (see the tests)


@lru_cache(maxsize=64)
def chains(family: str, kind: str, n_steps: int, reach: float = 1.0) -> DiscreteDiffusion:
    """The chain of one kind of token, "elements" or "counts". The mask, if there is one, is the category after the last.

    uniform: cosine schedule; absorbing: 1/(T - t + 1); gaussian: betas rising linearly to a fixed sum. After t of T steps
    about as much is left for every T, so one network serves all. reach < 1 shrinks every beta: then x_T still knows x_0.
    Raises ValueError for an unknown family, KeyError for an unknown kind.
    """
    if family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}; choose one of {', '.join(FAMILIES)}")
    if family == "gaussian":
        rise = torch.arange(1, n_steps + 1, dtype=torch.float64)
        betas = (GAUSSIAN_REACH * rise / rise.sum()).clamp(max=1.0)
    else:
        betas = cosine_betas(n_steps) if family == "uniform" else mutual_information_betas(n_steps)
    return DiscreteDiffusion.of(family, TOKENS[kind] + (family == "absorbing"), reach * betas)


@dataclass(frozen=True)
class Formulas:
    """B formulas as tokens. elements, counts: (B, S) categories; present: (B, S) bool, the slots in use."""

    elements: Tensor
    counts: Tensor
    present: Tensor

    def __len__(self) -> int:
        return len(self.elements)

    def texts(self) -> list[str]:
        """`Sr1 Ti1 O3`, a masked token as `?`."""
        return [
            " ".join(_text(int(e), int(c)) for e, c, p in zip(*rows, strict=True) if p)
            for rows in zip(self.elements, self.counts, self.present, strict=True)
        ]

    def pairs(self) -> list[list[tuple[str, int]] | None]:
        """[(symbol, count), ...] of each formula, an element named twice counted together; None while a token is masked."""
        result: list[list[tuple[str, int]] | None] = []
        for es, cs, ps in zip(self.elements.tolist(), self.counts.tolist(), self.present.tolist(), strict=True):
            slots = [(e, c) for e, c, p in zip(es, cs, ps, strict=True) if p]
            if any(e == len(ELEMENTS) or c == len(COUNTS) for e, c in slots):
                result.append(None)
                continue
            merged: dict[str, int] = {}
            for e, c in slots:
                merged[ELEMENTS[e]] = merged.get(ELEMENTS[e], 0) + COUNTS[c]
            result.append(list(merged.items()))
        return result

    @classmethod
    def of(cls, formulas: Sequence[Sequence[tuple[str | None, int | None]]]) -> Formulas:
        """From (symbol, count) pairs; None is the mask. Raises ValueError for what has no token."""
        shape = (len(formulas), SLOTS)
        elements, counts = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        present = torch.zeros(shape, dtype=torch.bool)
        for b, slots in enumerate(formulas):
            if not 1 <= len(slots) <= SLOTS:
                raise ValueError(f"a formula here has 1 to {SLOTS} elements, not {len(slots)}")
            for s, (symbol, count) in enumerate(slots):
                elements[b, s], counts[b, s], present[b, s] = _element_token(symbol), _count_token(count), True
        return cls(elements, counts, present)


def parse(text: str) -> Formulas:
    """One formula as typed, `Sr1 Ti1 O3` or `Sr? ?1 O3`; known elements are put in the order of electronegativity.

    A single `?` after an element hides its count, one in place of an element hides the element. Raises ValueError in words.
    """
    slots, at, text = [], 0, text.strip()
    while at < len(text):
        found = _SLOT.match(text, at)
        if not found:
            raise ValueError(f"{text[at]!r} in {text[:30]!r} does not belong in a formula; write Sr1 Ti1 O3, and ? for what is not known")
        symbol, count, at = found[1], found[2], found.end()
        slots.append((None if symbol == "?" else symbol, None if count == "?" else int((count or "1")[:4])))
    if not slots:
        raise ValueError("the formula is empty; write Sr1 Ti1 O3, and ? for what is not known")
    named = [symbol for symbol, _ in slots if symbol]
    if len(set(named)) < len(named):
        raise ValueError(f"{max(named, key=named.count)} stands twice in {text[:30]!r}")
    if len(named) == len(slots):
        slots.sort(key=lambda slot: electronegativity().get(slot[0] or "", 0.0))
    return Formulas.of([slots])


def _text(element: int, count: int) -> str:
    return (ELEMENTS[element] if element < len(ELEMENTS) else "?") + (str(COUNTS[count]) if count < len(COUNTS) else "?")


def _element_token(symbol: str | None) -> int:
    if symbol is None:
        return len(ELEMENTS)
    if symbol not in ELEMENTS:
        raise ValueError(f"{symbol} is not among the {len(ELEMENTS)} elements of the training formulas")
    return ELEMENTS.index(symbol)


def _count_token(count: int | None) -> int:
    if count is None:
        return len(COUNTS)
    if count not in COUNTS:
        raise ValueError(f"a count here is {COUNTS[0]} to {COUNTS[-1]}, not {count}")
    return count - 1


@lru_cache(maxsize=1)
def electronegativity() -> dict[str, float]:
    """Pauling's scale; elements without a value stand first."""
    import warnings

    from pymatgen.core import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = {symbol: float(Element(symbol).X) for symbol in ELEMENTS}
    return {symbol: 0.0 if math.isnan(x) else x for symbol, x in values.items()}


class FormulaDenoiser(nn.Module):
    """A small transformer over slots: (x_t, family, t/T) -> logits of the clean element and count of every slot.

    forward: elements, counts (B, S) long with S up to SLOTS, present (B, S) bool, family (B,) long, t (B,) in [0, 1]
    -> (B, S, E) and (B, S, C) logits. Nothing masked can be answered: the mask is no clean token.
    """

    def __init__(self, width: int = 96, depth: int = 3, heads: int = 4, dropout: float = 0.1):
        super().__init__()
        self.config = {"width": width, "depth": depth, "heads": heads, "dropout": dropout}
        self.element = nn.Embedding(len(ELEMENTS) + 1, width)
        self.count = nn.Embedding(len(COUNTS) + 1, width)
        self.place = nn.Embedding(SLOTS, width)
        self.size = nn.Embedding(SLOTS + 1, width)
        self.family = nn.Embedding(len(FAMILIES), width)
        self.time = nn.Sequential(nn.Linear(16, width), nn.SiLU(), nn.Linear(width, width))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.to_element = nn.Linear(width, len(ELEMENTS))
        self.to_count = nn.Linear(width, len(COUNTS))

    def forward(self, elements: Tensor, counts: Tensor, present: Tensor, family: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        waves = t[:, None].float() * math.pi * torch.arange(1, 9)
        whole = self.time(torch.cat([waves.sin(), waves.cos()], -1)) + self.family(family) + self.size(present.sum(1))
        h = self.element(elements) + self.count(counts) + self.place.weight[: elements.shape[1]] + whole[:, None]
        h = self.norm(self.body(h, src_key_padding_mask=~present))
        return self.to_element(h), self.to_count(h)


@dataclass(frozen=True)
class FormulaModel:
    """The network and what its file says: `about` carries token frequencies, sizes, and what was measured."""

    network: FormulaDenoiser
    about: dict

    def prior(self, kind: str) -> Tensor:
        """(K,) how often each clean token occurs in the training formulas."""
        counted = torch.tensor(self.about["frequency"][kind], dtype=torch.float64)
        return counted / counted.sum()

    @torch.no_grad()
    def predict(self, x: Formulas, family: str, t: float) -> tuple[Tensor, Tensor]:
        """p(x_0 | x_t) of elements (B, S, K) and counts (B, S, K), with a zero for the mask where the chain has one; t in [0, 1]."""
        n = len(x)
        logits = self.network(x.elements, x.counts, x.present, torch.full((n,), FAMILIES.index(family)), torch.full((n,), t))
        pad = (0, 1) if family == "absorbing" else (0, 0)
        elements, counts = (nn.functional.pad(one.double().softmax(-1), pad) for one in logits)
        return elements, counts


def corrupt(clean: Formulas, family: str, t: int, n_steps: int, *, generator: torch.Generator) -> Formulas:
    """One jump q(x_t | x_0) of every token. What is masked already stays so (only the absorbing chain has a mask)."""
    jumped = []
    for kind, x0 in (("elements", clean.elements), ("counts", clean.counts)):
        chain = chains(family, kind, n_steps)
        if (x0[clean.present] >= chain.n_categories).any():
            raise ValueError(f"the {family} chain has no mask: only the absorbing one knows an empty place")
        jumped.append(draw(chain.marginal(x0, t), generator))
    elements, counts = jumped
    return Formulas(elements, counts, clean.present)


def noise(n: int, sizes: Tensor, family: str, n_steps: int, *, generator: torch.Generator) -> Formulas:
    """x_T for n new formulas of `sizes` (n,) elements: masks, or tokens that are all equally likely."""
    present = torch.arange(SLOTS) < sizes[:, None]
    tokens = []
    for kind in TOKENS:
        k = chains(family, kind, n_steps).n_categories
        free = torch.randint(k, (n, SLOTS), generator=generator)
        tokens.append(torch.full_like(free, k - 1) if family == "absorbing" else free)
    elements, counts = tokens
    return Formulas(elements, counts, present)


def restore(
    model: FormulaModel, x: Formulas, family: str, t: int, n_steps: int, *, generator: torch.Generator, as_printed: bool = False
) -> Iterator[Formulas]:
    """Yield x_t, x_{t-1}, ..., x_0, every step by the network's guess.

    In the absorbing chain a token that is not masked stays as it is, so that known parts of a formula condition the rest.
    as_printed: weigh the guess as the sum over q(x_{t-1}, x_t | x_0) is printed, without dividing by q(x_t | x_0).
    """
    yield x
    for step in range(t, 0, -1):
        tokens = []
        guesses = model.predict(x, family, step / n_steps)
        for kind, xt, guess in zip(TOKENS, (x.elements, x.counts), guesses, strict=True):
            chain = chains(family, kind, n_steps)
            if as_printed:
                guess = guess * chain.cumulative[step].T[xt]
            hidden = xt == len(ELEMENTS if kind == "elements" else COUNTS)
            if family == "absorbing":  # at t = T nothing is visible in theory; what is known all the same stays
                masked = torch.full_like(xt, chain.n_categories - 1)
                tokens.append(torch.where(hidden, draw(chain.reverse(masked, guess, step), generator), xt))
            else:
                tokens.append(draw(chain.reverse(xt, guess, step), generator))
        elements, counts = tokens
        x = Formulas(elements, counts, x.present)
        yield x


def write(model: FormulaModel, family: str, *, n_formulas: int, n_steps: int, seed: int) -> list[list[tuple[str, int]]]:
    """New formulas from noise, of as many elements as those of the data have."""
    generator = torch.Generator().manual_seed(seed)
    sizes = draw(torch.tensor(model.about["sizes"], dtype=torch.float64).expand(n_formulas, -1), generator)
    *_, x = restore(model, noise(n_formulas, sizes, family, n_steps, generator=generator), family, n_steps, n_steps, generator=generator)
    return [pairs for pairs in x.pairs() if pairs is not None]  # nothing is masked at the end


def balance(formulas: Sequence[Sequence[tuple[str, int]]]) -> float:
    """Share of formulas that pass SMACT's charge test."""
    from pymatgen.core import Element

    passed = [formula_valid([(Element(symbol).Z, n) for symbol, n in formula]) for formula in formulas]
    return sum(passed) / len(passed)


def save_model(model: FormulaModel, path: Path) -> None:
    """Weights, shape and `about` in one safetensors file, weights in half precision."""
    halves = {name: tensor.half() for name, tensor in model.network.state_dict().items()}
    save_tensors(path, halves, {"config": model.network.config, "about": model.about})


@lru_cache(maxsize=2)
def load_model(path: Path = WEIGHTS) -> FormulaModel:
    """The shipped model. Raises ModelMissing when the file is absent or unreadable."""
    try:
        check(path)
        with safe_open(str(path), framework="pt") as file:
            config, about = (json.loads(file.metadata()[name]) for name in ("config", "about"))
        network = FormulaDenoiser(**config)
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(str(path)).items()})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise unusable(path, error, "n2c train formulas POOL.npz") from error
    return FormulaModel(network.eval().requires_grad_(False), about)
