"""Gaussian mixtures, exact at every noise level: log_prob, score, sample, diffused(schedule, t).

If x_0 ~ p_0 then x_t = alpha x_0 + sigma eps has the density p_t(x) = int p_0(y) N(x; alpha y, sigma^2) dy.
For Gaussian mixtures (and for histograms, histogram.py) this integral is closed, and so are its score and its
posterior mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from core.numerics.schedules import Schedule

LOG_2PI = math.log(2 * math.pi)
Numbers = float | Sequence[float] | Tensor


class Density:
    """What every density here can do. x is (N, D) throughout and is never changed."""

    @property
    def dim(self) -> int:
        raise NotImplementedError

    def to(self, dtype: torch.dtype) -> Density:
        """The same law, computed in another precision."""
        raise NotImplementedError

    def log_prob(self, x: Tensor) -> Tensor:
        """(N,): log p(x)."""
        raise NotImplementedError

    def score(self, x: Tensor) -> Tensor:
        """(N, D): grad log p(x)."""
        raise NotImplementedError

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, D) independent draws."""
        raise NotImplementedError

    def diffused(self, schedule: Schedule, t: float) -> Density:
        """The exact law of x_t = alpha(t) x_0 + sigma(t) eps."""
        raise NotImplementedError

    def marginal(self, axis: int) -> Density:
        """The exact one-dimensional law of one coordinate."""
        raise NotImplementedError

    def posterior_mean(self, x: Tensor, schedule: Schedule, t: float) -> Tensor:
        """(N, D): E[x_0 | x_t = x] = (x + sigma^2 score_t(x)) / alpha, Tweedie (Efron 2011, eq. 1.4)."""
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        return torch.add(x, self.diffused(schedule, t).score(x), alpha=sigma**2).div_(alpha)


