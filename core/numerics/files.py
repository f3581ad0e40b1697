"""Files that are never half written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def beside(path: Path) -> Path:
    """Where a file is written before it is moved to `path`: in the same folder, of the same kind."""
    return path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")


@contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """A place beside `path`, of the same kind, to write to; moved to `path` when all went well, removed when not."""
    path = Path(path)
    temporary = beside(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
