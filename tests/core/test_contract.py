"""Every chapter keeps the contract, and whoever breaks it is told in words what is missing and where."""

import re
from pathlib import Path

import pytest

from core import contract
from core.chapters import CHAPTERS, Chapter
from core.commands import new_chapter

ROOT = Path(__file__).resolve().parents[2]
PROBE = Chapter("crystals", "probe", "A probe", "What is missing?", "science")
REGISTRY = (*CHAPTERS, PROBE)
CORE, FIGURES, PAGE, TEXT, TEST, DIRECTION = contract.files(PROBE)
SECTION = r"## {0}\n.*?(?=^## |\Z)"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.slug)
def test_chapter_keeps_the_contract(chapter):
    assert contract.problems(chapter) == []


@pytest.fixture
def root(tmp_path):
    """A folder with a whole chapter in it."""
    changes = new_chapter.make(PROBE, ROOT)
    new_chapter.write({path: changes[path] for path in (*contract.files(PROBE), contract.GLOSSARY)}, tmp_path)
    return tmp_path


def test_a_whole_chapter_has_no_problems(root):
    assert contract.problems(PROBE, root, REGISTRY) == []


@pytest.mark.parametrize("path", contract.files(PROBE))
def test_a_missing_file_is_named(path, root):
    (root / path).unlink()
    assert contract.problems(PROBE, root, REGISTRY) == [f"{path} does not exist: {contract.files(PROBE)[path]}."]


