"""What a crystal is to a model: three arrays M = (A, X, L), and how many different triples mean the same crystal.

equation -> name
    A' = P A,  X' = P X M^-1 + tau mod 1,  L' = M L R^T                -> sample     (|det M|: how many cells)
    L -> stretched, sheared;  x_i -> x_i + u_i                          -> deform     (another crystal)
    g(r) = 1/N sum_{i,j,n} N(r; |x_j - x_i + n L|, s^2)                 -> pair_histogram, the same for every description
    D = int |g - g'| / int (g + g')                                     -> pair_difference
    stabiliser of a site, mean of its rotations                         -> orbits: how many of x, y, z are free
    mean of R (x) R over the group, on symmetric matrices               -> free_lattice_numbers

Rows are vectors: a position is f L, a rotation acts as L R^T. Symmetry: Togo, Shinohara and Tanaka, spglib, STAM Methods 4,
2384822 (2024). Niggli cells: Grosse-Kunstleve, Sauter and Adams, Acta Cryst. A 60, 1 (2004).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from core.metrics.matching import match_rms
from core.structures.builtin import STRUCTURES
from core.structures.cif import read_crystal
from core.structures.crystal import Crystal, CrystalTrajectory
from core.structures.space_groups import asked_spglib
from core.structures.symmetry import rotation_matrix

MAX_ATOMS = 400  # what the player draws
CELLS = ("as written", "primitive", "Niggli", "skewed", "2×1×1", "2×2×2")
SKEW = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]])  # determinant 1: the same lattice, a slanted cell
AXES = {"a": 0, "b": 1, "c": 2}
R_MAX, SMEAR = 7.0, 0.05  # Å: reach and width of the pair-distance histogram
TOLERANCES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)  # Å, spglib's symprec


class TooLarge(ValueError):
    """The cell asked for holds more atoms than can be drawn; the message says how many."""


@dataclass(frozen=True)
class Story:
    """The crystal as written, the same after everything that was asked for, and the way between them.

    atoms (N',): which atom as written each atom of the new description is.
    """

    written: Crystal
    described: Crystal
    path: CrystalTrajectory
    atoms: np.ndarray


class Change(TypedDict):
    """What `deform` does to a crystal."""

    stretch: tuple[float, float, float]
    gamma: float
    site: int
    move: float
    direction: str
    jitter: float
    seed: int


def load(structure: str) -> Crystal:
    """A built-in crystal by name, or the crystal of a CIF file by its text. Raises CrystalFileError, or KeyError for a name."""
    return read_crystal(structure.encode()).crystal if "\n" in structure else STRUCTURES[structure]()


def deform(
    crystal: Crystal,
    *,
    stretch: tuple[float, float, float] = (0, 0, 0),
    gamma: float = 0.0,
    site: int = 0,
    move: float = 0.0,
    direction: str = "a",
    jitter: float = 0.0,
    seed: int = 0,
) -> Crystal:
    """Another crystal: edges longer by `stretch` (per cent), the angle between a and b by gamma degrees, atom number `site`
    (from 1; 0 = none; counted round again after the last) moved by `move` Å along a cell edge, every atom by jitter Å times
    a standard normal number in each direction.

    Raises ValueError when nothing is left of the cell.
    """
    lattice = crystal.lattice.copy()
    if gamma:
        lattice[1] = rotation_matrix(np.cross(lattice[0], lattice[1]), math.radians(gamma)) @ lattice[1]
    lattice = lattice * (1 + np.array(stretch)[:, None] / 100)
    shifts = jitter * np.random.default_rng(seed).standard_normal((crystal.n_atoms, 3))
    if site:
        edge = lattice[AXES[direction]]
        shifts[(site - 1) % crystal.n_atoms] += move * edge / np.linalg.norm(edge)
    return Crystal(crystal.numbers, crystal.frac_coords + shifts @ np.linalg.inv(lattice), lattice)


def cell_matrix(crystal: Crystal, cell: str, *, symprec: float = 0.01) -> np.ndarray:
    """M (3, 3) with L' = M L for one of CELLS; |det M| is how many times larger the new cell is.

    "primitive" and "Niggli" ask spglib for the smallest cell that repeats within symprec; Niggli then reduces it.
    """
    if cell in ("primitive", "Niggli"):
        import spglib

        found = asked_spglib(spglib.standardize_cell, crystal, symprec, to_primitive=True, no_idealize=True)
        lattice = crystal.lattice if found is None else np.asarray(found[0])
        if cell == "Niggli":
            from pymatgen.core import Lattice

            # with a smaller tolerance this reduction, and spglib's, flips between equal cells under 1e-5 Å of rounding
            lattice = np.array(Lattice(lattice).get_niggli_reduced_lattice(1e-3).matrix)
        matrix = lattice @ np.linalg.inv(crystal.lattice)
        denominator = max(1, round(1 / abs(np.linalg.det(matrix))))
        return np.round(matrix * denominator) / denominator
    return {"as written": np.eye(3), "skewed": SKEW.astype(float), "2×1×1": np.diag([2.0, 1, 1]), "2×2×2": 2.0 * np.eye(3)}[cell]


def choose_atoms(crystal: Crystal, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which atoms fill the cell M L: (indices (N',), whole translations (N', 3) of the old cell).

    Raises ValueError when the crystal does not repeat with M L.
    """
    inverse = np.linalg.inv(matrix)
    wanted = round(crystal.n_atoms * abs(np.linalg.det(matrix)))
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T @ matrix
    low, high = np.floor(corners.min(0)).astype(int) - 1, np.ceil(corners.max(0)).astype(int) + 1
    shifts = np.stack(np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(low, high, strict=True)), indexing="ij"), -1).reshape(-1, 3)
    chosen: list[tuple[int, np.ndarray]] = []
    places = np.empty((0, 3))
    home = crystal.frac_coords % 1.0
    whole = np.round(home - crystal.frac_coords).astype(int)
    tolerance = 0.1 / np.linalg.norm(matrix @ crystal.lattice, axis=1)  # of the new cell, 0.1 Å
    for atom in range(crystal.n_atoms):
        candidates = (home[atom] + shifts) @ inverse
        inside = ((candidates > -tolerance) & (candidates < 1 + tolerance)).all(-1)
        for shift, place in zip(shifts[inside], candidates[inside], strict=True):
            gap = places - place
            same = np.abs(gap - np.round(gap)) < tolerance
            if not any(same[k].all() and crystal.numbers[chosen[k][0]] == crystal.numbers[atom] for k in range(len(chosen))):
                chosen.append((atom, shift + whole[atom]))
                places = np.vstack([places, place])
    if len(chosen) != wanted:
        raise ValueError(f"the crystal does not repeat with this cell: {len(chosen)} atoms instead of {wanted}")
    return np.array([atom for atom, _ in chosen]), np.array([shift for _, shift in chosen])


