"""The forward process: when a control moves, the numbers on the page must move the right way."""

import re

from core.chapters import find
from tests.pages.conftest import Visit, reading


def meters(visit):
    """[stepped against p_t, x_T against the Gaussian]."""
    found = (re.search(r'data-value="([-+\d.e]+)', e.proto.body) for e in visit.app.get("html"))
    return [float(match[1]) for match in found if match]


def test_forward_process_few_steps_and_little_noise_fail_each_on_its_own_meter():
    visit = Visit(find("forward_process"))
    law, gap = meters(visit)
    assert meters(visit.put(n_steps=3))[0] > 3 * law
    visit.put(n_steps=500)
    assert meters(visit.put(t_end=0.2))[1] > 3 * gap


def test_forward_process_the_finite_clock_adds_twice_the_noise():
    visit = Visit(find("forward_process"), {"schedule": "finite time"})
    assert reading(visit, "Noise variance, Euler") == 2
    assert abs(reading(visit, "Noise variance σ², exact") - 1) < 0.01
