"""Growth inside a space group: what is projected keeps the symmetry exactly, and what has it already is left alone."""

import numpy as np
import pytest
import spglib
import torch

from core.crystals.landscape import known_crystal
from core.generator.model.conversion import to_cells, to_trajectories
from core.generator.registry import load_model
from core.generator.sampling.config import SamplerConfig
from core.generator.sampling.symmetry import sample, symmetry_of
from core.numerics.torus import shortest
from core.structures.crystal import Crystal

# free coordinates of the occupied Wyckoff sites by the International Tables
FREE = {
    "rutile TiO2": (136, 1),
    "perovskite SrTiO3": (221, 0),
    "wurtzite ZnS": (186, 2),
    "quartz SiO2": (154, 4),
    "spinel MgAl2O4": (227, 1),
}


@pytest.mark.parametrize("name", FREE)
def test_free_coordinates_are_those_of_the_tables(name):
    inside = symmetry_of(known_crystal(name)[0])
    assert (inside.group, inside.n_free) == FREE[name]


@pytest.mark.parametrize("name", FREE)
def test_the_crystal_itself_is_left_where_it_is(name):
    crystal = known_crystal(name)[0]
    crystal = Crystal(crystal.numbers, crystal.frac_coords + [0.37, 0.61, 0.83], crystal.lattice)
    inside, frac = symmetry_of(crystal), torch.tensor(crystal.frac_coords, dtype=torch.float32)[None]
    assert shortest(inside.place(frac), frac).abs().max() < 1e-3
    metric = torch.tensor(crystal.lattice @ crystal.lattice.T)[None]
    assert torch.allclose(inside.metric(metric), metric, rtol=1e-3)


@pytest.mark.parametrize("name", FREE)
def test_noise_that_is_projected_has_the_whole_group(name):
    """Every operation maps the projected atoms onto atoms and the projected metric onto itself; projecting twice is projecting once."""
    crystal = known_crystal(name)[0]
    inside, generator = symmetry_of(crystal), torch.Generator().manual_seed(3)
    frac = inside.place(torch.rand(4, crystal.n_atoms, 3, generator=generator))
    v = inside.velocity(torch.randn(4, crystal.n_atoms, 3, generator=generator))
    assert torch.allclose(inside.velocity(v), v, atol=1e-5)
    moved = frac + 0.01 * v
    assert shortest(inside.place(moved), moved).abs().max() < 1e-5, "a projected velocity leads nowhere that the group forbids"
    A = torch.randn(4, 3, 3, generator=generator)
    metric = inside.metric(A @ A.mT + 3 * torch.eye(3))
    for R in inside.point_group:
        assert torch.allclose(R.T @ metric @ R, metric, atol=1e-4)


def test_the_velocity_is_the_orthogonal_share_of_an_orbit():
    """Rutile's oxygens may move along (x, x, 0) together: of a push of one of four atoms along it a quarter is left to each."""
    crystal = known_crystal("rutile TiO2")[0]
    inside = symmetry_of(crystal)
    free = inside.velocity(torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(0)))[0]
    one = torch.zeros(1, 6, 3)
    one[0, 3] = free[3]
    kept = inside.velocity(one)[0]
    assert torch.allclose(kept[3], free[3] / 4, atol=1e-6)
    assert float(inside.velocity(torch.ones(1, 6, 3))[0, :2].abs().max()) < 1e-6, "titanium sits on a point"


def test_a_grown_crystal_has_the_group_and_the_free_one_starts_from_the_same_noise():
    model, crystal = load_model("mp20", kind="flow"), known_crystal("rutile TiO2")[0]
    inside, config = symmetry_of(crystal), SamplerConfig(steps=6, anti_annealing=10.0)
    frames = list(sample(model.network, model.process, crystal, inside, config, seeds=[1, 2]))
    for path in to_trajectories(model.network, frames, config.times()):
        end = path.final
        found = spglib.get_symmetry_dataset((end.lattice, end.frac_coords, end.numbers), symprec=1e-3)
        assert found.number in (136, 139, 123, 221), "the group or one that holds it"
    free = next(sample(model.network, model.process, crystal, None, config, seeds=[1, 2]))
    assert shortest(inside.place(free.frac), frames[0].frac).abs().max() < 1e-5
    assert np.isfinite(frames[-1].cell.numpy()).all() and to_cells(model.network, [crystal]).frac.shape == (1, 6, 3)


@pytest.mark.parametrize("angstrom, group", [(0.05, 136), (0.08, 6)])
def test_the_group_is_that_within_a_tenth_of_an_angstrom(angstrom, group):
    """One of rutile's four oxygens is moved: an operation that takes it to another one is off by up to twice as much."""
    crystal = known_crystal("rutile TiO2")[0]
    moved = crystal.frac_coords.copy()
    moved[2, 1] += angstrom / np.linalg.norm(crystal.lattice[1])
    assert symmetry_of(Crystal(crystal.numbers, moved, crystal.lattice)).group == group
