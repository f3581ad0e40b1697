"""Work comes back in order, from one process or several; each is made ready once."""

import os

import pytest

from core.numerics.processes import shared_out

_ready: list[int] = []


def start(number):
    _ready.append(number)


def answer(x):
    if x == 13:
        raise ValueError("thirteen")
    return x**2, os.getpid(), list(_ready)


@pytest.mark.parametrize("workers, spawn", [(1, False), (2, False), (2, True)])
def test_the_answers_are_in_order_and_every_process_is_ready(workers, spawn):
    _ready.clear()
    squares, processes, ready = zip(
        *shared_out(answer, range(8), workers=workers, chunk=2, start=start, arguments=(5,), spawn=spawn), strict=True
    )
    assert squares == tuple(x**2 for x in range(8))
    assert (os.getpid() in processes) == (workers == 1) and all(numbers == [5] for numbers in ready)
    with pytest.raises(ValueError, match="thirteen"):
        list(shared_out(answer, [1, 13, 2], workers=workers, start=start, arguments=(5,), spawn=spawn))


def test_no_work_needs_nobody():
    _ready.clear()
    assert list(shared_out(answer, [], workers=3, start=start, arguments=(5,))) == [] == _ready
