"""The stage of `representation`: the crystal as written beside its new description, orbits ready to be lit."""

from __future__ import annotations

from core.crystals.representation import Story, Symmetry, orbit_labels
from core.figures.crystal_payload import pack_crystals
from core.structures.crystal import Crystal, CrystalTrajectory


def payload(story: Story, before: Symmetry, after: Symmetry, *, name: str, lit: int | None = None) -> bytes:
    """Crystal-player payload. name: of the crystal as written. lit: number of the orbit that is lit at first, counted round again after the
    last one.
    """
    crystals: list[Crystal | CrystalTrajectory] = [story.written, story.path]
    groups = [orbit_labels(before, story.written.n_atoms).tolist(), orbit_labels(after, story.described.n_atoms).tolist()]
    names = [[f"{orbit.name}, {len(orbit.atoms)} in this cell" for orbit in found.orbits] for found in (before, after)]
    return pack_crystals(
        crystals,
        titles=[f"{name} as written · {before.name}", f"as told to the model · {after.name}"],
        alt=f"{name}, {story.written.formula}, as written, and the same crystal turned, shifted and relabelled.",
        time_label="share of the way",
        fps=24,
        groups=groups,
        group_names=names,
        lit=None if lit is None else lit % max(len(before.orbits), len(after.orbits)),
    )
