"""The glossary: one meaning of a symbol in a chapter, found by chapter and by search; its first chapter follows the registry."""

import pytest

from core import chapters, glossary
from core.chapters import CHAPTERS
from core.glossary import Symbol

ENTRY = '[[symbol]]\nlatex = "{latex}"\nname = "{name}"\nmeaning = "m"\nunit = "u"\nchapters = {slugs}\n'


def test_entries_are_whole_and_of_chapters_that_exist():
    """An empty name or unit cannot be loaded at all; that every entry is used is in the contract of its chapter."""
    slugs = {chapter.slug for chapter in CHAPTERS}
    for entry in glossary.load():
        assert set(entry.chapters) <= slugs, entry
        assert len(set(entry.chapters)) == len(entry.chapters)
        assert "|" not in entry.latex + entry.name + entry.meaning + entry.unit, "it stands in a table"
        assert not entry.name.endswith(".") and entry.name.strip() == entry.name
    assert all(glossary.of(slug) for slug in slugs)


def test_one_letter_means_what_it_means_in_the_chapter():
    assert glossary.of("guidance")[r"\gamma"].name == "guidance scale"
    assert glossary.of("langevin")[r"\gamma"].name == "friction"
    assert r"\gamma" not in glossary.of("brownian")
    assert glossary.of("nowhere") == {}


def test_the_first_chapter_follows_the_registry(monkeypatch):
    entry = glossary.of("langevin")["kT"]
    order = [chapter.slug for chapter in CHAPTERS if chapter.slug in entry.chapters]
    assert [chapter.slug for chapter in glossary.users(entry)] == order and len(order) > 2
    monkeypatch.setattr(chapters, "CHAPTERS", CHAPTERS[::-1])
    assert [chapter.slug for chapter in glossary.users(entry)] == order[::-1]


@pytest.mark.parametrize("words", ["σ", "sigma", r"\sigma", "Step SCALE", "walker"])
def test_a_symbol_is_found_by_letter_name_and_meaning(words):
    assert glossary.matches(glossary.of("brownian")[r"\sigma"], words)


def test_a_symbol_is_not_found_by_what_it_is_not():
    entry = glossary.of("brownian")[r"\sigma"]
    assert not glossary.matches(entry, "temperature") and not glossary.matches(entry, "step temperature")
    assert glossary.matches(entry, "") and glossary.matches(Symbol(r"\varepsilon", "n", "m", "u", ("a",)), "ε")


def test_abbreviations_are_spelled_out():
    assert glossary.spelled_out("GAN", "VAE") == "GAN: generative adversarial network. VAE: variational autoencoder."
    assert all(words.strip() and not words.endswith(".") for words in glossary.abbreviations().values())
    with pytest.raises(KeyError, match="QED"):
        glossary.spelled_out("QED")


def test_faults_are_said():
    whole = ENTRY.format(latex="x", name="n", slugs='["torus"]')
    assert glossary.parse(whole) == (Symbol("x", "n", "m", "u", ("torus",)),)
    with pytest.raises(ValueError, match="x has two meanings in 'torus': n and other"):
        glossary.parse(whole + ENTRY.format(latex="x", name="other", slugs='["guidance", "torus"]'))
    with pytest.raises(ValueError, match="empty name"):
        glossary.parse(ENTRY.format(latex="x", name="", slugs='["torus"]'))
    with pytest.raises(ValueError, match="empty chapters"):
        glossary.parse(ENTRY.format(latex="x", name="n", slugs="[]"))
    with pytest.raises(ValueError, match="entry 1 .* must have .*unit"):
        glossary.parse(whole.replace('unit = "u"\n', ""))
