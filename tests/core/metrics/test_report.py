import json

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from core.cli import main
from core.metrics.comparison import Comparison
from core.metrics.evaluation import best, census, evaluate, judged, pairs, readable
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
    for choice, pairs_left in (("--dev", 2), ("--limit=1", 2)):  # both sides are cut: two samples of one truth are left
        assert main(["evaluate", str(prediction), str(truth), choice, "--json", str(tmp_path / "r.json")]) == 0
        numbers = json.loads((tmp_path / "r.json").read_text())
        assert numbers["n"] == pairs_left and numbers["match_rate"] == 1.0
    from_crystals([rocksalt()]).save(prediction)  # predictions of the chosen truths alone
    assert main(["evaluate", str(prediction), str(truth), "--dev"]) == 0
    from_crystals([rocksalt(), rocksalt()]).save(prediction)
    assert main(["evaluate", str(prediction), str(truth)]) == 2
    assert "same order" in capsys.readouterr().err


def test_a_limit_leaves_the_pairs_in_front(tmp_path):
    """The second of two is missed: one of two without a limit, one of one with it. What no match leaves undefined is null in the file."""
    truth, prediction, numbers = tmp_path / "t.npz", tmp_path / "p.npz", tmp_path / "n.json"
    collapsed = Crystal(rocksalt().numbers, np.zeros((2, 3)), rocksalt().lattice)
    from_crystals([PEROVSKITE, rocksalt()]).save(truth)
    from_crystals([PEROVSKITE, collapsed]).save(prediction)
    for more, pairs_left, rate in (([], 2, 0.5), (["--limit", "1"], 1, 1.0)):
        assert main(["evaluate", str(prediction), str(truth), *more, "--json", str(numbers)]) == 0
        told = json.loads(numbers.read_text())
        assert (told["n"], told["match_rate_filtered"]) == (pairs_left, rate)
    from_crystals([collapsed]).save(prediction)
    from_crystals([rocksalt()]).save(truth)
    assert main(["evaluate", str(prediction), str(truth), "--json", str(numbers)]) == 0
    assert json.loads(numbers.read_text(), parse_constant=lambda word: pytest.fail(word))["rmse_filtered"] is None


def test_files_that_do_not_belong_together():
    with pytest.raises(ArrayFileError, match="cannot be K"):
        pairs([PEROVSKITE] * 3, [PEROVSKITE] * 2)
    assert evaluate(pairs([PEROVSKITE], [PEROVSKITE])).match_rate == 1


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


