"""What a reader sees, as code: a script and a notebook that reproduce a figure with the settings in force.

Each chapter's text carries its recipe: the Python blocks under `## Reproduce`, which read the dictionary `params`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from pprint import pformat
from typing import Any

from core.chapters import Chapter

_BLOCK = re.compile(r"^```python *\n(.*?)^``` *$", re.MULTILINE | re.DOTALL)


def cells(recipe: str) -> list[tuple[str, str]]:
    """Cut a Markdown recipe into ("markdown" | "code", text) cells. Raises ValueError when it has no Python block."""
    pieces = _BLOCK.split(recipe)
    found = [("code" if i % 2 else "markdown", piece.strip()) for i, piece in enumerate(pieces)]
    found = [(kind, text) for kind, text in found if text]
    if not any(kind == "code" for kind, _ in found):
        raise ValueError("the recipe has no ```python block")
    return found


def _settings(params: Mapping[str, Any]) -> str:
    classes = sorted({(type(value).__module__, type(value).__name__) for value in params.values() if is_dataclass(value)})
    imports = "".join(f"from {module} import {name}\n" for module, name in classes)
    return f"{imports}\nparams = {pformat(dict(params), sort_dicts=False, width=100)}".lstrip()


def script(chapter: Chapter, recipe: str, params: Mapping[str, Any], link: str = "") -> str:
    """A Python script: run it where the project is installed; it writes the figure to `<slug>.html`."""
    head = f'"""{chapter.title}: {chapter.question}\n\nFrom Noise to Crystals, chapter {chapter.number}.'
    head += f"\nThe same picture in the app: {link}" if link else ""
    body = [head + '\n"""', _settings(params)]
    for kind, text in cells(recipe):
        body.append(text if kind == "code" else "\n".join(f"# {line}".rstrip() for line in text.splitlines()))
    body.append(f'figure.write_html("{chapter.slug}.html")\nprint("wrote {chapter.slug}.html")')
    return "\n\n".join(body) + "\n"


def notebook(chapter: Chapter, recipe: str, params: Mapping[str, Any], link: str = "") -> bytes:
    """The same as a Jupyter notebook; the last cell shows the figure."""
    import nbformat  # slow to load, and only a download needs it

    v4 = nbformat.v4
    head = f"# {chapter.title}\n\n{chapter.question}" + (f"\n\n[The same picture in the app]({link})" if link else "")
    body = [v4.new_markdown_cell(head), v4.new_code_cell(_settings(params))]
    for kind, text in cells(recipe):
        body.append(v4.new_code_cell(text) if kind == "code" else v4.new_markdown_cell(text))
    body.append(v4.new_code_cell("figure"))
    for i, cell in enumerate(body):
        cell["id"] = f"{chapter.slug}-{i}".replace("_", "-")
    made = v4.new_notebook(cells=body)
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.validate(made)
    return nbformat.writes(made).encode()
