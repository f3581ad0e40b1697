"""A link made with an older edition, whose captions were other words, opens the same picture."""

import pytest

from core.chapters import find
from tests.pages.conftest import Visit


@pytest.mark.parametrize(
    ("slug", "key", "old", "new", "value"),
    [
        ("score_fields", "constant", "10^6", "1,000,000", 1e6),
        ("score_fields", "constant", "10^-12", "10⁻¹²", 1e-12),
        ("microstates", "n_throws", "1000000", "1,000,000", 1_000_000),
        ("microstates", "view", "± 4.5 widths", "around the mean", "zoom"),
    ],
)
def test_old_and_new_words_of_a_link_mean_the_same(slug, key, old, new, value):
    for words in (old, new):
        visit = Visit(find(slug), {key: words})
        assert visit.failures == [] and not visit.app.warning
        assert visit.values[key] == value, words
        assert visit.run().values[key] == value, "it stays"
    other = next(option for control in visit.declared if control.key == key for option in control.options if option != value)
    assert visit.put(**{key: other}).values[key] == other, "the reader may move it"