def test_the_best_of_k_and_metre_by_hand():
    """Two polymorphs A and B of CsCl, two samples each. A is predicted for B and B for A, once each, the others match nothing: no own
    match, both are reached. A third truth is missed: METRe 2 of 3. One own sample then matches at a known rms.
    """
    cubic = Crystal([55, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * 4.1)
    salt = Crystal([55, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], np.array([[0, 3.5, 3.5], [3.5, 0, 3.5], [3.5, 3.5, 0]]))
    lost = Crystal(PEROVSKITE.numbers, np.zeros((5, 3)), PEROVSKITE.lattice)
    nothing = Crystal([55, 17], [[0, 0, 0], [0.01, 0, 0]], np.eye(3) * 4.1)
    work = pairs([salt, nothing, cubic, None, lost, None], [cubic, salt, PEROVSKITE])
    found = best(work, judged(work), samples=2)
    assert (found.truths, found.samples, found.match_rate_k, found.crmse_k) == (3, 2, 0.0, 0.5)
    assert found.metre == found.metre_filtered == pytest.approx(2 / 3)
    assert found.metre_rmse == pytest.approx(0, abs=1e-6) and found.metre_crmse == pytest.approx(0.5 / 3, abs=1e-6)
    bent = moved(PEROVSKITE, 4, [0.05, 0, 0])
    work = pairs([bent, None, PEROVSKITE, None], [PEROVSKITE, bent])  # the best of all is the crystal itself, of each its own
    found = best(work, judged(work), samples=2)
    assert found.match_rate_k == found.metre == 1 and found.crmse_k == pytest.approx(match_rms(bent, PEROVSKITE))
    assert found.metre_crmse == pytest.approx(0, abs=1e-6)


def test_predictions_that_are_no_crystals_are_named_and_count_as_invalid_misses(tmp_path, capsys):
    """Not a number, flat, masked, an element beyond lawrencium: as the benchmark's own code counts them. Among truths they are refused."""
    salt = rocksalt()
    arrays = from_crystals([salt] * 5)
    arrays.frac_coords[2, 0] = np.nan
    arrays.lattice[2] = 0.0
    arrays.numbers[6] = 0
    arrays.numbers[8] = 105
    truth, prediction, numbers = tmp_path / "t.npz", tmp_path / "p.npz", tmp_path / "n.json"
    from_crystals([salt] * 5).save(truth)
    arrays.save(prediction)
    assert main(["evaluate", str(prediction), str(truth), "--json", str(numbers)]) == 0
    out, err = capsys.readouterr()
    for i, words in ((1, "not finite"), (2, "span no volume"), (3, "an atom is masked"), (4, "atomic numbers must lie in 0..103")):
        assert any(f"{prediction}: structure {i}: " in line and words in line for line in err.splitlines())
    told = json.loads(numbers.read_text())
    assert told["match_rate"] == told["match_rate_filtered"] == told["structure_validity"] == told["composition_validity"] == 0.2
    assert told["crmse"] == pytest.approx(0.8 * 0.5) and told["uniqueness"] == 0.2 and told["rmse"] == pytest.approx(0)
    assert told["composition_test"].startswith("SMACT ") and "table smact14" in out
    assert main(["evaluate", str(truth), str(prediction)]) == 2
    assert f"{prediction}: structure 1 has a cell or coordinates that are no numbers" in capsys.readouterr().err
    masked = from_crystals([salt])
    masked.numbers[0] = 0
    masked.save(prediction)
    assert (
        main(["evaluate", str(truth), str(prediction)]) == 2 and f"{prediction}: structure 0: an atom is masked" in capsys.readouterr().err
    )
    assert readable(arrays)[0][0] == arrays.crystal(0)


def test_compositions_of_the_reference_are_told_apart(tmp_path, capsys):
    """Of two truths one recurs, as a multiple of its formula: half; the other one alone is missed."""
    for name, crystals in (
        ("t", [rocksalt(), PEROVSKITE]),
        ("p", [rocksalt(), Crystal(PEROVSKITE.numbers, np.zeros((5, 3)), PEROVSKITE.lattice)]),
        ("r", [Crystal.from_pymatgen(rocksalt().to_pymatgen() * [1, 1, 2])]),
    ):
        from_crystals(crystals).save(tmp_path / f"{name}.npz")
    t, p, r, numbers = (str(tmp_path / name) for name in ("t.npz", "p.npz", "r.npz", "n.json"))
    assert main(["evaluate", p, t, "--reference", r, "--json", numbers]) == 0
    told = json.loads((tmp_path / "n.json").read_text())
    assert told["recurring"] == told["match_rate"] == told["best"]["metre"] == 0.5
    apart = told["polymorph_safe"]
    assert (apart["n"], apart["match_rate"], apart["rmse"], apart["best"]["metre"], apart["best"]["metre_crmse"]) == (1, 0, None, 0, 0.5)
    assert "50.0 % of the true structures have a composition of the reference. The others alone" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change, words",
    [
        ({"num_atoms": np.array(3)}, "num_atoms is a single number"),
        ({"frac_coords": np.zeros((6, 3), complex)}, "frac_coords is complex"),
        (
            {"numbers": [], "frac_coords": np.zeros((0, 3)), "lattice": np.zeros((0, 3, 3)), "num_atoms": []},
            "0 predictions cannot be K for",
        ),
        (None, "is not an .npz file of crystals"),
    ],
)
def test_predictions_that_are_laid_out_wrongly_are_refused_in_words(change, words, tmp_path, capsys):
    truth, prediction = tmp_path / "t.npz", tmp_path / "p.npz"
    from_crystals([rocksalt()] * 3).save(truth)
    with open(prediction, "wb") as file:
        if change is None:
            np.save(file, np.arange(3))  # an .npy under the other name
        else:
            with np.load(truth) as good:
                np.savez(file, **(dict(good) | change))
    assert main(["evaluate", str(prediction), str(truth)]) == 2 and words in capsys.readouterr().err
