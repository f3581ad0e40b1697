"""`python -m tests.mutations [--all | --sample N | --only TEXT] [--jobs J]`: a mutation of core must be noticed by the test that it names.

The Python files are copied to a temporary folder, assets are linked. There one mutation at a time is written into one file, and its test is
run in a process of its own, forked from one that has loaded the heavy libraries (but nothing of core). First all named tests are run on the
unchanged copy, where they must pass. Survivors are printed; the exit code is 0 when there are none and every entry fits its file, else 1.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # starting pytest is most of the work

import argparse
import datetime
import gc
import importlib
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.mutations.entries import HERE, ROOT, Mutation, load, misfits

COPIED = ("core", "tests", "pages")
LEFT_OUT = (*COPIED, ".git", ".venv", "runs", "build", "dist")
LIBRARIES = ("pytest", "_pytest.assertion.rewrite", "torch", "scipy.special", "scipy.stats", "scipy.integrate", "pandas", "pymatgen.core")
LIBRARIES += ("scipy.sparse.linalg", "scipy.linalg", "pymatgen.analysis.structure_matcher", "safetensors.torch", "plotly.graph_objects")
UNUSED = ("cacheprovider", "unraisableexception", "threadexception")  # of pytest; the last two collect all garbage
PLAIN = ["-o", "addopts=", "--import-mode=importlib", *(word for name in UNUSED for word in ("-p", f"no:{name}"))]
SCHEDULERS = ("ddpm", "ddim", "dpmsolver_multistep", "heun_discrete", "edm_euler")
PEERS = ("torchsde", *(f"diffusers.schedulers.scheduling_{name}" for name in SCHEDULERS))
SECONDS = 120.0  # after which a test is stopped: a mutation may make an endless loop
KILLED, SURVIVED = 1, 0  # exit codes of pytest: tests failed, all passed


def copy_tree(target: Path) -> None:
    """Python files as copies, all else as links."""
    for name in COPIED:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "screenshots"))
    for other in ROOT.iterdir():
        if other.name not in LEFT_OUT:
            (target / other.name).symlink_to(other)


def start(folder: Path, tests: Sequence[str], *, keep_bytecode: bool = False) -> int:
    """Process id of a fork that runs `tests` in `folder` and ends with pytest's exit code; its words go to `folder`/said.txt."""
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        said = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.chdir(folder)
        sys.dont_write_bytecode = not keep_bytecode
        for name in [name for name in sys.modules if name.split(".")[0] in COPIED]:
            del sys.modules[name]
        sys.path[:] = [str(folder), *(place for place in sys.path if Path(place or ".").resolve() not in (ROOT, folder))]
        import pytest

        code = int(
            pytest.main([*tests, "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly", "--rootdir", str(folder)])
        )
    finally:
        sys.stdout.flush()
        os._exit(code)


def wait_for(running: dict[int, float]) -> tuple[int, int | None]:
    """(process id, exit code) of the next that ends; None for one that was stopped after SECONDS. running: id -> when it began."""
    while True:
        for pid, began in running.items():
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return pid, os.waitstatus_to_exitcode(status)
            if time.monotonic() - began > SECONDS:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return pid, None
        time.sleep(0.01)


def outcomes(mutations: Sequence[Mutation], folders: Sequence[Path]) -> Iterator[tuple[Mutation, int | None, float]]:
    """(mutation, exit code of its test or None if it never ended, seconds), as they end; one process for each of `folders` at a time."""
    waiting, free = list(mutations), list(folders)
    running: dict[int, float] = {}
    at_work: dict[int, tuple[Mutation, Path, str]] = {}
    while waiting or running:
        while waiting and free:
            mutation, folder = waiting.pop(0), free.pop()
            file = folder / mutation.path
            clean = file.read_text(encoding="utf-8")
            for stale in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
                stale.unlink()  # it would be taken for the mutated file if both had one size and one second
            file.write_text(mutation.applied(clean), encoding="utf-8")
            pid = start(folder, [mutation.test])
            running[pid], at_work[pid] = time.monotonic(), (mutation, folder, clean)
        pid, code = wait_for(running)
        seconds, (mutation, folder, clean) = time.monotonic() - running.pop(pid), at_work.pop(pid)
        (folder / mutation.path).write_text(clean, encoding="utf-8")
        free.append(folder)
        yield mutation, code, seconds


def chosen(mutations: Sequence[Mutation], arguments: argparse.Namespace) -> list[Mutation]:
    if arguments.only:
        return [mutation for mutation in mutations if arguments.only in mutation.label]
    if arguments.all:
        return list(mutations)
    return random.Random(arguments.date).sample(mutations, min(arguments.sample, len(mutations)))


def preload(tests: Sequence[str]) -> None:
    """The libraries that forks need, so that each is loaded once; peers only where a test asks for them."""
    files = {(ROOT / test.split("::")[0]).read_text(encoding="utf-8") for test in tests}
    for library in (*LIBRARIES, *(peer for peer in PEERS if any(peer.split(".")[0] in text for text in files))):
        importlib.import_module(library)
    gc.freeze()  # what all forks share is not looked through for garbage in each


def run(mutations: Sequence[Mutation], place: Path, jobs: int) -> int:
    """How many of `mutations` were not killed; prints a line for each. Raises RuntimeError when a named test fails as it is."""
    first = place / "0"
    copy_tree(first)
    tests = sorted({mutation.test for mutation in mutations})
    preload(tests)
    pid = start(first, tests, keep_bytecode=True)
    if (code := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])) != SURVIVED:
        said = (first / "said.txt").read_text(encoding="utf-8")
        raise RuntimeError(f"{said}\nThe named tests do not pass as it is (pytest: {code}): nothing can be learnt from their failing.")
    folders = [first] + [place / str(k) for k in range(1, jobs)]
    for other in folders[1:]:
        shutil.copytree(first, other, symlinks=True)
    failures = 0
    for mutation, code, seconds in outcomes(mutations, folders):
        word = {KILLED: "killed", SURVIVED: "SURVIVED", None: "NEVER ENDED"}.get(code, f"BROKEN (pytest: {code})")
        failures += code != KILLED
        print(f"{word:9} {seconds:5.1f} s  {mutation.label}", flush=True)
    return failures


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description="Change constants and signs of core; tests must notice.")
    parser.add_argument("--all", action="store_true", help="run every entry")
    parser.add_argument("--sample", type=int, default=10, metavar="N", help="run N entries drawn by the date (default: 10)")
    parser.add_argument("--only", metavar="TEXT", help="run the entries whose file, text or test holds TEXT")
    parser.add_argument("--date", default=datetime.date.today().isoformat(), help="the date that the draw is made from (default: today)")
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="processes at a time (default: 1)")
    parser.add_argument("--entries", type=Path, default=HERE, metavar="FOLDER", help="where the lists are (default: beside this file)")
    arguments = parser.parse_args(words)
    every = load(arguments.entries)
    faulty = misfits(every)
    for fault in faulty.values():
        print(f"DOES NOT FIT: {fault}")
    mutations, began = chosen([mutation for mutation in every if mutation not in faulty], arguments), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutations-") as place:
        try:
            failures = run(mutations, Path(place).resolve(), arguments.jobs)
        except RuntimeError as error:
            print(error)
            return 1
    print(
        f"{len(mutations)} of {len(every)} mutations in {time.monotonic() - began:.0f} s: {len(mutations) - failures} killed, "
        f"{failures} not; {len(faulty)} entries do not fit."
    )
    return int(bool(failures or faulty))


if __name__ == "__main__":
    sys.exit(main())
