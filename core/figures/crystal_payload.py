"""Crystals in motion as bytes: what the browser crystal player draws, packed for the wire.

Layout, little-endian: ``N2CX`` | u16 version | u16 zero | u32 header length | JSON header | blocks, each aligned to 8.

| block | stored as | note |
|---|---|---|
| lattice of a crystal | float32 (T, 3, 3) | Å, rows are the vectors |
| coordinates | uint16 (T, N, 3) | fraction of the cell times 65,536, wrapped into the cell; 0.0002 Å in a 10 Å cell |
| species | uint8 (T, N), or (1, N) when no atom changes | atomic numbers, 0 = not decided yet |

Seven bytes per atom and frame at most. Bonds are found in the browser, so that they hold between frames too.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.figures.binary_buffers import split
from core.structures.crystal import Crystal, CrystalTrajectory

MAGIC, VERSION = b"N2CX", 1
MAX_CRYSTALS, MAX_ATOMS, MAX_FRAMES = 16, 400, 2048
LEVELS = 65536


def pack_crystals(
    trajectories: CrystalTrajectory | Crystal | Sequence[CrystalTrajectory | Crystal],
    *,
    title: str = "",
    titles: Sequence[str] | None = None,
    alt: str,
    time_label: str = "time",
    fps: float = 20,
    supercell: tuple[int, int, int] = (1, 1, 1),
    autoplay: bool = True,
    loop: bool = False,
    bonds: bool = True,
    groups: Sequence[Sequence[int] | None] | None = None,
    group_names: Sequence[Sequence[str]] = (),
    lit: int | None = None,
) -> bytes:
    """One crystal, or up to 16 side by side on one clock, as bytes for the player.

    trajectories: a finished Crystal stands still beside moving ones; all that move have the same number of frames.
    titles: one line under each crystal; with a single crystal `title` does the same.
    alt: one sentence for readers who do not see the picture. time_label: name of the clock's reading.
    fps: frames per second at speed 1 (the browser interpolates between frames along the shortest torus path).
    supercell: how many cells are drawn along a, b, c at first (1 to 3 each). bonds: drawn at first.
    groups: for each crystal the number of the group that each atom belongs to (its orbit, say), and group_names, for each crystal
    the names of its groups; a click on an atom then lights up its group. lit: number of the group that is lit at first.
    Raises ValueError with the offending number.
    """
    if isinstance(trajectories, CrystalTrajectory | Crystal):
        trajectories = [trajectories]
    paths = [CrystalTrajectory.still(one) if isinstance(one, Crystal) else one for one in trajectories]
    if not 1 <= len(paths) <= MAX_CRYSTALS:
        raise ValueError(f"{len(paths)} crystals; the player shows 1 to {MAX_CRYSTALS}")
    titles = [title] * len(paths) if titles is None else [str(one) for one in titles]
    if len(titles) != len(paths):
        raise ValueError(f"{len(titles)} titles for {len(paths)} crystals")
    if not alt.strip():
        raise ValueError("alt is empty: say in one sentence what is seen")
    if not fps > 0:
        raise ValueError(f"fps must be positive, not {fps}")
    cells = [int(n) for n in supercell]
    if len(cells) != 3 or not all(1 <= n <= 3 for n in cells):
        raise ValueError(f"supercell must be three numbers from 1 to 3, not {supercell}")
    families = [None] * len(paths) if groups is None else list(groups)
    if len(families) != len(paths) or (groups is not None and len(group_names) != len(paths)):
        raise ValueError(f"{len(families)} lists of groups, {len(group_names)} of their names, for {len(paths)} crystals")
    moving = [path for path in paths if path.n_frames > 1] or paths[:1]
    if len({path.n_frames for path in moving}) > 1:
        raise ValueError(f"crystals with {sorted({path.n_frames for path in moving})} frames cannot share a clock")
    n_frames = moving[0].n_frames
    if n_frames > MAX_FRAMES:
        raise ValueError(f"{n_frames} frames; the player takes at most {MAX_FRAMES}")
    largest = max(path.n_atoms for path in paths)
    if largest > MAX_ATOMS:
        raise ValueError(f"{largest} atoms in a cell; the player draws at most {MAX_ATOMS}")

    body, size = [], 0

    def add(array: np.ndarray) -> int:
        nonlocal size
        raw, at = array.tobytes(), size
        body.append(raw + b"\0" * (-len(raw) & 7))
        size += len(body[-1])
        return at

    crystals = []
    for i, (path, name, family) in enumerate(zip(paths, titles, families, strict=True)):
        still = (path.numbers == path.numbers[:1]).all()
        crystals.append(
            {
                "title": name,
                "frames": path.n_frames,
                "n": path.n_atoms,
                "lattice": add(path.lattices.astype("<f4")),
                "coords": add((np.rint(path.frac_coords % 1.0 * LEVELS) % LEVELS).astype("<u2")),
                "numbers": add(path.numbers[: 1 if still else None].astype("u1")),
                "numbers_frames": 1 if still else path.n_frames,
            }
        )
        if family is not None:
            crystals[-1] |= {"groups": _groups(family, path.n_atoms, len(group_names[i])), "group_names": list(group_names[i])}
    header = {
        "frames": n_frames,
        "fps": float(fps),
        "autoplay": bool(autoplay),
        "loop": bool(loop),
        "supercell": cells,
        "bonds": bool(bonds),
        "alt": alt,
        "time": time_label,
        "lit": None if lit is None else int(lit),
        "times": add(moving[0].times.astype("<f4")),
        "crystals": crystals,
    }
    blocks = b"".join(body)
    text = json.dumps(header, separators=(",", ":"), allow_nan=False)
    identity = hashlib.blake2b(text.encode() + blocks, digest_size=8).hexdigest()
    head = json.dumps({"id": identity} | header, separators=(",", ":"), allow_nan=False).encode()
    head += b" " * (-len(head) - 12 & 7)
    return MAGIC + struct.pack("<HHI", VERSION, 0, len(head)) + head + blocks


def _groups(family: Sequence[int], n_atoms: int, n_names: int) -> list[int]:
    numbers = [int(group) for group in family]
    if len(numbers) != n_atoms or not all(0 <= group < n_names for group in numbers):
        raise ValueError(f"groups must give each of {n_atoms} atoms one of {n_names} names")
    return numbers


@dataclass(frozen=True)
class UnpackedCrystals:
    """A payload read back: the header as a dict and one trajectory per crystal (coordinates quantised)."""

    header: dict
    crystals: list[CrystalTrajectory]


def payload_header(payload: bytes) -> dict:
    """The JSON header; its "id" is the hash under which the player reports this payload.

    Raises ValueError when the bytes are no payload of this version.
    """
    return _split(payload)[0]


def unpack_crystals(payload: bytes) -> UnpackedCrystals:
    """Inverse of `pack_crystals` up to quantisation; ValueError as `payload_header`."""
    header, body = _split(payload)

    def read(at: int, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        return np.frombuffer(body, dtype, count=int(np.prod(shape)), offset=at).reshape(shape)

    clock = read(header["times"], "<f4", (header["frames"],))
    crystals = []
    for spec in header["crystals"]:
        frames, n = spec["frames"], spec["n"]
        numbers = read(spec["numbers"], "u1", (spec["numbers_frames"], n))
        crystals.append(
            CrystalTrajectory(
                clock[:frames] if frames > 1 else np.zeros(1),
                np.broadcast_to(numbers, (frames, n)),
                read(spec["coords"], "<u2", (frames, n, 3)) / LEVELS,
                read(spec["lattice"], "<f4", (frames, 3, 3)),
            )
        )
    return UnpackedCrystals(header, crystals)


def _split(payload: bytes) -> tuple[dict, memoryview]:
    return split(payload, MAGIC, VERSION, "crystal player")
