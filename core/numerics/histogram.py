"""Histograms blurred by Gaussian noise: sharp-edged data whose score is still exact at every noise level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from core.numerics.mixture import LOG_2PI, Density
from core.numerics.schedules import Schedule


@dataclass(frozen=True, eq=False)
class Histogram(Density):
    """Cells of constant density, blurred by a Gaussian: a checkerboard stays a checkerboard until it melts.

    edges: one (n_d + 1,) increasing tensor per axis; cells (K, D) long: which interval of each axis; weights (K,);
    blur >= 0: the standard deviation of the added noise. With l, u = (edge - x) / blur of an interval,
    p = sum_k w_k prod_d [Phi(u) - Phi(l)] / width, in logarithms, so that tails stay exact; the score, which samplers ask for at every
    step, is first tried without them.
    """

    edges: tuple[Tensor, ...]
    cells: Tensor
    weights: Tensor
    blur: float = 0.0

    def __post_init__(self) -> None:
        if self.cells.shape != (len(self.weights), len(self.edges)):
            raise ValueError(f"cells must be ({len(self.weights)}, {len(self.edges)}), not {tuple(self.cells.shape)}")

    def to(self, dtype: torch.dtype) -> Histogram:
        return Histogram(tuple(e.to(dtype) for e in self.edges), self.cells, self.weights.to(dtype), self.blur)

    @property
    def dim(self) -> int:
        return len(self.edges)

    def _axis(self, x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """(n_d, N) each: log of the blurred interval densities along one axis, and their derivatives in x."""
        edges = self.edges[axis][:, None]
        width = edges[1:] - edges[:-1]
        if self.blur == 0:
            inside = (x >= edges[:-1]) & (x < edges[1:])
            return torch.where(inside, -width.log(), -math.inf), torch.zeros_like(inside, dtype=x.dtype)
        z = (edges - x) / self.blur
        tail = torch.special.log_ndtr(-z.abs())
        near, far = torch.maximum(tail[:-1], tail[1:]), torch.minimum(tail[:-1], tail[1:])
        same_side = near + torch.log(-torch.expm1(far - near))
        across = torch.log1p(-near.exp() - far.exp())
        log_mass = torch.where((z[:-1] < 0) & (z[1:] > 0), across, same_side)
        log_phi = -0.5 * (z * z + LOG_2PI)
        slope = ((log_phi[:-1] - log_mass).exp() - (log_phi[1:] - log_mass).exp()) / self.blur
        return log_mass - width.log(), slope

    def _logits(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        logs, slopes = zip(*(self._axis(x[:, d], d) for d in range(self.dim)))
        picked = [log[self.cells[:, d]] for d, log in enumerate(logs)]
        return self.weights.log()[:, None] + sum(picked), [s[self.cells[:, d]] for d, s in enumerate(slopes)]

    def log_prob(self, x: Tensor) -> Tensor:
        return self._logits(x)[0].logsumexp(0)

    def responsibilities(self, x: Tensor) -> Tensor:
        """(N, K): the probability that x came from cell k."""
        return self._logits(x)[0].softmax(0).T

    def score(self, x: Tensor) -> Tensor:
        if self.blur == 0:
            return torch.zeros_like(x)
        for dtype in () if x.requires_grad else (x.dtype, torch.float64):  # the plain way works in place
            found = self._plain_score(x.to(dtype))
            if found is not None:
                return found.to(x.dtype)
        logits, slopes = self._logits(x)
        r = logits.softmax(0)
        return torch.stack([(r * slope).sum(0) for slope in slopes], 1)

    def _plain_score(self, x: Tensor) -> Tensor | None:
        """grad p / p from a_i = Phi(u_i) - Phi(l_i) itself, as p = sum_ij W_ij a_i(x) a_j(y).

        None for a point so far out that this vanishes in x's precision, and for anything but a plane of equally many intervals a side.
        """
        if self._table is None:
            return None
        least = torch.finfo(x.dtype).tiny
        z = torch.sub(torch.stack(self.edges, 1).to(x.dtype)[..., None], x.T).div_(self.blur)  # (n + 1, 2, N)
        far = z.abs().clamp_(max=math.sqrt(-2 * math.log(least)))  # beyond it all numbers vanish
        tail = torch.special.erfc(far * math.sqrt(0.5)).mul_(0.5)
        across = torch.logical_and(z[:-1] < 0, z[1:] > 0)
        mass = torch.where(across, 1 - tail[:-1] - tail[1:], tail.diff(dim=0).abs_())
        largest = mass.amax(0)
        if not float(largest.min()) > 1e8 * least:
            return None
        a, b = mass.div_(largest).unbind(1)
        slope = far.square_().mul_(-0.5).exp_().diff(dim=0).div_(largest.mul_(-self.blur * math.sqrt(2 * math.pi)))
        W = self._table.to(x.dtype)
        rows, columns = W @ b, W.T @ a
        p = (a * rows).sum(0)
        if not float(p.min()) > 1e8 * least:
            return None
        return torch.stack([(slope[:, 0] * rows).sum(0) / p, (slope[:, 1] * columns).sum(0) / p], 1)

    @cached_property
    def _table(self) -> Tensor | None:
        """(n, n): W_ij, weight over area of each cell of the plane up to a factor; None for other shapes."""
        if self.dim != 2 or len(self.edges[0]) != len(self.edges[1]):
            return None
        table = self.weights.new_zeros([len(edges) - 1 for edges in self.edges])
        table.index_put_(tuple(self.cells.T), self.weights, accumulate=True)
        table = table / (self.edges[0].diff()[:, None] * self.edges[1].diff())
        return table / table.max()

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        cells = self.cells[torch.multinomial(self.weights, n, replacement=True, generator=generator)]
        u = torch.rand(n, self.dim, generator=generator, dtype=self.weights.dtype)
        columns = []
        for d, edges in enumerate(self.edges):
            low, high = edges[cells[:, d]], edges[cells[:, d] + 1]
            columns.append(low + (high - low) * u[:, d])
        x = torch.stack(columns, 1)
        return x + self.blur * torch.randn(x.shape, generator=generator, dtype=x.dtype) if self.blur else x

    def diffused(self, schedule: Schedule, t: float) -> Histogram:
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        blur = math.hypot(alpha * self.blur, sigma)
        return Histogram(tuple(e * alpha for e in self.edges), self.cells, self.weights, blur)

    def marginal(self, axis: int) -> Histogram:
        return Histogram((self.edges[axis],), self.cells[:, axis : axis + 1], self.weights, self.blur)

    def cdf(self, x: Tensor) -> Tensor:
        """(N,): P(X <= x), one dimension only; with I(z) = z Phi(z) + phi(z), the integral of Phi."""
        if self.dim != 1:
            raise ValueError("a cdf needs one dimension; take a marginal first")
        edges = self.edges[0]
        low, high = edges[self.cells[:, 0]], edges[self.cells[:, 0] + 1]
        x = x.reshape(-1, 1)
        if self.blur == 0:
            return ((x - low) / (high - low)).clamp(0, 1) @ self.weights

        def integrated(z: Tensor) -> Tensor:
            return z * torch.special.ndtr(z) + (-0.5 * (z * z + LOG_2PI)).exp()

        part = self.blur / (high - low) * (integrated((x - low) / self.blur) - integrated((x - high) / self.blur))
        return part @ self.weights
