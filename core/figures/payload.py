"""Particle movies as bytes: what the browser player draws, packed for the wire.

Layout, little-endian: ``N2CP`` | u16 version | u16 zero | u32 header length | JSON header | blocks, each aligned to 8.

| block | stored as | note |
|---|---|---|
| positions, 2-D | 12 + 12 bits = 3 bytes per particle and frame | 3,600 levels across the view, exact bins of a histogram |
| positions, 1-D | uint16 = 2 bytes per particle and frame | 57,600 levels across the view |
| density | uint8 at up to 64 key frames, deflated | every key frame divided by its own maximum |
| arrows | int8 at up to 64 key frames | every key frame divided by its 90th-percentile length |
| exact marginals | uint16 times a float32 scale per frame | |
| labels, values | uint8 | values between their minimum and maximum |

A margin of 7% around the view keeps the motion of particles that cross its edge; what lies farther out sits on that
margin, unseen. Particles that are not finite have a code of their own, so the player can count them.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MAGIC, VERSION = b"N2CP", 1
VIEW, MARGIN = 3600, 247                     # levels across the view and beyond each of its edges, at 12 bits
LOST = {12: 4095, 16: 65535}                 # the code of a coordinate that is not finite
MAX_FRAMES, MAX_PANELS, MAX_KEYS = 2048, 4, 64
ROLES = ("data", "sample", "exact", "noise", "force", "accent")


@dataclass(frozen=True)
class Panel:
    """One run: what moves and what it is compared with. Arrays may be numpy or torch; N particles, T frames.

    positions: (T, N, 2), or (T, N, 1) for mode "1d".
    title: above the panel; name: what the particles are in the legend ("walkers"), the role's name when empty.
    role: the colour's meaning, one of ROLES.
    labels: (N,) integers 0..255 with `label_names`; values: (N,) floats with `value_label`. Both only colour.
    density: (T or 1, H, W) >= 0 at `grid_points` (row 0 = lowest y); in mode "1d" (T, H), row by time.
    arrows: (T or 1, h, w, 2) at `grid_points`; arrow_role: "force" or "score".
    marginals_exact: pair of (T or 1, M), the exact densities of x and of y at M evenly spaced points from edge to
    edge of the view, 1 / unit of the axis; in mode "1d" one such array. Either of the pair may be None.
    """

    positions: Any
    title: str = ""
    role: str = "sample"
    labels: Any = None
    values: Any = None
    density: Any = None
    arrows: Any = None
    arrow_role: str = "force"
    marginals_exact: Any = None
    name: str = ""
    label_names: Sequence[str] = ()
    value_label: str = "value"


def grid_points(bounds: Sequence[float], shape: tuple[int, int]) -> np.ndarray:
    """(H*W, 2): centres of H x W cells over (x_low, x_high, y_low, y_high), row by row from the lowest y.

    Evaluate a density here and reshape to (H, W).
    """
    x_low, x_high, y_low, y_high = _bounds(bounds, "2d")
    height, width = shape
    x = x_low + (np.arange(width) + 0.5) / width * (x_high - x_low)
    y = y_low + (np.arange(height) + 0.5) / height * (y_high - y_low)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def pack_player(
    panels: Sequence[Panel],
    *,
    times: Any,
    mode: str = "2d",
    bounds: Sequence[float],
    x_label: str = "",
    y_label: str = "",
    time_label: str = "time",
    alt: str,
    fps: float = 30,
    autoplay: bool = True,
    loop: bool = True,
    trail: int = 0,
    wrap: bool = False,
    equal_aspect: bool = True,
) -> bytes:
    """Everything the player shows, as bytes. Panels run side by side on one clock.

    times: (T,), the reading of the clock at each frame, rising or falling (not both in mode "1d", where it is x).
    bounds: the view, (x_low, x_high, y_low, y_high) or, in mode "1d", (low, high) of the position axis.
    alt: one sentence for readers who do not see the picture. fps: frames of the payload per second at speed 1.
    trail: frames of path drawn behind each particle. wrap: the view is one period of a torus.
    Raises ValueError with the offending shape or name.
    """
    if mode not in ("1d", "2d"):
        raise ValueError(f"mode is {mode!r}; it must be '1d' or '2d'")
    panels = list(panels)
    if not 1 <= len(panels) <= MAX_PANELS:
        raise ValueError(f"{len(panels)} panels; the player shows 1 to {MAX_PANELS}")
    if not fps > 0 or trail < 0:
        raise ValueError(f"fps must be positive and trail not negative, not {fps} and {trail}")
    if not alt.strip():
        raise ValueError("alt is empty: say in one sentence what moves")
    view = _bounds(bounds, mode)
    clock = _array(times, "times", 1).astype("<f4")
    if not 1 <= len(clock) <= MAX_FRAMES or not np.isfinite(clock).all():
        raise ValueError(f"times must hold 1 to {MAX_FRAMES} finite numbers, not {len(clock)}")
    steps = np.diff(clock)
    if mode == "1d" and len(clock) > 1 and (clock[0] == clock[-1] or (steps.min() < 0 < steps.max())):
        raise ValueError("times must rise or fall throughout in mode '1d', where time is the horizontal axis")

    blocks = _Blocks()
    header = {
        "mode": mode, "frames": len(clock), "bounds": view, "fps": float(fps), "autoplay": bool(autoplay),
        "loop": bool(loop), "trail": int(trail), "wrap": bool(wrap), "equal": bool(equal_aspect), "alt": alt,
        "x": x_label, "y": y_label, "time": time_label, "view": VIEW, "margin": MARGIN,
        "times": blocks.add(clock),
        "panels": [_pack_panel(panel, i, clock, view, mode, wrap, blocks) for i, panel in enumerate(panels)],
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

    def block(spec):
        return _read_block(body, spec)

    bounds = np.array(header["bounds"]).reshape(-1, 2)
    panels = []
    for panel in header["panels"]:
        codes = block(panel["positions"])
        bits = 12 if header["mode"] == "2d" else 16
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


# ---- pieces ---------------------------------------------------------------------------------------------------------


def _array(value: Any, name: str, ndim: int) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    value = np.asarray(value)
    if value.ndim != ndim or value.dtype.kind not in "fiub":
        raise ValueError(f"{name} must have {ndim} axes of numbers, not shape {value.shape} of {value.dtype}")
    return value


def _bounds(bounds: Sequence[float], mode: str) -> list[float]:
    view = np.asarray(bounds, dtype=float).ravel()
    pairs = view.reshape(-1, 2) if view.size == (4 if mode == "2d" else 2) else None
    if pairs is None or not np.isfinite(view).all() or (pairs[:, 0] >= pairs[:, 1]).any():
        wanted = "(x_low, x_high, y_low, y_high)" if mode == "2d" else "(low, high)"
        raise ValueError(f"bounds must be {wanted}, rising and finite, not {bounds}")
    return view.tolist()


def _pack_panel(panel: Panel, index: int, clock, view, mode, wrap, blocks) -> dict:
    where, n_frames = f"panel {index + 1}", len(clock)
    positions = _array(panel.positions, f"{where}: positions", 3)
    dim = 2 if mode == "2d" else 1
    if positions.shape[0] != n_frames or positions.shape[1] < 1 or positions.shape[2] != dim:
        raise ValueError(f"{where}: positions have shape {positions.shape}, not ({n_frames}, N, {dim})")
    if panel.role not in ROLES:
        raise ValueError(f"{where}: role {panel.role!r} is none of {', '.join(ROLES)}")
    if panel.arrow_role not in ("force", "score"):
        raise ValueError(f"{where}: arrow_role {panel.arrow_role!r} is neither 'force' nor 'score'")
    n = positions.shape[1]
    codes, lost, left = _quantise(positions, np.array(view).reshape(-1, 2), 12 if dim == 2 else 16, wrap)
    spec = {"title": panel.title, "name": panel.name, "role": panel.role, "n": n, "lost": lost, "left": left,
            "positions": blocks.add_pairs(codes) if dim == 2 else blocks.add(codes)}
    if panel.labels is not None:
        labels = _array(panel.labels, f"{where}: labels", 1)
        if labels.shape != (n,) or labels.min() < 0 or labels.max() > 255 or (labels != np.rint(labels)).any():
            raise ValueError(f"{where}: labels must be {n} integers from 0 to 255")
        spec |= {"labels": blocks.add(labels.astype("u1")), "label_names": [str(s) for s in panel.label_names]}
    if panel.values is not None:
        values = _array(panel.values, f"{where}: values", 1).astype(float)
        if values.shape != (n,) or not np.isfinite(values).all():
            raise ValueError(f"{where}: values must be {n} finite numbers")
        low, high = float(values.min()), float(values.max())
        scaled = (values - low) / ((high - low) or 1)
        spec |= {"values": blocks.add(np.rint(scaled * 255).astype("u1")), "value_range": [low, high],
                 "value_label": panel.value_label}
    if panel.density is not None:
        spec |= _pack_density(panel.density, where, clock, mode, blocks)
    if panel.arrows is not None:
        spec |= _pack_arrows(panel, where, n_frames, mode, blocks)
    if panel.marginals_exact is not None:
        spec["marginals"] = _pack_marginals(panel.marginals_exact, where, n_frames, mode, blocks)
    return spec


def _quantise(positions: np.ndarray, bounds: np.ndarray, bits: int, wrap: bool) -> tuple[np.ndarray, int, int]:
    """Codes (T, N, D) and how many particles are, at some frame, not finite / outside the view."""
    scale = 1 << (bits - 12)
    low, span = bounds[:, 0], bounds[:, 1] - bounds[:, 0]
    positions = positions.astype(np.promote_types(positions.dtype, np.float32), copy=False)
    low, span = low.astype(positions.dtype), span.astype(positions.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        unit = (positions - low) / span
        if wrap:
            unit = unit - np.floor(unit)
        finite = np.isfinite(unit).all(axis=2)
        outside = ~(np.abs(unit - 0.5) <= 0.5).all(axis=2)
        level = np.clip(unit * (VIEW * scale) + (MARGIN * scale + 0.5), 0, LOST[bits] - 1)
        codes = np.where(finite[..., None], level, LOST[bits]).astype("<u2")
    return codes, int((~finite).any(axis=0).sum()), int(outside.any(axis=0).sum())


def _keys(n_frames: int) -> np.ndarray:
    return np.unique(np.rint(np.linspace(0, n_frames - 1, min(n_frames, MAX_KEYS))).astype(int))


def _pack_density(density: Any, where: str, clock: np.ndarray, mode: str, blocks) -> dict:
    n_frames = len(clock)
    grid = _array(density, f"{where}: density", 3 if mode == "2d" else 2)
    if len(grid) not in ((1, n_frames) if mode == "2d" else (n_frames,)) or 0 in grid.shape:
        raise ValueError(f"{where}: density has shape {grid.shape}; its first axis must be frames ({n_frames})")
    if not np.isfinite(grid).all() or grid.min() < 0:
        raise ValueError(f"{where}: density must be finite and not negative")
    if mode == "1d":                                            # one picture, its columns even in time
        even = np.linspace(clock[0], clock[-1], min(4 * n_frames, 256))
        index = np.interp(even, clock, np.arange(n_frames)) if clock[0] < clock[-1] else np.interp(
            even[::-1], clock[::-1], np.arange(n_frames)[::-1])[::-1]
        before = np.minimum(index.astype(int), n_frames - 1)
        after, part = np.minimum(before + 1, n_frames - 1), (index - before)[:, None]
        grid = (grid[before] * (1 - part) + grid[after] * part)
        keys, peak = np.array([0]), grid.max(axis=1, keepdims=True)
        levels = (grid / np.where(peak > 0, peak, 1)).T[None]
    else:
        keys = _keys(n_frames) if len(grid) > 1 else np.array([0])
        grid = grid[keys]
        peak = grid.max(axis=(1, 2), keepdims=True)
        levels = grid / np.where(peak > 0, peak, 1)
    return {"density": blocks.add(np.rint(levels * 255).astype("u1"), deflate=True), "density_keys": keys.tolist()}


def _pack_arrows(panel: Panel, where: str, n_frames: int, mode: str, blocks) -> dict:
    if mode == "1d":
        raise ValueError(f"{where}: arrows need mode '2d'")
    arrows = _array(panel.arrows, f"{where}: arrows", 4)
    if len(arrows) not in (1, n_frames) or arrows.shape[3] != 2 or 0 in arrows.shape:
        raise ValueError(f"{where}: arrows have shape {arrows.shape}, not ({n_frames} or 1, h, w, 2)")
    if not np.isfinite(arrows).all():
        raise ValueError(f"{where}: arrows must be finite")
    keys = _keys(n_frames) if len(arrows) > 1 else np.array([0])
    arrows = arrows[keys].astype(float)
    length = np.linalg.norm(arrows, axis=-1)
    scale = np.quantile(length.reshape(len(keys), -1), 0.9, axis=1)
    scale = np.where(scale > 0, scale, 1.0)
    short = np.minimum(1, 2 * scale[:, None, None] / np.maximum(length, 1e-300))[..., None]     # at most twice the scale
    codes = np.rint(arrows * short / scale[:, None, None, None] * 63.5).astype("i1")
    return {"arrows": blocks.add(codes), "arrow_keys": keys.tolist(), "arrow_role": panel.arrow_role,
            "arrow_scale": blocks.add(scale.astype("<f4"))}


def _pack_marginals(marginals: Any, where: str, n_frames: int, mode: str, blocks) -> dict:
    if mode == "1d" and not isinstance(marginals, tuple | list):
        marginals = (marginals,)
    axes = ("x", "y") if mode == "2d" else ("x",)
    if len(marginals) != len(axes):
        raise ValueError(f"{where}: marginals_exact needs one array for each of {', '.join(axes)}")
    packed = {}
    for axis, curve in zip(axes, marginals, strict=True):
        if curve is None:
            continue
        curve = _array(curve, f"{where}: marginal of {axis}", 2).astype(float)
        if len(curve) not in (1, n_frames) or curve.shape[1] < 2:
            raise ValueError(f"{where}: marginal of {axis} has shape {curve.shape}, not ({n_frames} or 1, M)")
        if not np.isfinite(curve).all() or curve.min() < 0:
            raise ValueError(f"{where}: marginal of {axis} must be finite and not negative")
        peak = np.maximum(curve.max(axis=1), 1e-30)
        packed[axis] = {"q": blocks.add(np.rint(curve / peak[:, None] * 65535).astype("<u2")),
                        "scale": blocks.add(peak.astype("<f4"))}
    return packed


class _Blocks:
    """Collects arrays and remembers where each begins."""

    def __init__(self):
        self._parts, self._size = [], 0

    def add(self, array: np.ndarray, *, deflate: bool = False, pack: str = "", shape=None) -> dict:
        raw = np.ascontiguousarray(array).tobytes()
        raw = zlib.compress(raw, 1) if deflate else raw
        spec = {"at": self._size, "bytes": len(raw), "type": pack or array.dtype.str[1:],
                "shape": list(shape or array.shape)}
        if deflate:
            spec["deflate"] = 1
        padding = -len(raw) & 7
        self._parts += [raw, b"\0" * padding]
        self._size += len(raw) + padding
        return spec

    def add_pairs(self, codes: np.ndarray) -> dict:
        """(..., 2) codes below 4096 -> three bytes each: x's low eight, x's high four | y's low four, y's high eight."""
        x, y = codes[..., 0], codes[..., 1]
        packed = np.empty((*x.shape, 3), dtype="u1")
        packed[..., 0] = x & 255
        packed[..., 1] = (x >> 8) | ((y & 15) << 4)
        packed[..., 2] = y >> 4
        return self.add(packed, pack="xy12", shape=codes.shape)

    def bytes(self) -> bytes:
        return b"".join(self._parts)


def _header(payload: bytes) -> tuple[dict, memoryview]:
    if len(payload) < 12 or payload[:4] != MAGIC:
        raise ValueError("not a player payload")
    version, _, length = struct.unpack_from("<HHI", payload, 4)
    if version != VERSION or len(payload) < 12 + length:
        raise ValueError(f"player payload of version {version} with {len(payload)} bytes cannot be read")
    return json.loads(payload[12 : 12 + length]), memoryview(payload)[12 + length :]


def _read_block(body: memoryview, spec: dict) -> np.ndarray:
    raw = body[spec["at"] : spec["at"] + spec["bytes"]]
    if spec.get("deflate"):
        raw = zlib.decompress(raw)
    if spec["type"] == "xy12":
        three = np.frombuffer(raw, "u1").reshape(-1, 3).astype("u2")
        codes = np.stack([three[:, 0] | ((three[:, 1] & 15) << 8), (three[:, 1] >> 4) | (three[:, 2] << 4)], axis=-1)
        return codes.reshape(spec["shape"])
    return np.frombuffer(raw, "<" + spec["type"]).reshape(spec["shape"])
