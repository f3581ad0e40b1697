"""Symmetry in the network: describe one crystal in another way and see whether the answer is the same answer.

A description g turns numbers A, fractional coordinates F and cell L into others of the same crystal; the displacements that a
network wants must come along. With rows x = F L:

| move        | description                                | what the answer (B, N, 3) in Å must do |
|-------------|--------------------------------------------|----------------------------------------|
| rotation    | L -> L R                                   | v -> v R                               |
| reflection  | L -> L diag(-1, 1, 1)                      | v -> v diag(-1, 1, 1)                  |
| origin      | F -> F + c mod 1                           | stay                                   |
| order       | rows of A and F exchanged                  | be exchanged                           |
| images      | F -> F + whole numbers                     | stay                                   |
| axes        | L -> P L, F -> F P^-1, P a permutation     | stay                                   |
| other cell  | L -> M L, F -> F M^-1 mod 1, M unimodular  | stay                                   |

equation -> name
    || f(g x) - g f(x) || / || f(x) ||                  -> errors, along
    f(g x) for g on a path from the identity            -> Move.at
    p_0(R x) = p_0(x) for molecules grown by a kernel   -> sample, truth

Sources: Jiao et al. 2023 (DiffCSP, arXiv 2309.04475); Satorras et al. 2021 (arXiv 2102.09844); Hoogeboom et al. 2022
(arXiv 2203.17003).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from core.generator.model import reference_networks
from core.generator.registry import load_model
from core.numerics import rigid_molecule
from core.numerics.distances import Truth
from core.numerics.torus import wrap
from core.numerics.trajectory import Trajectory
from core.structures.builtin import STRUCTURES
from core.structures.crystal import Crystal, CrystalTrajectory
from core.structures.lattice import lattice_to_vector
from core.structures.symmetry import rotation_matrix, unimodular_matrices

Network = Callable[[Tensor, Tensor, Tensor], Tensor]
NETWORKS = ("MLP", "EGNN", "CSPNet", "Denoiser")
CRYSTALS = {"perovskite SrTiO3": 5, "rutile TiO2": 6, "wurtzite ZnS": 4, "caesium chloride CsCl": 2, "layered MoS2": 6}
MODEL = "mp20"
SIGMAS = (0.005, 0.5)  # noise of the coordinates at t = 0 and t = 1 in the generator, as in DiffCSP


@dataclass(frozen=True)
class Cell:
    """numbers (N,), frac (N, 3), lattice (3, 3) rows in Å."""

    numbers: Tensor
    frac: Tensor
    lattice: Tensor


@dataclass(frozen=True)
class Described:
    """A cell told in another way: order (N,) is which old atom each new one is, turn (3, 3) what happens to directions in space."""

    cell: Cell
    order: Tensor
    turn: Tensor


def _rotation(cell: Cell, share: float, g: torch.Generator) -> Described:
    axis = torch.randn(3, generator=g, dtype=torch.float64)
    turn = torch.from_numpy(rotation_matrix(axis, 2 * math.pi * share).T)
    return _as(cell, lattice=cell.lattice @ turn, turn=turn)


def _reflection(cell: Cell, share: float, g: torch.Generator) -> Described:
    normal = torch.randn(3, generator=g, dtype=torch.float64)
    normal = normal / normal.norm()
    turn = torch.eye(3, dtype=torch.float64) - 2 * round(share) * torch.outer(normal, normal)
    return _as(cell, lattice=cell.lattice @ turn, turn=turn)


def _origin(cell: Cell, share: float, g: torch.Generator) -> Described:
    return _as(cell, frac=wrap(cell.frac + share * torch.rand(3, generator=g, dtype=torch.float64).add(0.3)))


def _order(cell: Cell, share: float, g: torch.Generator) -> Described:
    """Atoms are drawn into a new order one by one."""
    n = len(cell.numbers)
    order = torch.arange(n)
    for i in range(round(share * (n - 1))):
        j = int(torch.randint(i + 1, n, (), generator=g))  # never i: every exchange is one
        order[[i, j]] = order[[j, i]]
    return _as(cell, numbers=cell.numbers[order], frac=cell.frac[order], order=order)


def _images(cell: Cell, share: float, g: torch.Generator) -> Described:
    """One atom after the other is listed a whole number of cells away."""
    shift = torch.randint(1, 3, cell.frac.shape, generator=g) * (2 * torch.randint(0, 2, cell.frac.shape, generator=g) - 1)
    moved = torch.arange(len(cell.numbers)) < round(share * len(cell.numbers))
    return _as(cell, frac=cell.frac + shift * moved[:, None])


def _axes(cell: Cell, share: float, g: torch.Generator) -> Described:
    if share < 0.5:
        return _as(cell)
    shift = 1 + int(torch.randint(0, 2, (), generator=g))
    return _rebased(cell, torch.eye(3, dtype=torch.float64).roll(shift, 0))


def _other_cell(cell: Cell, share: float, g: torch.Generator) -> Described:
    """A random integer change of basis that is not merely another order or sign of the axes."""
    if share < 0.5:
        return _as(cell)
    skewed = _skewed_matrices()
    return _rebased(cell, skewed[int(torch.randint(0, len(skewed), (), generator=g))])


@cache
def _skewed_matrices() -> Tensor:
    matrices = unimodular_matrices().astype(np.float64)
    return torch.from_numpy(matrices[np.abs(matrices).sum((1, 2)) == 4])  # one shear, and turns of the axes


@dataclass(frozen=True)
class Move:
    """Another description of the same crystal: `at(cell, share, generator)` for a share 0 (as given) to 1 of the way."""

    label: str
    at: Callable[[Cell, float, torch.Generator], Described]
    smooth: bool


MOVES = {
    "rotation": Move("turn it", _rotation, True),
    "reflection": Move("mirror it", _reflection, False),
    "origin": Move("move the origin", _origin, True),
    "order": Move("list the atoms in another order", _order, False),
    "images": Move("list other images", _images, False),
    "axes": Move("rename the axes", _axes, False),
    "other cell": Move("choose another cell", _other_cell, False),
}


def example(name: str, *, noise: float = 0.05, seed: int = 0) -> Cell:
    """A well-known crystal as it looks on its way: every coordinate noised by `noise` (cells) and wrapped.

    Perfect sites would tell nothing: there every displacement vanishes by symmetry. Raises ValueError for an unknown name.
    """
    if name not in CRYSTALS:
        raise ValueError(f"crystal {name!r} is none of {', '.join(CRYSTALS)}")
    crystal = _built(name)
    kick = torch.randn(crystal.frac_coords.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    frac = wrap(torch.tensor(crystal.frac_coords) + noise * kick)
    return Cell(torch.tensor(crystal.numbers), frac, torch.tensor(crystal.lattice))


def networks(n_atoms: int, *, flaw: str = "none", noise: float = 0.05, seed: int = 0, generator: bool = True) -> dict[str, Network]:
    """The four by name: three small ones with random weights from `seed`, and the generator's own with its trained weights.

    The Denoiser is told the time at which the generator's noise is `noise` (cells); its score, in fractions of the cell, is read
    as a displacement, v = s L. generator: False leaves it out; with it ModelMissing is raised when its weights are absent.
    """
    small = reference_networks.build(n_atoms, flaw=flaw, seed=seed)
    if not generator:
        return dict(small)
    model = load_model(MODEL)
    t = min(max(math.log(noise / SIGMAS[0]) / math.log(SIGMAS[1] / SIGMAS[0]), 0.0), 1.0)

    def denoiser(numbers: Tensor, frac: Tensor, lattice: Tensor) -> Tensor:
        cell = model.network.to_cell(numbers, lattice_to_vector(lattice.double())).to(frac)
        return model.network(numbers, frac, cell, torch.full((len(frac),), t)).coords @ lattice

    return {**small, "Denoiser": denoiser}


def answer(network: Network, cells: list[Cell]) -> Tensor:
    """(B, N, 3) float64: what the network wants, evaluated in float32 as in the generator."""
    batch = [torch.stack([getattr(cell, name) for cell in cells]) for name in ("numbers", "frac", "lattice")]
    with torch.no_grad():
        return network(batch[0], batch[1].float(), batch[2].float()).double()


def error(before: Tensor, after: Tensor, description: Described) -> float:
    """|| f(g x) - g f(x) || / || f(x) || for one cell: before, after (N, 3)."""
    wanted = before[description.order] @ description.turn
    return float((after - wanted).norm() / before.norm())


def _errors(network: Network, before: Tensor, descriptions: list[Described]) -> Tensor:
    """(len(descriptions),): `error` of the answers to all of them, `before` (N, 3) being the answer to the cell as it was."""
    answers = answer(network, [one.cell for one in descriptions])
    return torch.tensor([error(before, after, one) for after, one in zip(answers, descriptions, strict=True)])


def errors(
    *, crystal: str = "perovskite SrTiO3", flaw: str = "none", noise: float = 0.05, n_draws: int = 8, seed: int = 0, generator: bool = True
) -> dict[str, dict[str, Tensor]]:
    """network -> move -> (n_draws,) relative errors under random descriptions of one noised crystal."""
    cell = example(crystal, noise=noise, seed=seed)
    found: dict[str, dict[str, Tensor]] = {}
    described = {}
    for i, (name, move) in enumerate(MOVES.items()):
        g = torch.Generator().manual_seed(1000 * seed + i)
        described[name] = [move.at(cell, 1.0 if name != "rotation" else float(torch.rand((), generator=g)), g) for _ in range(n_draws)]
    for label, network in networks(len(cell.numbers), flaw=flaw, noise=noise, seed=seed, generator=generator).items():
        before = answer(network, [cell])[0]
        found[label] = {name: _errors(network, before, descriptions) for name, descriptions in described.items()}
    return found


def keepers(found: dict[str, dict[str, Tensor]], move: str) -> tuple[int, str]:
    """How many networks answer alike under this move (relative error below 1e-4); `found` is of `errors`."""
    worst = {name: float(by_move[move].max()) for name, by_move in found.items()}
    return sum(error < 1e-4 for error in worst.values()), "Largest relative change: " + ", ".join(
        f"{name} {error:.1g}" for name, error in worst.items()
    ) + "."


def built_in(found: dict[str, dict[str, Tensor]], name: str) -> tuple[int, str]:
    """Does this network keep its answer under other names for the axes? 0 yes, 1 no; `found` is of `errors`."""
    change, turned = float(found[name]["axes"].mean()), float(found[name]["rotation"].max())
    by = "only by round-off" if turned < 1e-4 else f"by {turned:.0%}"
    return int(
        change >= 1e-4
    ), f"Under a rotation the {name}'s answer changes {by}, under other names for the axes by {change:.0%} of its length."


def along(
    move: str,
    *,
    crystal: str = "perovskite SrTiO3",
    flaw: str = "none",
    noise: float = 0.05,
    n_points: int = 61,
    seed: int = 0,
    generator: bool = True,
) -> tuple[Tensor, dict[str, Tensor], list[Cell]]:
    """Shares (T,) of the way, each network's error (T,), and the cells on the way: one random description, approached step by step.

    Raises ValueError for an unknown move.
    """
    if move not in MOVES:
        raise ValueError(f"move {move!r} is none of {', '.join(MOVES)}")
    cell = example(crystal, noise=noise, seed=seed)
    shares = torch.linspace(0, 1, n_points, dtype=torch.float64)
    descriptions = [MOVES[move].at(cell, float(share), torch.Generator().manual_seed(seed)) for share in shares]
    curves = {}
    for label, network in networks(len(cell.numbers), flaw=flaw, noise=noise, seed=seed, generator=generator).items():
        before = answer(network, [cell])[0]
        curves[label] = _errors(network, before, descriptions)
    return shares, curves, [one.cell for one in descriptions]


def round_off(*, crystal: str = "perovskite SrTiO3", noise: float = 0.05, seed: int = 0) -> float:
    """The floor: how much the CSPNet's answer to one input changes between float32 and float64, relative."""
    cell = example(crystal, noise=noise, seed=seed)
    network = reference_networks.build(len(cell.numbers), seed=seed)["CSPNet"]
    single = answer(network, [cell])[0]
    with torch.no_grad():
        double = network.double()(cell.numbers[None], cell.frac[None], cell.lattice[None])[0]
    return float((single - double).norm() / double.norm())


