"""A language small enough to know every sentence of, and masked diffusion on it with the exact denoiser.

Every sentence has seven words whose number and sense must agree, so words cannot be guessed one by one. With all
sentences listed, p(x_0 | x_t) is a sum: what a text model such as those behind Mercury or LLaDA learns is here exact, and what
is left to see is the sampler. Unmasking several words in one step draws them independently of each other.

equation -> name
    p(x_0^i = w | x_t) = sum of the sentences that fit what is visible       -> Language.guess
    absorbing chain, T steps: each mask is filled with probability 1/t       -> unmask(order="chance")   (Austin et al. 2021)
    the surest L/T masks are filled in each step                             -> unmask(order="surest")   (Nie et al. 2025, LLaDA)
    sum_s prod_i p_i(s_i): grammatical share of one step                     -> Language.one_step_share
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import torch
from torch import Tensor

from core.numerics.categorical import draw

DETERMINERS = {"one": ("a", "this", "one"), "many": ("some", "these", "two")}
KINDS = {  # adjectives; nouns (one, many); verb (one, many) -> how the sentence may end
    "solid": (
        ("small", "pure", "old"),
        (("crystal", "crystals"), ("grain", "grains")),
        {
            ("melts", "melt"): ("in the furnace", "under the laser"),
            ("grows", "grow"): ("from the melt", "on the wire"),
            ("cracks", "crack"): ("under the load", "along the edge"),
        },
    ),
    "particle": (
        ("light", "lone", "hot"),
        (("atom", "atoms"), ("ion", "ions")),
        {
            ("hops", "hop"): ("across the barrier", "along the channel"),
            ("diffuses", "diffuse"): ("through the lattice", "into the pore"),
            ("vibrates", "vibrate"): ("around the site", "inside the cage"),
        },
    ),
    "wave": (
        ("long", "weak", "fast"),
        (("phonon", "phonons"), ("wave", "waves")),
        {
            ("scatters", "scatter"): ("off the defect", "at the wall"),
            ("travels", "travel"): ("through the solid", "along the axis"),
            ("decays", "decay"): ("within the bulk", "behind the pulse"),
        },
    ),
}


@dataclass(frozen=True)
class Language:
    """words: V of them; sentences (S, L): all that are grammatical, equally likely. The mask is category V."""

    words: tuple[str, ...]
    sentences: Tensor

    @property
    def mask(self) -> int:
        return len(self.words)

    @property
    def length(self) -> int:
        return self.sentences.shape[1]

    def masked(self, n: int) -> Tensor:
        """(n, L) masks only."""
        return torch.full((n, self.length), self.mask)

    def guess(self, x: Tensor) -> Tensor:
        """(B, L) with masks -> (B, L, V): the law of each clean word, all visible words seen.

        Where no sentence fits, those that miss the fewest visible words count.
        """
        table = self.one_hot
        seen = torch.nn.functional.one_hot(x, self.mask + 1)[..., :-1].float().flatten(1)
        agree = seen @ table.T
        fits = (agree == agree.max(1, keepdim=True).values).float()
        return ((fits @ table) / fits.sum(1, keepdim=True)).reshape(*x.shape, self.mask)

    @cached_property
    def one_hot(self) -> Tensor:
        """(S, L V) float32."""
        return torch.nn.functional.one_hot(self.sentences, self.mask).float().flatten(1)

    def grammatical(self, x: Tensor) -> Tensor:
        """(B, L) -> (B,) bool."""
        return (x[:, None] == self.sentences).all(-1).any(1)

    def one_step_share(self) -> float:
        """Probability that words drawn each from its own marginal law make a sentence."""
        p = self.guess(self.masked(1))[0]
        return float(p[torch.arange(self.length), self.sentences].double().prod(1).sum())

    def text(self, row: Tensor) -> list[str]:
        return [self.words[w] if w < self.mask else "▁▁▁" for w in row.tolist()]


@lru_cache(maxsize=1)
def language() -> Language:
    """All sentences of the grammar above."""
    rows = []
    for adjectives, nouns, verbs in KINDS.values():
        for number, k in (("one", 0), ("many", 1)):
            for determiner, adjective, noun, (verb, ends) in product(DETERMINERS[number], adjectives, nouns, verbs.items()):
                rows += [(determiner, adjective, noun[k], verb[k], *end.split()) for end in ends]
    words = tuple(sorted({word for row in rows for word in row}))
    index = {word: i for i, word in enumerate(words)}
    return Language(words, torch.tensor([[index[word] for word in row] for row in rows]))


def unmask(x: Tensor, n_steps: int, *, order: str = "chance", generator: torch.Generator) -> Iterator[Tensor]:
    """Yield x_T, ..., x_0: (B, L) sentences with fewer and fewer masks. Raises ValueError for an unknown order."""
    if order not in ("chance", "surest"):
        raise ValueError(f"order is 'chance' or 'surest', not {order!r}")
    speech = language()
    yield x
    for step in range(n_steps, 0, -1):
        now = x == speech.mask
        if order == "chance":
            now = now & (torch.rand(x.shape, generator=generator) < 1 / step)
        rows = now.any(1)  # only these need a guess
        p, here = speech.guess(x[rows]), now[rows]
        if order == "surest":
            sure = (p.max(-1).values + 1e-4 * torch.rand(here.shape, generator=generator)).masked_fill(~here, -1)
            rank = sure.argsort(1, descending=True).argsort(1)
            here = here & (rank < torch.ceil(here.sum(1, keepdim=True) / step))
        x = x.clone()
        x[rows] = torch.where(here, draw(p, generator), x[rows])
        yield x


def written(
    n_steps: int, *, order: str = "chance", n: int = 3, n_moments: int = 5, seed: int = 0
) -> tuple[list[tuple[int, list[list[tuple[str, bool]]]]], list[bool]]:
    """n sentences as they appear: (steps to go, the (word, is it a mask) of each) at a few moments; and which ended grammatical."""
    speech = language()
    states = list(unmask(speech.masked(n), n_steps, order=order, generator=torch.Generator().manual_seed(seed)))
    keep = sorted({round(i * n_steps / (n_moments - 1)) for i in range(n_moments)})
    story = [
        (n_steps - i, [[(word, now == speech.mask) for word, now in zip(speech.text(row), row.tolist(), strict=True)] for row in states[i]])
        for i in keep
    ]
    return story, speech.grammatical(states[-1]).tolist()


def grammatical_share(n_steps: int, *, order: str = "chance", n: int = 400, seed: int = 0) -> tuple[float, float]:
    """(share, standard error) of n sentences written in n_steps that are grammatical."""
    generator = torch.Generator().manual_seed(seed)
    *_, x = unmask(language().masked(n), n_steps, order=order, generator=generator)
    share = float(language().grammatical(x).double().mean())
    return share, max((share * (1 - share) / n) ** 0.5, 0.5 / n)


def grammatical_in_two_steps(seed: int = 0) -> tuple[int, str]:
    """How many sentences are grammatical after two steps, the surest words first: 0 nearly all, 1 about half, 2 hardly any."""
    share, error = grammatical_share(2, order="surest", n=1000, seed=seed)
    right = 0 if share > 0.75 else 1 if share > 0.2 else 2
    return right, f"With an exact denoiser, {share:.0%} ± {error:.0%} of 1,000 sentences are grammatical."
