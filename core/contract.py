"""The contract of a chapter: what every chapter has, so that its page opens, teaches and can be checked like its neighbours.

`problems` reads the files of one chapter (Markdown, and Python by its syntax tree) and says in sentences what is missing. Nothing is
imported and nothing is run: what a page *does* is tested by tests/pages.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from core import chapters, export, texts
from core.chapters import Chapter

ROOT = Path(__file__).resolve().parents[1]

SECTIONS = {  # section of a text -> what stands there
    "Lead": "two or three sentences under the title",
    "Equation": "LaTeX with ${name} where the page puts the values in force",
    "What to look at": "what a reader should find on the stage and in the figures",
    "In the lecture": "the slide, its analogy and the sources",
    "Reproduce": "Python that draws the figure from `params`",
}
MAIN = ("sample", "solve", "fit")
PAGE_LINES = 260


def files(chapter: Chapter) -> dict[str, str]:
    """Path (relative to the folder of app.py) -> what it holds, of every file that belongs to a chapter."""
    part, slug = chapter.part, chapter.slug
    return {
        f"core/{part}/{slug}.py": "the science: a sampler with its closed forms",
        f"core/figures/{slug}.py": "its figures",
        chapter.page: "the page",
        f"assets/chapters/{part}/{slug}.md": "the text",
        f"tests/core/{part}/test_{slug}.py": "the science against closed forms",
        f"tests/pages/directions/test_{slug}.py": "when a control moves, the numbers on the page move the right way",
    }


def problems(chapter: Chapter, root: Path = ROOT, registry: Sequence[Chapter] | None = None) -> list[str]:
    """What this chapter still lacks, one sentence each; nothing when it keeps the contract.

    root: folder of app.py. registry: the chapters that texts may speak of, this one among them (default: CHAPTERS).
    """
    registry = chapters.CHAPTERS if registry is None else registry
    found = _place(chapter, registry)
    for path, holds in files(chapter).items():
        if not (root / path).is_file():
            found.append(f"{path} does not exist: {holds}.")
            continue
        words = (root / path).read_text(encoding="utf-8")
        found += [
            f"{path}, line {line}, types “{typed}”, a number that changes when a chapter is put in: write [[slug]] in a text, "
            "the title or the slug elsewhere."
            for line, typed in texts.typed_numbers(words)
        ]
        if path.endswith(".md"):
            found += [f"{path} {problem}" for problem in _text(words, registry)]
            continue
        try:
            tree = ast.parse(words)
        except SyntaxError as error:
            found.append(f"{path}, line {error.lineno}, is not Python: {error.msg}.")
            continue
        if path == chapter.page:
            found += [f"{path} {problem}" for problem in _page(tree, words, chapter)]
        elif path.startswith("core/") and "figures" not in path:
            found += [f"{path} {problem}" for problem in _science(tree)]
        elif path.startswith("tests/") and not any(
            isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in tree.body
        ):
            found.append(f"{path} holds no test: write a function that is called test_….")
    return found


def _place(chapter: Chapter, registry: Sequence[Chapter]) -> list[str]:
    """Its entry in the registry."""
    found = []
    if sum(other.slug == chapter.slug for other in registry) > 1:
        found.append(f"core/chapters.py has more than one chapter with the slug '{chapter.slug}': it is an address, and must be its own.")
    if any(page.slug == chapter.slug for page in chapters.SIDE_PAGES):
        found.append(f"core/chapters.py has a page beside the chapters with the slug '{chapter.slug}': a chapter cannot have the same.")
    places = [i for i, other in enumerate(registry) if other.part == chapter.part]
    if places and places[-1] - places[0] >= len(places):
        found.append(f"core/chapters.py has other chapters between those of the part '{chapter.part}': they must stand together.")
    return found


def _text(words: str, registry: Sequence[Chapter]) -> Iterator[str]:
    sections = texts.sections(words)
    for heading, holds in SECTIONS.items():
        if heading not in sections:
            yield f"has no section '{heading}': write a line '## {heading}', and under it {holds}."
        elif not sections[heading]:
            yield f"has nothing under '## {heading}': {holds} belong there."
    for slug, _ in texts.references(words):
        if all(slug != chapter.slug for chapter in registry):
            yield f"refers to '{slug}', and no chapter in core/chapters.py has that slug."
    if sections.get("Reproduce"):
        yield from (f"has a recipe (under '## Reproduce') {problem}" for problem in _recipe(sections["Reproduce"]))


def _recipe(words: str) -> Iterator[str]:
    try:
        code = "\n".join(text for kind, text in export.cells(words) if kind == "code")
        tree = ast.parse(code)
    except ValueError:
        yield "without code: write it between ```python and ```."
    except SyntaxError as error:
        yield f"that is not Python: {error.msg} in “{(error.text or '').strip()}”."
    else:
        if "figure" not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}:
            yield "that never assigns `figure`: the downloads show what has that name."
        if not any(isinstance(node, ast.Name) and node.id == "params" for node in ast.walk(tree)):
            yield "that never reads `params`: the settings of the page would be lost."


def _science(tree: ast.Module) -> Iterator[str]:
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if not names & set(MAIN):
        yield "has no public function `sample` (or `solve`, or `fit`): it makes what the stage shows."
    if "truth" not in names:
        yield "has no public function `truth`: the distance to the exact answer beside what an exact sample of the same size would score."


def _page(tree: ast.Module, words: str, chapter: Chapter) -> Iterator[str]:
    lines = len(words.splitlines())
    if lines > PAGE_LINES:
        yield f"has {lines} lines, more than {PAGE_LINES}: move science to core/, figures to core/figures/, what pages share to pages/kit/."
    for name, purpose in (("chapter", "opens the page"), ("predict", "asks for a prediction")):
        called = list(_calls(tree, "kit", name))
        if not called:
            yield f"never calls kit.{name}('{chapter.slug}', …), which {purpose}."
        for call in called:
            given = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
            if given != chapter.slug:
                yield f"line {call.lineno}: kit.{name} is given {given!r} and must be given '{chapter.slug}', the slug of this chapter."
    for name, purpose in (
        ("exports", "says which arguments of the core function the downloads use"),
        ("scenes", "draws the scenes"),
        ("footer", "ends the page with downloads and the way on"),
    ):
        if not list(_calls(tree, "page", name)):
            yield f"never calls page.{name}(…), which {purpose}."
    scenes = list(_calls(tree, "kit", "Scene"))
    if not any(keyword.arg == "breaks" and _is(keyword.value, True) for scene in scenes for keyword in scene.keywords):
        yield "has no scene that breaks the method on purpose: give one kit.Scene(…) the argument breaks=True."
    for call in _calls(tree, "kit", "predict"):
        yield from _prediction(call, tree)


def _prediction(call: ast.Call, tree: ast.Module) -> Iterator[str]:
    """The options and the right one among them, where the script says them outright."""
    if len(call.args) != 4:
        yield f"line {call.lineno}: kit.predict takes the slug, the question, the options and the function that grades."
        return
    options, grade = call.args[2:]
    n_options = len(options.elts) if isinstance(options, ast.List | ast.Tuple) else None
    if n_options is not None and n_options < 2:
        yield f"line {call.lineno}: a prediction needs at least two options, not {n_options}."
    if isinstance(grade, ast.Name) and (function := _function(tree, grade.id)):
        for returned in (node for node in ast.walk(function) if isinstance(node, ast.Return)):
            pair = returned.value
            if pair is None or isinstance(pair, ast.Constant) or isinstance(pair, ast.Tuple) and len(pair.elts) != 2:
                yield f"line {returned.lineno}: `{grade.id}` must return two things: the index of the right option, and what was measured."
            elif isinstance(pair, ast.Tuple) and n_options is not None:
                for index in _indices(pair.elts[0], function):
                    if not 0 <= index < n_options:
                        yield f"line {returned.lineno}: `{grade.id}` answers {index}, and the {n_options} options are 0 to {n_options - 1}."


def _indices(value: ast.expr, function: ast.FunctionDef) -> set[int]:
    """The whole numbers that an expression can be, as far as they are written down."""
    match value:
        case ast.Constant(value=int(number)):
            return {number}
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return {-number}
        case ast.IfExp():
            return _indices(value.body, function) | _indices(value.orelse, function)
        case ast.Name():
            given = [
                node.value
                for node in ast.walk(function)
                if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == value.id for target in node.targets)
            ]
            return set().union(*(_indices(expression, function) for expression in given if not isinstance(expression, ast.Name)))
    return set()


def _function(tree: ast.Module, name: str) -> ast.FunctionDef | None:
    return next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name), None)


def _calls(tree: ast.Module, owner: str, name: str) -> Iterator[ast.Call]:
    """Every call of `owner.name(...)`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=found), attr=attribute)) if (found, attribute) == (owner, name):
                yield node


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
