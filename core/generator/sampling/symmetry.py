"""Growth inside a space group: the flow projected on the free coordinates of the Wyckoff sites and on the crystal system's metric.

| equation | name |
|---|---|
| f_i = R_i f_a + t_i: every atom of an orbit from its anchor a | Symmetry.place |
| v_a = mean over the orbit of R_i^-1 v_i, averaged over the site's own operations | Symmetry.velocity |
| G = mean over the point group of R^T G R (in the basis of the cell) | Symmetry.metric |
| x_{t-h} = P (x_t - h P u(x_t, t)) | sample |

A template says which sites are occupied (its group, its orbits, and which special positions they are); where atoms sit on the free
coordinates and how large the cell is comes from noise. The operations are those that spglib finds in the template, in the template's own
basis, so the network is asked in the cell that it was trained on. DiffCSP++ (Jiao et al. 2024, arXiv 2402.03992) projects in the same way
and works in the conventional cell, where the free numbers of the metric are coefficients of a basis; averaging over the point group
leaves the same numbers free.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from core.generator.model.conversion import to_cells
from core.generator.model.flow import Flow
from core.generator.model.network import Denoiser, Prediction
from core.generator.model.state import Cells
from core.generator.sampling import loop
from core.generator.sampling.config import SamplerConfig
from core.numerics.torus import wrap
from core.structures.crystal import Crystal
from core.structures.lattice import lattice_to_vector, metric_to_lattice
from core.structures.space_groups import asked_spglib

SYMPREC = 0.1  # Å
NEAR = 0.3  # Å: what an operation leaves so near to an atom is that atom


class NoSymmetryError(ValueError):
    """A crystal whose operations cannot be found or do not map it onto itself."""


@dataclass(frozen=True)
class Symmetry:
    """What a template fixes. anchor (N,): the atom from which each is made; rotation (N, 3, 3), shift (N, 3): f_i = R f_anchor + t;
    project (N, 3, 3), offset (N, 3): of an anchor's place onto its special position, f -> P f + o; point_group (K, 3, 3);
    group 1 to 230."""

    group: int
    anchor: Tensor
    rotation: Tensor
    shift: Tensor
    project: Tensor
    offset: Tensor
    point_group: Tensor

    @property
    def n_free(self) -> int:
        """Free numbers of the places: of each orbit the dimension of its special position."""
        orbits = self.anchor.unique()
        return int(torch.linalg.matrix_rank(self.project[orbits].double(), atol=1e-6).sum())

    def place(self, frac: Tensor) -> Tensor:
        """(B, N, 3) -> the same with every atom made anew from its anchor, which is moved onto its special position."""
        anchored = torch.einsum("nij,bnj->bni", self.project[self.anchor], frac[:, self.anchor]) + self.offset[self.anchor]
        return wrap(torch.einsum("nij,bnj->bni", self.rotation, anchored) + self.shift)

    def velocity(self, v: Tensor) -> Tensor:
        """(B, N, 3) fractional -> the part that keeps the symmetry."""
        back = torch.einsum("nij,bnj->bni", torch.linalg.inv(self.rotation), v)
        total = torch.zeros_like(v).index_add_(1, self.anchor, back)
        size = torch.bincount(self.anchor, minlength=len(self.anchor)).clamp(min=1).to(v)
        mean = torch.einsum("nij,bnj->bni", self.project, total / size[:, None])
        return torch.einsum("nij,bnj->bni", self.rotation, mean[:, self.anchor])

    def metric(self, metric: Tensor) -> Tensor:
        """(B, 3, 3) in Å^2 -> its average over the point group: a cell of the right crystal system."""
        R = self.point_group.to(metric)
        return torch.einsum("kji,bjl,klm->bim", R, metric, R) / len(R)

    def cell(self, network: Denoiser, numbers: Tensor, cell: Tensor) -> Tensor:
        """(B, 6) standardised, as the network sees it -> that of the projected metric."""
        metric = self.metric(network.metric(numbers, cell.double().clamp(-6, 6)))
        return network.to_cell(numbers, lattice_to_vector(metric_to_lattice(metric))).to(cell)

    def guide(self, _: Cells, prediction: Prediction, __: Tensor) -> Prediction:
        """The velocity that keeps the symmetry."""
        return prediction._replace(coords=self.velocity(prediction.coords))

    def state(self, network: Denoiser, cells: Cells) -> Cells:
        """Atoms on their sites in a cell of the right crystal system."""
        return Cells(cells.numbers, self.place(cells.frac), self.cell(network, cells.numbers, cells.cell))


def symmetry_of(template: Crystal) -> Symmetry:
    """What spglib finds in a crystal, in its own cell (symprec 0.1 Å). Raises NoSymmetryError."""
    import spglib

    data = asked_spglib(spglib.get_symmetry_dataset, template, SYMPREC)
    if data is None:
        raise NoSymmetryError(f"spglib finds no symmetry in {template.formula}")
    rotations, translations = np.asarray(data.rotations, float), np.asarray(data.translations, float)
    frac, n = template.frac_coords, template.n_atoms
    anchor, rotation, shift = np.full(n, -1), np.zeros((n, 3, 3)), np.zeros((n, 3))
    project, offset = np.zeros((n, 3, 3)), np.zeros((n, 3))
    for a in range(n):
        if anchor[a] >= 0:
            continue
        images = rotations @ frac[a] + translations
        own: list[tuple[np.ndarray, np.ndarray]] = []
        for R, t, image in zip(rotations, translations, images, strict=True):
            gaps = frac - image
            whole = np.round(gaps)
            distance = np.linalg.norm((gaps - whole) @ template.lattice, axis=1)
            distance[template.numbers != template.numbers[a]] = np.inf
            i = int(distance.argmin())
            if not distance[i] < NEAR:
                raise NoSymmetryError(f"an operation of {template.formula} leads to no atom")
            if i == a:
                own.append((R, t + whole[i]))
            if anchor[i] < 0:
                anchor[i], rotation[i], shift[i] = a, R, t + whole[i]
        project[a], offset[a] = np.mean([R for R, _ in own], 0), np.mean([t for _, t in own], 0)
        anchor[a], rotation[a], shift[a] = a, np.eye(3), 0.0
    tensors = (torch.tensor(x, dtype=torch.float32) for x in (rotation, shift, project, offset, rotations))
    return Symmetry(int(data.number), torch.tensor(anchor), *tensors)


def sample(
    network: Denoiser, flow: Flow, template: Crystal, symmetry: Symmetry | None, config: SamplerConfig, *, seeds: Sequence[int]
) -> Iterator[Cells]:
    """`loop.sample` for the template's content, one crystal for each seed.

    symmetry: start, velocity and every state are projected on it; None: the same noise, left free.
    """
    numbers = to_cells(network, [template]).numbers.expand(len(seeds), -1)
    if symmetry is None:
        return loop.sample(network, flow, numbers, config, seeds=seeds)
    return loop.sample(network, flow, numbers, config, seeds=seeds, guide=symmetry.guide, project=partial(symmetry.state, network))
