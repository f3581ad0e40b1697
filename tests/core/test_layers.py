"""Imports inside core point strictly downward, floor by floor; rooms on one floor do not know each other.

    numerics 0, 1, 2 < structures < metrics < generator/model, baselines < composition, selection < weights, registry
    < sampling < cell_contents, predict, steering < systems, training < chapters < figures
    < registry of chapters, export, jobs, home < commands < cli

Read from the source text (ast), so an import hidden in a function counts as much as one at the top.
"""

import ast
from pathlib import Path

import pytest

from core.chapters import CHAPTERS, PARTS

ROOT = Path(__file__).resolve().parents[2]
NUMERICS = {  # every other module of core/numerics is layer 2
    "checks": 0,
    "trajectory": 0,
    "schedules": 0,
    "randomness": 0,
    "mixture": 1,
    "histogram": 1,
    "densities": 1,
    "tabulated": 1,
    "potentials": 1,
    "torus": 1,
    "categorical": 1,
    "distances": 1,
    "steps": 1,
}
ROOMS = {"structures": 3, "metrics": 4}
GENERATOR = {
    "model": 5,
    "baselines": 5,
    "composition": 6,
    "selection": 6,
    "weights": 7,
    "registry": 8,
    "sampling": 9,
    "cell_contents": 10,
    "predict": 10,
    "steering": 10,
    "systems": 11,
    "training": 11,
}
CHAPTER, FIGURE, TOP_FLOOR, COMMAND, DISPATCHER = 12, 13, 14, 15, 16
TOP = {"chapters", "export", "jobs", "home", "contract", "texts", "version", "equations", "glossary"}
CHAPTER_MODULES = {f"core.{chapter.part}.{chapter.slug}" for chapter in CHAPTERS}
PRIVATE_NAMES = {"arbiter", "committee", "composer", "exam", "examine", "judge", "knobs", "settling", "surprise", "poses"}


def layer(module: str) -> int:
    """Raises ValueError for a module that has no place in the layers."""
    match module.split("."):
        case ["core", "numerics", name]:
            return NUMERICS.get(name, 2)
        case ["core", room, _] if room in ROOMS:
            return ROOMS[room]
        case ["core", "generator", place, *_] if place in GENERATOR:
            return GENERATOR[place]
        case ["core", room, _, *_] if room in PARTS:
            return CHAPTER
        case ["core", "figures", _]:
            return FIGURE
        case ["core", name] if name in TOP:
            return TOP_FLOOR
        case ["core", "cli"]:
            return DISPATCHER
        case ["core", "commands", _]:
            return COMMAND
    raise ValueError(f"{module} belongs to no layer; see the table in this file")


def room(module: str) -> str:
    """The folder a module stands in; on one floor only modules of one room may import each other."""
    return module.rsplit(".", 1)[0]


