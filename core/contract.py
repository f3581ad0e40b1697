"""The contract of a chapter: what every chapter has, so that its page opens, teaches and can be checked like its neighbours.

`problems` reads the files of one chapter (Markdown, and Python by its syntax tree) and says in sentences what is missing. Nothing is
imported and nothing is run: what a page *does* is tested by tests/pages.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core import chapters, equations, export, glossary, texts
from core.chapters import Chapter

ROOT = Path(__file__).resolve().parents[1]

SECTIONS = {  # section of a text -> what stands there
    "Lead": "two or three sentences under the title",
    "In short": "the answer to the question in the chapter's title, in two sentences",
    "Equation": "LaTeX in symbols, with ${place} where the form depends on a choice (the page says the values beneath)",
    "What to look at": "what a reader should find on the stage and in the figures",
    "In the lecture": "the slide, its analogy and the sources",
    "Reproduce": "Python that draws the figure from `params`",
}
OPTIONAL = {"Slips": "what the slide gets wrong or leaves out; not on the page"}
_SENTENCE_END = re.compile(r"[.!?][”’*_)]*(?=\s|$)")
GLOSSARY = "assets/glossary.toml"
MAIN = ("sample", "solve", "fit")
PAGE_LINES = 300


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
            found += _equations(path, texts.sections(words), chapter.slug, root)
            continue
        try:
            tree = ast.parse(words)
        except SyntaxError as error:
            found.append(f"{path}, line {error.lineno}, is not Python: {error.msg}.")
            continue
        if path == chapter.page:
            found += [f"{path} {problem}" for problem in _page(tree, words, chapter)]
            found += [f"{path} {problem}" for problem in _terms(tree, chapter, root)]
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
    for heading, holds in (SECTIONS | OPTIONAL).items():
        if heading not in sections:
            if heading in SECTIONS:
                yield f"has no section '{heading}': write a line '## {heading}', and under it {holds}."
        elif not sections[heading]:
            yield f"has nothing under '## {heading}': {holds} belong there."
    if answer := sections.get("In short"):
        ends = [match.end() for match in _SENTENCE_END.finditer(answer)]
        if len(ends) != 2 or ends[-1] != len(answer) or "\n\n" in answer:
            yield f"has under '## In short' not one paragraph of two sentences, but {len(ends)} of them that end."
    known = {chapter.slug for chapter in registry} | {page.slug for page in chapters.SIDE_PAGES}
    for slug, _ in texts.references(words):
        if slug not in known:
            yield f"refers to '{slug}', and no chapter in core/chapters.py has that slug."
    if sections.get("Reproduce"):
        yield from (f"has a recipe (under '## Reproduce') {problem}" for problem in _recipe(sections["Reproduce"]))


def _symbols(root: Path, slug: str) -> list[str]:
    """LaTeX of the symbols that the glossary gives to a chapter. Raises ValueError, FileNotFoundError."""
    return list(glossary.of(slug, glossary.load(root / GLOSSARY)))


def _equations(path: str, sections: Mapping[str, str], slug: str, root: Path) -> Iterator[str]:
    """What its equations hold that nobody explains, and what is explained and nowhere in them."""
    try:
        known = _symbols(root, slug)
        written = {heading: equations.read(sections, heading) for heading in equations.headings(sections)}
    except FileNotFoundError:
        yield f"{GLOSSARY} does not exist: what every symbol of the equations means."
        return
    except ValueError as error:
        yield f"{path} or {GLOSSARY} cannot be read: {error}."
        return
    for heading, equation in written.items():
        for symbol in equation.unknown(known):
            yield (
                f"{path} has the symbol {symbol} under '## {heading}', and nothing says what it means: write an entry for it in "
                f"{GLOSSARY}, or add '{slug}' to the chapters of the entry that means the same."
            )
    used = {symbol for equation in written.values() for symbol in equation.symbols(known)}
    for symbol in known:
        if written and symbol not in used:
            yield f"{GLOSSARY} explains {symbol} for '{slug}', and none of the equations of {path} has it: take '{slug}' out there."
    for place in equations.forms(sections):
        if all(place not in equation.forms for equation in written.values()):
            yield f"{path} has forms of '{place}' under '## Forms', and no equation has the place ${{{place}}}."


def _terms(tree: ast.Module, chapter: Chapter, root: Path) -> Iterator[str]:
    """What its controls say they change in the equation, and what its values are bound to, where it is written down."""
    text = root / "assets" / "chapters" / chapter.part / f"{chapter.slug}.md"
    if not (text.is_file() and (root / GLOSSARY).is_file()):
        return
    try:
        known, places = _symbols(root, chapter.slug), equations.forms(texts.sections(text.read_text(encoding="utf-8")))
    except ValueError:
        return  # said where the text is read
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        for keyword in call.keywords:
            for term in _strings(keyword.value) if keyword.arg == "term" else ():
                if term not in places and (not equations.symbols(term, known) or equations.unknown(term, known)):
                    yield f"line {call.lineno}: a control changes '{term}', which is neither a symbol of the equation nor a place in it."
    values = _function(tree, "equation")
    if values is not None:
        for node in ast.walk(values):
            for name in filter(None, node.keys) if isinstance(node, ast.Dict) else [node.key] if isinstance(node, ast.DictComp) else ():
                for latex in _strings(name):
                    if latex not in places and (not equations.symbols(latex, known) or equations.unknown(latex, known)):
                        yield f"line {name.lineno}: a value is given for '{latex}', which is not made of symbols of the equation."


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
        ("stage", "draws equation, stage, controls, scenes and meter"),
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


def _strings(node: ast.expr) -> list[str]:
    """The text of a literal, or of each in a tuple; what an f-string fills in is read as 0."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(str(part.value) if isinstance(part, ast.Constant) else "0" for part in parts)]
        case ast.Tuple(elts=elements):
            return [text for element in elements for text in _strings(element)]
    return []


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
