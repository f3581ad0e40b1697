"""An equivariant kernel and an invariant prior give an invariant model: a flat molecule, grown from noise by exact denoisers.

N atoms in the plane, with their mean taken out. The data hold one molecule m in *one* pose. A network without symmetry that learns
them perfectly answers m, always in that pose. A network that must turn with its input cannot prefer a pose: the best it can do
is the posterior mean over all of them, which has a closed form with planar vectors written as complex numbers, a = <m, x>:

equation -> name
    x = m e^{i phi} + sigma (eps - mean eps)                              -> zero_mean, sample (Hoogeboom et al. 2022)
    E[x_0 | x] = m (a/|a|) I_1(|a|/sigma^2) / I_0(|a|/sigma^2)            -> denoise, equivariant
    p(x_k) = exp(-(r^2 + m_k^2) / 2 s^2) I_0(r |m_k| / s^2) / 2 pi s^2    -> density, s^2 = sigma^2 (1 - 1/N)
    p_T(R x) = p_T(x), p(R x' | R x) = p(x' | x)  =>  p_0(R x) = p_0(x)   -> pose_truth, turned_error (Xu et al. 2022, prop. 1)
    Var(mean x) at the end, if it is not taken out                        -> drift_exact

Sources: Koehler et al. 2020 (arXiv 2006.02425); Xu et al. 2022 (GeoDiff, arXiv 2203.02923); Hoogeboom et al. 2022 (arXiv 2203.17003).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from core.numerics.distances import Truth, ks_1d, ks_floor
from core.numerics.schedules import Geometric, ancestral_sigmas
from core.numerics.trajectory import Trajectory, collect

SCHEDULE = Geometric(0.05, 2.0)
ATOMS = ("O", "H", "H")
KERNELS = ("equivariant", "plain")
PRIORS = ("round", "stretched")
STRETCH = (1.9, 0.1)


def molecule() -> Tensor:
    """(N,) complex64: a bent molecule, edges 1.5 and 104.5 degrees between them, centre at zero."""
    half = math.radians(104.5) / 2
    points = torch.tensor([0j, 1.5 * complex(math.cos(half), math.sin(half)), 1.5 * complex(math.cos(half), -math.sin(half))])
    return points - points.mean()


def zero_mean(x: Tensor) -> Tensor:
    """Take the centre of mass (equal masses) out of (..., N): the variance of an atom falls by the factor 1 - 1/N."""
    return x - x.mean(-1, keepdim=True)


def denoise(x: Tensor, sigma: float, *, kernel: str) -> Tensor:
    """(M, N) complex -> E[x_0 | x] (M, N): of one pose ("plain"), or of all of them alike ("equivariant")."""
    m = molecule().to(x)
    if kernel == "plain":
        return m.expand_as(x)
    a = (m.conj() * x).sum(-1)
    kappa = (a.abs() / sigma**2).double()
    certain = (torch.special.i1e(kappa) / torch.special.i0e(kappa)).to(a.real)
    return m * (certain * a / a.abs().clamp(min=1e-12))[:, None]


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Complex, each part of unit variance."""
    return torch.view_as_complex(torch.randn(*shape, 2, generator=generator))


def prior(n: int, *, kind: str, centred: bool, generator: torch.Generator) -> Tensor:
    """(n, N) complex: normal of width sigma(1), round, or stretched along x and pressed along y."""
    x = _normal((n, len(ATOMS)), generator)
    if kind == "stretched":
        x = torch.complex(STRETCH[0] * x.real, STRETCH[1] * x.imag)
    x = SCHEDULE.sigma(1.0) * x
    return zero_mean(x) if centred else x


def reverse(
    x: Tensor, sigmas: list[float], *, kernel: str, centred: bool, eta: float, generator: torch.Generator, turn: complex = 1
) -> Iterator[Tensor]:
    """Steps of the variance-exploding process, ancestral (eta = 1) or without fresh noise (eta = 0).

    The network sees and moves relative positions only. turn: a unit complex number that rotates every noise drawn, to test
    that a turned run is the run turned.
    """
    yield x
    for sigma, sigma_next in pairwise(sigmas):
        score = (denoise(zero_mean(x), sigma, kernel=kernel) - zero_mean(x)) / sigma**2
        z = turn * _normal(tuple(x.shape), generator)
        z = zero_mean(z) if centred else z
        sigma_down, sigma_up = ancestral_sigmas(sigma, sigma_next, eta)
        x = x + (sigma**2 - sigma * sigma_down) * score + sigma_up * z
        yield x


