import pytest

from core.structures.formula import FormulaError, check_composition, formula_of, parse_formula, reduced, reduced_counts


@pytest.mark.parametrize(
    "text, numbers",
    [
        ("Sr1 Ti1 O3", (38, 22, 8, 8, 8)),
        ("SrTiO3", (38, 22, 8, 8, 8)),
        ("SrTiO₃", (38, 22, 8, 8, 8)),
        ("Na4 Cl4", (11,) * 4 + (17,) * 4),
        ("  NaCl\n", (11, 17)),
        ("Ca(OH)2", (20, 8, 1, 8, 1)),
        ("[Na2(O)]2", (11, 11, 8, 11, 11, 8)),
        ("O3 Sr Ti", (8, 8, 8, 38, 22)),
        ("Co", (27,)),
        ("CO", (6, 8)),
        ("Na1.0 Cl1.0", (11, 17)),
        ("MgO", (12, 8)),
        ("Mg 1 O 1", (12, 8)),
        ("Ca (O H) 2", (20, 8, 1, 8, 1)),
        ("Mg\u00a0O\u200b", (12, 8)),
        ("ＮａＣｌ", (11, 17)),
        ("Na_2O", (11, 11, 8)),
        ("$Al_{2}O_{3}$", (13, 13, 8, 8, 8)),
        ("H<sub>2</sub>O", (1, 1, 8)),
        ("'NaCl'", (11, 17)),
        ("Cu S O4 (H2O)5", (29, 16) + (8,) * 4 + (1, 1, 8) * 5),
    ],
)
def test_reads_formulas_in_the_order_written(text, numbers):
    assert parse_formula(text) == numbers


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "empty"),
        ("   ", "empty"),
        ("Xx3", "Xx is not an element"),
        ("nacl", "capital"),
        ("Na0 Cl1", "0 atoms"),
        ("Na0.5", "whole number"),
        ("3NaCl", "begins with a number. Put the formula in brackets"),
        ("CaSO4·0.5H2O", "0.5 in 'CaSO4·0.5H2O' is not a whole number"),
        ("CaSO4·1/2H2O", "1/2 in 'CaSO4·1/2H2O' is not a whole number"),
        ("NaCl·", "ends with a dot"),
        ("NACL", "A is not an element; the second letter of a symbol is small"),
        ("Fe3+", "Leave charges out"),
        ("Na3 3", "does not follow"),
        ("Ca(OH2", "never closed"),
        ("CaOH)2", "no opening"),
        ("Ca()", "empty bracket"),
        ("Na-Cl", "'-'"),
        ("H999999999999999", "10,000"),
        ("(H100)101", "10,000"),
        ("D2O", "D is deuterium, here an atom of hydrogen: write H"),
        ("NaCl; rm", "';'"),
        ("Si02", "was the letter O meant"),
        ("(NaCl]4", "closed by one of the other kind"),
        ("Db1 O2", "heavier than lawrencium"),
    ],
)
def test_says_what_is_wrong(text, says):
    with pytest.raises(FormulaError, match="(?s)" + says.replace("(", "\\(")):
        parse_formula(text)


@pytest.mark.parametrize(
    "text, way_out",
    [
        ("CuSO4·5H2O", "CuSO4 (H2O)5"),
        ("CuSO₄ • 5 H₂O", "CuSO4 (H2O)5"),
        ("AlCl3 6H2O", "AlCl3 (H2O)6"),
        ("CaSO4.2H2O", "CaSO4 (H2O)2"),
        ("MgO·Al2O3", "MgO (Al2O3)"),
        ("Na1 Cl1·2H2O·3C1", "Na1 Cl1 (H2O)2 (C1)3"),
    ],
)
def test_a_hydrate_is_refused_with_what_to_write_instead(text, way_out):
    with pytest.raises(FormulaError) as refused:
        parse_formula(text)
    assert str(refused.value).endswith(f"its number behind them: {way_out}")
    parse_formula(way_out)


def test_a_model_refuses_what_it_was_not_trained_on():
    check_composition((11, 17), model="m", atom_counts=range(1, 21), known={11, 17})
    with pytest.raises(FormulaError, match="400 atoms .* 1 to 20 atoms"):
        check_composition((11,) * 400, model="m", atom_counts=range(1, 21), known={11})
    with pytest.raises(FormulaError, match="exactly 5"):
        check_composition((11, 17), model="m", atom_counts=[5], known={11, 17})
    with pytest.raises(FormulaError, match="never saw Po, Rn"):
        check_composition((86, 84, 11), model="m", atom_counts=[3], known={11})


def test_formula_of_is_read_back_with_the_same_content():
    numbers = (38, 8, 22, 8, 8)
    assert formula_of(numbers) == "Sr1 O3 Ti1"
    assert sorted(parse_formula(formula_of(numbers))) == sorted(numbers)
    assert formula_of((0, 8, 0)) == "X2 O1"


def test_the_reduced_formula_forgets_order_and_multiples():
    assert reduced((17,) * 4 + (11,) * 4) == reduced((11, 17)) == ((11, 1), (17, 1))
    assert reduced((8, 22, 8, 22, 8, 8, 8, 8)) == ((8, 3), (22, 1)) != reduced((8, 8, 22))
    assert reduced([6, 6, 6]) == ((6, 1),)
    assert reduced_counts([(17, 4), (11, 6)]) == ((11, 3), (17, 2))