@dataclass(frozen=True, eq=False)
class GaussianMixture(Density):
    """p(x) = sum_k w_k N(x; m_k, s_k^2 I).

    weights (K,) are normalised here; means (K, D); scales (K,) > 0. Raises ValueError on other shapes or signs.

    With r_k(x) = softmax_k(log w_k + log N(x; m_k, s_k^2)), score = sum_k r_k (m_k - x) / s_k^2. Expanding the
    square, the logits are one matrix product W x + a |x|^2 + c and the score another, so nothing of shape
    (N, K, D) is ever made. When all scales agree, |x|^2 cancels in the softmax.
    """

    weights: Tensor
    means: Tensor
    scales: Tensor

    def __post_init__(self) -> None:
        k = len(self.means)
        if self.means.ndim != 2 or self.weights.shape != (k,) or self.scales.shape != (k,):
            raise ValueError(
                f"weights {tuple(self.weights.shape)}, means {tuple(self.means.shape)} and scales "
                f"{tuple(self.scales.shape)} must be (K,), (K, D) and (K,)"
            )

    @classmethod
    def of(
        cls, weights: Numbers, means: Tensor | Sequence[Sequence[float]], scales: Numbers, dtype: torch.dtype = torch.float32
    ) -> GaussianMixture:
        """From lists or arrays; a single number for `weights` or `scales` serves all modes. Checks and normalises."""
        means = torch.as_tensor(means, dtype=dtype)
        weights = torch.as_tensor(weights, dtype=dtype).expand(len(means))
        scales = torch.as_tensor(scales, dtype=dtype).expand(len(means))
        if not ((weights >= 0).all() and weights.sum() > 0 and (scales > 0).all()):
            raise ValueError("weights must be non-negative with a positive sum, scales positive")
        return cls(weights / weights.sum(), means, scales)

    def to(self, dtype: torch.dtype) -> GaussianMixture:
        return GaussianMixture(self.weights.to(dtype), self.means.to(dtype), self.scales.to(dtype))

    @property
    def dim(self) -> int:
        return self.means.shape[1]

    @cached_property
    def _shared_variance(self) -> float | None:
        low, high = torch.aminmax(self.scales)
        return float(low) ** 2 if low == high else None

    @cached_property
    def _logit_terms(self) -> tuple[Tensor, Tensor, Tensor]:
        """W (K, D), a (K,), c (K, 1) of the logits W x + a |x|^2 + c = log w_k + log N(x; m_k, s_k^2)."""
        precision = self.scales**-2
        linear = self.means * precision[:, None]
        log_norm = 0.5 * self.dim * (precision.log() - LOG_2PI)
        constant = self.weights.log() - 0.5 * (self.means * linear).sum(1) + log_norm
        return linear, -0.5 * precision, constant[:, None]

    def _logits(self, x: Tensor) -> Tensor:
        """(K, N): log w_k + log N(x; m_k, s_k^2), without the |x|^2 term when all scales agree."""
        linear, square, constant = self._logit_terms
        logits = torch.addmm(constant, linear, x.T)
        return logits if self._shared_variance else logits.addr_(square, (x * x).sum(1))

    def log_prob(self, x: Tensor) -> Tensor:
        log_p = self._logits(x).logsumexp(0)
        return log_p - (x * x).sum(1) / (2 * self._shared_variance) if self._shared_variance else log_p

    def responsibilities(self, x: Tensor) -> Tensor:
        """(N, K): the probability that x came from mode k."""
        return self._logits(x).softmax(0).T

    def log_responsibilities(self, x: Tensor) -> Tensor:
        """(N, K): its logarithm, sound where the probability itself would vanish."""
        return self._logits(x).log_softmax(0).T

    def score(self, x: Tensor) -> Tensor:
        r = self._logits(x).softmax(0).T
        if self._shared_variance:
            v = self._shared_variance
            return torch.addmm(x, r, self.means, beta=-1 / v, alpha=1 / v)
        linear, square, _ = self._logit_terms
        pull = r @ torch.cat([linear, square[:, None]], 1)
        return torch.addcmul(pull[:, :-1], x, pull[:, -1:], value=2)

    def score_divergence(self, x: Tensor) -> Tensor:
        """(N,): div score = laplacian of log p = sum_k r_k (|d_k|^2 - D/s_k^2) - |score|^2, d_k = (m_k - x)/s_k^2."""
        r = self.responsibilities(x)
        v = self.scales**2
        square = ((self.means - x[:, None, :]) ** 2).sum(-1) / v**2
        return (r * (square - self.dim / v)).sum(1) - (self.score(x) ** 2).sum(1)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.dim, generator=generator, dtype=self.means.dtype)
        return torch.addcmul(self.means[k], noise, self.scales[k, None])

    def diffused(self, schedule: Schedule, t: float) -> GaussianMixture:
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        scales = (self.scales**2).mul_(alpha**2).add_(sigma**2).sqrt_()
        return GaussianMixture(self.weights, self.means * alpha, scales)

    def along(self, x: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """(log p_t(x) (N,), score (N, D)) with a noise level of its own for every point: alpha, sigma (N, 1)."""
        variance = (alpha * self.scales) ** 2 + sigma**2
        pull = (alpha[:, None] * self.means - x[:, None]) / variance[..., None]
        square = pull.square().sum(-1) * variance
        logits = self.weights.log() - 0.5 * (square + self.dim * (variance.log() + LOG_2PI))
        return logits.logsumexp(1), (logits.softmax(1)[..., None] * pull).sum(1)

    def posterior(self, x: Tensor, alpha: float, sigma: float) -> GaussianMixture:
        """The law of x_0 given x_t = x (D,): again a mixture, one mode for each that x_t may have come from, all narrower."""
        variance = (alpha * self.scales) ** 2 + sigma**2
        noised = GaussianMixture(self.weights, alpha * self.means, variance.sqrt())
        gain = alpha * self.scales**2 / variance
        means = self.means + gain[:, None] * (x - alpha * self.means)
        return GaussianMixture(noised.responsibilities(x[None])[0], means, self.scales * sigma / variance.sqrt())

    def marginal(self, axis: int) -> GaussianMixture:
        return GaussianMixture(self.weights, self.means[:, axis : axis + 1], self.scales)

    def cdf(self, x: Tensor) -> Tensor:
        """(N,): P(X <= x), one dimension only."""
        if self.dim != 1:
            raise ValueError("a cdf needs one dimension; take a marginal first")
        z = (x.reshape(-1, 1) - self.means[:, 0]) / self.scales
        return torch.special.ndtr(z) @ self.weights