def sample(
    *, prior_kind: str = "round", centred: bool = True, eta: float = 1.0, n_steps: int = 50, n_molecules: int = 1000, seed: int = 0
) -> dict[str, Trajectory]:
    """kernel -> molecules grown by it, both from the same noise; arguments and errors as in `rigid_molecule.sample`."""
    run = partial(
        rigid_molecule.sample, prior_kind=prior_kind, centred=centred, eta=eta, n_steps=n_steps, n_molecules=n_molecules, seed=seed
    )
    return {kernel: run(kernel=kernel) for kernel in rigid_molecule.KERNELS}


def truth(trajectory: Trajectory) -> Truth:
    """How far the orientations of grown molecules are from uniform, which is what symmetry demands, beside as many exact draws."""
    return rigid_molecule.orientation_truth(trajectory)


def preference(poses: Truth) -> tuple[int, str]:
    """Are the poses uniform? 0 they cannot be told from uniform ones, 1 they are not (Kolmogorov's test, p < 0.001)."""
    p = float(stats.kstwo.sf(poses.value, poses.floor.n))
    return int(p < 0.001), (
        f"The {poses.name} is {poses.value:.3f}; as many poses drawn by lot are as far from uniform or farther in {p:.2g} of all cases."
    )


def movie(cells: list[Cell], shares: Tensor) -> CrystalTrajectory:
    """The descriptions on the way as something to watch; coordinates are drawn wrapped."""
    return CrystalTrajectory(
        shares.numpy(), *(np.stack([getattr(cell, name).numpy() for cell in cells]) for name in ("numbers", "frac", "lattice"))
    )


def as_crystal(cell: Cell) -> Crystal:
    """For the player and for pymatgen."""
    return Crystal(cell.numbers.numpy(), cell.frac.numpy(), cell.lattice.numpy())


@cache
def _built(name: str) -> Crystal:
    return STRUCTURES[name]()


def _as(
    cell: Cell,
    *,
    numbers: Tensor | None = None,
    frac: Tensor | None = None,
    lattice: Tensor | None = None,
    order: Tensor | None = None,
    turn: Tensor | None = None,
) -> Described:
    described = Cell(*(old if new is None else new for old, new in ((cell.numbers, numbers), (cell.frac, frac), (cell.lattice, lattice))))
    return Described(
        described, torch.arange(len(cell.numbers)) if order is None else order, torch.eye(3, dtype=torch.float64) if turn is None else turn
    )


def _rebased(cell: Cell, matrix: Tensor) -> Described:
    return _as(cell, frac=wrap(cell.frac @ torch.linalg.inv(matrix)), lattice=matrix @ cell.lattice)
