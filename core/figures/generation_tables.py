"""Read-outs of `generation` as names and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.metrics.comparison import Comparison
from core.metrics.validity import ReadOut
from core.structures.crystal import Crystal


def read_out_table(facts: ReadOut) -> list[tuple[str, str]]:
    """What a crystallographer looks at first, with units."""
    return [
        ("Structure", "valid" if facts.structure_valid else "not valid: atoms too close"),
        ("Charge balance (by the package SMACT)", "possible" if facts.composition_valid else "none found"),
        ("Density", f"{facts.density:.2f} g/cm³"),
        ("Nearest distance", f"{facts.nearest_distance:.2f} Å"),
        ("Volume per atom", f"{facts.volume_per_atom:.1f} Å³"),
    ]


def baseline_row(relative: tuple[str, Crystal] | None, comparison: Comparison | None) -> list[tuple[str, str]]:
    """The baseline beside the model: the nearest known crystal with the elements exchanged, and how it compares with the truth."""
    if relative is None:
        return [("Without a network", "no known crystal of this stoichiometry")]
    return [("Without a network", f"{relative[0]}: {comparison.label if comparison else 'elements exchanged'}")]


def grown_title(crystal: Crystal, comparison: Comparison | None, nearest: tuple[str, float] | None) -> str:
    """Under the crystal on the stage: what was grown, and which known one it is. nearest: name and rms of the nearest known structure."""
    if comparison and comparison.tight:
        return f"grown: {crystal.formula} · {comparison.name}, rms {comparison.score:.2f}"
    like = f"nearest {nearest[0]}, rms {nearest[1]:.2f}" if nearest else "like no known structure"
    return f"grown: {crystal.formula} · {like}" + ("" if comparison else " · no known crystal of this formula")


def known_title(name: str, comparison: Comparison | None) -> str:
    """Under the known crystal beside it."""
    return f"known: {name} · {comparison.label}" if comparison else f"known: {name}"


def nearest_words(comparison: Comparison | None, nearest: tuple[str, float] | None) -> str:
    """One sentence beside the truth meter where the crystal is not the known one."""
    if comparison and comparison.tight:
        return ""
    if nearest is None:
        return "No known structure of this stoichiometry maps onto it."
    return f"Of all known structures of this stoichiometry {nearest[0]} is nearest, at rms {nearest[1]:.2f}, elements exchanged."


def score_table(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the model scored on structures kept aside, as its weight file carries it; empty where nothing was measured."""
    dev, rows = about.get("dev", {}), []
    if "training_structures" in about:
        rows.append(("Crystals it learned from", f"{about['training_structures']:,}"))
    if "n" in dev:
        rows.append(("Crystals kept aside, one answer each", f"{dev['n']:,}"))
    for name, value, show in (
        ("Matched", dev.get("match_rate"), "{:.1%}"),
        ("Matched and valid (the benchmark's number)", dev.get("match_rate_filtered"), "{:.1%}"),
        ("Matched by atoms thrown into the same boxes", dev.get("chance", {}).get("match_rate"), "{:.1%}"),
        ("Mean rms of the matches", dev.get("rmse"), "{:.3f}"),
        ("Tight matches (rms < 0.15)", dev.get("tight_share"), "{:.1%}"),
        ("Structurally valid", dev.get("structure_validity"), "{:.1%}"),
        ("Time per crystal, one core", dev.get("seconds_per_structure"), "{:.3f} s"),
    ):
        if value is not None:
            rows.append((name, show.format(value)))
    if "de_novo_census" in about:
        made = about["de_novo_census"]
        rows += [
            (f"Of {made['n']:,} from nothing: sound", f"{made['structure_validity']:.1%}"),
            ("Charge-balanced (SMACT)", f"{made['composition_validity']:.1%}"),
            ("Unique", f"{made['uniqueness']:.1%}"),
        ]
    return rows
