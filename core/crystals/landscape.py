"""The systems: what each published crystal generator diffuses, how it scores, and the idea of four of them at work on one crystal.

| system | what runs here | name |
|---|---|---|
| DiffCSP++ | the shipped flow projected on the Wyckoff sites and the crystal system's metric, beside the same noise left free | projected |
| MaskGXT | a classifier says the space group first, then the crystal is grown inside it | group_first |
| CrystaLLM-π | a transformer writes the crystal word by word, the volume per atom as a prefix | written |
| Chemeleon | eight crystals are grown, the one that fits a sentence best is kept | described |

The number beside each is the rms distance of what was made to the known crystal (`truth`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.generator.baselines.library import builtin_library
from core.generator.model.conversion import to_trajectories
from core.generator.registry import Model, ModelMissing, load_model
from core.generator.sampling import symmetry
from core.generator.sampling.config import SamplerConfig, published_config
from core.generator.sampling.symmetry import NoSymmetryError, symmetry_of
from core.generator.systems import autoregressive, captions, space_groups
from core.generator.systems.autoregressive import Reading, UnwritableError
from core.metrics.comparison import Comparison, compare
from core.numerics.distances import told_apart
from core.structures.builtin import STRUCTURES
from core.structures.crystal import Crystal, CrystalTrajectory
from core.structures.dataset import reduced_crystal
from core.structures.elements import MASKED
from core.structures.formula import reduced
from core.structures.space_groups import crystal_system

SYSTEMS = ("DiffCSP++", "MaskGXT", "CrystaLLM-π", "Chemeleon")
CRYSTALS = tuple(name for name in STRUCTURES)
N_CANDIDATES = 8  # among which a sentence chooses
ANTI_ANNEALING, TEMPERATURE = 10.0, 0.5  # as the flow's published scores
TABLE = Path(__file__).resolve().parents[2] / "assets" / "systems.toml"
CONVENTIONS = ("unfiltered", "filtered")


@dataclass(frozen=True)
class Word:
    """One word of a written crystal: the text, what kind it is (`autoregressive.FIELDS`), the network's probability (None: it was
    given)."""

    text: str
    field: str
    probability: float | None


@dataclass(frozen=True)
class Growth:
    """What a system made of one content. paths: what the stage plays, titles under them; the first is the answer (None where there is no
    crystal, `trouble` says why).

    groups: (space group, probability), the likeliest first. words: of the sentence. fits: (name, cosine with the text) of each candidate.
    """

    paths: tuple[CrystalTrajectory, ...]
    titles: tuple[str, ...]
    answer: Crystal | None
    trouble: str = ""
    groups: tuple[tuple[int, float], ...] = ()
    words: tuple[Word, ...] = ()
    fits: tuple[tuple[str, float], ...] = ()


@lru_cache(maxsize=32)
def known_crystal(name: str) -> tuple[Crystal, int]:
    """(primitive reduced cell, space group) of a crystal built in code. Raises KeyError naming the known ones."""
    if name not in STRUCTURES:
        raise KeyError(f"no crystal {name!r}; there are {', '.join(CRYSTALS)}")
    return reduced_crystal(STRUCTURES[name]().to_cif(), primitive=True)


def sample(
    *,
    system: str = "DiffCSP++",
    crystal: str = "rutile TiO2",
    n_steps: int = 20,
    text: str = "tetragonal TiO2",
    volume: float = 0.0,
    heat: float = 0.8,
    seed: int = 0,
) -> Growth:
    """Let one of SYSTEMS make a crystal of the content of a known one; same settings, same bits.

    crystal: one of CRYSTALS. n_steps: of the flow. text: what Chemeleon is told. volume: Å^3 per atom that CrystaLLM-π is told, 0 for
    nothing; heat: temperature of its choice of words. Raises ValueError for an unknown system or settings out of range, KeyError for an
    unknown crystal, ModelMissing.
    """
    if system not in SYSTEMS:
        raise ValueError(f"system {system!r} is none of {', '.join(SYSTEMS)}")
    if n_steps < 1 or volume < 0 or heat < 0:
        raise ValueError("steps must be at least 1, volume and temperature not negative")
    known, _ = known_crystal(crystal)
    if system == "DiffCSP++":
        return projected(known, n_steps=n_steps, seed=seed)
    if system == "MaskGXT":
        return group_first(known, n_steps=n_steps, seed=seed)
    if system == "CrystaLLM-π":
        return written(known, volume=volume, heat=heat, seed=seed)
    return described(known, text, n_steps=n_steps, seed=seed)


def truth(growth: Growth, crystal: str, *, n_random: int = 12) -> Comparison:
    """The answer beside the known crystal, and what random atoms in its box would score (cells of at most 20 atoms); no crystal is a
    miss."""
    found = None
    if growth.answer is not None:
        found = compare(growth.answer, {crystal: known_crystal(crystal)[0]}, n_random=n_random if growth.answer.n_atoms <= 20 else 0)
    return found or Comparison(crystal, None, 0, 0, float("nan"))


def grow(template: Crystal, inside: symmetry.Symmetry | None, *, n_steps: int, seeds: Sequence[int]) -> list[CrystalTrajectory]:
    """Atoms of the template's content from the noise of each seed, inside a symmetry or free, every state kept."""
    model, config = flow(), SamplerConfig(steps=n_steps, anti_annealing=ANTI_ANNEALING, temperature=TEMPERATURE)
    frames = list(symmetry.sample(model.network, model.process, template, inside, config, seeds=seeds))  # type: ignore[arg-type]
    return to_trajectories(model.network, frames, config.times())


