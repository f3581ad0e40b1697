"""The weight files that ship with the app: what they are, and whether they are still those of the release.

    n2c weights list          name, size and sha256 of every file as listed in assets/models/manifest.json
    n2c weights verify        compare the files with the list; each difference in words, and exit code 2
    n2c weights manifest      write the list anew for the files that lie there now (after a release's training)

A weight file is compared with the list whenever it is loaded; `verify` looks at all of them at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from core.numerics import manifest


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="n2c weights", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("list", "verify", "manifest"))
    parser.add_argument("--folder", type=Path, default=manifest.SHIPPED, help="another folder of weight files with a list of its own")
    args = parser.parse_args(arguments)
    if not args.folder.is_dir():
        print(f"{args.folder}: no such folder", file=sys.stderr)
        return 2
    try:
        return {"list": _list, "verify": _verify, "manifest": _write}[args.action](args.folder)
    except (manifest.ManifestError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def _list(folder: Path) -> int:
    entries = manifest.read(folder)
    for name, entry in entries.items():
        print(f"{name:40} {entry.size:>12,} bytes  {entry.sha256}")
    print(f"{len(entries)} files, {sum(entry.size for entry in entries.values()) / 1e6:.1f} MB")
    return 0


def _verify(folder: Path) -> int:
    wrong = manifest.differences(folder)
    for name, words in wrong.items():
        print(f"{name} {words}", file=sys.stderr)
    if wrong:
        print(f"`git checkout -- {folder}/FILE` brings a file of the release back.", file=sys.stderr)
        return 2
    print(f"{len(manifest.read(folder))} files, all as listed")
    return 0


def _write(folder: Path) -> int:
    try:
        before = manifest.read(folder)
    except manifest.ManifestError:
        before = {}
    now = manifest.write(folder)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            print(f"{name}: {'new' if name not in before else 'gone' if name not in now else 'changed'}")
    print(f"files listed in {folder / manifest.NAME}: {len(now)}")
    return 0
