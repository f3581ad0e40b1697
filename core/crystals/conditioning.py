"""Steering: crystals from nothing that were asked for, beside those for which nothing was asked.

| equation | name |
|---|---|
| (1 - gamma) u(x, t) + gamma u(x, t; y), and the same for the choice of elements | sample |
| p(x) given y, by throwing away: unasked crystals whose property lies in the window | rejected |
| p_data(x) given y | of_the_data |
| W_1 between the properties of asked crystals and one of these; its floor by permutation | truth |
| crystals on target for a hundred network calls, guided and screened | hits_per_hundred |

Guidance is not the conditional law for gamma other than 1, and for gamma = 1 only as far as the networks have learned it. Rejection *is*
the model's own conditional law. That of the data is a third thing. All three are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from core.generator.model.adapter import SCALARS, UNITS, VOLUMES
from core.generator.registry import load_model
from core.generator.sampling.best_of import Cancelled, Progress
from core.generator.sampling.config import CANDIDATES, SamplerConfig
from core.generator.steering.grow import Made, Ways, grow, measured
from core.generator.steering.properties import PROPERTIES, predicted
from core.generator.steering.request import Request, parse_stoichiometry
from core.generator.steering.store import Steering, load_steering
from core.metrics.energies import formation_energies
from core.metrics.matching import first_of_kind
from core.metrics.validity import composition_valid, structure_valid
from core.numerics.distances import LEVEL, Floor, Truth
from core.structures.crystal import Crystal, CrystalTrajectory
from core.structures.elements import N_SPECIES
from core.structures.formula import FormulaError, parse_elements
from core.structures.space_groups import SYSTEMS, crystal_system, group_of

__all__ = ["SCALARS", "UNITS", "Cancelled", "FormulaError"]
WINDOWS = {"density": 0.05, "volume_per_atom": 0.05, "formation_energy": 0.25, "band_gap": 0.25}  # relative, relative, eV/atom, eV
RELATIVE = ("density", "volume_per_atom")
N_FREE, N_ASKED, N_SWEPT = 192, 48, 32  # crystals behind the figures: unasked, asked, asked with each gamma
GAMMAS = (0.0, 1.0, 2.0, 4.0, 10.0)
N_PERMUTED = 399  # (N_PERMUTED + 1) LEVEL is whole


def window(name: str, target: float) -> float:
    """Half-width of what counts as on target: 5 % of a density or volume, a quarter of an eV of the others."""
    return WINDOWS[name] * (abs(target) if name in RELATIVE else 1.0)


@dataclass(frozen=True)
class Growth:
    """Two crystals of one seed: asked, and with nothing asked. value: of the property in each (NaN where none is asked); group: of each;
    calls: network calls of each."""

    paths: tuple[CrystalTrajectory, CrystalTrajectory]
    request: Request
    value: tuple[float, float]
    group: tuple[int, int]
    calls: tuple[int, int]

    @property
    def asked(self) -> Crystal:
        return self.paths[0].final


def steering() -> Steering:
    """What steers the shipped flow. Raises ModelMissing."""
    return load_steering(load_model("mp20", kind="flow"))


def request_of(
    *,
    property: str = "density",
    target: float = 8.0,
    elements: str = "",
    symmetry: str = "any",
    group: int = 0,
    stoichiometry: str = "",
) -> Request:
    """As the page's controls say it. property: one of SCALARS or "nothing"; symmetry: a crystal system, "space group" (then group), "any".

    Raises FormulaError or ValueError in the reader's words, before anything is grown.
    """
    if property not in (*SCALARS, "nothing"):
        raise ValueError(f"property {property!r} is none of {', '.join(SCALARS)}, nothing")
    if symmetry not in (*SYSTEMS, "space group", "any"):
        raise ValueError(f"symmetry {symmetry!r} is no crystal system, nor 'space group' or 'any'")
    number = 0
    if symmetry == "space group":
        crystal_system(group)
        number = group
    return Request(
        {property: float(target)} if property != "nothing" else {},
        system=symmetry if symmetry in SYSTEMS else "",
        group=number,
        elements=parse_elements(elements, steering().model.known) if elements.strip() else (),
        stoichiometry=parse_stoichiometry(stoichiometry) if stoichiometry.strip() else (),
    )


def names_elements(text: str) -> bool:
    """Is this nothing, or a list of elements?"""
    return not text.strip() or _read(lambda: parse_elements(text, range(1, N_SPECIES)))


def names_stoichiometry(text: str) -> bool:
    """Is this nothing, or a stoichiometry?"""
    return not text.strip() or _read(lambda: parse_stoichiometry(text))


def _read(read: Callable[[], object]) -> bool:
    try:
        read()
    except FormulaError:
        return False
    return True


def config_of(n_steps: int) -> SamplerConfig:
    """The flow's sampler with so many steps."""
    return replace(CANDIDATES, steps=n_steps)


