"""Layers draw from a seed, and the random numbers of everybody else do not notice."""

import ast
from pathlib import Path

import pytest
import torch
from torch import nn

from core.numerics.randomness import seeded

CORE = Path(__file__).resolve().parents[3] / "core"
RESEEDING = {
    "torch.manual_seed",
    "torch.seed",
    "torch.random.manual_seed",
    "torch.random.seed",
    "np.random.seed",
    "numpy.random.seed",
    "random.seed",
}


def drawn():
    """First weights and a dropout mask: what takes no generator of its own."""
    network = nn.Linear(3, 4)
    return torch.cat([network.weight.detach().flatten(), nn.functional.dropout(torch.ones(64)), torch.randn(3)])


@pytest.mark.parametrize("seed", [0, 7, 2**40 + 1])
def test_it_draws_what_a_seed_of_the_process_would(seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        expected = drawn()
    with seeded(seed):
        assert torch.equal(drawn(), expected)
    with seeded(seed + 1):
        assert not torch.equal(drawn(), expected)


def test_nothing_leaks_even_when_the_work_fails():
    before = torch.get_rng_state()
    with seeded(1):
        drawn()
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ZeroDivisionError), seeded(1):
        drawn()
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), before)


def test_one_inside_another_goes_on_where_the_outer_one_was():
    with seeded(1):
        alone = torch.rand(4)
    with seeded(1):
        first = torch.rand(2)
        with seeded(2):
            torch.rand(5)
        assert torch.equal(torch.cat([first, torch.rand(2)]), alone)


def reseeding(source: str) -> set[str]:
    """The calls in `source` that set a generator which belongs to the whole process."""
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
    return calls & RESEEDING


def test_no_code_of_core_seeds_the_process():
    assert reseeding("import torch\ndef f():\n    torch.manual_seed(1)") == {"torch.manual_seed"}
    assert not reseeding("torch.Generator().manual_seed(1)")
    assert not {path.name: found for path in CORE.rglob("*.py") if (found := reseeding(path.read_text()))}
