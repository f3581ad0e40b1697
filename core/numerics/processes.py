"""Work shared out to processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")


def shared_out(
    function: Callable[[Work], Result],
    work: Sequence[Work],
    *,
    workers: int,
    chunk: int = 1,
    start: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
    spawn: bool = False,
) -> Iterator[Result]:
    """`function` of each piece of work, in order, by so many processes; by this one if one is enough.

    chunk: pieces sent at a time. start(*arguments): called first in every process. spawn: fresh processes instead of forked ones, for
    functions that use torch where this process has used it with several threads.
    """
    if min(workers, len(work)) > 1:
        with ProcessPoolExecutor(min(workers, len(work)), get_context("spawn") if spawn else None, start, arguments) as pool:
            yield from pool.map(function, work, chunksize=chunk)
    elif work:
        if start is not None:
            start(*arguments)
        yield from map(function, work)
