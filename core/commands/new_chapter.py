"""Write the files of a new chapter: a small true one that opens, passes its tests and waits to be replaced."""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import contract
from core.chapters import SIDE_PAGES, Chapter
from core.commands.arguments import CommandError, parser

DESCRIPTION = """Write the files of a new chapter: a small true one that opens, passes its tests and waits to be replaced.

Run it inside a checkout. The chapter is put at the end of its part, or after the one that is named; all numbers follow. Nothing is
overwritten, and nothing is written when something is wrong."""
EXAMPLE = """
n2c new-chapter ornstein_uhlenbeck --part physics --title "The Ornstein–Uhlenbeck process" --after langevin
"""
TEMPLATES = "assets/templates/chapter"
REGISTRY = "core/chapters.py"
SYMBOLS = "glossary.toml.template"  # entries for the end of the glossary
README = "README.md"
MAX_SLUG, MAX_TITLE, MAX_QUESTION = 30, 60, 110  # letters; longer ones break the lines of the templates
QUESTION = "Which question does this chapter answer?"
ICON = "science"
ROW = "TEMPLATE: what a reader moves | the exact answer beside it |"


@dataclass(frozen=True)
class Registry:
    """What core/chapters.py of a checkout says. ends: line on which the entry of each chapter ends, counted from 1."""

    parts: dict[str, str]
    chapters: tuple[Chapter, ...]
    ends: tuple[int, ...]


def find_checkout(here: Path) -> Path:
    """The folder of app.py, `here` or above it. Raises CommandError."""
    for folder in (here, *here.parents):
        if all((folder / name).exists() for name in ("app.py", REGISTRY, TEMPLATES)):
            return folder
    raise CommandError(
        f"{here} is not inside a checkout of From Noise to Crystals: change to the folder that has app.py, core/ and assets/ in it"
    )


def read_registry(source: str) -> Registry:
    """From the text of core/chapters.py. Raises CommandError when PARTS or CHAPTERS is not written there as plain values."""
    given = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            given[node.targets[0].id] = node.value
    try:
        parts, calls = ast.literal_eval(given["PARTS"]), _calls(given["CHAPTERS"])
        chapters = tuple(Chapter(*(ast.literal_eval(argument) for argument in call.args)) for call in calls)
        return Registry(parts, chapters, tuple(call.end_lineno or call.lineno for call in calls))
    except (KeyError, TypeError, ValueError) as error:
        raise CommandError(f"{REGISTRY} cannot be read ({error}): PARTS and CHAPTERS must be plain values there") from None


def _calls(node: ast.expr) -> list[ast.Call]:
    """The entries of a list or tuple of calls; TypeError where it is none."""
    entries = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    calls = [entry for entry in entries if isinstance(entry, ast.Call)]
    if len(calls) < len(entries):
        raise TypeError("not every entry is a Chapter(...)")
    return calls


def place_of(chapter: Chapter, registry: Registry, after: str | None) -> int:
    """Where in the registry the chapter belongs: behind `after`, or at the end of its part. Raises CommandError."""
    slugs = [other.slug for other in registry.chapters]
    if after is None:
        return max((i for i, other in enumerate(registry.chapters, start=1) if other.part == chapter.part), default=len(slugs))
    if after not in slugs:
        raise CommandError(f"--after {after}: there is no chapter '{after}'; there are {', '.join(slugs)}")
    other = registry.chapters[slugs.index(after)]
    if other.part != chapter.part:
        raise CommandError(f"--after {after}: that chapter is in the part '{other.part}', not in '{chapter.part}'")
    return slugs.index(after) + 1


def with_entry(source: str, chapter: Chapter, registry: Registry, place: int) -> str:
    """core/chapters.py with the chapter at `place` (from 0; not before the first)."""
    lines = source.splitlines(keepends=True)
    fields = (chapter.part, chapter.slug, chapter.title, chapter.question, chapter.icon)
    entry = ["    Chapter(\n", *(f'        "{field}",\n' for field in fields), "    ),\n"]
    end = registry.ends[place - 1]
    return "".join([*lines[:end], *entry, *lines[end:]])


def with_row(readme: str, chapter: Chapter, chapters: Sequence[Chapter]) -> str:
    """README with a row for the chapter, the rows of its table numbered as in `chapters`; unchanged where it has no such table."""
    table = re.search(r"(?<=^\| chapter \|)(.*\n\|[-|]+\n)((?:\| \d+ .*\n)+)", readme, flags=re.MULTILINE)
    if table is None:
        return readme
    rows = dict(re.findall(r"^\| \d+ (.+?) \| (.+)", table[2], flags=re.MULTILINE)) | {chapter.title: ROW}
    numbered = [f"| {i} {other.title} | {rows[other.title]}\n" for i, other in enumerate(chapters, start=1) if other.title in rows]
    return readme[: table.start(2)] + "".join(numbered) + readme[table.end(2) :]


def rendered(template: str, chapter: Chapter) -> str:
    """A template with its @names@ filled in and the imports of `core` in order: where a part comes in the alphabet changes it."""
    for name in ("slug", "part", "title", "question"):
        template = template.replace(f"@{name}@", getattr(chapter, name))
    return re.sub(r"(?:^from core\..*\n)+", lambda block: "".join(sorted(block[0].splitlines(keepends=True))), template, flags=re.MULTILINE)


