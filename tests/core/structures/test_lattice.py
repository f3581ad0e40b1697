import numpy as np
import torch
from pymatgen.core import Lattice

from core.structures.crystal import Crystal
from core.structures.lattice import lattice_to_vector, metric_to_lattice, nearest_distances, vector_to_lattice
from core.structures.symmetry import cell_symmetries


def random_lattices(n=50, seed=0):
    return torch.randn(n, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 3 * torch.eye(3)


def rotation(seed=1):
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    q = q * r.diagonal().sign()
    return q * torch.linalg.det(q)


def test_vector_keeps_the_metric_and_forgets_the_orientation():
    lattice = random_lattices()
    back = vector_to_lattice(lattice_to_vector(lattice))
    assert torch.allclose(back @ back.mT, lattice @ lattice.mT, atol=1e-9)
    assert torch.allclose(lattice_to_vector(lattice @ rotation()), lattice_to_vector(lattice), atol=1e-9)
    assert (torch.linalg.det(back) > 0).all()


def test_first_entry_is_the_log_volume():
    lattice = random_lattices()
    assert torch.allclose(lattice_to_vector(lattice)[:, 0], torch.linalg.det(lattice).abs().log(), atol=1e-9)


def test_the_map_is_an_isometry_of_the_shape():
    """Coordinates of the traceless part are orthonormal: their norm is the Frobenius norm of the log."""
    vector = lattice_to_vector(torch.diag(torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)))
    assert torch.allclose(vector[1:].norm(), torch.tensor(2**0.5 * np.log(2)).double())


def test_orientation_is_pymatgens():
    mine = metric_to_lattice(torch.tensor(Lattice.from_parameters(3, 4, 5, 80, 95, 110).metric_tensor))
    assert np.allclose(mine.numpy(), Lattice.from_parameters(3, 4, 5, 80, 95, 110).matrix, atol=1e-9)


def test_symmetries_of_known_cells():
    cubic, tetragonal = np.eye(3) * 4, np.diag([4.0, 4.0, 6.0])
    triclinic = Lattice.from_parameters(3, 4, 5, 80, 95, 110).matrix
    hexagonal = Lattice.hexagonal(3, 5).matrix
    assert [len(s) for s in cell_symmetries(np.stack([cubic, tetragonal, triclinic, hexagonal]))] == [48, 16, 2, 24]


def test_nearest_distances_are_those_of_the_exact_search():
    """For 50 cells of little skew, one to six atoms; a single atom meets its own image."""
    lattices = 0.3 * random_lattices() + 3 * torch.eye(3, dtype=torch.float64)
    for n in (1, 2, 6):
        frac = torch.rand(len(lattices), n, 3, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
        found = nearest_distances(frac, lattices @ lattices.mT)
        exact = [Crystal([6] * n, f.numpy(), lattice.numpy()).nearest_distance for f, lattice in zip(frac, lattices, strict=True)]
        assert np.abs(found.numpy() - exact).max() < 1e-9
