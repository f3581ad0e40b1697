"""Particle movies as bytes: what the browser player draws, packed for the wire.

Layout, little-endian: ``N2CP`` | u16 version | u16 zero | u32 header length | JSON header | blocks, each aligned to 8.

| block | stored as | note |
|---|---|---|
| positions, 2-D | steps, at most 3 bytes per particle and frame | 3,600 levels across the view, exact bins of a histogram |
| positions, 1-D | steps, at most 2 bytes per particle and frame | 7,200 levels across the view |
| density | uint8 at up to 64 key frames, steps | every key frame divided by its own maximum |
| arrows | int8 at up to 64 key frames, steps | every key frame divided by its 90th-percentile length |
| exact marginals | uint16 times a float32 scale per frame, steps | |
| labels, values | uint8 | values between their minimum and maximum |
| images | uint8 at up to 64 key frames, steps | 1..255 across the colours, 0 where the page shows through |

Steps: the differences between frames, or the differences of those, deflated; the numbers themselves where that is shorter, in
2-D 12 + 12 bits = 3 bytes. Noise has no shorter form than its steps; a deterministic flow comes to a fifth.

A margin of 7% around the view keeps the motion of particles that cross its edge; what lies farther out sits on that
margin, unseen. Particles that are not finite have a code of their own, so the player can count them.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.figures.binary_buffers import BinaryBuffers, read_block, split
from core.figures.player_panel import LOST, MARGIN, VIEW, Panel, as_numbers, pack_panel

__all__ = ["Handles", "Panel", "Unpacked", "pack_player", "payload_id", "unpack"]

MAGIC, VERSION = b"N2CP", 1
MAX_FRAMES, MAX_PANELS = 2048, 6


@dataclass(frozen=True)
class Handles:
    """Modes of a Gaussian mixture that the reader can move, widen and weigh by hand on the stage.

    modes: (x, y, weight, width) each. limits: (low, high) of those four. sigma: noise added to every width. powers: per panel,
    the power of the mixture that its density shows. While a hand is on them, the browser draws the mixture itself.
    """

    modes: Sequence[Sequence[float]]
    limits: Sequence[tuple[float, float]]
    sigma: float = 0.0
    powers: Sequence[float] = ()


def pack_player(
    panels: Sequence[Panel],
    *,
    times: Any,
    mode: str = "2d",
    bounds: Sequence[float] = (),
    x_label: str = "",
    y_label: str = "",
    y_ticks: Sequence[tuple[float, str]] = (),
    time_label: str = "time",
    alt: str,
    fps: float = 30,
    autoplay: bool = True,
    loop: bool = True,
    trail: int = 0,
    wrap: bool = False,
    leap: float = 0.0,
    equal_aspect: bool = True,
    marginals: bool = True,
    handles: Handles | None = None,
    overlay: bool = False,
    isolines: bool = True,
) -> bytes:
    """Everything the player shows, as bytes. Panels run side by side on one clock.

    times: (T,), the reading of the clock at each frame, rising or falling (not both in mode "1d", where it is x).
    mode: "2d", "1d" (paths over time) or "image" (pictures instead of particles, on the same clock).
    bounds: the view, (x_low, x_high, y_low, y_high) or, in mode "1d", (low, high) of the position axis; none in mode "image".
    y_ticks: (place, words) on the vertical axis, instead of numbers.
    alt: one sentence for readers who do not see the picture. fps: frames of the payload per second at speed 1.
    trail: frames of path drawn behind each particle. wrap: the view is one period of a torus.
    leap: a move longer than this share of the view is a jump, with nothing drawn between its ends (0: every move glides).
    marginals: histograms at first. isolines: lines of equal density in mode "2d"; not where it changes along one axis only.
    handles: modes to be dragged, in mode "2d". overlay: all panels in one place, the first one below; mode "2d", and only the first may
    have density or arrows.
    Raises ValueError with the offending shape or name.
    """
    if mode not in ("1d", "2d", "image"):
        raise ValueError(f"mode is {mode!r}; it must be '1d', '2d' or 'image'")
    panels = list(panels)
    if not 1 <= len(panels) <= MAX_PANELS:
        raise ValueError(f"{len(panels)} panels; the player shows 1 to {MAX_PANELS}")
    if not fps > 0 or trail < 0:
        raise ValueError(f"fps must be positive and trail not negative, not {fps} and {trail}")
    if not alt.strip():
        raise ValueError("alt is empty: say in one sentence what moves")
    view = _pixels(panels[0]) if mode == "image" else _bounds(bounds, mode)
    clock = as_numbers(times, "times", 1).astype("<f4")
    if not 1 <= len(clock) <= MAX_FRAMES or not np.isfinite(clock).all():
        raise ValueError(f"times must hold 1 to {MAX_FRAMES} finite numbers, not {len(clock)}")
    steps = np.diff(clock)
    if mode == "1d" and len(clock) > 1 and (clock[0] == clock[-1] or (steps.min() < 0 < steps.max())):
        raise ValueError("times must rise or fall throughout in mode '1d', where time is the horizontal axis")

    if handles is not None and mode == "1d":
        raise ValueError("handles need mode '2d'")
    if overlay and (mode == "1d" or any(panel.density is not None or panel.arrows is not None for panel in panels[1:])):
        raise ValueError("an overlay needs mode '2d', and density and arrows only in its first panel")
    blocks = BinaryBuffers()
    header = {
        "mode": mode,
        "frames": len(clock),
        "bounds": view,
        "fps": float(fps),
        "autoplay": bool(autoplay),
        "loop": bool(loop),
        "trail": int(trail),
        "wrap": bool(wrap),
        "leap": float(leap),
        "equal": bool(equal_aspect),
        "isolines": bool(isolines),
        "strips": bool(marginals) and mode != "image",
        "alt": alt,
        "overlay": bool(overlay),
        "x": x_label,
        "y": y_label,
        "y_ticks": [{"value": float(place), "text": str(words)} for place, words in y_ticks],
        "time": time_label,
        "view": VIEW,
        "margin": MARGIN,
        "times": blocks.add(clock),
        "panels": [pack_panel(panel, i, clock, view, mode, wrap, blocks) for i, panel in enumerate(panels)],
    }
    if handles is not None:
        header["handles"] = {
            "modes": [[float(v) for v in m] for m in handles.modes],
            "sigma": float(handles.sigma),
            "limits": [[float(v) for v in pair] for pair in handles.limits],
            "powers": [float(p) for p in handles.powers],
        }
    body = blocks.bytes()
    text = json.dumps(header, separators=(",", ":"), allow_nan=False)
    identity = hashlib.blake2b(text.encode() + body, digest_size=8).hexdigest()
    head = json.dumps({"id": identity} | header, separators=(",", ":"), allow_nan=False).encode()
    head += b" " * (-len(head) - 12 & 7)
    return MAGIC + struct.pack("<HHI", VERSION, 0, len(head)) + head + body


def payload_id(payload: bytes) -> str:
    """The hash under which the player reports this payload as drawn."""
    return _header(payload)[0]["id"]


@dataclass(frozen=True)
class Unpacked:
    """A payload read back: the header as a dict, times (T,), and per panel a dict of arrays in real units."""

    header: dict
    times: np.ndarray
    panels: list[dict[str, np.ndarray]]


def unpack(payload: bytes) -> Unpacked:
    """Inverse of `pack_player` up to quantisation; coordinates that were not finite are NaN.

    Raises ValueError when the bytes are no payload of this version.
    """
    header, body = _header(payload)

    def block(spec: dict) -> np.ndarray:
        return read_block(body, spec)

    bounds = np.array(header["bounds"]).reshape(-1, 2)
    panels = []
    for panel in header["panels"]:
        if "image" in panel:
            codes, (low, high) = block(panel["image"]).astype(float), panel["image_range"]
            panels.append({"image": np.where(codes == 0, np.nan, low + (codes - 1) / 254 * (high - low))})
            continue
        codes = block(panel["positions"])
        bits = 12 if header["mode"] == "2d" else 13
        scale = 1 << (bits - 12)
        unit = (codes.astype(float) - MARGIN * scale) / (VIEW * scale)
        positions = bounds[:, 0] + unit * (bounds[:, 1] - bounds[:, 0])
        arrays = {"positions": np.where(codes == LOST[bits], np.nan, positions)}
        for name in ("labels", "values", "density"):
            if name in panel:
                arrays[name] = block(panel[name])
        if "values" in panel:
            low, high = panel["value_range"]
            arrays["values"] = low + arrays["values"] / 255 * (high - low)
        if "arrows" in panel:
            arrays["arrows"] = block(panel["arrows"]) / 63.5 * block(panel["arrow_scale"])[:, None, None, None]
        for axis in ("x", "y"):
            if axis in panel.get("marginals", {}):
                spec = panel["marginals"][axis]
                arrays[f"marginal_{axis}"] = block(spec["q"]) / 65535 * block(spec["scale"])[:, None]
        panels.append(arrays)
    return Unpacked(header, block(header["times"]), panels)


def _header(payload: bytes) -> tuple[dict, memoryview]:
    return split(payload, MAGIC, VERSION, "player")


def _pixels(panel: Panel) -> list[float]:
    """The view of a movie of pictures: (0, columns, 0, rows) of its first panel."""
    _, rows, columns = as_numbers(panel.image, "panel 1: image", 3).shape
    return [0.0, float(columns), 0.0, float(rows)]


def _bounds(bounds: Sequence[float], mode: str) -> list[float]:
    view = np.asarray(bounds, dtype=float).ravel()
    pairs = view.reshape(-1, 2) if view.size == (4 if mode == "2d" else 2) else None
    if pairs is None or not np.isfinite(view).all() or (pairs[:, 0] >= pairs[:, 1]).any():
        wanted = "(x_low, x_high, y_low, y_high)" if mode == "2d" else "(low, high)"
        raise ValueError(f"bounds must be {wanted}, rising and finite, not {bounds}")
    return view.tolist()
