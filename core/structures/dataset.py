"""Prepare the benchmark's own files for training and scoring (`n2c data prepare`).

The splits of MP-20, Perov-5 and others are CSV files with the columns `material_id`, `cif` and some properties. They
are published with CDVAE (https://github.com/txie-93/cdvae/tree/main/data: mp_20, perov_5, carbon_24) and with DiffCSP
(https://github.com/jiaor17/DiffCSP/tree/main/data: also mpts_52), as train.csv, val.csv and test.csv of each.

Each CIF becomes its Niggli-reduced cell in pymatgen's orientation (c along z, a in the xz plane), exactly as these
codes prepare it. They keep the number of atoms of the file, and so does this module, unless `primitive` is asked for.
A row that cannot be read is named and left out. The file may be compressed (.csv.gz).
"""

from __future__ import annotations

import csv
import gzip
import warnings
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from core.numerics.processes import shared_out
from core.structures.arrays import from_crystals
from core.structures.cif import read_cif
from core.structures.crystal import Crystal

NUMERIC = ("formation_energy_per_atom", "band_gap", "e_above_hull", "heat_all", "heat_ref", "dir_gap", "ind_gap", "energy_per_atom")


MAX_ATOMS = 1000  # in the cell of a row


class CsvError(ValueError):
    """A file that is not one of the benchmark's CSVs."""


def reduced_crystal(cif: str, *, primitive: bool = False) -> tuple[Crystal, int]:
    """The Niggli-reduced cell of a CIF and its space group number at symprec 0.1 (0 = not found).

    Raises CrystalFileError (a ValueError) for text that is not one ordered crystal or does not say which one (`core.structures.cif`).
    """
    from pymatgen.core import Lattice, Structure
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        structure = read_cif(cif, max_atoms=MAX_ATOMS).crystal.to_pymatgen()
        if primitive:
            structure = structure.get_primitive_structure()
        structure = structure.get_reduced_structure()
        canonical = Lattice.from_parameters(*structure.lattice.parameters)
        crystal = Crystal.from_pymatgen(Structure(canonical, structure.species_and_occu, structure.frac_coords % 1.0))
        try:
            group = SpacegroupAnalyzer(structure, symprec=0.1).get_space_group_number()
        except (SymmetryUndeterminedError, TypeError, ValueError):
            group = 0
    return crystal, int(group)


def _prepare_row(row: dict[str, str], *, primitive: bool) -> tuple[Crystal, int] | str:
    try:
        return reduced_crystal(row["cif"], primitive=primitive)
    except Exception as error:  # pymatgen raises many kinds for broken files; the row is named, not lost silently
        return str(error).splitlines()[0] if str(error) else type(error).__name__


def read_rows(path: Path) -> list[dict[str, str]]:
    """Raises CsvError when the file cannot be read or has no `cif` column."""
    csv.field_size_limit(2**31 - 1)
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if "cif" not in (reader.fieldnames or []):
                raise CsvError(f"{path}: no column named cif; is it one of the benchmark's CSV files?")
            return list(reader)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise CsvError(f"{path}: {error}") from None


def prepare(
    path: Path, out: Path, *, dev: int = 0, seed: int = 0, workers: int = 1, primitive: bool = False, progress: bool = True
) -> list[str]:
    """Write OUT.npz; returns one line for each row that was left out. dev: so many random rows are marked as held out.

    Raises CsvError for a file that is none, when no row is good, or for more held-out rows than there are.
    """
    rows = read_rows(path)
    if dev >= max(len(rows), 1):
        raise CsvError(f"{path}: {dev} of its {len(rows)} rows cannot be kept aside: nothing would be left to learn from")
    work = partial(_prepare_row, primitive=primitive)
    done = shared_out(work, rows, workers=workers, chunk=16)
    results = list(tqdm(done, total=len(rows), unit="crystal", disable=not progress))
    bad = [
        f"row {i + 2} ({row.get('material_id') or 'no id'}): {result}"
        for i, (row, result) in enumerate(zip(rows, results, strict=True))
        if isinstance(result, str)
    ]
    good = [(row, *result) for row, result in zip(rows, results, strict=True) if not isinstance(result, str)]
    if not good:
        raise CsvError(f"{path}: none of its {len(rows)} rows could be read" + (f"; {bad[0]}" if bad else ""))
    table, crystals, groups = zip(*good, strict=True)
    held_out = np.zeros(len(good), bool)
    held_out[np.random.default_rng(seed).permutation(len(good))[:dev]] = True
    columns = {name: _numbers(row.get(name) for row in table) for name in NUMERIC if name in rows[0]}
    from_crystals(
        crystals,
        material_id=np.array([row.get("material_id") or "" for row in table]),
        spacegroup=np.array(groups, dtype=np.int16),
        dev=held_out,
        **columns,
    ).save(out)
    return bad


def _numbers(values: Iterable[str | None]) -> np.ndarray:
    """Text to float32, NaN where there is no number."""

    def number(text: str | None) -> float:
        try:
            return float(text or "")
        except ValueError:
            return np.nan

    return np.array([number(text) for text in values], dtype=np.float32)
