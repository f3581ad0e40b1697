"""Laws of one step of a random walk, and the exact distance of the law of n steps to the Gaussian.

Every law with a variance is scaled to variance 1, so that exchanging one for another changes the law of the step and
nothing else; the Lévy law has none and is scaled to the Gaussian's median |step|.

    law        density                        rate of the central limit theorem, Kolmogorov distance
    gaussian   N(0, 1)                        0 at every n
    coin       +1 or -1                       1/sqrt(2 pi n)           half the jump of a lattice (Esseen 1945)
    uniform    flat on [-sqrt 3, sqrt 3]      0.0275/n                 fourth cumulant: no skewness, no lattice
    heavy      2/(pi (1 + x^2)^2)             0.110/sqrt n             Student's t_3: |k|^3 in its characteristic function
    levy       Cauchy                         grows to 1/2             no variance, no theorem
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import torch
from torch import Tensor

LEVY_SCALE = 0.6744897501960817  # normal quantile of 3/4: the Cauchy law of this scale has the Gaussian's median |step|


@dataclass(frozen=True)
class StepLaw:
    """One coordinate of one step.

    draw(shape, generator) -> float32; variance: 1 or infinite; kurtosis: excess, E[x^4] - 3, infinite where it is;
    characteristic(k) of one step, None where a closed form of the sum serves better.
    """

    name: str
    title: str
    variance: float
    kurtosis: float
    draw: Callable[[tuple[int, ...], torch.Generator], Tensor]
    characteristic: Callable[[np.ndarray], np.ndarray] | None = None


def _gaussian(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator)


def _coin(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator).sub_(0.5).sign_().add_(0.5).sign_()


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator).sub_(0.5).mul_(2 * math.sqrt(3))


def _heavy(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Bailey's polar method (1994): sqrt(nu (u^(-2/nu) - 1)) cos 2 pi v is Student's t; nu = 3, over its sqrt 3."""
    u = 1 - torch.rand(shape, generator=generator, dtype=torch.float64)
    v = torch.rand(shape, generator=generator)
    return u.pow_(-2 / 3).sub_(1).sqrt_().float().mul_(v.mul_(2 * math.pi).cos_())


