"""Labels are made once: what a stopped run has written is read, what belongs to other rows is refused before any work."""

import numpy as np
import pytest

from core.generator.training.labels import kept_labels, read_labels
from core.structures.arrays import ArrayFileError

ROWS = [7, 3, 9, 1, 4]


def squares(asked, rows=ROWS, stop_after=99):
    """Labels by hand, and a note of what was asked; an interruption after so many chunks."""

    def make(chunks):
        for k, chunk in enumerate(chunks):
            if k == stop_after:
                raise KeyboardInterrupt
            asked.append(rows[chunk])
            yield {"square": np.array([row**2 for row in rows[chunk]])}

    return make


def test_a_stopped_run_goes_on(tmp_path):
    asked = []
    with pytest.raises(KeyboardInterrupt):
        kept_labels(tmp_path, "labels", ROWS, squares(asked, stop_after=2), size=2)
    assert asked == [[7, 3], [9, 1]] and sorted(p.name for p in tmp_path.iterdir()) == ["labels_0.npz", "labels_1.npz"]
    made = kept_labels(tmp_path, "labels", ROWS, squares(asked), size=2)
    assert asked == [[7, 3], [9, 1], [4]]
    assert np.concatenate([labels["square"] for labels in made]).tolist() == [49, 9, 81, 1, 16]
    again = kept_labels(tmp_path, "labels", ROWS, squares(asked), size=2)
    assert len(asked) == 3 and [labels["square"].tolist() for labels in again] == [[49, 9], [81, 1], [16]]


def test_labels_of_other_rows_are_refused_before_any_are_made(tmp_path):
    asked = []
    kept_labels(tmp_path, "labels", ROWS[:3], squares(asked, ROWS[:3]), size=2)
    with pytest.raises(ArrayFileError, match="labels_1.npz holds labels of other compositions"):
        kept_labels(tmp_path, "labels", ROWS, squares(asked), size=2)
    assert asked == [[7, 3], [9]]
    (tmp_path / "labels_1.npz").write_bytes(b"nothing")
    for path in (tmp_path / "labels_1.npz", tmp_path / "labels_2.npz"):
        with pytest.raises(ArrayFileError, match=path.name):
            read_labels(path, [9])
