"""The desk behind long work: equal work is done once, and stops when the last reader leaves."""

import os
import time

import pytest
from distributed import LocalCluster, default_client

from core import jobs
from pages.kit.jobs import JobRegistry, words


def slow_count(n, log, *, progress, cancelled):
    """Counts to n; writes a line to `log` when it starts."""
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\n")
    for i in range(n):
        if cancelled():
            raise jobs.Stopped
        progress(i + 1, n)
        time.sleep(0.02)
    return n


def grow(n, log, *, so_far=b"", progress, cancelled):
    """One byte a step; writes a line to `log` with where it starts."""
    with open(log, "a") as file:
        file.write(f"{len(so_far)}\n")
    while len(so_far) < n:
        if cancelled():
            raise jobs.Stopped
        so_far += b"x"
        progress(len(so_far), n, so_far)
        time.sleep(0.02)
    return so_far


@pytest.fixture(scope="module")
def job_registry():
    job_registry = JobRegistry()
    yield job_registry
    job_registry.queue.shutdown()


def until(job_registry, work, *states):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        status = job_registry.status(work)
        if status is None or status.state in states:
            return status
        time.sleep(0.02)
    raise AssertionError(status)


def test_thirty_readers_one_computation(job_registry, tmp_path):
    log = tmp_path / "log"
    for reader in range(30):
        job_registry.ask("scene", f"reader {reader}", slow_count, {"n": 20, "log": str(log)})
    assert until(job_registry, "scene", "done").state == "done"
    assert job_registry.result("scene") == 20
    job_registry.ask("scene", "latecomer", slow_count, {"n": 20, "log": str(log)})
    assert job_registry.status("scene").state == "done"
    assert len(log.read_text().splitlines()) == 1


def test_the_last_to_leave_stops_the_work(job_registry, tmp_path):
    log = tmp_path / "log"
    for reader in ("a", "b"):
        job_registry.ask("long", reader, slow_count, {"n": 5000, "log": str(log)})
    until(job_registry, "long", "running")
    job_registry.leave("long", "a")
    assert job_registry.status("long").state == "running"
    job_registry.leave("long", "b")
    assert job_registry.status("long") is None
    job_registry.ask("next", "a", slow_count, {"n": 2, "log": str(log)})  # the worker is free again at once
    assert until(job_registry, "next", "done").state == "done"


def test_a_pause_keeps_what_there_is_and_frees_the_worker(job_registry, tmp_path):
    kwargs = {"n": 60, "log": str(tmp_path / "log")}
    job_registry.ask("grow", "a", grow, kwargs)
    while len(job_registry.so_far("grow") or b"") < 10:
        until(job_registry, "grow", "running")
    at_pause = job_registry.so_far("grow")
    job_registry.leave("grow", "a")
    job_registry.ask("other", "b", slow_count, {"n": 2, "log": str(tmp_path / "other")})
    assert until(job_registry, "other", "done").state == "done"
    assert job_registry.status("grow") is None and job_registry.so_far("grow") == at_pause
    job_registry.ask("grow", "a", grow, kwargs)
    assert until(job_registry, "grow", "done").state == "done"
    assert job_registry.result("grow") == b"x" * 60
    starts = [int(line) for line in (tmp_path / "log").read_text().split()]
    assert starts[0] == 0 and starts[1] >= 10
    job_registry.forget("grow")
    assert job_registry.result("grow") is None and job_registry.so_far("grow") is None


def test_a_reader_is_told_of_an_earlier_job_of_their_own(job_registry, tmp_path):
    """Not of the jobs of others, and not of one that he has left."""
    kwargs = {"n": 5000, "log": str(tmp_path / "log")}
    job_registry.ask("training", "a", slow_count, kwargs, "Train")
    until(job_registry, "training", "running")
    job_registry.ask("sixteen", "a", slow_count, kwargs | {"n": 3}, "Grow 16 × MgO")
    job_registry.ask("salt", "b", slow_count, kwargs | {"n": 4}, "Grow NaCl")
    assert job_registry.own_ahead("training", "a") == []
    assert job_registry.own_ahead("sixteen", "a") == ["Train"]
    assert job_registry.own_ahead("salt", "b") == [] and job_registry.status("salt").ahead == 2
    assert words(job_registry.status("sixteen"), ["Train"]) == "Waits for your earlier job “Train”"
    job_registry.ask("training", "b", slow_count, kwargs)
    job_registry.leave("training", "a")
    assert job_registry.own_ahead("sixteen", "a") == [] and job_registry.own_ahead("salt", "b") == ["Train"]
    for work, reader in (("training", "b"), ("sixteen", "a"), ("salt", "b")):
        job_registry.leave(work, reader)


@pytest.mark.parametrize(
    "status, own, said",
    [
        (jobs.Status("queued"), [], "The worker is starting …"),
        (jobs.Status("queued", ahead=1), [], "Waits for 1 job of other readers"),
        (jobs.Status("queued", ahead=3), ["Train"], "Waits for your earlier job “Train”; 3 jobs are before it"),
        (jobs.Status("queued", ahead=1), [""], "Waits for your earlier job"),
        (jobs.Status("queued", message="The worker stopped."), [], "The worker stopped. The worker is starting …"),
        (jobs.Status("running"), [], "The worker prepares the first steps …"),
        (jobs.Status("running", 3, 2000), [], "Step 3 of 2,000"),
    ],
)
def test_no_bar_stands_without_words(status, own, said):
    assert words(status, own) == said


def test_the_same_jobs_on_a_dask_cluster(tmp_path):
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        job_registry = JobRegistry(lambda: jobs.dask_pool(cluster.scheduler_address))
        job_registry.ask("scene", "reader", slow_count, {"n": 10, "log": str(tmp_path / "log")})
        assert until(job_registry, "scene", "done").state == "done"
        assert job_registry.result("scene") == 10
        job_registry.queue.shutdown()
        default_client().close()
    assert int((tmp_path / "log").read_text()) != os.getpid()
