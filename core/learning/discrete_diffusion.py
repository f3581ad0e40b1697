"""Discrete diffusion: many tokens walk between categories, forward to noise and back, beside the exact law of each step.

equation -> name
    q(x_t | x_0) = x_0 Q_1 ... Q_t                                   -> forward_law    (Austin et al. 2021, eq. 3)
    q(x_{t-1} | x_t) ~ q(x_t | x_{t-1}) q(x_{t-1})                   -> posterior_law  (eq. 3, summed over x_0)
    x_T -> x_0 with the exact p(x_0 | x_t)                           -> sample, backward
    corrupt a formula, let the network restore it                    -> restore_formula (formulas.restore)
    1/2 sum |n_k/n - p_k|                                            -> truth
    sum (n_k - n p_k)^2 / n p_k                                      -> chi_square

Matrices: rows are where from. The lecture's Cat(x_t; Q_t x_{t-1}) means the transpose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy import special
from torch import Tensor

from core.learning.formulas import (
    COUNTS,
    ELEMENTS,
    FAMILIES,
    TOKENS,
    Formulas,
    balance,
    chains,
    corrupt,
    load_model,
    parse,
    restore,
    write,
)
from core.numerics.categorical import DiscreteDiffusion, draw, draw_rows
from core.numerics.distances import Floor, Truth, total_variation, total_variation_floor
from core.numerics.networks import ModelMissing

STARTS = ("data", "one token")
ONE = {"elements": "Ti", "counts": "3"}


@dataclass(frozen=True)
class Walk:
    """N tokens in T + 1 states each way. forward (T + 1, N) from t = 0; backward (T + 1, N) from t = T.

    prior (K,): the law of x_0; chain: with its closed forms; names: K labels, the mask as "?".
    """

    chain: DiscreteDiffusion
    prior: Tensor
    names: tuple[str, ...]
    forward: Tensor
    backward: Tensor

    @property
    def n_steps(self) -> int:
        return self.chain.n_steps

    def forward_law(self, t: int) -> Tensor:
        """(K,) exact law of x_t."""
        return self.prior @ self.chain.cumulative[t]

    def posterior_law(self, t: int, xt: int) -> Tensor:
        """(K,) exact law of x_{t-1} given x_t."""
        joint = self.forward_law(t - 1) * self.chain.transitions[t - 1][:, xt]
        return joint / joint.sum()


def names(tokens: str, family: str) -> tuple[str, ...]:
    """Labels of the categories in their order; the mask, if the chain has one, last."""
    clean = ELEMENTS if tokens == "elements" else tuple(map(str, COUNTS))
    return clean + (("?",) if family == "absorbing" else ())


def prior(tokens: str, start: str, family: str) -> Tensor:
    """(K,) law of x_0: as in the training formulas, or one token for certain. Flat where no weights file tells."""
    labels = names(tokens, family)
    if start == "one token":
        return torch.nn.functional.one_hot(torch.tensor(labels.index(ONE[tokens])), len(labels)).double()
    try:
        law = load_model().prior(tokens)
    except ModelMissing:
        law = torch.full((TOKENS[tokens],), 1 / TOKENS[tokens], dtype=torch.float64)
    return torch.nn.functional.pad(law, (0, len(labels) - len(law)))


def sample(
    *,
    tokens: str = "elements",
    family: str = "gaussian",
    start: str = "data",
    n_steps: int = 50,
    n_particles: int = 2000,
    reach: float = 1.0,
    as_printed: bool = False,
    seed: int = 0,
) -> Walk:
    """Tokens corrupted step by step, and others restored from pure noise by the exact guess of x_0.

    reach: factor on every beta; below 1 the forward walk ends before all is forgotten, while the way back starts from noise
    all the same. as_printed: sum the joint law over the guess, without dividing by q(x_t | x_0); see
    `DiscreteDiffusion.reverse`. Raises ValueError for unknown names.
    """
    if tokens not in TOKENS or start not in STARTS or family not in FAMILIES:
        raise ValueError(f"tokens {tokens!r}, start {start!r}, family {family!r}: choose of {list(TOKENS)}, {STARTS}, {FAMILIES}")
    chain, law = chains(family, tokens, n_steps, reach), prior(tokens, start, family)
    generator = torch.Generator().manual_seed(seed)
    x0 = draw(law.expand(n_particles, -1), generator)
    forward = torch.stack(list(chain.forward_chain(x0, generator=generator)))
    noise = torch.zeros(chain.n_categories, dtype=torch.float64)
    noise[-1 if family == "absorbing" else slice(None)] = 1
    backward = [draw(noise.expand(n_particles, -1), generator)]
    for table in chain.reverse_rows(guess(chain, law, as_printed)):
        backward.append(draw_rows(table, backward[-1], generator))
    return Walk(chain, law, names(tokens, family), forward, torch.stack(backward))


def guess(chain: DiscreteDiffusion, law: Tensor, as_printed: bool = False) -> Callable[[Tensor, int], Tensor]:
    """The exact p(x_0 | x_t); where x_t cannot come from `law` at all, the law itself."""

    def predict(xt: Tensor, t: int) -> Tensor:
        joint = law * chain.cumulative[t].T[xt]
        total = joint.sum(-1, keepdim=True)
        p = torch.where(total > 0, joint / total.clamp(min=1e-300), law)
        return p * chain.cumulative[t].T[xt] if as_printed else p

    return predict


def counts(x: Tensor, n_categories: int) -> Tensor:
    """(K,) how many tokens are in each category."""
    return x.bincount(minlength=n_categories).double()


def truth(counted: Tensor, law: Tensor) -> Truth:
    """Total variation of the counted tokens to the exact law, and what draws from that law score."""
    return Truth("total variation distance", total_variation(counted, law), _floor(int(counted.sum()), tuple(law.tolist())), of="tokens")


@lru_cache(maxsize=128)
def _floor(n: int, law: tuple[float, ...]) -> Floor:
    return total_variation_floor(n, torch.tensor(law, dtype=torch.float64))


@dataclass(frozen=True)
class ChiSquare:
    """Pearson's test; categories expected fewer than five times are counted together. p: of a value as large by chance."""

    value: float
    dof: int
    p: float


