"""`n2c weights`: the weight files that ship with the app: what they are, and whether they are still those of the release."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.commands.arguments import CommandError, parser
from core.numerics import manifest

DESCRIPTION = """Weight files that ship with the app and the list of them, assets/models/manifest.json.

list       name, size and sha256 of every file as listed
floors     write assets/models/latent_floors.json anew: what exact pictures score in the chapter on latent diffusion (minutes)
verify     compare the files with the list; each difference in words, and exit code 2
manifest   write the list anew for the files that lie there now (after the trainings of a release)

A weight file is compared with the list whenever it is loaded; verify looks at all of them at once."""
EXAMPLE = """
n2c weights verify
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0. Raises CommandError for a difference, or a list that cannot be read or written."""
    command = parser("weights", DESCRIPTION, EXAMPLE)
    command.add_argument("action", choices=("list", "verify", "manifest", "floors"))
    command.add_argument("--folder", type=Path, default=manifest.SHIPPED, help="another folder of weight files with a list of its own")
    args = command.parse_args(arguments)
    if not args.folder.is_dir():
        raise CommandError(f"there is no folder {args.folder}")
    try:
        {"list": _list, "verify": _verify, "manifest": _write, "floors": _floors}[args.action](args.folder)
    except BrokenPipeError:
        raise
    except (manifest.ManifestError, OSError) as error:
        raise CommandError(str(error)) from None
    return 0


def _list(folder: Path) -> None:
    entries = manifest.read(folder)
    for name, entry in entries.items():
        print(f"{name:40} {entry.size:>12,} bytes  {entry.sha256}")
    print(f"{len(entries)} files, {sum(entry.size for entry in entries.values()) / 1e6:.1f} MB")


def _floors(folder: Path) -> None:
    from core.learning.latent_diffusion import FLOORS, write_floors

    write_floors(folder / FLOORS.name)


def _verify(folder: Path) -> None:
    if wrong := manifest.differences(folder):
        lines = [f"{name} {words}" for name, words in wrong.items()]
        raise CommandError("\n".join([*lines, f"`git checkout -- {folder}/FILE` brings a file of the release back."]))
    print(f"{len(manifest.read(folder))} files, all as listed")


def _write(folder: Path) -> None:
    try:
        before = manifest.read(folder)
    except manifest.ManifestError:
        before = {}
    now = manifest.write(folder)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            print(f"{name}: {'new' if name not in before else 'gone' if name not in now else 'changed'}")
    print(f"files listed in {folder / manifest.NAME}: {len(now)}")
