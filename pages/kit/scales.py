"""Places of a slider on a logarithmic scale: close enough that the picture under the thumb flows, round enough to be read out."""

from __future__ import annotations

from typing import TypeVar

Value = TypeVar("Value", int, float)

# ISO 3, series R"20: twenty rounded preferred numbers a decade, each about 12 % above the one before
PREFERRED = ("1", "1.1", "1.2", "1.4", "1.6", "1.8", "2", "2.2", "2.5", "2.8", "3", "3.5", "4", "4.5", "5", "5.5", "6", "7", "8", "9")


def graded(low: Value, high: Value, *also: Value) -> list[Value]:
    """Preferred numbers from `low` to `high`, both among them, and `also`; in order. All whole if `low` is, then with every one up to ten.

    Raises ValueError unless 0 < low < high.
    """
    if not 0 < low < high:
        raise ValueError(f"low={low} and high={high} must keep 0 < low < high")
    kind = type(low)
    numbers = [float(f"{number}e{power}") for power in range(-15, 16) for number in PREFERRED]  # as they are written in a page
    places = {kind(number) for number in numbers if low <= number <= high and kind(number) == number}
    if kind is int:
        places |= {n for n in range(1, 11) if low <= n <= high}
    return sorted(places | {low, high, *also})
