"""Counting microstates: when a control moves, the number on the page must move the right way."""

import re

from core.chapters import find
from tests.pages.conftest import Visit, reading


def test_microstates_more_throws_come_closer_and_sticky_coins_never_do():
    visit = Visit(find("microstates"))
    many = visit.truth
    assert visit.put(n_throws=100).truth > 3 * many
    assert visit.put(n_throws=1_000_000).truth < many
    assert visit.put(memory=0.9).truth > 20 * many


def test_microstates_the_most_crowded_column_loses_its_share():
    visit = Visit(find("microstates"), {"n_coins": "20"})
    few = reading(visit, "their share")
    assert reading(visit.put(n_coins=200), "their share") < few / 3


def test_microstates_six_coins_read_twenty_fifteen_six_one():
    visit = Visit(find("microstates"))
    shown = "".join(element.proto.body for element in visit.app.get("html"))
    assert re.findall(r"<dd>(\d+) of 64 ways", shown) == ["1", "6", "15", "20", "15", "6", "1"]
