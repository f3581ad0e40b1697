"""A mixture of wrapped normal laws on a torus of angles, exact at every noise level.

Brownian motion on a circle turns a wrapped normal into a wider one and leaves an even law even, so the mixture keeps its form:

    p(x) = sum_k w_k prod_d WN(x_d; m_kd, s_kd^2) + (1 - sum_k w_k) / (2 pi)^D        -> WrappedMixture
    p_t: the same with s_kd^2 + v in place of s_kd^2, v the variance of the noise      -> WrappedMixture.blurred

Angles in radians. Source: Mardia & Jupp, Directional Statistics (2000), sec. 3.5.7; the sums are those of core.numerics.torus.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.numerics import torus

TURN = 2 * math.pi


def wrap_angle(x: Tensor) -> Tensor:
    """Fold every angle into [-pi, pi)."""
    return torus.wrap(x / TURN + 0.5).mul(TURN).sub(math.pi)


def wrapped_score(delta: Tensor, sigma: Tensor) -> Tensor:
    """d ln WN(delta; sigma^2) / d delta for angles, coordinate by coordinate; delta (N, D), sigma (N, 1) > 0, both in radians."""
    return torus.wrapped_normal_score(delta / TURN, sigma / TURN) / TURN


@dataclass(frozen=True, eq=False)
class WrappedMixture:
    """weights (K,), summing to at most 1: what is missing is spread evenly; means (K, D), widths (K, D), radians, float64.

    Raises ValueError on other shapes and for weights that sum to more than 1.
    """

    weights: Tensor
    means: Tensor
    widths: Tensor

    def __post_init__(self) -> None:
        if self.means.shape != self.widths.shape or self.means.shape[:1] != self.weights.shape or self.means.ndim != 2:
            raise ValueError(f"weights {tuple(self.weights.shape)} need means and widths (K, D), one row each")
        if not 0 < float(self.weights.sum()) <= 1 + 1e-12 or bool((self.weights < 0).any()):
            raise ValueError("weights must not be negative, and sum to at most 1")

    @property
    def dim(self) -> int:
        return self.means.shape[1]

    @property
    def even(self) -> float:
        """Weight of the part that is spread evenly."""
        return max(0.0, 1 - float(self.weights.sum()))

    def blurred(self, variance: float) -> WrappedMixture:
        """The exact law after Brownian noise of this variance, radians^2, in every angle."""
        return replace(self, widths=(self.widths.square() + variance).sqrt())

    def log_prob(self, x: Tensor) -> Tensor:
        """(N,): log p(x), of the dtype of x."""
        return self._log_prob_and_score(x)[0].to(x.dtype)

    def score(self, x: Tensor) -> Tensor:
        """(N, D): grad log p(x), of the dtype of x."""
        return self._log_prob_and_score(x)[1].to(x.dtype)

    def _log_prob_and_score(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logs, slopes = [], []
        for weight, mean, width in zip(self.weights.tolist(), self.means, self.widths, strict=True):
            parts = [torus.wrapped_normal((x[:, d].double() - mean[d]) / TURN, float(width[d]) / TURN) for d in range(self.dim)]
            log, slope = (torch.stack(column, 1) for column in zip(*parts, strict=True))
            logs.append(log.sum(1) + (math.log(weight) - self.dim * math.log(TURN)))
            slopes.append(slope / TURN)
        if self.even:
            logs.append(torch.full_like(logs[0], math.log(self.even) - self.dim * math.log(TURN)))
            slopes.append(torch.zeros_like(slopes[0]))
        share = torch.stack(logs).softmax(0)
        return torch.stack(logs).logsumexp(0), (share[..., None] * torch.stack(slopes)).sum(0)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, D) float32: independent draws, exact: a part by its weight, a normal, wrapped."""
        weights = torch.cat([self.weights, torch.tensor([self.even], dtype=self.weights.dtype)])
        part = torch.multinomial(weights, n, replacement=True, generator=generator)
        z = torch.randn(n, self.dim, generator=generator, dtype=torch.float64)
        flat = (torch.rand(n, self.dim, generator=generator, dtype=torch.float64) - 0.5) * TURN
        inside = part.clamp(max=len(self.weights) - 1)
        drawn = torch.where((part == len(self.weights))[:, None], flat, self.means[inside] + self.widths[inside] * z)
        return wrap_angle(drawn).float()
