"""`n2c data`: files of known crystals, and the tables that the app reads."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from core.commands.arguments import CommandError, input_file, keep_inputs, output_file, parser, refusing, whole
from core.commands.dispatch import dispatch
from core.generator.baselines import library
from core.structures import elements as element_table
from core.structures.dataset import CsvError
from core.structures.dataset import prepare as prepare_csv

TABLES = {
    "prepare": ("data:prepare", "a CSV file of a benchmark, made ready for training and scoring"),
    "elements": ("data:elements", "the table of element properties, anew from the installed pymatgen"),
    "prototypes": ("data:prototypes", "the library of structure types, anew from the installed pymatgen"),
}
SOURCES = """The splits of MP-20, Perov-5 and others are CSV files with the columns `material_id`, `cif` and some properties. They are
published with CDVAE (github.com/txie-93/cdvae, folder data: mp_20, perov_5, carbon_24) and with DiffCSP
(github.com/jiaor17/DiffCSP, folder data: also mpts_52), as train.csv, val.csv and test.csv of each."""
MORE = """example:
  n2c data prepare train.csv train.npz

n2c data <command> --help explains one."""


def main(arguments: Sequence[str] | None = None) -> int:
    return dispatch("n2c data", "Known crystals, and tables that the app reads.", TABLES, arguments or [], MORE)


def prepare(arguments: Sequence[str] | None = None) -> int:
    words = f"""Make a CSV file of a benchmark ready for training and scoring.

{SOURCES}

Each CIF becomes its Niggli-reduced cell with as many atoms as the file has. A row that cannot be read is named and left out."""
    example = """
n2c data prepare train.csv train.npz
n2c data prepare val.csv pool.npz --dev 1000 --workers 2
"""
    command = parser("data prepare", words, example)
    command.add_argument("csv", type=input_file, metavar="FILE.csv")
    command.add_argument("out", type=output_file, metavar="OUT.npz")
    command.add_argument("--dev", type=whole(1), help="mark so many rows, chosen at random, as kept aside: nothing learns from them")
    command.add_argument("--seed", type=whole(0, 2**32 - 1), help="of that choice (default: 0)")
    command.add_argument("--workers", type=whole(1, 1024), default=1, help="processes")
    command.add_argument("--primitive", action="store_true", help="reduce each cell to its primitive one first")
    args = command.parse_args(arguments)
    if args.seed is not None and args.dev is None:
        raise CommandError("--seed is of the choice that --dev makes; without --dev it has no effect")
    keep_inputs(args.out, [args.csv])
    with refusing(CsvError):
        bad = prepare_csv(args.csv, args.out, dev=args.dev or 0, seed=args.seed or 0, workers=args.workers, primitive=args.primitive)
    for line in bad:
        print(f"left out: {line}", file=sys.stderr)
    print(f"{args.out} written; {len(bad)} rows left out")
    return 0


def elements(arguments: Sequence[str] | None = None) -> int:
    command = parser("data elements", "Write the table of element properties anew, from the installed pymatgen.", "n2c data elements")
    command.add_argument(
        "--out", type=output_file, default=str(element_table.ASSET), metavar="FILE.npz", help="default: assets/elements.npz"
    )
    args = command.parse_args(arguments)
    element_table.save(args.out)
    print(f"{args.out} written")
    return 0


def prototypes(arguments: Sequence[str] | None = None) -> int:
    words = """Write the library of structure types anew: AFLOW's, which the installed pymatgen carries, and the crystals built in code.
The file is listed with the weights: `n2c weights manifest` lists it anew."""
    command = parser("data prototypes", words, "n2c data prototypes --out prototypes.npz")
    command.add_argument("--out", type=output_file, default=str(library.ASSET), metavar="FILE.npz", help="default: the file of the app")
    args = command.parse_args(arguments)
    crystals = library.build()
    crystals.save(args.out)
    print(f"{args.out} written: {len(crystals)} cells")
    return 0
