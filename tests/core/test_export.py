"""Recipes become scripts and notebooks that run; the settings in them are the reader's."""

import nbformat
import pytest

from core import chapters, export
from core.chapters import CHAPTERS, Chapter

CHAPTER = Chapter("physics", "walk", "A walk", "How far?", "icon")
RECIPE = """Words before.

```python
import plotly.graph_objects as go
figure = go.Figure()
```

Words
between.

```python
figure.add_scatter(x=[0, params["t_end"]], y=[0, 1])
```
"""


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(chapters, "CHAPTERS", (*CHAPTERS[:4], CHAPTER, *CHAPTERS[4:]))


def test_script_runs_and_keeps_the_settings(tmp_path, monkeypatch):
    source = export.script(CHAPTER, RECIPE, {"t_end": 2.5, "step": "coin"}, "http://somewhere/walk?t_end=2.5")
    monkeypatch.chdir(tmp_path)
    space = {}
    exec(compile(source, "walk.py", "exec"), space)
    assert space["params"] == {"t_end": 2.5, "step": "coin"}
    assert list(space["figure"].data[0].x) == [0, 2.5]
    assert (tmp_path / "walk.html").exists()
    assert "http://somewhere/walk?t_end=2.5" in space["__doc__"] and f"chapter {CHAPTER.number}." in space["__doc__"]
    assert "# between." in source


def test_notebook_has_the_same_cells():
    made = nbformat.reads(export.notebook(CHAPTER, RECIPE, {"t_end": 1}).decode(), as_version=4)
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    assert code[0] == "params = {'t_end': 1}" and code[-1] == "figure" and len(code) == 4
    assert made.metadata.kernelspec.name == "python3"


def test_a_recipe_without_code_is_refused():
    with pytest.raises(ValueError, match="no ```python block"):
        export.cells("only words")
