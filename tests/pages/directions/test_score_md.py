"""One score for sampling and dynamics: when a control moves, the numbers on the page must move the right way."""

import re

from core.chapters import find
from tests.pages.conftest import Visit


def meters(visit):
    """What the two truth meters say, of sampling and of dynamics; infinite where particles are lost."""
    bodies = [element.proto.body for element in visit.app.get("html") if 'class="truth-value"' in element.proto.body]
    return [float(re.search(r'data-value="([-+.\deinf]+)', body)[1]) for body in bodies]


def test_score_md_the_regulariser_brings_the_dynamics_back_and_leaves_the_sampling():
    visit = Visit(find("score_md"))
    sampled, walked = meters(visit)
    visit.put(model="regularised")
    sampled_too, walked_too = meters(visit)
    assert walked > 3 * walked_too and max(sampled, sampled_too) < walked / 3


def test_score_md_a_longer_dynamics_forgets_its_start():
    visit = Visit(find("score_md")).put(model="exact", t0=0.0, start="one basin", duration=2)
    early = meters(visit)[1]
    visit.put(duration=48)
    assert meters(visit)[1] < early / 3


def test_score_md_a_plain_score_at_time_zero_loses_the_dynamics_alone():
    visit = Visit(find("score_md")).put(model="plain", t0=0.0)
    sampled, walked = meters(visit)
    assert sampled < 0.5 and walked == float("inf")