def sample(
    *,
    property: str = "density",
    target: float = 8.0,
    elements: str = "",
    symmetry: str = "any",
    group: int = 0,
    stoichiometry: str = "",
    gamma: float = 1.0,
    n_steps: int = 20,
    seed: int = 0,
) -> Growth:
    """A crystal that was asked for, and what the same seed gives when nothing is asked; arguments as for `request_of`.

    gamma: 0 asks nothing of the networks, 1 is what they learned, more exaggerates. Same settings, same bits.
    Raises FormulaError, ValueError, ModelMissing.
    """
    if n_steps < 1 or gamma < 0:
        raise ValueError("steps must be at least 1, gamma not negative")
    by = steering()
    request = request_of(property=property, target=target, elements=elements, symmetry=symmetry, group=group, stoichiometry=stoichiometry)
    asked = grow(by, request, 1, config_of(n_steps), gamma=gamma, seed=seed, n_frames=n_steps + 1)
    free = grow(by, Request(), 1, config_of(n_steps), seed=seed, n_frames=n_steps + 1)
    values = (np.nan, np.nan) if property == "nothing" else measured(by, property, asked.crystals + free.crystals)
    return Growth(
        (asked.paths[0], free.paths[0]),
        request,
        (float(values[0]), float(values[1])),
        (group_of(asked.crystals[0]), group_of(free.crystals[0])),
        (asked.calls, free.calls),
    )


@dataclass(frozen=True)
class Batch:
    """Many crystals, by what can be measured of each. values: name of SCALARS -> (n,); group (n,); numbers: atoms of each; calls: of the
    network, for all of them."""

    values: Mapping[str, np.ndarray]
    group: np.ndarray
    numbers: tuple[tuple[int, ...], ...]
    valid: np.ndarray
    unique: float
    calls: int

    def __len__(self) -> int:
        return len(self.group)

    @property
    def n_elements(self) -> int:
        """Different elements in all of them: what of the periodic table is left."""
        return len({z for one in self.numbers for z in one})

    def hits(self, name: str, target: float) -> np.ndarray:
        """(n,) bool: which are on target?"""
        return np.abs(self.values[name] - target) <= window(name, target)


def batch(
    *,
    gamma: float = 1.0,
    n_steps: int = 10,
    seed: int = 0,
    n: int = N_ASKED,
    mask: bool = True,
    templates: bool = True,
    energies: bool = False,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    **asked: Any,
) -> Batch:
    """n crystals, and what is measured of them. asked: of `request_of`, nothing by default. mask, templates: `steering.grow.Ways`.

    energies: formation energies by CHGNet instead of the predictor, some 50 ms for each.
    """
    request = request_of(**{"property": "nothing"} | asked)
    made = grow(
        steering(),
        request,
        n,
        config_of(n_steps),
        gamma=gamma,
        ways=Ways(mask, templates),
        seed=seed,
        progress=progress,
        cancelled=cancelled,
    )
    return _measured(made, energies)


def _measured(made: Made, energies: bool) -> Batch:
    by, crystals = steering(), made.crystals
    values = {name: measured(by, name, crystals) for name in VOLUMES}
    values |= dict(zip(PROPERTIES, predicted(by.model.network, by.properties, crystals).double().numpy().T, strict=True))
    if energies:
        values["formation_energy"] = formation_energies(crystals, {int(z): mu for z, mu in by.about["energies"]["mu"].items()})
    return Batch(
        values,
        np.array([group_of(crystal) for crystal in crystals]),
        tuple(tuple(int(z) for z in crystal.numbers) for crystal in crystals),
        np.array([structure_valid(crystal) and composition_valid(crystal.numbers) for crystal in crystals]),
        float(first_of_kind(crystals).mean()),
        made.calls,
    )


def sweep(
    *,
    gammas: Sequence[float] = GAMMAS,
    n: int = N_SWEPT,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    **asked: Any,
) -> dict[float, Batch]:
    """`batch` at every gamma, the same seeds; asked: its other arguments."""
    found: dict[float, Batch] = {}
    for k, gamma in enumerate(gammas):

        def step(done: int, total: int, before: int = k) -> None:
            if progress is not None:
                progress(before * n + done, len(gammas) * n)

        found[gamma] = batch(gamma=gamma, n=n, progress=step, cancelled=cancelled, **asked)
    return found


