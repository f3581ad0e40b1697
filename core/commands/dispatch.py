"""From the first word of a command line to the function that answers it."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Mapping, Sequence

from core.commands.arguments import REFUSED

Table = Mapping[str, tuple[str, str]]  # name -> "module of core/commands" or "module:function" (main), what it does


def usage(prog: str, summary: str, table: Table, more: str) -> str:
    """What `--help` prints: the table, a command a line."""
    width = max(map(len, table))
    lines = "\n".join(f"  {name:{width}}  {line}" for name, (_, line) in table.items())
    return f"usage: {prog} <command> [options]\n\n{summary}\n\n{lines}\n\n{more}\n"


def dispatch(prog: str, summary: str, table: Table, arguments: Sequence[str], more: str) -> int:
    """Import the module of the command named first and call it with the rest; its exit code. Help and wrong names are answered here.

    more: what the help says below the table.
    """
    if not arguments:
        print(usage(prog, summary, table, more), end="", file=sys.stderr)
        return REFUSED
    name, *rest = arguments
    if name in ("--help", "-h", "help"):
        print(usage(prog, summary, table, more), end="")
        return 0
    if name not in table:
        near = difflib.get_close_matches(name, table, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(table)}."
        print(f"{prog}: there is no command {name!r}; {hint}", file=sys.stderr)
        return REFUSED
    module, _, function = table[name][0].partition(":")
    return getattr(importlib.import_module(f"core.commands.{module}"), function or "main")(rest)
