"""Long work on a page: a progress bar, a place in the queue, a way out. Equal work is done once for everybody."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core import jobs

KEEP = 64  # finished results kept for the next reader who asks for the same


class Desk:
    """All jobs of this server by what they compute; who waits for each; what is finished."""

    def __init__(self, make_executor: Callable = jobs.local_pool):
        self.queue = jobs.Queue(make_executor)
        self._lock = threading.Lock()
        self._running: dict[Any, tuple[jobs.Job, set[str]]] = {}
        self._finished: OrderedDict[Any, Any] = OrderedDict()

    def result(self, work: Any) -> Any | None:
        """What this work gave, if it is finished."""
        with self._lock:
            if work in self._finished:
                self._finished.move_to_end(work)
            return self._finished.get(work)

    def ask(self, work: Any, reader: str, function: Callable, kwargs: dict) -> None:
        """Start this work, or wait with those who started it."""
        with self._lock:
            if work not in self._finished:
                job, readers = self._running.get(work) or (self.queue.submit(function, **kwargs), set())
                self._running[work] = job, readers | {reader}

    def leave(self, work: Any, reader: str) -> None:
        """Stop waiting; the last to leave cancels the work."""
        with self._lock:
            job, readers = self._running.get(work, (None, set()))
            if job and not readers - {reader}:
                job.cancel()
                del self._running[work]
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
                self._finished[work] = job.future.result()
                while len(self._finished) > KEEP:
                    self._finished.popitem(last=False)
            if status.state in ("done", "failed", "cancelled"):
                del self._running[work]
            return status


@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    """One desk for the server; on a Dask cluster when the variable N2C_DASK holds a scheduler's address."""
    address = os.environ.get("N2C_DASK")
    return Desk((lambda: jobs.dask_pool(address)) if address else jobs.local_pool)


def _reader() -> str:
    context = get_script_run_ctx()
    return context.session_id if context else "nobody"


@st.fragment(run_every=0.4)
def _wait(work: Any, key: str, label: str) -> None:
    status = desk().status(work)
    if status is None or status.state in ("done", "cancelled", "failed"):
        st.session_state[f"_job_{key}"] = {"work": work, "message": status.message if status else "", "state": status and status.state}
        st.rerun()
    if status.state == "queued":
        text = "Starting the worker …" if status.ahead == 0 else f"In the queue: {status.ahead} before you"
        st.progress(0.0, f"{status.message} {text}".strip())
    else:
        st.progress(status.done / status.total if status.total else 0.0, f"{label}: step {status.done} of {status.total}")
    if st.button("Cancel", key=f"cancel_{key}", icon=":material/cancel:"):
        desk().leave(work, _reader())
        st.rerun()


def job(key: str, label: str, function: Callable, kwargs: dict, *, start: bool = False) -> Any | None:
    """The result of `function(**kwargs, progress=, cancelled=)`, or None while there is none.

    Draws whatever the reader needs meanwhile: a button (unless `start`, which begins at once), progress, the way out, an error
    in words. Changed arguments are other work; the old one is left.
    """
    work = (function.__module__, function.__qualname__, repr(sorted(kwargs.items())))
    note = st.session_state.setdefault(f"_job_{key}", {"work": None})
    if note["work"] not in (None, work):
        desk().leave(note["work"], _reader())
        note = st.session_state[f"_job_{key}"] = {"work": None}
    if (done := desk().result(work)) is not None:
        return done
    status = desk().status(work)
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
        desk().ask(work, _reader(), function, kwargs)
    _wait(work, key, label)
    return desk().result(work)
