"""Langevin dynamics with and without inertia, as generators over a stream of unit normals.

    dx = v dt,   m dv = force(x) dt - gamma m v dt + sqrt(2 gamma m kT) dB          -> splitting, euler_kinetic
    dx = mobility force(x) dt + sqrt(2 mobility kT) dB,  mobility = 1/(gamma m)     -> overdamped

`noise` yields one (N, D) tensor of standard normals per draw and is the only source of randomness; a run ends with it.
A yielded tensor is never written to again, and neither are the caller's x and v.

equation -> name
    B: v += dt force/m      A: x += dt v      O: v <- c v + sqrt((1 - c^2) kT/m) R, c = exp(-gamma dt)   -> splitting
    BAOAB, ABOBA, OBABO     Leimkuhler & Matthews, Appl. Math. Res. Express 2013, 34 (2013); OBABO: Bussi & Parrinello,
                            Phys. Rev. E 75, 056707 (2007). Letters that occur twice act for dt/2 each.
    <x^2>, <v^2> in a harmonic well at this dt                                                           -> bias
    the same Brownian path in finer steps                                                                -> refined
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from threading import Lock

import torch
from torch import Tensor

from core.numerics.checks import one_of
from core.numerics.potentials import ForceField, Potential

BLOCK = 1 << 16  # numbers drawn at a time; fixed, so that the same seed gives the same noise to every sampler
SPLITTINGS = ("BAOAB", "OBABO", "ABOBA")
KINETIC = (*SPLITTINGS, "Euler–Maruyama")


def normals(shape: tuple[int, ...], n: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Iterator[Tensor]:
    """n tensors of standard normals, drawn a block at a time."""
    block = max(1, BLOCK // max(1, math.prod(shape)))
    while n > 0:
        drawn = min(block, n)
        yield from torch.randn((drawn, *shape), generator=generator, dtype=dtype)
        n -= drawn


def of_first(noise: Iterable[Tensor], n: int | None) -> Iterator[Tensor]:
    """Of every draw the part of the first n particles, or all of it: a part of the crowd takes the paths that it takes in the whole."""
    return (R[:n] for R in noise) if n else iter(noise)


class Kept:
    """Tensors by key, those longest unused forgotten beyond `most` bytes: the noise of a few particles while a thumb is held."""

    def __init__(self, most: int):
        self._most, self._held, self._lock = most, OrderedDict[Hashable, Tensor](), Lock()

    def get(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """What is kept under `key`, or else what `make` makes. Nobody may write to it."""
        with self._lock:
            if (found := self._held.get(key)) is not None:
                self._held.move_to_end(key)
                return found
        made = make()
        with self._lock:
            self._held[key] = made
            while sum(tensor.nbytes for tensor in self._held.values()) > self._most and len(self._held) > 1:
                self._held.popitem(last=False)
        return made


_kept = Kept(64 << 20)


def crowd_noise(
    shape: tuple[int, ...], n: int, generator: torch.Generator, first: int | None, *, k: int = 1, seed: int = 0
) -> Iterator[Tensor]:
    """n draws (N, D) of a crowd's noise by `normals`, each in k finer steps by `refined`, whose generator is seeded with `seed`.

    first: only the part of the first so many particles, the very numbers that they have in the crowd. Those are kept for the next call
    with a generator in the same state, and then the generator is not drawn from: let it serve nothing afterwards.
    """

    def drawn() -> Iterator[Tensor]:
        coarse = of_first(normals(shape, n, generator), first)
        return refined(coarse, k, torch.Generator().manual_seed(seed), n_drawn=shape[0])

    if first is None:
        return drawn()
    state = hashlib.blake2b(generator.get_state().numpy().tobytes()).digest()
    return iter(_kept.get((shape, n, state, first, k, seed), lambda: torch.stack([R.clone() for R in drawn()])))


def draws(method: str) -> int:
    """Normals per particle and step that `method` of KINETIC takes."""
    return method.count("O") if method in SPLITTINGS else 1


def splitting(
    scheme: str,
    potential: Potential,
    x: Tensor,
    v: Tensor,
    noise: Iterable[Tensor],
    *,
    dt: float | Tensor,
    mass: float,
    friction: float | Tensor,
    kT: float,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (x, v), (N, D) each, after every step of a splitting spelled in B, A and O; the first pair is the start.

    dt, time, and friction gamma, 1/time: a number each, or one per particle (N, 1). One force evaluation per step. The normal of
    an O step is, but for a term of order (gamma dt)^2, the increment of the Brownian path: `overdamped` on the same noise follows
    the same path.
    Raises ValueError unless all three letters and no others occur.
    """
    if set(scheme) != set("BAO"):
        raise ValueError(f"a scheme is spelled with B, A and O, not {scheme!r}")
    kick, drift, rest = (dt / scheme.count(letter) for letter in "BAO")
    c = torch.exp(-torch.as_tensor(friction, dtype=x.dtype) * rest)
    width = torch.sqrt((1 - c * c) * (kT / mass))
    source, n_kicks = iter(noise), scheme.count("O")
    force = None
    yield x, v
    while len(kicks := list(islice(source, n_kicks))) == n_kicks:
        old_x, old_v = x, v  # yielded, and so not to be written to
        for letter in scheme:
            if letter == "B":
                force = potential.force(x) if force is None else force
                v = _add(v, force, kick / mass, v is not old_v)
            elif letter == "A":
                x = _add(x, v, drift, x is not old_x)
                force = None
            else:
                v = (torch.mul(v, c) if v is old_v else v.mul_(c)).addcmul_(kicks.pop(0), width)
        yield x, v