def chi_square(counted: Tensor, law: Tensor) -> ChiSquare:
    """Counted tokens against their exact law. Something counted where nothing can be gives p = 0."""
    measured, expected = counted.double().numpy(), law.numpy() / float(law.sum()) * float(counted.sum())
    if measured[expected == 0].sum() > 0:
        return ChiSquare(float("inf"), 0, 0.0)
    large = expected >= 5
    seen, wanted = [np.append(a[large], a[~large].sum()) for a in (measured, expected)]
    seen, wanted = seen[wanted > 0], wanted[wanted > 0]
    dof = len(wanted) - 1
    value = float(((seen - wanted) ** 2 / wanted).sum())
    return ChiSquare(value, dof, float(special.chdtrc(dof, value)) if dof else 1.0)


@dataclass(frozen=True)
class Checks:
    """marginal: x_t of the forward walk against q(x_t). posterior: x_{t-1} of those now at `at`, against q(x_{t-1} | x_t)."""

    marginal: ChiSquare
    posterior: ChiSquare
    at: str
    n_posterior: int


def checks(walk: Walk, t: int) -> Checks:
    """Simulated chains against the closed forms at time t >= 1."""
    k = walk.chain.n_categories
    here = counts(walk.forward[t], k)
    at = int(here.argmax())
    before = walk.forward[t - 1][walk.forward[t] == at]
    return Checks(
        chi_square(here, walk.forward_law(t)), chi_square(counts(before, k), walk.posterior_law(t, at)), walk.names[at], len(before)
    )


def still_the_same(walk: Walk, t: int) -> tuple[int, str]:
    """Share of tokens that are at t what they were at 0: 0 more than three quarters, 1 at least a quarter, 2 less. Exact, and counted."""
    share = float(walk.prior @ walk.chain.cumulative[t].diagonal())
    counted = float((walk.forward[t] == walk.forward[0]).double().mean())
    return (0 if share > 0.75 else 1 if share >= 0.25 else 2), (
        f"At t = {t} of {walk.n_steps}, {share:.1%} of all tokens are what they were at the start; of those on the stage, {counted:.1%}."
    )


def back_home(walk: Walk) -> tuple[int, str]:
    """Do the restored tokens follow the law of the data? 0 no test can tell, 1 they do not (Pearson's test, p < 0.001)."""
    p = chi_square(counts(walk.backward[-1], walk.chain.n_categories), walk.prior).p
    return int(p < 0.001), f"Draws from the law of the data would be as far from it or farther in {p:.2g} of all cases."


