"""Discrete diffusion: Markov chains on K categories and their exact jumps and posteriors (D3PM).

Rows are where from, columns where to: Q_t[i, j] = q(x_t = j | x_{t-1} = i), as in the paper; a slide that writes
Cat(x_t; Q_t x_{t-1}) means the transpose. Matrices are float64; categories are int64 tensors of any shape.

equation -> name                                                        (Austin et al. 2021, NeurIPS)
    Q_t = (1 - b) I + b 11^T / K                                        -> uniform      (app. A.2.1)
    Q_t = (1 - b) I + b 1 e_m^T                                         -> absorbing    (app. A.2.2)
    Q_t[i, j] ~ exp(-4 (i - j)^2 / ((K - 1)^2 b)), i != j               -> gaussian     (app. A.2.3)
    q(x_t | x_0) = x_0 Q_1 ... Q_t                                      -> DiscreteDiffusion.marginal   (eq. 3)
    q(x_{t-1} | x_t, x_0) ~ x_t Q_t^T * x_0 Qbar_{t-1}                  -> DiscreteDiffusion.posterior  (eq. 3)
    p(x_{t-1} | x_t) ~ sum_{x_0} q(x_{t-1}, x_t | x_0) p(x_0 | x_t)     -> DiscreteDiffusion.reverse    (eq. 4)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

Predictor = Callable[[Tensor, int], Tensor]  # (x_t (...,), t) -> p(x_0 | x_t) (..., K)


def uniform(n_categories: int, beta: float) -> Tensor:
    """(K, K): with probability beta, any category. Stationary law: uniform."""
    _check(n_categories, beta)
    return (1 - beta) * torch.eye(n_categories, dtype=torch.float64) + beta / n_categories


def absorbing(n_categories: int, beta: float, *, mask: int | None = None) -> Tensor:
    """(K, K): with probability beta, the mask category (default: the last), which is never left."""
    _check(n_categories, beta)
    mask = n_categories - 1 if mask is None else mask
    if not 0 <= mask < n_categories:
        raise ValueError(f"mask {mask} is none of the {n_categories} categories")
    q = (1 - beta) * torch.eye(n_categories, dtype=torch.float64)
    q[:, mask] += beta
    return q


def gaussian(n_categories: int, beta: float) -> Tensor:
    """(K, K): to near categories rather than far ones, for ordered categories. Symmetric: stationary law uniform."""
    _check(n_categories, beta)
    if beta == 0:
        return torch.eye(n_categories, dtype=torch.float64)
    n = torch.arange(-(n_categories - 1), n_categories, dtype=torch.float64)
    weight = torch.exp(-4 * n.square() / ((n_categories - 1) ** 2 * beta))
    i = torch.arange(n_categories)
    q = (weight / weight.sum())[(i - i[:, None]) + n_categories - 1]
    q.fill_diagonal_(0)
    return q + torch.diag(1 - q.sum(1))


TRANSITIONS: dict[str, Callable[[int, float], Tensor]] = {"uniform": uniform, "absorbing": absorbing, "gaussian": gaussian}


def linear_betas(n_steps: int, *, first: float = 0.02, last: float = 1.0) -> Tensor:
    """(T,) evenly from first to last."""
    return torch.linspace(first, last, n_steps, dtype=torch.float64)


def cosine_betas(n_steps: int, *, offset: float = 0.008, largest: float = 0.999) -> Tensor:
    """(T,) 1 - abar_t/abar_{t-1} of abar = cos^2((t/T + s)/(1 + s) pi/2) (Nichol & Dhariwal 2021, eq. 17)."""
    t = torch.linspace(0, 1, n_steps + 1, dtype=torch.float64)
    alpha_bar = torch.cos((t + offset) / (1 + offset) * math.pi / 2).square()
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=largest)


def mutual_information_betas(n_steps: int) -> Tensor:
    """(T,) 1/(T - t + 1): absorbing chains then lose information evenly, abar_t = 1 - t/T (Austin, sec. 3.1)."""
    return 1 / torch.arange(n_steps, 0, -1, dtype=torch.float64)


@dataclass(frozen=True)
class DiscreteDiffusion:
    """A chain of T steps. transitions: (T, K, K), the t-th step (t = 1 ... T) at index t - 1; rows sum to one."""

    transitions: Tensor

    def __post_init__(self) -> None:
        q = self.transitions
        if q.ndim != 3 or q.shape[1] != q.shape[2] or (q < 0).any() or not torch.allclose(q.sum(-1), torch.ones(()).to(q)):
            raise ValueError(f"transitions must be (T, K, K) with rows of probabilities, got {tuple(q.shape)}")

    @classmethod
    def of(cls, family: str, n_categories: int, betas: Tensor) -> DiscreteDiffusion:
        """A named family of `TRANSITIONS` along a schedule of betas (T,)."""
        return cls(torch.stack([TRANSITIONS[family](n_categories, float(beta)) for beta in betas]))

    @property
    def n_steps(self) -> int:
        return self.transitions.shape[0]

    @property
    def n_categories(self) -> int:
        return self.transitions.shape[1]

    @cached_property
    def cumulative(self) -> Tensor:
        """(T + 1, K, K): Qbar_t = Q_1 ... Q_t, the identity at t = 0."""
        products = [torch.eye(self.n_categories, dtype=self.transitions.dtype)]
        for q in self.transitions:
            products.append(products[-1] @ q)
        return torch.stack(products)

    def marginal(self, x0: Tensor, t: int) -> Tensor:
        """q(x_t | x_0): (...,) -> (..., K), in one jump."""
        return self.cumulative[t][x0]

    def posterior(self, xt: Tensor, x0: Tensor, t: int) -> Tensor:
        """q(x_{t-1} | x_t, x_0): (..., K). Raises ValueError when some x_t cannot come from its x_0."""
        joint = self.transitions[t - 1].T[xt] * self.cumulative[t - 1][x0]
        total = joint.sum(-1, keepdim=True)
        if (total <= 0).any():
            raise ValueError(f"an x_{t} is impossible from its x_0")
        return joint / total

    def reverse(self, xt: Tensor, p_x0: Tensor, t: int) -> Tensor:
        """p(x_{t-1} | x_t) from a prediction of x_0. p_x0: (..., K) probabilities given x_t. Returns (..., K).

        Equation 4 sums the joint law q(x_{t-1}, x_t | x_0), not the posterior: each x_0 also counts by how likely it
        makes x_t. A predictor that knows p(x_0 | x_t) must therefore be divided by q(x_t | x_0), which is done here,
        so that the exact predictor gives the exact reverse chain.
        """
        evidence = self.cumulative[t].T[xt]
        weight = torch.where(evidence > 0, p_x0.to(evidence) / evidence.clamp(min=1e-300), 0.0)
        joint = self.transitions[t - 1].T[xt] * (weight @ self.cumulative[t - 1])
        return joint / joint.sum(-1, keepdim=True)

    def forward_chain(self, x0: Tensor, *, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield x_0, x_1, ..., x_T, step by step."""
        x = x0
        yield x
        for q in self.transitions:
            x = draw_rows(q, x, generator)
            yield x

    def reverse_chain(self, x_end: Tensor, predict: Predictor, *, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield x_T, ..., x_0, where predict(x_t, t) -> p(x_0 | x_t) (..., K)."""
        x = x_end
        yield x
        for t in range(self.n_steps, 0, -1):
            x = draw(self.reverse(x, predict(x, t), t), generator)
            yield x

    def reverse_rows(self, predict: Predictor) -> Iterator[Tensor]:
        """Yield p(x_{t-1} | x_t) for t = T, ..., 1 as tables (K, K), row = x_t, of tokens that do not see each other."""
        all_of_them = torch.arange(self.n_categories)
        for t in range(self.n_steps, 0, -1):
            yield self.reverse(all_of_them, predict(all_of_them, t), t)

    def exact_predictor(self, prior: Tensor) -> Predictor:
        """p(x_0 | x_t) by Bayes for independent categories with law `prior` (K,): the oracle a network is trained towards."""

        def predict(xt: Tensor, t: int) -> Tensor:
            joint = prior.to(self.cumulative) * self.cumulative[t].T[xt]
            return joint / joint.sum(-1, keepdim=True)

        return predict


def draw(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """One category per row: (..., K) -> (...,), by inverting the cumulative sum; rows need not be normalised."""
    cumulative = probabilities.double().cumsum(-1)
    u = torch.rand(probabilities.shape[:-1] + (1,), generator=generator, dtype=torch.float64)
    return (cumulative <= u * cumulative[..., -1:]).sum(-1).clamp(max=probabilities.shape[-1] - 1)


def draw_rows(table: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
    """`draw(table[rows], generator)` for a table (R, K) and rows (...,), by bisection, without making (..., K)."""
    cumulative = table.double().cumsum(-1)
    stairs = (cumulative / cumulative[:, -1:]).nan_to_num(1.0).clamp(max=1.0)  # a row that nothing leads to may hold no numbers
    u = torch.rand(rows.shape, generator=generator, dtype=torch.float64)
    places = torch.searchsorted((stairs + torch.arange(len(table))[:, None]).flatten(), u + rows, right=True)
    return (places - rows * table.shape[1]).clamp(0, table.shape[1] - 1)


def _check(n_categories: int, beta: float) -> None:
    if n_categories < 2 or not 0 <= beta <= 1:
        raise ValueError(f"need at least two categories and beta in [0, 1], got {n_categories} and {beta:g}")
