"""Noise schedules: how fast data turns into noise (the clock) and along which path (the variant).

Every schedule is one clock: the noise rate beta(t), its integral B(t) = int_0^t beta, and the inverse of B.
The variant says what is done with it, x_t = alpha(t) x_0 + sigma(t) eps, dx = f(t) x dt + g(t) dB:

| variant | alpha     | sigma           | f       | g^2                | Song et al. 2021 (arXiv 2011.13456) |
|---------|-----------|-----------------|---------|--------------------|-------------------------------------|
| VP      | exp(-B/2) | sqrt(1-exp(-B)) | -beta/2 | beta               | eq. 11, 29                          |
| sub-VP  | exp(-B/2) | 1-exp(-B)       | -beta/2 | beta (1-exp(-2B))  | eq. 12, 29                          |
| VE      | 1         | sqrt(exp(B)-1)  | 0       | beta exp(B)        | eq. 9, 29                           |

The VE row is the VP row divided by alpha: the same signal-to-noise ratio at every t. Any VE noise level
sigma(t) is such a clock, with B = log(1 + sigma^2); that is how EDM and the geometric schedule are written.
t runs from 0 (data) to 1 (noise) and may be a float or a tensor of any shape; the result has the same kind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar, overload

import torch
from torch import Tensor

VARIANTS = ("VP", "sub-VP", "VE")
SPACINGS = ("uniform", "rho", "log-SNR")
Time = TypeVar("Time", float, Tensor)  # a number gives a number, a tensor a tensor


class _Functions(Protocol[Time]):
    """What `torch` and `math` spell the same way."""

    def exp(self, x: Time, /) -> Time: ...
    def expm1(self, x: Time, /) -> Time: ...
    def log(self, x: Time, /) -> Time: ...
    def log1p(self, x: Time, /) -> Time: ...
    def sqrt(self, x: Time, /) -> Time: ...
    def cos(self, x: Time, /) -> Time: ...
    def tan(self, x: Time, /) -> Time: ...
    def acos(self, x: Time, /) -> Time: ...
    def asinh(self, x: Time, /) -> Time: ...


@overload
def _lib(t: float) -> _Functions[float]: ...
@overload
def _lib(t: Tensor) -> _Functions[Tensor]: ...
def _lib(t: float | Tensor) -> _Functions[float] | _Functions[Tensor]:
    """`torch` for tensors, `math` for numbers."""
    return torch if isinstance(t, Tensor) else math


@overload
def _where(condition: bool, a: float, b: float) -> float: ...
@overload
def _where(condition: Tensor, a: Tensor, b: Tensor) -> Tensor: ...
def _where(condition: bool | Tensor, a: float | Tensor, b: float | Tensor) -> float | Tensor:
    if isinstance(condition, Tensor):
        return torch.where(condition, a, b)
    return a if condition else b


def _root(x: Time) -> Time:
    """sqrt(x), and 0 where rounding has left less than nothing."""
    return x.clamp(min=0).sqrt() if isinstance(x, Tensor) else math.sqrt(max(0.0, x))


def ancestral_sigmas(
    sigma: Time, sigma_next: Time, eta: float, *, alpha: Time | float = 1.0, alpha_next: Time | float = 1.0
) -> tuple[Time, Time]:
    """(sigma_down, sigma_up): how much of the noise sigma_next after an ancestral step keeps its direction, and how much is drawn afresh.

        x_next = alpha_next x_0 + sigma_down eps + sigma_up z,  sigma_down^2 + sigma_up^2 = sigma_next^2,
        sigma_up = eta sigma_next sqrt(1 - (alpha sigma_next / (alpha_next sigma))^2)

    eta = 1 is the posterior q(x_next | x, x_0): Ho et al. 2020, eq. 7 (VP), Song et al. 2021 (arXiv 2011.13456), app. F (VE, where
    alpha = 1). eta = 0 draws nothing. In between: Song et al. 2021b (DDIM, arXiv 2010.02502), eq. 16. For the names see the ancestral
    samplers of k-diffusion, in the variables of Karras et al. 2022.
    """
    sigma_up = eta * sigma_next * _root(1 - (alpha * sigma_next / (alpha_next * sigma)) ** 2)
    return _root(sigma_next**2 - sigma_up**2), sigma_up


@dataclass(frozen=True)
class Schedule:
    """A clock (beta, integral, time_of_integral: in the subclasses) and a variant. Raises ValueError on others."""

    variant: str = field(default="VP", kw_only=True)

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"variant {self.variant!r} is not one of {', '.join(VARIANTS)}")

    def beta(self, t: Time) -> Time:
        """Noise rate of the variance-preserving path with this signal-to-noise ratio."""
        raise NotImplementedError

    def integral(self, t: Time) -> Time:
        """B(t) = int_0^t beta(s) ds."""
        raise NotImplementedError

    def time_of_integral(self, total: Time) -> Time:
        """The t at which B(t) = total."""
        raise NotImplementedError

    def alpha(self, t: Time) -> Time:
        if self.variant == "VE":
            return 0 * t + 1.0
        total = self.integral(t)
        return _lib(total).exp(-total / 2)

    def sigma(self, t: Time) -> Time:
        total = self.integral(t)
        lib = _lib(total)
        if self.variant == "VP":
            return lib.sqrt(-lib.expm1(-total))
        return -lib.expm1(-total) if self.variant == "sub-VP" else lib.sqrt(lib.expm1(total))

    def alpha_bar(self, t: Time) -> Time:
        return self.alpha(t) ** 2

    def log_snr(self, t: Time) -> Time:
        """log(alpha^2 / sigma^2)."""
        return -2 * _lib(t).log(self.noise_ratio(t))

    def noise_ratio(self, t: Time) -> Time:
        """sigma / alpha, the noise level in units of the data."""
        return self.sigma(t) / self.alpha(t)

    def f(self, t: Time) -> Time:
        """Drift coefficient of dx = f(t) x dt + g(t) dB."""
        return 0 * t if self.variant == "VE" else -self.beta(t) / 2

    def g2(self, t: Time) -> Time:
        """Squared diffusion coefficient g(t)^2 of dx = f(t) x dt + g(t) dB."""
        beta = self.beta(t)
        if self.variant == "VP":
            return beta
        total = self.integral(t)
        lib = _lib(total)
        return -beta * lib.expm1(-2 * total) if self.variant == "sub-VP" else beta * lib.exp(total)

    def time_at(self, noise_ratio: Time) -> Time:
        """The t at which sigma / alpha = noise_ratio (past t = 1 if the ratio is larger than the schedule's)."""
        lib = _lib(noise_ratio)
        if self.variant == "sub-VP":  # ratio = 2 sinh(B / 2)
            return self.time_of_integral(2 * lib.asinh(noise_ratio / 2))
        return self.time_of_integral(lib.log1p(noise_ratio**2))

    @property
    def t_min(self) -> float:
        """Where a reverse process stops: below it the noise is far smaller than any structure in the data."""
        return 1e-3

    @property
    def spacing(self) -> str:
        """The spacing of `time_grid` that belongs to this schedule."""
        return "rho" if self.variant == "VE" else "uniform"

    def time_grid(self, n_steps: int, *, spacing: str | None = None, rho: float = 7.0) -> Tensor:
        """(n_steps + 1,) float64 times from 1 down to t_min.

        spacing: "uniform" in t (DDPM, DDIM), "log-SNR" (Lu et al. 2022, arXiv 2206.00927) or "rho":
        noise_ratio^(1/rho) in equal steps (Karras et al. 2022, arXiv 2206.00364, eq. 5).
        Raises ValueError for fewer than one step or an unknown spacing.
        """
        spacing = self.spacing if spacing is None else spacing
        if n_steps < 1:
            raise ValueError(f"n_steps must be at least 1, not {n_steps}")
        if spacing not in SPACINGS:
            raise ValueError(f"spacing {spacing!r} is not one of {', '.join(SPACINGS)}")
        i = torch.linspace(0, 1, n_steps + 1, dtype=torch.float64)
        first, last = self.noise_ratio(1.0), self.noise_ratio(self.t_min)
        if spacing == "uniform":
            times = 1 + i * (self.t_min - 1)
        elif spacing == "log-SNR":
            times = self.time_at(torch.exp(math.log(first) + i * math.log(last / first)))
        else:
            times = self.time_at((first ** (1 / rho) + i * (last ** (1 / rho) - first ** (1 / rho))) ** rho)
        times[0], times[-1] = 1.0, self.t_min
        return times


@dataclass(frozen=True)
class Linear(Schedule):
    """beta = beta_min + t (beta_max - beta_min): Ho et al. 2020 in continuous time (Song et al. 2021, eq. 32)."""

    beta_min: float = 0.1
    beta_max: float = 20.0

    def beta(self, t: Time) -> Time:
        return self.beta_min + t * (self.beta_max - self.beta_min)

    def integral(self, t: Time) -> Time:
        return t * (self.beta_min + 0.5 * t * (self.beta_max - self.beta_min))

    def time_of_integral(self, total: Time) -> Time:
        root = _lib(total).sqrt(self.beta_min**2 + 2 * (self.beta_max - self.beta_min) * total)
        return 2 * total / (self.beta_min + root)


class Clipped(Schedule):
    """A clock whose rate grows without bound as t -> 1 and is held at beta_max from clip_time on, so that alpha never reaches 0.

    Subclasses have the field beta_max and say clip_time, where their rate reaches it, and the three functions without the clip.
    """

    beta_max: float

    @property
    def clip_time(self) -> float:
        raise NotImplementedError

    def free_beta(self, t: Time) -> Time:
        """beta(t) before clip_time."""
        raise NotImplementedError

    def free_integral(self, t: Time) -> Time:
        """B(t) up to clip_time."""
        raise NotImplementedError

    def free_time(self, total: Time) -> Time:
        """The t up to clip_time at which B(t) = total."""
        raise NotImplementedError

    def beta(self, t: Time) -> Time:
        before = t < self.clip_time
        return _where(before, self.free_beta(_where(before, t, 0 * t)), 0 * t + self.beta_max)

    def integral(self, t: Time) -> Time:
        inside = _where(t < self.clip_time, t, 0 * t + self.clip_time)
        return self.free_integral(inside) + self.beta_max * (t - inside)

    def time_of_integral(self, total: Time) -> Time:
        at_clip = self.free_integral(self.clip_time)
        inside = _where(total < at_clip, total, 0 * total + at_clip)
        return self.free_time(inside) + (total - inside) / self.beta_max


@dataclass(frozen=True)
class Cosine(Clipped):
    """alpha_bar ~ cos^2(pi/2 (t+s)/(1+s)), Nichol & Dhariwal 2021 (arXiv 2102.09672, eq. 17).

    beta = pi/(1+s) tan(...) is clipped at beta_max, as the paper clips its beta_t; alpha_bar stays consistent with the clipped rate.
    """

    offset: float = 0.008
    beta_max: float = 100.0

    def _angle(self, t: Time) -> Time:
        return 0.5 * math.pi * (t + self.offset) / (1 + self.offset)

    @property
    def clip_time(self) -> float:
        return 2 / math.pi * (1 + self.offset) * math.atan(self.beta_max * (1 + self.offset) / math.pi) - self.offset

    def free_beta(self, t: Time) -> Time:
        return math.pi / (1 + self.offset) * _lib(t).tan(self._angle(t))

    def free_integral(self, t: Time) -> Time:
        lib = _lib(t)
        return -2 * lib.log(lib.cos(self._angle(t)) / math.cos(self._angle(0.0)))

    def free_time(self, total: Time) -> Time:
        lib = _lib(total)
        cosine = math.cos(self._angle(0.0)) * lib.exp(-total / 2)
        return 2 / math.pi * (1 + self.offset) * lib.acos(cosine) - self.offset


@dataclass(frozen=True)
class Exponential(Schedule):
    """beta = beta_min (beta_max / beta_min)^t: equal factors in equal times."""

    beta_min: float = 0.1
    beta_max: float = 60.0

    @property
    def _rate(self) -> float:
        return math.log(self.beta_max / self.beta_min)

    def beta(self, t: Time) -> Time:
        return self.beta_min * _lib(t).exp(self._rate * t)

    def integral(self, t: Time) -> Time:
        return self.beta_min / self._rate * _lib(t).expm1(self._rate * t)

    def time_of_integral(self, total: Time) -> Time:
        return _lib(total).log1p(total * self._rate / self.beta_min) / self._rate


@dataclass(frozen=True)
class Sigmoid(Schedule):
    """beta = beta_max / (1 + exp(-k(2t - 1))): a soft start and a soft end (GeoDiff, arXiv 2203.02923, uses k = 6)."""

    beta_max: float = 20.0
    k: float = 6.0

    def _softplus(self, t: Time) -> Time:
        return _lib(t).log1p(_lib(t).exp(self.k * (2 * t - 1)))

    def beta(self, t: Time) -> Time:
        return self.beta_max / (1 + _lib(t).exp(-self.k * (2 * t - 1)))

    def integral(self, t: Time) -> Time:
        return self.beta_max / (2 * self.k) * (self._softplus(t) - self._softplus(0.0))

    def time_of_integral(self, total: Time) -> Time:
        lib = _lib(total)
        return 0.5 + lib.log(lib.expm1(2 * self.k * total / self.beta_max + self._softplus(0.0))) / (2 * self.k)


@dataclass(frozen=True)
class EDM(Schedule):
    """sigma = sigma_max t, so that the clock is the noise level itself (Karras et al. 2022, table 1, last column)."""

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    variant: str = field(default="VE", kw_only=True)

    def beta(self, t: Time) -> Time:
        return 2 * self.sigma_max**2 * t / (1 + (self.sigma_max * t) ** 2)

    def integral(self, t: Time) -> Time:
        return _lib(t).log1p((self.sigma_max * t) ** 2)

    def time_of_integral(self, total: Time) -> Time:
        return _lib(total).sqrt(_lib(total).expm1(total)) / self.sigma_max

    @property
    def t_min(self) -> float:
        return self.sigma_min / self.sigma_max

    @property
    def spacing(self) -> str:
        return "rho"


@dataclass(frozen=True)
class Geometric(Schedule):
    """sigma = sigma_min (sigma_max / sigma_min)^t, the VE SDE of Song et al. 2021 (eq. 30). sigma(0) = sigma_min."""

    sigma_min: float = 0.005
    sigma_max: float = 50.0
    variant: str = field(default="VE", kw_only=True)

    @property
    def _rate(self) -> float:
        return math.log(self.sigma_max / self.sigma_min)

    def beta(self, t: Time) -> Time:
        square = self.sigma_min**2 * _lib(t).exp(2 * self._rate * t)
        return 2 * self._rate * square / (1 + square)

    def integral(self, t: Time) -> Time:
        return _lib(t).log1p(self.sigma_min**2 * _lib(t).exp(2 * self._rate * t))

    def time_of_integral(self, total: Time) -> Time:
        return 0.5 * _lib(total).log(_lib(total).expm1(total) / self.sigma_min**2) / self._rate

    @property
    def spacing(self) -> str:
        return "uniform"


@dataclass(frozen=True)
class FiniteTime(Clipped):
    """t = 1 - exp(-s): all of the infinite time s of dx = -x ds + sqrt(2) dB in one unit. beta = 2 ds/dt = 2 / (1 - t)."""

    beta_max: float = 1000.0

    @property
    def clip_time(self) -> float:
        return 1 - 2 / self.beta_max

    def free_beta(self, t: Time) -> Time:
        return 2 / (1 - t)

    def free_integral(self, t: Time) -> Time:
        return -2 * _lib(t).log1p(-t)

    def free_time(self, total: Time) -> Time:
        return -_lib(total).expm1(-total / 2)


SCHEDULES: dict[str, Schedule] = {
    "linear": Linear(),
    "cosine": Cosine(),
    "exponential": Exponential(),
    "sigmoid": Sigmoid(),
    "EDM": EDM(),
    "geometric": Geometric(),
}


def get_schedule(name: str, variant: str | None = None) -> Schedule:
    """The schedule called `name`, in `variant` ("VP", "sub-VP", "VE"; None keeps its own). ValueError if unknown."""
    if name not in SCHEDULES:
        raise ValueError(f"schedule {name!r} is not one of {', '.join(SCHEDULES)}")
    return SCHEDULES[name] if variant is None else replace(SCHEDULES[name], variant=variant)
