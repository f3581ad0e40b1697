"""Long work on a page: a progress bar, a place in the queue, a way out. Equal work is done once for everybody."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core import jobs

KEEP = 64  # finished results kept for the next reader who asks for the same


class JobRegistry:
    """All jobs of this server by what they compute; who waits for each; what is finished."""

    def __init__(self, make_executor: Callable = jobs.local_pool):
        self.queue = jobs.Queue(make_executor)
        self._lock = threading.Lock()
        self._running: dict[Any, tuple[jobs.Job, set[str]]] = {}
        self._labels: dict[Any, str] = {}  # of what is running
        self._finished: OrderedDict[Any, Any] = OrderedDict()
        self._parts: OrderedDict[Any, bytes] = OrderedDict()

    def result(self, work: Any) -> Any | None:
        """What this work gave, if it is finished."""
        with self._lock:
            if work in self._finished:
                self._finished.move_to_end(work)
            return self._finished.get(work)

    def ask(self, work: Any, reader: str, function: Callable, kwargs: dict, label: str = "") -> None:
        """Start this work, or wait with those who started it. label: what a reader calls it."""
        with self._lock:
            if work not in self._finished:
                if work not in self._running:
                    part = {"so_far": self._parts[work]} if work in self._parts else {}
                    self._running[work] = self.queue.submit(function, **kwargs, **part), set()
                    self._labels[work] = label
                job, readers = self._running[work]
                self._running[work] = job, readers | {reader}

    def own_ahead(self, work: Any, reader: str) -> list[str]:
        """Labels of the jobs before this one that the same reader waits for, the first in the queue first."""
        with self._lock:
            if work not in self._running:
                return []
            ahead = self.queue.ahead(self._running[work][0])
            own = {id(job): self._labels[other] for other, (job, readers) in self._running.items() if reader in readers}
            return [own[id(job)] for job in ahead if id(job) in own]

    def so_far(self, work: Any) -> bytes | None:
        """What this work has reported last, whether it still runs or not; `ask` goes on from there."""
        with self._lock:
            if work in self._running and (part := self.queue.so_far(self._running[work][0])) is not None:
                self._keep(self._parts, work, part)
            return self._parts.get(work)

    def forget(self, work: Any) -> None:
        """The next `ask` starts from nothing, unless somebody still waits for what runs."""
        with self._lock:
            if work not in self._running:
                self._parts.pop(work, None)
                self._finished.pop(work, None)

    @staticmethod
    def _keep(kept: OrderedDict, work: Any, value: Any) -> None:
        kept[work] = value
        kept.move_to_end(work)
        while len(kept) > KEEP:
            kept.popitem(last=False)

    def leave(self, work: Any, reader: str) -> None:
        """Stop waiting; the last to leave cancels the work."""
        with self._lock:
            job, readers = self._running.get(work, (None, set()))
            if job and not readers - {reader}:
                job.cancel()
                del self._running[work], self._labels[work]
            elif job:
                self._running[work] = job, readers - {reader}

    def status(self, work: Any) -> jobs.Status | None:
        """Where this work stands; None if nobody asked for it."""
        with self._lock:
            if work in self._finished:
                return jobs.Status("done")
            if work not in self._running:
                return None
            job = self._running[work][0]
            status = self.queue.status(job)
            if status.state == "done":
                self._keep(self._finished, work, job.future.result())
                self._parts.pop(work, None)
            if status.state in ("done", "failed", "cancelled"):
                del self._running[work], self._labels[work]
            return status


@st.cache_resource(show_spinner=False)
def job_registry() -> JobRegistry:
    """One desk for the server; on a Dask cluster when the variable N2C_DASK holds a scheduler's address."""
    address = os.environ.get("N2C_DASK")
    return JobRegistry((lambda: jobs.dask_pool(address)) if address else jobs.local_pool)


def _reader() -> str:
    context = get_script_run_ctx()
    return context.session_id if context else "nobody"


def words(status: jobs.Status, own: Sequence[str] = ()) -> str:
    """What stands beside the bar of a job that is queued or running, from the first moment on.

    own: labels of the reader's own jobs before it, the first in the queue first.
    """
    if status.state == "running":
        return f"Step {status.done:,} of {status.total:,}" if status.total else "The worker prepares the first steps …"
    if not status.ahead:
        text = "The worker is starting …"
    elif own:
        text = "Waits for your earlier job" + (f" “{own[0]}”" if own[0] else "")
        text += f"; {status.ahead} jobs are before it" if status.ahead > 1 else ""
    else:
        text = f"Waits for {status.ahead} job{'s' * (status.ahead > 1)} of other readers"
    return f"{status.message} {text}".strip()


@st.fragment(run_every=0.4)
def _wait(work: Any, key: str, label: str) -> None:
    status = job_registry().status(work)
    if status is None or status.state in ("done", "cancelled", "failed"):
        st.session_state[f"_job_{key}"] = {"work": work, "message": status.message if status else "", "state": status and status.state}
        st.rerun()
    said = words(status, job_registry().own_ahead(work, _reader()))
    st.progress(status.done / status.total if status.total else 0.0, f"{label}. {said}")
    if st.button("Cancel", key=f"cancel_{key}", icon=":material/cancel:"):
        job_registry().leave(work, _reader())
        st.rerun()


