"""The systems: the table keeps its promises, each miniature makes what it says, questions know when they cannot tell."""

import numpy as np
import pytest

from core.chapters import CHAPTERS
from core.crystals import landscape
from core.generator.sampling.config import published_config
from core.generator.systems import autoregressive
from core.structures.elements import MASKED
from core.structures.formula import reduced

CONTRACT = (
    "CDVAE DiffCSP DiffCSP++ MatterGen Chemeleon Chemeleon-DNG ScoreMD CrystaLLM-π FlowMM OMatG MCFlow Crystalite MaskGXT ADiT".split()
)


def test_every_system_of_the_curriculum_has_a_row_and_every_number_its_source_convention_and_year():
    rows = landscape.systems()
    assert set(CONTRACT) <= {row.name for row in rows}
    assert {row.here for row in rows} <= {"stage", *(chapter.slug for chapter in CHAPTERS)}
    assert all(row.source and row.diffused and 2021 < row.year < 2027 for row in rows)
    names = {row.name for row in rows}
    for one in landscape.numbers():
        assert one.source and one.convention in landscape.CONVENTIONS and 2021 < one.year < 2027, one
        assert (one.system in names) != one.ours and 0 < one.match < 100 and (one.rmse is None or 0 < one.rmse < 0.5), one
    assert len({(one.system, one.benchmark, one.convention) for one in landscape.numbers()}) == len(landscape.numbers())


def test_published_numbers_by_value():
    """DiffCSP's paper, table 1 (MP-20), and the calls of two samplers: 50 levels of 100 steps, 1,000 steps of two calls."""
    (diffcsp,) = [one for one in landscape.selected("MP-20", "filtered") if one.system == "DiffCSP"]
    assert (diffcsp.match, diffcsp.rmse, diffcsp.year) == (51.49, 0.0631, 2023)
    assert (landscape.calls_of("CDVAE"), landscape.calls_of("DiffCSP"), landscape.calls_of("substitution, no network")) == (
        5000,
        2000,
        None,
    )
    assert landscape.calls_of("ours, flow from noise") == landscape.own_calls() == 4 * (8 + 7 + 6 + 5 + 5 + 4 + 4)
    with pytest.raises(ValueError, match="convention"):
        landscape.selected("MP-20", "both")


def test_primitive_cells_of_the_known_crystals():
    assert [(landscape.known_crystal(n)[0].n_atoms, landscape.known_crystal(n)[1]) for n in ("rock salt NaCl", "spinel MgAl2O4")] == [
        (2, 225),
        (14, 227),
    ]
    with pytest.raises(KeyError, match="rock salt NaCl"):
        landscape.known_crystal("cheese")


@pytest.mark.parametrize("system", landscape.SYSTEMS)
def test_every_system_makes_the_content_asked_for_and_the_same_again(system):
    growth = landscape.sample(system=system, crystal="perovskite SrTiO3", n_steps=5, seed=1)
    again = landscape.sample(system=system, crystal="perovskite SrTiO3", n_steps=5, seed=1)
    assert growth.answer is not None and growth.answer == again.answer
    assert reduced(growth.answer.numbers) == reduced(landscape.known_crystal("perovskite SrTiO3")[0].numbers)
    assert len(growth.paths) == len(growth.titles)
    other = landscape.sample(system=system, crystal="perovskite SrTiO3", n_steps=5, seed=2)
    assert growth.paths[0].final != other.paths[0].final or system == "DiffCSP++"


@pytest.mark.parametrize("bad", [{"system": "magic"}, {"n_steps": 0}, {"volume": -1.0}, {"heat": -0.1}])
def test_settings_out_of_range(bad):
    with pytest.raises(ValueError):
        landscape.sample(**bad)


def test_projection_finds_rutile_and_the_distance_is_to_the_known_crystal():
    growth = landscape.sample(seed=1)
    comparison = landscape.truth(growth, "rutile TiO2", n_random=2)
    assert comparison.name == "rutile TiO2" and comparison.rms < 0.05 and comparison.chance_total == 2
    between = (growth.answer.frac_coords[0] - growth.answer.frac_coords[1]) % 1.0
    assert np.allclose(between, 0.5, atol=1e-3), "titanium on its site, whatever the noise"


