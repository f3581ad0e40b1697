"""Networks of a log-density over space and noise time, with the derivatives that the Fokker-Planck equation asks for.

    log q(x, t) = -c |x|^2 / 2 + NN(x, t),  c = 1 on the plane, 0 on the torus        -> EnergyNetwork
    score = grad log q = -grad E,  E = -log q                                          -> EnergyNetwork.score   (one pass back)
    grad log q, laplacian log q, d/dt log q, exactly                                   -> EnergyNetwork.jet     (forward Laplacian)
    R = (beta/2) (laplacian + |s|^2 + c (x.s + D)) - d/dt log q                        -> residual
    score = -NN(x, t) / sigma(t)                                                       -> NoiseNetwork          (no energy)
    one network up to a time, another from there on                                    -> TimeExperts

R = 0 is the Fokker-Planck equation of dx = -c (beta/2) x dt + sqrt(beta) dB for log q: Plainer et al. 2025 (ScoreMD, arXiv 2506.17139),
who estimate it by differences; in two dimensions the derivatives are cheap to carry along exactly (forward Laplacian: Li et al.,
Nat. Mach. Intell. 6, 209 (2024)). Features of t are theirs: t - 1/2, cos 2 pi t, sin 2 pi t, -cos 4 pi t.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

TURN = 2 * math.pi
DIM = 2


class Jet(NamedTuple):
    """log q (N,), its gradient (N, D), its Laplacian (N,) and its rate of change d/dt (N,)."""

    log_q: Tensor
    score: Tensor
    laplacian: Tensor
    rate: Tensor


def residual(jet: Jet, x: Tensor, beta: Tensor | float, *, confined: bool) -> Tensor:
    """(N,): right side minus left side of the Fokker-Planck equation for log q, 1/time; zero where q is the law of the noising.

    beta: noise rate, (N,) or a number. confined: noise with the pull -beta x/2 (variance preserving), or Brownian motion alone.
    """
    inner = jet.laplacian + jet.score.square().sum(1)
    if confined:
        inner = inner + (x * jet.score).sum(1) + x.shape[1]
    return 0.5 * beta * inner - jet.rate


def time_features(t: Tensor) -> Tensor:
    """(N, 1) -> (N, 4)"""
    return torch.cat([t - 0.5, torch.cos(TURN * t), torch.sin(TURN * t), -torch.cos(2 * TURN * t)], -1)


def time_slopes(t: Tensor) -> Tensor:
    """(N, 1) -> (N, 4): d/dt of `time_features`."""
    ones = torch.ones_like(t)
    return torch.cat([ones, -TURN * torch.sin(TURN * t), TURN * torch.cos(TURN * t), 2 * TURN * torch.sin(2 * TURN * t)], -1)


class _Layers(nn.Module):
    """A multilayer perceptron with swish over features of place and time. periodic: x are angles, seen by `waves` harmonics."""

    def __init__(self, periodic: bool, n_out: int, width: int, depth: int, waves: int):
        super().__init__()
        self.periodic, self.waves = periodic, waves
        self.space = nn.Linear(2 * waves * DIM if periodic else DIM, width)
        self.time = nn.Linear(4, width, bias=False)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.out = nn.Linear(width, n_out)

    @property
    def layers(self) -> list[nn.Linear]:
        """Between the first layer and the last."""
        return [layer for layer in self.hidden if isinstance(layer, nn.Linear)]

    def _harmonics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """n (waves,), cos n x and sin n x (N, D, waves)."""
        n = torch.arange(1, self.waves + 1, dtype=x.dtype)
        phase = x[..., None] * n
        return n, phase.cos(), phase.sin()

    def _features(self, x: Tensor) -> Tensor:
        if not self.periodic:
            return x
        _, cosine, sine = self._harmonics(x)
        return torch.cat([cosine.flatten(1), sine.flatten(1)], 1)

    def _entry(self, x: Tensor, t: Tensor) -> Tensor:
        return self.space(self._features(x)) + self.time(time_features(t))


def _swish(v: Tensor) -> tuple[Tensor, Tensor]:
    """Swish and its slope."""
    gate = torch.sigmoid(v)
    value = v * gate
    return value, torch.addcmul(gate, value, 1 - gate)


class NoiseNetwork(_Layers):
    """(x (N, 2), t (N, 1) or (1, 1)) -> predicted noise (N, 2): the usual network of a diffusion model, whose score need be no gradient."""

    def __init__(self, periodic: bool = False, width: int = 64, depth: int = 3, waves: int = 3):
        super().__init__(periodic, DIM, width, depth, waves)
        self.config = dict(periodic=periodic, width=width, depth=depth, waves=waves)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = nn.functional.silu(self._entry(x, t))
        for layer in self.hidden:
            h = nn.functional.silu(layer(h))
        return self.out(h)


class EnergyNetwork(_Layers):
    """log q(x, t) up to a constant; its score is a gradient by construction."""

    def __init__(self, periodic: bool = False, width: int = 64, depth: int = 3, waves: int = 3):
        super().__init__(periodic, 1, width, depth, waves)
        self.config = dict(periodic=periodic, width=width, depth=depth, waves=waves)
        self.pull = 0.0 if periodic else 1.0  # c

    def log_density(self, x: Tensor, t: Tensor) -> Tensor:
        """(N,): log q(x, t) up to a constant."""
        h = nn.functional.silu(self._entry(x, t))
        for layer in self.hidden:
            h = nn.functional.silu(layer(h))
        return self.out(h)[:, 0] - 0.5 * self.pull * x.square().sum(1)

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        """(N, 2): grad log q; x (N, 2), t (N, 1) or (1, 1). The pass back is written out, so that it is itself differentiable."""
        slopes = []
        h, slope = _swish(self._entry(x, t))
        slopes.append(slope)
        for layer in self.hidden:
            h, slope = _swish(layer(h))
            slopes.append(slope)
        g = self.out.weight * slopes.pop()
        for layer in reversed(self.layers):
            g = (g @ layer.weight) * slopes.pop()
        g = g @ self.space.weight
        if self.periodic:
            n, cosine, sine = self._harmonics(x)
            to_cosine, to_sine = g.unflatten(1, (2, DIM, self.waves)).unbind(1)
            return (n * (cosine * to_sine - sine * to_cosine)).sum(-1)
        return g - self.pull * x

    def jet(self, x: Tensor, t: Tensor) -> Jet:
        """log q with its exact derivatives, carried forward through the layers; x (N, 2), t (N, 1)."""
        slopes, bends = self._feature_slopes(x)  # (D, N, F) each: the features' first and second derivatives
        v = self._entry(x, t)
        grad = slopes @ self.space.weight.T
        laplacian = bends.sum(0) @ self.space.weight.T
        rate = time_slopes(t) @ self.time.weight.T
        for layer in (*self.layers, self.out):
            gate = torch.sigmoid(v)
            first = gate * (1 + v * (1 - gate))
            second = gate * (1 - gate) * (2 + v * (1 - 2 * gate))
            stacked = torch.stack([v * gate, *(first * grad), second * grad.square().sum(0) + first * laplacian, first * rate])
            stacked = stacked @ layer.weight.T
            v, grad, laplacian, rate = stacked[0] + layer.bias, stacked[1:-2], stacked[-2], stacked[-1]
        return Jet(
            v[:, 0] - 0.5 * self.pull * x.square().sum(1),
            grad[..., 0].T - self.pull * x,
            laplacian[:, 0] - self.pull * DIM,
            rate[:, 0],
        )

    def _feature_slopes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        slopes = x.new_zeros(DIM, len(x), self.space.in_features)
        bends = torch.zeros_like(slopes)
        if not self.periodic:
            for d in range(DIM):
                slopes[d, :, d] = 1
            return slopes, bends
        n, cosine, sine = self._harmonics(x)
        for d in range(DIM):
            at = slice(d * self.waves, (d + 1) * self.waves)
            then = slice((DIM + d) * self.waves, (DIM + d + 1) * self.waves)
            slopes[d, :, at], slopes[d, :, then] = -n * sine[:, d], n * cosine[:, d]
            bends[d, :, at], bends[d, :, then] = -n * n * cosine[:, d], -n * n * sine[:, d]
        return slopes, bends


class TimeExperts(nn.Module):
    """Two energy networks: `early` for t < boundary, `late` from there on. Each has its own constant in log q."""

    def __init__(self, boundary: float = 0.1, periodic: bool = False, width: int = 64, depth: int = 3, waves: int = 3):
        super().__init__()
        self.early, self.late = (EnergyNetwork(periodic, width, depth, waves) for _ in range(2))
        self.boundary, self.config = boundary, {"boundary": boundary, **self.early.config}

    def of(self, t: float) -> EnergyNetwork:
        """The network that answers at this time."""
        return self.early if t < self.boundary else self.late

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        """(N, 2), at one time t (1, 1)."""
        return self.of(float(t)).score(x, t)

    def log_density(self, x: Tensor, t: Tensor) -> Tensor:
        """(N,), at one time t (1, 1)."""
        return self.of(float(t)).log_density(x, t)

    def jet(self, x: Tensor, t: Tensor) -> Jet:
        """At one time t (1, 1)."""
        return self.of(float(t)).jet(x, t)
