"""A workshop on one machine: `python -m tests.benchmarks.load [--beside OTHER_CHECKOUT] [--readers 30] [--seconds 90] [slug ...]`.

So many readers at once, each over a websocket as a browser is one: a chapter is opened by link, its first slider is moved six times to and
fro, then the next chapter is opened; between any two of these the reader looks for 2 to 6 seconds. The scenes are shared: what one has seen
the others see from the cache, and one reader has been everywhere before the clock starts. Median and 95th percentile of the seconds until
a run is over, for openings and for moves. With another checkout both servers are asked one after the other. The readers run on the same
cores as the server, so that their own cost is in the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.moves import ROOT, Reader, Server

LOOK, MOVES = (2.0, 6.0), 6  # seconds between two acts, and moves on a chapter


@dataclass
class Seen:
    """What the readers of one server waited for: seconds of each run, and what went wrong."""

    openings: list[float] = field(default_factory=list)
    moves: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


async def stroll(reader: Reader, slug: str, waits: Seen, look: tuple[float, float]) -> None:
    """Open a chapter and move its slider to and fro."""
    start = time.perf_counter()
    await reader.open(slug)
    waits.openings.append(time.perf_counter() - start)
    name, values = reader.first_slider()
    for i in range(MOVES):
        await asyncio.sleep(random.uniform(*look))
        start = time.perf_counter()
        await reader.run(name, values[i % 2])
        waits.moves.append(time.perf_counter() - start)


async def read(k: int, port: int, slugs: Sequence[str], until: float, waits: Seen) -> None:
    """One reader, from the k-th chapter on, until the time is over."""
    await asyncio.sleep(random.uniform(0.0, LOOK[1]))
    reader = Reader(port)
    try:
        await reader.connect()
        while time.monotonic() < until:
            await stroll(reader, slugs[k % len(slugs)], waits, LOOK)
            await asyncio.sleep(random.uniform(*LOOK))
            k += 1
    except Exception as error:  # a reader whom the server has left: counted, and the others go on
        waits.errors.append(f"{slugs[k % len(slugs)]}: {type(error).__name__} {error}")
    finally:
        if reader.socket:
            await reader.socket.close()


async def workshop(server: Server, slugs: Sequence[str], readers: int, seconds: float) -> Seen:
    """What `readers` readers waited for."""
    guide = Reader(server.port)
    await guide.connect()
    for slug in slugs:
        await stroll(guide, slug, Seen(), (0.0, 0.0))
    waits, until = Seen(), time.monotonic() + seconds
    await asyncio.gather(*(read(k, server.port, slugs, until, waits) for k in range(readers)))
    return waits


def percentile(waits: Sequence[float], share: float) -> float:
    return sorted(waits)[int(share * (len(waits) - 1))] if waits else float("nan")


def main() -> None:
    from core.chapters import CHAPTERS
    from tests.benchmarks.report import write

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("slugs", nargs="*", default=[chapter.slug for chapter in CHAPTERS])
    parser.add_argument("--beside", type=Path, help="another checkout, asked afterwards")
    parser.add_argument("--readers", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=90.0)
    args = parser.parse_args()
    rows = []
    for name, root in [("this build", ROOT)] + ([("the other", args.beside.resolve())] if args.beside else []):
        server = Server(root, 8701)
        try:
            waits = asyncio.run(workshop(server, args.slugs, args.readers, args.seconds))
            used = server.memory()
        finally:
            server.process.terminate()
            server.process.wait()
        for what, seconds in (("openings by link", waits.openings), ("moves", waits.moves)):
            median = statistics.median(seconds) if seconds else float("nan")
            rows.append([name, what, len(seconds), f"{1000 * median:.0f}", f"{1000 * percentile(seconds, 0.95):.0f}", len(waits.errors)])
            print(*rows[-1], flush=True)
        print(f"{used:.1f} GB", *waits.errors[:5], sep="\n", flush=True)
    title = f"{args.readers} readers at once"
    write("load", title, ["server", "runs", "number", "median, ms", "95th percentile, ms", "readers who were left"], rows)


if __name__ == "__main__":
    main()