def sample(
    *,
    kernel: str = "equivariant",
    prior_kind: str = "round",
    centred: bool = True,
    eta: float = 1.0,
    n_steps: int = 100,
    n_molecules: int = 1000,
    seed: int = 0,
    n_frames: int = 101,
    turn: float = 0.0,
) -> Trajectory:
    """(T, N * n_molecules, 2) positions, atom by atom of the molecule; times 1 to 0.

    turn: angle by which the start and all the noise are rotated. Raises ValueError for unknown names or fewer than one step.
    """
    if kernel not in KERNELS or prior_kind not in PRIORS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)} and prior_kind of {', '.join(PRIORS)}")
    if min(n_steps, n_molecules, n_frames - 1) < 1:
        raise ValueError("steps and molecules must be at least 1, frames 2")
    generator = torch.Generator().manual_seed(seed)
    phase = complex(math.cos(turn), math.sin(turn))
    x = phase * prior(n_molecules, kind=prior_kind, centred=centred, generator=generator)
    times = torch.linspace(1, 0, n_steps + 1, dtype=torch.float64)
    states = reverse(x, SCHEDULE.sigma(times).tolist(), kernel=kernel, centred=centred, eta=eta, generator=generator, turn=phase)
    return collect((torch.view_as_real(state.T.reshape(-1)) for state in states), times, n_frames=n_frames)


def molecules(positions: Tensor) -> Tensor:
    """(N * M, 2) of one frame -> (M, N) complex."""
    return torch.view_as_complex(positions.contiguous()).view(len(ATOMS), -1).T


def orientations(positions: Tensor) -> Tensor:
    """(N * M, 2) -> (M,) angles in [0, 2 pi) by which each molecule is turned against m (least squares)."""
    return torch.angle((molecule().conj() * molecules(positions)).sum(-1)).double().remainder(2 * math.pi)


def orientation_truth(trajectory: Trajectory) -> Truth:
    """Kolmogorov-Smirnov distance of the poses at the end to the uniform law that invariance demands."""
    angles = orientations(trajectory.final)
    found = ks_1d(angles, lambda a: a / (2 * math.pi))
    return Truth("Kolmogorov–Smirnov distance of the poses to uniform", found, ks_floor(len(angles)))


def turned_error(*, kernel: str, angle: float = 1.0, seed: int = 0, n_steps: int = 50) -> float:
    """Turn the start and the noise by `angle`: how far the end is from the end turned, relative."""
    run = partial(sample, kernel=kernel, n_steps=n_steps, n_molecules=50, seed=seed, n_frames=2)
    phase = complex(math.cos(angle), math.sin(angle))
    as_is, turned = (molecules(run(turn=a).final) for a in (0.0, angle))
    return float((turned - phase * as_is).norm() / as_is.norm())


def centres(trajectory: Trajectory) -> Tensor:
    """(2 M,): both coordinates of the molecules' centres at the end."""
    return torch.view_as_real(molecules(trajectory.final).mean(-1)).flatten().double()


def drift(trajectory: Trajectory) -> tuple[float, float]:
    """Root-mean-square distance of the molecules' centres from the origin at the end, per axis: measured, and its standard error."""
    found = centres(trajectory)
    rms = float(found.square().mean().sqrt())
    return rms, rms / math.sqrt(2 * len(found))


def drift_exact(n_steps: int, *, prior_kind: str = "round", eta: float = 1.0) -> float:
    """What `drift` must be when the mean is not taken out: all the noise a mean ever got, since no score acts on it."""
    sigmas = SCHEDULE.sigma(torch.linspace(1, 0, n_steps + 1, dtype=torch.float64))
    start = sigmas[0] ** 2 * (sum(s * s for s in STRETCH) / 2 if prior_kind == "stretched" else 1)
    added = eta**2 * (sigmas[1:] ** 2 * (1 - (sigmas[1:] / sigmas[:-1]) ** 2)).sum()
    return math.sqrt(float(start + added) / len(ATOMS))


def density(points: Tensor, sigma: float, *, kernel: str, centred: bool = True) -> Tensor:
    """(P, 2) -> (P,): exact density of where atoms are at noise level sigma, all kinds together; integrates to one.

    Of the data in one pose ("plain"), or of the same data in every pose ("equivariant").
    """
    width = sigma * (math.sqrt(1 - 1 / len(ATOMS)) if centred else 1)
    total = torch.zeros(len(points), dtype=torch.float64)
    r = points.double().norm(dim=-1)
    for k in molecule().to(torch.complex128):
        if kernel == "plain":
            squared = (torch.view_as_complex(points.double().contiguous()) - k).abs().square()
            total += torch.exp(-squared / (2 * width**2))
        else:
            product = r * k.abs() / width**2
            total += torch.exp(-((r - k.abs()) ** 2) / (2 * width**2)) * torch.special.i0e(product)
    return total / (2 * math.pi * width**2 * len(ATOMS))
