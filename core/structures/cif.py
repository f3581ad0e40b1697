"""Reading crystal files that strangers have: bounded in size and work, and plain about what is wrong.

One way in for everybody, the uploads of the pages and `n2c read`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.structures.crystal import Crystal

if TYPE_CHECKING:
    from pymatgen.io.cif import CifFile, CifParser

MAX_BYTES = 1_000_000


class CrystalFileError(ValueError):
    """The file cannot be used; the message says why in words meant for its owner."""


@dataclass(frozen=True)
class CrystalReading:
    """What a file says. notes: sentences for its owner about what was assumed or left out; empty when nothing was."""

    crystal: Crystal
    notes: tuple[str, ...] = ()


def read_crystal(content: bytes) -> CrystalReading:
    """The crystal of a file, from its bytes: a CIF file in UTF-8, with or without a byte order mark, or else in Latin-1.

    Raises CrystalFileError for what is no text, and as `read_cif` does.
    """
    if len(content) > MAX_BYTES:
        raise CrystalFileError(f"The file is larger than {MAX_BYTES / 1e6:g} MB.")
    if b"\0" in content:
        raise CrystalFileError("This is not a text file.")
    try:
        return read_cif(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        reading = read_cif(content.decode("latin-1"))
        return CrystalReading(reading.crystal, (*reading.notes, "The text is not UTF-8; it was read as Latin-1."))


def read_cif(text: str, *, max_atoms: int = 200, max_bytes: int = MAX_BYTES) -> CrystalReading:
    """The first structure of a CIF file, its cell as written in the file.

    Work is bounded before any symmetry is applied: size of the text, number of listed sites, and sites times
    symmetry operations. Raises CrystalFileError for a file that is too large, broken, without atoms, with
    partly or doubly occupied sites, or with more than `max_atoms` atoms in the cell.
    """
    if len(text) > max_bytes or len(text.encode("utf-8", "replace")) > max_bytes:
        raise CrystalFileError(f"The file is larger than {max_bytes / 1e6:g} MB.")
    if not text.strip():
        raise CrystalFileError("The file is empty.")
    from pymatgen.io.cif import CifParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parser = CifParser.from_str(text, check_cif=False)
        except Exception as error:  # the parser raises whatever a broken file makes it stumble over
            raise CrystalFileError("This is not a readable CIF file.") from error
        _bound_work(parser, max_atoms)
        try:
            structure = parser.parse_structures(primitive=False, on_error="raise")[0]
        except Exception as error:
            raise CrystalFileError(
                "No structure can be read from this CIF file: the cell, the symmetry or the list of atoms is broken."
            ) from error
    if len(structure) > max_atoms:
        raise CrystalFileError(f"The cell holds {len(structure)} atoms; at most {max_atoms} are allowed.")
    for site in structure:
        if not site.is_ordered:
            raise CrystalFileError(
                f"The site {site.species_string} is only partly occupied or shared by "
                "several elements. Only fully ordered crystals can be shown."
            )
    try:
        return CrystalReading(Crystal.from_pymatgen(structure))
    except (ValueError, AttributeError) as error:
        raise CrystalFileError(f"The crystal in this file cannot be used: {error}.") from error


def _bound_work(parser: CifParser, max_atoms: int) -> None:
    """Keep the first block with atoms; refuse it when expanding its symmetry could take long."""
    file: CifFile = parser._cif  # type: ignore[attr-defined]  # pymatgen sets it in from_str, where no checker sees it
    blocks = file.data
    name = next((name for name, block in blocks.items() if "_atom_site_label" in block.data), None)
    if name is None:
        raise CrystalFileError("The file lists no atoms.")
    block = blocks[name]
    file.data = {name: block}
    sites = block["_atom_site_label"]
    n_sites = len(sites) if isinstance(sites, list) else 1
    try:
        n_operations = max(1, len(parser.get_symops(block)))
    except Exception as error:
        raise CrystalFileError("The symmetry operations of this CIF file cannot be read.") from error
    # An orbit of a group of 192 operations has at least 4 members in the groups that occur.
    if n_sites > max_atoms or n_sites * n_operations > 20 * max_atoms:
        raise CrystalFileError(
            f"The file lists {n_sites} sites and {n_operations} symmetry operations, more than a cell of {max_atoms} atoms can need."
        )
