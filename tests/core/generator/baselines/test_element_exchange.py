import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from core.generator.baselines.element_exchange import ALIKE, exchange, replacement_counts, replacement_table
from core.generator.baselines.substitution import Library
from core.structures.arrays import from_crystals
from core.structures.crystal import Crystal

NA, K, CS, CL, BR, OX, MG = 11, 19, 55, 17, 35, 8, 12


def rocksalt(a, x, edge=2.8):
    return Crystal([a, x], [[0, 0, 0], [0.5, 0.5, 0.5]], (np.ones((3, 3)) - np.eye(3)) * edge)


def caesium_chloride(a, x):
    return Crystal([x, a], [[0.5, 0.5, 0.5], [0, 0, 0]], np.eye(3) * 4.1)


@pytest.fixture(scope="module")
def library():
    """NaCl, KCl, KBr and MgO of one type; CsCl of another. Size and the order of the atoms do not matter."""
    return Library(
        from_crystals([rocksalt(NA, CL), rocksalt(K, CL, 3.1), rocksalt(K, BR), rocksalt(MG, OX, 2.1), caesium_chloride(CS, CL)])
    )


def test_counts_by_hand(library):
    every, same = replacement_counts(library)
    pairs = {(NA, K): 1, (CL, BR): 1, (NA, CS): 0, (K, CS): 0}  # beside Cl, beside K, beside Cl, beside Cl
    for (a, b), kept in pairs.items():
        assert every[a, b] == every[b, a] == 1 and same[a, b] == same[b, a] == kept
    assert every.sum() == 2 * len(pairs) and same.sum() == 4, "MgO differs from all others in two elements"


def test_table(library):
    table = replacement_table(library)
    assert torch.allclose(table.sum(1), torch.ones(104))
    once = (1 / (1 + 3)) ** 3  # three pairs that failed are taken as seen; cubed
    assert table[NA, K].item() == pytest.approx(once / (1 + once)) and table[NA, CS] == 0 and table[OX, OX] == 1


def test_exchange_follows_the_table_and_keeps_atoms_of_a_kind_together(library):
    table = replacement_table(library)
    table[NA, K], table[NA, NA] = 0.3, 0.7
    numbers = torch.tensor([[NA, CL, CL, NA]]).repeat(4000, 1)
    new = exchange(numbers, table, 0.5, torch.Generator().manual_seed(0))
    assert (new[:, 0] == new[:, 3]).all() and (new[:, 1] == new[:, 2]).all()
    replaced = int((new[:, 0] == K).sum())
    assert chisquare([replaced, 4000 - replaced], [600, 3400]).pvalue > 1e-4, "a share of 1/2, a chance of 0.3"
    assert chisquare([replaced, 4000 - replaced], [1200, 2800]).pvalue < 1e-4
    assert torch.equal(exchange(numbers, table, 0.0, torch.Generator().manual_seed(0)), numbers)


def test_two_elements_never_become_one():
    table = torch.eye(104)
    table[NA, NA], table[NA, K] = 0.0, 1.0
    numbers = torch.tensor([[NA, K, CL], [NA, CL, CL]])
    assert exchange(numbers, table, 1.0, torch.Generator().manual_seed(0)).tolist() == [[NA, K, CL], [K, CL, CL]]


def test_what_counts_as_one_structure_by_value():
    """A fingerprint difference below 0.03: a caesium chloride whose body centre is off by so much, and by more."""
    assert ALIKE == 0.03
    for off, kept in ((0.03, 1), (0.12, 0)):
        bent = Crystal([CL, CS], [[0.5, 0.5, 0.5 + off], [0, 0, 0]], np.eye(3) * 4.1)
        every, same = replacement_counts(Library(from_crystals([bent, caesium_chloride(K, CL)])))
        assert every[K, CS] == 1 and same[K, CS] == kept