def check(chapter: Chapter, registry: Registry, templates: dict[str, str]) -> None:
    """Raises CommandError, saying what is wrong with the slug or the words."""
    slug = chapter.slug
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", slug) or keyword.iskeyword(slug):
        raise CommandError(
            f"'{slug}' is no slug: it names files and an address, such as ornstein_uhlenbeck: small letters, digits, single underscores"
        )
    if len(slug) > MAX_SLUG:
        raise CommandError(f"'{slug}' has {len(slug)} letters; a slug has at most {MAX_SLUG}")
    if slug in {chapter.slug for chapter in registry.chapters} | {page.slug for page in SIDE_PAGES}:
        raise CommandError(f"there is a page '{slug}' already")
    python = "\n".join(text for path, text in templates.items() if path.endswith(".py")).replace("@slug@", "_").replace("@part@", "_")
    used = {token.string for token in tokenize.generate_tokens(io.StringIO(python).readline) if token.type == tokenize.NAME}
    if slug in used:
        raise CommandError(f"'{slug}' is a name that the files of a chapter use themselves: choose a longer one")
    for name, text, longest in (("title", chapter.title, MAX_TITLE), ("question", chapter.question, MAX_QUESTION)):
        if not text.strip() or len(text) > longest or not text.isprintable() or any(sign in text for sign in '"\\@|[]`'):
            raise CommandError(f'the {name} must be one line of 1 to {longest} letters without the signs " \\ @ | [ ] `, not {text!r}')
    if chapter.title in {other.title for other in registry.chapters}:
        raise CommandError(f"there is a chapter “{chapter.title}” already")
    if not re.fullmatch(r"[a-z0-9_]+", chapter.icon):
        raise CommandError(f"'{chapter.icon}' is no icon: give the name of a Material symbol, such as {ICON} (fonts.google.com/icons)")


def make(chapter: Chapter, root: Path, after: str | None = None) -> dict[str, str]:
    """Path -> text of everything that changes: the new files, the registry, README. Raises CommandError; writes nothing."""
    source = (root / REGISTRY).read_text(encoding="utf-8")
    registry = read_registry(source)
    names = ("core.py", "figures.py", "page.py", "text.md", "test_core.py", "test_page.py")
    paths = dict(zip(contract.files(chapter), names, strict=True))
    templates = {path: (root / TEMPLATES / f"{name}.template").read_text(encoding="utf-8") for path, name in paths.items()}
    check(chapter, registry, templates)
    for path in paths:
        if (root / path).exists():
            raise CommandError(f"{path} is there already, and nothing is overwritten: choose another slug")
    place = place_of(chapter, registry, after)
    chapters = (*registry.chapters[:place], chapter, *registry.chapters[place:])
    changes = {path: rendered(template, chapter) for path, template in templates.items()}
    changes[REGISTRY] = with_entry(source, chapter, registry, place)
    entries = (root / TEMPLATES / SYMBOLS).read_text(encoding="utf-8")
    changes[contract.GLOSSARY] = (root / contract.GLOSSARY).read_text(encoding="utf-8") + rendered(entries, chapter)
    if (root / README).exists():
        changes[README] = with_row((root / README).read_text(encoding="utf-8"), chapter, chapters)
    return changes


def write(changes: dict[str, str], root: Path) -> None:
    """All of it or nothing. Raises CommandError."""
    before: dict[Path, bytes | None] = {}
    try:
        for path, text in ((root / name, text) for name, text in changes.items()):
            path.parent.mkdir(parents=True, exist_ok=True)
            before[path] = path.read_bytes() if path.exists() else None
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        for path, content in before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        raise CommandError(f"{error.filename} cannot be written ({error.strerror}); nothing was changed") from None


def main(arguments: list[str] | None = None) -> int:
    """Write a chapter into the checkout around the working directory. Raises CommandError."""
    options = parser("new-chapter", DESCRIPTION, EXAMPLE)
    options.add_argument("slug", help="name of its files and its address, such as ornstein_uhlenbeck")
    options.add_argument("--part", required=True, help="foundations, physics, learning or crystals")
    options.add_argument("--title", help="default: the slug in words")
    options.add_argument("--question", default=QUESTION, help="the one question on top of the page")
    options.add_argument("--icon", default=ICON, help="a Material symbol for the side bar (fonts.google.com/icons)")
    options.add_argument("--after", metavar="SLUG", help="the chapter before it (default: the last of the part)")
    given = options.parse_args(arguments)
    root = find_checkout(Path.cwd())
    parts = read_registry((root / REGISTRY).read_text(encoding="utf-8")).parts
    if given.part not in parts:
        raise CommandError(f"there is no part '{given.part}'; there are {', '.join(parts)}")
    title = given.title or given.slug.replace("_", " ").capitalize()
    chapter = Chapter(given.part, given.slug, title, given.question, given.icon)
    changes = make(chapter, root, given.after)
    write(changes, root)
    print(report(chapter, changes, root))
    return 0


def report(chapter: Chapter, changes: dict[str, str], root: Path) -> str:
    """What was written, and what to do next."""
    holds = contract.files(chapter) | {
        REGISTRY: "its entry; the order there gives all numbers",
        README: "its row in the table of chapters",
        contract.GLOSSARY: "what the symbols of its equation mean",
    }
    width = max(map(len, changes))
    chapters = read_registry(changes[REGISTRY]).chapters
    lines = [
        f"Chapter {chapters.index(chapter) + 1}, “{chapter.title}”: a small true one, to be replaced piece by piece.",
        *(f"  {path:{width}}  {holds[path]}" for path in changes),
        f"Look at it:     make run, then http://localhost:8501/{chapter.slug}",
        "Make it yours:  replace what these files mark with TEMPLATE",
        f"Check it:       python -m pytest tests/core/test_contract.py tests/core/{chapter.part}/test_{chapter.slug}.py",
        f"                python -m pytest tests/pages -k {chapter.slug}",
    ]
    return "\n".join([*lines, *contract.problems(chapter, root, chapters)])
