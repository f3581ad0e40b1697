"""What a move of a control costs the server: `python -m tests.benchmarks.moves [--beside OTHER_CHECKOUT] [slug ...]`.

A reader over a websocket, as a browser is one, opens a chapter and moves its first slider to and fro between two values that have been
shown before: processor time of the server and its workers, bytes sent, and seconds of the clock until the run is over. With another
checkout (another version of this project) both servers are asked in turn in the same run, and the ratio is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ROOT = Path(__file__).resolve().parents[2]
WARM, MOVES = 2, 6  # rounds to and fro before, and moves that are counted


@dataclass
class Server:
    """A running server of a checkout."""

    root: Path
    port: int
    process: psutil.Popen = field(init=False)

    def __post_init__(self):
        command = ["core.cli", "run"] if (self.root / "core" / "cli.py").exists() else ["pages.kit.serve"]  # version 0.1 had no n2c
        options = ["--server.port", str(self.port)]
        self.process = psutil.Popen(
            [sys.executable, "-m", *command, *options], cwd=self.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_stcore/health", timeout=1).read()
                return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError(f"{self.root}: the server does not answer")

    def family(self) -> list[psutil.Process]:
        """The server and its workers."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu(self) -> float:
        """Seconds of processor time of the server and its workers."""
        return sum(times.user + times.system for times in (member.cpu_times() for member in self.family()))

    def memory(self) -> float:
        """GB of main memory of the server and its workers."""
        return sum(member.memory_info().rss for member in self.family()) / 1e9


@dataclass
class Reader:
    """One browser tab on one chapter, as far as the server can tell."""

    port: int
    socket: websockets.ClientConnection | None = None
    query: str = ""
    page: str = ""
    page_hash: str = ""
    sliders: dict[str, tuple[object, str]] = field(default_factory=dict)  # id -> (the slider, the fragment it stands in)

    async def connect(self) -> None:
        address = f"ws://127.0.0.1:{self.port}"
        self.socket = await websockets.connect(
            f"{address}/_stcore/stream", max_size=None, origin=f"http://127.0.0.1:{self.port}", subprotocols=["streamlit"]
        )

    async def open(self, slug: str, query: str = "") -> int:
        self.page, self.query, self.sliders = slug, query, {}
        return await self.run()

    async def run(self, slider: str | None = None, value: float = 0.0) -> int:
        """Ask for a run, with a slider moved if one is named; bytes received until it is over. Raises AssertionError for an exception."""
        message = BackMsg()
        message.rerun_script.query_string = self.query
        if slider is None:
            message.rerun_script.page_name = self.page
        else:
            message.rerun_script.page_script_hash = self.page_hash
            proto, fragment = self.sliders[slider]
            state = message.rerun_script.widget_states.widgets.add(id=slider)
            if proto.options:  # one of a list: what travels is its text
                state.string_array_value.data.append(proto.options[int(value)])
            else:
                state.double_array_value.data.append(value)
            if fragment:
                message.rerun_script.fragment_id = fragment
        await self.socket.send(message.SerializeToString())
        size = 0
        while True:
            raw = await asyncio.wait_for(self.socket.recv(), 120)
            size += len(raw)
            answer = ForwardMsg()
            answer.ParseFromString(raw)
            kind = answer.WhichOneof("type")
            if kind == "page_info_changed":
                self.query = answer.page_info_changed.query_string
            elif kind == "navigation":
                self.page_hash = answer.navigation.page_script_hash
            elif kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                element = answer.delta.new_element
                assert element.WhichOneof("type") != "exception", element.exception.message
                if element.WhichOneof("type") == "slider":
                    self.sliders[element.slider.id] = (element.slider, answer.delta.fragment_id)
            elif kind == "script_finished" and answer.script_finished in (0, 1, 3):
                return size

    def first_slider(self) -> tuple[str, list[float]]:
        """(id, two values) of the first slider that has two."""
        for name, (slider, _) in self.sliders.items():
            here = slider.default[0]
            step = slider.step or (slider.max - slider.min) / 20
            other = here + step if here + step <= slider.max else here - step
            if slider.min <= other <= slider.max:
                return name, [other, here]
        raise LookupError(f"{self.page} has no slider")


async def measure(server: Server, slug: str, moves: int) -> tuple[float, float, float]:
    """(processor seconds, bytes, median seconds of the clock) of a move on this chapter."""
    reader = Reader(server.port)
    await reader.connect()
    await reader.open(slug)
    name, values = reader.first_slider()
    for value in values * WARM:
        await reader.run(name, value)
    await asyncio.sleep(1.0)
    cpu, sizes, seconds = server.cpu(), [], []
    for i in range(moves):
        start = time.perf_counter()
        sizes.append(await reader.run(name, values[i % 2]))
        seconds.append(time.perf_counter() - start)
        await asyncio.sleep(0.2)  # what is done after the answer counts too
    cpu = (server.cpu() - cpu) / moves
    await reader.socket.close()
    return cpu, statistics.mean(sizes), statistics.median(seconds)


def main() -> None:
    from core.chapters import CHAPTERS
    from tests.benchmarks.report import write

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("slugs", nargs="*", default=[chapter.slug for chapter in CHAPTERS])
    parser.add_argument("--beside", type=Path, help="another checkout, asked in turn")
    parser.add_argument("--moves", type=int, default=MOVES)
    args = parser.parse_args()
    servers = [Server(ROOT, 8701)] + ([Server(args.beside.resolve(), 8702)] if args.beside else [])
    rows, all_cpu = [], []
    try:
        for slug in args.slugs:
            found = [asyncio.run(measure(server, slug, args.moves)) for server in servers]
            cpu, size, seconds = found[0]
            row = [slug, f"{1000 * cpu:.0f}", f"{size / 1000:.0f}", f"{1000 * seconds:.0f}"]
            if args.beside:
                row += [f"{1000 * found[1][0]:.0f}", f"{found[1][1] / 1000:.0f}", f"{found[1][0] / cpu:.1f}", f"{found[1][1] / size:.1f}"]
            rows.append(row)
            all_cpu.append([one[0] for one in found])
            print(*row, flush=True)
    finally:
        for server in servers:
            server.process.terminate()
            server.process.wait()
    medians = [statistics.median(column) for column in zip(*all_cpu, strict=True)]
    rows.append(["median of the chapters", f"{1000 * medians[0]:.0f}", "", "", *([f"{1000 * medians[1]:.0f}"] if args.beside else [])])
    head = ["chapter", "processor ms a move", "kB a move", "ms on the clock"]
    if args.beside:
        head += ["the other: processor ms", "kB", "times less processor", "times fewer bytes"]
    write("moves", "What a move of the first slider costs the server", head, [row + [""] * (len(head) - len(row)) for row in rows])


if __name__ == "__main__":
    main()