def _add(x: Tensor, y: Tensor, step: float | Tensor, in_place: bool) -> Tensor:
    """x + step y."""
    if isinstance(step, Tensor):
        return x.addcmul_(y, step) if in_place else torch.addcmul(x, y, step)
    return x.add_(y, alpha=step) if in_place else torch.add(x, y, alpha=step)


def euler_kinetic(
    potential: Potential, x: Tensor, v: Tensor, noise: Iterable[Tensor], *, dt: float, mass: float, friction: float, kT: float
) -> Iterator[tuple[Tensor, Tensor]]:
    """Euler-Maruyama of the same equation: everything from the old state. Here to be compared with, not to be used."""
    width = math.sqrt(2 * friction * kT / mass * dt)
    yield x, v
    for R in noise:
        force = potential.force(x)
        x, v = torch.add(x, v, alpha=dt), torch.mul(v, 1 - friction * dt).add_(force, alpha=dt / mass).add_(R, alpha=width)
        yield x, v


def kinetic(
    method: str, potential: Potential, x: Tensor, v: Tensor, noise: Iterable[Tensor], *, dt: float, mass: float, friction: float, kT: float
) -> Iterator[tuple[Tensor, Tensor]]:
    """One of KINETIC by name. Raises ValueError for another name."""
    one_of("method", method, KINETIC)
    if method in SPLITTINGS:
        return splitting(method, potential, x, v, noise, dt=dt, mass=mass, friction=friction, kT=kT)
    return euler_kinetic(potential, x, v, noise, dt=dt, mass=mass, friction=friction, kT=kT)


def overdamped(
    potential: ForceField, x: Tensor, noise: Iterable[Tensor], *, dt: float, kT: float, mobility: float | Tensor = 1.0
) -> Iterator[Tensor]:
    """Euler-Maruyama of Brownian dynamics: x += mobility force dt + sqrt(2 mobility kT dt) R. Yields x first.

    mobility 1/(gamma m), time/mass: a number, or one per particle (N, 1).
    """
    yield x
    if isinstance(mobility, Tensor):
        steps, widths = mobility * dt, torch.sqrt(2 * kT * dt * mobility)
        for R in noise:
            x = torch.addcmul(x, potential.force(x), steps).addcmul_(R, widths)
            yield x
        return
    step, width = mobility * dt, math.sqrt(2 * mobility * kT * dt)
    for R in noise:
        x = torch.add(x, potential.force(x), alpha=step).add_(R, alpha=width)
        yield x