def sample(
    *,
    structure: str,
    cell: str = "as written",
    origin: float = 0.0,
    rotation: float = 0.0,
    shuffle: bool = False,
    a: float = 0.0,
    b: float = 0.0,
    c: float = 0.0,
    gamma: float = 0.0,
    site: int = 0,
    move: float = 0.0,
    direction: str = "a",
    jitter: float = 0.0,
    seed: int = 0,
    n_frames: int = 61,
) -> Story:
    """The crystal after a deformation (which makes it another crystal) and in another description (which does not).

    structure: a name of STRUCTURES or the text of a CIF file. origin: shift of every fractional coordinate, in new cell
    edges along the body diagonal. rotation: degrees about the direction (1, 1, 1) of space. shuffle: another order of atoms.
    a, b, c, gamma, site, move, direction, jitter: as in `deform`. The path turns, shifts, then deforms.
    Raises TooLarge, CrystalFileError, ValueError.
    """
    if cell not in CELLS:
        raise ValueError(f"unknown cell {cell!r}; choose one of {', '.join(CELLS)}")
    written = load(structure)
    change: Change = dict(stretch=(a, b, c), gamma=gamma, site=site, move=move, direction=direction, jitter=jitter, seed=seed)
    final = deform(written, **change)
    matrix = cell_matrix(final, cell)
    n_atoms = round(written.n_atoms * abs(np.linalg.det(matrix)))
    if n_atoms > MAX_ATOMS:
        raise TooLarge(f"this cell would hold {n_atoms} atoms; at most {MAX_ATOMS} are drawn")
    atoms, shifts = choose_atoms(final, matrix)
    if shuffle:
        order = np.random.default_rng(seed).permutation(len(atoms))
        atoms, shifts = atoms[order], shifts[order]
    inverse, axis = np.linalg.inv(matrix), np.ones(3)

    def at(turned: float, shifted: float, deformed: float) -> Crystal:
        part: Change = {
            **change,
            "stretch": (deformed * a, deformed * b, deformed * c),
            "gamma": deformed * gamma,
            "move": deformed * move,
            "jitter": deformed * jitter,
        }
        now = deform(written, **part)
        lattice = matrix @ now.lattice @ rotation_matrix(axis, math.radians(turned * rotation)).T
        return Crystal(now.numbers[atoms], (now.frac_coords[atoms] + shifts) @ inverse + shifted * origin, lattice)

    deformed = any((a, b, c, gamma, jitter, site and move))
    stages = [k for k, active in enumerate((rotation, origin, deformed)) if active]
    times = np.linspace(0, 1, n_frames)
    states = []
    for time in times:
        share = [1.0, 1.0, 1.0]
        for place, stage in enumerate(stages):
            share[stage] = _ease(min(max(time * len(stages) - place, 0.0), 1.0))
        states.append(at(*share))
    path = CrystalTrajectory(
        times, np.stack([s.numbers for s in states]), np.stack([s.frac_coords for s in states]), np.stack([s.lattice for s in states])
    )
    described = states[-1]
    return Story(written, Crystal(described.numbers, described.frac_coords % 1.0, described.lattice), path, atoms)