FAULTS = {
    "no reproduce": (TEXT, SECTION.format("Reproduce"), "", "has no section 'Reproduce': write a line '## Reproduce'"),
    "no lead": (TEXT, SECTION.format("Lead"), "", "has no section 'Lead'"),
    "no equation": (TEXT, SECTION.format("Equation"), "", "has no section 'Equation'"),
    "no look": (TEXT, "## What to look at", "## What to see", "has no section 'What to look at'"),
    "no answer": (TEXT, SECTION.format("In short"), "", "has no section 'In short': write a line '## In short'"),
    "one sentence": (
        TEXT,
        r"\$\\sqrt\{kT/k\}\$\. The",
        "is $w$, and the",
        "has under '## In short' not one paragraph of two sentences, but 1",
    ),
    "three sentences": (
        TEXT,
        "equally strong and",
        "equally strong. Then",
        "has under '## In short' not one paragraph of two sentences, but 3",
    ),
    "no full stop": (
        TEXT,
        r"e\^\{-kt\}\$\.\n\n## Eq",
        "e^{-kt}$\n\n## Eq",
        "has under '## In short' not one paragraph of two sentences, but 1",
    ),
    "empty slips": (TEXT, SECTION.format("Slips"), "## Slips\n\n", "has nothing under '## Slips'"),
    "empty section": (TEXT, SECTION.format("In the lecture"), "## In the lecture\n\n", "has nothing under '## In the lecture'"),
    "no code": (TEXT, "```python", "```text", "has a recipe (under '## Reproduce') without code"),
    "no figure": (TEXT, r"\nfigure = ", "\npicture = ", "never assigns `figure`"),
    "no params": (TEXT, "params", "settings", "never reads `params`"),
    "broken recipe": (TEXT, r"sample\(\*\*params\)", "sample(**params", "(under '## Reproduce') that is not Python: '(' was never closed"),
    "unknown symbol": (
        TEXT,
        r"\\frac\{kT\}\{k\}",
        r"\frac{kT}{\zeta}",
        r"has the symbol \zeta under '## Equation', and nothing says what it means",
    ),
    "no form": (TEXT, r"\\frac\{kT\}\{k\}", "${ratio}", "${ratio} has no form"),
    "form of nothing": (TEXT, "## What to look at", "## Forms\n\nratio | a | 1\n\n## What to look at", "forms of 'ratio'"),
    "no such term": (PAGE, 'term="k"', 'term="q"', "a control changes 'q', which is neither a symbol"),
    "value of nothing": (PAGE, '"k": number', '"q": number', "a value is given for 'q', which is not made of symbols"),
    "unknown chapter": (TEXT, "## Equation", "See [[nowhere]].\n\n## Equation", "refers to 'nowhere', and no chapter"),
    "unknown link": (TEXT, "## Equation", "See [it](nowhere?a=1).\n\n## Equation", "refers to 'nowhere', and no chapter"),
    "typed number": (TEXT, "## Equation", "See chapter " + "7.\n\n## Equation", "types “chapter " + "7”"),
    "no sample": (CORE, r"def sample\(", "def draw(", "has no public function `sample` (or `solve`, or `fit`)"),
    "no truth": (CORE, r"def truth\(", "def lies(", "has no public function `truth`"),
    "not Python": (CORE, r"def truth\(", "def truth(]", "is not Python"),
    "no scene that breaks": (PAGE, "breaks=True", "breaks=False", "has no scene that breaks the method on purpose"),
    "no prediction": (PAGE, r"kit\.predict\(.*?\n\)\n", "", "never calls kit.predict('probe', …)"),
    "prediction of another": (
        PAGE,
        r'predict\(\n    "probe"',
        'predict(\n    "brownian"',
        "kit.predict is given 'brownian' and must be given 'probe'",
    ),
    "page of another": (PAGE, r'kit\.chapter\(\n    "probe"', 'kit.chapter(\n    "brownian"', "kit.chapter is given 'brownian'"),
    "one option": (PAGE, r'\["as wide as before", .*\]', '["as wide as before"]', "at least two options, not 1"),
    "no such option": (PAGE, "return right, ", "return 3, ", "`grade` answers 3, and the 3 options are 0 to 2"),
    "no such option later": (PAGE, r"right = .*", "right = 0 if stiff > soft else 5", "`grade` answers 5"),
    "grade says nothing": (PAGE, r"return right, .*", "return right, 0, 1", "must return two things"),
    "no exports": (PAGE, r" *page\.exports\(params\)\n", "", "never calls page.exports(…)"),
    "no stage": (PAGE, r"page\.stage\(.*\n", "", "never calls page.stage(…)"),
    "no footer": (PAGE, r"page\.footer\(.*\n", "", "never calls page.footer(…)"),
    "long page": (PAGE, r"\Z", "# more\n" * 240, "lines, more than 300"),
    "no test": (TEST, "def test_", "def check_", "holds no test"),
    "no test of the page": (DIRECTION, "def test_", "def check_", "holds no test"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_where_it_is(name, root):
    path, pattern, replacement, words = FAULTS[name]
    whole = (root / path).read_text()
    broken = re.sub(pattern, replacement.replace("\\", r"\\"), whole, flags=re.MULTILINE | re.DOTALL if ".*?" in pattern else re.MULTILINE)
    assert broken != whole
    (root / path).write_text(broken)
    found = contract.problems(PROBE, root, REGISTRY)
    assert found and all(problem.startswith(path) for problem in found)
    assert any(words in problem for problem in found), found


def test_the_place_in_the_registry(root):
    twin = Chapter("crystals", "probe", "Another", "Who else?", "science")
    (found,) = contract.problems(PROBE, root, (*CHAPTERS, twin, PROBE))
    assert "more than one chapter with the slug 'probe'" in found
    (found,) = contract.problems(PROBE, root, (PROBE, *CHAPTERS))
    assert "other chapters between those of the part 'crystals'" in found
    home = Chapter("crystals", "home", "Home", "Whose?", "science")
    assert "a page beside the chapters with the slug 'home'" in contract.problems(home, root, (*CHAPTERS, home))[0]


def test_a_text_may_speak_of_the_pages_beside_the_chapters_and_of_no_others(root):
    words = (root / TEXT).read_text()
    (root / TEXT).write_text(words.replace("## What to look at\n", "## What to look at\n\nAll of them: [[symbols]].\n"))
    assert contract.problems(PROBE, root, REGISTRY) == []


def test_a_symbol_explained_and_used_nowhere_is_named(root):
    path = root / contract.GLOSSARY
    path.write_text(path.read_text() + '\n[[symbol]]\nlatex = "y"\nname = "n"\nmeaning = "m"\nunit = "u"\nchapters = ["probe"]\n')
    (found,) = contract.problems(PROBE, root, REGISTRY)
    assert found == f"{contract.GLOSSARY} explains y for 'probe', and none of the equations of {TEXT} has it: take 'probe' out there."
    path.unlink()
    assert f"{contract.GLOSSARY} does not exist" in contract.problems(PROBE, root, REGISTRY)[0]
