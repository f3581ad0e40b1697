import pytest

from core.numerics.files import whole


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "weights.npz"
    with whole(path) as part:
        assert part.suffix == ".npz" and part.parent == tmp_path
        part.write_text("new")
        assert not path.exists()
    with pytest.raises(RuntimeError), whole(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]
