import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from core.cli import main
from core.metrics.comparison import Comparison
from core.metrics.evaluation import census, evaluate, pairs
from core.metrics.matching import MISS, TIGHT, first_of_kind, match_rms, matcher
from core.metrics.report import Score, report, score
from core.metrics.validity import composition_valid, structure_valid
from core.structures.arrays import ArrayFileError, from_crystals
from core.structures.crystal import Crystal

PEROVSKITE = Crystal([38, 22, 8, 8, 8], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]], np.eye(3) * 3.9)


def moved(crystal, i, shift):
    frac = crystal.frac_coords.copy()
    frac[i] += shift
    return Crystal(crystal.numbers, frac, crystal.lattice)


def test_structural_validity_at_its_thresholds():
    def pair(d):
        return Crystal([1, 1], [[0, 0, 0], [d / 4, 0, 0]], np.eye(3) * 4)

    assert structure_valid(pair(0.501)) and not structure_valid(pair(0.499))
    assert structure_valid(pair(3.499)) and not structure_valid(pair(3.501))  # the image across the border counts
    assert not structure_valid(Crystal([1], [[0, 0, 0]], np.diag([0.4, 4, 4])))  # an atom and its own image


@pytest.mark.parametrize(
    "numbers, valid",
    [
        ((11, 17), True),
        ((38, 22, 8, 8, 8), True),
        ((11, 11, 17), False),
        ((26, 13), True),
        ((6, 6), True),
        ((11,) * 4 + (17,) * 4, True),
        ((3, 8, 8, 8, 8, 8), False),
    ],
)
def test_compositions(numbers, valid):
    """Salts, oxides, an alloy, an element, a multiple of a formula; against wrong ratios."""
    assert composition_valid(numbers) is valid


def test_composition_test_is_the_published_function():
    """Against CDVAE's rule written out: all assignments of common oxidation states, neutrality, Pauling order."""
    import itertools
    from math import gcd

    import smact
    from pymatgen.core import Element
    from smact.screening import pauling_test

    def published(numbers):
        kinds, counts = np.unique(numbers, return_counts=True)
        counts = [int(c) // gcd(*counts.tolist()) for c in counts]
        symbols = [Element.from_Z(int(z)).symbol for z in kinds]
        if len(symbols) == 1 or all(s in smact.metals for s in symbols):
            return True
        elements = [smact.Element(s) for s in symbols]
        for states in itertools.product(*[e.oxidation_states_smact14 for e in elements]):
            if sum(s * c for s, c in zip(states, counts)) == 0:
                try:
                    if pauling_test(states, [e.pauling_eneg for e in elements]):
                        return True
                except TypeError:
                    return True
        return False

    rng = np.random.default_rng(0)
    cells = [rng.choice([3, 8, 9, 11, 13, 14, 16, 17, 20, 26, 29, 38, 47, 56], size=rng.integers(1, 6)) for _ in range(150)]
    mine = [composition_valid(c) for c in cells]
    assert mine == [published(c) for c in cells]
    assert 20 < sum(mine) < 130


def test_match_is_structure_matchers():
    bent = moved(PEROVSKITE, 4, [0.05, 0, 0])
    theirs = StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3).get_rms_dist(bent.to_pymatgen(), PEROVSKITE.to_pymatgen())
    assert match_rms(bent, PEROVSKITE) == pytest.approx(theirs[0])


def test_the_protocol_by_value():
    """DiffCSP's compute_metrics.py: stol 0.5, angle_tol 10, ltol 0.3; a miss counts 0.5; the same crystal from 0.15 down."""
    assert (matcher().stol, matcher().angle_tol, matcher().ltol) == (0.5, 10, 0.3)
    assert (MISS, TIGHT) == (0.5, 0.15)
    shares = [report([Score(rms, True, True)], structures_valid=[True], compositions_valid=[True]).tight_share for rms in (0.149, 0.151)]
    assert shares == [1.0, 0.0]
    assert Comparison("it", 0.149, 0, 0, 0.0).tight and not Comparison("it", 0.151, 0, 0, 0.0).tight


def test_smallest_volume_by_value():
    """A face-centred cell whose nearest atoms are d apart has the volume d^3/sqrt 2: 0.1 Å^3 at d = 0.521, above the shortest 0.5."""
    faces = (np.ones((3, 3)) - np.eye(3)) / np.sqrt(2)
    small, enough = (Crystal([1], [[0, 0, 0]], faces * d) for d in (0.515, 0.527))
    assert 0.5 < small.nearest_distance < enough.nearest_distance and 0.09 < small.volume < 0.1 < enough.volume < 0.11
    assert structure_valid(enough) and not structure_valid(small)


def test_match_by_hand():
    """One of five atoms moved by d: after the best shift (d/5 off each) the mean square is d^2 (1/5)(1 - 1/5)."""
    d = 0.05
    expected = np.sqrt(d**2 / 5 * (1 - 1 / 5)) * 3.9 / (3.9**3 / 5) ** (1 / 3)
    assert match_rms(moved(PEROVSKITE, 4, [d, 0, 0]), PEROVSKITE) == pytest.approx(expected, rel=0.02)