def pair_histogram(crystal: Crystal, *, r_max: float = R_MAX, smear: float = SMEAR, n: int = 1401) -> tuple[np.ndarray, np.ndarray]:
    """(r (n,), g (n,)): neighbours per atom and Å at distance r, each pair a Gaussian of width `smear` Å.

    The integral over one peak is the coordination number of that shell. Images are counted, so nothing depends on the cell.
    """
    distances = pair_distances(crystal, r_max + 6 * smear)
    r = np.linspace(0, r_max, n)
    shells, counts = np.unique(np.round(distances, 12), return_counts=True)
    g = np.zeros(n)
    for start in range(0, len(shells), 2000):
        gap = (r - shells[start : start + 2000, None]) / smear
        g += counts[start : start + 2000] @ np.exp(-0.5 * gap * gap)
    return r, g / (math.sqrt(2 * math.pi) * smear * crystal.n_atoms)


def pair_distances(crystal: Crystal, reach: float) -> np.ndarray:
    """Å, from every atom of the cell to every other atom of the infinite crystal nearer than `reach`, sorted."""
    distances = crystal.to_pymatgen().get_neighbor_list(reach)[3]
    return np.sort(distances)


def pair_difference(one: Crystal, other: Crystal) -> float:
    """0 for the same pair distances, 1 when no distance of one occurs in the other."""
    g, h = pair_histogram(one)[1], pair_histogram(other)[1]
    return float(np.abs(g - h).sum() / (g + h).sum())


@dataclass(frozen=True)
class Sameness:
    """difference: of the pair distances, at least the machine precision; floor: the largest that other descriptions of one
    crystal gave (round-off).

    rms: StructureMatcher's, None if it finds no map.
    """

    difference: float
    floor: float
    rms: float | None

    @property
    def same(self) -> bool:
        return self.difference <= 10 * self.floor


def truth(story: Story, *, seed: int = 1, n_repeats: int = 3) -> Sameness:
    """Is it still the crystal as written? By its pair distances, and by the judge of the benchmarks."""
    rng, worst = np.random.default_rng(seed), float(np.finfo(float).eps)
    for _ in range(n_repeats):
        turn = rotation_matrix(rng.standard_normal(3), rng.uniform(0, math.pi))
        again = Crystal(story.written.numbers, story.written.frac_coords + rng.random(3), story.written.lattice @ turn.T)
        worst = max(worst, pair_difference(story.written, again))
    difference = max(pair_difference(story.written, story.described), float(np.finfo(float).eps))
    return Sameness(difference, worst, match_rms(story.described, story.written))


@dataclass(frozen=True)
class Orbit:
    """Sites that the symmetry makes one of.

    element, letter, multiplicity (in the conventional cell), site_symmetry: as in the International Tables;
    atoms: their numbers in this cell; free: how many of the three coordinates symmetry leaves open; place: the first one's.
    """

    element: str
    letter: str
    multiplicity: int
    site_symmetry: str
    atoms: tuple[int, ...]
    free: int
    place: tuple[float, float, float]

    @property
    def name(self) -> str:
        return f"{self.element} {self.multiplicity}{self.letter}"


@dataclass(frozen=True)
class Symmetry:
    """Space group, orbits, and how many numbers are free: of the cell and of all orbits together."""

    number: int
    name: str
    n_operations: int
    orbits: tuple[Orbit, ...]
    free_cell: int

    @property
    def free(self) -> int:
        return self.free_cell + sum(orbit.free for orbit in self.orbits)