def test_the_group_is_one_that_a_prototype_of_another_compound_has():
    rutile = landscape.known_crystal("rutile TiO2")[0]
    offered = landscape.templates(rutile)
    assert offered and all(reduced(crystal.numbers) == reduced(rutile.numbers) and crystal.n_atoms == 6 for _, crystal in offered)
    growth = landscape.sample(system="MaskGXT", crystal="rutile TiO2", n_steps=5)
    assert growth.groups == tuple(sorted(growth.groups, key=lambda one: -one[1])) and len(growth.groups) == 5
    assert any(f"group {group}," in growth.titles[0] for group, _ in growth.groups)


def test_a_written_crystal_unfolds_word_by_word():
    sentence = "<begin> Sr n1 Ti n1 O n3 sg221 l40 l40 l40 d90 d90 d90 Sr x48 x48 x48 Ti x0 x0 x0 O x0 x0 x48 <end>".split()
    path = landscape.unfolding(sentence)
    decided = [(frame != MASKED).sum() for frame in path.numbers]
    assert path.n_frames == len(sentence) and decided == sorted(decided) and decided[-1] == 5
    assert decided[sentence.index("x48") + 2] == 1 and decided[-3] == 2, "an orbit appears with its last word"
    assert path.lattices[-1][0, 0] == pytest.approx(4.0)
    assert landscape.unfolding(sentence[:8]) is None


def test_a_sentence_that_is_no_crystal_is_a_miss_and_says_why(monkeypatch):
    broken = [("sg221", 0.5), ("l40", 0.4), ("Ti", 0.1), ("<end>", 0.9)]
    monkeypatch.setattr(autoregressive, "stream", lambda *args, **kwargs: iter(broken))
    growth = landscape.sample(system="CrystaLLM-π")
    assert growth.answer is None and "word 8, Ti" in growth.trouble and not growth.paths
    assert [word.field for word in growth.words[-2:]] == ["not read", "not read"]
    assert landscape.truth(growth, "rutile TiO2").score == 0.5
    assert landscape.surest_field(growth.words) == {"space group": 0.5, "lengths": 0.4, "not read": pytest.approx(0.5)}


def test_the_sentence_keeps_the_crystal_that_fits_it_best():
    growth = landscape.sample(system="Chemeleon", n_steps=5)
    assert len(growth.fits) == 8 and [fit for _, fit in growth.fits] == sorted((fit for _, fit in growth.fits), reverse=True)
    assert growth.titles[0].startswith(f"fits best: number {growth.fits[0][0].split(':')[0]}")


def test_questions_know_when_they_cannot_tell():
    assert [landscape.closer(one, other)[0] for one, other in ([[0.01] * 8, [0.3] * 8], [[0.3] * 8, [0.01] * 8])] == [0, 2]
    assert landscape.closer([0.1004] * 8, [0.1] * 8)[0] == 1
    # of twenty pairs, 15 : 5 is t = 2.52 and 16 : 4 is t = 3.27; the 0.995 quantile of Student's t with 19 degrees of freedom is 2.861
    told = [landscape.closer([0.1] * k + [0.5] * (20 - k), [0.2] * 20) for k in (16, 15, 5, 4)]
    assert [right for right, _ in told] == [0, 1, 1, 2]
    words = "Of 20 pairs 16 end closer projected, 4 closer free, 0 within 0.001 of each other. The mean distance is 0.180 projected"
    assert told[0][1].startswith(words)
    assert landscape.group_guessed("perovskite SrTiO3")[0] == 0
    assert landscape.group_guessed("quartz SiO2")[0] == 1 and landscape.group_guessed("copper Cu")[0] == 2
    right, words = landscape.gain_of_projection("rutile TiO2", n_steps=5, n=3)
    assert right in (0, 1) and words.startswith("Of 3 pairs")


def test_the_flow_runs_as_its_published_scores():
    """Anti-annealing 10 and temperature 0.5, whatever the steps; the free coordinates are counted of three for each atom."""
    first = landscape.flow()
    assert {(one.anti_annealing, one.temperature) for one in published_config(first.about).rounds[:1]} == {(10.0, 0.5)}
    assert (landscape.ANTI_ANNEALING, landscape.TEMPERATURE) == (10.0, 0.5)
    titles = landscape.sample(system="DiffCSP++", n_steps=1).titles
    assert titles == ("projected: group 136, 1 free coordinates of 18", "free, the same noise")
