"""Read-outs of chapter 19 as names and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.crystals.generation import ReadOut


def read_out_table(facts: ReadOut) -> list[tuple[str, str]]:
    """What a crystallographer looks at first, with units."""
    return [
        ("Structure", "valid" if facts.structure_valid else "not valid: atoms too close"),
        ("Charge balance (SMACT)", "possible" if facts.composition_valid else "none found"),
        ("Density", f"{facts.density:.2f} g/cm³"),
        ("Nearest distance", f"{facts.nearest_distance:.2f} Å"),
        ("Volume per atom", f"{facts.volume_per_atom:.1f} Å³"),
    ]


def score_table(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the model scored on structures kept aside, as its weight file carries it; empty where nothing was measured."""
    dev = about.get("dev", {})
    rows = [(name, dev.get(key), show) for name, key, show in (
        ("Structures it learned from", None, ""),
        ("Match rate, one attempt each", "match_rate", "{:.1%}"),
        ("… both valid (the benchmark's number)", "match_rate_filtered", "{:.1%}"),
        ("Mean rms of the matches", "rmse", "{:.3f}"),
        ("Tight matches (rms < 0.15)", "tight_share", "{:.1%}"),
        ("Structurally valid", "structure_validity", "{:.1%}"),
        ("Time per structure", "seconds_per_structure", "{:.3f} s"),
    )]
    table = [(name, show.format(value)) for name, value, show in rows if value is not None]
    return [("Structures it learned from", f"{about['training_structures']:,}")] * ("training_structures" in about) + table