def flow() -> Model:
    """The shipped flow of MP-20. Raises ModelMissing."""
    return load_model("mp20", kind="flow")


def projected(known: Crystal, *, n_steps: int, seed: int) -> Growth:
    """Inside the true space group and on the true Wyckoff sites, and free, from the same noise."""
    inside = symmetry_of(known)
    paths = [grow(known, one, n_steps=n_steps, seeds=[seed])[0] for one in (inside, None)]
    titles = (f"projected: group {inside.group}, {inside.n_free} free coordinates of {3 * known.n_atoms}", "free, the same noise")
    return Growth(tuple(paths), titles, paths[0].final)


def templates(known: Crystal) -> list[tuple[symmetry.Symmetry, Crystal]]:
    """(symmetry, crystal with the wanted elements) of every built-in prototype of this stoichiometry but those of the content itself,
    the nearest elements first."""
    library, numbers = builtin_library(), tuple(int(z) for z in known.numbers)
    found, content = library.neighbours(numbers), reduced(numbers)
    made = []
    if found is None:
        return []
    for row, elements in zip(found.rows, found.elements, strict=True):
        if reduced(library.arrays.crystal(int(row)).numbers) == content:
            continue
        crystal = library.substituted(numbers, int(row), elements)
        try:
            made.append((symmetry_of(crystal), crystal))
        except NoSymmetryError:
            continue
    return made


def group_first(known: Crystal, *, n_steps: int, seed: int) -> Growth:
    """The likeliest space group for which a prototype says where atoms may sit, then growth inside it; beside it the same noise left free.

    Where no prototype has one of the groups that were thought of, the crystal grows free and `trouble` says so.
    """
    likely = tuple(space_groups.likeliest(known.numbers.tolist()))
    offered = templates(known)
    for group, share in likely:
        for inside, template in (offer for offer in offered if offer[0].group == group):
            paths = [grow(template, one, n_steps=n_steps, seeds=[seed])[0] for one in (inside, None)]
            return Growth(
                tuple(paths), (f"inside group {group}, thought {share:.0%} likely", "free, the same noise"), paths[0].final, groups=likely
            )
    path = grow(known, None, n_steps=n_steps, seeds=[seed])[0]
    trouble = "No built-in prototype of this stoichiometry has one of the five likeliest groups: the crystal grew free."
    return Growth((path,), ("free",), path.final, trouble, groups=likely)


