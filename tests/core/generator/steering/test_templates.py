"""Templates: harvested from crystals, kept in a file, filled with other elements; what is grown in one has its group."""

import numpy as np
import pytest
import torch

from core.crystals.landscape import known_crystal
from core.generator.registry import load_model
from core.generator.sampling.config import SamplerConfig
from core.generator.sampling.loop import sample
from core.generator.steering.templates import Templates, from_tensors, harvest, stoichiometry, to_tensors
from core.structures.arrays import from_crystals
from core.structures.crystal import Crystal
from core.structures.formula import FormulaError
from core.structures.space_groups import group_of

NAMES = ("rock salt NaCl", "rutile TiO2", "perovskite SrTiO3", "wurtzite ZnS", "quartz SiO2")
GROUPS = {225: "rock salt NaCl", 136: "rutile TiO2", 221: "perovskite SrTiO3", 186: "wurtzite ZnS", 154: "quartz SiO2"}


@pytest.fixture(scope="module")
def templates():
    """Rock salt twice: once as MgO."""
    crystals = [known_crystal(name)[0] for name in NAMES]
    salt = crystals[0]
    return harvest(from_crystals([*crystals, Crystal(np.where(salt.numbers == 11, 12, 8), salt.frac_coords, salt.lattice * 0.75)]))


def test_what_is_harvested(templates):
    assert {one.group for one in templates.every} == set(GROUPS)
    salt = next(one for one in templates.every if one.group == 225)
    assert (salt.often, salt.counts, salt.symmetry.n_free) == (2, (1, 1), 0)
    perovskite = next(one for one in templates.every if one.group == 221)
    assert (perovskite.counts, stoichiometry(perovskite.counts)) == ((3, 1, 1), (3, 1, 1))
    assert templates.groups == {225: 2, 136: 1, 221: 1, 186: 1, 154: 1}


def test_a_file_holds_them_whole(templates):
    again = from_tensors(to_tensors(templates))
    for one, other in zip(templates.every, again.every, strict=True):
        assert (one.group, one.often, one.counts) == (other.group, other.often, other.counts)
        assert torch.allclose(one.properties, other.properties, atol=2e-3)
        frac = torch.rand(2, len(one.kind), 3, generator=torch.Generator().manual_seed(1))
        assert torch.allclose(one.symmetry.place(frac), other.symmetry.place(frac), atol=1e-6)
        metric = torch.eye(3) + 0.1 * torch.ones(3, 3)
        assert torch.equal(one.symmetry.metric(metric[None]), other.symmetry.metric(metric[None]))
        assert one.symmetry.n_free == other.symmetry.n_free


def test_elements_sit_where_alike_ones_were_seen(templates):
    """Of a perovskite ABX3 with Sr on A and Ti on B: barium takes A, zirconium B, whichever order they are named in."""
    perovskite = next(one for one in templates.every if one.group == 221)
    known = known_crystal("perovskite SrTiO3")[0].numbers
    for kinds in ((8, 56, 40), (8, 40, 56)):
        assert np.array_equal(Templates.seated(perovskite, kinds), np.select([known == 38, known == 22], [56, 40], 8))


def test_a_draw_goes_by_how_often_each_was_seen(templates):
    every = templates.fitting(counts=lambda counts: stoichiometry(counts) in ((1, 1), (2, 1)))
    drawn = [Templates.draw(every, seed).group for seed in range(400)]
    share = sum(group == 225 for group in drawn) / 400
    assert abs(share - 2 / 5) < 4 * (0.24 / 400) ** 0.5  # NaCl twice, ZnS, TiO2, SiO2 once each


def test_requests_that_nothing_fits_are_refused_in_words(templates):
    with pytest.raises(FormulaError, match="space group 3,"):
        templates.fitting(group=3)
    with pytest.raises(FormulaError, match="the space group 225 and this stoichiometry"):
        templates.fitting(group=225, counts=lambda counts: stoichiometry(counts) == (3, 1, 1))
    with pytest.raises(FormulaError, match="a cubic group"):
        templates.fitting(system="cubic", n_atoms=7)
    assert {one.group for one in templates.fitting(system="cubic")} == {225, 221}


@pytest.mark.parametrize("group", GROUPS)
def test_growth_inside_a_template_has_its_group(templates, group):
    """From noise, five steps of the shipped flow: whatever comes has every operation of the group."""
    import spglib

    model = load_model("mp20", kind="flow")
    template = next(one for one in templates.every if one.group == group)
    numbers = torch.tensor([Templates.seated(template, known_kinds(group))])
    config = SamplerConfig(steps=5, anti_annealing=10.0, temperature=0.5)
    inside = template.symmetry
    *_, last = sample(
        model.network,
        model.process,
        numbers,
        config,
        seeds=[3],
        guide=inside.guide,
        project=lambda state: inside.state(model.network, state),
    )
    from core.generator.model.conversion import to_trajectories

    crystal = to_trajectories(model.network, [last], torch.tensor([0.0]))[0].final
    found = spglib.get_symmetry((crystal.lattice, crystal.frac_coords, crystal.numbers), symprec=0.01)
    assert len(found["rotations"]) >= len(inside.point_group)
    assert group_of(crystal) == group


def known_kinds(group):
    """The elements of the known crystal, the most frequent first."""
    numbers = known_crystal(GROUPS[group])[0].numbers
    values, counts = np.unique(numbers, return_counts=True)
    return [int(z) for _, z in sorted(zip(-counts, values, strict=True))]
