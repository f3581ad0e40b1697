r"""Equations of the chapters: LaTeX lines that a text writes once, the forms that a setting chooses among, and the symbols in them.

A text writes its equations under headings that begin with `Equation`, a blank line between two of them. Where the setting changes
the *form* of an equation, a place `${name}` stands there, and under `## Forms` one line says what each choice puts in:

    noise | reverse SDE | +\,g(t)\,\mathrm{d}\bar B
    noise | ODE Heun | \quad\text{(no noise)}

Numbers never enter a line: they are said beneath it, each bound to its symbol (pages.kit.equation). Which symbols a line holds is
read from its LaTeX: `symbols` finds the longest that is known at each place, `unknown` what is left and is no punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from string import Template

MOVED = "orangered"  # a name, which the style sheet of the kit can find in the page: see kit.css
_TOKEN = re.compile(r"\\(?:text|mathrm|begin|end|textcolor)\{[^{}]*\}|\\[A-Za-z]+|\\.|\$\{\w+\}|[^\s]")
_SPACE = {*r"\, \; \: \! \quad \qquad ~ \allowbreak \nobreak".split(), r"\ "}
_LAYOUT = {
    *(rf"\{name}" for name in "frac tfrac sqrt binom underbrace xrightarrow left right bigl bigr Big mathbf mathcal mathbb".split()),
    *(rf"\{name}" for name in "bar tilde dot hat ln log exp min max det bmod int sum lVert rVert lvert rvert langle rangle infty".split()),
    *(rf"\{name}" for name in "le ge in to sim propto approx leadsto Rightarrow leftarrow mid times cdot cdots ldots circ pm top".split()),
    *(rf"\{sign}" for sign in "\\{}|"),
    r"\mathrm{mod}",
    r"\mathrm{d}",
}


@dataclass(frozen=True)
class Equation:
    """lines: LaTeX with places; forms: place -> choice -> LaTeX, of every place in the lines."""

    lines: tuple[str, ...]
    forms: Mapping[str, Mapping[str, str]]

    def written(self, chosen: Mapping[str, str], known: Sequence[str] = (), moved: Iterable[str] = ()) -> tuple[str, ...]:
        """The lines with the chosen forms in their places; what is in `moved` (symbols, or places) is coloured, which takes no room.

        Raises KeyError when the form of a place is not chosen or not known.
        """
        moved = set(moved)
        given = {place: self.forms[place][chosen[place]] for place in self.forms}
        given = {place: rf"\textcolor{{{MOVED}}}{{{latex}}}" if place in moved else latex for place, latex in given.items()}
        return tuple(marked(Template(line).substitute(given), known, moved) for line in self.lines)

    def everywhere(self) -> Iterator[dict[str, str]]:
        """Every combination of forms."""
        for choices in product(*self.forms.values()):
            yield dict(zip(self.forms, choices))

    def parts(self) -> list[str]:
        """All LaTeX there is: the lines with their places open, and every form."""
        return [*self.lines, *(latex for choices in self.forms.values() for latex in choices.values())]

    def symbols(self, known: Sequence[str]) -> list[str]:
        """The known symbols in all of it, each once, in the order of reading."""
        return list(dict.fromkeys(symbol for part in self.parts() for symbol in symbols(part, known)))

    def unknown(self, known: Sequence[str]) -> list[str]:
        """What is in it, means something and is not among `known`."""
        return list(dict.fromkeys(sign for part in self.parts() for sign in unknown(part, known)))


def headings(sections: Mapping[str, str]) -> list[str]:
    """The headings of a text under which equations stand."""
    return [heading for heading in sections if heading.split(" ")[0] == "Equation"]


def places(latex: str) -> list[str]:
    """Names of the open places `${name}`."""
    return re.findall(r"\$\{(\w+)\}", latex)


def forms(sections: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Place -> choice -> LaTeX, as a text lists them. Raises ValueError naming a line that is none."""
    found: dict[str, dict[str, str]] = {}
    for line in filter(None, (line.strip() for line in sections.get("Forms", "").splitlines())):
        place, choice, latex = (part.strip() for part in (line.split(" | ", 2) + ["", ""])[:3])
        if not (place and choice and latex):
            raise ValueError(f"“{line}” is not of the form `place | choice | LaTeX`")
        found.setdefault(place, {})[choice] = latex
    return found


