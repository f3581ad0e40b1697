"""The layout of a model card, by hand."""

from core.numerics.cards import WIDTH, Card, table

WORDS = "a sentence that is much longer than a line of a card may be and is therefore cut, " * 3


def test_a_small_card_by_hand():
    card = Card(
        "net: a network?",
        "Says yes.",
        {"Network": "one weight, `core/x.py`.", "Data": "none."},
        "It cannot say no.",
        measured=("Errors:", table(("level", "error"), [("1", "0.5"), ("2", "")])),
        on="3 crystals",
        command='n2c train net --dataset "two moons"',
    )
    assert (
        card.markdown()
        == """# net: a network?

Says yes.

- **Network**: one weight, `core/x.py`.
- **Data**: none.

Reproduce with

    n2c train net --dataset "two moons"

## Measured on 3 crystals

Errors:

| level | error |
|---|---|
| 1 | 0.5 |
| 2 |  |

## Limits

It cannot say no.
"""
    )


def test_text_is_cut_into_lines_and_tables_and_commands_are_not():
    wide = table(("x" * 100, "y" * 100), [("1", "2")])
    command = f"n2c train {'x' * 200} --steps 3"
    text = Card("t", WORDS, {"Data": WORDS}, WORDS, networks=wide, command=command, measured=(WORDS,)).markdown()
    assert wide in text and f"    {command}\n" in text
    others = [line for line in text.splitlines() if not line.startswith(("|", "    "))]
    assert max(map(len, others)) <= WIDTH < max(map(len, text.splitlines()))
    assert " ".join(text.split()).count(" ".join(WORDS.split())) == 4
    assert all(line.startswith("  ") for line in text.split("- **Data**")[1].split("\n\n")[0].splitlines()[1:])


def test_what_is_not_there_leaves_no_trace():
    assert Card("t", "s", {"Data": "none."}, "all.").markdown() == "# t\n\ns\n\n- **Data**: none.\n\n## Limits\n\nall.\n"
