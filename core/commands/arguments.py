"""Arguments of commands, checked before any work: what is wrong is said in words, with exit code 2, and nothing is written."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.numerics.files import beside

REFUSED = 2


class CommandError(argparse.ArgumentTypeError):
    """A command cannot do what was asked; the message tells the reader why. Exit code 2.

    Raised while an argument is converted it becomes argparse's own message, which names the argument.
    """


def parser(name: str, description: str, example: str) -> argparse.ArgumentParser:
    """For the command `n2c <name>`; example: one or more command lines that its help shows."""
    lines = "\n".join(f"  {line}" for line in example.strip().splitlines())
    return argparse.ArgumentParser(
        prog=f"n2c {name}",
        description=description,
        epilog=f"example:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """An argument type: a whole number from `least` to `most` (inclusive)."""

    def convert(text: str) -> int:
        wanted = f"at least {least}" if most is None else f"from {least} to {most}"
        try:
            number = int(text)
        except ValueError:
            raise CommandError(f"{text!r} is not a whole number") from None
        if number < least or most is not None and number > most:
            raise CommandError(f"{number} is not {wanted}")
        return number

    return convert


def real(least: float = 0.0, most: float = math.inf, *, above: bool = False) -> Callable[[str], float]:
    """An argument type: a finite number from `least` (or, `above`: greater than it) to `most`."""

    def convert(text: str) -> float:
        wanted = f"above {least:g}" if above else f"at least {least:g}"
        try:
            number = float(text)
        except ValueError:
            raise CommandError(f"{text!r} is not a number") from None
        if not math.isfinite(number):
            raise CommandError(f"{text} is not a finite number")
        if number < least or number > most or above and number == least:
            raise CommandError(f"{text} is not {wanted}" + (f" and at most {most:g}" if most < math.inf else ""))
        return number

    return convert


def input_file(text: str) -> Path:
    """An argument type: a file that is there and can be read."""
    if not text:
        raise CommandError("no file is named")
    path = Path(text)
    if path.is_dir():
        raise CommandError(f"{text} is a folder, not a file")
    if not path.exists():
        raise CommandError(f"there is no file {text}")
    if not os.access(path, os.R_OK):
        raise CommandError(f"{text} may not be read")
    return path


def input_folder(text: str) -> Path:
    """An argument type: a folder that is there."""
    path = Path(text)
    if not path.is_dir():
        raise CommandError(f"{text} is a file, not a folder" if path.exists() else f"there is no folder {text}")
    return path


def output_file(text: str) -> Path:
    """An argument type: a file that can be written. Its folder must be there."""
    if not text:
        raise CommandError("no file is named")
    path = Path(text)
    if path.is_dir():
        raise CommandError(f"{text} is a folder, not a file")
    if not path.parent.is_dir():
        raise CommandError(f"there is no folder {path.parent} to write {path.name} into")
    if path.exists() and not path.is_file():
        raise CommandError(f"{text} is no ordinary file; write to one")
    if path.is_symlink():
        path = path.resolve()  # the file behind the link is replaced, not the link
        if not path.parent.is_dir():
            raise CommandError(f"{text} points into a folder that is not there")
    if path.exists() and not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK | os.X_OK):
        raise CommandError(f"{text} may not be written: neither the file nor its folder may be closed to you")
    _try_to_write(path, text)
    return path


def output_folder(text: str) -> Path:
    """An argument type: a folder to write into, there already or to be made inside one that is."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise CommandError(f"{text} is a file, not a folder")
    there = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
    if not there.is_dir():
        raise CommandError(f"{text} cannot be made: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise CommandError(f"{text} may not be written")
    _try_to_write(there / "file", text)
    return path


def _try_to_write(path: Path, text: str) -> None:
    """Make a file beside `path` and remove it: permissions alone say nothing of a system's own folders, a full disk, or too long a name.

    Raises CommandError, which names `text`.
    """
    trial = beside(path)
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise CommandError(f"{text} cannot be written: {error.strerror}") from None


def keep_inputs(output: Path, inputs: Iterable[Path | None]) -> None:
    """Raises CommandError when the output would overwrite something that is read."""
    for path in inputs:
        if path is not None and output.exists() and path.exists() and output.samefile(path):
            raise CommandError(f"{output} is read as input; write to another file")


@contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Errors of the library that mean a fault of what the reader gave become a CommandError with their words."""
    try:
        yield
    except kinds as error:
        raise CommandError(str(error)) from None