def _name(function: Callable, kwargs: dict) -> tuple:
    return function.__module__, function.__qualname__, repr(sorted(kwargs.items()))


class Live:
    """Work that is watched while it goes on: started, paused and stopped by the reader, its latest bytes at hand all the time.

    The function reports `progress(done, total, so_far)`, takes `so_far` back to go on, and returns bytes of the same kind. Equal work
    is done once for all who watch. With other arguments the old run is left alone: whoever comes back within `core.jobs.PATIENCE`
    seconds finds it running, and later finds what was seen of it last.
    """

    def __init__(self, key: str, function: Callable, kwargs: dict):
        self.function, self.kwargs, self.work = function, kwargs, _name(function, kwargs)
        self._notes = st.session_state.setdefault(f"_live_{key}", {})  # work -> is this reader waiting for it?

    @property
    def part(self) -> bytes | None:
        """The result, or what there is of it so far."""
        return job_registry().result(self.work) or job_registry().so_far(self.work)

    @property
    def status(self) -> jobs.Status:
        """state: idle, queued, running, paused, done or failed."""
        if job_registry().result(self.work) is not None:
            return jobs.Status("done")
        status = job_registry().status(self.work) if self._notes.get(self.work) else None
        if status is None or status.state in ("cancelled", "failed"):
            self._notes[self.work] = False
            if status and status.state == "failed":
                return status
            return jobs.Status("paused" if job_registry().so_far(self.work) is not None else "idle")
        return status

    @property
    def going(self) -> bool:
        return self.status.state in ("queued", "running")

    def start(self, label: str = "") -> None:
        """Begin, go on, or watch with those who began. label: what a reader calls it."""
        self._notes[self.work] = True
        job_registry().ask(self.work, _reader(), self.function, self.kwargs, label)

    def pause(self) -> None:
        """Stop waiting. The worker is free for others; what was reported last is kept."""
        job_registry().so_far(self.work)
        self._notes[self.work] = False
        job_registry().leave(self.work, _reader())

    def alone(self) -> None:
        """Leave every other run of this key, so that the worker turns to this one."""
        for work, waiting in self._notes.items():
            if waiting and work != self.work:
                job_registry().so_far(work)
                job_registry().leave(work, _reader())
                self._notes[work] = False

    def stop(self) -> None:
        """Stop waiting and throw away what there is."""
        self.pause()
        job_registry().forget(self.work)


def watched(draw: Callable[[], None], *runs: Live, every: float = 0.8) -> None:
    """Draw now, and again and again while one of `runs` is going; the page is run once more when they have come to rest."""
    going = any(run.going for run in runs)

    def again():
        if going and not any(run.going for run in runs):
            st.rerun()
        draw()

    st.fragment(again, run_every=every if going else None)()


def live_bar(run: Live, key: str, label: str) -> None:
    """Start, Pause, Stop and how far it is; to be called inside `watched`."""
    status = run.status
    with st.container(horizontal=True, vertical_alignment="center", key=f"live_{key}"):
        if status.state in ("idle", "paused", "failed"):
            name = "Go on" if status.state == "paused" else label
            if st.button(name, key=f"start_{key}", type="primary", icon=":material/play_arrow:"):
                run.alone()
                run.start(label)
                st.rerun()
        elif status.state == "done":
            if st.button("Train again", key=f"again_{key}", icon=":material/replay:"):
                run.stop()
                run.start(label)
                st.rerun()
        elif st.button("Pause", key=f"pause_{key}", icon=":material/pause:"):
            run.pause()
            st.rerun()
        if status.state in ("queued", "running", "paused") and st.button("Stop", key=f"stop_{key}", icon=":material/stop:"):
            run.stop()
            st.rerun()
        if status.state in ("queued", "running"):
            said = words(status, job_registry().own_ahead(run.work, _reader()))
            st.progress(status.done / status.total if status.total else 0.0, said)
        elif status.state == "failed":
            st.error(f"{label} stopped: {status.message}", icon=":material/error:")


def job(key: str, label: str, function: Callable, kwargs: dict, *, start: bool = False) -> Any | None:
    """The result of `function(**kwargs, progress=, cancelled=)`, or None while there is none.

    Draws whatever the reader needs meanwhile: a button (unless `start`, which begins at once), progress, the way out, an error
    in words. Changed arguments are other work; the old one is left.
    """
    work = _name(function, kwargs)
    note = st.session_state.setdefault(f"_job_{key}", {"work": None})
    if note["work"] not in (None, work):
        job_registry().leave(note["work"], _reader())
        note = st.session_state[f"_job_{key}"] = {"work": None}
    if (done := job_registry().result(work)) is not None:
        return done
    status = job_registry().status(work)
    if status is None or status.state in ("failed", "cancelled"):
        if status:
            note |= {"state": status.state, "message": status.message}
        ended = note.get("state")
        if ended == "failed":
            st.error(f"{label} stopped: {note.get('message')}", icon=":material/error:")
        elif ended == "cancelled":
            st.info("Cancelled.", icon=":material/cancel:")
        place = st.empty()
        if not (start and not ended):
            if not place.button(label, key=f"start_{key}", type="primary", icon=":material/play_arrow:"):
                return None
            place.empty()
        st.session_state[f"_job_{key}"] = {"work": work}
        job_registry().ask(work, _reader(), function, kwargs, label)
    _wait(work, key, label)
    return job_registry().result(work)
