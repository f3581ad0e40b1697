"""The list of mutations fits the code; ten entries drawn by the date are noticed; a mutation that nobody notices is reported."""

import subprocess
import sys
from collections import Counter

from tests.mutations.entries import ROOT, load, misfits

ROOMS = ("numerics", "foundations", "physics", "learning", "crystals", "generator", "metrics", "structures")


def command(*words):
    return subprocess.run([sys.executable, "-m", "tests.mutations", *words], cwd=ROOT, capture_output=True, text=True, timeout=280)


def test_every_entry_fits_its_file_and_names_a_test():
    mutations = load()
    assert not misfits(mutations), "\n".join(misfits(mutations).values())
    assert len(mutations) >= 200 and len(set(mutations)) == len(mutations)
    rooms = Counter(mutation.path.split("/")[1] for mutation in mutations)
    assert set(rooms) == set(ROOMS) and min(rooms.values()) >= 10, rooms


def test_ten_of_today_are_noticed():
    done = command("--sample", "10")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 killed, 0 not; 0 entries do not fit" in done.stdout


def test_what_nobody_notices_and_what_does_not_fit_is_reported(tmp_path):
    """Of one file: a sign that the test reads, a tolerance that it does not, and a text that is not there."""
    (tmp_path / "few.toml").write_text(
        '"core/structures/symmetry.py" = [\n'
        '    ["math.sin(angle) * K", "-math.sin(angle) * K", "test_rotations_by_value"],\n'
        '    ["tolerance: float = 0.005", "tolerance: float = 0.05", "test_rotations_by_value"],\n'
        '    ["math.tan(angle)", "math.tan(2 * angle)", "test_rotations_by_value"],\n'
        "]\n"
    )
    done = command("--all", "--entries", str(tmp_path))
    assert done.returncode == 1 and "1 killed, 1 not; 1 entries do not fit" in done.stdout, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[1:3]] == ["killed", "SURVIVED"]
