"""The bytes of the crystal player: what goes in comes out, within the stated precision and size."""

import json

import numpy as np
import pytest

from core.figures.crystal_payload import LEVELS, pack_crystals, payload_header, unpack_crystals
from core.structures.builtin import STRUCTURES
from core.structures.crystal import CrystalTrajectory


def movie(n_atoms=5, n_frames=7, seed=0, reveal=True):
    rng = np.random.default_rng(seed)
    numbers = np.tile(rng.integers(1, 100, n_atoms), (n_frames, 1))
    if reveal:
        numbers[: n_frames // 2] = 0
    lattices = np.eye(3) * 5 + rng.normal(0, 0.3, (n_frames, 3, 3))
    return CrystalTrajectory(np.linspace(1, 0, n_frames), numbers, rng.normal(0, 2, (n_frames, n_atoms, 3)), lattices)


def test_round_trip_within_precision():
    paths = [movie(5), movie(20, seed=1, reveal=False), STRUCTURES["rock salt NaCl"]()]
    read = unpack_crystals(pack_crystals(paths, alt="three", titles=["a", "b", "c"]))
    assert [spec["title"] for spec in read.header["crystals"]] == ["a", "b", "c"]
    for path, back in zip(paths[:2], read.crystals, strict=False):
        np.testing.assert_array_equal(back.numbers, path.numbers)
        np.testing.assert_allclose(back.lattices, path.lattices, rtol=1e-6)
        np.testing.assert_allclose(back.times, path.times, rtol=1e-6)
        gap = back.frac_coords - path.frac_coords
        assert np.abs(gap - np.round(gap)).max() <= 0.5 / LEVELS + 1e-9
    assert read.crystals[2].n_frames == 1 and read.crystals[2].final.formula == "Na4 Cl4"


def test_at_most_seven_bytes_per_atom_and_frame():
    path = movie(20, 200)
    payload = pack_crystals(path, alt="x")
    lattices_and_times = 200 * (36 + 4)
    assert len(payload) - lattices_and_times <= 7 * 20 * 200 + 1000
    assert len(pack_crystals(movie(20, 200, reveal=False), alt="x")) < len(payload) - 20 * 150


def test_blocks_are_aligned_and_identity_follows_the_content():
    payload = pack_crystals(movie(3), alt="x")
    header = payload_header(payload)
    assert all(spec[name] % 8 == 0 for spec in header["crystals"] for name in ("lattice", "coords", "numbers"))
    assert (12 + int.from_bytes(payload[8:12], "little")) % 8 == 0
    assert header["id"] == payload_header(pack_crystals(movie(3), alt="x"))["id"]
    assert header["id"] != payload_header(pack_crystals(movie(3, seed=9), alt="x"))["id"]
    assert header["id"] != payload_header(pack_crystals(movie(3), alt="y"))["id"]


@pytest.mark.parametrize(
    "paths, options, words",
    [
        ([], {}, "0 crystals"),
        ([movie()] * 17, {}, "17 crystals"),
        ([movie(n_frames=5), movie(n_frames=6)], {}, "5, 6"),
        ([movie()], {"titles": ["a", "b"]}, "2 titles"),
        ([movie()], {"alt": " "}, "alt"),
        ([movie()], {"fps": 0}, "fps"),
        ([movie()], {"supercell": (1, 1, 4)}, "supercell"),
        ([movie()], {"groups": [[0, 0, 0, 0, 1]], "group_names": [["a"]]}, "one of 1 names"),
        ([movie()], {"groups": [[0] * 4], "group_names": [["a"]]}, "each of 5 atoms"),
        ([movie()], {"groups": [[0] * 5]}, "0 of their names"),
        ([movie()], {"supercell": (2, 2)}, "supercell"),
        ([movie(n_atoms=401, n_frames=2)], {}, "401 atoms"),
    ],
)
def test_bad_input_is_named(paths, options, words):
    with pytest.raises(ValueError, match=words):
        pack_crystals(paths, **({"alt": "x"} | options))


@pytest.mark.parametrize("payload", [b"", b"N2CP" + bytes(20), b"N2CX\x02\x00" + bytes(20), b"N2CX\x01\x00\x00\x00\xff\xff\0\0"])
def test_foreign_bytes_are_refused(payload):
    with pytest.raises(ValueError):
        unpack_crystals(payload)


def test_element_table_of_the_player():
    """Row = atomic number; symbols and metals as in pymatgen, radii within reach of any bond."""
    from pathlib import Path

    from pymatgen.core import Element

    table = json.loads((Path(__file__).parents[3] / "assets" / "player" / "elements.json").read_text())
    assert len(table["rows"]) == 119 and table["rows"][0][0] == "?"
    for number, (symbol, _, colour, radius, metal) in list(enumerate(table["rows"]))[1:]:
        element = Element.from_Z(number)
        assert symbol == element.symbol and bool(metal) == element.is_metal
        assert len(colour) == 7 and 0.2 < radius < 2.7