def test_turned_shifted_swelled_and_enlarged_cells_match():
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    same = Crystal(PEROVSKITE.numbers, PEROVSKITE.frac_coords + 0.3, PEROVSKITE.lattice @ turned * 1.2)
    assert match_rms(same, PEROVSKITE) < 1e-6
    doubled = Crystal.from_pymatgen(PEROVSKITE.to_pymatgen() * [1, 1, 2])
    assert match_rms(doubled, PEROVSKITE) < 1e-6


def test_a_wrong_structure_is_a_miss():
    swapped = Crystal([22, 38, 8, 8, 8], PEROVSKITE.frac_coords, PEROVSKITE.lattice)
    other = Crystal([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * 3)
    assert match_rms(PEROVSKITE, other) is None
    assert match_rms(swapped, PEROVSKITE) is None or match_rms(swapped, PEROVSKITE) > 0.15


def test_collapsed_prediction_is_a_miss_not_a_crash():
    collapsed = Crystal(PEROVSKITE.numbers, np.zeros((5, 3)), PEROVSKITE.lattice)
    assert not score(collapsed, PEROVSKITE).prediction_valid
    assert score(collapsed, PEROVSKITE).counted is None


def test_report_by_hand():
    scores = [Score(0.1, True, True), Score(0.3, True, True), Score(0.23, True, False), Score(None, True, True)]
    result = report(scores, structures_valid=[True, True, False, True], compositions_valid=[True] * 4)
    assert (result.n, result.match_rate, result.match_rate_filtered) == (4, 0.75, 0.5)
    assert result.rmse == pytest.approx(0.21) and result.rmse_filtered == pytest.approx(0.2)
    assert result.tight_share == 0.25
    assert result.crmse == pytest.approx((0.1 + 0.3 + 0.23 + 0.5) / 4)
    assert result.structure_validity == 0.75 and result.truth_validity == 0.75


def rocksalt():
    return Crystal.from_pymatgen(
        Structure(Lattice([[0, 2.8, 2.8], [2.8, 0, 2.8], [2.8, 2.8, 0]]), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    )


def test_evaluate_command(tmp_path, capsys):
    truth, prediction = tmp_path / "t.npz", tmp_path / "p.npz"
    from_crystals([PEROVSKITE, rocksalt()], dev=[False, True]).save(truth)
    from_crystals([moved(PEROVSKITE, 4, [0.05, 0, 0]), PEROVSKITE, rocksalt(), rocksalt()]).save(prediction)
    assert main(["evaluate", str(prediction), str(truth), "--workers", "2", "--json", str(tmp_path / "r.json")]) == 0
    printed = capsys.readouterr().out
    assert "| match rate, filtered | 100.0 % |" in printed and "| pairs | 4 |" in printed
    assert (tmp_path / "r.json").exists()
    assert main(["evaluate", str(prediction), str(truth), "--dev"]) == 2
    assert "same order" in capsys.readouterr().err


def test_files_that_do_not_belong_together():
    with pytest.raises(ArrayFileError, match="cannot be K"):
        list(pairs(from_crystals([PEROVSKITE] * 3), from_crystals([PEROVSKITE] * 2)))
    assert evaluate(pairs(from_crystals([PEROVSKITE]), from_crystals([PEROVSKITE]))).match_rate == 1


def test_census_by_hand(tmp_path, capsys):
    """Rock salt twice (once moved and swelled), a perovskite, one collapsed: unique 3 of 4; novel against rock salt 2 of 4."""
    salt = rocksalt()
    again = Crystal(salt.numbers, salt.frac_coords + 0.2, salt.lattice * 1.1)
    collapsed = Crystal(PEROVSKITE.numbers[:2], np.zeros((2, 3)), PEROVSKITE.lattice)
    made = [salt, again, PEROVSKITE, collapsed]
    assert first_of_kind(made).tolist() == [True, False, True, True]
    result = census(made, from_crystals([again]))
    assert (result.n, result.uniqueness, result.novelty, result.structure_validity) == (4, 0.75, 0.5, 0.75)
    assert result.valid_unique_novel == 0.25 and np.isnan(census(made).novelty)
    from_crystals(made).save(tmp_path / "made.npz")
    from_crystals([again]).save(tmp_path / "known.npz")
    assert (
        main(["evaluate", str(tmp_path / "made.npz"), "--reference", str(tmp_path / "known.npz"), "--json", str(tmp_path / "r.json")]) == 0
    )
    assert "| unique | 75.0 % |" in capsys.readouterr().out
    with pytest.raises(ArrayFileError, match="no structures"):
        census([])


def test_census_counts_both_kinds_of_validity_together():
    """Sound and charged, sound only (Na2Cl), charged only (two atoms of rock salt on one spot)."""
    salt = rocksalt()
    uncharged = Crystal([11, 11, 17], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]], np.eye(3) * 5)
    crushed = Crystal(salt.numbers, np.zeros((2, 3)), salt.lattice)
    result = census([salt, uncharged, crushed])
    assert (result.structure_validity, result.composition_validity) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert result.validity == pytest.approx(1 / 3)
