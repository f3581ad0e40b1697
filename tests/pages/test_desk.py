"""The desk behind long work: equal work is done once, and stops when the last reader leaves."""

import os
import time

import pytest
from distributed import LocalCluster, default_client

from core import jobs
from pages.kit.jobs import Desk


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
def desk():
    desk = Desk()
    yield desk
    desk.queue.shutdown()


def until(desk, work, *states):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        status = desk.status(work)
        if status is None or status.state in states:
            return status
        time.sleep(0.02)
    raise AssertionError(status)


def test_thirty_readers_one_computation(desk, tmp_path):
    log = tmp_path / "log"
    for reader in range(30):
        desk.ask("scene", f"reader {reader}", slow_count, {"n": 20, "log": str(log)})
    assert until(desk, "scene", "done").state == "done"
    assert desk.result("scene") == 20
    desk.ask("scene", "latecomer", slow_count, {"n": 20, "log": str(log)})
    assert desk.status("scene").state == "done"
    assert len(log.read_text().splitlines()) == 1


def test_the_last_to_leave_stops_the_work(desk, tmp_path):
    log = tmp_path / "log"
    for reader in ("a", "b"):
        desk.ask("long", reader, slow_count, {"n": 5000, "log": str(log)})
    until(desk, "long", "running")
    desk.leave("long", "a")
    assert desk.status("long").state == "running"
    desk.leave("long", "b")
    assert desk.status("long") is None
    desk.ask("next", "a", slow_count, {"n": 2, "log": str(log)})  # the worker is free again at once
    assert until(desk, "next", "done").state == "done"


def test_a_pause_keeps_what_there_is_and_frees_the_worker(desk, tmp_path):
    kwargs = {"n": 60, "log": str(tmp_path / "log")}
    desk.ask("grow", "a", grow, kwargs)
    while len(desk.so_far("grow") or b"") < 10:
        until(desk, "grow", "running")
    at_pause = desk.so_far("grow")
    desk.leave("grow", "a")
    desk.ask("other", "b", slow_count, {"n": 2, "log": str(tmp_path / "other")})
    assert until(desk, "other", "done").state == "done"
    assert desk.status("grow") is None and desk.so_far("grow") == at_pause
    desk.ask("grow", "a", grow, kwargs)
    assert until(desk, "grow", "done").state == "done"
    assert desk.result("grow") == b"x" * 60
    starts = [int(line) for line in (tmp_path / "log").read_text().split()]
    assert starts[0] == 0 and starts[1] >= 10
    desk.forget("grow")
    assert desk.result("grow") is None and desk.so_far("grow") is None


def test_the_same_jobs_on_a_dask_cluster(tmp_path):
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        desk = Desk(lambda: jobs.dask_pool(cluster.scheduler_address))
        desk.ask("scene", "reader", slow_count, {"n": 10, "log": str(tmp_path / "log")})
        assert until(desk, "scene", "done").state == "done"
        assert desk.result("scene") == 10
        desk.queue.shutdown()
        default_client().close()
    assert int((tmp_path / "log").read_text()) != os.getpid()
