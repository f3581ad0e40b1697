"""Work of more than a second: queued behind `concurrent.futures.Executor`, with progress, cancel and a place in the queue.

A job's function is called as `function(*args, progress=..., cancelled=..., **kwargs)`; it reports with `progress(done, total)`
and stops soon after `cancelled()` turns true. A function that can go on where it stopped reports `progress(done, total, so_far)`
with everything it needs for that as bytes, and takes them back as its argument `so_far`: what is there can be looked at while it
runs, a pause is a stop that keeps it, and a killed worker loses nothing else. Messages travel through small files, so that they
survive a killed worker and need no extra process. Nobody asking after a job for `PATIENCE` seconds cancels it: a closed tab leaves no
work behind.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

PATIENCE = 60.0
_STARTING = threading.Lock()


class Stopped(Exception):
    """Raised inside a worker when its job was cancelled or nobody waits for it any more."""


@dataclass(frozen=True)
class Status:
    """A job at this moment. state: queued, running, done, failed or cancelled; ahead: jobs before it in the queue."""

    state: str
    done: int = 0
    total: int = 0
    ahead: int = 0
    message: str = ""


@dataclass
class Job:
    """A submitted call; ask its queue for `status` and its future for the result."""

    folder: Path
    call: tuple[Callable, tuple, dict]
    future: Future = field(default_factory=Future)
    retried: bool = False

    def cancel(self) -> None:
        """Take it out of the queue, or ask the worker to stop at its next step."""
        if not self.future.done():
            (self.folder / "cancel").touch()
        if self.future.cancel():
            shutil.rmtree(self.folder, ignore_errors=True)


def _die_with_parent(parent: int) -> None:
    """In a worker: leave when the server that started it is gone, however it went."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _work(folder: Path, function: Callable, args: tuple, kwargs: dict) -> Any:
    """Runs in the worker: hand `function` its progress and cancelled callbacks."""
    asked, cancel, report, part = (folder / name for name in ("asked", "cancel", "progress", "so_far"))

    def cancelled() -> bool:
        try:
            return cancel.exists() or time.time() - asked.stat().st_mtime > PATIENCE
        except FileNotFoundError:
            return True

    def put(file: Path, content: bytes) -> None:
        fresh = file.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.replace(file)

    def progress(done: int, total: int, so_far: bytes | None = None) -> None:
        if so_far is not None:
            put(part, so_far)
        put(report, json.dumps([done, total]).encode())

    try:
        if cancelled():
            raise Stopped
        progress(0, 0)
        return function(*args, progress=progress, cancelled=cancelled, **kwargs)
    except Exception:
        if cancelled():  # whatever a function raises to get out when it is asked to stop
            raise Stopped from None
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _no_main_script() -> Iterator[None]:
    """A process that is spawned here does not run the script of this one first: the whole app, when Streamlit runs it."""
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class _Pool(ProcessPoolExecutor):
    def submit(self, function: Callable, /, *args: Any, **kwargs: Any) -> Future:
        with _STARTING, _no_main_script():  # this is where it starts its processes
            return super().submit(function, *args, **kwargs)


def local_pool(max_workers: int = 1) -> Executor:
    """Worker processes on this machine; they start fresh (spawn) and end with this process.

    They import what a job's function needs and nothing else; that function must be importable (not of a main script).
    """
    return _Pool(max_workers, mp_context=multiprocessing.get_context("spawn"), initializer=_die_with_parent, initargs=(os.getpid(),))


def dask_pool(address: str) -> Executor:
    """Workers of a running Dask scheduler (`tcp://host:port`); needs the package `distributed` and a shared temporary folder."""
    from distributed import Client

    return Client(address).get_executor()


class Queue:
    """Jobs behind one executor. `make_executor` is called again when a worker was killed; unfinished jobs then start over once."""

    def __init__(self, make_executor: Callable[[], Executor] = local_pool):
        self._make = make_executor
        self._lock = threading.RLock()
        self._executor: Executor | None = None
        self._waiting: list[Job] = []

    def submit(self, function: Callable, *args: Any, **kwargs: Any) -> Job:
        """Put a call at the end of the queue. `function` and its arguments must be picklable."""
        folder = Path(tempfile.mkdtemp(prefix="noise-to-crystals-"))  # this user's alone, under a name of its own
        (folder / "asked").touch()
        job = Job(folder, (function, args, kwargs))
        self._start(job)
        return job

    def _start(self, job: Job) -> None:
        with self._lock:
            self._waiting = [other for other in self._waiting if not other.future.done()] + [job]
            for attempt in (0, 1):
                self._executor = self._executor or self._make()
                try:
                    job.future = self._executor.submit(_work, job.folder, *job.call)
                    return
                except (BrokenExecutor, RuntimeError):
                    self._executor = None
                    if attempt:
                        raise

    def status(self, job: Job) -> Status:
        """Where a job stands; asking also says that somebody still waits for it."""
        with suppress(FileNotFoundError):  # the worker clears the folder when it leaves
            os.utime(job.folder / "asked")
        future = job.future
        if future.cancelled() or (not future.done() and (job.folder / "cancel").exists()):
            return Status("cancelled")
        if future.done():
            return self._finished(job, future.exception())
        done, total = self._progress(job)
        if total or (job.folder / "progress").exists():
            return Status("running", done, total)
        return Status("queued", ahead=len(self.ahead(job)))

    def ahead(self, job: Job) -> list[Job]:
        """The jobs that must end before this one begins, the first in the queue first."""
        with self._lock:
            waiting = [other for other in self._waiting if not other.future.done()]
        return waiting[: waiting.index(job)] if job in waiting else []

    def _finished(self, job: Job, error: BaseException | None) -> Status:
        if error is None:
            return Status("done")
        if isinstance(error, BrokenExecutor) and not job.retried:
            job.retried = True
            with self._lock:
                self._executor = None
            (job.folder / "progress").unlink(missing_ok=True)
            done = self.so_far(job)
            if done is not None:
                function, args, kwargs = job.call
                job.call = function, args, kwargs | {"so_far": done}
            self._start(job)
            how = "starting over with the same seed" if done is None else "going on from what was done"
            return Status("queued", message=f"The worker stopped unexpectedly; {how}.")
        shutil.rmtree(job.folder, ignore_errors=True)
        if isinstance(error, (Stopped, CancelledError)):
            return Status("cancelled")
        if isinstance(error, BrokenExecutor):
            return Status("failed", message="The worker stopped twice; the machine may be out of memory.")
        return Status("failed", message=str(error) or type(error).__name__)

    @staticmethod
    def _progress(job: Job) -> tuple[int, int]:
        try:
            done, total = json.loads((job.folder / "progress").read_text())
            return done, total
        except (FileNotFoundError, ValueError):
            return 0, 0

    @staticmethod
    def so_far(job: Job) -> bytes | None:
        """What a running job has reported last, if it reports what it has."""
        try:
            return (job.folder / "so_far").read_bytes()
        except FileNotFoundError:
            return None

    def shutdown(self) -> None:
        """Stop the workers; queued jobs are cancelled."""
        with self._lock:
            if self._executor is not None:
                for job in self._waiting:
                    job.cancel()
                self._executor.shutdown(wait=False)
                self._executor = None
