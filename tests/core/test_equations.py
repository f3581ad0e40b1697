"""Equations of the chapters: no setting takes a symbol away, every symbol is explained, and what moves is coloured where it stands."""

import re
from pathlib import Path

import pytest

from core import equations, glossary, texts
from core.chapters import CHAPTERS
from core.equations import MOVED, Equation, marked, symbols, unknown

ROOT = Path(__file__).resolve().parents[2]
COLOUR = re.compile(r"\\textcolor\{\w+\}")


def written():
    """(slug, equation) of every equation in the project."""
    found = []
    for chapter in CHAPTERS:
        words = (ROOT / "assets" / "chapters" / chapter.part / f"{chapter.slug}.md").read_text(encoding="utf-8")
        sections = texts.sections(words)
        for heading in equations.headings(sections):
            found.append(pytest.param(chapter.slug, equations.read(sections, heading), id=f"{chapter.slug}, {heading}"))
    return found


@pytest.mark.parametrize(("slug", "equation"), written())
def test_no_symbol_disappears_at_any_setting(slug, equation):
    """Whatever form is chosen and whatever moved last, the symbols of the lines and of the form in force are all there, in one order."""
    known = list(glossary.of(slug))
    constant = {symbol for line in equation.lines for symbol in symbols(line, known)}
    assert constant or equation.forms
    for chosen in equation.everywhere():
        still = equation.written(chosen, known)
        expected = [symbols(line, known) for line in still]
        in_forms = {symbol for place in chosen for symbol in symbols(equation.forms[place][chosen[place]], known)}
        assert constant | in_forms == {symbol for line in expected for symbol in line}
        for moved in [*constant, *in_forms, *chosen]:
            lines = equation.written(chosen, known, [moved])
            assert [symbols(line, known) for line in lines] == expected
            assert sum(line.count(MOVED) for line in lines) > 0, f"{moved} is nowhere coloured"
            assert [bare(line) for line in lines] == [bare(line) for line in still], "colour is all that changes"


def bare(latex):
    """Without colours and without the braces that make a group of a coloured symbol."""
    return re.sub(r"[{}\s]", "", COLOUR.sub("", latex))


@pytest.mark.parametrize(("slug", "equation"), written())
def test_every_symbol_is_explained(slug, equation):
    assert equation.unknown(list(glossary.of(slug))) == []


@pytest.mark.parametrize(("slug", "equation"), written())
def test_braces_are_balanced(slug, equation):
    known = list(glossary.of(slug))
    for chosen in equation.everywhere():
        for line in equation.written(chosen, known, [*known, *chosen]):
            depth = 0
            for sign in re.findall(r"\\.|[{}]", line):
                depth += {"{": 1, "}": -1}.get(sign, 0)
                assert depth >= 0, line
            assert depth == 0, line


def test_the_longest_known_symbol_is_read():
    known = ["x", "x_t", "t", "kT", "kT^*", "T", "k", r"\mathrm{d}B", r"\mathcal{N}", r"\mathrm{SNR}"]
    assert symbols(r"x_t + x_{t} + x", known) == ["x_t", "x"]
    assert symbols(r"e^{-x/kT^*}\,kT", ["e", *known]) == ["e", "x", "kT^*", "kT"]
    assert symbols(r"\frac{k}{T}", known) == ["k", "T"]
    assert symbols(r"\sqrt{2\,kT}\;\mathrm{d}B \sim \mathcal N(0, 1)", known) == ["kT", r"\mathrm{d}B", r"\mathcal{N}"]
    assert symbols(r"\ln \mathrm{SNR}\ \text{for each x}", known) == [r"\mathrm{SNR}"]


def test_what_nobody_explains_is_found():
    assert unknown(r"x + \gamma\,v \le \mathrm{d}B, \quad 3 \times \text{words}", ["x"]) == [r"\gamma", "v", "B"]
    assert unknown(r"\hat x = \mathbb E[x]", ["x"]) == ["E"]
    assert unknown(r"\begin{matrix} 1 \end{matrix} ${place}", []) == []


def test_colour_stands_around_the_whole_symbol_and_nothing_else():
    coloured = rf"{{\textcolor{{{MOVED}}}{{%s}}}}"
    assert marked(r"\gamma^2 x_t + t", [r"\gamma", "x_t", "t"], ["t"]) == rf"\gamma^2 x_t + {coloured % 't'}"
    both = [r"\theta", r"\mathcal{N}"]
    assert marked(r"p_\theta = \mathcal{N}", both, both) == f"p_{coloured % both[0]} = {coloured % both[1]}"


def test_forms_fill_their_places():
    sections = {"Equation": "y = ${drift}\n\nz", "Forms": "drift | up, 2 | +x\ndrift | down | -|x|"}
    equation = equations.read(sections)
    assert equation == Equation(("y = ${drift}", "z"), {"drift": {"up, 2": "+x", "down": "-|x|"}})
    assert list(equation.everywhere()) == [{"drift": "up, 2"}, {"drift": "down"}]
    assert equation.written({"drift": "down"}) == ("y = -|x|", "z")
    with pytest.raises(KeyError):
        equation.written({"drift": "sideways"})
    with pytest.raises(ValueError, match="no form"):
        equations.read({"Equation": "y = ${drift}"})
    with pytest.raises(ValueError, match="not of the form"):
        equations.read({"Equation": "y", "Forms": "drift: x"})
