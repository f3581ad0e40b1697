"""`n2c read`: one crystal file, read as the pages read an upload."""

import json

import pytest
from pymatgen.io.cif import CifWriter

from core.cli import main
from core.structures.builtin import STRUCTURES
from core.structures.cif import MAX_BYTES, CrystalFileError, read_crystal

SALT = STRUCTURES["rock salt NaCl"]().to_cif()


def test_what_is_printed(tmp_path, capsys):
    path = tmp_path / "salt.cif"
    path.write_text(SALT)
    assert main(["read", str(path)]) == 0
    out, err = capsys.readouterr()
    lines = dict(line.split("  ", 1) for line in out.splitlines())
    assert err == "" and {name: words.strip() for name, words in lines.items()} == {
        "formula": "Na4 Cl4",
        "space group": "Fm-3m (225), within 0.01 Å",
        "nearest distance": "2.820 Å",
    }


def test_as_json(tmp_path, capsys):
    path = tmp_path / "rutile.cif"
    path.write_text(str(CifWriter(STRUCTURES["rutile TiO2"]().to_pymatgen(), symprec=0.01)))
    assert main(["read", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["formula", "spacegroup", "nearest", "notes"]
    assert (told["formula"], told["spacegroup"], told["notes"]) == ("Ti2 O4", "P4_2/mnm (136)", [])
    assert told["nearest"] == pytest.approx(1.949, rel=0.005)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_encodings(encoding):
    reading = read_crystal(("# Müller\n" + SALT).encode(encoding))
    assert reading.crystal.formula == "Na4 Cl4"
    assert [("Latin-1" in note) for note in reading.notes] == ([True] if encoding == "latin-1" else [])


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "empty"),
        (b"\x7fELF\x00\x01", "not a text file"),
        (SALT.encode("utf-16"), "not a text file"),
        (b"#" * (MAX_BYTES + 1), "larger than 1 MB"),
        (b"\xff\xfe\xfd nothing", "CIF|no atoms"),
        (SALT.replace("00 1\n", "00 0.5\n").encode(), "partly occupied"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(content, words, tmp_path, capsys):
    with pytest.raises(CrystalFileError, match=words) as caught:
        read_crystal(content)
    path = tmp_path / "file.cif"
    path.write_bytes(content)
    assert main(["read", str(path), "--json"]) == 2
    assert capsys.readouterr() == ("", f"n2c read: {caught.value}\n")
