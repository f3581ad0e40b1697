"""The desk behind long work: equal work is done once, and stops when the last reader leaves."""

import os
import time

import pytest
from distributed import LocalCluster, default_client

from core import jobs
from pages.kit.jobs import JobRegistry


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


def test_the_same_jobs_on_a_dask_cluster(tmp_path):
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        job_registry = JobRegistry(lambda: jobs.dask_pool(cluster.scheduler_address))
        job_registry.ask("scene", "reader", slow_count, {"n": 10, "log": str(tmp_path / "log")})
        assert until(job_registry, "scene", "done").state == "done"
        assert job_registry.result("scene") == 10
        job_registry.queue.shutdown()
        default_client().close()
    assert int((tmp_path / "log").read_text()) != os.getpid()