def imports(source: str, module: str, known: set[str]) -> set[str]:
    """Full names of what `source` imports; `from core.numerics import torus` names the module, not the package."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*module.split(".")[: -node.level], *([base] if base else [])])
            found.update(full if (full := f"{base}.{alias.name}") in known else base for alias in node.names)
    return found


def violations(sources: dict[str, str]) -> list[str]:
    """sources: module name -> source text. One sentence for each arrow that must not be."""
    graph = {module: imports(text, module, set(sources)) for module, text in sources.items()}
    bad = []
    for module, targets in graph.items():
        for target in sorted(targets):
            if target.split(".")[0] in ("streamlit", "pages", "app"):
                bad.append(f"{module} imports {target}: core knows nothing of the pages")
            elif target not in graph:
                continue
            elif layer(target) > layer(module):
                bad.append(f"{module} imports {target}: upward")
            elif layer(module) == layer(target) and room(module) != room(target):
                bad.append(f"{module} imports {target}: from one room into another on the same floor")
            elif module in CHAPTER_MODULES and target in CHAPTER_MODULES:
                bad.append(f"{module} imports {target}: chapters do not import each other")
    return bad + [f"{' -> '.join(loop)}: a circle" for loop in cycles(graph)]


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """One path for each import that closes a circle."""
    done, loops = set(), []

    def visit(module, path):
        if module in path:
            loops.append([*path[path.index(module) :], module])
        elif module in graph and module not in done:
            for target in sorted(graph[module]):
                visit(target, [*path, module])
            done.add(module)

    for module in graph:
        visit(module, [])
    return loops


def core_sources() -> dict[str, str]:
    files = [path for path in sorted((ROOT / "core").rglob("*.py")) if path.name != "__init__.py"]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text() for path in files}


def test_imports_of_core_point_downward():
    sources = core_sources()
    assert len(sources) > 10
    assert violations(sources) == []


def test_packages_of_core_are_empty_of_imports():
    """A package that imports its modules would make every import of one an import of all."""
    for path in (ROOT / "core").rglob("__init__.py"):
        assert not any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in ast.walk(ast.parse(path.read_text()))), path


def test_every_module_has_a_layer():
    assert {layer(module) for module in core_sources()} <= set(range(DISPATCHER + 1))


def test_no_room_of_the_generator_is_crowded():
    for folder in {path.parent for path in (ROOT / "core" / "generator").rglob("*.py")}:
        assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 12, folder


def definitions(source: str) -> set[str]:
    """Names of the functions and classes that a source defines, methods included."""
    nodes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, nodes)}


def test_definitions_have_names_of_the_field():
    """What is called a reranker, a selector, an ensemble, a composition model elsewhere is called so here (CONTRIBUTING.md)."""
    for module, source in core_sources().items():
        names = {module.rsplit(".", 1)[1], *definitions(source)}
        assert not {name for name in names if PRIVATE_NAMES & set(name.lower().split("_"))}, module


@pytest.mark.parametrize(
    "module, line, reason",
    [
        ("core.numerics.torus", "import streamlit as st", "nothing of the pages"),
        ("core.figures.theme", "def f():\n    from streamlit import session_state", "nothing of the pages"),
        ("core.jobs", "from pages.kit import page", "nothing of the pages"),
        ("core.numerics.schedules", "from core.numerics import torus", "upward"),
        ("core.numerics.torus", "from core.numerics.sde import SDE", "upward"),
        ("core.numerics.sde", "from core.physics.brownian import sample", "upward"),
        ("core.physics.brownian", "def late():\n    import core.figures.theme", "upward"),
        ("core.physics.brownian", "from ..figures import theme", "upward"),
        ("core.physics.brownian", "from core.learning import reverse_process", "one room into another"),
        ("core.figures.theme", "from core.home import chain", "upward"),
        ("core.numerics.sde", "from core.numerics.integrators import step", "circle"),
    ],
)
def test_a_forbidden_arrow_is_caught(module, line, reason):
    sources = dict.fromkeys(
        [
            "core.numerics.torus",
            "core.numerics.schedules",
            "core.numerics.sde",
            "core.physics.brownian",
            "core.learning.reverse_process",
            "core.figures.theme",
            "core.jobs",
            "core.home",
        ],
        "",
    )
    sources["core.numerics.integrators"] = "from core.numerics.sde import SDE"
    assert violations(sources) == []
    (found,) = violations(sources | {module: line})
    assert reason in found and found.startswith(module) or reason == "circle" == found.split()[-1]


def test_chapters_of_one_part_do_not_import_each_other(monkeypatch):
    pair = {"core.physics.brownian": "", "core.physics.langevin": "from core.physics.brownian import sample"}
    monkeypatch.setitem(globals(), "CHAPTER_MODULES", set(pair))
    assert [line.split(": ")[1] for line in violations(pair)] == ["chapters do not import each other"]


def test_a_module_without_a_layer_is_named():
    with pytest.raises(ValueError, match="core.misc"):
        layer("core.misc")
