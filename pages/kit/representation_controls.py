"""What the chapter on the description of crystals offers its reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.crystals import representation
from core.structures.builtin import STRUCTURES
from pages.kit.controls import Choice, Control, Number, Slider, Toggle

OWN = "your file"
ORBITS = ["none", *map(str, range(1, 9))]
SITES = ["none", *map(str, range(1, 9))]


def moves(values: Mapping[str, Any]) -> bool:
    """Is an atom to be moved?"""
    return values.get("site", "none") != "none"


def controls() -> list[Control]:
    return [
        Choice("structure", "Crystal", "rock salt NaCl", options=[*STRUCTURES, OWN], help="Your file: the one that you give below."),
        Choice(
            "cell",
            "Cell",
            "as written",
            options=representation.CELLS,
            term="M",
            help="Skewed: another basis of the same lattice. Niggli: the smallest cell, reduced: one answer for everybody.",
        ),
        Slider(
            "origin",
            "Shift τ of the origin (share of the cell diagonal)",
            0.15,
            low=0.0,
            high=1.0,
            step=0.01,
            term=r"\tau",
        ),
        Slider("rotation", "Rotation φ (°)", 40.0, low=0.0, high=180.0, step=1.0, term=r"\varphi"),
        Slider(
            "c",
            "Stretch of edge c (%)",
            0.0,
            low=-20.0,
            high=20.0,
            step=1.0,
            term="deform",
            help="This one makes another crystal.",
        ),
        Choice("site", "Move atom number", "none", options=SITES, term="deform", help="This one too."),
        Slider("move", "Distance the atom moves (Å)", 0.3, low=0.0, high=2.0, step=0.01, when=moves, term="deform"),
        Choice("orbit", "Light up Wyckoff site", "none", options=ORBITS, more=True, help="Or click an atom in the picture."),
        Choice(
            "direction", "Direction in which the atom moves", "a", options=list(representation.AXES), when=moves, more=True, term="deform"
        ),
        Slider("a", "Stretch of edge a (%)", 0.0, low=-20.0, high=20.0, step=1.0, more=True, term="deform"),
        Slider("b", "Stretch of edge b (%)", 0.0, low=-20.0, high=20.0, step=1.0, more=True, term="deform"),
        Slider(
            "gamma",
            "Change of the angle between a and b (°)",
            0.0,
            low=-20.0,
            high=20.0,
            step=1.0,
            more=True,
            term="deform",
        ),
        Slider(
            "jitter",
            "Jitter of every atom (Å)",
            0.0,
            options=[0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2],
            more=True,
            term="deform",
        ),
        Slider(
            "tolerance",
            "Tolerance of the symmetry search (Å)",
            0.01,
            options=list(representation.TOLERANCES),
            more=True,
        ),
        Toggle("shuffle", "Shuffle the atoms", True, more=True, term="P"),
        Number("seed", "Seed", 1, more=True, help="Of the shuffle and of the jitter."),
    ]