def written(known: Crystal, *, volume: float, heat: float, seed: int) -> Growth:
    """The sentence, word by word, and the crystal that it says so far as the path that is played."""
    network, _ = autoregressive.load()
    start = autoregressive.prompt(known.numbers.tolist())
    words = [Word(word, "content", None) for word in start]
    told = volume or None
    for word, share in autoregressive.stream(network, start, volume_per_atom=told, seed=seed, temperature=heat):
        words.append(Word(word, "", share))
    texts = [word.text for word in words]
    reading, trouble = _as_far_as_it_goes(texts)
    words = [Word(w.text, reading.fields[i] if i < len(reading.fields) else "not read", w.probability) for i, w in enumerate(words)]
    answer: Crystal | None = None
    if not trouble:
        try:
            answer = reading.crystal()
        except UnwritableError as error:
            trouble = f"The sentence is no crystal of this content: {error}."
    path = unfolding(texts[: len(reading.fields)])
    n_orbits = f"{len(reading.sites)} orbit{'s' * (len(reading.sites) != 1)}"
    title = f"written: group {reading.group}, {n_orbits}" if reading.group else "written"
    return Growth((path,) if path else (), (title,) if path else (), answer, trouble, words=tuple(words))


def _as_far_as_it_goes(texts: Sequence[str]) -> tuple[Reading, str]:
    """The longest beginning that can be read, and what is wrong with the word after it."""
    trouble = ""
    for end in range(len(texts), 0, -1):
        try:
            return autoregressive.read(texts[:end]), trouble
        except UnwritableError as error:
            trouble = f"The sentence cannot be read: {error}."
    raise AssertionError("the beginning is always read")


def unfolding(texts: Sequence[str]) -> CrystalTrajectory | None:
    """A frame a word: the cell as soon as it is told (a cube before), each orbit with its last word; masked atoms wait in the corner.

    None where the sentence places no atom or more than the player takes.
    """
    final = autoregressive.read(texts)
    try:
        whole = final.symmetrised().crystal() if final.sites else None
    except (UnwritableError, ValueError):
        whole = None
    if whole is None or whole.n_atoms > 192:
        return None
    frames = []
    for end in range(1, len(texts) + 1):
        said = autoregressive.read(texts[:end])
        n = 0
        if said.sites:
            n = said.symmetrised().crystal().n_atoms
        numbers, frac = np.full(whole.n_atoms, MASKED), np.zeros((whole.n_atoms, 3))
        numbers[:n], frac[:n] = whole.numbers[:n], whole.frac_coords[:n]
        frames.append((numbers, frac, whole.lattice if said.cell_known else np.eye(3) * 5.0))
    return CrystalTrajectory(np.arange(len(frames), dtype=float), *(np.stack(part) for part in zip(*frames, strict=True)))


def described(known: Crystal, text: str, *, n_steps: int, seed: int) -> Growth:
    """Eight crystals of the content from noise, the one that fits the text best; beside it the one that fits worst."""
    seeds = [seed * N_CANDIDATES + k for k in range(N_CANDIDATES)]
    paths = grow(known, None, n_steps=n_steps, seeds=seeds)
    cosines = captions.fits(text, captions.seen_by(flow().network, [path.final for path in paths])).tolist()
    order = sorted(range(N_CANDIDATES), key=lambda k: -cosines[k])
    fits = tuple((f"{k + 1}: {system_of(paths[k].final)}", cosines[k]) for k in order)
    best, worst = order[0], order[-1]
    titles = (
        f"fits best: number {best + 1}, {system_of(paths[best].final)}",
        f"fits worst: number {worst + 1}, {system_of(paths[worst].final)}",
    )
    return Growth((paths[best], paths[worst]), titles, paths[best].final, fits=fits)


def system_of(crystal: Crystal) -> str:
    """Crystal system by spglib at 0.1 Å, in words."""
    try:
        return crystal_system(symmetry_of(crystal).group)
    except NoSymmetryError:
        return "no symmetry found"


# The table


@dataclass(frozen=True)
class System:
    """One row of the table; an empty text is what was looked for and not found. here: slug of the chapter that shows the idea, or
    "stage"."""

    name: str
    year: int
    diffused: str
    noise: str
    network: str
    size: str
    calls: int | None
    conditioning: str
    licence: str
    source: str
    here: str


