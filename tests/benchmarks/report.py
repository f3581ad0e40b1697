"""One way to print a benchmark: a Markdown table on the screen and in tests/benchmarks/results/."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """The machine in words, without its name."""
    model = (
        next(
            (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
            platform.processor(),
        )
        if Path("/proc/cpuinfo").exists()
        else platform.processor()
    )
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}, {date.today()}"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Title, machine and rows as Markdown."""
    lines = [f"# {title}", "", machine(), "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def write(name: str, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print the table and keep it as results/<name>.md."""
    text = table(title, head, rows)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
