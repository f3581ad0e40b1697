"""The job queue: progress, order, cancel, patience, a killed worker."""

import os
import signal
import sys
import time
from types import ModuleType

import pytest

from core import jobs


def count(n, *, pause=0.0, progress, cancelled):
    for i in range(n):
        if cancelled():
            raise jobs.Stopped
        progress(i + 1, n)
        time.sleep(pause)
    return n * n


def pid(*, flag, progress, cancelled):
    """Says which process it is; waits on its first run, returns at once on its second."""
    if os.path.exists(flag):
        return os.getpid()
    with open(flag, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)


def leave_in_its_own_way(*, progress, cancelled):
    while not cancelled():
        progress(1, 2)
        time.sleep(0.02)
    raise KeyError("the function's own way out")


def add_up(n, *, so_far=b"", flag="", progress, cancelled):
    """Appends one byte a step and says what it has; with `flag` it dies once, half-way."""
    while len(so_far) < n:
        if cancelled():
            raise jobs.Stopped
        so_far += bytes([len(so_far)])
        progress(len(so_far), n, so_far)
        if flag and len(so_far) == n // 2 and not os.path.exists(flag):
            open(flag, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
    return so_far


def fail(*, progress, cancelled):
    raise ValueError("the cell has no volume")


def wait(queue, job, *states, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = queue.status(job)
        if status.state in states:
            return status
        time.sleep(0.02)
    raise AssertionError(f"still {status}")


@pytest.fixture(scope="module")
def queue():
    queue = jobs.Queue()
    yield queue
    queue.shutdown()


def test_result_and_progress(queue):
    job = queue.submit(count, 5)
    wait(queue, job, "done")
    assert job.future.result() == 25
    assert not job.folder.exists()


def test_progress_is_seen_while_it_runs(queue):
    job = queue.submit(count, 50, pause=0.02)
    seen = set()
    while (status := queue.status(job)).state != "done":
        seen.add(status.done)
        assert status.total in (0, 50)
        time.sleep(0.01)
    assert len(seen) > 5 and max(seen) <= 50


def test_place_in_the_queue_and_cancel(queue):
    first = queue.submit(count, 500, pause=0.02)
    wait(queue, first, "running")
    later = [queue.submit(count, 2) for _ in range(3)]
    assert queue.status(later[2]).ahead == 3
    first.cancel()
    assert queue.status(first).state == "cancelled"
    wait(queue, later[2], "done")
    assert later[2].future.result() == 4
    with pytest.raises((jobs.Stopped, jobs.CancelledError)):
        first.future.result(timeout=10)
    assert not first.folder.exists()


def test_nobody_asking_stops_the_work(queue):
    job = queue.submit(count, 2000, pause=0.02)
    wait(queue, job, "running")
    long_ago = time.time() - 2 * jobs.PATIENCE
    os.utime(job.folder / "asked", (long_ago, long_ago))
    with pytest.raises(jobs.Stopped):
        job.future.result(timeout=10)
    assert queue.status(job).state == "cancelled"


def test_a_cancelled_function_may_leave_in_its_own_way(queue):
    job = queue.submit(leave_in_its_own_way)
    wait(queue, job, "running")
    job.cancel()
    with pytest.raises(jobs.Stopped):
        job.future.result(timeout=10)
    assert queue.status(job).state == "cancelled"


def test_error_is_reported_in_words(queue):
    assert wait(queue, queue.submit(fail), "failed").message == "the cell has no volume"


def test_killed_worker_starts_over_once(queue, tmp_path):
    flag = tmp_path / "pid"
    job = queue.submit(pid, flag=str(flag))
    end = time.monotonic() + 30
    while not (flag.exists() and flag.read_text()) and time.monotonic() < end:
        queue.status(job)
        time.sleep(0.02)
    first = int(flag.read_text())
    os.kill(first, signal.SIGKILL)
    wait(queue, job, "done")
    assert job.future.result() != first


def test_what_there_is_can_be_looked_at_while_it_grows(queue):
    job, seen = queue.submit(add_up, 60), []
    while queue.status(job).state != "done":
        if (part := queue.so_far(job)) is not None:
            seen.append(part)
    assert len(set(map(len, seen))) > 5 and all(part == bytes(range(len(part))) for part in seen)
    assert job.future.result() == bytes(range(60))
    assert queue.so_far(job) is None and not job.folder.exists()


def test_a_killed_worker_goes_on_from_what_it_had(queue, tmp_path):
    job = queue.submit(add_up, 40, flag=str(tmp_path / "died"))
    words, dones = set(), []
    while (status := queue.status(job)).state != "done":
        words.add(status.message)
        if job.retried and status.state == "running":
            dones.append(status.done)
        time.sleep(0.005)
    assert job.future.result() == bytes(range(40))
    assert any("going on from what was done" in message for message in words)
    assert not [done for done in dones if 0 < done < 20]


def loaded(*, progress, cancelled):
    return "streamlit" in sys.modules


def test_a_worker_does_not_run_the_main_script(tmp_path, monkeypatch):
    """Streamlit puts the script of a page in the place of __main__; a worker that ran it would load and compute a whole page first."""
    script = tmp_path / "page.py"
    script.write_text("import streamlit\nopen(__file__ + '.ran', 'w').close()\n")
    main = ModuleType("__main__")
    main.__file__ = str(script)
    monkeypatch.setitem(sys.modules, "__main__", main)
    queue = jobs.Queue()
    assert queue.submit(loaded).future.result(60) is False
    assert sys.modules["__main__"] is main and not (tmp_path / "page.py.ran").exists()
    queue.shutdown()