@dataclass(frozen=True)
class Restored:
    """One formula corrupted to a noise level and restored many times.

    clean, corrupted: texts; films: for a few tries [(t, tokens)], a token being (text, is it that of the clean formula?, masked?);
    Of the tokens that were changed or hidden: share came back as they were, named were the network's first guess (its most
    likely token, before any step), commonest is what always naming the commonest token gets; NaN where nothing was lost.
    whole: tries that came back whole. finals: all tries' formulas.
    """

    clean: str
    corrupted: str
    films: list[list[tuple[int, list[tuple[str, bool, bool]]]]]
    share: float
    named: float
    commonest: float
    whole: float
    finals: list[str]


def restore_formula(
    text: str,
    *,
    family: str,
    level: float,
    n_steps: int,
    n_tries: int = 64,
    n_films: int = 3,
    n_moments: int = 7,
    as_printed: bool = False,
    seed: int = 0,
) -> Restored:
    """Corrupt a formula to noise level t/T = `level` and let the network restore it, each try with noise of its own.

    A formula with a `?` is not corrupted further: only the unknown places are filled. Raises ValueError for a bad formula and
    for a `?` where the chain has no mask, ModelMissing.
    """
    model, given = load_model(), parse(text)
    t = max(1, round(level * n_steps))
    generator = torch.Generator().manual_seed(seed)
    many = Formulas(*(part.expand(n_tries, -1).clone() for part in (given.elements, given.counts, given.present)))
    open_places = any("?" in token for token in given.texts())
    if open_places and family != "absorbing":
        raise ValueError("only the absorbing chain has an empty place: choose it, or write the formula without ?")
    start = many if open_places else corrupt(many, family, t, n_steps, generator=generator)
    t = n_steps if open_places else t
    states = list(restore(model, start, family, t, n_steps, generator=generator, as_printed=as_printed))
    keep = sorted({round(i * (len(states) - 1) / (n_moments - 1)) for i in range(n_moments)})
    films = [[(t - i, _tokens(states[i], many, b)) for i in keep] for b in range(min(n_films, n_tries))]
    final, here = states[-1], many.present
    gone = torch.stack([(a != b) & here for a, b in ((start.elements, many.elements), (start.counts, many.counts))])
    back = torch.stack([a == b for a, b in ((final.elements, many.elements), (final.counts, many.counts))])
    usual = torch.stack(
        [clean == int(model.prior(kind).argmax()) for kind, clean in (("elements", many.elements), ("counts", many.counts))]
    )
    first = model.predict(start, family, t / n_steps)
    named = torch.stack([guess.argmax(-1) == clean for guess, clean in zip(first, (many.elements, many.counts), strict=True)])
    n = int(gone.sum())
    whole = float((back | ~here).all(2).all(0).double().mean())
    return Restored(
        given.texts()[0],
        start.texts()[0],
        films,
        float(back[gone].double().mean()) if n else math.nan,
        float(named[gone].double().mean()) if n else math.nan,
        float(usual[gone].double().mean()) if n else math.nan,
        math.nan if open_places else whole,
        final.texts(),
    )


def _tokens(now: Formulas, clean: Formulas, b: int) -> list[tuple[str, bool, bool]]:
    result = []
    for s in range(int(clean.present[b].sum())):
        e, c = int(now.elements[b, s]), int(now.counts[b, s])
        result.append((ELEMENTS[e] if e < len(ELEMENTS) else "▁▁", e == int(clean.elements[b, s]), e == len(ELEMENTS)))
        result.append((str(COUNTS[c]) if c < len(COUNTS) else "▁", c == int(clean.counts[b, s]), c == len(COUNTS)))
    return result


def write_balance(family: str, *, n_formulas: int = 100, n_steps: int = 20, seed: int = 0) -> tuple[float, float]:
    """(share, standard error) of new formulas that pass the charge test. Raises ModelMissing."""
    share = balance(write(load_model(), family, n_formulas=n_formulas, n_steps=n_steps, seed=seed))
    return share, math.sqrt(max(share * (1 - share), 0.25 / n_formulas) / n_formulas)
