"""Words for arguments that make no sense: the same ones everywhere."""

from __future__ import annotations

import math
from collections.abc import Collection


def one_of(what: str, value: object, known: Collection) -> None:
    """Raises ValueError unless `value` is in `known`; what: its name for the reader."""
    if value not in known:
        raise ValueError(f"{what} {value!r} is not one of {', '.join(map(str, known))}")


def positive(**numbers: float) -> None:
    """Raises ValueError naming the first of `numbers` that is not positive and finite."""
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise ValueError(f"{name} must be positive and finite, not {number:g}")