@dataclass(frozen=True)
class Number:
    """A published score: match in %, rmse in (V/N)^(1/3) (None: not given), with source, year and convention."""

    system: str
    benchmark: str
    match: float
    rmse: float | None
    convention: str
    source: str
    year: int
    ours: bool


@cache
def systems() -> tuple[System, ...]:
    """All rows of assets/systems.toml."""
    return tuple(System(**row | {"calls": row["calls"] or None}) for row in _table()["system"])


@cache
def numbers() -> tuple[Number, ...]:
    """All published numbers of assets/systems.toml and ours."""
    return tuple(Number(**{"rmse": None, "ours": False} | row) for row in _table()["number"])


@cache
def _table() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def own_calls() -> int:
    """Network calls of the flow for one crystal with the settings of its published scores, if every refinement is made."""
    config = published_config(flow().about)
    return config.candidates * sum(one.steps for one in config.rounds)


def calls_of(system: str) -> int | None:
    """Network calls for one crystal, where they are known; None for what asks no network or does not say, and without our weights."""
    if system == "ours, flow from noise":
        try:
            return own_calls()
        except ModelMissing:  # its settings stand in the file; the stage says what is missing
            return None
    return next((one.calls for one in systems() if one.name == system), None)


def selected(benchmark: str, convention: str) -> list[Number]:
    """The numbers that may be compared with each other. Raises ValueError for an unknown convention."""
    if convention not in CONVENTIONS:
        raise ValueError(f"convention {convention!r} is none of {', '.join(CONVENTIONS)}")
    return [one for one in numbers() if one.benchmark == benchmark and one.convention == convention]


# Questions


def gain_of_projection(crystal: str, *, n_steps: int, n: int = 20) -> tuple[int, str]:
    """Which ends closer to the known crystal, of n pairs with the same noise: 0 the projected one, 2 the free one, 1 they cannot tell."""
    known, _ = known_crystal(crystal)
    inside = symmetry_of(known)
    score = []
    for one in (inside, None):
        paths = grow(known, one, n_steps=n_steps, seeds=range(n))
        found = [compare(path.final, {crystal: known}, n_random=0) for path in paths]
        score.append([comparison.score for comparison in found if comparison])
    return closer(score[0], score[1])


def closer(projected: Sequence[float], free: Sequence[float]) -> tuple[int, str]:
    """Distances of pairs: 0 smaller projected, 2 larger, 1 the pairs cannot tell (`told_apart` of their signs: few misses are most of a
    mean). Differences below 0.001 count as none.
    """
    signs = np.sign(np.round(np.subtract(projected, free), 3)).tolist()
    return 1 + told_apart(signs, [0.0] * len(signs)), (
        f"Of {len(signs)} pairs {signs.count(-1)} end closer projected, {signs.count(1)} closer free, {signs.count(0)} within 0.001 of "
        f"each other. The mean distance is {np.mean(projected):.3f} projected and {np.mean(free):.3f} free (a miss counts 0.5)."
    )


def group_guessed(crystal: str) -> tuple[int, str]:
    """Is the true space group of a crystal the classifier's first guess (0), among its first five (1), or neither (2)?"""
    known, group = known_crystal(crystal)
    likely = space_groups.likeliest(known.numbers.tolist())
    guesses = [one for one, _ in likely]
    right = 0 if guesses[0] == group else 1 if group in guesses else 2
    return right, f"It is {group}; thought of were " + ", ".join(f"{one} ({share:.0%})" for one, share in likely) + "."


def surest_field(words: Sequence[Word]) -> dict[str, float]:
    """Mean probability that the network gave the words it wrote, by kind."""
    fields: dict[str, list[float]] = {}
    for word in words:
        if word.probability is not None:
            fields.setdefault(word.field, []).append(word.probability)
    return {field: float(np.mean(values)) for field, values in fields.items()}


def measured(system: str) -> Mapping[str, Any]:
    """What was measured on crystals kept aside with the weights of a miniature. Raises ModelMissing."""
    load = {"MaskGXT": space_groups.load, "CrystaLLM-π": autoregressive.load, "Chemeleon": captions.load}[system]
    return load()[1]["dev"]
