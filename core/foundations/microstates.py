"""Counting microstates: N coins, the number of ways to get n heads, and why large systems look certain.

equation -> name
    W(n) = N! / n! (N - n)!                                        -> log_count          (ln W; W itself overflows)
    S(n) = ln W(n)                                                 -> log_count          (Boltzmann's entropy, in units of k)
    S ~ N h(f), h(f) = -f ln f - (1 - f) ln(1 - f), f = n/N        -> stirling           (order 0)
    S ~ N h(f) - ln(2 pi N f (1 - f)) / 2                          -> stirling           (order 1, error O(1/N))
    P(n) = W(n) p^n (1 - p)^(N - n)                                -> binomial
    sd/mean = sqrt((1 - p) / (p N))                                -> relative_width
    var = N p (1 - p) [(1 + c)/(1 - c) - 2 c (1 - c^N) / (N (1 - c)^2)]   -> variance    (coins of memory c)
    W(n) = P(n) / p^n (1 - p)^(N - n)                              -> counted_entropy    (read backwards: counting by throwing)

Sources: Feller, An Introduction to Probability Theory I (1968), II.9, VI.2; Boltzmann, Wien. Ber. 76, 373 (1877).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from core.numerics.distances import Floor, Truth, total_variation, total_variation_floor

SHOWN = 2000  # throws tossed coin by coin, for the stage; the rest of a million is drawn as numbers of heads
LISTED = 10  # coins whose microstates are listed one by one; 2^10 dots


@dataclass(frozen=True)
class Throws:
    """Many throws of the same coins. heads: (n_throws,) int64; tosses: (min(n_throws, SHOWN), N) bool, the first of them coin by coin."""

    n_coins: int
    p: float
    memory: float
    heads: Tensor
    tosses: Tensor

    @property
    def n_throws(self) -> int:
        return len(self.heads)

    @property
    def counts(self) -> Tensor:
        """(N + 1,) int64: how many throws showed 0, 1, ... N heads."""
        return torch.bincount(self.heads, minlength=self.n_coins + 1)


def sample(*, n_coins: int = 6, p: float = 0.5, n_throws: int = 10_000, memory: float = 0.0, seed: int = 0) -> Throws:
    """Throw `n_coins` coins `n_throws` times; a coin shows heads with probability p.

    memory c in [0, 1): with probability c a coin copies the one before it instead of being tossed; p of each coin stays,
    independence goes. The first SHOWN throws are tossed coin by coin, and do not change when more are asked for.
    Raises ValueError when a number makes no throw.
    """
    _check(n_coins, p, memory)
    if n_throws < 1:
        raise ValueError(f"throw at least once, not {n_throws} times")
    generator = torch.Generator().manual_seed(seed)
    tosses = toss(n_coins, p, memory, SHOWN, generator)[:n_throws]
    rest = n_throws - len(tosses)
    if memory > 0:  # the law of the sum, by its quantile function
        cdf = heads_law(n_coins, p, memory).cumsum(0)
        heads = torch.searchsorted(cdf / cdf[-1], torch.rand(rest, generator=generator, dtype=torch.float64))
    else:
        heads = torch.binomial(torch.full((rest,), float(n_coins)), torch.full((rest,), float(p)), generator=generator).long()
    return Throws(n_coins, p, memory, torch.cat([tosses.sum(1), heads]), tosses)


def toss(n_coins: int, p: float, memory: float, n: int, generator: torch.Generator) -> Tensor:
    """(n, N) bool: coin by coin. A coin that copies shows what the last freshly tossed one before it showed."""
    fresh = torch.rand(n, n_coins, generator=generator) < p
    copies = torch.rand(n, n_coins, generator=generator) < memory
    copies[:, 0] = False
    last = torch.where(copies, 0, torch.arange(n_coins)).cummax(1).values
    return fresh.gather(1, last)


def microstates(n_coins: int) -> tuple[Tensor, float]:
    """Every way the coins can lie: tosses (M, N) bool and how many microstates each row stands for.

    Up to LISTED coins all 2^N are listed and a row stands for one. Beyond that 2^LISTED rows are spread over the
    numbers of heads in proportion to W (at the quantiles of W/2^N), each in an order of its own.
    """
    if n_coins <= LISTED:
        return (torch.arange(2**n_coins)[:, None] >> torch.arange(n_coins)).bitwise_and(1).bool(), 1.0
    n = 2**LISTED
    cdf = binomial(n_coins, 0.5).cumsum(0)
    heads = torch.searchsorted(cdf, (torch.arange(n, dtype=torch.float64) + 0.5) / n)
    ranks = torch.rand(n, n_coins, generator=torch.Generator().manual_seed(0)).argsort(1).argsort(1)
    return ranks < heads[:, None], 2.0**n_coins / n


def log_count(n_coins: int) -> Tensor:
    """(N + 1,): ln W(n) for n = 0 ... N, float64, exact to round-off for any N."""
    n = torch.arange(n_coins + 1, dtype=torch.float64)
    return math.lgamma(n_coins + 1) - torch.lgamma(n + 1) - torch.lgamma(n_coins - n + 1)


def stirling(n_coins: int, fraction: Tensor, *, order: int = 0) -> Tensor:
    """ln W at n = N fraction for large N: N h(f), and with order 1 also -ln(2 pi N f (1 - f))/2 (infinite at f = 0, 1)."""
    f = fraction.double()
    leading = -n_coins * (torch.xlogy(f, f) + torch.xlogy(1 - f, 1 - f))
    return leading if order == 0 else leading - 0.5 * torch.log(2 * math.pi * n_coins * f * (1 - f))


def binomial(n_coins: int, p: float) -> Tensor:
    """(N + 1,): P(n) = W(n) p^n (1 - p)^(N - n), float64."""
    n = torch.arange(n_coins + 1, dtype=torch.float64)
    return torch.exp(log_count(n_coins) + n * math.log(p) + (n_coins - n) * math.log1p(-p))


def heads_law(n_coins: int, p: float, memory: float) -> Tensor:
    """(N + 1,): exact law of the number of heads of coins with memory, coin by coin (transfer matrix); binomial for memory 0."""
    stay_heads, turn_heads = memory + (1 - memory) * p, (1 - memory) * p
    heads, tails = torch.zeros(2, n_coins + 1, dtype=torch.float64)  # by what the last coin shows
    heads[1], tails[0] = p, 1 - p
    for _ in range(n_coins - 1):
        new_heads = (heads * stay_heads + tails * turn_heads).roll(1)
        new_heads[0] = 0.0
        heads, tails = new_heads, heads * (1 - stay_heads) + tails * (1 - turn_heads)
    return heads + tails


def variance(n_coins: int, p: float, memory: float = 0.0) -> float:
    """Variance of the number of heads; neighbours k coins apart are correlated by memory^k."""
    c, n = memory, n_coins
    return p * (1 - p) * (n * (1 + c) / (1 - c) - 2 * c * (1 - c**n) / (1 - c) ** 2)


def relative_width(n_coins: int, p: float, memory: float = 0.0) -> float:
    """Standard deviation over mean of the number of heads: sqrt((1 - p)/(p N)) for independent coins."""
    return math.sqrt(variance(n_coins, p, memory)) / (n_coins * p)


@dataclass(frozen=True)
class Entropy:
    """ln W(n) from throws: heads (K,) of the n that were seen, value and standard error (K,), in units of k."""

    heads: Tensor
    value: Tensor
    error: Tensor


def counted_entropy(throws: Throws) -> Entropy:
    """Count microstates without listing them: the share of throws with n heads, divided by the probability of one such microstate.

    Unbiased shares, hence errors 1/sqrt(count) of the logarithm; a fair coin only ever counts the middle, a loaded one the sides.
    Right for independent coins only: with memory the microstates of one n are no longer equally likely.
    """
    seen = throws.counts.nonzero()[:, 0]
    count = throws.counts[seen].double()
    one = seen * math.log(throws.p) + (throws.n_coins - seen) * math.log1p(-throws.p)
    share = count / throws.n_throws
    return Entropy(seen, share.log() - one, ((1 - share) / count).sqrt())


@dataclass(frozen=True)
class Width:
    """Measured standard deviation over mean, its standard error, and the exact one."""

    n_coins: int
    value: float
    error: float
    exact: float


def width(throws: Throws) -> Width:
    """Relative width of these throws. Error by linearisation of s/m: each throw's influence ((x-m)^2 - s^2)/(2 s m) - s (x-m)/m^2.

    Without spread or heads among the throws there is no number: nan.
    """
    x = throws.heads.double()
    exact = relative_width(throws.n_coins, throws.p, throws.memory)
    m, s = float(x.mean()), float(x.std()) if len(x) > 1 else 0.0
    if s == 0 or m == 0:
        return Width(throws.n_coins, math.nan, math.nan, exact)
    influence = ((x - m).square() - s * s) / (2 * s * m) - s * (x - m) / m**2
    return Width(throws.n_coins, s / m, float(influence.std()) / math.sqrt(len(x)), exact)


def widths(
    *, p: float, memory: float = 0.0, n_throws: int = 10_000, seed: int = 0, sizes: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 100, 200)
) -> list[Width]:
    """`width` for several numbers of coins, each with throws (at most 10,000) of its own."""
    return [width(sample(n_coins=n, p=p, memory=memory, n_throws=min(n_throws, 10_000), seed=seed + n)) for n in sizes]


def likeliest(throws: Throws) -> tuple[int, float, float]:
    """The most probable number of heads, its exact probability (coins with memory have their own law), and its share of these throws."""
    law = heads_law(throws.n_coins, throws.p, throws.memory)
    n = int(law.argmax())
    return n, float(law[n]), int((throws.heads == n).sum()) / throws.n_throws


def four_times_as_many(n_coins: int, p: float, memory: float) -> tuple[int, str]:
    """What becomes of the relative width with four times the coins, exactly: nearest to 0 the same, 1 half, 2 a quarter."""
    few, many = (relative_width(n, p, memory) for n in (n_coins, 4 * n_coins))
    right = min(range(3), key=lambda i: abs(math.log(many / few / (1, 0.5, 0.25)[i])))
    return right, f"Exactly, it is {few:.4f} with {n_coins} coins and {many:.4f} with {4 * n_coins}: {many / few:.3f} times as wide."


def independent_coins(n_coins: int, memory: float) -> float:
    """How many independent coins are as uncertain, sd over mean, as these: N^2 p (1 - p)/var, the same for every p."""
    return n_coins**2 * 0.25 / variance(n_coins, 0.5, memory)


def truth(throws: Throws) -> Truth:
    """Total variation distance of the counted heads to the binomial of independent coins, beside the floor of as many exact throws."""
    exact = binomial(throws.n_coins, throws.p)
    known = _floor(throws.n_throws, throws.n_coins, throws.p)
    return Truth("total variation distance", total_variation(throws.counts, exact), known, of="throws")


@lru_cache(maxsize=256)
def _floor(n_throws: int, n_coins: int, p: float) -> Floor:
    return total_variation_floor(n_throws, binomial(n_coins, p))


def _check(n_coins: int, p: float, memory: float) -> None:
    if n_coins < 1 or not 0 < p < 1 or not 0 <= memory < 1:
        raise ValueError(f"need at least one coin, 0 < p < 1 and 0 <= memory < 1, not N = {n_coins}, p = {p:g}, memory = {memory:g}")