def _levy(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """The Cauchy quantile function of a uniform number."""
    u = torch.rand(shape, generator=generator, dtype=torch.float64)
    return u.sub_(0.5).mul_(math.pi).tan_().mul_(LEVY_SCALE).float()


STEPS: dict[str, StepLaw] = {
    law.name: law
    for law in (
        StepLaw("gaussian", "Gaussian", 1.0, 0.0, _gaussian, lambda k: np.exp(-k * k / 2)),
        StepLaw("coin", "Coin: +1 or −1", 1.0, -2.0, _coin),
        StepLaw("uniform", "Uniform", 1.0, -1.2, _uniform, lambda k: np.sinc(math.sqrt(3) * k / math.pi)),
        StepLaw("heavy", "Heavy-tailed (Student t, ν = 3)", 1.0, math.inf, _heavy, lambda k: (1 + k) * np.exp(-k)),
        StepLaw("levy", "Lévy flight (Cauchy)", math.inf, math.inf, _levy),
    )
}


def clt_distance(step: str, n: int) -> float:
    """max over x of |P(S_n / sqrt n <= x) - Phi(x)| for the sum S_n of n steps, without sampling.

    Exact for gaussian, coin (binomial) and levy (the Cauchy law is stable); for uniform and heavy the characteristic
    function of the sum is inverted numerically, absolute error below 1e-9. Raises KeyError, ValueError.
    """
    law = STEPS[step]
    if n < 1:
        raise ValueError(f"a sum needs at least one step, got {n}")
    return _clt_distance(law.name, int(n))


def clt_asymptote(step: str, n: float | np.ndarray) -> float | np.ndarray:
    """Leading term of `clt_distance` for large n; see the table above."""
    constant, exponent = clt_rate(step)
    return constant * np.asarray(n, dtype=float) ** -exponent


@cache
def clt_rate(step: str) -> tuple[float, float]:
    """(constant c, exponent r) of the distance c n^-r.

    uniform: |kurtosis|/24 max|He_3 phi| (Edgeworth). heavy: its characteristic function 1 - k^2/2 + |k|^3/3 leaves
    max_x 1/(3 pi) int k^2 sin(k x) exp(-k^2/2) dk.
    """
    x = np.linspace(0, 6, 6001)
    if step == "gaussian":
        return 0.0, math.inf
    if step == "coin":
        return 1 / math.sqrt(2 * math.pi), 0.5
    if step == "uniform":
        return abs(STEPS[step].kurtosis) / (24 * math.sqrt(2 * math.pi)) * float(np.abs((x**3 - 3 * x) * np.exp(-x * x / 2)).max()), 1.0
    if step == "heavy":
        k, weight = _quadrature(12.0, 200)
        wave = np.sin(np.outer(x, k)) @ (weight * k**2 * np.exp(-k * k / 2))
        return float(np.abs(wave).max()) / (3 * math.pi), 0.5
    if step == "levy":
        return 0.5, 0.0
    raise KeyError(step)


def sum_cdf(step: str, n: int, x: np.ndarray) -> np.ndarray:
    """P(S_n / sqrt n <= x), same shape as x; how it is found is said at `clt_distance`."""
    x = np.asarray(x, dtype=float)
    if step == "gaussian":
        return _normal_cdf(x)
    if step == "coin":
        return _heads_cdf(np.floor((x * math.sqrt(n) + n) / 2 + 1e-9), n)
    if step == "levy":
        return 0.5 + np.arctan(x / (LEVY_SCALE * math.sqrt(n))) / math.pi
    if step == "uniform" and n <= 12:
        return irwin_hall_cdf(n, n / 2 + x * math.sqrt(n) / (2 * math.sqrt(3)))
    return _normal_cdf(x) + _inverted_gap(step, n, x)


def _normal_cdf(x: np.ndarray) -> np.ndarray:
    return torch.special.ndtr(torch.as_tensor(x, dtype=torch.float64)).numpy()


def _heads_cdf(heads: np.ndarray, n: int) -> np.ndarray:
    """P(at most so many heads in n fair throws)."""
    from scipy import special  # slow to load

    inside = special.bdtr(np.clip(heads, 0, n), n, 0.5)
    return np.where(heads < 0, 0.0, inside)


def irwin_hall_cdf(n: int, total: np.ndarray) -> np.ndarray:
    """P(U_1 + ... + U_n <= total), uniform on [0, 1]: the alternating sum, sound in float64 up to n = 12."""
    lower = np.minimum(np.clip(total, 0, n), n - np.clip(total, 0, n))  # symmetric: the short sum is the stable one
    value = sum((-1) ** j * math.comb(n, j) * np.clip(lower - j, 0, None) ** n for j in range(n + 1)) / math.factorial(n)
    return np.where(total <= n / 2, value, 1 - value)


@lru_cache(maxsize=4096)
def _clt_distance(step: str, n: int) -> float:
    if step == "gaussian":
        return 0.0
    if step == "coin":
        heads = np.arange(n + 1)
        exact, normal = _heads_cdf(heads, n), _normal_cdf((2 * heads - n) / math.sqrt(n))
        return float(max(np.abs(exact - normal).max(), np.abs(normal - np.concatenate([[0], exact[:-1]])).max()))
    best, width = 4.0, 4.0  # the laws are symmetric: search x in [0, 8], then around the largest gap
    for _ in range(2):
        x = np.linspace(best - width, best + width, 161)
        gap = np.abs(sum_cdf(step, n, x) - _normal_cdf(x))
        best, width = float(x[gap.argmax()]), width / 80
    return float(gap.max())


def _inverted_gap(step: str, n: int, x: np.ndarray) -> np.ndarray:
    """1/pi int_0^inf sin(k x)/k (phi(k/sqrt n)^n - exp(-k^2/2)) dk (Gil-Pelaez 1951, symmetric laws)."""
    k, weight = _quadrature(40.0 if n < 30 else 20.0, 600)
    characteristic = STEPS[step].characteristic
    assert characteristic is not None, f"the sum of {step} steps has a closed form"
    gap = characteristic(k / math.sqrt(n)) ** n - np.exp(-k * k / 2)
    return np.sin(np.multiply.outer(x, k)) @ (weight * gap / k) / math.pi


@lru_cache(maxsize=4)
def _quadrature(end: float, order: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return (nodes + 1) * end / 2, weights * end / 2