def averaged(noise: Iterable[Tensor]) -> Iterator[Tensor]:
    """(R_n + R_n+1)/2 of neighbouring draws, one fewer than there are. On such noise `overdamped` is the limit of BAOAB at high friction:
    in a harmonic well it samples exactly kT/k at every stable dt, elsewhere its bias is of order dt^2 (Leimkuhler & Matthews 2013).
    """
    source = iter(noise)
    last = next(source)
    for R in source:
        yield last.add(R).mul_(0.5)
        last = R


def refined(noise: Iterable[Tensor], k: int, generator: torch.Generator, n_drawn: int | None = None) -> Iterator[Tensor]:
    """The same Brownian path in k times as many steps: unit normals whose k-fold sums are sqrt(k) R (a Brownian bridge).

    n_drawn: the draws are those of the first of so many particles, for all of which normals are drawn; N by default.
    """
    if k == 1:
        yield from noise
        return
    for R in noise:
        z = torch.randn((k, n_drawn or len(R), *R.shape[1:]), generator=generator, dtype=R.dtype)[:, : len(R)]
        yield from z.add_(torch.div(R, math.sqrt(k)).sub_(z.mean(0)))


@dataclass(frozen=True)
class Bias:
    """What a method samples in a harmonic well, over what it should: position = <x^2> k/kT, velocity = <v^2> m/kT.

    Both infinite where the method is unstable.
    """

    position: float
    velocity: float


def bias(method: str, *, dt: float, omega: float, friction: float) -> Bias:
    """Stationary variances of `method` at this dt in closed form; h = omega dt.

    | method         | <x^2> k/kT                                       | <v^2> m/kT                                 |
    |----------------|--------------------------------------------------|--------------------------------------------|
    | BAOAB          | 1                                                | 1 - h^2/4                                  |
    | ABOBA          | 1                                                | 1/(1 - h^2/4)                              |
    | OBABO          | 1/(1 - h^2/4)                                    | 1                                          |
    | Euler–Maruyama | 2g(2 - g dt + h^2)/((g - w^2 dt)(4 - 2g dt + h^2)) | 4g/((g - w^2 dt)(4 - 2 g dt + h^2))      |
    | overdamped     | 1/(1 - w^2 dt/2g)                                | 1 (no velocity)                            |

    From Sigma = M Sigma M^T + Q of the linear map (Leimkuhler & Matthews 2013, sec. 3, for the splittings).
    """
    if dt >= stability_limit(method, omega=omega, friction=friction):
        return Bias(math.inf, math.inf)
    quarter = (omega * dt) ** 2 / 4
    if method == "overdamped":
        return Bias(1 / (1 - omega**2 * dt / (2 * friction)), 1.0)
    if method == "Euler–Maruyama":
        rest = (friction - omega**2 * dt) * (4 - 2 * friction * dt + 4 * quarter)
        return Bias(2 * friction * (2 - friction * dt + 4 * quarter) / rest, 4 * friction / rest)
    return {"BAOAB": Bias(1.0, 1 - quarter), "ABOBA": Bias(1.0, 1 / (1 - quarter)), "OBABO": Bias(1 / (1 - quarter), 1.0)}[method]


def stability_limit(method: str, *, omega: float, friction: float) -> float:
    """The dt at which `method` blows up in a harmonic well of frequency omega: 2/omega for the splittings, whatever the friction.

    Euler-Maruyama: the first of dt = gamma/omega^2 and the smaller root of omega^2 dt^2 - 2 gamma dt + 4 = 0 (both from the
    eigenvalues of its map). Overdamped: 2 gamma/omega^2.
    """
    if method == "overdamped":
        return 2 * friction / omega**2 if omega else math.inf
    if method != "Euler–Maruyama":
        return 2 / omega if omega else math.inf
    if not omega:
        return 2 / friction
    under = friction**2 - 4 * omega**2
    return min(friction / omega**2, (friction - math.sqrt(under)) / omega**2 if under >= 0 else math.inf)


def free_diffusion(method: str, gdt: float) -> float:
    """Long-time diffusion constant of a free particle at this dt, over the exact kT/(gamma m); gdt = gamma dt.

    The splittings move by dt times the mean of two velocities with correlation c: (gdt/2) coth(gdt/2). Euler-Maruyama: 1.
    """
    return 0.5 * gdt / math.tanh(0.5 * gdt) if method in SPLITTINGS else 1.0