def symmetry(crystal: Crystal, symprec: float = 0.01, *, keys: np.ndarray | None = None) -> Symmetry:
    """What spglib finds within `symprec` Å; P1 when it finds nothing.

    keys (N,): orbits come in the order of their smallest key (default: the place in the list of atoms).
    Everything is read off the standardised cell, so that a supercell or a slanted cell has the symmetry of its crystal.
    """
    import spglib

    found = asked_spglib(spglib.get_symmetry_dataset, crystal, symprec)
    keys = np.arange(crystal.n_atoms) if keys is None else np.asarray(keys)
    if found is None:
        alone = tuple(Orbit(name, "a", 1, "1", (i,), 3, tuple(crystal.frac_coords[i] % 1.0)) for i, name in enumerate(crystal.symbols))
        return Symmetry(1, "P1", 1, alone, 6)
    group = spglib.get_symmetry_from_database(found.hall_number)
    assert group is not None, f"spglib found setting {found.hall_number} but does not know it"
    rotations, translations = group["rotations"], group["translations"]
    places = dict(zip(found.std_mapping_to_primitive.tolist(), found.std_positions, strict=True))
    names = crystal.symbols
    orbits: list[Orbit] = []
    for first in dict.fromkeys(found.crystallographic_orbits.tolist()):
        atoms = np.flatnonzero(found.crystallographic_orbits == first)
        standard = places[int(found.mapping_to_primitive[atoms[0]])]
        moved = rotations @ standard + translations - standard
        own = rotations[np.abs(moved - np.round(moved)).max(-1) < 1e-4]
        multiplicity = round(len(atoms) * len(found.std_types) / crystal.n_atoms)
        place = crystal.frac_coords[atoms[0]] % 1.0
        orbits.append(
            Orbit(
                names[atoms[0]],
                found.wyckoffs[atoms[0]],
                multiplicity,
                found.site_symmetry_symbols[atoms[0]],
                tuple(atoms.tolist()),
                round(np.trace(own.mean(0))),
                tuple(place.tolist()),
            )
        )
    orbits.sort(key=lambda orbit: keys[list(orbit.atoms)].min())
    return Symmetry(found.number, found.international, len(rotations), tuple(orbits), free_lattice_numbers(rotations))


def free_lattice_numbers(rotations: np.ndarray) -> int:
    """Independent cell parameters under a point group (G, 3, 3): 1 for cubic, 2 hexagonal, 6 triclinic.

    The dimension of the invariant metric tensors, the mean over the group of the trace on symmetric matrices.
    """
    r = rotations.astype(float)
    trace, square = np.trace(r, axis1=1, axis2=2), np.trace(r @ r, axis1=1, axis2=2)
    return round(float(((trace**2 + square) / 2).mean()))


def ladder(crystal: Crystal) -> list[tuple[float, int, str]]:
    """(tolerance, number, name) of the space group found at each of TOLERANCES."""
    import spglib

    return [
        (tolerance, found.number, found.international) if found is not None else (tolerance, 1, "P1")
        for tolerance in TOLERANCES
        for found in [asked_spglib(spglib.get_symmetry_dataset, crystal, tolerance)]
    ]


def niggli_parameters(crystal: Crystal) -> tuple[float, ...]:
    """a, b, c (Å), alpha, beta, gamma (degrees) of the Niggli cell of the smallest repeating cell."""
    from pymatgen.core import Lattice

    lattice = cell_matrix(crystal, "Niggli") @ crystal.lattice
    return tuple(Lattice(lattice).parameters)


def changed_numbers(story: Story) -> tuple[int, int]:
    """(changed, in all): how many of the 9 + 4N numbers of the new description differ from the old one's, place by place.

    When the number of atoms differs, everything beyond the shorter list counts as changed.
    """
    old, new = (
        np.concatenate([c.lattice.ravel(), np.column_stack([c.numbers, c.frac_coords % 1.0]).ravel()])
        for c in (story.written, story.described)
    )
    common = min(len(old), len(new))
    return int((np.abs(old[:common] - new[:common]) > 1e-6).sum()) + len(new) - common, len(new)


def share_of_new_numbers(story: Story) -> tuple[int, str]:
    """How many of the numbers are other ones: 0 less than a third, 1 at most two thirds, 2 more."""
    changed, total = changed_numbers(story)
    return (0 if 3 * changed < total else 1 if 3 * changed <= 2 * total else 2), f"{changed} of the {total} numbers are other ones."


def group_after_jitter(written: Crystal, tolerance: float, *, jitter: float = 0.02, seed: int = 1) -> tuple[int, str]:
    """What the search finds within `tolerance` Å once every atom is off by `jitter` Å a direction: 0 the group that it finds in the
    crystal itself, 1 another one, 2 none, P1."""
    before = symmetry(written, tolerance)
    after = symmetry(deform(written, jitter=jitter, seed=seed), tolerance)
    return (0 if after.number == before.number else 2 if after.number == 1 else 1), (
        f"Within {tolerance:g} Å it finds {before.name} before and {after.name} after."
    )


def _ease(share: float) -> float:
    return 0.5 - 0.5 * math.cos(math.pi * share)


def orbit_labels(found: Symmetry, n_atoms: int) -> np.ndarray:
    """(N,) number of each atom's orbit, from 0."""
    labels = np.zeros(n_atoms, dtype=int)
    for k, orbit in enumerate(found.orbits):
        labels[list(orbit.atoms)] = k
    return labels
