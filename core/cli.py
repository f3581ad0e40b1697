"""One command for everything that is not a page: `n2c <name> ...`, or `python -m core.cli <name> ...`.

A command is a module of `core/commands/` with `main(arguments) -> exit code`. It is imported when it is called, so that help and a
mistyped name are answered at once.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from core.commands.arguments import REFUSED, CommandError
from core.commands.dispatch import dispatch
from core.version import version

COMMANDS = {
    "run": ("run", "serve the app"),
    "read": ("read", "what is in a crystal file: cell content, space group, nearest distance"),
    "generate": ("generate", "crystals of given cell contents, or from nothing"),
    "evaluate": ("evaluate", "score crystals against the true ones"),
    "data": ("data", "prepare: benchmark files for training; elements, prototypes: tables of the app"),
    "train": ("train", "the models of the app, one command each"),
    "publish": ("publish", "measure trained weights and put them, with a card, where the app looks"),
    "weights": ("weights", "list the weight files, or compare them with those of the release"),
    "new-chapter": ("new_chapter", "write the files of a new chapter"),
}
SUMMARY = "From Noise to Crystals: the app, and the crystal models without it."
MORE = "n2c <command> --help explains a command and shows an example, as n2c run --help; n2c --version prints the version."
INTERRUPTED, BROKEN_PIPE = 130, 141  # what a shell makes of the signals SIGINT and SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. 2: refused, with words on stderr; 130: interrupted; 141: nobody reads the output any more."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Å gets a question mark, no error
    if arguments == ["--version"]:
        print(f"n2c {version()}")
        return 0
    try:
        code = dispatch("n2c", SUMMARY, COMMANDS, arguments, MORE)
        sys.stdout.flush()
        return code
    except SystemExit as end:  # argparse has shown the help, or said what is wrong
        return end.code if isinstance(end.code, int) else REFUSED
    except KeyboardInterrupt:
        print(f"n2c {arguments[0]}: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes nowhere
        return BROKEN_PIPE
    except (CommandError, OSError) as error:
        print(f"n2c {arguments[0]}: {error}", file=sys.stderr)
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