def rejected(free: Batch, name: str, target: float) -> np.ndarray:
    """Property of the unasked crystals that happen to lie in the window: the model's own law, given that."""
    return free.values[name][free.hits(name, target)]


def permutation_floor(one: np.ndarray, other: np.ndarray, *, n_repeats: int = N_PERMUTED, seed: int = 0) -> Floor:
    """W_1 of the same numbers dealt out anew to two heaps of the same sizes: what two samples of one law score. Its limit is kept by LEVEL
    of them whatever the law (a permutation test; Phipson & Smyth 2010)."""
    rng, both = np.random.default_rng(seed), np.concatenate([one, other])
    scores = np.array(
        [stats.wasserstein_distance(dealt[: len(one)], dealt[len(one) :]) for dealt in (rng.permutation(both) for _ in range(n_repeats))]
    )
    rank = int(np.ceil(LEVEL * (n_repeats + 1) - 1e-9))
    return Floor(float(scores.mean()), float(scores.std(ddof=1)), float(np.sort(scores)[rank - 1]), len(one))


def of_the_data(quantiles: Sequence[float], name: str, target: float, *, n: int = N_FREE) -> np.ndarray:
    """The data's own conditional law: n values evenly spaced in probability inside the window, by the quantiles 1 % to 99 % of the training
    crystals, linear between them; none where the window holds nothing of them."""
    at, p = np.asarray(quantiles, float), np.linspace(0.01, 0.99, len(quantiles))
    half = window(name, target)
    low, high = (float(q) for q in np.interp([target - half, target + half], at, p, left=0.0, right=1.0))
    low, high = max(low, 0.01), min(high, 0.99)
    if high <= low:
        return np.empty(0)
    return np.interp(low + (high - low) * (np.arange(n) + 0.5) / n, p, at)


def truth(asked: Batch, reference: np.ndarray, name: str, target: float, *, to: str = "rejection") -> Truth | None:
    """Distance of what was asked for to a reference inside the window, in the units of the property; None where either has fewer than five.

    reference: `rejected` or `of_the_data`. Guidance that misses the window is counted by `hits`; here the law inside it is compared.
    """
    made = asked.values[name][asked.hits(name, target)]
    if min(len(reference), len(made)) < 5:
        return None
    floor = permutation_floor(made, reference)
    return Truth(f"W₁ to {to}, inside the window", float(stats.wasserstein_distance(made, reference)), floor, UNITS[name], "crystals")


def hits_per_hundred(made: Batch, name: str, target: float) -> tuple[float, float]:
    """Crystals on target for a hundred network calls, and the standard error of it."""
    hits, n = int(made.hits(name, target).sum()), len(made)
    share = hits / n
    return 100 * hits / made.calls, 100 * n / made.calls * float(np.sqrt(max(share * (1 - share), 1 / n) / n))


def three_ways(elements: str, *, n: int = N_ASKED, n_steps: int = 10, seed: int = 0, **report: Any) -> dict[str, Batch]:
    """“Only these elements”, said by a mask, by guidance alone (gamma = 1 and 2), and not at all (what rejection chooses from)."""
    made = partial(batch, n=n, n_steps=n_steps, seed=seed)
    return {
        "mask": made(elements=elements, **report),
        "guidance, γ = 1": made(elements=elements, mask=False, **report),
        "guidance, γ = 2": made(elements=elements, mask=False, gamma=2.0, **report),
        "rejection": made(**report),
    }


def inside(made: Batch, elements: Sequence[int]) -> float:
    """Share of crystals without any other element."""
    return float(np.mean([set(one) <= set(elements) for one in made.numbers]))


# Questions


def outside(share: float, n: int) -> tuple[int, str]:
    """Of guided crystals, how many keep to the elements? 0 all, 1 most, 2 at most half."""
    return 0 if share == 1 else 1 if share > 0.5 else 2, f"Of {n} guided crystals {share:.0%} hold nothing but the elements named."


def exaggerated(once: Batch, ten: Batch, name: str, target: float) -> tuple[int, str]:
    """Crystals on target with gamma = 1 and with 10: 0 more with 1, 2 more with 10, 1 where chance could do as much (Fisher, 5 %)."""
    few, many = (int(made.hits(name, target).sum()) for made in (once, ten))
    n = len(once)
    more, less = (stats.fisher_exact([[few, n - few], [many, n - many]], alternative=side).pvalue for side in ("greater", "less"))
    return 0 if more <= 0.05 else 2 if less <= 0.05 else 1, f"On target: {few} of {n} with γ = 1, {many} of {n} with γ = 10."