def read(sections: Mapping[str, str], heading: str = "Equation") -> Equation:
    """The equations under a heading of a text. Raises ValueError for a place that has no form."""
    lines = tuple(filter(None, (" ".join(block.split()) for block in sections[heading].split("\n\n"))))
    given = forms(sections)
    names = list(dict.fromkeys(name for line in lines for name in places(line)))
    if missing := [name for name in names if name not in given]:
        raise ValueError(f"${{{missing[0]}}} has no form: write a line `{missing[0]} | choice | LaTeX` under '## Forms'")
    return Equation(lines, {name: given[name] for name in names})


def symbols(latex: str, known: Sequence[str]) -> list[str]:
    """The known symbols in a piece of LaTeX, each once, in the order of reading."""
    return list(dict.fromkeys(symbol for _, _, symbol in _read(latex, tuple(known)) if symbol))


def unknown(latex: str, known: Sequence[str]) -> list[str]:
    """What is neither a known symbol nor a number, a sign or a word."""
    return list(dict.fromkeys(latex[start:end] for start, end, symbol in _read(latex, tuple(known)) if symbol is None))


def marked(latex: str, known: Sequence[str], moved: Iterable[str]) -> str:
    """The LaTeX with every known symbol that is in `moved` coloured. `known` decides what is one symbol: t is not moved in x_t."""
    moved = set(moved)
    for start, end, symbol in reversed(_read(latex, tuple(known))):
        if symbol in moved:
            latex = rf"{latex[:start]}{{\textcolor{{{MOVED}}}{{{latex[start:end]}}}}}{latex[end:]}"
    return latex


def _meaning(token: str) -> bool:
    """Is it a letter, or a command that stands for something?"""
    if token.startswith(("\\text{", "\\begin", "\\end", "\\textcolor", "${")) or token in _LAYOUT:
        return False
    return token.isalpha() or token.startswith("\\")


def _tokens(latex: str) -> list[tuple[int, int, str]]:
    """(start, end, token), spaces left out."""
    found = ((match.start(), match.end(), match[0]) for match in _TOKEN.finditer(latex))
    return [token for token in found if token[2] not in _SPACE]


@lru_cache(maxsize=1024)
def _spelled(symbol: str) -> tuple[str, ...]:
    return tuple(token for _, _, token in _tokens(symbol) if token not in "{}")


@lru_cache(maxsize=1024)
def _read(latex: str, known: tuple[str, ...]) -> list[tuple[int, int, str | None]]:
    """(start, end, symbol) of each known symbol, the longest first, and of each unknown sign (None), from left to right."""
    tokens, at = _tokens(latex), 0
    found: list[tuple[int, int, str | None]] = []
    by_length = sorted(known, key=lambda symbol: -len(_spelled(symbol)))
    while at < len(tokens):
        for symbol in by_length:
            if last := _ends(tokens, at, _spelled(symbol)):
                found.append((tokens[at][0], tokens[last - 1][1], symbol))
                at = last
                break
        else:
            start, end, token = tokens[at]
            if _meaning(token):
                found.append((start, end, None))
            at += 1
    return found


def _ends(tokens: list[tuple[int, int, str]], at: int, spelled: tuple[str, ...]) -> int:
    """Index behind the last token of a symbol that begins at `at`, with the braces that it opens; 0 if it does not stand there."""
    depth = done = 0
    for i in range(at, len(tokens)):
        token = tokens[i][2]
        if done == len(spelled):
            if depth == 0:
                return i
            if token != "}":
                return 0
            depth -= 1
        elif token == "{" and done:
            depth += 1
        elif token == "}" and depth:
            depth -= 1
        elif token == spelled[done]:
            done += 1
        else:
            return 0
    return len(tokens) if done == len(spelled) and depth == 0 else 0
