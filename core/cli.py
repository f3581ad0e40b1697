"""One command for everything that is not a page: `n2c <name> ...`, or `python -m core.cli <name> ...`.

A command is a module of `core/commands/` with `main(arguments) -> exit code`. It is imported when it is called, so that help and a
mistyped name are answered at once.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence

from core.commands.arguments import REFUSED, CommandError
from core.version import version

COMMANDS = {  # name -> module of core/commands, what it does
    "run": ("run", "serve the app"),
    "new-chapter": ("new_chapter", "write the files of a new chapter"),
    "weights": ("weights", "list the weight files, or compare them with those of the release"),
}
INTERRUPTED, BROKEN_PIPE = 130, 141  # what a shell makes of the signals SIGINT and SIGPIPE

USAGE = """usage: n2c <command> [options]

From Noise to Crystals: {summary}

{table}

n2c <command> --help explains a command and shows an example; n2c --version prints the version.
"""


def usage() -> str:
    """What `n2c --help` prints."""
    width = max(map(len, COMMANDS))
    table = "\n".join(f"  {name:{width}}  {line}" for name, (_, line) in COMMANDS.items())
    return USAGE.format(summary="the app and the crystal models.", table=table)


def _unknown(name: str) -> int:
    near = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}."
    print(f"n2c: there is no command {name!r}; {hint}", file=sys.stderr)
    return REFUSED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. 2: refused, with words on stderr; 130: interrupted; 141: nobody reads the output any more."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    match arguments[:1]:
        case []:
            print(usage(), end="", file=sys.stderr)
            return REFUSED
        case ["--help" | "-h" | "help"]:
            print(usage(), end="")
            return 0
        case ["--version"]:
            print(f"n2c {version()}")
            return 0
        case [name] if name not in COMMANDS:
            return _unknown(name)
    name, *rest = arguments
    try:
        code = importlib.import_module(f"core.commands.{COMMANDS[name][0]}").main(rest)
        sys.stdout.flush()
        return code
    except CommandError as error:
        print(f"n2c {name}: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print(f"n2c {name}: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes nowhere
        return BROKEN_PIPE


if __name__ == "__main__":
    sys.exit(main())
